#!/usr/bin/env bash
# connection.sh - one TCP connection, busy both ways, whose NIC's driver is killed KILLS times.
# It carries what was sent to the end. RESULT=FILE: figures into it.
. tests/net/lib.sh

kills=${KILLS:-40} seed=${SEED:-$RANDOM}
echo "# seed $seed"
nic_up
"$B/tests/net-conn" "$model" 4000000 "$work/stop" >"$work/conn.json" 2>"$work/conn.err" & conn=$!
children+=($conn)
killer "$kills" 20 kills
wait $conn || die "the connection: $(cat "$work/conn.json" "$work/conn.err")"
status >"$work/status.json"
[ "$(figure deaths "$work/status.json")" = "$kills" ] ||
	die "deaths nobody asked for: $(cat "$work/status.json")"
[ "$(figure violations "$work/status.json")" = 0 ] &&
	[ "$(figure process_deaths "$work/status.json")" = 0 ] || die "$(cat "$work/status.json")"
lost=$(figure lost_tx "$work/status.json")
nic_down
echo "# $kills kills under one connection, $lost frames lost on their way out:" \
	"$(cat "$work/conn.json")"
of() { figure "$1" "$work/$2.json"; }
build=$(git describe --always --dirty 2>/dev/null || echo unversioned)
[ -z "${RESULT:-}" ] || {
	printf '{"name":"net-connection","ok":true,"build":"%s","kills":%s' "$build" "$kills"
	for key in tcp_broken out_bytes in_bytes wrong_bytes; do
		printf ',"%s":%s' $key "$(of $key conn)"
	done
	printf ',"p50_us":%s,"p99_us":%s' "$(of recovery_p50_us kills)" \
		"$(of recovery_p99_us kills)"
	printf ',"elapsed_s":%s,"seed":%s}\n' "$(of seconds conn)" "$seed"
} >"$RESULT"
