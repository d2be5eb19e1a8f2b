# SPDX-License-Identifier: MIT
# A disk with four queues, a driver each: one of the four is killed again and again, then each of
# them, under a client that verifies over all queues. NVMe, where a death costs its queue; virtio,
# where it costs QEMU's device a reset, with split queues and with packed ones. Then virtio disks
# whose queues have a vector each, not two, and that have fewer queues, or fewer vectors, than they
# are asked for.
# guest: -d virtio-blk,serial=rf0,size=64M,num-queues=4,vectors=9
# guest: -d virtio-blk,serial=rf1,size=64M,num-queues=4,vectors=9,packed=on
# guest: -d virtio-blk,serial=rf2,size=64M,num-queues=2,vectors=9
# guest: -d virtio-blk,serial=rf3,size=64M,num-queues=4,vectors=3
# guest: -d virtio-blk,serial=rf5,size=64M,num-queues=4,vectors=5
# guest: -d nvme,serial=rf4,size=64M
# seconds: 600
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
load='mode=randrw verify=1 bs=4096 qd=16 queues=4 span=16M requests=500 rounds=100000 seed=7'
echo "load: $load"

# Of queue $2 in the status: pid, died, answered ...
of_queue() {
	$rf status --json 2>/dev/null | grep -o "\"queue\":$2,[^}]*" |
		sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}
queue_runs() { [ "$(of_queue pid $1)" -gt 0 ] 2>/dev/null; }
all_run() { queue_runs 0 && queue_runs 1 && queue_runs 2 && queue_runs 3; }
other_pid() { queue_runs $1 && [ "$(of_queue pid $1)" != $2 ]; }
answered() { [ "$(of_queue answered $1)" -gt $2 ] 2>/dev/null; }
# The driver of queue $1 dies; all four run after that, and it gets something done.
dies() {
	dies_pid=$(of_queue pid $1)
	kill -9 "$dies_pid" || return 1
	wait_for 60 other_pid $1 "$dies_pid" && wait_for 60 all_run &&
		wait_for 60 answered $1 "$(of_queue answered $1)"
}

# configured POLICY QUEUES EXPORT: $disk, so many queues
configured() {
	config "queues $2"
	sed -i "s|policy nvme|policy $1|; s|export nbd .*|$3|" $conf
}

# through NAME POLICY METHOD: of $disk, where a death has that done
through() {
	name=$1
	rm -f /tmp/load.json
	configured $2 "4 demand" "export program /build/tests/rf-load output /tmp/load.json $load"
	expect $name/serves "no driver came up" serve
	cat /tmp/rf.err
	expect $name/four "not four drivers" wait_for 60 all_run
	for n in 0 1 2 3; do
		expect $name/works-$n "queue $n answers nothing" wait_for 60 answered $n 50
	done
	for n in $(seq 20); do
		dies 2 || break
	done
	expect $name/one-killed "after $n kills: $($rf status)" [ "$n" = 20 ] && all_run
	for n in 0 1 2 3; do
		expect $name/killed-$n "no successor, or nothing done by it" dies $n
	done
	expect $name/no-error "$(field failed) requests failed" [ "$(field failed)" = 0 ]
	expect $name/died "queue 2 died $(of_queue died 2) times" [ "$(of_queue died 2)" -ge 21 ]
	$rf recoveries disk0 >/tmp/recoveries
	tail -1 /tmp/recoveries
	expect $name/method "not all recoveries are by '$3'" sh -c \
		"grep -q '\"method\":\"$3\"' /tmp/recoveries &&
			! grep '\"method\"' /tmp/recoveries | grep -v '\"method\":\"$3\"'"
	stop
	tail -5 /tmp/rf.err
	expect $name/verified \
		"$(grep -vc '"errors":0,"mismatches":0' /tmp/load.json) rounds with errors" \
		sh -c 'grep -q "errors\":0,\"mismatches\":0" /tmp/load.json &&
			! grep -v "errors\":0,\"mismatches\":0" /tmp/load.json'
	expect $name/none-left "processes are left" wait_for 60 none_left
}

# fewer NAME LINE: $disk has two queues, not four, says so in a line, and serves
fewer() {
	configured virtio_blk 4 "export nbd $socket"
	expect $1/serves "no driver came up" serve
	expect $1/said "no line says '$2'" grep -q "$2" /tmp/rf.err
	expect $1/answers "no answer" answers
	expect $1/two "not two drivers" sh -c \
		"[ \"\$($rf status --json | grep -o '\"queue\":[0-9]*,' | wc -l)\" = 2 ]"
	cat /tmp/rf.err
	stop
	configured virtio_blk "4 demand" "export nbd $socket"
	timeout 60 $rf run $conf 2>/tmp/refused.err
	expect $1/demand "it runs" [ $? != 0 ]
	cat /tmp/refused.err
	expect $1/refused "no line says that four are demanded" \
		grep -q "its configuration demands 4 queues" /tmp/refused.err
	expect $1/none-left "processes are left" wait_for 60 none_left
}
# virtio N: the Nth virtio disk
virtio() { disk=$(pci_by_id 1af4:1042 $1); }
virtio 1
through virtio_blk_queues virtio_blk soft
expect virtio_blk_queues/kind "its queues are packed" grep -q 'split queues of' /tmp/rf.err
virtio 2
through virtio_blk_packed_queues virtio_blk soft
expect virtio_blk_packed_queues/kind "its queues are split" grep -q 'packed queues of' /tmp/rf.err
virtio 3
fewer virtio_blk_two "has 2 queues, not 4"
virtio 4
fewer virtio_blk_vectors "with 3 interrupt vectors it has 2 queues, not 4"
virtio 5
through virtio_blk_shared_vectors virtio_blk soft
disk=$(nvme_address rf4)
through nvme_queues nvme queue
exit $guest_failed
