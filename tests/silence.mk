# Drivers that hang, devices that do not answer, hosts with no time: natively.

##@ Test
.PHONY: check-silence
check-silence: all $(MODELS) $(HOSTILE) $(B)/tests/tell ## hangs and stalls are found in time, and honest drivers left alone (5 min)
	@tests/silence/run $(TESTS)
