# SPDX-License-Identifier: MIT
# QEMU's virtio disk offers to reset a queue by itself (VIRTIO_F_RING_RESET), says at once that it
# has, and completes later what was under way in it: in the queue of the next driver. So it is
# reset as a whole, and no request fails. Without that knowledge requests fail. The disk is so slow
# that every kill leaves requests in it.
# guest: -d virtio-blk,serial=rf0,size=64M,num-queues=2,vectors=5,bps=4M
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(pci_by_id 1af4:1042 1)
load='mode=randread bs=16K qd=32 queues=2 span=16M requests=1000000 seed=3'

progress() { [ "$(field completed)" -gt $1 ]; }
# Its driver dies when requests are under way, and has a successor that answers.
dies() {
	wait_for 60 progress $(($(field completed) + 40)) || return 1
	dies_generation=$(field generation)
	kill -9 "$(field driver_pid)"
	wait_for 60 has_changed generation "$dies_generation"
}
fails() { [ "$(field failed)" -gt 0 ]; }
# served [NAME]: by the shipped programs, or by those without that wall
served() {
	config 'queues 2 demand'
	program="program /build/tests/rf-load output /tmp/load.json $load"
	sed -i "s|policy nvme|policy virtio_blk|; s|export nbd .*|export $program|" $conf
	[ $# = 0 ] || lax $1
	serve
}
# method NAME: all recoveries were by that
method() {
	$rf recoveries disk0 >/tmp/recoveries
	grep -q "\"method\":\"$1\"" /tmp/recoveries
}

expect queue-reset/known/serves "no driver came up" served
for n in $(seq 12); do dies || break; done
expect queue-reset/known/killed "no successor after $n kills: $($rf status)" [ "$n" = 12 ]
expect queue-reset/known/reset "the device was not reset" method soft
expect queue-reset/known/no-queue "a queue was reset by itself" eval '! method queue'
expect queue-reset/known/none "$(field failed) requests failed" eval '! fails'
stop

# However many kills it takes.
expect queue-reset/unknown/serves "no driver came up" served queue-reset
for n in $(seq 60); do
	dies || break
	! fails || break
done
echo "requests fail after $n kills"
expect queue-reset/unknown/queue "no queue was reset by itself" method queue
expect queue-reset/unknown/seen "no request failed: is the disk another one by now?" fails
stop
expect queue-reset/none-left "processes are left" wait_for 60 none_left
exit $guest_failed
