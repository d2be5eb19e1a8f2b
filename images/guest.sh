# SPDX-License-Identifier: MIT
# guest.sh - what scripts in the guest share. Source it: . /lib/guest.sh

# module NAME: load a kernel module and all it needs (images/mkinitramfs lists which)
module() {
	while read -r ko; do
		name=${ko##*/}
		name=$(echo "${name%.ko}" | tr - _)
		[ -d "/sys/module/$name" ] || insmod "$ko" || return 1
	done <"/lib/modules/$1.order"
}

# ok NAME / not_ok NAME WHY: one line a test, counted by make check
ok() { echo "ok $1"; }
not_ok() {
	echo "not ok $1: $2"
	guest_failed=1
	state_now | sed 's/^/      /'
}
# What `ringfence run` said last, and how it is at this moment. (WHY was put together before the
# command of an expectation ran.)
state_now() {
	[ -s /tmp/rf.err ] || return 0
	tail -n 15 /tmp/rf.err
	timeout 5 ringfence status --json 2>&1 | sed 's/,"walls":\[[^]]*\]//'
}
guest_failed=0

# expect NAME WHY COMMAND...: ok if the command succeeds
expect() {
	expect_name=$1 expect_why=$2
	shift 2
	if "$@"; then ok "$expect_name"; else not_ok "$expect_name" "$expect_why"; fi
}

# wait_for SECONDS COMMAND...: until the command succeeds; 1 if it never did. On a host that is
# busy with something else so many seconds are no time at all: they are over only once the
# command was tried four times in each.
wait_for() {
	wait_end=$(($(cut -d. -f1 /proc/uptime) + $1)) wait_tries=$((4 * $1))
	shift
	until "$@"; do
		wait_tries=$((wait_tries - 1))
		[ $wait_tries -gt 0 ] || [ "$(cut -d. -f1 /proc/uptime)" -lt $wait_end ] || return 1
		sleep 0.05
	done
}

# pci_by_id VENDOR:DEVICE [N]: PCI address of the first, or Nth, such device
pci_by_id() {
	pci_n=${2:-1}
	for p in /sys/bus/pci/devices/*; do
		[ "$(cat "$p/vendor" "$p/device" | tr -d '\n')" = "0x${1%:*}0x${1#*:}" ] || continue
		[ $((pci_n -= 1)) = 0 ] && basename "$p" && return 0
	done
	return 1
}

# nvme_address SERIAL: PCI address of the NVMe disk with that serial number, by the
# kernel's own driver, so ask before giving the disk away
nvme_address() {
	for n in /sys/class/nvme/nvme*; do
		[ -e "$n/serial" ] || continue
		[ "$(tr -d ' ' <"$n/serial")" = "$1" ] || continue
		basename "$(readlink -f "$n/device")"
		return 0
	done
	return 1
}
nvme_block() {
	for n in /sys/class/nvme/nvme*; do
		[ "$(tr -d ' ' <"$n/serial" 2>/dev/null)" = "$1" ] &&
			echo "/dev/$(basename "$n")n1" && return 0
	done
	return 1
}
