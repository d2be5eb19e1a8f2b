# Benches that need the guest.

##@ Measure
.PHONY: bench-recovery
bench-recovery: all check-programs ## restart time of a killed driver under load at depth 32 (KILLS=500)
	@tests/bench/recovery
