# SPDX-License-Identifier: MIT
# Drivers are woken by MSI, and by INTx that they re-arm through VFIO: a thousand
# requests, each answered only after a sleep an interrupt ended, also after a restart.
# A driver that never re-arms gets one interrupt and stalls.
# guest: -d edu -d e1000,rombar=0
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
drivers=/build/tests/drivers
requests=1000

pci_by_id() { # VENDOR:DEVICE
	for p in /sys/bus/pci/devices/*; do
		[ "$(cat $p/vendor):$(cat $p/device)" = "0x${1%:*}:0x${1#*:}" ] && basename $p
	done
}
# device DRIVER ID KIND [IMAGE]: what `serve` serves
device() {
	disk=$(pci_by_id "$2") kind=$3
	cp $drivers/$1.policy /tmp/irq.policy
	echo "interrupt $kind" >>/tmp/irq.policy
	# On a busy host a nudge would end sleeps in the interrupt's place, and hide a lost one.
	echo "nudge 0s" >>/tmp/irq.policy
	printf 'device disk0\n  policy /tmp/irq.policy\n  image %s\n  pci %s\n  export nbd %s\n' \
		$drivers/${4:-$1} "$disk" $socket >$conf
}
# Interrupts the kernel counted for the device, of the kind it was asked for.
taken() {
	awk -v kind="vfio-$kind" -v dev="$disk" 'index($0, kind) && index($0, dev) {
		for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts
}
writes() { # COUNT
	timeout 100 fio --name=w --ioengine=nbd --uri="$uri" --rw=write --bs=4k \
		--size=$(($1 * 4))k --iodepth=1 >/tmp/fio.log 2>&1
}
# between LOW N HIGH
between() { [ $1 -le $2 ] && [ $2 -le $3 ]; }

works() { # NAME
	serve || { not_ok $1/runs "no driver came up"; return; }
	before=$(taken)
	expect $1/requests "see the log" writes $requests || tail -3 /tmp/fio.log
	got=$(($(taken) - before))
	grep vfio- /proc/interrupts
	# Without nudges, a request whose interrupt was lost is answered only by the death of its
	# driver: none may have died. A kick that was under way may end a sleep in an interrupt's
	# place, which a busy host lets happen to any part of them, and an interrupt whose request
	# is answered already may come late: how many there were says only that they came all
	# along.
	expect $1/none-lost "$(field stall_deaths) drivers died of a stall" \
		[ "$(field deaths)" = 0 ]
	expect $1/count "$got vfio-$kind interrupts for $requests requests" \
		between $((requests / 4)) $got $((requests * 11 / 10))
	old=$(field driver_pid)
	kill -KILL $old
	expect $1/restart "no successor" wait_for 60 has_changed driver_pid $old
	expect $1/after-restart "see the log" writes 50
	stop
}

device edu_irq 1234:11e8 intx
works interrupts/edu-intx
device edu_irq 1234:11e8 msi
works interrupts/edu-msi
device e1000_irq 8086:100e intx
works interrupts/e1000-intx

device edu_irq 1234:11e8 intx edu_irq_once
expect interrupts/never-re-armed/runs "no driver came up" serve
before=$(taken)
writes $requests &
client=$!
one_more() { [ $(($(taken) - before)) -ge 1 ]; }
expect interrupts/never-re-armed/first "no interrupt at all" wait_for 60 one_more
# All of them took the driver that re-arms less than this.
sleep 5
expect interrupts/never-re-armed/stalls "the client was served" kill -0 $client
got=$(($(taken) - before))
expect interrupts/never-re-armed/only-one "$got interrupts" [ $got = 1 ]
stop
wait $client
exit $guest_failed
