# SPDX-License-Identifier: MIT
# No process on the way of a recovery has pages that could be swapped out, and none waits for
# the swap when it asks the kernel for memory: the disk served may hold it.
# guest: -d nvme,serial=rf0,size=256M
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
disk=$(nvme_address rf0)
io_flusher=524288 # PF_MEMALLOC_NOIO in the ninth field of /proc/PID/stat

config
expect resident/serves "see the log" serve
there() { has_changed export_pid 0 && has_changed standby_pid 0; }
expect resident/all-there "$($rf status)" wait_for 60 there
resident() {
	locked=$(sed -n 's/^VmLck:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$1/status")
	flags=$(sed 's/.*) //' "/proc/$1/stat" | cut -d' ' -f7)
	[ "${locked:-0}" -gt 0 ] && [ $((flags & io_flusher)) != 0 ]
}
keeper=$(sed -n 's/^PPid:[^0-9]*//p' "/proc/$(field supervisor_pid)/status")
expect resident/keeper "locked $locked kB, flags $flags" resident "$keeper"
for who in supervisor device export driver standby; do
	pid=$(field ${who}_pid)
	expect resident/$who "pid $pid: locked $locked kB, flags $flags" resident "$pid"
done
# Control: of a process that is not ours neither is true.
expect resident/control "this shell is resident" eval '! resident $$'
stop
cat /tmp/rf.err
expect resident/given-back "the kernel's driver does not have it back" given_back
exit $guest_failed
