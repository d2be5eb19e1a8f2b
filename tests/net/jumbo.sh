#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# jumbo.sh - `mtu 9000`: frames of 9,000 bytes go through both ways, over deaths of the driver,
# too; without it they are dropped, counted and said.
. tests/net/lib.sh

nic_keys='  mtu 9000'
nic_up
[ "$(mtu near)" = 9000 ] || die "MTU $(mtu near)"
$far ip link set far mtu 9000 || die "the far side's MTU"
far_to_near() { ping -c "$1" -i 0.05 -s 8972 -M do -q 10.9.0.2; }
far_to_near 20 >"$work/ping.log" || die "frames of 9,000 bytes do not get through"
grep -q ' 0% packet loss' "$work/ping.log" || die "some were lost"
mkdir "$work/www"; head -c 60000000 /dev/urandom >"$work/www/file"
$far busybox httpd -f -p 10.9.0.2:80 -h "$work/www" & children+=($!)
until_true 60 curl -sf -m 5 -o /dev/null -r 0-1 http://10.9.0.2/file || die "httpd"
curl -sf --limit-rate 10M -o "$work/got" http://10.9.0.2/file & transfer=$!
for ((i = 0; i < 10; i++)); do
	sleep 0.1
	kill_driver
done
wait $transfer || die "the TCP connection broke"
cmp "$work/got" "$work/www/file" || die "curl got something else"
status >"$work/status.json"
[ "$(figure deaths "$work/status.json")" = 10 ] ||
	die "deaths nobody asked for: $(cat "$work/status.json")"
[ "$(figure violations "$work/status.json")" = 0 ] || die "lies: $(cat "$work/status.json")"
[ "$(figure rx_bad "$work/status.json")" = 0 ] || die "bad frames: $(cat "$work/status.json")"

# Longer than the device takes: refused, and said once.
nic_down
sed -i 's/mtu 9000/mtu 4000/' "$work/rf.conf"
setsid "$B/bin/ringfence" run "$work/rf.conf" >"$work/ringfence.log" 2>&1 </dev/null &
ringfence=$!; children+=("$ringfence")
until_true 60 eval '[ "$(value generation)" -gt 0 ]' || die "no driver runs with an MTU of 4000"
until_true 60 eval '[ "$(mtu near)" = 4000 ]' || die "the MTU stayed"
ip link set near mtu 9000
until_true 60 ping -c 1 -W 1 -s 3972 -M do -q 10.9.0.2 ||
	die "frames of 4,000 bytes do not get through"
ping -c 3 -W 1 -s 8972 -M do -q 10.9.0.2 >/dev/null &&
	die "frames of 9,000 bytes got through a device for 4,000"
until_true 60 eval '[ "$(value tx_refused)" -ge 3 ]' || die "they were not counted"
[ "$(grep -c 'longer than the device takes' "$work/ringfence.log")" = 1 ] ||
	die "it was not said once"
nic_down
