#!/usr/bin/env bash
# nic_device.sh - the device process of a NIC dies, again and again, under a TCP connection: a
# successor takes the device over. Export, interface, carrier and connections stay; what was
# under way is lost and counted.
. tests/net/lib.sh

kills=${KILLS:-10}
nic_up
export=$(value export_pid)
mkdir "$work/www"; head -c 4000000 /dev/urandom >"$work/www/file"
$far busybox httpd -f -p 10.9.0.2:80 -h "$work/www" & children+=($!)
until_true 60 curl -sf -m 5 -o /dev/null -r 0-1 http://10.9.0.2/file || die "httpd"
ip monitor link >"$work/monitor.out" & children+=($!)
worst=0 sum=0
other() { local now=$(value device_pid); [ "$now" != 0 ] && [ "$now" != "$1" ]; }
up() { [ "$(value generation)" != 0 ]; }
for ((i = 1; i <= kills; i++)); do
	until_true 60 up || die "no driver runs: $(status)"
	rm -f "$work/page"
	curl -s -m 60 --limit-rate 8M -o "$work/page" http://10.9.0.2/file & page=$!
	until_true 60 test -s "$work/page" || die "nothing comes"
	pid=$(value device_pid) began=$(date +%s%N)
	kill -9 "$pid"
	until_true 60 other "$pid" || die "no successor: $(status)"
	until_true 60 ping -c 1 -W 0.05 10.9.0.2 || die "no frame through the successor: $(status)"
	took=$((($(date +%s%N) - began) / 1000000)) sum=$((sum + took))
	[ $took -le $worst ] || worst=$took
	wait $page || die "a connection that was busy at kill $i broke"
	cmp "$work/page" "$work/www/file" || die "curl got something else"
done
# A server that hangs up is connected to again.
"$B/tests/model_ctl" "$work/nic.ctl" disconnect >/dev/null
until_true 60 ping -c 1 -W 1 10.9.0.2 || die "no frame after the device server hung up: $(status)"
[ "$(value export_pid)" = "$export" ] || die "another export"
[ "$(value process_deaths)" = "$kills" ] || die "deaths nobody asked for: $(status)"
[ "$(value violations)" = 0 ] || die "lies: $(status)"
carrier near || die "carrier"
grep -q NO-CARRIER "$work/monitor.out" && die "the carrier was lost"
echo "# $kills device processes killed: back after $((sum / kills)) ms, $worst at most;" \
	"frames lost $(value lost_tx)"
nic_down
