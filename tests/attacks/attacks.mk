# The attack matrix: hostile drivers under the shipped launcher, spawned by the keeper's own
# code; built again with walls that can be left out, to show what each stops.

INC_attacks := -Itests/attacks -Itests/unit -Isandbox/zygote -Isandbox/keeper $(INC_supervisor) -Isandbox/launch -I$(B)/gen/launch \
               -Isandbox/blk $(INC_session) -I$(B)/gen/proto -I.
ATTACKS_OWN  := $(addprefix tests/attacks/,main.c target.c calls.c reach.c memory.c life.c \
        image.c scene.c ring.c net.c peer.c walls.c)
ATTACKS_KEEP := sandbox/zygote/spawn.c sandbox/keeper/spawned.c sandbox/zygote/pit.c sandbox/zygote/cgroup.c \
                sandbox/keeper/trace.c sandbox/supervisor/deaths.c sandbox/proto/call_name.c \
                sandbox/lib/privilege.c sandbox/lib/filter.c sandbox/lib/walls.c \
                sandbox/lib/log.c sandbox/lib/packet.c sandbox/lib/ending.c sandbox/lib/memory_lock.c
CFLAGS_ATTACKS = $(WARN) -g -O1 -D_GNU_SOURCE -DRF_VERSION='"$(VERSION)"' -DRF_TEST_WALLS

