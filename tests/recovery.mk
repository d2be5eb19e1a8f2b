# Drivers that hang, devices that do not answer, device processes that die: natively.

##@ Test
.PHONY: check-recovery
check-recovery: all $(MODELS) $(HOSTILE) $(B)/tests/tell ## hangs and stalls are found in time, honest drivers left alone, dead device processes replaced (5 min)
	@tests/recovery/run $(TESTS)
