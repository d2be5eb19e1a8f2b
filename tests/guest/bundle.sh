# SPDX-License-Identifier: MIT
# Bundles of drivers behind VFIO. One whose DMA went where it may not: what the kernel said of
# that, the registers, how it was reset and in what time. And of a NIC's driver.
# guest: -d nvme,serial=rf0,size=4G -d e1000e
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
. /tests/guest/attacks.inc
ulimit -l unlimited
disk=$(nvme_address rf0)

# told DEVICE: its last report is in /tmp/report
told() { $rf bundle $1 >/tmp/report 2>/dev/null && [ -s /tmp/report ]; }
says() { grep -qE "$1" /tmp/report; }
us='[1-9][0-9]* us'
# died NAME DEVICE METHOD: what every report has
died() {
	expect bundle/$1/there "no bundle: $(cat /tmp/rf.err)" wait_for 60 told $2
	cat /tmp/report
	expect bundle/$1/cause "it does not say how it died" \
		says "^$2: driver [0-9]+ got signal 11 .SIGSEGV."
	expect bundle/$1/where "no instruction pointer, or no function" \
		says "^  at   image\+0x[0-9a-f]+  [a-z0-9_]+\+0x"
	expect bundle/$1/registers "no registers" says "rip +0000[0-9a-f]{12}"
	expect bundle/$1/reset "no reset, or no time" \
		says "^Reset: $3, quiet after $us, the next driver ran after $us"
}

expect bundle/dma/serves "no driver came up: $(cat /tmp/rf.err)" hostile
expect bundle/dma/none-yet "$($rf bundle)" [ -z "$($rf bundle)" ]
order $SHOOT $arena_end
faulted() { dmesg | grep -q 'DMAR: .*DMA'; }
expect bundle/dma/fault "the kernel said nothing" wait_for 60 faulted
kill -SEGV $(field driver_pid)
died dma disk0 queue
expect bundle/dma/fault-told "no fault" says "^  DMAR: \[DMA (Read|Write).*$(echo $disk | cut -c6-)"
expect bundle/dma/device-register "no register of the device" says "BAR0\+0x1c CSTS = 0x1$"
expect bundle/dma/requests "no requests" says "^  [0-9a-f]{8} write"
expect bundle/dma/listed "$($rf bundle)" \
	sh -c "$rf bundle |
		grep -qE '^ +1  [0-9-]{10} [0-9:]{8}  disk0: driver [0-9]+ got signal 11'"
stop
expect bundle/given-back "the kernel's driver does not have it back" given_back

module tun
cat >$conf <<CONF
device nic0
  policy e1000e
  pci $(pci_by_id 8086:10d3)
  export tap rf0
CONF
expect bundle/nic/serves "no driver came up: $(cat /tmp/rf.err)" serve
# The interface says by itself that it is there.
sent() { [ "$(cat /sys/class/net/rf0/statistics/tx_packets)" -gt 0 ]; }
ip link set rf0 up
expect bundle/nic/sent "no frame" wait_for 60 sent
kill -SEGV $(field driver_pid)
died nic nic0 soft
expect bundle/nic/device-register "no register of the device" says "BAR0\+0 CTRL = 0x"
expect bundle/nic/frames "no frame" says "^  +[0-9]+ bytes at arena"
expect bundle/nic/no-fault "of another's death: $(cat /tmp/report)" eval '! says "DMAR: .DMA"'
stop
cat /tmp/rf.err
exit $guest_failed
