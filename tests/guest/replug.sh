# SPDX-License-Identifier: MIT
# A disk is taken out of the machine and put back, once while it is served and once while it is
# quarantined: without it requests fail, the disk beside it is served on, and `restart` serves it
# again once it is back, with what was written before.
# guest: -d nvme,serial=rf0,size=64M -d nvme,serial=rf1,size=64M
# seconds: 400
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
beside=$(nvme_address rf1)
address=/sys/bus/pci/devices/$disk
client() { timeout 60 /build/tests/ask "$@" >/tmp/io.log 2>&1; }
state() { $rf status --json 2>/dev/null | sed -n 1p | grep -q "\"state\":\"$1\""; }
serving() { state running && [ "$(field driver_pid)" != 0 ] && [ "$(field standby_pid)" != 0 ]; }

config
printf 'device disk1\n  policy nvme\n  pci %s\n  export nbd /tmp/disk1.sock\n' $beside >>$conf
expect replug/serves "see the log" serve
expect replug/written "$(cat /tmp/io.log)" client $socket w:0x100000:65536:0x5a
expect replug/written-beside "$(cat /tmp/io.log)" client /tmp/disk1.sock w:0x100000:65536:0xa5

out_and_in() {
	echo 1 >$address/remove &
	remover=$!
	expect replug/$1/failed "$($rf status)" wait_for 60 state failed
	expect replug/$1/refused "what is not there was read" \
		eval '! client $socket r:0x100000:65536:0x5a'
	expect replug/$1/out "the kernel could not take it out" wait_for 60 [ ! -e $address ]
	wait $remover
	expect replug/$1/beside "$(cat /tmp/io.log)" client /tmp/disk1.sock r:0x100000:65536:0xa5
	$rf restart disk0
	expect replug/$1/still-out "$($rf status)" wait_for 60 state failed
	echo 1 >/sys/bus/pci/rescan
	expect replug/$1/in "the kernel does not find it" wait_for 60 [ -e $address ]
	$rf restart disk0
	expect replug/$1/back "$($rf status)" wait_for 60 serving
	expect replug/$1/data "$(cat /tmp/io.log)" client $socket r:0x100000:65536:0x5a
}
out_and_in served

# Drivers that die without a request in between, as often as the policy lets them.
quarantined() {
	state quarantined && return
	victim=$(field driver_pid)
	[ "${victim:-0}" = 0 ] || kill -9 $victim
	return 1
}
expect replug/quarantined "$($rf status)" wait_for 180 quarantined
out_and_in quarantined
stop
cat /tmp/rf.err
expect replug/given-back "the kernel's driver does not have it back" given_back
exit $guest_failed
