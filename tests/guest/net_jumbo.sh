# SPDX-License-Identifier: MIT
# Frames of 9,000 bytes through two Intel 82574, and through two 82576, each pair on a cable,
# behind fenced drivers with `mtu 9000`.
# guest: -q -netdev -q hubport,hubid=0,id=n0 -q -netdev -q hubport,hubid=0,id=n1
# guest: -q -netdev -q hubport,hubid=1,id=n2 -q -netdev -q hubport,hubid=1,id=n3
# guest: -d e1000e,netdev=n0,mac=52:54:00:00:00:0a -d e1000e,netdev=n1,mac=52:54:00:00:00:0b
# guest: -d igb,netdev=n2,mac=52:54:00:00:00:0c -d igb,netdev=n3,mac=52:54:00:00:00:0d
# seconds: 300
. /lib/guest.sh
ulimit -l unlimited
module tun
rf=/build/bin/ringfence

# jumbo POLICY ID
jumbo() {
	name=net_jumbo/$1
	cat >/tmp/rf.conf <<-CONF
	device near
	  policy $1
	  pci $(pci_by_id $2 1)
	  export tap near
	  mtu 9000
	device far
	  policy $1
	  pci $(pci_by_id $2 2)
	  export tap far
	  mtu 9000
	CONF
	$rf run /tmp/rf.conf 2>/tmp/rf.err &
	run=$!
	both() { [ -e /sys/class/net/near ] && [ -e /sys/class/net/far ]; }
	expect $name/interfaces "no interfaces: $(cat /tmp/rf.err)" wait_for 60 both
	mtus() {
		[ "$(cat /sys/class/net/near/mtu /sys/class/net/far/mtu | tr '\n' ' ')" = \
			"9000 9000 " ]
	}
	expect $name/mtu "they do not have it" wait_for 60 mtus
	unshare -n sleep 600 &
	there=$!
	elsewhere() { [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
	wait_for 60 elsewhere
	ip link set far netns $there
	in_far() { nsenter --net=/proc/$there/ns/net "$@"; }
	ip addr add 10.9.0.1/24 dev near && ip link set near up
	in_far ip addr add 10.9.0.2/24 dev far && in_far ip link set far up
	long() { ping -c 3 -W 2 -s 8972 -q 10.9.0.2 | grep -q ' 0% packet loss'; }
	expect $name/long "frames of 9,000 bytes do not get through" wait_for 60 long
	of() {
		$rf status --json 2>/dev/null | grep "\"device\":\"$1\"" |
			sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"
	}
	for end in near far; do
		runs() { pid=$(of $end driver_pid) && [ -n "$pid" ] && [ $pid -gt 0 ]; }
		wait_for 60 runs || break
		was=$(of $end generation)
		kill -9 $pid
		other() { now=$(of $end generation); [ -n "$now" ] && [ "$now" -gt "$was" ]; }
		wait_for 60 other
	done
	expect $name/after-deaths \
		"frames of 9,000 bytes do not get through after the drivers' deaths" \
		wait_for 60 long
	expect $name/honest "a driver was killed for a lie: $(cat /tmp/rf.err)" \
		[ "$(of near violations)$(of far violations)" = 00 ]
	$rf stop >/dev/null
	wait $run
	kill $there
	wait $there
	ip link delete near
}
jumbo e1000e 8086:10d3
jumbo igb 8086:10c9
exit $guest_failed
