#!/usr/bin/env bash
# recovery.sh - the driver of a NIC (the 82574 model) killed KILLS times under a paced stream
# both ways, of which every frame is accounted for, and KILLS times under iperf3. Before that
# the stream is shown to see frames that are lost, doubled and damaged. RESULT=FILE: figures
# into it.
. tests/net/lib.sh

kills=${KILLS:-25} rate=${RATE:-2000} seed=${SEED:-$RANDOM}
echo "# seed $seed"
# Nothing but the stream is on the cable: no router is asked for, nobody for an address.
quiet_cable() { # NEAR_MAC FAR_MAC
	ip neigh replace 10.9.0.2 lladdr "$2" nud permanent dev near
	$far ip neigh replace 10.9.0.1 lladdr "$1" nud permanent dev far
	ip -6 addr flush dev near; $far ip -6 addr flush dev far
	sleep 0.5 # what was asked before is on its way
}
# Counters of all a frame passes, into a directory.
counters() {
	mkdir -p "$1"
	status >"$1/status"
	"$B/tests/model_ctl" "$work/nic.ctl" counters >"$1/model"
	cat /proc/net/dev >"$1/near.dev"; cat /proc/net/snmp >"$1/near.snmp"
	$far cat /proc/net/dev >"$1/far.dev"; $far cat /proc/net/snmp >"$1/far.snmp"
}
paced() { # NAME [BYTES]: starts the stream
	rm -f "$work/stop"
	counters "$work/$1.before"
	"$B/tests/net-paced" "$model" "$rate" "$work/stop" "${@:2}" >"$work/$1.json" \
		2>"$work/$1.err" & stream=$!
	children+=($stream)
}
paced_end() {
	touch "$work/stop"
	wait $stream || die "the stream: $(cat "$work/$1.err")"
	counters "$work/$1.after"
}

nic_up
quiet_cable "$(mac near)" "$($far ip -o link show far | sed 's,.*link/ether \([0-9a-f:]*\).*,\1,')"

# ---- what the stream can see --------------------------------------------------------------
paced control -1400
done_all() { "$B/tests/model_ctl" "$work/nic.ctl" counters | grep -q "^fault $1 $2$"; }
for fault in "drop count 7" "duplicate count 5" "corrupt count 3"; do
	"$B/tests/model_ctl" "$work/nic.ctl" fault $fault >/dev/null ||
		die "the model takes no fault"
	until_true 60 done_all ${fault%% *} ${fault##* } ||
		die "no ${fault##* } frames for '$fault'"
done
paced_end control
sum() {
	echo $(($(figure "out_$1" "$work/control.json") + $(figure "in_$1" "$work/control.json")))
}
[ "$(sum duplicated)" = 5 ] || die "5 frames were doubled, $(sum duplicated) seen"
# A bit of a header makes a damaged frame a lost one.
[ $(($(sum lost) )) = 10 ] && [ "$(sum corrupted)" -ge 1 ] ||
	die "7 frames were dropped and 3 damaged, seen: $(cat "$work/control.json")"
! tests/net/books "$work/control.before" "$work/control.after" "$work/control.json" >/dev/null \
	2>&1 ||
	die "the books balance although the device dropped frames that nothing counts"

# ---- the paced stream -----------------------------------------------------------------------
paced udp
killer "$kills" 40 udp-kills
paced_end udp
tests/net/books "$work/udp.before" "$work/udp.after" "$work/udp.json" >"$work/books.json" ||
	die "the books: $(cat "$work/books.json" "$work/udp.json")"
for n in duplicated corrupted stale reordered; do
	[ "$(figure frames_$n "$work/books.json")" = 0 ] || die "$n: $(cat "$work/books.json")"
done
echo "# $(cat "$work/books.json")"

# ---- iperf3 -----------------------------------------------------------------------------------
# A server for each run: one that is still busy with the run before refuses the next.
round() { # PORT [-R]
	local server code
	$far iperf3 -s -1 -p "$1" >/dev/null 2>&1 & server=$!
	until_true 60 eval "$far ss -Hltn | grep -q ':$1 '" || echo "no server" >>"$work/iperf.log"
	iperf3 -c 10.9.0.2 -p "$1" -t "${ROUND:-5}" ${2:-} >>"$work/iperf.log" 2>&1
	code=$?
	kill $server 2>/dev/null
	wait $server 2>/dev/null
	return $code
}
rounds() {
	local way= port=5300
	while [ ! -e "$work/stop" ]; do
		round $port $way || echo broken
		echo run
		port=$((port + 1))
		[ -n "$way" ] && way= || way=-R
	done
}
rm -f "$work/stop"
rounds >"$work/rounds" & iperfs=$!; children+=($iperfs)
killer "$kills" 100 iperf-kills
wait $iperfs
runs=$(grep -c run "$work/rounds") broken=$(grep -c broken "$work/rounds")
[ "$broken" = 0 ] || { tail -20 "$work/iperf.log"; die "$broken of $runs iperf3 runs broke"; }
mbps=$(awk '/receiver/ {
		for (i = 1; i < NF; i++)
			if ($(i + 1) == "Mbits/sec") { s += $i; n++ }
			else if ($(i + 1) == "Gbits/sec") { s += 1000 * $i; n++ }
	}
	END { printf "%.0f", n ? s / n : 0 }' "$work/iperf.log")
echo "# $kills kills under $runs iperf3 runs, $mbps Mbit/s on average"

status >"$work/status.json"
[ "$(figure deaths "$work/status.json")" = $((2 * kills)) ] ||
	die "deaths nobody asked for: $(cat "$work/status.json")"
[ "$(figure violations "$work/status.json")" = 0 ] &&
	[ "$(figure process_deaths "$work/status.json")" = 0 ] || die "$(cat "$work/status.json")"
nic_down

# ---- figures ----
of() { figure "$2" "$work/$1.json"; }
for f in udp iperf; do
	echo "# under $f: p50 $(of $f-kills recovery_p50_us) us, p99" \
		"$(of $f-kills recovery_p99_us) us ($(of $f-kills recovery_samples) of" \
		"$(of $f-kills kills))"
done
build=$(git describe --always --dirty 2>/dev/null || echo unversioned)
[ -z "${RESULT:-}" ] || {
	printf '{"name":"net-recovery","ok":true,"build":"%s","kills":%d' "$build" $((2 * kills))
	printf ',"p50_us":%s,"p99_us":%s' "$(of udp-kills recovery_p50_us)" \
		"$(of udp-kills recovery_p99_us)"
	printf ',%s' "$(sed 's/^{//; s/}$//' "$work/books.json")"
	printf ',"tcp_broken":%s,"udp_kills":%s,"iperf_kills":%s' "$broken" "$kills" "$kills"
	printf ',"iperf_runs":%s,"iperf_mbps":%s' "$runs" "$mbps"
	printf ',"iperf_p50_us":%s,"iperf_p99_us":%s' "$(of iperf-kills recovery_p50_us)" \
		"$(of iperf-kills recovery_p99_us)"
	for part in detect_us quiesce_us spawn_us enable_us first_io_us; do
		printf ',"%s":%s' $part "$(of udp-kills $part)"
	done
	printf ',"rate_fps":%d,"seed":%s}\n' $((2 * rate)) "$seed"
} >"$RESULT"
