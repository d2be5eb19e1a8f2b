#!/bin/bash
# SPDX-License-Identifier: MIT
# storage.sh KILLS SEED NIC - the storage appliance, seen from outside: a guest whose kernel
# drives no NIC and no disk; an NVMe disk behind one fenced driver, the NIC (e1000e or
# virtio_net) behind another, NBD over a TCP/IP stack of ours between them. fio, nbdcopy and
# qemu-img use it over TCP through QEMU's user networking, while both drivers are killed,
# KILLS times together. Exit 0: nobody noticed. What happens inside: storage-guest.sh.
set -u
cd "$(dirname "$0")/.."
kills=$1 seed=$2 nic=$3
dir=$(mktemp -d /tmp/ringfence-storage.XXXXXX)
. images/job.sh
mib=4
# What the guest says is in its log at once; what comes through a pipe may be held back.
log=build/logs/storage.log
mkdir -p build/results build/logs
rm -f $log

guest=0
cleanup() {
	[ $guest = 0 ] || kill $guest 2>/dev/null
	wait
	rm -rf $dir
}
trap cleanup EXIT
fail() { echo "storage: $*" >&2; exit 1; }

# A port of the host's where nobody listens now.
free_port() {
	local port
	while port=$((20000 + RANDOM % 12000)); (exec 3<>/dev/tcp/127.0.0.1/$port) 2>/dev/null; do
		:
	done
	echo $port
}
case $nic in
e1000e) adapter=e1000e,netdev=net0 ;;
virtio_net) adapter=virtio-net-pci,netdev=net0,iommu_platform=on,disable-legacy=on,romfile= ;;
*) fail "NIC is e1000e or virtio_net, not $nic" ;;
esac
nbd=$(free_port) http=$(free_port) end=$(free_port)
uri=nbd://127.0.0.1:$nbd
forward=hostfwd=tcp:127.0.0.1:
images/run-guest -n storage -t 420 -d nvme,serial=rf0,size=256M -d "$adapter" \
	-q "-netdev user,id=net0,${forward}$nbd-:10809,${forward}$http-:80,${forward}$end-:7" \
	-a initcall_blacklist=nvme_init -f build/tests -f images/job.sh \
	images/storage-guest.sh "$kills" "$seed" "$nic" >$dir/guest 2>&1 </dev/null &
guest=$!
alive() { kill -0 $guest 2>/dev/null; }
said() { grep -aq "^storage: $1" $log 2>/dev/null; }
said_or_dead() { said "$1" || ! alive; }
wait_until 180 said_or_dead serving && said serving || fail "it does not serve"
page() { curl -sSf -m 20 http://127.0.0.1:$http/metrics >$dir/metrics 2>$dir/curl; }
wait_until 60 page || { cat $dir/curl; fail "no page of metrics"; }
grep -a "^storage: serving" $log
size=$(nbdinfo --size $uri) || fail "no disk at $uri"
echo "storage: $uri has $((size >> 20)) MiB; clients verify while both drivers are killed"

# ---- clients -------------------------------------------------------------------------------
head -c 4M /dev/urandom >$dir/file
copies() { # by one program in, by the other out
	nbdcopy --connections=1 -- $dir/file $uri 2>>$dir/copy.log &&
		qemu-img dd -f raw -O raw bs=1M count=4 if=$uri of=$dir/copy >>$dir/copy.log 2>&1 &&
		cmp $dir/file $dir/copy >>$dir/copy.log 2>&1 &&
		verified=$((verified + (4 << 20))) && return
	errors=$((errors + 1))
	echo "a copy failed:"
	tail -5 $dir/copy.log
	return 1
}
while alive && { ! said killed || [ $verified -lt $least ]; }; do
	verify_round $((8 + round % 8 * 4)) && copies || break
done
alive || fail "the guest ended early"
# Through a forward of the stack, as the guest's clients have no other way in either.
exec 3<>/dev/tcp/127.0.0.1/$end && echo "$verified $errors" >&3 && cat <&3 >/dev/null
exec 3>&-
wait $guest
code=$?
guest=0
sed '1,/^storage: serving/d' $dir/guest
exit $code
