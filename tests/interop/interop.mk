# make check-interop: our device models under drivers and a vfio-user client that are not
# ours: Linux's, in a guest of QEMU's vfio-user-pci. Not part of `make check`: it fetches a
# QEMU and a second kernel the first time. And our drivers on devices of QEMU's own vfio-user
# server, wherever such a QEMU is found: INTEROP=server for that alone, without guests.

DEPS_INTEROP := perl-base util-linux

$(B)/.deps-interop: tests/interop/interop.mk | $(DEPS)
	@images/install-deps $(DEPS_INTEROP)
	@mkdir -p $(@D)
	@touch $@

##@ Test
.PHONY: check-interop
check-interop: ## the device models under QEMU's vfio-user client and Linux's drivers, our drivers
check-interop: ## on QEMU's vfio-user server
check-interop: all models | $(B)/.deps-interop $(B)/.deps-qemu $(B)/.deps-net
	@tests/interop/run $(INTEROP)

##@ Packages
.PHONY: qemu-server
qemu-server: ## build a QEMU that serves its devices over vfio-user, for check-interop (a quarter of
qemu-server: ## an hour)
qemu-server: | $(B)/.deps-qemu-server
	@images/get-qemu-server --build
