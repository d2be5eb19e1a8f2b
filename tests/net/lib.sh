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

die() {
	echo "# $*"
	for log in "$work"/*.log; do sed "s,^,#   $(basename "$log"): ," "$log"; done
	exit 1
}

# until_true SECONDS COMMAND...: waits for the command to succeed. On a host that is busy with
# something else so many seconds are no time at all: they are over only once it was tried as often.
until_true() {
	local end=$((SECONDS + $1)) tries=$1; shift
	until "$@" >/dev/null 2>&1; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || [ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# What the kernel says of an interface: its flags, MTU or address.
carrier() { ip -o link show "$1" | grep -q LOWER_UP; }
far_carrier() { $far ip -o link show "$1" | grep -q LOWER_UP; }
mtu() { ip -o link show "$1" | sed 's/.* mtu \([0-9]*\).*/\1/'; }
mac() { ip -o link show "$1" | sed 's,.*link/ether \([0-9a-f:]*\).*,\1,'; }

# What both sides' kernels know of the cable.
cable_state() { ip -s -d link; ip neigh; echo "far side:"; $far ip -s -d link; $far ip neigh; }

addresses() { # near far
	ip link set lo up && ip addr add 10.9.0.1/24 dev "$1" && ip link set "$1" up ||
		die "no address for $1"
	$far ip link set lo up && $far ip addr add 10.9.0.2/24 dev "$2" &&
		$far ip link set "$2" up ||
		die "no address for $2"
	# The kernel tells of carriers a second late where many come and go.
	until_true 60 carrier "$1" && until_true 60 far_carrier "$2" ||
		{ cable_state >"$work/cable.log" 2>&1; die "no carrier"; }
	until_true 60 ping -c 1 -W 1 10.9.0.2 ||
		{ cable_state >"$work/cable.log" 2>&1; die "no answer over the cable"; }
}

# pair_up ARGS...: two shipped rf-tap with a cable between them, see pair.c, which takes
# $RF_TAP in their place.
pair_up() {
	# What the pair before this one said is not read as this one's: it writes only when it runs.
	rm -f "$work/in" "$work/pair.out"; mkfifo "$work/in"
	"$B/tests/net-pair" "${RF_TAP:-$B/bin/rf-tap}" near far "$@" <"$work/in" >"$work/pair.out" \
		2>"$work/pair.log" &
	pair=$!; children+=("$pair")
	exec 9>"$work/in"
	until_true 60 grep -q namespace "$work/pair.out" || die "the pair does not start"
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

# A model whose cable is a TAP of the far side.
nic_model() {
	unshare -n "$B/models/e1000e" --socket "$work/nic.sock" --tap far --mac 02:00:00:00:00:0a \
		--control "$work/nic.ctl" >"$work/model.log" 2>&1 &
	model=$!; children+=("$model")
	until_true 60 test -S "$work/nic.sock" || die "the model does not serve"
	far="nsenter -t $model -n"
}

# nic_up: ringfence with the e1000e driver on it, served as an interface. More keys of the
# device are in $nic_keys.
nic_keys=
nic_up() {
	nic_model
	cat >"$work/rf.conf" <<-EOC
		run-dir $work/run
		device nic
		  policy e1000e
		  socket $work/nic.sock
		  export tap near
		$nic_keys
	EOC
	setsid "$B/bin/ringfence" run "$work/rf.conf" >"$work/ringfence.log" 2>&1 </dev/null &
	ringfence=$!; children+=("$ringfence")
	until_true 60 eval '[ "$(value generation)" -gt 0 ]' || die "no driver runs"
	until_true 60 ip link show near || die "no interface"
	addresses near far
}

nic_down() {
	"$B/bin/ringfence" --run-dir "$work/run" stop >/dev/null
	wait "$ringfence" || die "ringfence ended with $?"
}

# appliance_up: a disk behind one driver, a NIC behind another, the stack between them, and a
# far side that gets at the disk as $uri.
appliance_up() {
	uri=nbd://10.9.0.1
	nic_model
	"$B/models/nvme" --socket "$work/disk.sock" --size 64M --control "$work/disk.ctl" \
		>"$work/disk.log" 2>&1 &
	children+=($!)
	until_true 60 test -S "$work/disk.sock" || die "the model does not serve"
	$far ip link set lo up; $far ip addr add 10.9.0.2/24 dev far; $far ip link set far up
	cat >"$work/rf.conf" <<-EOC
		run-dir $work/run
		device disk0
		  policy nvme
		  socket $work/disk.sock
		  export lwip nic
		device nic
		  policy e1000e
		  socket $work/nic.sock
		  export lwip
		  address 10.9.0.1/24
		  status lwip-tcp 10.9.0.1:80 allow 10.9.0.0/24
		  disk disk0 lwip-tcp 10.9.0.1:10809 allow 10.9.0.0/24
		  forward lwip-tcp 10.9.0.1:81 to tcp:127.0.0.1:8081 allow 10.9.0.0/24
		  socks unix:$work/socks.sock
	EOC
	setsid "$B/bin/ringfence" run "$work/rf.conf" >"$work/ringfence.log" 2>&1 </dev/null &
	ringfence=$!; children+=("$ringfence")
	until_true 60 metrics || die "no page of metrics"
	until_true 60 $far nbdinfo --size $uri || die "no disk"
}
metrics() { $far curl -sSf -m 20 http://10.9.0.1/metrics; }
# It has no line in the status; the keeper is the parent of all.
dial_pid() { pgrep -P "$ringfence" rf-dial; }

# iperf ARGS...: a client run; its server may still be busy with the one before.
iperf() { until_true 60 iperf3 -c 10.9.0.2 "$@"; }

status() { "$B/bin/ringfence" --run-dir "$work/run" status --json; }
value() { status 2>/dev/null | sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }
# of DEVICE MEMBER: what the status says
of() { status 2>/dev/null | sed -n "/\"device\":\"$1\"/s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/p"; }
figure() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$2"; }

# kill_driver: the running one, and waits for its successor.
kill_driver() {
	local line g
	line=$(status)
	g=$(sed -n 's/.*"generation":\([0-9]*\).*/\1/p' <<<"$line")
	kill -9 "$(sed -n 's/.*"driver_pid":\([0-9]*\).*/\1/p' <<<"$line")" 2>/dev/null || return 0
	until_true 60 eval "[ \"\$(value generation)\" -gt $g ]" || die "driver $g has no successor"
}

# killer KILLS PAUSE_MS NAME: kills drivers, then makes $work/stop; its figures are in
# $work/NAME.json. Needs $seed.
killer() {
	local figures
	figures=$(RF_CONTROL=$work/run/control "$B/tests/killer" nic "$1" "$seed" 0 "$2" \
		"$work/stop" 2>"$work/killer.log")
	echo "{$figures}" >"$work/$3.json"
	[ "$(figure kills "$work/$3.json")" = "$1" ] || die "the killer: $(cat "$work/killer.log")"
}

# supervisor_dies PID...: it and those, at once, in that order, and its successor takes over.
# Without a pause now and then the keeper takes it for one that cannot live.
supervisor_dies() {
	takeovers=$((${takeovers:-0} + 1))
	[ $((takeovers % 6)) != 0 ] || sleep 1.1
	kill -9 "$@" || die "nobody to kill: $*"
	until_true 60 eval '[ "$(of nic takeovers)" = $takeovers ]' || die "no successor: $(status)"
}
