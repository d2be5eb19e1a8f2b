#!/usr/bin/env bash
# link.sh - the cable is pulled and put in again: the interface's carrier follows, and frames
# flow again. A driver's death meanwhile is no pulled cable.
. tests/net/lib.sh

# cable up|down: to the model's control socket
cable() {
	perl -MIO::Socket::UNIX \
		-e '$s = IO::Socket::UNIX->new($ARGV[0]) or die "no control socket\n";
		print $s "$ARGV[1]\n"; while (<$s>) {print; last if /^(ok$|error:)/}' \
			"$work/nic.ctl" "link $1" |
		grep -q '^ok' || die "the model does not take 'link $1'"
}
no_carrier() { ! carrier near; }
said() { [ "$(grep -c "the link is $1" "$work/ringfence.log")" = "$2" ]; }

nic_up
until_true 60 carrier near || die "no carrier to begin with"
for round in 1 2; do
	cable down
	until_true 60 no_carrier || die "the carrier stays although the cable is out"
	until_true 60 said down $round || die "no line says so"
	# A successor finds the cable out, and it stays so.
	kill_driver
	sleep 1.5
	no_carrier || die "a driver's death has put the cable in"
	cable up
	until_true 60 carrier near || die "the carrier does not come back"
	until_true 60 said up $round || die "no line says so"
	until_true 60 ping -c 1 -W 1 10.9.0.2 ||
		die "no answer over the cable after it was in again"
done
ip monitor link >"$work/monitor.out" & children+=($!)
for ((i = 0; i < 5; i++)); do kill_driver; sleep 0.3; done
sleep 1.5
grep -q NO-CARRIER "$work/monitor.out" && die "the carrier went although only drivers died"
said down 2 || die "a driver's death was taken for a pulled cable"
nic_down
