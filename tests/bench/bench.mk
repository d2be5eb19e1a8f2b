# Benchmarks. Each writes $(B)/results/bench-NAME.json and prints what it found.

# ---- the counter ---------------------------------------------------------------
# The instruction counter: a TCG plugin for the host, marks for the guest.

# One for each version of QEMU's plugin interface; tests/bench/counter picks.
COUNT := $(B)/tests/count.so $(B)/tests/count-7.so $(B)/tests/mark

$(B)/tests/count.so $(B)/tests/count-7.so: tests/bench/count.c | $(DEPS)
	$(call making,CC)
	$(HOSTCC) $(WARN) -O2 -g -fPIC -shared -fvisibility=hidden -D_GNU_SOURCE \
		-DAPI=$(or $(patsubst count-%.so,%,$(filter count-%,$(@F))),1) -o $@ $< -pthread
$(B)/tests/mark: $(B)/obj/tests/bench/mark.o
	$(call making,LD)
	$(LINK_TRUSTED)

bench-block-guest bench-net-guest bench-lwip bench-appliance bench-export-guest: $(COUNT)

##@ Test
.PHONY: check-count
check-count: $(COUNT) ## the instruction counter against code whose count is known
	@tests/bench/check-count
check-needs: $(COUNT)

# ---- the ring ------------------------------------------------------------------
# Both queues are compiled in the same file, with what DPDK asks its users to set.
# glibc, because DPDK's headers want it; nothing of DPDK is started.
RTE_CFLAGS = $(shell pkg-config --cflags libdpdk)
RTE_LIBS   = $(shell pkg-config --libs-only-L libdpdk) \
             $(filter -lrte_ring -lrte_eal,$(shell pkg-config --libs-only-l libdpdk))

$(B)/tests/bench-ring: tests/bench/ring.c tests/bench/ring_queues.h tests/bench/ring_loops.h \
        sandbox/abi/ring.h tests/bench/bench.mk | $(B)/.deps-bench
	$(call making,CC)
	$(HOSTCC) $(WARN) $(HARDEN) -D_GNU_SOURCE $(INC_abi) $(subst -I/,-isystem /,$(RTE_CFLAGS)) \
		-pie -pthread -o $@ $< $(RTE_LIBS)

##@ Measure
.PHONY: bench-ring
bench-ring: ## the ring against DPDK's rte_ring, and round trips (2 cores, 15 s)
bench-ring: $(B)/tests/bench-ring
	@mkdir -p $(B)/results
	$< $(B)/results/$@.json $(VERSION) $(ROUNDS)

# ---- in a guest and beside it ----------------------------------------------
# Benches with a part in the guest, against QEMU's devices, and one on this machine, against
# our models. The second can be run alone; each leaves the other's figures where they are.

##@ Measure
.PHONY: bench-recovery bench-recovery-guest bench-recovery-native
KILLS_NATIVE ?= 10000
bench-recovery: ## restart time of a killed driver under load at depth 32 (KILLS=500,
bench-recovery: ## KILLS_NATIVE=10000)
bench-recovery: bench-recovery-guest bench-recovery-native
bench-recovery-guest: all check-programs
	@tests/bench/recovery
bench-recovery-native: all check-programs ## its native part alone
	@tests/bench/recovery-native $(KILLS_NATIVE) $(SEED)
bench-recovery-native: $(if $(filter bench-recovery bench,$(MAKECMDGOALS)),bench-recovery-guest)
.PHONY: bench-block bench-block-guest bench-block-native
bench-block: ## a 4 KiB read at depth 32: guest instructions, beside the kernel's driver; native
bench-block: ## reads a second
bench-block: bench-block-guest bench-block-native
bench-block-guest: all check-programs
	@tests/bench/block
bench-block-native: all check-programs ## its native part alone
	@tests/bench/block-native
bench-block-native: $(if $(filter bench-block bench,$(MAKECMDGOALS)),bench-block-guest)

.PHONY: bench-devices
bench-devices: all $(MODELS) ## 64 devices at rest: start-up, memory, wake-ups, status (1 min)
	@tests/bench/devices
bench-devices: $(if $(filter bench-block bench,$(MAKECMDGOALS)),bench-block-native)
bench-block: bench-devices

# ---- integrity -------------------------------------------------------------
# What `integrity` costs.

INC_bench_integrity := -Itests/unit -Isandbox/export/format $(INC_integrity)
$(B)/obj/tests/bench/integrity.o: INC = $(INC_bench_integrity)
$(B)/tests/bench-integrity: $(B)/obj/tests/bench/integrity.o \
        $(B)/obj/sandbox/export/format/format.o $(BLK) $(B)/lib/libshared.a
	$(call making,LD)
	$(LINK_TRUSTED)

##@ Measure
.PHONY: bench-integrity
bench-integrity: ## instructions and throughput of each kind of integrity, PAIRS= (5) turns
bench-integrity: all $(MODELS) $(B)/tests/bench-integrity
	@tests/bench/integrity $(PAIRS)

# ---- network adapters ------------------------------------------------------
# The bench of the net drivers: ours and DPDK's testpmd in the same guest.

$(B)/dpdk: tests/bench/testpmd-files | $(B)/.deps-bench-net
	$< $@

##@ Measure
.PHONY: bench-net-guest
bench-net-guest: ## guest instructions a 64-byte frame, DPDK's testpmd beside ours (ADAPTERS="e1000e
bench-net-guest: ## igb virtio_net")
bench-net-guest: all $(B)/dpdk | $(B)/.deps-qemu
	@tests/bench/nic $(ADAPTERS)

# ---- the storage appliance -------------------------------------------------
# The storage appliance beside the kernel's drivers and nbdkit, in one guest.

$(B)/nbdkit: tests/bench/nbd-files | $(B)/.deps-bench-nbd
	$< $@ "$$(command -v nbdkit)" \
		$$(dpkg -L nbdkit | grep -E '/nbdkit-(file|memory)-plugin\.so$$')
$(B)/qsd: tests/bench/nbd-files | $(B)/.deps-bench-nbd
	$< $@ "$$(command -v qemu-storage-daemon)"

##@ Measure
.PHONY: bench-appliance
bench-appliance: ## the storage appliance from outside: reads a second and instructions a read,
bench-appliance: ## beside the kernel's drivers with nbdkit (PARTS="timed counted", PAIRS=,
bench-appliance: ## SECONDS=)
bench-appliance: all check-programs $(B)/nbdkit
	@tests/bench/appliance $(PARTS)

# ---- NBD on a UNIX socket ----------------------------------------------------
# rf-nbd beside two servers that have their disk in themselves.

##@ Measure
.PHONY: bench-export bench-export-guest bench-export-native
bench-export: ## reads over NBD on a UNIX socket, beside nbdkit and qemu-storage-daemon
bench-export: bench-export-guest bench-export-native
bench-export-guest: all $(B)/nbdkit $(B)/qsd
	@tests/bench/export
bench-export-native: ## its native part alone (PAIRS=, SECONDS=, SPIN=TIME, ONLY="qd1 128k_4c ...")
bench-export-native: all $(MODELS) | $(B)/.deps-bench-nbd
	@tests/bench/export-native
bench-export-native: $(if $(filter bench-export bench,$(MAKECMDGOALS)),bench-export-guest)
