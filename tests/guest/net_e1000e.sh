# SPDX-License-Identifier: MIT
# An Intel 82574 receives and sends, also when its driver is killed again and again.
# guest: -q -netdev -q hubport,hubid=0,id=n0 -q -netdev -q hubport,hubid=0,id=n1
# guest: -d e1000e,netdev=n0,mac=52:54:00:00:00:01 -d e1000e,netdev=n1,mac=52:54:00:00:00:01
# seconds: 240
. /lib/guest.sh
. /tests/guest/adapters.inc
ulimit -l unlimited
adapters e1000e e1000e 8086:10d3
exit $guest_failed
