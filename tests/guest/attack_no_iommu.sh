# SPDX-License-Identifier: MIT
# What the IOMMU stops, where there is none: a disk's driver that knows where a page lies in
# the machine has the disk write there, whosever page it is. Controls of attack_dma.
# guest: -x iommu -d nvme,serial=rf0
# seconds: 240
. /lib/guest.sh
disk=$(nvme_address rf0)
dd if=/dev/zero bs=4096 count=1 2>/dev/null | tr '\0' '\245' |
	dd of=$(nvme_block rf0) bs=4096 oflag=direct 2>/dev/null
echo $disk >/sys/bus/pci/devices/$disk/driver/unbind
# Memory of somebody who has nothing to do with the disk.
dd if=/dev/zero of=/dev/shm/canary bs=4096 count=1 2>/dev/null
page() { od -An -tx8 -N8 /dev/shm/canary | tr -d ' '; }
/build/tests/unfenced_nvme /sys/bus/pci/devices/$disk $(/build/tests/peek phys /dev/shm/canary 0)
expect no-iommu/rogue "a read did not overwrite memory of another process: $(page)" \
	[ "$(page)" = a5a5a5a5a5a5a5a5 ]
if [ $guest_failed = 0 ]; then
	echo "control machine-address|without an IOMMU a page of another process was overwritten"
	echo "control other-arena|without an IOMMU a page of another process was overwritten"
fi
# Tests that share this machine want the disk as they would have found it.
have_disk() { nvme_block rf0 >/dev/null; }
echo $disk >/sys/bus/pci/drivers/nvme/bind
expect no-iommu/rogue/given-back "the kernel's driver does not have the disk" wait_for 60 have_disk
exit $guest_failed
