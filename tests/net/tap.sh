#!/usr/bin/env bash
# tap.sh - an interface that is deleted while it is served is made again, with a line, and costs no
# processor meanwhile; one that another program left with header sizes, offloads, limits and filters
# of its own becomes a plain one; one of another kind is refused and stays as it is.
. tests/net/lib.sh

nic_up
# Processor time of the export, in ticks of 10 ms.
ticks() { awk '{print $14 + $15}' "/proc/$(value export_pid)/stat"; }
gone_lines() { grep -c 'interface near was deleted while it was served' "$work/ringfence.log"; }
again() {
	[ "$(gone_lines)" = "$1" ] && ip link show near && [ "$(value export_pid)" -gt 0 ] &&
		carrier_there
}
carrier_there() { ip link set near up && carrier near; }
for round in 1 2 3; do
	old=$(value export_pid)
	ip link del near || die "no interface to delete"
	until_true 60 again $round ||
		die "it was deleted for the ${round}th time and is not made again"
	[ "$(value export_pid)" != "$old" ] || die "the export serves an interface that is gone"
	[ "$(mac near)" = 02:00:00:00:00:0a ] || die "the new one has another address: $(mac near)"
	ip addr add 10.9.0.1/24 dev near
	until_true 60 ping -c 1 -W 1 10.9.0.2 || die "no answer through the one that was made again"
done
# Nothing is sent: an export that looks for frames where none can come would use all it gets.
before=$(ticks); sleep 2; after=$(ticks)
[ $((after - before)) -lt 100 ] || die "idle, the export used $((after - before)) of 200 ticks"
[ "$(value state)" = running ] || die "it is $(value state)"
nic_down
ip link del near

# One that another program made and left. It shows frames with 12 bytes ahead, leaves checksums and
# segments to the reader, drops what is longer than 60 bytes, and lets one byte wait.
python3 - <<'P' || die "no TAP like another program's"
import ctypes, fcntl, os, struct
TAP, NO_PI, VNET_HDR, PERSIST = 0x0002, 0x1000, 0x4000, 1
f = os.open("/dev/net/tun", os.O_RDWR)
def tell(number, argument):
    return fcntl.ioctl(f, number, argument)
tell(0x400454ca, struct.pack("16sH22s", b"near", TAP | NO_PI | VNET_HDR, b""))  # TUNSETIFF
tell(0x400454d8, struct.pack("i", 12))                                          # TUNSETVNETHDRSZ
tell(0x400454d0, 1 | 2 | 4)                                                     # TUNSETOFFLOAD
tell(0x400454d4, struct.pack("i", 1))                                           # TUNSETSNDBUF
# TUNSETTXFILTER: to one station, which is nobody's
tell(0x400454d1, struct.pack("HH6s", 0, 1, bytes([2, 0, 0, 0, 0, 0x99])))
# TUNATTACHFILTER: nothing passes
code = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0))
tell(0x401054d5, struct.pack("HxxxxxxP", 1, ctypes.addressof(code)))
tell(0x400454cb, PERSIST)                                                       # TUNSETPERSIST
P
nic_again() {
	setsid "$B/bin/ringfence" run "$work/rf.conf" >"$work/ringfence.log" 2>&1 </dev/null &
	ringfence=$!; children+=("$ringfence")
}
nic_again
until_true 60 eval '[ "$(value generation)" -gt 0 ]' ||
	die "it does not serve what another program left"
$far ip addr flush dev far
addresses near far
ping -c 3 -i 0.2 -W 5 -q 10.9.0.2 >/dev/null || die "frames are lost"
$far iperf3 -s -D --pidfile "$work/iperf.pid" --logfile "$work/iperf-server.log"
for way in "" -R; do
	iperf -n 20M $way || die "TCP does not get through ${way:+the other way}"
done
kill "$(tr -d "\0" <"$work/iperf.pid")"
nic_down

# One with several queues, and one that is no TAP: whose they are, they stay.
for kind in "tap multi_queue" tun; do
	ip link del near
	ip tuntap add near mode $kind || die "cannot make a $kind"
	nic_again
	wait "$ringfence"; code=$?
	[ $code = 69 ] || die "of $kind it ended with $code"
	[ "$(grep -c 'an interface near exists already' "$work/ringfence.log")" = 1 ] ||
		die "of $kind it says nothing"
	ip link show near >/dev/null || die "it removed what is not its own"
done
