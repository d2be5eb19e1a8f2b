# SPDX-License-Identifier: MIT
# A virtio network device receives and sends, also when its driver is killed again and again.
# guest: -q -netdev -q hubport,hubid=0,id=n0 -q -netdev -q hubport,hubid=0,id=n1 -d virtio-net-pci,netdev=n0,mac=52:54:00:00:00:01,iommu_platform=on,disable-legacy=on,romfile= -d virtio-net-pci,netdev=n1,mac=52:54:00:00:00:01,iommu_platform=on,disable-legacy=on,romfile=
# seconds: 180
. /lib/guest.sh
. /tests/guest/adapters.inc
ulimit -l unlimited
adapters virtio_net virtio_net 1af4:1041
exit $guest_failed
