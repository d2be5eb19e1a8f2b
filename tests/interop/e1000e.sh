# SPDX-License-Identifier: MIT
# e1000e.sh - in the guest: Linux's e1000e driver on our model. At the other end of the
# cable is the host's own network stack: DHCP, HTTP and a listener at 10.77.0.1, VLAN 5 at
# 10.78.0.1. Each of the three kinds of interrupt is used.
. /lib/guest.sh
host=10.77.0.1

cat >/tmp/dhcp <<'SCRIPT'
#!/bin/sh
[ "$1" != bound ] || ip addr add "$ip/24" dev "$interface"
SCRIPT
chmod +x /tmp/dhcp
# load MODE: 0 INTx, 1 MSI, 2 MSI-X; up to an address by DHCP
load() {
	insmod /lib/modules/e1000e.ko IntMode=$1 || return 1
	wait_for 60 test -e /sys/class/net/eth0 || return 1
	ip link set eth0 up
	wait_for 60 grep -q 1 /sys/class/net/eth0/carrier || return 1
	udhcpc -i eth0 -n -q -t 10 -T 1 -s /tmp/dhcp >/dev/null 2>&1
	ip addr show dev eth0 | grep -q 10.77.0
}
unload() { ip link set eth0 down && rmmod e1000e; }
pings() { ping -c 10 -A -W 2 "$@" | grep -q ' 0% packet loss'; }
fetch() { wget -q -O - "http://$host:8000/$1"; }
irqs() {
	awk '/eth0/ {for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i} END {print n + 0}' \
		/proc/interrupts
}

names='intx msi msix'
for mode in 0 1 2; do
	set -- $names
	shift $mode
	name=e1000e-$1
	expect "$name-link-and-dhcp" "no link or no address" load $mode
	expect "$name-ping" "lost some" pings $host
	expect "$name-interrupts" "$(irqs) only" [ "$(irqs)" -ge 10 ]
	grep eth0 /proc/interrupts
	[ $mode = 2 ] || expect "$name-unload" "rmmod failed" unload
done

expect e1000e-mac "another address" grep -q 02:72:66:00:00:01 /sys/class/net/eth0/address
expect e1000e-speed "$(cat /sys/class/net/eth0/speed) Mbit/s" grep -q 1000 /sys/class/net/eth0/speed
expect e1000e-three-vectors "other than rx, tx and link" [ "$(grep -c eth0 /proc/interrupts)" = 3 ]
expect e1000e-ping-full-frame "lost some" pings -s 1472 $host
expect e1000e-ping-fragments "lost some" pings -s 20000 $host

want=$(fetch down.sum)
got=$(fetch down | sha256sum | cut -d' ' -f1)
expect e1000e-receive-64M "sum $got, not $want" [ "$got" = "$want" ]

dd if=/dev/urandom of=/tmp/up bs=1M count=32 2>/dev/null
want="$(sha256sum </tmp/up | cut -d' ' -f1) of 33554432 bytes"
nc $host 8001 </tmp/up
upload_done() { fetch up.sum 2>/dev/null | grep -q .; }
wait_for 60 upload_done
got=$(fetch up.sum)
expect e1000e-send-32M "$got, not $want" [ "$got" = "$want" ]

# Both ways at once
fetch down | sha256sum >/tmp/down.sum &
fetch down | sha256sum >/tmp/down2.sum &
pings -s 1000 $host
wait
expect e1000e-two-at-once "other sums" \
	sh -c "grep -q $(fetch down.sum) /tmp/down.sum && cmp -s /tmp/down.sum /tmp/down2.sum"

if fetch vlan >/dev/null 2>&1; then # the host can
	module 8021q
	ip link add link eth0 name eth0.5 type vlan id 5
	ip addr add 10.78.0.2/24 dev eth0.5
	ip link set eth0.5 up
	expect e1000e-vlan "lost some" pings 10.78.0.1
fi

ip link set eth0 down
ip link set eth0 up
wait_for 60 grep -q 1 /sys/class/net/eth0/carrier
expect e1000e-down-and-up "lost some" pings $host

before=$(cat /sys/class/net/eth0/carrier_changes)
changed() { [ "$(cat /sys/class/net/eth0/carrier_changes)" -ge $((before + $1)) ]; }
echo "# cable out"
expect e1000e-cable-out "the link stayed" wait_for 60 changed 1
expect e1000e-cable-in "the link did not come back" wait_for 60 changed 2
expect e1000e-ping-after-cable "lost some" pings $host

stat() { cat "/sys/class/net/eth0/statistics/$1"; }
expect e1000e-no-errors "rx $(stat rx_errors), crc $(stat rx_crc_errors), tx $(stat tx_errors)" \
	[ "$(stat rx_errors)$(stat rx_crc_errors)$(stat tx_errors)" = 000 ]
