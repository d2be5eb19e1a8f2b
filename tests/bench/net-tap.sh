#!/usr/bin/env bash
# net-tap.sh SECONDS - TCP through two TAP exports and a cable, and through the kernel's own
# veth pairs and a bridge, one after the other. Prints JSON members: Gbit/s for each second of
# CPU time the path took, both ends together.
#
# CPU time is iperf3's at both ends (the kernel's work for it included) and, with the TAP, the
# two exports'. What plays the device (a copy a frame, which a real one does by DMA) is in the
# figure named with_device only.
. tests/net/lib.sh

seconds=${1:-5}

# measure: runs iperf3 against 10.9.0.2. Prints bits and its CPU seconds at both ends.
measure() {
	$far iperf3 -s -D --pidfile "$work/iperf.pid" --logfile "$work/iperf-server.log"
	iperf -n 1M || die "iperf3"
	sleep 1
	iperf3 -c 10.9.0.2 -t "$seconds" -J >"$work/iperf.json" || die "iperf3 fails"
	kill "$(tr -d '\0' <"$work/iperf.pid")"
	awk -v s="$seconds" '{gsub(/[^a-z_0-9.]/, " ")} /sum_received/{on=1} on&&$1=="bytes"{b=$2;on=0}
		$1=="host_total"||$1=="remote_total"{c+=$2} END{printf "%.0f %.3f\n", b*8, c*s/100}' \
		"$work/iperf.json"
}

pair_up
read -r tap_bits tap_cpu <<<"$(measure)"
pair_down
exports=$(figure export_cpu_s "$work/pair.json") wire=$(figure wire_cpu_s "$work/pair.json")

# The same with nothing of ours: two veth pairs and a bridge between them.
unshare -n sleep 600 & holder=$!; children+=($holder)
sleep 0.3
far="nsenter -t $holder -n"
ip link add name near type veth peer name near-bridge || die "veth"
ip link add name far type veth peer name far-bridge && ip link set far netns $holder || die "veth"
ip link add br0 type bridge && ip link set br0 up || die "bridge"
for i in near-bridge far-bridge; do ip link set $i master br0 up; done
addresses near far
read -r bridge_bits bridge_cpu <<<"$(measure)"
awk -v s="$seconds" -v t="$tap_bits" -v c="$tap_cpu" -v e="$exports" -v w="$wire" \
	-v b="$bridge_bits" -v k="$bridge_cpu" 'BEGIN {
	printf "\"tap_gbit_per_cpu_s\": %.2f, \"tap_gbit_per_cpu_s_with_device\": %.2f, ", t/1e9/(c+e), t/1e9/(c+e+w)
	printf "\"tap_gbit_s\": %.2f, \"tap_iperf_cpu_s\": %.2f, \"tap_exports_cpu_s\": %.2f, ", t/1e9/s, c, e
	printf "\"kernel_bridge_gbit_per_cpu_s\": %.2f, \"kernel_bridge_gbit_s\": %.2f", b/1e9/k, b/1e9/s }'