$(B)/attacks/attacks: $(ATTACKS_OWN) $(ATTACKS_KEEP) $(wildcard tests/attacks/*.h) tests/unit/launching.h \
                      tests/unit/rig.h | $(B)/gen/proto/syscalls.h $(B)/gen/launch/filters.h
	$(call making,CC)
	$(HOSTCC) $(CFLAGS_ATTACKS) $(INC_attacks) -o $@ $(filter %.c,$^)
$(B)/attacks/whoami: $(B)/obj/tests/attacks/whoami.o
	$(call making,LD)
	$(LINK_TRUSTED)

# The launcher with its image checks taken out of the source: what they say is no longer an
# error. `sed` must find what it is to take out, or the control would be the defence.
$(B)/attacks/lax/image.c: sandbox/launch/image.c
	$(call making,GEN)
	sed -E 's/(return|wrong =) "[^"]*";/(void)0;/' $< >$@
	test $$(grep -cE '(return|wrong =) "' $<) -ge 30 && ! grep -qE '(return|wrong =) "' $@
$(B)/attacks/lax/launch.c: sandbox/launch/launch.c
	$(call making,GEN)
	sed 's/seals = fcntl(RF_LAUNCH_FD_IMAGE, F_GET_SEALS)/seals = F_SEAL_WRITE | F_SEAL_SHRINK/' $< >$@
	! cmp -s $< $@
# Memory where the hole below the stack should be.
$(B)/attacks/lax/space.c: sandbox/launch/space.c
	$(call making,GEN)
	sed 's/region_place(&s->stack, RF_STACK_BYTES, /region_place(\&s->stack, 2 * RF_STACK_BYTES, /' $< >$@
	! cmp -s $< $@
$(B)/attacks/lax/%.o: $(B)/attacks/lax/%.c | $(B)/gen/launch/filters.h $(B)/gen/device/filters.h
	$(call making,CC)
	$(CC) $(filter-out -Wextra -Wall,$(CFLAGS_TRUSTED)) $(INC_launch) -DRF_TEST_WALLS -w -MMD -MP -c -o $@ $<
$(B)/attacks/rf-launch-lax: $(addprefix $(B)/attacks/lax/,image.o launch.o space.o) \
		$(patsubst sandbox/launch/%.c,$(B)/tests/launch/%.o,$(filter-out %/image.c %/launch.c %/space.c,\
		  $(wildcard sandbox/launch/*.c))) $(B)/lib/libshared.a
	$(call making,LD)
	$(LINK_TRUSTED)

# The export under attack: with the service as it is, and with one that asks before each
# check whether it is wanted. Again sed must find every one of them.
SERVED_C := $(BLK_C) $(addprefix sandbox/lib/,clock.c log.c packet.c fence.c filter.c landlock.c \
        memory_lock.c siphash.c)
$(B)/attacks/served: tests/attacks/served.c $(SERVED_C) \
                     | $(B)/gen/session/filters.h
	$(call making,CC)
	$(HOSTCC) $(WARN) -g -O2 -D_GNU_SOURCE -Itests/attacks $(INC_integrity) -o $@ $(filter %.c,$^)
$(B)/attacks/lax/ring.h: sandbox/abi/ring.h tests/attacks/lax-ring.sed
	$(call making,GEN)
	(echo 'extern unsigned rf_without;'; sed -f tests/attacks/lax-ring.sed $<) >$@
	test $$(grep -c 'rf_without & ' $@) = 2
$(B)/attacks/lax/service.c: sandbox/blk/service.c tests/attacks/lax.sed
	$(call making,GEN)
	sed -f tests/attacks/lax.sed $< >$@
	test $$(grep -c 'rf_without & ' $@) = 6 && test $$(grep -c lax_slot $@) = 3 && test $$(grep -c lax_full $@) = 4
$(B)/attacks/served-lax: tests/attacks/served.c $(B)/attacks/lax/service.c $(B)/attacks/lax/ring.h \
                         $(filter-out %/service.c,$(SERVED_C)) | $(B)/gen/session/filters.h
	$(call making,CC)
	$(HOSTCC) $(WARN) -g -O2 -D_GNU_SOURCE -include $(B)/attacks/lax/ring.h -Itests/attacks $(INC_integrity) -o $@ \
		$(filter %.c,$^)

# The same of the network.
SERVED_NET_C := $(NET_C) $(addprefix sandbox/lib/,clock.c log.c packet.c fence.c filter.c \
        landlock.c memory_lock.c)
$(B)/attacks/served-net: tests/attacks/served_net.c $(SERVED_NET_C) | $(B)/gen/session/filters.h
	$(call making,CC)
	$(HOSTCC) $(WARN) -g -O2 -D_GNU_SOURCE -Itests/attacks $(INC_net) -o $@ $(filter %.c,$^)
$(B)/attacks/lax/frames.c: net/engine/frames.c tests/attacks/lax-net.sed
	$(call making,GEN)
	(echo 'extern unsigned rf_without;'; sed -f tests/attacks/lax-net.sed $<) >$@
	test $$(grep -c 'rf_without & ' $@) = 8
$(B)/attacks/served-net-lax: tests/attacks/served_net.c $(B)/attacks/lax/frames.c $(B)/attacks/lax/ring.h \
                             $(filter-out %/frames.c,$(SERVED_NET_C)) | $(B)/gen/session/filters.h
	$(call making,CC)
	$(HOSTCC) $(filter-out -Werror -Wall -Wextra,$(WARN)) -g -O2 -D_GNU_SOURCE -include $(B)/attacks/lax/ring.h \
		-Itests/attacks $(INC_net) -o $@ $(filter %.c,$^)

# The client of a device server: with the device room as it is, and without what is checked of
# the server's word. The unit tests' server is the hostile one.
$(B)/attacks/lax-peer/%.c: %.c tests/attacks/lax-peer.sed
	$(call making,GEN)
	sed -f tests/attacks/lax-peer.sed $< >$@
	! cmp -s $< $@
PEERED   = tests/attacks/peered.c $(DEVICE_C) $(wildcard tests/unit/scripted_*.h)
PEER_LAX = $(addprefix $(B)/attacks/lax-peer/sandbox/device/,core/doorbell.c core/interrupts.c \
        vfio_user/vfio_user_doorbell.c vfio_user/vfio_user_device.c)
PEER_CC  = $(HOSTCC) -w -g -O1 -D_GNU_SOURCE -DRF_VERSION='"$(VERSION)"'
$(B)/attacks/peered: $(PEERED) | $(B)/gen/device/filters.h
	$(call making,CC)
	$(PEER_CC) $(INC_unit) -o $@ $< -lcmocka
$(B)/attacks/peered-lax: $(PEERED) $(PEER_LAX) | $(B)/gen/device/filters.h
	$(call making,CC)
	$(PEER_CC) -I$(B)/attacks/lax-peer $(INC_unit) -o $@ $< -lcmocka

# The device process with its walls left out, for controls in the guest: see lax_device.c.
# Without poison a command stays in the admin queue after it was done.
$(B)/attacks/lax/nvme_control.c: sandbox/device/admin/nvme_control.c
	$(call making,GEN)
	sed '/^static void poison/,/^}/{/memset\|e->opc\|e->cid/d}' $< >$@
	! cmp -s $< $@
$(B)/attacks/lax/%.o: tests/attacks/%.c | $(B)/gen/device/filters.h
	$(call making,CC)
	$(CC) $(CFLAGS_TRUSTED) $(INC_device) -MMD -MP -c -o $@ $<
$(B)/attacks/lax/nvme_control.o: INC_launch = $(INC_device_admin)
LAX_OBJECTS = $(filter-out %/dma.o %/doorbell.o %/nvme_control.o,$(DEVICE_C:%.c=$(B)/obj/%.o)) \
              $(addprefix $(B)/attacks/lax/,lax_device.o nvme_control.o)
$(B)/tests/lax/rf-device: $(LAX_OBJECTS) $(B)/lib/libshared.a
	$(call making,LD)
	$(LINK_TRUSTED)
-include $(wildcard $(B)/attacks/lax/*.d)

ATTACKS_NEED  = $(addprefix $(B)/attacks/,attacks whoami rf-launch-lax peered peered-lax served served-lax served-net served-net-lax) \
                $(B)/tests/rf-launch-unfenced $(B)/bin/rf-launch $(HOSTILE) $(DRIVERS) \
                $(B)/attacks/rf-lwip-lax $(addprefix $(B)/unit/test_lwip_,wire shares devices)

# Those that need a device and an IOMMU run in guests, and leave rows; GUEST=no takes the rows
# that an earlier run, or make check-guest, left.
ATTACKS_GUEST := $(B)/attacks/guest.rows
GUEST ?= yes

##@ Test
.PHONY: attacks attacks-guest check-attacks
attacks: all $(ATTACKS_NEED) $(if $(filter yes,$(GUEST)),attacks-guest) ## the attack matrix, with a control for each wall; figures of the fence (GUEST=no: without guests)
	@mkdir -p $(B)/results
	@mkdir -p $(B)/attacks/rows
	tests/attacks/wire >$(B)/attacks/rows/wire
	tests/attacks/collect >$(ATTACKS_GUEST)
	$(B)/attacks/attacks --json $(B)/results/attacks.json --guest $(ATTACKS_GUEST)
	tests/attacks/fence $(VERSION)
attacks-guest: all check-programs
	@rm -rf $(B)/attacks/rows
	tests/check-guest $(patsubst tests/guest/%.sh,%,$(shell grep -lE '^rows |--rows|"(row|control) .*\||"remains ' tests/guest/*.sh))
check-attacks: all $(ATTACKS_NEED)
	$(B)/attacks/attacks --quick
check-needs: $(ATTACKS_NEED)

# A launcher that leaves a driver all it was given to be mapped, besides the lock.
$(B)/attacks/lax/launch-open.o: sandbox/launch/launch.c | $(B)/gen/launch/filters.h
	$(call making,CC)
	$(CC) $(CFLAGS_TRUSTED) $(INC_launch) -DRF_TEST_WALLS -MMD -MP -c -o $@ $< \
		-D'RF_TEST_WALLS_OFF=(RF_WALL_BIT(RF_WALL_SECCOMP)|RF_WALL_BIT(RF_WALL_FDS)|RF_WALL_BIT(RF_WALL_FSIZE))'
$(B)/tests/rf-launch-open: $(B)/attacks/lax/launch-open.o $(patsubst sandbox/launch/%.c,$(B)/tests/launch/%.o,\
		$(filter-out %/launch.c,$(wildcard sandbox/launch/*.c))) $(B)/lib/libshared.a
	$(call making,LD)
	$(LINK_TRUSTED)

# What the attacks in the guest run.
check-programs: $(B)/tests/lax/rf-device $(B)/tests/rf-launch-open $(B)/tests/rf-launch-unfenced
