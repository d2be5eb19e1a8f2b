#!/usr/bin/env bash
# config.sh - what a TAP export says of names, owners and interfaces it cannot have; and
# that without root it needs nothing but namespaces of its own.
. tests/net/lib.sh

conf() {
	printf 'run-dir %s\ndevice net\n  policy %s\n  export %s\n' "$work/$1" "$2" "$3" \
		>"$work/$1.conf"
}
# refused NAME CODE PATTERN: ringfence ends with this code and one line that fits.
refused() {
	"$B/bin/ringfence" run "$work/$1.conf" >"$work/$1.log" 2>&1 </dev/null
	local code=$?
	[ $code = "$2" ] || die "$1: code $code, not $2"
	[ "$(grep -c "$3" "$work/$1.log")" = 1 ] || die "$1: no single line says '$3'"
}

conf slash loop_net "tap a/b"
                        refused slash 65 "not a name an interface can have"
conf long loop_net "tap sixteen_letters_"
            refused long 65 "not a name an interface can have"
conf percent loop_net "tap rf%d"
                     refused percent 65 "not a name an interface can have"
conf user loop_net "tap rf0 owner no_such_user";       refused user 65 "no user 'no_such_user'"
conf disk null_blk "tap rf0";                          refused disk 65 "only a net driver"
conf nbd loop_net "nbd /tmp/rf.sock"
refused nbd 65 "exported as tap, lwip or program"
conf disk null_blk "nbd /tmp/rf.sock"; echo "  promiscuous yes" >>"$work/disk.conf"
refused disk 65 "'promiscuous' is for a net driver"
for mtu in 575 9001 0 -1 x; do
	conf mtu loop_net "tap rf0"; echo "  mtu $mtu" >>"$work/mtu.conf"
	refused mtu 65 "mtu.conf:5: mtu takes a number from 576 to 9000"
done
conf mtu loop_net "tap rf0"; echo "  mtu 9000" >>"$work/mtu.conf"
refused mtu 65 "an 'mtu', which is for an e1000e or igb"
# What is said of a stack and its disks.
lines() { { echo "run-dir $work/$1"; cat; } >"$work/$1.conf"; }
nic='device net
 policy loop_net
 export lwip
 address none'
disk='device disk
 policy null_blk
 export lwip'
conf block null_blk "lwip";                            refused block 65 "only a net driver"
conf member loop_net "lwip net"
                      refused member 65 "exported as tap, lwip or program"
conf words loop_net "lwip a b"
                       refused words 65 "words.conf:4: write as 'export lwip'"
lines alone <<<"$disk net"
                           refused alone 65 "no device net with the line 'export lwip'"
lines unseen <<<"$nic"$'\n'"$disk net"
               refused unseen 65 "net has no line 'disk disk lwip-tcp ADDR:PORT'"
lines nodisk <<<"$nic"$'\n disk d lwip-tcp *:10809'
  refused nodisk 65 "needs a device d with the line 'export lwip net'"
lines stray <<<"$disk net"$'\n status lwip-tcp *:80\n'"$nic"$'\n disk disk lwip-tcp *:1'
refused stray 65 "'status' is a key of a stack"
lines badkey <<<"$nic"$'\n status tcp:1.2.3.4:80'
    refused badkey 65 "badkey.conf:6: write as 'status lwip-tcp"
three=$(for d in a b c; do printf 'device %s\n policy null_blk\n export lwip net\n' $d; done)
lines three <<<"$nic"$'\n disk a lwip-tcp *:1\n disk b lwip-tcp *:2\n disk c lwip-tcp *:3\n'"$three"
refused three 65 "more than 2 disks in one stack"
lines nodir <<<"$nic"$'\n socks unix:/nowhere/sock'
  refused nodir 71 "cannot listen on unix:/nowhere/sock"

ip link add veth9 type veth peer name veth8 || die "veth"
conf veth loop_net "tap veth9";                        refused veth 69 "exists already"

conf one loop_net "tap rf0"
setsid "$B/bin/ringfence" run "$work/one.conf" >"$work/one.log" 2>&1 </dev/null & first=$!
children+=($first)
until_true 60 ip link show rf0 || die "no interface"
sed "s,$work/one,$work/two," "$work/one.conf" >"$work/two.conf"
refused two 69 "in use by another program"
ip link set rf0 up
until_true 60 carrier rf0 || die "no carrier"
until_true 60 eval '[ "$(mac rf0)" = 02:00:00:00:00:01 ]' || die "address"
"$B/bin/ringfence" --run-dir "$work/one" stop >/dev/null; wait $first || die "stop"
# The interface stays, without a carrier, and the next run takes it again.
! carrier rf0 || die "a carrier with nobody behind it"
setsid "$B/bin/ringfence" run "$work/one.conf" >"$work/one.log" 2>&1 </dev/null & first=$!
children+=($first)
until_true 60 carrier rf0 || die "not taken again"
"$B/bin/ringfence" --run-dir "$work/one" stop >/dev/null; wait $first || die "stop"
