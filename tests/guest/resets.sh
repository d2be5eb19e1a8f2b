# SPDX-License-Identifier: MIT
# Questions about resets. Does a death cost a queue pair and not the controller? Does a controller
# that was cut off from memory still end its soft reset? And does a disk wait while the one beside
# it is reset for 100 ms?
# guest: -d nvme,serial=rf0,size=64M -d nvme,serial=rf1,size=64M
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
slow=$(nvme_address rf1)

load='mode=randrw verify=1 bs=4096 qd=16 span=16M requests=2000 rounds=100000 seed=5'
# device NAME ADDRESS POLICY
device() {
	printf '%s\n' "device $1" "  policy $3" "  pci $2" \
		"  export program /build/tests/rf-load output /tmp/$1.json $load"
}
methods() {
	$rf recoveries $1 | sed -n 's/.*"method":"\([a-z]*\)".*/\1/p' | sort | uniq -c |
		tr -s ' \n' ' '
}
recovered() { [ "$($rf recoveries $1 | grep -c '"first_io_ns":[1-9]')" -ge "$2" ]; }
pid_of() {
	$rf status --json | grep "\"device\":\"$1\"" |
		sed -n 's/.*"driver_pid":\([0-9]*\).*"standby_pid":[1-9].*/\1/p'
}
ready() { [ -n "$(pid_of $1)" ] && [ "$(pid_of $1)" != 0 ]; }

# killed NAME TIMES: one recovery after the other
killed() {
	for i in $(seq $2); do
		wait_for 60 ready $1 || return 1
		kill -KILL $(pid_of $1)
		wait_for 60 has_recovered $1 $i || return 1
	done
}
has_recovered() { [ "$($rf recoveries $1 | grep -c '"quiesced_ns":[1-9]')" -ge "$2" ]; }

# ---- as shipped; by CC.EN=0 with bus mastering, and without ----
cp /build/policy/nvme.policy /tmp/nvme-queue.policy
for order in queue keep off; do
	[ $order = queue ] || {
		sed "s/^bus-master.*/bus-master    $order/" /build/policy/nvme.policy
		echo 'queue-reset no'
	} >/tmp/nvme-$order.policy
	device disk0 $disk /tmp/nvme-$order.policy >$conf
	expect resets/bus-master-$order/serves "no driver came up" serve
	expect resets/bus-master-$order/recovers "see the log" killed disk0 5
	eval "seen_$order='$(methods disk0)'"
	stop
	cat /tmp/rf.err
	grep -hE '"(errors|mismatches)":[1-9]' /tmp/disk0.json && errors=1
done
echo "as shipped: $seen_queue"
echo "resets that worked, bus mastering kept: $seen_keep; cleared first: $seen_off"
expect resets/queue "it was $seen_queue" [ "$seen_queue" = ' 5 queue ' ]
expect resets/bus-master-keep/soft "it was $seen_keep" [ "$seen_keep" = ' 5 soft ' ]
expect resets/no-errors "requests failed" [ -z "$errors" ]

# ---- a slow reset beside a fast one ----
{ grep -v '^reset' /build/policy/nvme.policy; echo 'queue-reset no'; } >/tmp/slow.policy
{ device disk0 $disk nvme; device disk1 $slow /tmp/slow.policy; } >$conf
up() { [ "$($rf status --json 2>/dev/null | grep -o '"state":"running","code":0' | wc -l)" = 2 ]; }
$rf run $conf 2>/tmp/rf.err &
server=$!
expect resets/beside/serves "two drivers did not come up" wait_for 60 up
# Line N of both lists is the same moment: disk0 is at work again before disk1 is quiet.
numbers() { $rf recoveries $1 | sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"; }
before_it() {
	numbers disk0 enabled_ns >/tmp/on; numbers disk1 quiesced_ns >/tmp/quiet
	numbers disk1 detect_ns >/tmp/dead
	paste /tmp/on /tmp/quiet /tmp/dead |
		awk '{ first += $1 < $2; reset = ($2 - $3) / 1e6; if (reset > most) most = reset }
		END { printf "%d %.0f\n", first, most }' >/tmp/beside
	read -r first most </tmp/beside
}
# As often as it takes until disk0 was at work again before disk1 was quiet 7 times: a busy host may
# keep disk0 from that now and then, and one that waited for its neighbour would never be.
rounds=0
while [ $rounds -lt 40 ]; do
	i=$((rounds += 1))
	wait_for 60 ready disk0 && wait_for 60 ready disk1
	kill -KILL $(pid_of disk1) $(pid_of disk0)
	wait_for 60 has_recovered disk1 $i && wait_for 60 has_recovered disk0 $i || break
	before_it
	[ $first -lt 7 ] || break
done
echo "beside a reset of up to $most ms: recovered before it was over $first times of $rounds"
expect resets/beside/slow "the slow one was reset by: $(methods disk1)" \
	[ "$(methods disk1)" = " $rounds function " ]
expect resets/beside/not-waited "$first of $rounds" [ $first -ge 7 ]
stop
cat /tmp/rf.err
expect resets/beside/no-errors "requests failed" \
	sh -c '! grep -hE "\"(errors|mismatches)\":[1-9]" /tmp/disk0.json /tmp/disk1.json'
expect resets/given-back "the kernel's driver does not have it back" given_back
exit $guest_failed
