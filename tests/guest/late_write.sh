# SPDX-License-Identifier: MIT
# Memory a dead driver's device may still write is not used again before the device is quiet: its
# queue pair deleted, or the controller reset. With that order turned round the verifier reports
# the late writes: the disk is so slow that every kill leaves reads in the device, and their
# buffers hold new writes when it ends.
# guest: -d nvme,serial=rf0,size=64M,bps=8M
# seconds: 500
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
kills=4

# loaded POLICY [NAME]: a verifying load, killed again and again, without that wall; its result in
# /tmp/load.json, the resets in /tmp/resets
loaded() {
	rm -f /tmp/load.json
	rm -rf /run/ringfence/bundles
	local load=/build/tests/rf-load
	[ $# = 1 ] || load=/build/lax/bin/$2/rf-load
	printf 'device disk0\n  policy %s\n  pci %s\n  export program %s output %s %s\n' \
		$1 "$disk" $load /tmp/load.json \
		'mode=randrw verify=1 bs=128K qd=32 span=16M requests=1000 seed=3' >$conf
	[ $# = 1 ] || lax $2
	serve || return 1
	/build/tests/killer disk0 $kills 3 24 200 >/tmp/kills.json || return 1
	wait $server
	cat /run/ringfence/bundles/*.json | grep -o '"reset":"[a-z]*"' | sort | uniq -c |
		tr -s ' \n' ' ' >/tmp/resets
	cat /tmp/kills.json /tmp/load.json /tmp/rf.err /tmp/resets
	echo
}
count() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" /tmp/load.json; }
{ cat /build/policy/nvme.policy; echo 'queue-reset no'; } >/tmp/soft.policy

# both NAME POLICY METHOD: in order nothing is damaged, turned round it is, by that method
both() {
	in_order=late-write/$1/in-order round=late-write/$1/turned-round
	expect $in_order/runs "see the log" loaded $2
	expect $in_order/method "it was $(cat /tmp/resets)" \
		[ "$(cat /tmp/resets)" = " $kills \"reset\":\"$3\" " ]
	expect $in_order/verified "$(count verified) reads checked" [ "$(count verified)" -gt 100 ]
	expect $in_order/none "$(count mismatches) blocks damaged, $(count errors) errors" \
		[ "$(count mismatches) $(count errors)" = '0 0' ]
	expect $round/runs "see the log" loaded $2 reuse-early
	expect $round/reused "no read was in flight at a kill" [ "$(count errors)" -gt 0 ]
	expect $round/seen "late writes into memory in use were not noticed" \
		[ "$(count mismatches)" -gt 0 ]
}
both queue nvme queue
both controller /tmp/soft.policy soft
expect late-write/given-back "the kernel's driver does not have it back" given_back
row="row dma|write after the death of its driver, into memory in use again|quiesce first"
row="$row|stopped|no block was damaged|shown|damaged blocks were read"
[ $guest_failed = 1 ] || echo "$row"
exit $guest_failed
