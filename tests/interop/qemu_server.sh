#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# qemu_server.sh [KIND...] - our device process and drivers on devices that QEMU's own vfio-user
# server serves: nvme, virtio_blk, virtio_net, e1000e and igb, kills of drivers, device
# processes and of the server included. Needs no root; $QEMU is the server.
#
# A line a case, `ok NAME` or `not ok NAME: why`; logs are in build/logs/interop-server-*.log.
# That server serves one client in its life: once a client has gone nobody is listened to any
# more. With auto-shutdown it ends then, and whoever runs it starts it again, as here.
set -u
cd "$(dirname "$0")/../.."
alone=(unshare -n)
[ "$(id -u)" = 0 ] || alone=(unshare -c -n --keep-caps)
case ${1:-} in
--in) shift ;;
*) exec "${alone[@]}" "$0" --in "$@" ;;
esac
kinds=("$@")
[ $# -gt 0 ] || kinds=(nvme virtio_blk virtio_net e1000e igb)
mkdir -p build/logs
: "${QEMU:?names the QEMU that serves}"

# One kind in a process of its own: what it leaves behind ends with it.
if [ ${#kinds[@]} -gt 1 ]; then
	for kind in "${kinds[@]}"; do unshare -n "$0" --in "$kind"; done
	exit 0
fi
kind=${kinds[0]}
. tests/net/lib.sh
die() {
	echo "not ok server-$kind-$1: ${*:2}; see build/logs/interop-server-$kind.log"
	exit 1
}
keep_logs() { tail -n +1 "$work"/*.log >"build/logs/interop-server-$kind.log" 2>/dev/null; }
trap 'keep_logs; touch "$work/ended"; kill "$(cat "$work/server.pid")" 2>/dev/null
	cleanup 2>/dev/null' EXIT

# device OPTIONS: what QEMU is told besides
device() {
	case $kind in
	nvme) echo "$disk -device nvme,id=dev,serial=rf,drive=d0" ;;
	virtio_blk) echo "$disk -device virtio-blk-pci,id=dev,drive=d0,$modern" ;;
	virtio_net) echo "$nic -device virtio-net-pci,id=dev,$modern,$mac" ;;
	e1000e|igb) echo "$nic -device $kind,id=dev,$mac" ;;
	esac
}
disk="-drive if=none,id=d0,file=$work/disk,format=raw" modern=disable-legacy=on,iommu_platform=on
nic="-netdev tap,id=e0,ifname=far,script=no,downscript=no"
mac="netdev=e0,romfile=,mac=02:00:00:00:00:0a"
object="\"qom-type\":\"x-vfio-user-server\",\"id\":\"server\",\"device\":\"dev\""
object="{$object,\"socket\":{\"type\":\"unix\",\"path\":\"$work/dev.sock\"}}"

# The far side's namespace has the interface as long as the server lives, or is started again.
serve() {
	ip tuntap add far mode tap && ip link set lo up
	while [ ! -e "$work/ended" ]; do
		rm -f "$work/dev.sock"
		# shellcheck disable=SC2046
		setpriv --pdeathsig KILL "$QEMU" -nodefaults -no-user-config -display none \
			-machine x-remote,vfio-user=on,auto-shutdown=on $(device) \
			-object "$object" &
		echo $! >"$work/server.pid"
		wait $!
		echo "the server ended with $?"
	done
}
server_up() {
	truncate -s 64M "$work/disk"
	export -f serve device
	export work QEMU kind nic mac
	unshare -n bash -c serve >"$work/server.log" 2>&1 &
	server=$!; children+=("$server")
	until_true 60 test -S "$work/dev.sock" || die start "QEMU does not serve"
	far="nsenter -t $server -n"
}
ringfence_up() {
	printf 'run-dir %s\ndevice dev\n  policy %s\n  socket %s\n  export %s\n' "$work/run" \
		"$kind" "$work/dev.sock" "$1" >"$work/rf.conf"
	setsid "$B/bin/ringfence" run "$work/rf.conf" >"$work/ringfence.log" 2>&1 </dev/null &
	ringfence=$!; children+=("$ringfence")
	until_true 60 runs || die start "no driver runs"
}
runs() { [ "$(value generation)" -gt 0 ]; }

# kill_one DRIVER|DEVICE|SERVER: it, and waits for what comes after it
kill_one() {
	local before=$(value generation) pid
	case $1 in
	driver) pid=$(value driver_pid) ;;
	device) pid=$(value device_pid) ;;
	server) pid=$(cat "$work/server.pid") ;;
	esac
	kill -9 "$pid" || die "$1" "nobody to kill"
	until_true 60 eval '[ "$(value generation)" -gt '"${before:-0}"' ]' ||
		die "$1" "no successor: $(status)"
}

# ---- disks: every block is read back and compared, by a client that sees latency only -----
disk() {
	local load victim
	server_up
	load="output $work/load.json mode=randrw verify=1 qd=8 requests=300000"
	ringfence_up "program $PWD/build/tests/rf-load $load"
	for victim in driver driver driver driver driver device driver server driver; do
		until_true 60 progress || die "$victim" "no request is answered: $(status)"
		kill_one "$victim"
	done
	wait "$ringfence" || die end "ringfence ended with $?"
	load=$(cat "$work/load.json")
	grep -q '"errors":0,"mismatches":0' <<<"$load" || die data "$load"
	echo "ok server-$kind-data: 300000 requests, none wrong or lost"
	echo "ok server-$kind-kills: 7 drivers, a device process, the server"
}
# More requests were answered since the last look.
completed=0
progress() {
	local now=$(value completed)
	[ "${now:-0}" -gt $((completed + 200)) ] && completed=$now
}

# ---- adapters ---------------------------------------------------------------------------------
answers() { ping -c 1 -W 1 10.9.0.2; }
adapter() {
	server_up
	ringfence_up "tap near"
	until_true 60 ip link show near || die start "no interface"
	addresses near far
	ping -c 20 -i 0.05 -q 10.9.0.2 >"$work/ping.log" ||
		die ping "frames are lost: $(tail -2 "$work/ping.log" | head -1)"
	mkdir "$work/www"; head -c 3000000 /dev/urandom >"$work/www/file"
	$far busybox httpd -f -p 10.9.0.2:80 -h "$work/www" & children+=($!)
	until_true 60 curl -sf -m 5 -o /dev/null -r 0-1 http://10.9.0.2/file || die data "httpd"
	curl -sf -m 120 -o "$work/got" http://10.9.0.2/file &&
		cmp -s "$work/got" "$work/www/file" || die data "3 MB did not come as they are"
	echo "ok server-$kind-data: 20 of 20 pings, 3 MB by TCP"
	for victim in driver driver driver driver driver; do
		kill_one "$victim"
		until_true 60 answers || die "$victim" "no frame passes: $(status)"
	done
	curl -sf -m 120 -o "$work/got" http://10.9.0.2/file &&
		cmp -s "$work/got" "$work/www/file" || die after "3 MB did not come as they are"
	for victim in device server; do
		kill_one "$victim"
		until_true 60 answers || die "$victim" "no frame passes: $(status)"
	done
	"$B/bin/ringfence" --run-dir "$work/run" stop >/dev/null
	wait "$ringfence" || die end "ringfence ended with $?"
	echo "ok server-$kind-kills: 5 drivers, a device process, the server"
}

case $kind in
nvme|virtio_blk) disk ;;
virtio_net|e1000e|igb) adapter ;;
*)
	echo "qemu_server.sh: $kind: there are nvme, virtio_blk, virtio_net, e1000e and igb" >&2
	exit 64
	;;
esac
