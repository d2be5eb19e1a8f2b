# SPDX-License-Identifier: MIT
# block.sh - in the guest: instructions per 4 KiB read at depth 32, ours and the
# kernel's. CPU 1: export or fio; CPU 2: driver. The counter's marks frame each run.
# Arguments: irq|sleep|polled|kernel|qd1 (the kernel's first, then ours by interrupts)
. /lib/guest.sh
. /lib/serving.sh
ulimit -l unlimited
disk=$(nvme_address rf0)
block=$(nvme_block rf0)
irqs_to() { # CPU NAME
	for n in $(grep -aE "$2" /proc/interrupts | sed 's/:.*//'); do
		echo $1 >/proc/irq/$n/smp_affinity_list 2>/dev/null
	done
}

ours() { # SPIN REQUESTS DEPTH
	cp -r /build/policy /tmp/policy
	sed -i "s/^spin .*/spin $1/" /tmp/policy/nvme.policy
	load="mode=randread bs=4096 qd=$3 requests=$2 rounds=4 marks=1 pin=1 seed=1"
	cat >$conf <<CONF
policy-dir /tmp/policy
device disk0
  policy nvme
  pci $disk
  export program /build/tests/rf-load output /tmp/load.json $load
CONF
	$rf run $conf &
	wait_for 60 running || exit 1
	taskset -p 4 $(field driver_pid) >/dev/null
	irqs_to 2 vfio
	wait
	cat /tmp/load.json
	rm -rf /tmp/policy /tmp/load.json
}

kernel() { # REQUESTS DEPTH
	batch="--iodepth_batch_submit=16 --iodepth_batch_complete_min=8"
	batch="$batch --iodepth_batch_complete_max=32"
	[ $2 != 1 ] || batch=
	irqs_to 1 nvme
	/build/tests/mark 0x31
	taskset 2 fio --name=k --filename=$block --ioengine=io_uring --fixedbufs \
		--registerfiles --direct=1 --rw=randread --bs=4k --iodepth=$2 $batch \
		--number_ios=$1 --norandommap --randrepeat=1 \
		--thread >/dev/null
	/build/tests/mark 0x32
}

case $1 in
irq) ours 20us 20000 32 ;; # as shipped
sleep) ours 0us 20000 32 ;;
polled) ours 18446744073709551615ns 20000 32 ;; # never sleep
kernel) kernel 20000 32; kernel 60000 32 ;;
qd1) kernel 2000 1; kernel 6000 1; ours 20us 4000 1 ;;
esac
