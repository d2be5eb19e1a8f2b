#!/usr/bin/env bash
# deaths.sh - both drivers of a cable die every now and then; TCP does not notice, the
# carrier stays, and the books balance: what was handed over was sent or is counted lost.
. tests/net/lib.sh

seed=${SEED:-$RANDOM}
echo "# seed $seed"
pair_up kill=200 seed="$seed"
ip monitor link >"$work/monitor.out" & children+=($!)
mkdir "$work/www"; head -c 120000000 /dev/urandom >"$work/www/file"
$far busybox httpd -f -p 10.9.0.2:80 -h "$work/www" & children+=($!)
until_true 60 curl -sf -m 5 -o /dev/null -r 0-1 http://10.9.0.2/file || die "httpd"
for i in 1 2; do
	curl -sf --limit-rate 40M -o "$work/got" http://10.9.0.2/file ||
		die "a TCP connection broke"
	cmp "$work/got" "$work/www/file" || die "curl got something else"
done
carrier near || die "carrier"
grep -q NO-CARRIER "$work/monitor.out" && die "the carrier was lost: $(cat "$work/monitor.out")"
pair_down
p=$work/pair.json
echo "# $(cat $p)"
[ "$(figure deaths $p)" -ge 15 ] || die "only $(figure deaths $p) deaths"
[ "$(figure lost_tx $p)" -ge 1 ] ||
	die "nothing was under way at any death: the test proves nothing"
[ "$(figure tx_done $p)" = "$(figure wire_tx $p)" ] || die "sent twice, or not counted"
[ "$(figure rx_frames $p)" = "$(figure wire_rx $p)" ] || die "received twice, or not at all"
under_way=$(($(figure tx_frames $p) - $(figure tx_done $p) - $(figure lost_tx $p)))
[ $under_way -ge 0 ] && [ $under_way -le 8 ] || die "$under_way frames are nowhere"
