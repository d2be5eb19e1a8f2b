# SPDX-License-Identifier: MIT
# Without an IOMMU nothing is served, and it says why.
# guest: -x iommu -d nvme,serial=rf0
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
disk=$(nvme_address rf0)
config
refused no-iommu 67 1 'no IOMMU group'
expect no-iommu/none-left "processes are left" wait_for 60 none_left
exit $guest_failed
