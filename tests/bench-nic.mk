# The bench of the net drivers: ours and DPDK's testpmd in the same guest.

$(B)/dpdk: tests/bench/testpmd-files | $(B)/.deps-bench-net
	$< $@

##@ Measure
.PHONY: bench-net-guest
bench-net-guest: all $(B)/dpdk | $(B)/.deps-qemu ## guest instructions a 64-byte frame, DPDK's testpmd beside ours (ADAPTERS="e1000e igb virtio_net")
	@tests/bench/nic $(ADAPTERS)
