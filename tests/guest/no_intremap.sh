# SPDX-License-Identifier: MIT
# Without interrupt remapping a device could forge any interrupt: refused, and it says so.
# guest: -x intremap -d nvme,serial=rf0
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
config
refused no-intremap 74 1 'no interrupt remapping'
expect no-intremap/none-left "processes are left" wait_for 60 none_left
# It is this and nothing else: a machine whose owner takes the risk is served.
echo Y >/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts
expect no-intremap/control "refused for another reason" serve
expect no-intremap/control/serves "no answer" answers
stop
expect no-intremap/control/given-back "the kernel's driver does not have it back" given_back
row="row irq|start where a device could forge any interrupt|remapping|stopped"
row="$row|refused with code 74|shown|served, once the owner of the machine takes the risk"
[ $guest_failed = 1 ] || echo "$row"
exit $guest_failed
