# SPDX-License-Identifier: MIT
# A disk read that a hostile driver aims at the admin submission queue does not arrive
# there, and all goes on; with the queue writable for the device it does arrive. Judged by
# the queue's memory: the device calls both reads a success.
# guest: -d nvme,serial=rf0,size=256M
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
io() { timeout 60 qemu-io -f raw "$@" "$uri" >/tmp/io.log; }
# The admin submission queue, as the device process has it.
queue() {
	for f in /proc/$(field device_pid)/fd/*; do
		case $(readlink $f) in /memfd:rf-admin*) dd if=$f bs=4096 count=1 2>/dev/null ;; esac
	done
}
attack() { # NAME
	expect $1/runs "no driver came up" serve
	expect $1/disk-filled "see the log" io -c 'write -P 0xa5 0 4k' -c 'write -P 0x5a 64k 4k'
	queue >/tmp/before
	expect $1/queue-seen "it has $(wc -c </tmp/before) bytes" [ "$(wc -c </tmp/before)" = 4096 ]
	io -c 'read 0 4k'
	queue >/tmp/after
}

config "image /build/fault/evil_admin_read"
attack admin-read
expect admin-read/intact "the queue was changed" cmp /tmp/before /tmp/after
expect admin-read/goes-on "see the log" io -c 'read -P 0x5a 64k 4k'
# Recovery deletes and makes queues: it needs the admin queue.
old=$(field driver_pid)
kill -KILL $old
expect admin-read/restart "no successor" wait_for 30 has_changed driver_pid $old
expect admin-read/after-restart "see the log" io -c 'read -P 0x5a 64k 4k'
stop

config "image /build/fault/evil_admin_read" "unsafe-admin-writable yes"
attack admin-read/control
tr '\0' '\245' </dev/zero | dd bs=4096 count=1 iflag=fullblock of=/tmp/payload 2>/dev/null
expect admin-read/control/overwritten "the attack does not reach the queue even when it may" cmp /tmp/payload /tmp/after
stop
exit $guest_failed
