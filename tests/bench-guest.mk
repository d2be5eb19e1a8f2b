# Benches that need the guest.

##@ Measure
.PHONY: bench-recovery
bench-recovery: all check-programs ## restart time of a killed driver under load at depth 32 (KILLS=500)
	@tests/bench/recovery
.PHONY: bench-block
bench-block: all check-programs $(COUNT) ## guest instructions per 4 KiB read at depth 32, the kernel's driver beside ours
	@tests/bench/block
