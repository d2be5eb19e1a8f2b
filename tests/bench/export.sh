# SPDX-License-Identifier: MIT
# export.sh - in the guest: three NBD servers on UNIX sockets, asked by the same fio: ours before
# QEMU's NVMe on a null disk, nbdkit and qemu-storage-daemon on null disks of their own.
# CPU 0: fio; CPU 1 and 2: what serves (ours: export on 1, driver on 2). Marks of the counter
# frame a short and a long run of each: 10 to 13, 20 to 23, 30 to 33.
# Arguments: REQUESTS
. /lib/guest.sh
. /lib/serving.sh
ulimit -l unlimited
disk=$(nvme_address rf0)
size=1073741824
irqs_to() { # CPU NAME
	for n in $(grep -aE "$2" /proc/interrupts | sed 's/:.*//'); do
		echo $1 >/proc/irq/$n/smp_affinity_list 2>/dev/null
	done
}
listens() { nbdinfo --size "$(uri $1)" >/dev/null 2>&1; }
uri() { echo "nbd+unix:///?socket=/tmp/$1.sock"; }

run() { # SOCKET REQUESTS
	taskset 1 fio --name=x --ioengine=nbd "--uri=$(uri $1)" --rw=randread --bs=4k --iodepth=32 \
		--size=$size --number_ios=$2 --norandommap --randrepeat=1 >/tmp/fio.out 2>&1 ||
		{ cat /tmp/fio.out; return 1; }
}
counted() { # SOCKET MARK REQUESTS: two lengths, and before them one to warm up
	run $1 $3 || exit 1
	/build/tests/mark $2 && run $1 $3 && /build/tests/mark $(($2 + 1)) &&
		/build/tests/mark $(($2 + 2)) && run $1 $((3 * $3)) && /build/tests/mark $(($2 + 3))
}

ours() {
	cat >$conf <<CONF
device disk0
  policy nvme
  pci $disk
  export nbd /tmp/nbd.sock
CONF
	$rf run $conf &
	server=$!
	wait_for 60 running && wait_for 60 listens nbd || exit 1
	taskset -p 2 $(field export_pid) >/dev/null
	taskset -p 4 $(field driver_pid) >/dev/null
	irqs_to 2 vfio
	counted nbd 10 $1 || exit 1
	$rf stop >/dev/null
	wait $server
}

ours $1 || exit 1
LD_LIBRARY_PATH=/nbdkit/lib:$LD_LIBRARY_PATH taskset 6 /nbdkit/nbdkit -f -U /tmp/nbdkit.sock \
	/nbdkit/nbdkit-memory-plugin.so size=$size &
kit=$!
wait_for 60 listens nbdkit && counted nbdkit 20 $1 || exit 1
kill $kit
LD_LIBRARY_PATH=/qsd/lib:$LD_LIBRARY_PATH taskset 6 /qsd/qemu-storage-daemon \
	--blockdev null-co,node-name=disk,size=$size \
	--nbd-server addr.type=unix,addr.path=/tmp/qsd.sock \
	--export nbd,id=export,node-name=disk,name= &
qsd=$!
wait_for 60 listens qsd && counted qsd 30 $1 || exit 1
kill $qsd
