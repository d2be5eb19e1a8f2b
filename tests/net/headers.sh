#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# headers.sh - IPv6 packets whose headers are longer than a device can be told: their checksums
# and segments are made in software, and nothing is lost or wrong.
. tests/net/lib.sh

seed=${SEED:-1}
echo "# seed $seed"
pair_up
ip -6 addr add fd09::1/64 dev near nodad && $far ip -6 addr add fd09::2/64 dev far nodad ||
	die "no IPv6"
$far python3 tests/net/headers.py serve >"$work/server.log" 2>&1 & children+=($!)
until_true 60 python3 tests/net/headers.py 0 1000 "$seed" || die "no connection over IPv6"
for extra in 0 176 184 192 200 208 240 256; do
	got=$(timeout 200 python3 tests/net/headers.py $extra 2000000 "$seed" \
		2>"$work/client.log") ||
		die "$extra bytes of options: the connection failed"
	[ "$got" = 2000000 ] || die "$extra bytes of options: $got bytes of 2000000 were right"
	echo "# $extra bytes of options: ok"
done
pair_down
p=$work/pair.json
[ "$(figure tx_software $p)" -gt 0 ] || die "nothing was done in software: $(cat $p)"
# Behind 240 bytes of options the kernel itself now and then makes a packet 8 bytes longer than
# the MTU, which is refused, and makes a shorter one then.
echo "# $(figure tx_software $p) in software, $(figure tx_refused $p) refused"
