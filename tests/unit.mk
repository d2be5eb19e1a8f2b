# Unit tests: tests/unit/test_*.c are cmocka programs for the build machine, under
# ASan and UBSan. One may #include a .c file of any room to reach its statics.

INC_unit := -Itests/unit $(INC_abi) -Isandbox/runtime -Idrivers/hw -Isandbox/base -Isandbox/launcher \
            -I$(B)/gen/launcher -Isandbox/service -Isandbox/service/net -Inet/tap -I$(B)/gen/service -Isandbox/device \
            -I$(B)/gen/device -Isandbox/client -Isandbox/config -Isandbox/supervisor -I$(B)/gen/supervisor -Isandbox/scribe -I$(B)/gen/scribe -I.
CFLAGS_UNIT = $(WARN) -g -O1 -D_GNU_SOURCE -DRF_VERSION='"test"' -fsanitize=address,undefined \
              -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))

$(B)/unit/%: tests/unit/%.c $(B)/gen/launcher/filters.h $(B)/gen/service/filters.h $(B)/gen/device/filters.h $(B)/gen/supervisor/syscalls.h $(B)/gen/supervisor/filters.h $(B)/gen/scribe/filters.h
	@mkdir -p $(@D)
	$(HOSTCC) $(CFLAGS_UNIT) $(INC_unit) -MMD -MP -MF $@.d -o $@ $< -lcmocka
-include $(wildcard $(B)/unit/*.d)

# The launcher with walls that can be left out (argv[3]; by default the lock), for positive
# controls: not part of any product.
LAUNCH_UNFENCED := $(patsubst sandbox/launcher/%.c,$(B)/tests/launcher/%.o,$(wildcard sandbox/launcher/*.c))
$(LAUNCH_UNFENCED): | $(B)/gen/launcher/filters.h
$(B)/tests/launcher/%.o: sandbox/launcher/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_TRUSTED) $(INC_launcher) -DRF_TEST_WALLS -MMD -MP -c -o $@ $<
$(B)/tests/rf-launch-unfenced: $(LAUNCH_UNFENCED) $(B)/lib/libbase.a
	@mkdir -p $(@D)
	$(LINK_TRUSTED)
-include $(wildcard $(B)/tests/launcher/*.d)

# What tests run rather than link.
UNIT_NEEDS := $(B)/bin/rf-launch $(B)/tests/rf-launch-unfenced $(B)/tools/policyc \
              $(DRIVERS) $(HOSTILE) $(PROGRAMS) $(POLICIES) $(B)/models/nvme

##@ Test
.PHONY: check-unit
check-unit: $(UNIT_NEEDS) $(UNIT) ## unit tests, and drivers in the launcher's fence on this machine
	tests/run $(UNIT)
