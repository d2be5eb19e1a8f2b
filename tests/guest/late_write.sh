# SPDX-License-Identifier: MIT
# Memory a dead driver's device may still write is not used again before the reset. With
# that order turned round the verifier reports the late writes: the disk is so slow that
# every kill leaves reads in the device, and their buffers hold new writes when it ends.
# guest: -d nvme,serial=rf0,size=64M,bps=8M
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
kills=4

# loaded [NAME]: a verifying load, killed again and again, without that wall; its result in
# /tmp/load.json
loaded() {
	rm -f /tmp/load.json
	local load=/build/tests/rf-load
	[ $# = 0 ] || load=/build/lax/bin/$1/rf-load
	printf 'device disk0\n  policy nvme\n  pci %s\n  export program %s output %s %s\n' "$disk" \
		$load /tmp/load.json \
		'mode=randrw verify=1 bs=128K qd=32 span=16M requests=1000 seed=3' >$conf
	[ $# = 0 ] || lax $1
	serve || return 1
	/build/tests/killer disk0 $kills 3 24 200 >/tmp/kills.json || return 1
	wait $server
	cat /tmp/kills.json /tmp/load.json /tmp/rf.err
}
count() { sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p" /tmp/load.json; }

expect late-write/in-order/runs "see the log" loaded
expect late-write/in-order/verified "$(count verified) reads checked" \
	[ "$(count verified)" -gt 100 ]
expect late-write/in-order/none \
	"$(count mismatches) blocks were damaged, $(count errors) requests failed" \
	[ "$(count mismatches) $(count errors)" = '0 0' ]
expect late-write/turned-round/runs "see the log" loaded reuse-early
expect late-write/turned-round/reused "no read was in flight at a kill" [ "$(count errors)" -gt 0 ]
expect late-write/turned-round/seen "late writes into memory in use were not noticed" \
	[ "$(count mismatches)" -gt 0 ]
expect late-write/given-back "the kernel's driver does not have it back" given_back
row="row dma|write after the death of its driver, into memory in use again|quiesce first"
row="$row|stopped|no block was damaged|shown|damaged blocks were read"
[ $guest_failed = 1 ] || echo "$row"
exit $guest_failed
