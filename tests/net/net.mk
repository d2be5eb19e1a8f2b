# Tests and measurements of the net service and its exports, on this machine, in network
# namespaces of their own.

$(B)/tests/net-pair: tests/net/pair.c sandbox/lib/packet.c sandbox/lib/log.c $(wildcard \
        tests/unit/rig.h sandbox/proto/*.h sandbox/lib/*.h sandbox/abi/*.h)
	$(call making,CC)
	$(HOSTCC) $(WARN) -O2 -g -D_GNU_SOURCE $(INC_unit) -o $@ tests/net/pair.c \
		sandbox/lib/packet.c sandbox/lib/log.c

# Clients that count what becomes of what they send.
NET_CLIENTS := $(B)/tests/net-paced $(B)/tests/net-conn
$(NET_CLIENTS): $(B)/tests/net-%: tests/net/%.c tests/net/ends.h
	$(call making,CC)
	$(HOSTCC) $(WARN) -O2 -g -D_GNU_SOURCE -o $@ $<

##@ Test
.PHONY: check-net
check-net: ## interfaces: ping, iperf3, curl while drivers die (network namespaces, no guest)
check-net: all $(B)/tests/net-pair $(NET_CLIENTS) $(MODELS) $(B)/tests/killer $(B)/tests/model_ctl \
	| $(B)/.deps-net
	@tests/net/run $(NET)
check-needs: $(B)/tests/net-pair $(NET_CLIENTS) $(MODELS) $(B)/tests/killer $(B)/tests/model_ctl | \
        $(B)/.deps-net
.PHONY: check-net-kills
check-net-kills: ## one TCP connection while its NIC's driver is killed KILLS= (10000) times
check-net-kills: all $(NET_CLIENTS) $(MODELS) $(B)/tests/killer $(B)/tests/model_ctl \
	| $(B)/.deps-net
	@mkdir -p $(B)/results; rm -f $(B)/results/net-connection.json
	@LIMIT=3600 KILLS=$(or $(KILLS),10000) RESULT=$(B)/results/net-connection.json \
	tests/net/run connection; code=$$?; \
	cat $(B)/net-connection.out; exit $$code

##@ Measure
.PHONY: bench-net bench-net-native
bench-net: ## all there is to measure of the network, into one file
bench-net: bench-net-guest bench-lwip bench-appliance bench-net-native
bench-net-native: ## interfaces: TCP through a TAP beside the kernel's bridge, frames round a loop
bench-net-native: ## (native)
bench-net-native: all $(B)/tests/net-pair | $(B)/.deps-net
	@bash tests/bench/net.sh
# Not beside each other: clocks are read.
ifneq ($(filter bench-net bench,$(MAKECMDGOALS)),)
bench-appliance: bench-net-guest bench-lwip
bench-net-native: bench-appliance
endif
.PHONY: bench-tcp-loss
bench-tcp-loss: ## TCP over a cable that loses one frame in a hundred, beside the kernel's Reno over
bench-tcp-loss: ## another (native)
bench-tcp-loss: all $(addprefix $(B)/tests/,rf-dial lwip_run tcp_stream impair tcp_rate) \
	| $(B)/.deps-net
	@mkdir -p $(B)/results; rm -f $(B)/results/bench-tcp-loss.json
	@RESULT=$(B)/results/bench-tcp-loss.json tests/net/lwip as_fast_as_reno
.PHONY: bench-recovery-net
KILLS_NET ?= 1000
bench-recovery: bench-recovery-net
bench-recovery-net: ## restart time of a killed NIC driver, every frame accounted for
bench-recovery-net: ## (KILLS_NET=1000, twice; native)
bench-recovery-net: all $(NET_CLIENTS) $(MODELS) $(B)/tests/killer $(B)/tests/model_ctl \
	| $(B)/.deps-net
	@mkdir -p $(B)/results; rm -f $(B)/results/net-recovery.json
	@LIMIT=1800 KILLS=$(KILLS_NET) RESULT=$(B)/results/net-recovery.json \
	tests/net/run recovery; code=$$?; \
	cat $(B)/net-recovery.out; exit $$code
bench-recovery-net: $(if $(filter bench-recovery bench,$(MAKECMDGOALS)),bench-recovery-native)
