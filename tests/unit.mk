# Unit tests: tests/unit/test_*.c are cmocka programs for the build machine, under
# ASan and UBSan. One may #include a .c file of any room to reach its statics.

INC_unit := -Itests/unit $(INC_abi) -Isandbox/runtime -Idrivers/hw -Isandbox/lib -Isandbox/proto -Isandbox/launch \
            -I$(B)/gen/launch -Isandbox/session -Isandbox/blk -Isandbox/blk/integrity -Inet/engine -Inet/export/tap \
            -I$(B)/gen/session $(addprefix -Isandbox/device/,core vfio_user admin) -I$(B)/gen/device -Isandbox/cli \
            -Isandbox/config -Isandbox/zygote -Isandbox/keeper -Isandbox/broker -Isandbox/supervisor -I$(B)/gen/proto \
            -Isandbox/crash -I$(B)/gen/crash -I.
CFLAGS_UNIT = $(WARN) -g -O1 -D_GNU_SOURCE -DRF_VERSION='"test"' -fsanitize=address,undefined \
              -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
UNIT += tests/unit/rooms

# The lists of all that is root, has capabilities or decides, in one header for their test.
$(B)/gen/privileged/filters.h: $(B)/tools/policyc $(addprefix policy/syscalls/,supervisor.list keeper.list opener.list)
	@mkdir -p $(@D)
	$< -o $@ $(filter %.list,$^)

$(B)/unit/%: tests/unit/%.c $(addprefix $(B)/gen/,launch/filters.h session/filters.h device/filters.h crash/filters.h \
		privileged/filters.h proto/syscalls.h)
	@mkdir -p $(@D)
	$(HOSTCC) $(CFLAGS_UNIT) $(INC_unit) -MMD -MP -MF $@.d -o $@ $< -lcmocka
-include $(wildcard $(B)/unit/*.d)

# The launcher with walls that can be left out (argv[3]; by default the lock), for positive
# controls: not part of any product.
LAUNCH_UNFENCED := $(patsubst sandbox/launch/%.c,$(B)/tests/launch/%.o,$(wildcard sandbox/launch/*.c))
$(LAUNCH_UNFENCED): | $(B)/gen/launch/filters.h
$(B)/tests/launch/%.o: sandbox/launch/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_TRUSTED) $(INC_launch) -DRF_TEST_WALLS -MMD -MP -c -o $@ $<
$(B)/tests/rf-launch-unfenced: $(LAUNCH_UNFENCED) $(B)/lib/libshared.a
	@mkdir -p $(@D)
	$(LINK_TRUSTED)
-include $(wildcard $(B)/tests/launch/*.d)

# What tests run rather than link.
UNIT_NEEDS := $(B)/bin/rf-launch $(B)/tests/rf-launch-unfenced $(B)/tools/policyc \
              $(DRIVERS) $(HOSTILE) $(PROGRAMS) $(POLICIES) $(B)/models/nvme

##@ Test
.PHONY: check-unit
check-unit: $(UNIT_NEEDS) $(UNIT) ## unit tests, and drivers in the launcher's fence on this machine
	tests/run -j 4 $(UNIT)
check-needs: $(UNIT_NEEDS) $(UNIT)
