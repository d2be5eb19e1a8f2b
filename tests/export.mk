# What the tests of the exports run rather than link: the shipped programs, and rf-nbd
# once more under ASan and UBSan.
NBD_ASAN_SRC := $(wildcard sandbox/service/nbd/*.c sandbox/base/*.c) tests/unit/no_lock.c \
                $(filter-out %/lock.c,$(wildcard sandbox/service/*.c))

$(B)/tests/rf-nbd-asan: $(NBD_ASAN_SRC) $(wildcard sandbox/service/*.h sandbox/service/nbd/*.h sandbox/base/*.h sandbox/abi/*.h)
	@mkdir -p $(@D)
	$(HOSTCC) $(CFLAGS_UNIT) $(INC_service) -o $@ $(NBD_ASAN_SRC)

check-unit: $(B)/bin/rf-nbd $(B)/bin/rf-load $(B)/tests/rf-nbd-asan $(B)/tests/nbd_verify
