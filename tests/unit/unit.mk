# Unit tests: tests/unit/test_*.c are cmocka programs for the build machine, under
# ASan and UBSan. One may #include a .c file of any room to reach its statics.

INC_unit := -Itests/unit $(INC_abi) -Isandbox/runtime -Idrivers/hw -Isandbox/lib -Isandbox/proto \
            -Isandbox/launch \
            -I$(B)/gen/launch -Isandbox/session -Isandbox/libringfence -Isandbox/blk \
            -Isandbox/blk/integrity -Inet/engine -Inet/export/tap \
            -I$(B)/gen/session $(addprefix -Isandbox/device/,core vfio_user admin) \
            -I$(B)/gen/device -Isandbox/cli \
            -Isandbox/config -Isandbox/zygote -Isandbox/keeper -Isandbox/broker \
            -Isandbox/supervisor -I$(B)/gen/proto \
            -Isandbox/crash -I$(B)/gen/crash -I.
CFLAGS_UNIT = $(WARN) -g -O1 -D_GNU_SOURCE -DRF_VERSION='"test"' -fsanitize=address,undefined \
              -fno-sanitize-recover=all -fno-omit-frame-pointer
UNIT := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
UNIT += tests/unit/rooms tests/unit/check_says

# The lists of all that is root, has capabilities or decides, in one header for their test.
$(B)/gen/privileged/filters.h: $(B)/tools/policyc $(addprefix policy/syscalls/,supervisor.list \
        keeper.list broker.list)
	$(call making,GEN)
	$< -o $@ $(filter %.list,$^)

# Of sources that lack a wall: see tests/lax.
$(B)/unit/test_lax_no_reissue.o: INC_unit := -I$(B)/lax/src/no-reissue $(INC_unit)
$(B)/unit/test_lax_no_reissue.o: $(B)/lax/src/no-reissue/.applied
$(B)/unit/test_lax_reuse_early.o: INC_unit := -I$(B)/lax/src/reuse-early $(INC_unit)
$(B)/unit/test_lax_reuse_early.o: $(B)/lax/src/reuse-early/.applied

$(B)/unit/test_oracle_told.o $(B)/unit/test_limit.o: CFLAGS_UNIT += -Isandbox/export/nbd
# In two steps: a compiler cache knows objects, and tests that others have compiled.
$(B)/unit/%.o: tests/unit/%.c $(addprefix $(B)/gen/,launch/filters.h session/filters.h \
		device/filters.h crash/filters.h \
		privileged/filters.h proto/syscalls.h)
	$(call making,CC)
	$(HOSTCC) $(CFLAGS_UNIT) $(INC_unit) -MMD -MP -c -o $@ $<
$(B)/unit/%: $(B)/unit/%.o
	$(call making,LD)
	$(HOSTCC) $(CFLAGS_UNIT) -o $@ $(filter %.o,$^) -lcmocka
-include $(wildcard $(B)/unit/*.d)

# What tests run rather than link.
UNIT_NEEDS := $(B)/bin/rf-launch $(B)/tools/policyc \
              $(DRIVERS) $(HOSTILE) $(PROGRAMS) $(POLICIES) $(B)/models/nvme

##@ Test
.PHONY: check-unit
check-unit: $(UNIT_NEEDS) $(UNIT) ## unit tests, and drivers in the launcher's fence on this machine
	tests/run -j 4 $(UNIT)
check-needs: $(UNIT_NEEDS) $(UNIT)

# What the tests of the exports run rather than link: the shipped programs, and rf-nbd
# once more under ASan and UBSan.
NBD_ASAN_SRC := $(wildcard sandbox/export/nbd/*.c) $(SHARED_C) tests/unit/no_lock.c \
                $(filter-out %/lock.c,$(BLK_C))

NBD_ASAN_H := $(wildcard sandbox/session/*.h sandbox/blk/*.h sandbox/blk/*/*.h \
        sandbox/export/nbd/*.h sandbox/proto/*.h sandbox/lib/*.h sandbox/abi/*.h)
# And with little time for clients that do not get on.
$(B)/tests/rf-nbd-hasty: HASTY = -DNBD_STILL_NS=3000000000ull
$(B)/tests/rf-nbd-asan $(B)/tests/rf-nbd-hasty: $(NBD_ASAN_SRC) $(NBD_ASAN_H) | $(GENERATED)
	$(call making,CC)
	$(HOSTCC) $(CFLAGS_UNIT) $(HASTY) -Isandbox/export/nbd $(INC_integrity) -I$(B)/gen/proto \
		-o $@ $(NBD_ASAN_SRC)

check-unit check-needs: $(B)/tests/rf-nbd-hasty
check-unit check-needs: $(B)/bin/rf-nbd $(B)/tests/rf-load $(B)/tests/rf-nbd-asan \
        $(B)/tests/nbd_verify
