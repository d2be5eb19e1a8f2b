#!/bin/bash
# SPDX-License-Identifier: MIT
# run.sh [KILLS [SEED]] - the main job on this machine, without root, IOMMU or guest: an NVMe
# model behind a vfio-user socket, the fenced driver, the block service, real NBD clients
# that verify; the driver is killed and the device misbehaves meanwhile. Writes
# build/results/run.part, see images/figures.
#
# Only faults that can be noticed are injected: deaths, silence and lies. A device that
# hands out wrong data with a good status cannot be told from a good one by any driver.
set -u
cd "$(dirname "$0")/.."
kills=${1:-50} seed=${2:-1}
dir=$(mktemp -d /tmp/ringfence-run.XXXXXX)
sock=$dir/disk0.sock
. images/job.sh
mib=16
start=$(date +%s%N)
log=build/logs/run.log
mkdir -p build/logs build/results

rf() { build/bin/ringfence --run-dir $dir/run "$@"; }
member() { rf status --json 2>/dev/null | sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"; }
running() { rf status --json 2>/dev/null | grep -q '"state":"running".*"driver_pid":[1-9]'; }
tell() { build/tests/model_ctl $dir/nvme.ctl "$@"; }

model=0 killer=0 load=0 ringfence=0
cleanup() {
	[ $ringfence = 0 ] || { rf stop >/dev/null 2>&1; wait $ringfence; }
	for pid in $killer $load $model; do
		[ $pid = 0 ] || kill $pid 2>/dev/null
	done
	wait
	rm -rf $dir
}
trap cleanup EXIT
fail() {
	echo "run: $1; the log is in $log" >&2
	exit 1
}

cat >$dir/rf.conf <<CONF
run-dir $dir/run
device disk0
  policy nvme
  socket $dir/nvme.sock
  export nbd $sock
CONF
: >$log
build/models/nvme --socket $dir/nvme.sock --control $dir/nvme.ctl --size 128M --block 4096 \
	--seed $seed >>$log 2>&1 </dev/null &
model=$!
there() { tell counters >/dev/null 2>&1; }
wait_until 60 there || fail "the model does not come up"
build/bin/ringfence run $dir/rf.conf >>$log 2>&1 </dev/null &
ringfence=$!
export RF_CONTROL=$dir/run/control
wait_until 60 running || fail "no driver came up"
echo "run: an NVMe model is served at generation $(member generation); $kills kills, seed $seed"

# ---- load: until there is a stop file, and at least what is asked for -----------------
# nbdcopy's half: a file to the start of the disk, compared at the end.
head -c 16M /dev/urandom >$dir/file
(
	nbdcopy -- $dir/file "nbd+unix:///?socket=$sock" 2>>$log || errors=$((errors + 1))
	while [ $errors = 0 ] && { [ ! -e $dir/stop ] || [ $verified -lt $least ]; }; do
		verify_round $((16 + round % 7 * 16))
	done
	echo "$verified $errors" >$dir/load
) &
load=$!

# ---- kills ------------------------------------------------------------------------------
build/tests/killer disk0 $kills $seed 16 10 $dir/killed >$dir/kills.json 2>>$log &
killer=$!
wait $killer || fail "a killed driver was not replaced"
killer=0

# ---- faults -------------------------------------------------------------------------------
injected=0 recovered=0
fired() { tell counters | sed -n "s/^fault $1 //p" | grep -q .; }
progress() { local now=$(member completed); [ "${now:-0}" -gt $(($1 + 64)) ] && running; }
# A fault, and the proof that work goes on after it took place.
inject() { # NAME ARGUMENT...
	tell fault "$@" || fail "cannot inject $1"
	injected=$((injected + 1))
	wait_until 60 fired $1 || fail "$1 did not take place"
	wait_until 60 progress $(member completed) || fail "no recovery from $1"
	recovered=$((recovered + 1))
}
# One that spoils an answer to the device process, which only asks while it recovers.
inject_kill() {
	tell fault "$@" || fail "cannot inject $1"
	kill -9 $(member driver_pid)
	injected=$((injected + 1))
	wait_until 60 fired $1 || fail "$1 did not take place"
	wait_until 60 progress $(member completed) || fail "no recovery from $1"
	recovered=$((recovered + 1))
}
inject bad-cid after 100
inject irq-lost after 10 count 3
inject irq-spurious count 20
inject irq-duplicate count 20
inject irq-storm count 2
inject slow arg 2000 count 64
inject bad-phase after 100
inject hang after 100
inject cfs after 100
inject dma-outside count 5
inject_kill reply-late arg 30
inject_kill reply-error
touch $dir/stop

# ---- the end --------------------------------------------------------------------------------
wait $load
load=0
read -r verified errors <$dir/load || fail "the load left nothing behind"
requests=$(member completed) reissued=$(member reissued)
errors=$((errors + $(member client_errors)))
# A device that hangs up counts as one that lost its cache, which fails a flush: so this comes
# after the load, and before its data are looked at.
answers() { nbdinfo --size "nbd+unix:///?socket=$sock" >/dev/null 2>&1; }
before=$(member device_pid)
another() {
	local now=$(member device_pid)
	[ "${now:-0}" != 0 ] && [ $now != $before ] && running
}
tell disconnect >/dev/null
injected=$((injected + 1))
wait_until 60 another && wait_until 60 answers || fail "no recovery from a device that hung up"
recovered=$((recovered + 1))
if nbdcopy "nbd+unix:///?socket=$sock" - 2>>$log | head -c 16M | cmp - $dir/file; then
	verified=$((verified + 16 * 1024 * 1024))
else
	errors=$((errors + 1))
fi
errors=$((errors + $(member client_errors)))
rf status
recoveries=$(($(figure recoveries) + recovered))
rf stop >/dev/null
wait $ringfence || errors=$((errors + 1))
ringfence=0
# Every variant of the protocol, on devices that cut, delay and reorder: a process each.
tests/recovery/variants 6 $seed >$dir/variants 2>&1 ||
	{ errors=$((errors + 1)); cat $dir/variants; }
variants=$(grep -o '"variant_.*[0-9]' $dir/variants) || fail "the variants were not tried"
verified=$((verified + $(sed -n 's/.*"variant_bytes_verified":\([0-9]*\).*/\1/p' <<<"$variants")))
elapsed=$((($(date +%s%N) - start) / 1000000))
ok=false
[ $errors = 0 ] && [ $verified -ge $least ] && [ "$(figure kills)" = "$kills" ] &&
	[ $recoveries = $((kills + injected)) ] && ok=true
more=$(sed "s/\"requests\":[0-9]*/\"requests\":$requests/
	s/\"recoveries\":[0-9]*/\"recoveries\":$recoveries/
	s/\"reissued\":[0-9]*/\"reissued\":$reissued/" $dir/kills.json)
more+=",\"faults_injected\":$injected,\"bytes_verified\":$verified,\"client_errors\":$errors"
more+=",$variants,\"elapsed_s\":$((elapsed / 1000)).$(printf %03d $((elapsed % 1000)))"
echo "{\"ok\":$ok,$more,\"seed\":$seed}" >build/results/run.part
table <<LINES
  faults injected     $injected
LINES
grep -h ' a command, ' $dir/variants
echo "  elapsed             $((elapsed / 1000)).$((elapsed % 1000 / 100)) s"
[ $ok = true ]
