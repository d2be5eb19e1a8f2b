#!/usr/bin/env bash
# nic_hang.sh - a device that sends nothing more is reset after its policy's stall time, a
# driver that is stopped is replaced within moments, and the interface serves again.
. tests/net/lib.sh

nic_up
more() { [ "$(value "$1")" -gt "$2" ]; }
tell() { "$B/tests/model_ctl" "$work/nic.ctl" "$@"; }
began=$(date +%s%N)
tell fault hang after 10 || die "the model takes no fault"
ping -i 0.05 -q -w 60 10.9.0.2 >"$work/ping.log" 2>&1 & children+=($!)
until_true 60 more stall_deaths 0 || die "the hang was not found: $(status)"
echo "# a NIC that hangs: found after $((($(date +%s%N) - began) / 1000000)) ms"
until_true 60 ping -c 1 -W 1 10.9.0.2 || die "no recovery from the hang"
began=$(date +%s%N)
kill -STOP "$(value driver_pid)"
until_true 60 more hangs 0 || die "the stopped driver was not found: $(status)"
echo "# a driver that is stopped: found after $((($(date +%s%N) - began) / 1000000)) ms"
until_true 60 ping -c 1 -W 1 10.9.0.2 || die "no recovery from the stop"
[ "$(value deaths)" = 2 ] || die "deaths nobody asked for: $(status)"
nic_down
