# SPDX-License-Identifier: MIT
# Two Intel 82574 on one cable, each behind a fenced driver and an interface of the kernel's, in
# two network namespaces: ping and HTTP go through, one TCP connection over deaths of both
# drivers; address, MTU and carrier are right and stay.
# So is it when a device process dies, and the device is opened anew. Only a cable that is
# pulled takes the carrier. (It is in the hand of the emulator's monitor, which is at the other
# end of the third serial line.) A frame to another station reaches an interface whose NIC was
# told to take it, and no other.
# guest: -q -chardev -q socket,id=mon,path=build/guest/net_tap.sock,server=on,wait=off
# guest: -q -mon -q chardev=mon,mode=readline
# guest: -q -chardev -q socket,id=hand,path=build/guest/net_tap.sock
# guest: -q -device -q isa-serial,chardev=hand,index=2,irq=5 -q -netdev -q hubport,hubid=0,id=n0
# guest: -q -netdev -q hubport,hubid=0,id=n1 -d e1000e,netdev=n0,mac=52:54:00:00:00:0a
# guest: -d e1000e,netdev=n1,mac=52:54:00:00:00:0b
# seconds: 300
. /lib/guest.sh
ulimit -l unlimited
module tun
rf=/build/bin/ringfence
cat >/tmp/rf.conf <<CONF
device near
  policy e1000e
  pci $(pci_by_id 8086:10d3 1)
  export tap near
  promiscuous yes
device far
  policy e1000e
  pci $(pci_by_id 8086:10d3 2)
  export tap far
CONF
$rf run /tmp/rf.conf 2>/tmp/rf.err &
run=$!
of() {
	$rf status --json 2>/dev/null | grep "\"device\":\"$1\"" |
		sed -n "s/.*\"$2\":\([0-9]*\).*/\1/p"
}
carrier() { [ "$(cat /sys/class/net/near/carrier)" = 1 ]; }
expect net_tap/interfaces "no interfaces: $(cat /tmp/rf.err)" \
	wait_for 60 [ -e /sys/class/net/near -a -e /sys/class/net/far ]
