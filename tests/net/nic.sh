#!/usr/bin/env bash
# nic.sh - the whole of it: a fenced e1000e driver on a device model, served as an interface;
# the driver is killed again and again under ping, TCP and HTTP.
. tests/net/lib.sh

kills=${KILLS:-25}
nic_up
[ "$(mac near)" = 02:00:00:00:00:0a ] || die "address"
[ "$(mtu near)" = 1500 ] || die "MTU"
ping -c 10 -i 0.1 -q 10.9.0.2 >"$work/ping.log" || die "ping fails"
mkdir "$work/www"; head -c 60000000 /dev/urandom >"$work/www/file"
$far busybox httpd -f -p 10.9.0.2:80 -h "$work/www" & children+=($!)
until_true 60 curl -sf -m 5 -o /dev/null -r 0-1 http://10.9.0.2/file || die "httpd"
curl -sf -o "$work/got" http://10.9.0.2/file && cmp "$work/got" "$work/www/file" || die "curl"
ip monitor link >"$work/monitor.out" & children+=($!)
# One connection over all the deaths.
curl -sf --limit-rate 6M -o "$work/got" http://10.9.0.2/file & transfer=$!
for ((i = 0; i < kills; i++)); do
	sleep 0.1
	kill_driver
done
wait $transfer || die "the TCP connection broke"
cmp "$work/got" "$work/www/file" || die "curl got something else"
carrier near || die "carrier"
grep -q NO-CARRIER "$work/monitor.out" && die "the carrier was lost"
$far iperf3 -s -D --pidfile "$work/iperf.pid" --logfile "$work/iperf-server.log"
iperf -n 1M || die "iperf3"
iperf -t 3 || die "iperf3 to the far end"
iperf -t 3 -R || die "iperf3 from the far end"
kill "$(tr -d "\0" <"$work/iperf.pid")"
sleep 0.3
status >"$work/status.json"
[ "$(figure deaths "$work/status.json")" = "$kills" ] ||
	die "deaths nobody asked for: $(cat "$work/status.json")"
[ "$(figure violations "$work/status.json")" = 0 ] || die "lies: $(cat "$work/status.json")"
nic_down
