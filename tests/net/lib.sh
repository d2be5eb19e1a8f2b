# SPDX-License-Identifier: MIT
# lib.sh - what the tests of interfaces share. Sourced, inside a network namespace of the
# test's own. Sets $far: a prefix that runs a command at the other end of the cable.

B=$PWD/build
work=$(mktemp -d)
children=()
cleanup() {
	exec 9>&- || true
	for pid in "${children[@]}"; do kill -9 "$pid" 2>/dev/null; done
	wait 2>/dev/null
	rm -rf "$work"
}
trap cleanup EXIT

die() { echo "# $*"; for log in "$work"/*.log; do sed "s,^,#   $(basename "$log"): ," "$log"; done; exit 1; }

# until_true SECONDS COMMAND...: waits for the command to succeed.
until_true() {
	local end=$((SECONDS + $1)); shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# What the kernel says of an interface: its flags, MTU or address.
carrier() { ip -o link show "$1" | grep -q LOWER_UP; }
mtu() { ip -o link show "$1" | sed 's/.* mtu \([0-9]*\).*/\1/'; }
mac() { ip -o link show "$1" | sed 's,.*link/ether \([0-9a-f:]*\).*,\1,'; }

addresses() { # near far
	ip link set lo up; ip addr add 10.9.0.1/24 dev "$1"; ip link set "$1" up
	$far ip link set lo up; $far ip addr add 10.9.0.2/24 dev "$2"; $far ip link set "$2" up
	until_true 20 ping -c 1 -W 1 10.9.0.2 || die "no answer over the cable"
}

# pair_up ARGS...: two shipped rf-tap with a cable between them, see pair.c.
pair_up() {
	mkfifo "$work/in"
	"$B/tests/net-pair" "$B/bin/rf-tap" near far "$@" <"$work/in" >"$work/pair.out" 2>"$work/pair.log" &
	pair=$!; children+=("$pair")
	exec 9>"$work/in"
	until_true 20 grep -q namespace "$work/pair.out" || die "the pair does not start"
	far="nsenter -t $(sed -n 's/^namespace //p' "$work/pair.out") -n"
	addresses near far
}

# Ends it; its counters are in $work/pair.json.
pair_down() {
	echo >&9 # its end alone would not do: whatever runs in the background holds it, too
	exec 9>&-
	wait "$pair" || die "an export did not end well"
	grep '^{' "$work/pair.out" >"$work/pair.json" || die "no counters"
}

# nic_up: ringfence with the e1000e driver on a model whose cable is a TAP of the far side.
nic_up() {
	unshare -n "$B/models/e1000e" --socket "$work/nic.sock" --tap far --mac 02:00:00:00:00:0a \
		--control "$work/nic.ctl" >"$work/model.log" 2>&1 &
	model=$!; children+=("$model")
	until_true 20 test -S "$work/nic.sock" || die "the model does not serve"
	far="nsenter -t $model -n"
	cat >"$work/rf.conf" <<-EOC
		run-dir $work/run
		device nic
		  policy e1000e
		  socket $work/nic.sock
		  export tap near
	EOC
	setsid "$B/bin/ringfence" run "$work/rf.conf" >"$work/ringfence.log" 2>&1 </dev/null &
	ringfence=$!; children+=("$ringfence")
	until_true 20 test "$(value generation)" != 0 || die "no driver runs"
	until_true 20 ip link show near || die "no interface"
	addresses near far
}

nic_down() {
	"$B/bin/ringfence" --run-dir "$work/run" stop >/dev/null
	wait "$ringfence" || die "ringfence ended with $?"
}

# iperf ARGS...: a client run; its server may still be busy with the one before.
iperf() { until_true 60 iperf3 -c 10.9.0.2 "$@"; }

status() { "$B/bin/ringfence" --run-dir "$work/run" status --json; }
value() { status 2>/dev/null | sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }
figure() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$2"; }

# kill_driver: the running one, and waits for its successor.
kill_driver() {
	local line g
	line=$(status)
	g=$(sed -n 's/.*"generation":\([0-9]*\).*/\1/p' <<<"$line")
	kill -9 "$(sed -n 's/.*"driver_pid":\([0-9]*\).*/\1/p' <<<"$line")" 2>/dev/null || return 0
	until_true 30 eval "[ \"\$(value generation)\" -gt $g ]" || die "driver $g has no successor"
}
