# SPDX-License-Identifier: MIT
# nic.sh - in the guest: instructions per 64-byte frame received and sent, ours and DPDK's
# testpmd. Two adapters on one cable hand the same frames to each other for ever.
# Ours: CPU 1 export and CPU 2 driver of the adapter that is counted, CPU 3 and 4 those of
# the other. testpmd: one thread on CPU 1 has both adapters. The counter's marks frame
# each run: 0x31 and 0x32 ours, 0x33 and 0x34 testpmd's.
# Arguments: POLICY VENDOR:DEVICE FRAMES FRAMES, a round with a batch and with one frame under way
. /lib/guest.sh
ulimit -l unlimited
policy=$1
rf=/build/bin/ringfence
a=$(pci_by_id $2 1) b=$(pci_by_id $2 2)
state=/tmp/counted
field() { $rf --run-dir $state status --json 2>/dev/null | sed -n "1s/.*\"$1\":\([0-9]*\).*/\1/p"; }
running() { [ "$(field generation)" = 1 ]; }
four_rounds() { [ "$(grep -c . /tmp/net.json)" = 4 ]; }

# begin DIR ADDRESS EXPORT_CPUS DRIVER_CPUS FILE ARGUMENTS
begin() {
	state=$1
	cat >$1.conf <<CONF
run-dir $1
policy-dir /tmp/policy
device net0
  policy $policy
  pci $2
  export program /build/tests/rf-netload output $5 $6
CONF
	$rf run $1.conf &
	wait_for 60 running || exit 1
	taskset -p $3 $(field export_pid) >/dev/null
	taskset -p $4 $(field driver_pid) >/dev/null
}

# ours BATCH FRAMES: as many frames under way as a batch has. The other adapter is there
# first: a frame it cannot take would be lost for good.
ours() {
	cp -r /build/policy /tmp/policy
	# never sleep
	sed -i "s/^spin .*/spin 18446744073709551615ns/" /tmp/policy/$policy.policy
	begin /tmp/other $b 8 10 /tmp/other.json "mode=forward frames=1000000000"
	begin /tmp/counted $a 2 4 /tmp/net.json "mode=forward frames=$2 rounds=4 prime=$1 marks=1"
	wait_for 120 four_rounds || {
		echo "rounds are missing; what became of the frames:"
		for state in /tmp/counted /tmp/other; do $rf --run-dir $state status --json; done
	}
	for state in /tmp/counted /tmp/other; do $rf --run-dir $state stop >/dev/null; done
	wait
	cat /tmp/net.json
	sed "s/^/ours $1 /" /tmp/net.json >>/results/net-$policy
	rm -rf /tmp/policy /tmp/net.json /tmp/other.json
}

to_vfio() {
	echo vfio-pci >/sys/bus/pci/devices/$1/driver_override
	[ ! -e /sys/bus/pci/devices/$1/driver ] || echo $1 >/sys/bus/pci/devices/$1/driver/unbind
	echo $1 >/sys/bus/pci/drivers_probe
}

# forward MARK COMMAND: testpmd does it for two seconds
forward() {
	/build/tests/mark $1
	echo "$2" >&7
	sleep 2
	echo stop >&7
	sleep 1
	/build/tests/mark 0x34
}

# testpmd BATCH
testpmd() {
	# DPDK loads plugins only from where nobody else can write.
	chmod 755 / /dpdk /dpdk/lib
	mkdir -p /var/run
	mkfifo /tmp/say
	LD_LIBRARY_PATH=/dpdk/lib /dpdk/dpdk-testpmd -l 0,1 --main-lcore 0 \
		--in-memory --no-telemetry \
		$(sed 's/^/-d /' /dpdk/drivers) -a $a -a $b -- -i --forward-mode=io --nb-cores=1 \
		--burst=$1 --total-num-mbufs=4096 --no-lsc-interrupt </tmp/say \
		>/tmp/testpmd.out 2>&1 &
	run=$!
	exec 7>/tmp/say
	ready() { grep -q 'testpmd>' /tmp/testpmd.out; }
	wait_for 90 ready || { cat /tmp/testpmd.out; exit 1; }
	# What it prints comes out when it ends.
	forward 0x35 start
	for round in 1 2 3; do forward 0x33 "start tx_first 1"; done
	echo quit >&7
	exec 7>&-
	wait $run
	cp /tmp/testpmd.out /results/testpmd-$policy-$1
	rm /tmp/say
}

ours 32 $3
ours 1 $4
to_vfio $a
to_vfio $b
testpmd 32
testpmd 1
