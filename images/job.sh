# SPDX-License-Identifier: MIT
# job.sh - the main job, wherever it runs: a client that writes and verifies while drivers
# are killed, and the table at its end. Sourced by run.sh (natively) and by appliance.sh (in
# the guest), which set: dir (scratch), sock (NBD) or uri, seed.
mib=8 # of one round
verified=0 errors=0 round=0
least=$((40 * 1024 * 1024))

# Until the command succeeds. On a host that is busy with something else so many seconds are no time
# at all: they are over only once the command was tried four times in each.
wait_until() { # SECONDS COMMAND...
	local end=$(($(cut -d. -f1 /proc/uptime) + $1)) tries=$((4 * $1))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || [ "$(cut -d. -f1 /proc/uptime)" -le $end ] || return 1
		sleep 0.02
	done
}

# fio writes every block of $mib MiB once at random with a checksum in it, then reads all
# back. $1: where, in MiB.
verify_round() {
	round=$((round + 1))
	if ! fio --name=verify --ioengine=nbd --uri="${uri:-nbd+unix:///?socket=$sock}" \
		--rw=randwrite --bs=4k --size=${mib}m --offset=${1}m --iodepth=32 \
		--verify=crc32c --verify_state_save=0 --do_verify=1 --verify_fatal=1 \
		--randseed=$((seed + round)) \
		--output-format=json --output=$dir/fio.json >$dir/fio.log 2>&1; then
		errors=$((errors + 1))
		echo "fio failed:"
		tail -5 $dir/fio.log
		grep -a error $dir/fio.json | head -3
		return 1
	fi
	local bytes=$(grep -A2 '"read" : {' $dir/fio.json |
		sed -n 's/.*"io_bytes" : \([0-9]*\).*/\1/p' | head -1)
	verified=$((verified + ${bytes:-0}))
}

# One figure of the killer's.
figure() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" $dir/kills.json; }

# Further lines of the table come on stdin. Set before: requests, recoveries.
table() {
	cat <<TABLE

  requests            $requests
  bytes verified      $verified
  kills (SIGKILL)     $(figure kills)
TABLE
	cat
	cat <<TABLE
  recoveries          $recoveries
  reissued requests   $reissued
  in flight at kill   $(figure inflight_at_kill_p50) (median)
  recovery p50        $(figure recovery_p50_us) us
  recovery p99        $(figure recovery_p99_us) us
  recovery max        $(figure recovery_max_us) us
  client errors       $errors
TABLE
}
