# Benchmarks. Each writes $(B)/results/bench-NAME.json and prints what it found.

# Both queues are compiled in the same file, with what DPDK asks its users to set.
# glibc, because DPDK's headers want it; nothing of DPDK is started.
RTE_CFLAGS = $(shell pkg-config --cflags libdpdk)
RTE_LIBS   = $(shell pkg-config --libs-only-L libdpdk) \
             $(filter -lrte_ring -lrte_eal,$(shell pkg-config --libs-only-l libdpdk))

$(B)/tests/bench-ring: tests/bench/ring.c tests/bench/ring_queues.h tests/bench/ring_loops.h sandbox/abi/ring.h tests/bench.mk | $(B)/.deps-bench
	@mkdir -p $(@D)
	$(HOSTCC) $(WARN) $(HARDEN) -D_GNU_SOURCE $(INC_abi) $(subst -I/,-isystem /,$(RTE_CFLAGS)) \
		-pie -pthread -o $@ $< $(RTE_LIBS)

##@ Measure
.PHONY: bench-ring
bench-ring: $(B)/tests/bench-ring ## the ring against DPDK's rte_ring, and round trips (2 cores, 15 s)
	@mkdir -p $(B)/results
	$< $(B)/results/$@.json $(VERSION) $(ROUNDS)
