#!/usr/bin/env bash
# appliance_native.sh - a disk behind one fenced driver, a NIC behind another, the stack
# between them: clients on the other side of the cable verify what they wrote while both
# drivers are killed in turn. No TCP connection breaks, no client sees an error.
. tests/net/lib.sh

least=${KILLS:-8} # of each, while one connection lives

appliance_up

kill_of() { # DEVICE
	local g=$(of "$1" generation)
	kill -9 "$(of "$1" driver_pid)" || die "no driver of $1 to kill"
	until_true 60 eval "[ \"\$(of $1 generation)\" -gt $g ]" ||
		die "driver $g of $1 has no successor"
}
deaths=0
declare -A done_then=([disk0]=0 [nic]=0) # at the last death
# Without a request done in between, the supervisor would rightly give a driver up: TCP may
# have to wait for longer than a successor takes.
worked_or_over() { [ "$(of "$1" completed)" -gt "${done_then[$1]}" ] || ! kill -0 "$2"; }
# As long as that process lives.
kill_both_while() {
	local d
	while kill -0 "$1" 2>/dev/null; do
		for d in disk0 nic; do
			until_true 60 worked_or_over $d "$1" || die "$d does nothing for its client"
			done_then[$d]=$(of $d completed)
			kill_of $d
			sleep 0.1
		done
		deaths=$((deaths + 1))
	done
}
metric() { metrics | awk -v n="$1" '$1 == n {print $2}'; }

# ---- it comes up -------------------------------------------------------------------------
[ "$($far nbdinfo --size $uri)" = $((64 << 20)) ] || die "size"
[ -S "$work/socks.sock" ] && [ "$(stat -c %a "$work/socks.sock")" = 660 ] ||
	die "the listener on the host"
stack=$(of nic export_pid)
[ "$(of disk0 export_pid)" = "$stack" ] || die "the two are not served by one process"

# ---- one connection each over all the deaths -----------------------------------------------
head -c 24M /dev/urandom >"$work/file"
# Written slowly enough that it is under way all the time.
$far fio --name=verify --ioengine=nbd --uri=$uri --rw=randwrite --bs=4k --size=16m --offset=32m \
	--iodepth=32 \
	--rate=4m,4m --verify=crc32c --do_verify=1 --verify_fatal=1 --verify_state_save=0 \
	--randseed="${SEED:-1}" \
	--loops=3 >"$work/fio.log" 2>&1 & fio=$!
kill_both_while $fio
wait $fio || die "fio"
[ $deaths -ge "$least" ] ||
	die "only $deaths deaths of each driver: they prove less than they should"
[ "$(of nic export_pid)" = "$stack" ] || die "the stack did not live through it"
# ---- the other clients ---------------------------------------------------------------------
copies() {
	$far nbdcopy --connections=1 -- "$work/file" $uri || die "nbdcopy to the disk"
	$far nbdcopy --connections=1 $uri - | head -c 24M | cmp - "$work/file" ||
		die "nbdcopy from the disk"
	$far qemu-img convert -f raw -O raw $uri "$work/copy" || die "qemu-img"
	cmp -n $((24 << 20)) "$work/copy" "$work/file" || die "qemu-img read something else"
	touch "$work/copied"
}
copies >"$work/copies.log" 2>&1 & copies=$!
kill_both_while $copies
[ -e "$work/copied" ] || die "the copies"
metrics >"$work/metrics"
[ "$(metric 'rf_lwip_disk_driver_generation{disk="disk0"}')" = $((deaths + 1)) ] ||
	die "metrics of the disk"
[ "$(metric 'rf_lwip_disk_written_bytes_total{disk="disk0"}')" -ge $((24 << 20)) ] ||
	die "metrics of the disk"
[ "$(of disk0 client_errors)" = 0 ] || die "client errors"
for d in disk0 nic; do
	[ "$(of $d deaths)" = $deaths ] || die "deaths of $d nobody asked for: $(status)"
	[ "$(of $d violations)" = 0 ] || die "lies of $d"
	[ "$(of $d process_deaths)" = 0 ] || die "processes of $d died"
done
[ "$(of nic export_pid)" = "$stack" ] || die "the stack did not live through the copies"
echo "# $((2 * deaths)) kills, reissued $(of disk0 reissued), frames lost $(of nic lost_tx)"

# ---- rf-dial, and deaths that do end connections --------------------------------------------
ip link set lo up
mkdir "$work/www"; echo hello >"$work/www/page"
busybox httpd -f -p 127.0.0.1:8081 -h "$work/www" & children+=($!)
page() { [ "$($far curl -sSf -m 20 http://10.9.0.1:81/page)" = hello ]; }
until_true 60 page || die "the forward to the host"
# The stack itself dies: both processes start again, and so does what is served.
kill -9 "$stack"
until_true 60 eval '[ "$(of nic export_pid)" != 0 ] && [ "$(of nic export_pid)" != '"$stack"' ]' ||
	die "no new stack"
until_true 60 metrics && until_true 60 page || die "the new stack does not serve"
until_true 60 eval "$far nbdcopy $uri - | head -c 24M | cmp - $work/file" ||
	die "data after the stack's death"
# rf-dial dies: without it the stack cannot do what it is there for.
stack=$(of nic export_pid)
kill -9 "$(dial_pid)" || die "no rf-dial"
until_true 60 eval '[ "$(of nic export_pid)" != 0 ] && [ "$(of nic export_pid)" != '"$stack"' ]' ||
	die "no stack with a new rf-dial"
until_true 60 page || die "the new rf-dial does not connect"
# Device processes die under a client: the stack, and its connection, stay.
stack=$(of nic export_pid)
for d in disk0 nic; do
	$far fio --name=verify --ioengine=nbd --uri=$uri --rw=randwrite --bs=4k --size=8m \
		--offset=48m --iodepth=8 \
		--rate=4m,4m --verify=crc32c --do_verify=1 --verify_fatal=1 --verify_state_save=0 \
		>"$work/fio.log" 2>&1 & fio=$!
	until_true 60 eval "[ \"\$(of disk0 inflight)\" -gt 0 ]" || die "fio does nothing"
	pid=$(of $d device_pid) before=$(of $d process_deaths)
	kill -9 "$pid"
	until_true 60 eval \
		"[ \"\$(of $d generation)\" != 0 ] && [ \"\$(of $d device_pid)\" != $pid ]" ||
		die "no successor"
	wait $fio || die "fio, when the device process of $d died"
	[ "$(of $d process_deaths)" = $((before + 1)) ] || die "deaths nobody asked for: $(status)"
done
[ "$(of nic export_pid)" = "$stack" ] ||
	die "the stack did not live through the death of a device process"
until_true 60 eval "$far nbdcopy $uri - | head -c 24M | cmp - $work/file" ||
	die "data after the device processes' deaths"
"$B/bin/ringfence" --run-dir "$work/run" restart nic >/dev/null
until_true 60 metrics || die "no stack after a restart of its NIC"
"$B/bin/ringfence" --run-dir "$work/run" stop >/dev/null
wait "$ringfence" || die "ringfence ended with $?"
[ ! -e "$work/socks.sock" ] || die "a listener was left behind"
