# SPDX-License-Identifier: MIT
# native.sh - a model in memory and a fenced driver before it, on this machine, for
# benchmarks. Sourced. Sets dir, rf(), member(), wait_until(); ends all at the shell's exit.
dir=$(mktemp -d /tmp/ringfence-bench.XXXXXX)
export RF_CONTROL=$dir/run/control
mkdir -p build/logs build/results
model=0 ringfence=0

rf() { build/bin/ringfence --run-dir $dir/run "$@"; }
member() { rf status --json 2>/dev/null | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
running() { rf status --json 2>/dev/null | grep -q '"state":"running".*"driver_pid":[1-9]'; }
wait_until() { # SECONDS COMMAND...
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
die() {
	echo "$0: $1" >&2
	tail -5 $dir/rf.err >&2
	exit 1
}

# serve LOAD [MODEL-OPTION...]: the load's words; its lines come in $dir/load.json. POLICY: a
# name, or a path; QUEUES: of the device (1).
serve() {
	local load=$1
	shift
	rm -f $dir/load.json
	build/models/nvme --socket $dir/nvme.sock --control $dir/nvme.ctl --size 256M \
		--block 4096 "$@" \
		>$dir/model.err 2>&1 </dev/null &
	model=$!
	wait_until 60 build/tests/model_ctl $dir/nvme.ctl counters >/dev/null 2>&1 ||
		die "the model does not come up"
	printf '%s\n' "run-dir $dir/run" "device disk0" "  policy ${POLICY:-nvme}" \
		"  socket $dir/nvme.sock" "  queues ${QUEUES:-1}" \
		"  export program $PWD/build/tests/rf-load output $dir/load.json $load" \
		>$dir/rf.conf
	build/bin/ringfence run $dir/rf.conf >$dir/rf.err 2>&1 </dev/null &
	ringfence=$!
}

# unserve: stops both; the code is that of `ringfence run`.
unserve() {
	local code=0
	[ $ringfence = 0 ] || { rf stop >/dev/null 2>&1; wait $ringfence || code=$?; }
	[ $model = 0 ] || { kill $model 2>/dev/null; wait $model 2>/dev/null; }
	ringfence=0 model=0
	return $code
}
trap 'unserve; rm -rf $dir' EXIT
