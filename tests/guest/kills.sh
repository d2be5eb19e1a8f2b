# SPDX-License-Identifier: MIT
# No byte is lost and no request fails while the driver is killed 60 times under a
# client that verifies at least 10,000 requests.
# guest: -d nvme,serial=rf0,size=256M -f build/tests -f images/appliance.sh -f images/job.sh
# seconds: 240
. /lib/guest.sh
expect kills/verified "see the table above" sh /images/appliance.sh 60 1
exit $guest_failed
