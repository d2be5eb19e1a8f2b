# SPDX-License-Identifier: MIT
# The kernel's NBD client over deaths of the export: the block device waits while a process gives
# it a new connection, no request fails, and what was written is there.
# guest: -d nvme,serial=rf0,size=256M
# seconds: 600
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
kills=4

config
expect kernel-nbd/serves "see the log" serve
export_is_there() { has_changed export_pid 0; }
expect kernel-nbd/export "none" wait_for 60 export_is_there
module nbd
/build/tests/attach $socket 0 120 >/tmp/attached 2>&1 &
attach=$!
attached() { grep -q '^attached' /tmp/attached; }
expect kernel-nbd/attached "$(cat /tmp/attached)" wait_for 60 attached
# What was in flight when a connection broke the kernel sends again at the next end of the
# request's own time, and not before: 30 s, if nobody says otherwise, and 60 s if the new
# connection comes a moment after the first end.
echo 2000 >/sys/block/nbd0/queue/io_timeout

# Written through the kernel's page cache or around it, with the kernel's own idea of flushes.
fio --name=verify --filename=/dev/nbd0 --ioengine=libaio --direct=1 --rw=randrw --bs=4k \
	--iodepth=16 --size=32m --io_size=1g --time_based --runtime=600 --fsync=64 \
	--verify=crc32c --verify_backlog=256 \
	--output=/tmp/fio >/tmp/fio.err 2>&1 &
load=$!
progress() { [ "$(field completed)" -gt $1 ]; }
connections() { grep -c '^again' /tmp/attached; }
another() { [ "$(connections)" -gt $1 ]; }
killed() {
	wait_for 60 progress $(($(field completed) + 100)) || return 1
	kill_pid=$(field export_pid) before=$(connections)
	kill -9 "$kill_pid"
	wait_for 60 has_changed export_pid "$kill_pid" && wait_for 60 another $before &&
		kill -0 $load
}
why() { cat /tmp/attached /tmp/fio.err; }
for n in $(seq $kills); do
	expect kernel-nbd/kill-$n \
		"no new connection, or the load gave up or stands still: $(why)" killed
done
wait_for 60 progress $(($(field completed) + 100))
kill -INT $load
wait $load
expect kernel-nbd/verified "fio: $(cat /tmp/fio.err; grep -m3 err= /tmp/fio)" \
	grep -q 'err= 0' /tmp/fio
expect kernel-nbd/no-error \
	"$(field client_errors) requests failed, and $(dmesg | grep -c 'I/O error, dev nbd')" \
	sh -c "[ $(field client_errors) = 0 ] && ! dmesg | grep -q 'I/O error, dev nbd'"
kill $attach
stop
cat /tmp/rf.err /tmp/attached
expect kernel-nbd/given-back "the kernel's driver does not have it back" given_back
exit $guest_failed
