# make check-interop: our device models under drivers and a vfio-user client that are not
# ours: Linux's, in a guest of QEMU's vfio-user-pci. Not part of `make check`: it fetches a
# QEMU and a second kernel the first time.

DEPS_INTEROP := perl-base util-linux

$(B)/.deps-interop: tests/interop.mk | $(DEPS)
	@images/install-deps $(DEPS_INTEROP)
	@mkdir -p $(@D)
	@touch $@

##@ Test
.PHONY: check-interop
check-interop: models | $(B)/.deps-interop $(B)/.deps-qemu ## the device models under QEMU's vfio-user client and Linux's drivers
	@tests/interop/run
