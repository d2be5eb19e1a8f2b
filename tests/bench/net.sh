#!/usr/bin/env bash
# net.sh - make bench-net: the native part of build/results/bench-net.json. TCP through the
# TAP export, and frames round a loop through driver, rings and service.
set -u
cd "$(dirname "$0")/../.."
B=$PWD/build
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$B/results"

tap=$(unshare -n bash tests/bench/net-tap.sh "${SECONDS_EACH:-5}") || { echo "$tap"; exit 1; }

# loop NAME BATCH: million frames a second each way, the median of five rounds.
loop() {
	local load="prime=256 batch=$2 frames=2000000 rounds=5"
	printf '%s\n' "run-dir $work/run" "device loop" "  policy loop_net" \
		"  export program $PWD/build/tests/rf-netload output $work/$1.json $load" \
		>"$work/$1.conf"
	timeout 120 unshare -n "$B/bin/ringfence" run "$work/$1.conf" >"$work/$1.log" 2>&1 \
		</dev/null ||
		{ cat "$work/$1.log" >&2; return 1; }
	sed -n 's/.*"received":\([0-9]*\).*"elapsed_ns":\([0-9]*\).*/\1 \2/p' "$work/$1.json" |
		awk '{printf "%.3f\n", $1*1e3/$2}' | sort -n | sed -n 3p
}
b32=$(loop b32 32) && b1=$(loop b1 1) && [ -n "$b32" ] && [ -n "$b1" ] || exit 1
echo "{\"ok\": true, $tap, \"loop_native_b32_mfps\": $b32, \"loop_native_b1_mfps\": $b1}" \
	>"$work/figures.json"
tests/bench/merge bench-net native "$work/figures.json"
