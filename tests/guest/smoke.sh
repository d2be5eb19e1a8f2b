# SPDX-License-Identifier: MIT
# The guest is what the other guest tests take it for.
# guest: -d nvme,serial=rf0
# seconds: 240
. /lib/guest.sh

groups=$(ls /sys/kernel/iommu_groups | wc -l)
expect guest/iommu-groups "no IOMMU groups: the IOMMU does not translate" [ "$groups" -gt 0 ]

disk=$(nvme_address rf0)
expect guest/nvme-by-serial "no NVMe disk with serial rf0" [ -n "$disk" ]
members=$(ls "/sys/bus/pci/devices/$disk/iommu_group/devices" | wc -l)
expect guest/nvme-alone-in-group "the disk's group has $members members" [ "$members" = 1 ]
expect guest/nvme-kernel-reads "the kernel's driver cannot read the disk" \
	dd if="$(nvme_block rf0)" of=/dev/null bs=4k count=16 iflag=direct

for m in vfio vfio_pci vfio_iommu_type1; do
	expect "guest/module-$m" "not loaded" [ -d "/sys/module/$m" ]
done
expect guest/vfio-node "no /dev/vfio/vfio" [ -c /dev/vfio/vfio ]

for c in "fio --version" "nbdinfo --version" "nbdcopy --version" "qemu-img --version" \
	"qemu-io --version"; do
	expect "guest/${c%% *}" "does not run" sh -c "$c >/dev/null"
done
expect guest/fio-nbd-engine "fio has no nbd engine" sh -c "fio --enghelp | grep -qw nbd"
# By the clock that the emulator takes from the host. Waits and deadlines go by the other one.
rtc() { cat /sys/class/rtc/rtc0/since_epoch; }
up() { cut -d. -f1 /proc/uptime; }
from=$(rtc) up_from=$(up)
later() { [ $(($(rtc) - from)) -ge 10 ]; }
wait_for 60 later
took=$(($(rtc) - from)) up_took=$(($(up) - up_from))
expect guest/clock "$up_took s of its own in $took s" \
	[ $((up_took * 3)) -ge $((took * 2)) -a $((up_took * 2)) -le $((took * 3)) ]
expect guest/huge-pages "none reserved" \
	[ "$(cat /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages)" -gt 0 ]
expect guest/memory-cgroup "no memory controller for children" \
	grep -qw memory /sys/fs/cgroup/cgroup.subtree_control
exit $guest_failed
