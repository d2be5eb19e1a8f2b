# The storage appliance beside the kernel's drivers and nbdkit, in one guest.

$(B)/nbdkit: tests/bench/nbdkit-files | $(B)/.deps-bench-nbd
	$< $@

##@ Measure
.PHONY: bench-appliance
bench-appliance: all check-programs $(B)/nbdkit ## the storage appliance from outside: reads a second and instructions a read, beside the kernel's drivers with nbdkit (PARTS="timed counted", PAIRS=, SECONDS=)
	@tests/bench/appliance $(PARTS)
