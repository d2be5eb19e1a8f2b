# SPDX-License-Identifier: MIT
# block.sh - in the guest: instructions per 4 KiB read at depth 32, ours and the
# kernel's. CPU 1: export or fio; CPU 2: driver, of several queues 2 and more. The counter's marks
# frame each run.
# Arguments: irq|sleep|polled|polled-4q|kernel|qd1 (the kernel's first, then ours by interrupts)
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

driver_of() { # QUEUE
	$rf status --json 2>/dev/null | grep -o "\"queue\":$1,[^}]*" |
		sed -n 's/.*"pid":\([1-9][0-9]*\).*/\1/p'
}
runs() { [ -n "$(driver_of $1)" ]; }
# Each queue's driver, and both its interrupts, on a processor of its own.
apart() { # QUEUES
	for q in $(seq 0 $(($1 - 1))); do
		wait_for 60 runs $q || return 1
		taskset -p $((4 << q)) $(driver_of $q) >/dev/null
		irqs_to $((q + 2)) "vfio-msix\\[($((2 * q + 1))|$((2 * q + 2)))\\]"
	done
}

ours() { # SPIN REQUESTS DEPTH [QUEUES]
	queues=${4:-1}
	cp -r /build/policy /tmp/policy
	sed -i "s/^spin .*/spin $1/" /tmp/policy/nvme.policy
	load="mode=randread bs=4096 qd=$3 requests=$2 rounds=4 marks=1 pin=1 seed=1 queues=$queues"
	cat >$conf <<CONF
policy-dir /tmp/policy
device disk0
  policy nvme
  pci $disk
  queues $queues
  export program /build/tests/rf-load output /tmp/load.json $load
CONF
	$rf run $conf &
	wait_for 60 running || exit 1
	apart $queues || exit 1
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

never=18446744073709551615ns # it sleeps
case $1 in
irq) ours 20us 20000 32 ;; # as shipped
sleep) ours 0us 20000 32 ;;
polled) ours $never 20000 32 ;;
polled-4q) ours $never 20000 32; ours $never 80000 128 4 ;; # as many and as deep in each queue
kernel) kernel 20000 32; kernel 60000 32 ;;
qd1) kernel 2000 1; kernel 6000 1; ours 20us 4000 1 ;;
esac
