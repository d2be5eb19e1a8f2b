# libringfence as somebody else uses it: outside of this tree, by pkg-config.

##@ Test
.PHONY: check-library
check-library: all libringfence $(B)/models/nvme | $(B)/.deps-library ## the library installed, its example compiled and run, drivers killed meanwhile
	tests/run tests/library/run
check-needs: | $(B)/.deps-library
