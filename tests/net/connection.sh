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
[ -z "${RESULT:-}" ] || cat >"$RESULT" <<-EOJ
	{"name":"net-connection","ok":true,"build":"$(git describe --always --dirty 2>/dev/null || echo unversioned)","kills":$kills,"tcp_broken":$(of tcp_broken conn),"out_bytes":$(of out_bytes conn),"in_bytes":$(of in_bytes conn),"wrong_bytes":$(of wrong_bytes conn),"p50_us":$(of recovery_p50_us kills),"p99_us":$(of recovery_p99_us kills),"elapsed_s":$(of seconds conn),"seed":$seed}
EOJ