address() { [ "$(cat /sys/class/net/$1/address) $(cat /sys/class/net/$1/mtu)" = "$2 1500" ]; }
expect net_tap/address-and-mtu "not the device's" wait_for 60 address near 52:54:00:00:00:0a
expect net_tap/address-and-mtu-2 "not the device's" wait_for 60 address far 52:54:00:00:00:0b
unshare -n sleep 1000 & there=$!
elsewhere() { [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/self/ns/net)" ]; }
wait_for 60 elsewhere
ip link set far netns $there
in_far() { nsenter --net=/proc/$there/ns/net "$@"; }
in_far ip addr add 10.9.0.2/24 dev far
in_far ip link set far up
ip addr add 10.9.0.1/24 dev near
ip link set near up
expect net_tap/carrier "no carrier" wait_for 60 carrier
answers() { ping -c 1 -W 2 10.9.0.2 >/dev/null; }
expect net_tap/ping "no answer" wait_for 60 answers
lossless() { ping -c 20 -q 10.9.0.2 | grep -q ' 0% packet loss'; }
expect net_tap/no-loss "frames are lost with no driver dying" lossless
mkdir -p /tmp/www
head -c 16000000 /dev/urandom >/tmp/www/file
in_far httpd -f -p 10.9.0.2:80 -h /tmp/www & httpd=$!
page() { wget -q -O /tmp/got http://10.9.0.2/file && cmp /tmp/got /tmp/www/file; }
expect net_tap/http "not the same bytes" wait_for 60 page
# One transfer after the other, while both drivers die in turn; each is one connection.
(while page; do echo x >>/tmp/done; done; echo >/tmp/broken) & transfer=$!
# How often the carrier was lost until now, as the kernel counts it.
carrier_losses() { cat /sys/class/net/near/carrier_down_count; }
carrier_lost=$(carrier_losses)
kills=0
while [ $kills -lt 10 ]; do
	d=near
	[ $((kills % 2)) = 0 ] || d=far
	runs() { victim=$(of $d driver_pid) && [ "${victim:-0}" != 0 ]; }
	wait_for 60 runs || break
	g=$(of $d generation)
	kill -9 "$victim" || break
	newer() { now=$(of $d generation); [ -n "$now" ] && [ "$now" -gt "$g" ]; }
	wait_for 60 newer || break
	kills=$((kills + 1))
done
expect net_tap/kills "only $kills kills were recovered" [ $kills = 10 ]
transfers() { wc -l 2>/dev/null </tmp/done || echo 0; }
further() { [ "$(transfers)" -gt "$before" ]; }
before=$(transfers)
expect net_tap/transfer "no transfer ended after the kills" wait_for 120 further
# The process that has the device, in the middle of a transfer.
sent() { now=$(of near rx_frames); [ -n "$now" ] && [ "$now" -gt "$1" ]; }
device_killed() {
	export=$(of near export_pid)
	wait_for 60 sent $(($(of near rx_frames) + 500)) || return 1
	broker=$(of near device_pid)
	kill -9 "$broker" || return 1
	replaced() { now=$(of near device_pid); [ -n "$now" ] && [ "$now" != 0 ] &&
		[ "$now" != "$broker" ]; }
	driven() { now=$(of near generation); [ -n "$now" ] && [ "$now" != 0 ]; }
	wait_for 60 replaced && wait_for 60 driven || return 1
	before=$(transfers)
	wait_for 120 further
}
expect net_tap/device-process "no successor, or nothing through it" device_killed
expect net_tap/device-process-2 "no successor, or nothing through it" device_killed
expect net_tap/device-processes "$(of near process_deaths) deaths counted" \
	[ "$(of near process_deaths)" = 2 ]
expect net_tap/export-lives "the export was replaced" [ "$(of near export_pid)" = "$export" ]
expect net_tap/connections "a TCP connection broke" [ ! -e /tmp/broken ]
expect net_tap/carrier-kept "the carrier was lost" [ "$(carrier_losses)" = "$carrier_lost" ]
expect net_tap/honest "a driver was killed for a lie" \
	[ "$(of near violations)$(of far violations)" = 00 ]
kill $transfer $httpd
exec 8<>/dev/ttyS2
stty raw -echo <&8
echo >&8 # ends what the line sent back of the monitor's greeting before it was raw
cable() { echo "set_link n0 $1" >&8; }
no_carrier() { [ "$(cat /sys/class/net/near/carrier)" = 0 ]; }
said() { [ "$(grep -c "the link is $1" /tmp/rf.err)" = 1 ]; }
cable off
expect net_tap/cable-out "the carrier stays" wait_for 60 no_carrier
expect net_tap/cable-out-line "not said once" wait_for 60 said down
cable on
expect net_tap/cable-in "the carrier does not come back" wait_for 60 carrier
expect net_tap/cable-in-line "not said once" wait_for 60 said up
expect net_tap/cable-ping "no answer over the cable after it was in again" wait_for 60 answers
# The interface takes another address, its NIC does not: the other side, which asks by
# broadcast, sends to another station then.
other=52:54:00:00:00:77
knows() { "$@" ip neigh show | grep -qi "$other"; }
in_far ip link set far address $other
ip neigh flush dev near
lost() { ping -c 5 -W 2 -q 10.9.0.2 | grep -q '100% packet loss'; }
expect net_tap/other-station "it got through to an interface that is not promiscuous" lost
expect net_tap/other-station-asked "the neighbour did not tell its address: nothing is proved" \
	knows env
in_far ip link set far address 52:54:00:00:00:0b
ip neigh flush dev near
expect net_tap/own-station "no answer with the own address back" wait_for 60 answers
ip link set near address $other
in_far ip neigh flush dev far
far_answers() { in_far ping -c 1 -W 2 10.9.0.1 >/dev/null; }
expect net_tap/promiscuous "a frame to another station does not get through" wait_for 60 far_answers
expect net_tap/promiscuous-asked "the neighbour did not tell its address: nothing is proved" \
	knows in_far
$rf status --json
cat /tmp/rf.err
$rf stop >/dev/null
wait $run
kill $there
expect net_tap/persistent "the interface went with ringfence" [ -e /sys/class/net/near ]
exit $guest_failed
