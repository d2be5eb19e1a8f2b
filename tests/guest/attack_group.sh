# SPDX-License-Identifier: MIT
# Bombs of processes and memory, with only the control group left in their way, and a
# neighbour that has to be served meanwhile.
# guest: -d nvme,serial=rf0,size=256M -f build/attacks
# seconds: 240
. /lib/guest.sh
expect attack/group/controllers "no controllers for children" \
	grep -qw pids /sys/fs/cgroup/cgroup.subtree_control
expect attack/group/all-stopped "see the rows" /build/attacks/attacks --rows
exit $guest_failed
