# libringfence as somebody else uses it: outside of this tree, by pkg-config.

##@ Test
.PHONY: check-library
check-library: all $(B)/models/nvme | $(B)/.deps-library ## the library from outside, drivers killed
	tests/run tests/library/run
check-needs: | $(B)/.deps-library
