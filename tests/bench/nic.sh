# SPDX-License-Identifier: MIT
# nic.sh - in the guest: instructions per 64-byte frame received and sent, ours and DPDK's
# testpmd. Two adapters on one cable hand the same frames to each other for ever.
# Ours: CPU 1 export and CPU 2 driver of the adapter that is counted, CPU 3 and 4 those of
# the other. testpmd: one thread on CPU 1 has both adapters. The counter's marks frame
# each run: 0x31 and 0x32 ours, 0x33 and 0x34 testpmd's.
# Arguments: POLICY VENDOR:DEVICE
. /lib/guest.sh
ulimit -l unlimited
policy=$1
rf=/build/bin/ringfence
a=$(pci_by_id $2 1) b=$(pci_by_id $2 2)
field() { $rf status --json 2>/dev/null | sed -n "$1s/.*\"$2\":\([0-9]*\).*/\1/p"; }
both_run() { [ "$(field 1 generation)" = 1 ] && [ "$(field 2 generation)" = 1 ]; }

# ours BATCH FRAMES: as many frames under way as a batch has
ours() {
	cp -r /build/policy /tmp/policy
	# never sleep
	sed -i "s/^spin .*/spin 18446744073709551615ns/" /tmp/policy/$policy.policy
	cat >/tmp/rf.conf <<CONF
policy-dir /tmp/policy
device net0
  policy $policy
  pci $a
  export load /tmp/net.json mode=forward batch=32 frames=$2 rounds=4 prime=$1 marks=1
device net1
  policy $policy
  pci $b
  export load /tmp/other.json mode=forward batch=32 frames=1000000000
CONF
	$rf run /tmp/rf.conf &
	run=$!
	wait_for 60 both_run || exit 1
	taskset -p 2 $(field 1 export_pid) >/dev/null
	taskset -p 4 $(field 1 driver_pid) >/dev/null
	taskset -p 8 $(field 2 export_pid) >/dev/null
	taskset -p 10 $(field 2 driver_pid) >/dev/null
	four_rounds() { [ "$(grep -c . /tmp/net.json)" = 4 ]; }
	wait_for 120 four_rounds || echo "rounds are missing"
	$rf stop >/dev/null
	wait $run
	cat /tmp/net.json
	sed "s/^/ours $1 /" /tmp/net.json >>/results/net-$policy
	rm -rf /tmp/policy /tmp/net.json /tmp/other.json
}

to_vfio() {
	echo vfio-pci >/sys/bus/pci/devices/$1/driver_override
	[ ! -e /sys/bus/pci/devices/$1/driver ] || echo $1 >/sys/bus/pci/devices/$1/driver/unbind
	echo $1 >/sys/bus/pci/drivers_probe
}

# testpmd BATCH
testpmd() {
	# DPDK loads plugins only from where nobody else can write.
	chmod 755 / /dpdk /dpdk/pmd
	mkdir -p /var/run
	mkfifo /tmp/say
	LD_LIBRARY_PATH=/dpdk/lib /dpdk/dpdk-testpmd -l 0,1 --main-lcore 0 --in-memory --no-telemetry \
		$(for p in /dpdk/pmd/*.so; do echo -d $p; done) -a $a -a $b -- -i --forward-mode=io --nb-cores=1 \
		--burst=$1 --total-num-mbufs=4096 --no-lsc-interrupt </tmp/say >/tmp/testpmd.out 2>&1 &
	run=$!
	exec 7>/tmp/say
	ready() { grep -q 'testpmd>' /tmp/testpmd.out; }
	wait_for 90 ready || { cat /tmp/testpmd.out; exit 1; }
	for round in 1 2 3; do
		: >/tmp/testpmd.out
		/build/tests/mark 0x33
		echo "start tx_first 1" >&7
		sleep 2
		echo stop >&7
		done_now() { grep -q '^Done' /tmp/testpmd.out; }
		wait_for 30 done_now || { cat /tmp/testpmd.out; exit 1; }
		/build/tests/mark 0x34
		grep -a -A1 'Accumulated forward statistics' /tmp/testpmd.out
		frames=$(grep -a -A1 'Accumulated forward statistics' /tmp/testpmd.out | sed -n 's/.*RX-packets: \([0-9]*\).*/\1/p')
		echo "testpmd $1 $frames" >>/results/net-$policy
	done
	echo quit >&7
	exec 7>&-
	wait $run
	rm /tmp/say
}

ours 32 20000
ours 1 3000
to_vfio $a
to_vfio $b
testpmd 32
testpmd 1
