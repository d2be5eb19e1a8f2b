# SPDX-License-Identifier: MIT
# A fenced driver serves an NVMe disk to clients that are not ours.
# guest: -d nvme,serial=rf0,size=256M
# seconds: 120
. /lib/guest.sh
ulimit -l unlimited
disk=$(nvme_address rf0)
cat >/tmp/rf.conf <<CONF
device disk0
  policy nvme
  pci $disk
  export nbd /tmp/disk0.sock
CONF
/build/bin/ringfence run /tmp/rf.conf &
running() { /build/bin/ringfence status --json 2>/dev/null | grep -q '"state":"running","code":0.*"generation":[1-9]'; }
expect nvme/runs "no driver came up" wait_for 30 running
uri='nbd+unix:///?socket=/tmp/disk0.sock'
expect nvme/nbdinfo "nbdinfo cannot read it" timeout 30 nbdinfo "$uri"
expect nvme/write-read "qemu-io does not read back what it wrote" timeout 60 qemu-io -f raw \
	-c 'write -P 0x5a 64k 1M' -c 'flush' -c 'read -P 0x5a 64k 1M' -c 'write -z 64k 64k' -c 'read -P 0 64k 64k' "$uri"
/build/bin/ringfence status
/build/bin/ringfence stop
wait
expect nvme/given-back "the kernel's driver does not have it back" [ "$(basename "$(readlink /sys/bus/pci/devices/$disk/driver)")" = nvme ]
exit $guest_failed
