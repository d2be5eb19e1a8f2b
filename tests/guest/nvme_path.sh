# SPDX-License-Identifier: MIT
# A fenced driver serves an NVMe disk to clients that are not ours.
# guest: -d nvme,serial=rf0,size=256M
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
config
expect nvme/runs "no driver came up" serve
expect nvme/nbdinfo "nbdinfo cannot read it" timeout 30 nbdinfo "$uri"
expect nvme/write-read "qemu-io does not read back what it wrote" timeout 60 qemu-io -f raw \
	-c 'write -P 0x5a 64k 1M' -c 'flush' -c 'read -P 0x5a 64k 1M' -c 'write -z 64k 64k' \
	-c 'read -P 0 64k 64k' "$uri"
$rf status
stop
expect nvme/given-back "the kernel's driver does not have it back" given_back
exit $guest_failed
