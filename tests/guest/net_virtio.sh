# SPDX-License-Identifier: MIT
# A virtio network device receives and sends, also when its driver is killed again and again;
# a pair of them with split queues, then one with packed ones.
# guest: -q -netdev -q hubport,hubid=0,id=n0 -q -netdev -q hubport,hubid=0,id=n1
# guest: -q -netdev -q hubport,hubid=1,id=n2 -q -netdev -q hubport,hubid=1,id=n3
# guest: -d virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01,
# guest:   iommu_platform=on,disable-legacy=on,romfile=
# guest: -d virtio-net-pci,netdev=n1,mac=52:54:00:00:00:01,
# guest:   iommu_platform=on,disable-legacy=on,romfile=
# guest: -d virtio-net-pci,netdev=n2,mac=52:54:00:00:00:01,
# guest:   iommu_platform=on,disable-legacy=on,romfile=,packed=on
# guest: -d virtio-net-pci,netdev=n3,mac=52:54:00:00:00:01,
# guest:   iommu_platform=on,disable-legacy=on,romfile=,packed=on
# seconds: 600
. /lib/guest.sh
. /tests/guest/adapters.inc
ulimit -l unlimited
adapters virtio_net virtio_net 1af4:1041
expect virtio_net/split "its queues are of the other kind" grep -q 'split queues' /tmp/rf.err
adapters virtio_net_packed virtio_net 1af4:1041 3 4
expect virtio_net_packed/packed "its queues are of the other kind" grep -q 'packed queues' \
	/tmp/rf.err
exit $guest_failed
