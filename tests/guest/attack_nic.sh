# SPDX-License-Identifier: MIT
# A hostile driver of an adapter reaches for the registers it was not given: NVM, PHY, filters,
# interrupts, resets. Judged by the registers themselves.
# guest: -a iomem=relaxed -q -netdev -q hubport,hubid=0,id=n0 -q -netdev -q hubport,hubid=0,id=n1
# guest: -q -netdev -q hubport,hubid=0,id=n2 -d e1000e,netdev=n0,mac=52:54:00:00:00:01
# guest: -d igb,netdev=n1,mac=52:54:00:00:00:02
# guest: -d virtio-net-pci,netdev=n2,mac=52:54:00:00:00:03,
# guest:   iommu_platform=on,disable-legacy=on,romfile=
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
. /tests/guest/attacks.inc
ulimit -l unlimited
look=/build/tests/peek

# adapter POLICY PAGE: $disk by the hostile driver; its doorbells begin in that page of the BAR
adapter() {
	page=$2
	half_bytes=$(awk '$1 == "queue-memory" { print $2 * (/M$/ ? 1048576 : 1024) }' \
		/build/policy/$1.policy)
	# Nobody asks whether it still moves: it does nothing but wait for orders.
	{ cat /build/policy/$1.policy && echo 'nudge 0s'; } >/tmp/$1.policy
	cat >$conf <<CONF
device disk0
  policy /tmp/$1.policy
  image /build/fault/evil_nic
  pci $disk
  export program /build/tests/rf-netload output /tmp/load.json mode=forward frames=1000000000
CONF
}
ready() { serve && wait_for 60 has_changed driver_pid 0; }
# tell REGISTER VALUE: the driver writes it, see evil_nic.c; done if it lived to say so
told=0
tell() {
	wait_for 60 running # again
	tell_to=$(memory $(field device_pid) rf-queues) \
		tell_at=$(($(field generation) % 2 * half_bytes))
	told=$((told + 1))
	{ le 8 $(($1 - page)); le 8 $2; } |
		dd of=$tell_to bs=8 seek=$((tell_at / 8 + 1)) conv=notrunc 2>/dev/null
	le 8 $told | dd of=$tell_to bs=8 seek=$((tell_at / 8)) conv=notrunc 2>/dev/null
}
obeyed() { [ "$(word $tell_to $((tell_at + 24)))" = $told ]; }
done_by() { tell $1 $2; wait_for 60 obeyed; }
# reg OFFSET [VALUE]: a register as root sees it, or writes it
reg() { $look reg /sys/bus/pci/devices/$disk/resource$bar "$@"; }

# kept KEY REGISTER VALUE CHANGED: that register is not the driver's. Where it would be, seen
# from the doorbells, lies nothing, of which it dies; or memory of its own, perhaps a ring, by
# which it then has lied.
kept() {
	kept_changed=$4
	# The successor of a driver that died runs, and its device is set up again.
	wait_for 60 running && wait_for 60 had $kept_changed ||
		not_ok attack/$1/set-up "the device is not: $($rf status --json)"
	kept_key=$1 kept_old=$(field driver_pid) kept_lies=$(field lies)
	dies_count=$(grep -c "$segfault" /tmp/rf.err)
	tell $2 $3
	wait_for 60 kept_over
	stops $kept_key "the write reached no register: killed, or as before" kept_well
	obeyed || wait_for 60 has_changed driver_pid $kept_old
}
kept_lied() { has_changed lies $kept_lies; }
kept_over() { obeyed || dies_more || kept_lied; }
kept_killed() { dies_more || kept_lied; }
# A lie takes a moment to be found, and in that moment its device may be reset for it: the
# register alone says nothing before the lie is booked.
kept_well() {
	kept_killed || { obeyed && ! $kept_changed; } || wait_for 60 kept_killed && return
	obeyed && echo "it wrote, and goes on" || echo "it has not written"
	$kept_changed && echo "$kept_changed: still" || echo "$kept_changed: no more"
	$rf status --json
	return 1
}

# One of Intel's: its name, page, IVAR, and how its NVM is reached.
EERD=0x14 MDIC=0x20 RCTL=0x100 EEWR=0x102c RAL=0x5400
intel() {
	attack $1-nvm exact-windows "$1: reach its NVM"
	attack $1-phy exact-windows "$1: write to its PHY"
	attack $1-filter exact-windows "$1: change the address it takes frames for"
	attack $1-vector exact-windows "$1: send its interrupts to another vector"
	attack $1-reset exact-windows "$1: reset it, again and again"
	adapter $1 $2
	expect attack/$1/runs "no driver came up: $(cat /tmp/rf.err)" ready
	ivar=$3 bar=0
	kept $1-nvm $4 $5 nvm_reached
	kept $1-phy $MDIC 0x04240021 phy_changed
	kept $1-filter $RAL 0x11223344 address_changed
	kept $1-vector $ivar 0 vector_gone
	kept $1-reset 0 0x04000000 was_reset
	expect attack/$1/goes-on "no driver runs any more" wait_for 60 running
	stop

	# ---- control: the whole BAR in the driver's hands
	lax wide-windows
	expect attack/$1/lax "no driver came up: $(cat /tmp/rf.err)" ready
	done_by $4 $5
	shown $1-nvm "$6" nvm_reached
	done_by $MDIC 0x04240021
	shown $1-phy "register 4 of the PHY changed" phy_changed
	done_by $RAL 0x11223344
	shown $1-filter "the address changed" address_changed
	expect attack/$1/had-a-vector "there was none before" had vector_gone
	done_by $ivar 0
	shown $1-vector "it has none now" vector_gone
	expect attack/$1/received "it did not before" had was_reset
	done_by 0 0x04000000
	shown $1-reset "its receiver is off" was_reset
	stop
}
# The same register of the PHY, read.
phy_changed() { reg $MDIC 0x08240000 >/dev/null; [ $(($(reg $MDIC) & 0xffff)) = $((0x21)) ]; }
address_changed() { [ $(($(reg $RAL))) = $((0x11223344)) ]; }
vector_gone() { [ $(($(reg $ivar))) = 0 ]; }
was_reset() { [ $(($(reg $RCTL))) = 0 ]; }
had() { ! "$@"; }

disk=$(pci_by_id 8086:10d3)
# Word 32 becomes 0xbeef; then it is read.
nvm_reached() { reg $EERD 0x81 >/dev/null; [ $(($(reg $EERD) >> 16)) = $((0xbeef)) ]; }
intel e1000e 0x2000 0xe4 $EEWR 0xbeef0081 "word 32 of the NVM changed"

disk=$(pci_by_id 8086:10c9)
# EERD has read word 0 for it, the first two bytes of the address.
nvm_reached() { [ $(($(reg $EERD) >> 16)) = $((0x5452)) ]; }
intel igb 0xc000 0x1700 $EERD 0x1 "word 0 of the NVM was read"

disk=$(pci_by_id 1af4:1041)
attack virtio-status exact-windows "virtio-net: reset it by its device status"
adapter virtio_net 0x3000
expect attack/virtio/runs "no driver came up: $(cat /tmp/rf.err)" ready
bar=4
status_gone() { [ $(($(reg 0x14) & 0xff)) = 0 ]; }
kept virtio-status 0x14 0 status_gone
stop
lax wide-windows
expect attack/virtio/lax "no driver came up: $(cat /tmp/rf.err)" ready
expect attack/virtio/had-a-status "it was 0 before" had status_gone
done_by 0x14 0
shown virtio-status "it is 0 now" status_gone
stop
expect attack/nic/none-left "processes are left" wait_for 60 none_left
rows nic
exit $guest_failed
