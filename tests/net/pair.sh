#!/usr/bin/env bash
# pair.sh - two TAP exports and a cable: everything gets through, and while drivers die only
# what was under way is lost, to the frame.
. tests/net/lib.sh

pair_up
ping -c 20 -i 0.05 -q 10.9.0.2 >"$work/ping.log" || die "ping fails"
grep -q ' 0% packet loss' "$work/ping.log" || die "ping lost packets with no driver dying"
# An export that is stopped in its sleep (a job's control, a freezer, the machine's own sleep)
# sleeps on: its list lets nothing else through.
exports=$(pgrep -P "$pair" -x rf-tap)
stopped() { grep -q '^State:.T' /proc/$1/status; }
for pid in $exports; do
	kill -STOP $pid && until_true 60 stopped $pid || die "export $pid does not stop"
	kill -CONT $pid
done
ping -c 3 -i 0.2 -W 5 -q 10.9.0.2 >"$work/ping.log" ||
	die "no answer after the exports were stopped"
[ "$(pgrep -P "$pair" -x rf-tap)" = "$exports" ] ||
	die "an export did not live through being stopped"
[ "$(mtu near)" = 1500 ] || die "MTU"
[ "$(mac near)" = 02:00:00:00:00:01 ] || die "address"
# Payload through both interfaces, and back, is what it was.
mkdir "$work/www"; head -c 20000000 /dev/urandom >"$work/www/file"
$far busybox httpd -f -p 10.9.0.2:80 -h "$work/www" & children+=($!)
until_true 60 curl -sf -m 5 -o "$work/got" http://10.9.0.2/file || die "curl"
cmp "$work/got" "$work/www/file" || die "curl got something else"
$far iperf3 -s -D --pidfile "$work/iperf.pid" --logfile "$work/iperf-server.log"
iperf -n 1M || die "iperf3"
iperf -t 3 || die "iperf3 to the far end"
iperf -t 3 -R || die "iperf3 from the far end"
iperf -t 2 -u -b 50M || die "iperf3 by UDP"
kill "$(tr -d "\0" <"$work/iperf.pid")"
pair_down
p=$work/pair.json
[ "$(figure rx_lost_export $p)" -le 10 ] || die "frames lost on the way to the kernel: $(cat $p)"
[ "$(figure tx_done $p)" = "$(figure wire_tx $p)" ] || die "sent: $(cat $p)"
[ "$(figure rx_frames $p)" = "$(figure wire_rx $p)" ] || die "received: $(cat $p)"
[ "$(figure lost_tx $p)" = 0 ] || die "lost without a death: $(cat $p)"
