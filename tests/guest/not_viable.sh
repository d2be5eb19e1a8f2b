# SPDX-License-Identifier: MIT
# Two functions of one device share an IOMMU group: one cannot be fenced while the
# kernel drives the other.
# guest: -q -drive -q if=none,id=m0,driver=null-co,size=64M,read-zeroes=on
# guest: -q -drive -q if=none,id=m1,driver=null-co,size=64M,read-zeroes=on
# guest: -q -device -q pcie-root-port,id=shared,chassis=9,slot=9
# guest: -q -device -q nvme,serial=rf0,drive=m0,bus=shared,addr=0.0,multifunction=on
# guest: -q -device -q nvme,serial=rf1,drive=m1,bus=shared,addr=0.1
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
disk=$(nvme_address rf0) other=$(nvme_address rf1)
group() { basename "$(readlink "/sys/bus/pci/devices/$1/iommu_group")"; }
expect not-viable/one-group "this machine puts $disk and $other into two groups" \
	[ "$(group $disk)" = "$(group $other)" ]
config
refused not-viable 68 1 "not viable: unbind $other \\(nvme\\)"
expect not-viable/none-left "processes are left" wait_for 60 none_left
# The advice helps.
echo "$other" >"/sys/bus/pci/devices/$other/driver/unbind"
expect not-viable/advice "refused with $other unbound" serve
stop
expect not-viable/given-back "the kernel's driver does not have it back" given_back
exit $guest_failed
