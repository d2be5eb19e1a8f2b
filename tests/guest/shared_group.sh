# SPDX-License-Identifier: MIT
# Two functions that share an IOMMU group go to one owner as a whole: the second is
# refused while the first is served. A bus reset is done where every function of the bus
# belongs to that owner, and where one does not, the device is not used.
# guest: -q -device -q pcie-root-port,id=shared,chassis=9,slot=9
# guest: -q -device -q edu,bus=shared,addr=0.0,multifunction=on
# guest: -q -device -q edu,bus=shared,addr=0.1
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
functions=$(for p in /sys/bus/pci/devices/*; do
	[ "$(cat $p/vendor):$(cat $p/device)" = 0x1234:0x11e8 ] && basename $p
done)
first=${functions%%.*}.0 second=${functions%%.*}.1
group() { basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"; }
driver() { basename "$(readlink "/sys/bus/pci/devices/$1/driver")"; }
expect shared-group/one-group "this machine puts $first and $second into two groups" \
	[ "$(group $first)" = "$(group $second)" ]

# The policy of edu, with a soft reset that fails: a register that never reads 1.
cp /build/tests/drivers/edu_irq.policy /tmp/edu.policy
echo 'interrupt msi' >>/tmp/edu.policy
echo 'reset poll 32 bar0 0x00 mask 0xffffffff value 1 within 10ms' >>/tmp/edu.policy
# device NAME ADDRESS
device() {
	printf '%s\n' "device $1" '  policy /tmp/edu.policy' \
		'  image /build/tests/drivers/edu_irq' "  pci $2" "  export nbd /tmp/$1.sock"
}
writes() { timeout 60 qemu-io -f raw -c 'write 0 64k' "$uri" >/tmp/io.log; }
method() { $rf recoveries disk0 | sed -n 's/.*"method":"\([a-z]*\)".*/\1/p' | tail -1; }

# ---- both functions are the owner's ----
echo vfio-pci >/sys/bus/pci/devices/$second/driver_override
echo $second >/sys/bus/pci/drivers_probe
expect shared-group/bound "the second function is not with vfio-pci" \
	[ "$(driver $second)" = vfio-pci ]
{ device disk0 $first; device disk1 $second; } >$conf
expect shared-group/first-served "no driver came up" serve
state() {
	$rf status --json | grep "\"device\":\"$1\"" |
		sed -n 's/.*"state":"\([a-z]*\)","code":\([0-9]*\).*/\1 \2/p'
}
second_refused() { [ "$(state disk1)" = 'failed 68' ]; }
expect shared-group/second-refused "it is $(state disk1)" wait_for 60 second_refused
expect shared-group/said "no such line" \
	wait_for 60 grep -q "disk1: IOMMU group [0-9]* is disk0's as a whole" /tmp/rf.err
expect shared-group/serves "see the log" writes
old=$(field driver_pid)
kill -KILL $old
expect shared-group/bus-reset/recovers "no successor" wait_for 60 has_changed driver_pid $old
expect shared-group/bus-reset/method "it was: $(method)" [ "$(method)" = hot ]
expect shared-group/bus-reset/serves "see the log" writes
stop
cat /tmp/rf.err
expect shared-group/left-bound "the second function was taken from its driver" \
	[ "$(driver $second)" = vfio-pci ]

# ---- one of them is nobody's: nothing can make the other one quiet, so it runs no driver ----
echo $second >/sys/bus/pci/devices/$second/driver/unbind
device disk0 $first >$conf
$rf run $conf 2>/tmp/rf.err
code=$?
cat /tmp/rf.err
expect shared-group/alone/not-used "exit code $code, not 75" [ $code = 75 ]
expect shared-group/alone/said "no such line" grep -q 'cannot be silenced' /tmp/rf.err
expect shared-group/none-left "processes are left" wait_for 60 none_left
exit $guest_failed
