# SPDX-License-Identifier: MIT
# nvme.sh - in the guest: Linux's NVMe driver on our model. $1: `write` makes data and
# prints its sums, `read` checks that data of a former boot is there.
. /lib/guest.sh
phase=$(cat /test.args)
disk=/dev/nvme0n1
mib=16

expect nvme-found "no $disk after 60 s" wait_for 60 test -b $disk
[ -b $disk ] || exit 1
expect nvme-size "it is $(blockdev --getsize64 $disk) bytes" \
	[ "$(blockdev --getsize64 $disk)" = 268435456 ]

fresh() { echo 3 >/proc/sys/vm/drop_caches; }
# piece INDEX: the 16 MiB at that place, read from the disk itself
piece() { fresh; dd if=$disk bs=1M skip=$(($1 * mib)) count=$mib 2>/dev/null; }
sum() { piece "$1" | sha256sum | cut -d' ' -f1; }

if [ "$phase" = read ]; then
	expect nvme-sums-known "there are $(wc -l </sums)" [ "$(wc -l </sums)" = 4 ]
	while read -r index want; do
		expect "nvme-data-of-former-boot-$index" "another sum" \
			[ "$(sum "$index")" = "$want" ]
	done </sums
	exit 0
fi

for i in 0 1 2 3; do dd if=/dev/urandom of=/tmp/data$i bs=1M count=$mib 2>/dev/null; done
dd if=/tmp/data0 of=$disk bs=1M conv=fsync 2>/dev/null
piece 0 >/tmp/back
expect nvme-write-read "what was read differs" cmp -s /tmp/data0 /tmp/back

# Four at once, in small and odd sizes: several queues, several requests in flight
for i in 1 2 3; do
	dd if=/tmp/data$i of=$disk bs=$((i * 4096)) seek=$((i * mib * 1024 * 1024)) \
		oflag=seek_bytes conv=fsync 2>/dev/null &
done
wait
for i in 1 2 3; do
	piece $i >/tmp/back
	expect "nvme-parallel-$i" "what was read differs" cmp -s /tmp/data$i /tmp/back
done

cat /proc/interrupts | grep nvme
expect nvme-interrupts "none came by MSI-X" \
	sh -c 'grep nvme0q /proc/interrupts | grep -q "PCI-MSI.*[1-9]"'
expect nvme-several-queues "only one I/O queue" test -e /sys/block/nvme0n1/mq/1

echo 1 >/sys/class/nvme/nvme0/reset_controller
expect nvme-reset "not live again" wait_for 60 grep -q live /sys/class/nvme/nvme0/state
piece 1 >/tmp/back
expect nvme-data-after-reset "what was read differs" cmp -s /tmp/data1 /tmp/back

address=$(basename "$(readlink -f /sys/class/nvme/nvme0/device)")
echo 1 >"/sys/bus/pci/devices/$address/remove"
expect nvme-removed "the disk is still there" wait_for 60 test ! -b $disk
echo 1 >/sys/bus/pci/rescan
expect nvme-rescanned "the disk did not come back" wait_for 60 test -b $disk
piece 2 >/tmp/back
expect nvme-data-after-rescan "what was read differs" cmp -s /tmp/data2 /tmp/back

echo "$address" >/sys/bus/pci/drivers/nvme/unbind
if [ -e "/sys/bus/pci/devices/$address/reset" ]; then
	expect nvme-function-reset "the kernel could not" \
		sh -c "echo 1 >/sys/bus/pci/devices/$address/reset"
fi
echo "$address" >/sys/bus/pci/drivers/nvme/bind
expect nvme-after-function-reset "the disk did not come back" wait_for 60 test -b $disk
piece 3 >/tmp/back
expect nvme-data-after-function-reset "what was read differs" cmp -s /tmp/data3 /tmp/back

for i in 0 1 2 3; do echo "# sum $i $(sha256sum </tmp/data$i | cut -d' ' -f1)"; done
