# SPDX-License-Identifier: MIT
# A device that somebody uses is not taken without `force`, the line names who does, and all
# stays as it was: a disk of an NVMe subsystem with multipath, which does not hang below its PCI
# address, by a mount, as swap, claimed, behind a loop device, open in a program; the interface of
# a virtio device, up, with an address, and in another network namespace. A driver_override that
# was there is there again at the end.
# guest: -q -device -q nvme-subsys,id=s0 -d nvme,serial=rf0,size=64M,subsys=s0
# guest: -q -netdev -q hubport,hubid=0,id=n0
# guest: -d virtio-net-pci,netdev=n0,mac=52:54:00:00:00:05,
# guest:   iommu_platform=on,disable-legacy=on,romfile=
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
module loop
module bridge
module virtio_pci
module virtio_net
disk=$(nvme_address rf0)
# The name of a disk with multipath is its subsystem's.
block=$(basename "$(ls -d /sys/devices/virtual/nvme-subsystem/*/nvme*n1)")
node=/dev/$block
expect in_use/multipath "the disk hangs below its controller: nothing is proved" \
	[ -b "$node" -a ! -e "/sys/bus/pci/devices/$disk/nvme/nvme0/$block" ]
config

# ---- a disk ----
mke2fs -q "$node" >/dev/null || mke2fs "$node" >/dev/null
mkdir -p /tmp/there
expect in_use/mount/mounts "cannot be mounted" mount -t ext4 "$node" /tmp/there
refused in_use/mount 69 1 "$disk is in use: disk $node is mounted at /tmp/there"
expect in_use/mount/unhurt "the file system is not what it was" touch /tmp/there/file
# In a namespace that is ours alone no table names it, but the kernel holds the claim.
unshare -m sh -c 'mount --make-rprivate / && umount /tmp/there &&
	timeout 60 /build/bin/ringfence run /tmp/rf.conf 2>/tmp/apart.err; echo $? >/tmp/apart'
cat /tmp/apart.err
expect in_use/mount-elsewhere "exit code $(cat /tmp/apart)" [ "$(cat /tmp/apart)" = 69 ]
expect in_use/mount-elsewhere/said "not said" \
	grep -q "disk $node is mounted at /tmp/there" /tmp/apart.err
umount /tmp/there
mkswap "$node" >/dev/null
expect in_use/swap/on "cannot be swapped to" swapon "$node"
refused in_use/swap 69 1 "disk $node is used as swap"
swapoff "$node"
/build/tests/claim "$node" /tmp/claimed & claim=$!
wait_for 60 [ -e /tmp/claimed ]
refused in_use/claim 69 1 "disk $node is claimed"
kill $claim
wait $claim
losetup /dev/loop0 "$node"
refused in_use/loop 69 1 "disk $node is behind loop0"
losetup -d /dev/loop0
exec 7<"$node"
refused in_use/open 69 1 "disk $node is open in process $$"
exec 7<&-

# ---- an override ----
override() { cat "/sys/bus/pci/devices/$disk/driver_override"; }
echo nvme >"/sys/bus/pci/devices/$disk/driver_override"
expect in_use/free "a disk that nobody uses is not served" serve
expect in_use/free/override "it is not vfio-pci's: $(override)" [ "$(override)" = vfio-pci ]
stop
expect in_use/free/given-back "the kernel's driver does not have it" given_back
expect in_use/free/override-back "it has '$(override)'" [ "$(override)" = nvme ]
config 'force yes'
wait_for 60 [ -b "$node" ] # its driver looks for disks on its own time
exec 7<"$node"
expect in_use/force "refused in spite of force" serve
stop
exec 7<&-

# ---- an interface ----
nic=$(pci_by_id 1af4:1041)
bound=virtio-pci
given_back() { [ "$(basename "$(readlink "/sys/bus/pci/devices/$nic/driver")")" = $bound ]; }
config
sed -i "s|policy nvme|policy virtio_net|; s|pci .*|pci $nic|
	s|export nbd .*|export program /build/tests/rf-netload output /tmp/result frames=1|" $conf
name=$(ls /sys/bus/pci/devices/$nic/virtio*/net)
expect in_use/interface "no interface: nothing is proved" [ -n "$name" ]
ip link set "$name" up
refused in_use/up 69 1 "$nic is in use: interface $name is up;"
ip addr add 10.7.0.1/24 dev "$name"
ip route add default via 10.7.0.2
refused in_use/route 69 1 "interface $name is up and has the default route"
ip addr flush dev "$name"
ip link set "$name" down
brctl addbr br0
brctl addif br0 "$name"
refused in_use/bridge 69 1 "interface $name is part of br0"
brctl delif br0 "$name"
ip link set "$name" down
unshare -n sleep 1000 & there=$!
apart() { [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
wait_for 60 apart
ip link set "$name" netns $there
refused in_use/elsewhere 69 1 'its interface is in another network namespace'
kill $there
exit $guest_failed
