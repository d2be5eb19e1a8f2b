# What the tests of the exports run rather than link: the shipped programs, and rf-nbd
# once more under ASan and UBSan.
NBD_ASAN_SRC := $(wildcard sandbox/export/nbd/*.c) $(SHARED_C) tests/unit/no_lock.c \
                $(filter-out %/lock.c,$(BLK_C))

NBD_ASAN_H := $(wildcard sandbox/session/*.h sandbox/blk/*.h sandbox/blk/*/*.h sandbox/export/nbd/*.h sandbox/proto/*.h sandbox/lib/*.h sandbox/abi/*.h)
# And with little time for clients that do not get on.
$(B)/tests/rf-nbd-hasty: HASTY = -DNBD_STILL_NS=3000000000ull
$(B)/tests/rf-nbd-asan $(B)/tests/rf-nbd-hasty: $(NBD_ASAN_SRC) $(NBD_ASAN_H)
	@mkdir -p $(@D)
	$(HOSTCC) $(CFLAGS_UNIT) $(HASTY) -Isandbox/export/nbd $(INC_integrity) -I$(B)/gen/proto -o $@ $(NBD_ASAN_SRC)

check-unit check-needs: $(B)/tests/rf-nbd-hasty
check-unit check-needs: $(B)/bin/rf-nbd $(B)/bin/rf-load $(B)/tests/rf-nbd-asan $(B)/tests/nbd_verify
