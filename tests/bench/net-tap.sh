#!/usr/bin/env bash
# net-tap.sh SECONDS - TCP between two network namespaces, three ways one after the other:
# through two TAP exports and a cable; through the same two TAPs with a program between them
# that only reads and writes; through the kernel's own veth pairs and a bridge. Prints JSON
# members: Gbit/s for each second of CPU time the path took, both ends together.
#
# CPU time is iperf3's at both ends (the kernel's work for it included) and, while it runs,
# that of the two exports or of the program. A way over two TAPs copies each byte twice more
# than the bridge does: tap_plain is what there is to reach. What plays the device (a copy a
# frame, which a real one does by DMA) is in the figure named with_device only. An operator's
# path has one export: tap_one_end is the mean of the two ends, each with its own iperf3.
. tests/net/lib.sh

seconds=${1:-5}

# cpu_s PID...: processor seconds so far.
cpu_s() { cat "${@/#/\/proc\/}" 2>/dev/null | awk '{s += $1} END {printf "%.6f", s / 1e9}'; }

# measure PID...: runs iperf3 against 10.9.0.2. Prints bits, the CPU seconds of iperf3 at both
# ends, and those of these processes; then those of pair.c.
measure() {
	local own=("${@/%//schedstat}") a b c d
	$far iperf3 -s -D --pidfile "$work/iperf.pid" --logfile "$work/iperf-server.log"
	iperf -n 1M || die "iperf3"
	sleep 1
	a=$(cpu_s "${own[@]}") c=$(cpu_s "$pair/schedstat")
	iperf3 -c 10.9.0.2 -t "$seconds" -J >"$work/iperf.json" || die "iperf3 fails"
	b=$(cpu_s "${own[@]}") d=$(cpu_s "$pair/schedstat")
	kill "$(tr -d '\0' <"$work/iperf.pid")"
	awk -v s="$seconds" -v e="$(awk "BEGIN {print $b - $a}")" \
		-v w="$(awk "BEGIN {print $d - $c}")" \
		'{gsub(/[^a-z_0-9.]/, " ")} /sum_received/{on=1} on&&$1=="bytes"{b=$2;on=0}
		$1=="host_total"||$1=="remote_total"{c+=$2}
		END{printf "%.0f %.3f %.3f %.3f\n", b*8, c*s/100, e, w}' \
		"$work/iperf.json"
}

pair_up
read -r tap_bits tap_cpu exports wire <<<"$(measure $(pgrep -P "$pair" -x rf-tap))"
pair_down
RF_TAP=- pair_up
read -r plain_bits plain_cpu plain _ <<<"$(measure "$pair")"
pair_down

# The same with nothing between: two veth pairs and a bridge.
unshare -n sleep 600 & holder=$!; children+=($holder)
of_its_own() { [ "$(readlink /proc/$holder/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
until_true 60 of_its_own || die "no network namespace"
far="nsenter -t $holder -n"
ip link add name near type veth peer name near-bridge || die "veth"
ip link add name far type veth peer name far-bridge && ip link set far netns $holder || die "veth"
ip link add br0 type bridge && ip link set br0 up || die "bridge"
for i in near-bridge far-bridge; do ip link set $i master br0 up; done
ip link set near up; $far ip link set far up
# A port forwards when the bridge was told of its carrier.
forwards() { ip -d link show "$1" | grep -q 'bridge_slave state forwarding'; }
for i in near-bridge far-bridge; do
	until_true 60 forwards $i ||
		{ cable_state >"$work/cable.log" 2>&1; die "the bridge does not forward"; }
done
addresses near far
read -r bridge_bits bridge_cpu _ <<<"$(measure "$holder")"
awk -v s="$seconds" -v t="$tap_bits" -v c="$tap_cpu" -v e="$exports" -v w="$wire" \
	-v b="$bridge_bits" -v k="$bridge_cpu" -v p="$plain_bits" -v q="$plain_cpu" \
	-v f="$plain" 'BEGIN {
	printf "\"tap_gbit_per_cpu_s\": %.2f, ", t/1e9/(c+e)
	printf "\"tap_gbit_per_cpu_s_with_device\": %.2f, ", t/1e9/(c+e+w)
	printf "\"tap_one_end_gbit_per_cpu_s\": %.2f, ", 2*t/1e9/(c+e)
	printf "\"tap_plain_gbit_per_cpu_s\": %.2f, ", p/1e9/(q+f)
	printf "\"tap_gbit_s\": %.2f, \"tap_iperf_cpu_s\": %.2f, ", t/1e9/s, c
	printf "\"tap_exports_cpu_s\": %.2f, ", e
	printf "\"kernel_bridge_gbit_per_cpu_s\": %.2f, ", b/1e9/k
	printf "\"kernel_bridge_gbit_s\": %.2f", b/1e9/s }'
