# SPDX-License-Identifier: MIT
# The swap is on the disk served, and memory is exhausted: drivers die, alone and together with
# their standby, and every page comes back as it was. Nobody is killed for memory.
#
#   swap.sh [KILLS [SEED [plain]]]   plain: without what sandbox/blk/swap.md asks for
#
# guest: -m 448 -g 0 -d nvme,serial=rf0,size=512M
# seconds: 420
. /lib/guest.sh
. /tests/guest/serving.inc
kills=${1:-15} seed=${2:-1} plain=${3:-} together=3
disk=$(nvme_address rf0)
io_flusher=524288 # PF_MEMALLOC_NOIO in the ninth field of /proc/PID/stat
ringfence=$rf

config 'arena 16M'
if [ -z "$plain" ]; then
	echo 0 >/proc/sys/vm/watermark_boost_factor
	rf="chrt --rr 1 $ringfence"
fi
expect swap/serves "see the log" serve
rf=$ringfence
there() { has_changed export_pid 0 && has_changed standby_pid 0; }
expect swap/export "none" wait_for 60 there
module nbd
/build/tests/attach $socket 0 120 >/tmp/attached 2>&1 &
attach=$!
attached() { grep -q '^attached' /tmp/attached; }
expect swap/attached "$(cat /tmp/attached)" wait_for 60 attached
mkswap /dev/nbd0 >/dev/null
expect swap/on "$(cat /proc/swaps)" swapon /dev/nbd0

# resident PID: its memory is locked, and what it asks of the kernel waits for no swap
resident() {
	locked=$(sed -n 's/^VmLck:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status")
	flags=$(sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f7)
	[ "${locked:-0}" -gt 0 ] && [ $((flags & io_flusher)) != 0 ]
}
# The trusted ones get memory before others do; a driver is never real-time.
first() { chrt -p "$1" | grep -q SCHED_RR; }
keeper=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$(field supervisor_pid)/status")
for who in supervisor device export driver standby; do
	expect swap/resident-$who "locked $locked kB, flags $flags" resident "$(field ${who}_pid)"
	case $plain$who in
	driver | standby)
		expect swap/ordinary-$who "it is real-time" eval '! first $(field ${who}_pid)' ;;
	supervisor | device | export)
		expect swap/first-$who "it is not real-time" first "$(field ${who}_pid)" ;;
	esac
done

# More than is free, and than is there once all files of this guest, which are in memory, are out.
: >/tmp/hog
kb() { sed -n "s/^$1:[^0-9]*\([0-9]*\) kB/\1/p" /proc/meminfo; }
/build/tests/hog $((($(kb MemAvailable) + $(kb Shmem)) / 1024 + 64)) $seed /tmp/enough >/tmp/hog \
	2>/tmp/hog.err &
hog=$!
filled() { grep -q filled /tmp/hog || ! kill -0 $hog 2>/dev/null; }
wait_for 120 filled
expect swap/filled "$(cat /tmp/hog /tmp/hog.err)" grep -q filled /tmp/hog
echo "# after $(cut -d" " -f1 /proc/uptime) s: $(sed -n 2p /proc/swaps), free $(kb MemFree) kB"

# A death with requests of the swap in flight.
/build/tests/killer disk0 "$kills" "$seed" 1 20 /tmp/killed >/tmp/killer 2>/tmp/killer.err
expect swap/kills "killer: $(tail -1 /tmp/killer.err)" [ $? = 0 ]
cat /tmp/killer
# And without a standby: its successor's process has to be made while nothing can be swapped.
progress() { [ "$(field completed)" -gt $1 ]; }
both() {
	wait_for 60 there || return 1
	both_now=$($rf status --json)
	both_driver=$(echo "$both_now" | sed -n 's/.*"driver_pid":\([0-9]*\).*/\1/p')
	both_standby=$(echo "$both_now" | sed -n 's/.*"standby_pid":\([0-9]*\).*/\1/p')
	both_done=$(echo "$both_now" | sed -n 's/.*"completed":\([0-9]*\).*/\1/p')
	kill -9 "$both_driver" "$both_standby" && wait_for 60 progress $((both_done + 64))
}
for n in $(seq $together); do
	expect swap/together-$n "$($rf status)" both
done
echo "# after $(cut -d" " -f1 /proc/uptime) s: killed"

# Every page is looked at once more, in order: more of them in one request.
echo 5 >/proc/sys/vm/page-cluster
touch /tmp/enough
wait $hog
expect swap/verified "$(cat /tmp/hog /tmp/hog.err)" [ $? = 0 ]
tail -1 /tmp/hog
expect swap/came-back "no page came from the swap" \
	[ "$(sed -n 's/.*"from_swap":\([0-9]*\).*/\1/p' /tmp/hog)" -gt 1000 ]
expect swap/nobody-killed "$(dmesg | grep -iE 'out of memory|oom')" \
	[ "$(sed -n 's/^oom_kill //p' /proc/vmstat)" = 0 ]
expect swap/no-error "$(field client_errors) requests failed, $(dmesg | grep -c 'I/O error')" \
	sh -c "[ $(field client_errors) = 0 ] && ! dmesg | grep -qE 'I/O error|Read-error on swap'"
swapoff /dev/nbd0
kill $attach
stop
cat /tmp/rf.err
expect swap/given-back "the kernel's driver does not have it back" given_back
exit $guest_failed
