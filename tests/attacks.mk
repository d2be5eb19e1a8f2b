# The attack matrix: hostile drivers under the shipped launcher, spawned by the keeper's own
# code; built again with walls that can be left out, to show what each stops.

INC_attacks := -Itests/attacks -Itests/unit $(INC_supervisor) -Isandbox/launcher -I$(B)/gen/launcher \
               -Isandbox/service -I$(B)/gen/service -I.
ATTACKS_OWN  := $(addprefix tests/attacks/,main.c target.c process.c image.c ring.c walls.c)
ATTACKS_KEEP := sandbox/supervisor/spawn.c sandbox/supervisor/pit.c sandbox/supervisor/cgroup.c \
                sandbox/supervisor/trace.c sandbox/supervisor/deaths.c sandbox/base/walls.c \
                sandbox/base/log.c sandbox/base/packet.c
CFLAGS_ATTACKS = $(WARN) -g -O1 -D_GNU_SOURCE -DRF_VERSION='"$(VERSION)"' -DRF_TEST_WALLS

$(B)/attacks/attacks: $(ATTACKS_OWN) $(ATTACKS_KEEP) tests/attacks/attack.h tests/unit/launching.h \
                      tests/unit/rig.h | $(B)/gen/supervisor/syscalls.h $(B)/gen/launcher/filters.h
	@mkdir -p $(@D)
	$(HOSTCC) $(CFLAGS_ATTACKS) $(INC_attacks) -o $@ $(filter %.c,$^)
$(B)/attacks/whoami: $(B)/obj/tests/attacks/whoami.o
	@mkdir -p $(@D)
	$(LINK_TRUSTED)

# The launcher with its image checks taken out of the source: what they say is no longer an
# error. `sed` must find what it is to take out, or the control would be the defence.
$(B)/attacks/lax/image.c: sandbox/launcher/image.c
	@mkdir -p $(@D)
	sed -E 's/(return|wrong =) "[^"]*";/(void)0;/' $< >$@
	test $$(grep -cE '(return|wrong =) "' $<) -ge 30 && ! grep -qE '(return|wrong =) "' $@
$(B)/attacks/lax/launch.c: sandbox/launcher/launch.c
	@mkdir -p $(@D)
	sed 's/seals = fcntl(RF_LAUNCH_FD_IMAGE, F_GET_SEALS)/seals = F_SEAL_WRITE | F_SEAL_SHRINK/' $< >$@
	! cmp -s $< $@
$(B)/attacks/lax/%.o: $(B)/attacks/lax/%.c
	$(CC) $(filter-out -Wextra -Wall,$(CFLAGS_TRUSTED)) $(INC_launcher) -DRF_TEST_WALLS -w -c -o $@ $<
$(B)/attacks/rf-launch-lax: $(B)/attacks/lax/image.o $(B)/attacks/lax/launch.o \
		$(patsubst sandbox/launcher/%.c,$(B)/tests/launcher/%.o,$(filter-out %/image.c %/launch.c,\
		  $(wildcard sandbox/launcher/*.c))) $(B)/lib/libbase.a
	$(LINK_TRUSTED)

# The export under attack: with the service as it is, and with one that asks before each
# check whether it is wanted. Again sed must find every one of them.
SERVED_C := $(wildcard sandbox/service/*.c)
$(B)/attacks/served: tests/attacks/served.c $(SERVED_C) sandbox/base/log.c sandbox/base/packet.c \
                     | $(B)/gen/service/filters.h
	@mkdir -p $(@D)
	$(HOSTCC) $(WARN) -g -O2 -D_GNU_SOURCE -Itests/attacks $(INC_service) -o $@ $(filter %.c,$^)
$(B)/attacks/lax/ring.h: sandbox/abi/ring.h tests/attacks/lax-ring.sed
	@mkdir -p $(@D)
	(echo 'extern unsigned rf_without;'; sed -f tests/attacks/lax-ring.sed $<) >$@
	test $$(grep -c 'rf_without & ' $@) = 2
$(B)/attacks/lax/service.c: sandbox/service/service.c tests/attacks/lax.sed
	@mkdir -p $(@D)
	sed -f tests/attacks/lax.sed $< >$@
	test $$(grep -c 'rf_without & ' $@) = 4
$(B)/attacks/served-lax: tests/attacks/served.c $(B)/attacks/lax/service.c $(B)/attacks/lax/ring.h \
                         $(filter-out %/service.c,$(SERVED_C)) sandbox/base/log.c sandbox/base/packet.c
	$(HOSTCC) $(WARN) -g -O2 -D_GNU_SOURCE -include $(B)/attacks/lax/ring.h -Itests/attacks $(INC_service) -o $@ \
		$(filter %.c,$^)

ATTACKS_NEED  = $(addprefix $(B)/attacks/,attacks whoami rf-launch-lax served served-lax) \
                $(B)/tests/rf-launch-unfenced $(B)/bin/rf-launch $(HOSTILE) $(DRIVERS)

# Rows of attacks that ran in a guest, if such a run left any.
ATTACKS_GUEST := $(B)/attacks/guest.rows

##@ Test
.PHONY: attacks check-attacks
attacks: all $(ATTACKS_NEED) ## the attack matrix, with a control for each wall; figures of the fence
	@mkdir -p $(B)/results
	$(B)/attacks/attacks --json $(B)/results/attacks.json --guest $(ATTACKS_GUEST)
	tests/attacks/fence $(VERSION)
check-attacks: all $(ATTACKS_NEED)
	$(B)/attacks/attacks --quick
