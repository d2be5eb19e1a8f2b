# SPDX-License-Identifier: MIT
# A driver that has its device interrupt without end and answers all the same: seen in
# /proc/interrupts, cut off, killed, in the end quarantined. A neighbour loses no request, and
# what these cost it is counted: the guest's clock counts instructions.
# guest: -i -d edu -d nvme,serial=rf0,size=256M
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
. /tests/guest/attacks.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
edu=$(pci_by_id 1234:11e8)

attack storm vectors-off "interrupt without end, and answer"
attack storm-neighbour vectors-off "interrupt without end: a neighbour's requests"

# neighbours IMAGE [POLICY LINE]: the disk, and edu with that driver
neighbours() {
	sed '/^restart/d' /build/tests/drivers/edu_irq.policy >/tmp/irq.policy
	printf 'interrupt msi\nrestart progress-free 3 backoff 10ms cap 5s\n%s\n' "$2" \
		>>/tmp/irq.policy
	config
	printf '%s\n' 'device edu' '  policy /tmp/irq.policy' \
		"  image /build/tests/drivers/$1" "  pci $edu" '  export nbd /tmp/edu.sock' >>$conf
	serve && wait_for 60 edu_has generation 1 && wait_for 60 has_changed driver_pid 0 &&
		wait_for 60 has_changed export_pid 0
}
edu_line() { $rf status --json | grep '"device":"edu"'; }
edu_field() { edu_line | sed -n "s/.*\"$1\":\"*\([a-z0-9]*\).*/\1/p"; }
edu_has() { [ "$(edu_field $1)" = $2 ]; }
taken() {
	awk -v dev="$edu" 'index($0, "vfio-msi") && index($0, dev) {
		for (i = 2; $i ~ /^[0-9]+$/; i++) n += $i } END { print n + 0 }' /proc/interrupts
}
# Instructions the neighbour's export and driver have run: nanoseconds of processor time here.
instructions() {
	cat /proc/$(field export_pid)/schedstat /proc/$(field driver_pid)/schedstat |
		awk '{ n += $1 } END { print n }'
}
# The neighbour's 4 KiB reads, one at a time: each must be done. Sets each and counted.
requests=1000
reads() {
	timeout 200 fio --name=r --ioengine=nbd --uri="$uri" --rw=read --bs=4k \
		--size=$((requests * 4))k --iodepth=1 >/tmp/fio.log 2>&1 &&
		grep -q "rwts: total=$requests,0,0,0" /tmp/fio.log
}
measure() {
	counted=$(taken) each=$(instructions)
	reads || return 1
	each=$((($(instructions) - each) / requests)) counted=$(($(taken) - counted))
}

expect storm/quiet/runs "no drivers came up" neighbours edu_irq
expect storm/quiet/neighbour "$(tail -3 /tmp/fio.log 2>&1)" measure
quiet=$each
expect storm/quiet/silent "$counted interrupts of a device nobody uses" [ $counted = 0 ]
# As many interrupts as requests are none too many.
timeout 100 fio --name=w --ioengine=nbd --uri='nbd+unix:///?socket=/tmp/edu.sock' --rw=write \
	--bs=4k --size=8000k >/tmp/fio.log 2>&1
expect storm/quiet/let-live "$(tail -3 /tmp/rf.err)" edu_has deaths 0
stop

expect storm/runs "no drivers came up" neighbours edu_storm
served() { measure && [ "$(field deaths)" = 0 ]; }
served && lost=no || lost=yes
ended() { edu_has state quarantined; }
wait_for 120 ended
dead() {
	ended && [ "$(edu_field storms)" = 3 ] &&
		grep -q 'interrupts in .* switched off' /tmp/rf.err
}
stops storm "interrupts off, killed, after 3 times quarantined" wait_for 60 dead
expect storm/said "$(tail -3 /tmp/rf.err)" \
	wait_for 60 grep -q 'has its device interrupt without end: killed' /tmp/rf.err
counted=$(taken)
sleep 1
now=$(taken)
expect storm/over "interrupts go on: $counted, then $now" [ $now = $counted ]
echo "# $(grep -m1 'switched off' /tmp/rf.err)"
echo "# neighbour: $quiet instructions a read, $each beside the storm"
no_dearer() { [ $lost = no ] && [ $((each * 10)) -le $((quiet * 11)) ]; }
stops storm-neighbour "$requests of $requests served, at $quiet and at $each instructions" no_dearer
stop

# ---- control: nobody looks ----
expect storm/unseen/runs "no drivers came up" neighbours edu_storm 'storm 0'
rate() { counted=$(taken) && sleep 2 && counted=$((($(taken) - counted) / 2)); }
rate
goes_on() { [ $counted -gt 50000 ] && edu_has deaths 0; }
shown storm "$counted interrupts a second, for as long as one looked" goes_on
not_shown storm-neighbour "the one processor has them while the driver runs that causes them"
stop
expect storm/given-back "the kernel's driver does not have it back" given_back
rows irq
exit $guest_failed
