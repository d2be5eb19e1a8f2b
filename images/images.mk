# What the machine must have, by Debian package. $(DEPS) is an order-only prerequisite of
# whatever compiles or boots something, so that nobody has to run `make deps` by hand.

DEPS_BUILD := gcc binutils libc6-dev linux-libc-dev musl-tools libseccomp-dev libcmocka-dev patch
DEPS_GUEST := qemu-system-x86 qemu-utils fio libnbd-bin busybox-static cpio lz4 zstd xz-utils
DEPS_NET   := iproute2 iputils-ping curl iperf3
# To fetch a newer QEMU and check its signatures: see images/get-qemu.
DEPS_QEMU  := apt debian-archive-keyring
# To build one: see images/get-qemu-server.
DEPS_QEMU_SERVER := libglib2.0-dev libjson-c-dev zlib1g-dev ninja-build pkg-config python3-venv \
        python3-pip
DEPS_LIBRARY := pkg-config g++
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
$(B)/.deps: images/images.mk
	@images/install-deps $(DEPS_BUILD) $(DEPS_GUEST)
	@mkdir -p $(@D)
	@touch $@
# The stack against the kernel's, and interfaces, in network namespaces.
$(B)/.deps-net: images/images.mk | $(DEPS)
	@images/install-deps $(DEPS_NET)
	@mkdir -p $(@D)
	@touch $@
# Who compiles against the library.
$(B)/.deps-library: images/images.mk | $(DEPS)
	@images/install-deps $(DEPS_LIBRARY)
	@mkdir -p $(@D)
	@touch $@
# What reads the man pages and makes the pictures.
$(B)/.deps-docs: images/images.mk | $(DEPS)
	@images/install-deps $(DEPS_DOCS)
	@mkdir -p $(@D)
	@touch $@
$(B)/.deps-qemu: images/images.mk | $(DEPS)
	@images/install-deps $(DEPS_QEMU)
	@mkdir -p $(@D)
	@touch $@
# Only the build of QEMU's vfio-user server asks for these.
$(B)/.deps-qemu-server: images/images.mk | $(DEPS)
	@images/install-deps $(DEPS_QEMU) $(DEPS_QEMU_SERVER)
	@mkdir -p $(@D)
	@touch $@
# Only what compares itself with DPDK asks for this one.
$(B)/.deps-bench: images/images.mk | $(DEPS)
	@images/install-deps $(DEPS_BENCH)
	@mkdir -p $(@D)
	@touch $@
# Only the bench that runs DPDK's own forwarder asks for this one: it is large.
$(B)/.deps-bench-net: images/images.mk | $(DEPS)
	@images/install-deps $(DEPS_BENCH_NET)
	@mkdir -p $(@D)
	@touch $@
# Only the bench of the storage appliance asks for this one.
$(B)/.deps-bench-nbd: images/images.mk | $(DEPS)
	@images/install-deps $(DEPS_BENCH_NBD)
	@mkdir -p $(@D)
	@touch $@

# The guest by hand. Tests and benches boot it through images/run-guest.

##@ Guest
.PHONY: guest-shell
guest-shell: all ## a shell in the guest, an NVMe disk in it (GUEST="-d edu ..." adds to it)
	@images/run-guest -s -d nvme,serial=rf0,size=1G $(GUEST)

##@ Run
RUN_NEEDS := $(addprefix $(B)/bin/,ringfence rf-keeper rf-supervisor rf-config rf-device rf-nbd \
             rf-launch rf-crash) $(B)/drivers/nvme $(B)/policy/nvme.policy \
             $(B)/models/nvme $(B)/tests/killer $(B)/tests/model_ctl $(B)/tests/nbd_verify
.PHONY: run appliance storage
run: ## the main job on this machine, without root or a guest: a device model, kills and faults
run: $(RUN_NEEDS)
	@rm -f $(B)/results/run.part $(B)/results/run.json
	@images/run.sh $(or $(KILLS),50) $(or $(SEED),1); code=$$?; \
	[ ! -f $(B)/results/run.part ] || images/figures run; \
	[ $$code = 0 ] || { echo "make run: failed; the log is $(B)/logs/run.log" >&2; exit 1; }
	@echo "figures: $(B)/results/run.json"
appliance: ## the main job in a guest with an IOMMU: verified I/O while the driver is killed; then
appliance: ## the storage appliance
appliance: all check-programs
	@rm -f $(B)/results/appliance.part $(B)/results/appliance.json
	@images/run-guest -n appliance -t 300 -d nvme,serial=rf0,size=256M -f build/tests \
		-f images/job.sh -f images/appliance.sh \
		images/appliance.sh $(or $(KILLS),60) $(or $(SEED),1); code=$$?; \
	[ ! -f $(B)/results/appliance.part ] || images/figures appliance; \
	[ $$code = 0 ] || { \
		echo "make appliance: failed; the console is in $(B)/logs/appliance.log" >&2; \
		exit 1; }
	@echo "figures: $(B)/results/appliance.json"
	@$(MAKE) --no-print-directory storage
# NIC=virtio_net takes the other adapter.
storage: ## the storage appliance alone: a guest whose kernel drives no NIC and no disk, its clients
storage: ## outside
storage: all check-programs
	@rm -f $(B)/results/storage.part $(B)/results/storage.json
	@images/storage.sh $(or $(KILLS),60) $(or $(SEED),1) $(or $(NIC),e1000e); code=$$?; \
	[ ! -f $(B)/results/storage.part ] || images/figures storage; \
	[ $$code = 0 ] || { \
		echo "make storage: failed; the console is in $(B)/logs/storage.log" >&2; exit 1; }
	@echo "figures: $(B)/results/storage.json"
