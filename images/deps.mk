# What the machine must have, by Debian package. $(DEPS) is an order-only prerequisite of
# whatever compiles or boots something, so that nobody has to run `make deps` by hand.

DEPS_BUILD := gcc binutils libc6-dev linux-libc-dev musl-tools libseccomp-dev libcmocka-dev patch
DEPS_GUEST := qemu-system-x86 qemu-utils fio libnbd-bin busybox-static cpio lz4 zstd xz-utils
DEPS_NET   := iproute2 iputils-ping curl iperf3
# To fetch a newer QEMU and check its signatures: see images/get-qemu.
DEPS_QEMU  := apt debian-archive-keyring
# To build one: see images/get-qemu-server.
DEPS_QEMU_SERVER := libglib2.0-dev libjson-c-dev zlib1g-dev ninja-build pkg-config python3-venv python3-pip
DEPS_DOCS  := mandoc python3-minimal
DEPS_BENCH := libdpdk-dev pkg-config
DEPS_BENCH_NET := dpdk-dev
DEPS_BENCH_NBD := nbdkit
DEPS_QUALITY := universal-ctags python3

##@ Packages
.PHONY: deps
deps: ## install with apt what is missing (done by the other targets when needed)
	@images/install-deps $(DEPS_BUILD) $(DEPS_GUEST)
	@mkdir -p $(B)
	@touch $(B)/.deps
$(B)/.deps: images/deps.mk
	@images/install-deps $(DEPS_BUILD) $(DEPS_GUEST)
	@mkdir -p $(@D)
	@touch $@
# The stack against the kernel's, and interfaces, in network namespaces.
$(B)/.deps-net: images/deps.mk | $(DEPS)
	@images/install-deps $(DEPS_NET)
	@mkdir -p $(@D)
	@touch $@
# What reads the man pages and makes the pictures.
$(B)/.deps-docs: images/deps.mk | $(DEPS)
	@images/install-deps $(DEPS_DOCS)
	@mkdir -p $(@D)
	@touch $@
$(B)/.deps-qemu: images/deps.mk | $(DEPS)
	@images/install-deps $(DEPS_QEMU)
	@mkdir -p $(@D)
	@touch $@
# Only the build of QEMU's vfio-user server asks for these.
$(B)/.deps-qemu-server: images/deps.mk | $(DEPS)
	@images/install-deps $(DEPS_QEMU) $(DEPS_QEMU_SERVER)
	@mkdir -p $(@D)
	@touch $@
# Only what compares itself with DPDK asks for this one.
$(B)/.deps-bench: images/deps.mk | $(DEPS)
	@images/install-deps $(DEPS_BENCH)
	@mkdir -p $(@D)
	@touch $@
# Only the bench that runs DPDK's own forwarder asks for this one: it is large.
$(B)/.deps-bench-net: images/deps.mk | $(DEPS)
	@images/install-deps $(DEPS_BENCH_NET)
	@mkdir -p $(@D)
	@touch $@
# Only the bench of the storage appliance asks for this one.
$(B)/.deps-bench-nbd: images/deps.mk | $(DEPS)
	@images/install-deps $(DEPS_BENCH_NBD)
	@mkdir -p $(@D)
	@touch $@
