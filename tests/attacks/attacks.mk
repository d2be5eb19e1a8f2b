# The attack matrix: hostile drivers under the shipped launcher, spawned by the keeper's own
# code; built again with walls that can be left out, to show what each stops (tests/lax).

INC_attacks := -I$(B)/lax/src/walls/sandbox/lib -Itests/attacks -Itests/unit -Isandbox/zygote \
               -Isandbox/keeper $(INC_supervisor) -Isandbox/launch -I$(B)/gen/launch \
               -Isandbox/blk $(INC_session) -I$(B)/gen/proto -I.
ATTACKS_OWN  := $(addprefix tests/attacks/,main.c target.c calls.c reach.c memory.c life.c \
        image.c scene.c ring.c net.c peer.c walls.c)
ATTACKS_KEEP := $(addprefix $(B)/lax/src/walls/sandbox/,zygote/spawn.c zygote/ns_set.c \
                keeper/spawned.c) \
                sandbox/zygote/cgroup.c sandbox/keeper/trace.c sandbox/supervisor/deaths.c \
                sandbox/proto/call_name.c \
                sandbox/lib/privilege.c sandbox/lib/filter.c sandbox/lib/walls.c \
                sandbox/lib/log.c sandbox/lib/packet.c sandbox/lib/ending.c \
                sandbox/lib/memory_lock.c
CFLAGS_ATTACKS = $(WARN) -g -O1 -D_GNU_SOURCE -DRF_VERSION='"$(VERSION)"'

$(B)/attacks/attacks: $(ATTACKS_OWN) $(ATTACKS_KEEP) $(wildcard tests/attacks/*.h) \
                      tests/unit/launch_fixture.h \
                      tests/unit/rig.h | $(B)/gen/proto/syscalls.h $(B)/gen/launch/filters.h
	$(call making,CC)
	$(HOSTCC) $(CFLAGS_ATTACKS) $(INC_attacks) -o $@ $(filter %.c,$^)
$(B)/attacks/whoami: $(B)/obj/tests/attacks/whoami.o
	$(call making,LD)
	$(LINK_TRUSTED)

# The export under attack: with the service as it is, and with one that asks before each
# check whether it is wanted.
SERVED_C := $(BLK_C) $(addprefix sandbox/lib/,clock.c log.c packet.c fence.c filter.c landlock.c \
        memory_lock.c siphash.c)
$(B)/attacks/served: tests/attacks/served.c $(SERVED_C) \
                     | $(B)/gen/session/filters.h
	$(call making,CC)
	$(HOSTCC) $(WARN) -g -O2 -D_GNU_SOURCE -Itests/attacks $(INC_integrity) -o $@ \
		$(filter %.c,$^)
LAX_SERVED := $(B)/lax/src/served/sandbox
$(B)/attacks/served-lax: tests/attacks/served.c $(LAX_SERVED)/blk/service.c \
                         $(LAX_SERVED)/abi/ring.h \
                         $(filter-out %/service.c,$(SERVED_C)) | $(B)/gen/session/filters.h
	$(call making,CC)
	$(HOSTCC) $(WARN) -g -O2 -D_GNU_SOURCE -include $(LAX_SERVED)/abi/ring.h -Itests/attacks \
		$(INC_integrity) -o $@ $(filter %.c,$^)

# The same of the network.
SERVED_NET_C := $(NET_C) $(addprefix sandbox/lib/,clock.c log.c packet.c fence.c filter.c \
        landlock.c memory_lock.c)
$(B)/attacks/served-net: tests/attacks/served_net.c $(SERVED_NET_C) | $(B)/gen/session/filters.h
	$(call making,CC)
	$(HOSTCC) $(WARN) -g -O2 -D_GNU_SOURCE -Itests/attacks $(INC_net) -o $@ $(filter %.c,$^)
LAX_SERVED_NET := $(B)/lax/src/served-net
$(B)/attacks/served-net-lax: tests/attacks/served_net.c $(LAX_SERVED_NET)/sandbox/abi/ring.h \
                             $(addprefix $(LAX_SERVED_NET)/net/engine/,receive.c send.c) \
                             $(filter-out %/receive.c %/send.c,$(SERVED_NET_C)) \
                             | $(B)/gen/session/filters.h
	$(call making,CC)
	$(HOSTCC) $(WARN) -g -O2 -D_GNU_SOURCE -include $(LAX_SERVED_NET)/sandbox/abi/ring.h \
		-Itests/attacks \
		$(INC_net) -o $@ $(filter %.c,$^)

# The client of a device server: with the device room as it is, and without what is checked of
# the server's word. The unit tests' server is the hostile one.
PEERED   = tests/attacks/peered.c $(DEVICE_C) $(wildcard tests/unit/scripted_*.h)
PEER_CC  = $(HOSTCC) -w -g -O1 -D_GNU_SOURCE -DRF_VERSION='"$(VERSION)"'
$(B)/attacks/peered: $(PEERED) | $(B)/gen/device/filters.h
	$(call making,CC)
	$(PEER_CC) $(INC_unit) -o $@ $< -lcmocka
$(B)/attacks/peered-lax: $(PEERED) $(B)/lax/src/peer/.applied | $(B)/gen/device/filters.h
	$(call making,CC)
	$(PEER_CC) -I$(B)/lax/src/peer $(INC_unit) -o $@ $< -lcmocka

ATTACKS_NEED  = $(addprefix $(B)/attacks/,attacks whoami peered peered-lax served served-lax \
                served-net \
                served-net-lax rf-lwip-lax) $(B)/bin/rf-launch $(HOSTILE) $(DRIVERS) \
                $(addprefix $(B)/unit/test_lwip_,wire shares devices)

# Those that need a device and an IOMMU run in guests, and leave rows; GUEST=no takes the rows
# that an earlier run, or make check-guest, left.
ATTACKS_GUEST := $(B)/attacks/guest.rows
GUESTS_WITH_ROWS = $(shell grep -lE '^rows |--rows|"(row|control) .*\||"remains ' tests/guest/*.sh)
GUEST ?= yes

##@ Test
.PHONY: attacks attacks-guest check-attacks
attacks: ## the attack matrix, with a control for each wall; figures of the fence (GUEST=no: without
attacks: ## guests)
attacks: all $(ATTACKS_NEED) $(if $(filter yes,$(GUEST)),attacks-guest)
	@mkdir -p $(B)/results
	@mkdir -p $(B)/attacks/rows
	tests/attacks/wire >$(B)/attacks/rows/wire
	tests/attacks/collect >$(ATTACKS_GUEST)
	$(B)/attacks/attacks --json $(B)/results/attacks.json --guest $(ATTACKS_GUEST)
	tests/attacks/fence $(VERSION)
attacks-guest: all check-programs
	@rm -rf $(B)/attacks/rows
	tests/check-guest $(patsubst tests/guest/%.sh,%,$(GUESTS_WITH_ROWS))
check-attacks: all $(ATTACKS_NEED)
	$(B)/attacks/attacks --quick
check-needs: $(ATTACKS_NEED)
