# Tests and measurements of the net service and its exports, on this machine, in network
# namespaces of their own.

$(B)/tests/net-pair: tests/net/pair.c sandbox/base/packet.c sandbox/base/log.c $(wildcard tests/unit/rig.h sandbox/base/*.h sandbox/abi/*.h)
	@mkdir -p $(@D)
	$(HOSTCC) $(WARN) -O2 -g -D_GNU_SOURCE $(INC_unit) -o $@ tests/net/pair.c sandbox/base/packet.c sandbox/base/log.c

##@ Test
.PHONY: check-net
check-net: all $(B)/tests/net-pair $(MODELS) | $(B)/.deps-net ## interfaces: ping, iperf3, curl while drivers die (network namespaces, no guest)
	@tests/net/run $(NET)

##@ Measure
.PHONY: bench-net
bench-net: all $(B)/tests/net-pair | $(B)/.deps-net ## interfaces: TCP through a TAP beside the kernel's bridge, frames round a loop (native)
	@bash tests/bench/net.sh $(VERSION)
