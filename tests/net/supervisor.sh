#!/usr/bin/env bash
# supervisor.sh - the supervisor dies, again and again, under a TCP connection through an
# interface; then together with the driver, the device process, and at last the export.
# Interface, carrier and connection stay, and nothing else has changed.
. tests/net/lib.sh

kills=${KILLS:-12}
nic_up
"$B/tests/net-conn" "$model" 4000000 "$work/stop" >"$work/conn.json" 2>"$work/conn.err" & conn=$!
children+=($conn)
ip monitor link >"$work/monitor.out" & children+=($!)
worked() {
	local done_then
	done_then=$(value completed)
	until_true 60 eval "[ \"\$(value completed)\" -gt $((done_then + 100)) ]" ||
		die "nothing is done: $(status)"
}
unchanged() {
	echo "$(value generation) $(value driver_pid) $(value device_pid) $(value export_pid)"
}
worked
before=$(unchanged) export=$(value export_pid)
for ((i = 1; i <= kills; i++)); do
	supervisor_dies "$(value supervisor_pid)"
	worked
	[ "$(unchanged)" = "$before" ] || die "was $before, is $(unchanged)"
done
# both MEMBER OTHER: the supervisor and that process, in both orders; MEMBER counts its deaths
both() {
	local first g n
	for first in supervisor "$2"; do
		g=$(value generation) n=$(value "$1")
		if [ $first = supervisor ]; then
			supervisor_dies "$(value supervisor_pid)" "$(value "$2_pid")"
		else
			supervisor_dies "$(value "$2_pid")" "$(value supervisor_pid)"
		fi
		until_true 60 eval \
			'[ "$(value generation)" -gt 0 ] && [ "$(value '"$1"')" = '$((n + 1))' ]' ||
			die "no successor of the $2: $(status)"
		[ "$(value generation)" != "$g" ] || [ "$2" = export ] ||
			die "generation $g still: $(status)"
		until_true 60 ping -c 1 -W 0.2 10.9.0.2 || die "no frame: $(status)"
	done
}
both deaths driver
both process_deaths device
worked
touch "$work/stop"
wait $conn || die "the connection: $(cat "$work/conn.json" "$work/conn.err")"
[ "$(figure tcp_broken "$work/conn.json")" = 0 ] &&
	[ "$(figure wrong_bytes "$work/conn.json")" = 0 ] || die "$(cat "$work/conn.json")"
[ "$(value export_pid)" = "$export" ] || die "another export"
[ "$(value violations)" = 0 ] || die "lies: $(status)"
carrier near || die "carrier"
grep -q NO-CARRIER "$work/monitor.out" && die "the carrier was lost"
both process_deaths export
[ "$(value export_pid)" != "$export" ] || die "the export cannot have lived"
echo "# $takeovers supervisors killed: $(cat "$work/conn.json")"
nic_down
