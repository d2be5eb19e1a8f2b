#!/usr/bin/env bash
# filter.sh - the NIC's own filter: a frame to another station reaches the interface with
# `promiscuous yes` only; multicasts, which IPv6 lives by, always do. A driver's successor
# finds the filter as it was.
. tests/net/lib.sh

own=02:00:00:00:00:0a other=02:00:00:00:00:77
from_far() { $far ping -c 1 -W 1 "$@"; }
answers() { until_true 60 from_far "$@"; }
# The interface takes this address, the NIC does not: all to it is to another station now.
# Who asks by broadcast for 10.9.0.1 is told that address, so the far end sends there.
move_to() {
	ip link set near address "$1" || die "the interface does not take $1"
	$far ip neigh flush dev far
}
far_knows() { $far ip neigh show 10.9.0.1 | grep -q "$1"; }
asked() { from_far 10.9.0.1; far_knows "$1"; }

six() { # neighbours are found by multicast
	ip addr add fd09::1/64 dev near nodad && $far ip addr add fd09::2/64 dev far nodad ||
		die "IPv6"
	answers fd09::1 || die "$1: no multicast gets through"
}

nic_keys="  promiscuous no"
nic_up
six no
move_to $other
until_true 60 asked $other || die "the broadcast does not get through"
$far ping -c 3 -i 0.2 -W 1 10.9.0.1 >"$work/ping.log" &&
	die "a frame to another station got through"
grep -q "100% packet loss" "$work/ping.log" || die "no ping was sent"
kill_driver
from_far 10.9.0.1 && die "the successor's NIC lets frames to another station through"
move_to $own
answers 10.9.0.1 || die "frames to its own address are lost"
nic_down
kill -9 "$model"; wait "$model" 2>/dev/null; ip link del near

nic_keys="  promiscuous yes"
rm -f "$work/nic.sock"
nic_up
six yes
answers 10.9.0.1 || die "promiscuous: frames to its own address are lost"
move_to $other
answers 10.9.0.1 || die "promiscuous: frames to another station are lost"
far_knows $other || die "the far end has sent to the NIC's own address: nothing is proved"
kill_driver
answers 10.9.0.1 || die "promiscuous: the successor's NIC is not"
nic_down
