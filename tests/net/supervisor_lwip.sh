#!/usr/bin/env bash
# supervisor_lwip.sh - the supervisor dies, again and again, under a client of a disk behind
# the stack: alone, and together with each process there is. The stack and its connection
# outlive all but its own death and that of rf-dial; then both start again and serve.
. tests/net/lib.sh

kills=${KILLS:-8}
appliance_up
ip link set lo up
mkdir "$work/www"; echo hello >"$work/www/page"
busybox httpd -f -p 127.0.0.1:8081 -h "$work/www" & children+=($!)
page() { [ "$($far curl -sSf -m 20 http://10.9.0.1:81/page)" = hello ]; }
until_true 60 page || die "the forward to the host"

# verify_while COMMAND...: one connection, whose client writes and verifies all the time
verify_while() {
	$far fio --name=verify --ioengine=nbd --uri=$uri --rw=randwrite --bs=4k --size=8m \
		--offset=32m --iodepth=32 --rate=4m,4m --verify=crc32c --do_verify=1 \
		--verify_fatal=1 --verify_state_save=0 --randseed="${SEED:-1}" \
		--loops=40 >"$work/fio.log" 2>&1 & fio=$!
	children+=($fio)
	worked
	"$@"
	worked
	kill -0 $fio 2>/dev/null || die "fio ended: too early, or of an error"
	kill -INT $fio
	wait $fio # says that it was told to end
	grep -q 'err= 0' "$work/fio.log" || die "fio"
}
worked() {
	local done_then
	done_then=$(of disk0 completed)
	until_true 60 eval "[ \"\$(of disk0 completed)\" -gt $((done_then + 100)) ]" ||
		die "nothing is done: $(status)"
}
processes() {
	for d in disk0 nic; do
		echo "$(of $d generation) $(of $d driver_pid) $(of $d device_pid)" \
			"$(of $d export_pid)"
	done
	dial_pid
}
supervisor() { of nic supervisor_pid; }
alone() {
	local before i
	before=$(processes)
	for ((i = 1; i <= kills; i++)); do
		supervisor_dies "$(supervisor)"
		worked
		[ "$(processes)" = "$before" ] || die "was $before, is $(processes)"
	done
}
with_each() {
	local d pid
	for d in disk0 nic; do
		for pid in driver_pid device_pid; do
			supervisor_dies "$(supervisor)" "$(of $d $pid)"
			until_true 60 eval "[ \"\$(of $d generation)\" != 0 ]" || die "no successor"
			worked
			supervisor_dies "$(of $d $pid)" "$(supervisor)"
			until_true 60 eval "[ \"\$(of $d generation)\" != 0 ]" || die "no successor"
			worked
		done
	done
}
all() { alone; with_each; }
stack=$(of nic export_pid)
verify_while all
[ "$(of nic export_pid)" = "$stack" ] || die "the stack did not live through it"
for d in disk0 nic; do
	[ "$(of $d deaths)" = 2 ] && [ "$(of $d process_deaths)" = 2 ] ||
		die "deaths nobody asked for, or not seen: $(status)"
	[ "$(of $d violations)" = 0 ] || die "lies of $d"
done
[ "$(of disk0 client_errors)" = 0 ] || die "client errors"
until_true 60 page || die "the forward to the host, after it"

# ---- deaths that do end connections -----------------------------------------------------
new_stack() { # OLD: another one, which serves
	until_true 60 \
		eval '[ "$(of nic export_pid)" != 0 ] && [ "$(of nic export_pid)" != '"$1"' ]' ||
		die "no new stack: $(status)"
	until_true 60 page && until_true 60 metrics || die "the new stack does not serve: $(status)"
	[ "$(of disk0 export_pid)" = "$(of nic export_pid)" ] ||
		die "the two are not served by one process"
	[ -S "$work/socks.sock" ] || die "the listener on the host is gone"
}
for i in 1 2; do
	stack=$(of nic export_pid)
	supervisor_dies "$(supervisor)" "$stack"; new_stack "$stack"; stack=$(of nic export_pid)
	supervisor_dies "$stack" "$(supervisor)"; new_stack "$stack"; stack=$(of nic export_pid)
	supervisor_dies "$(supervisor)" "$(dial_pid)"; new_stack "$stack"
	stack=$(of nic export_pid)
	supervisor_dies "$(dial_pid)" "$(supervisor)"; new_stack "$stack"
	# A supervisor that dies somewhere in the start of the new ones.
	stack=$(of nic export_pid) next=$(supervisor)
	kill -9 "$stack"
	sleep 0.00$i
	supervisor_dies "$next"; new_stack "$stack"
done
echo "# $takeovers supervisors killed"
"$B/bin/ringfence" --run-dir "$work/run" stop >/dev/null
wait "$ringfence" || die "ringfence ended with $?"
[ ! -e "$work/socks.sock" ] || die "a listener was left behind"
