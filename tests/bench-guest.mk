# Benches with a part in the guest, against QEMU's devices, and one on this machine, against
# our models. The second can be run alone; each leaves the other's figures where they are.

##@ Measure
.PHONY: bench-recovery bench-recovery-guest bench-recovery-native
KILLS_NATIVE ?= 10000
bench-recovery: bench-recovery-guest bench-recovery-native ## restart time of a killed driver under load at depth 32 (KILLS=500, KILLS_NATIVE=10000)
bench-recovery-guest: all check-programs
	@tests/bench/recovery
bench-recovery-native: all check-programs ## its native part alone
	@tests/bench/recovery-native $(KILLS_NATIVE) $(SEED)
bench-recovery-native: $(if $(filter bench-recovery bench,$(MAKECMDGOALS)),bench-recovery-guest)
.PHONY: bench-block bench-block-guest bench-block-native
bench-block: bench-block-guest bench-block-native ## a 4 KiB read at depth 32: guest instructions, beside the kernel's driver; native reads a second
bench-block-guest: all check-programs
	@tests/bench/block
bench-block-native: all check-programs ## its native part alone
	@tests/bench/block-native
bench-block-native: $(if $(filter bench-block bench,$(MAKECMDGOALS)),bench-block-guest)
