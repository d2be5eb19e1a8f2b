# SPDX-License-Identifier: MIT
# A hostile NVMe driver wants the controller to obey it: commands forged in the admin queue by
# DMA, old ones run again by the admin doorbell, completions forged. Judged by the queue's
# memory, by the data on the disk, and by whether the disk still serves.
# guest: -d nvme,serial=rf0,size=4G,id=nv0 -d nvme,serial=rf1,size=64M -a iomem=relaxed
# guest: -q -drive -q if=none,id=second,driver=null-co,size=64M,read-zeroes=on -l -device
# guest: -l nvme-ns,drive=second,bus=nv0,nsid=2
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
. /tests/guest/attacks.inc
ulimit -l unlimited
disk=$(nvme_address rf0)

attack admin-dma read-only-map "write to the admin submission queue by a disk read"
attack format read-only-map "format the disk by a forged admin command"
attack detach read-only-map "detach the namespace by a forged admin command"
attack queues read-only-map "make and delete queues by forged admin commands"
attack firmware read-only-map "sanitize, commit firmware, delete a namespace by forged commands"
attack opcodes separate-queues "admin opcodes in its own queue"
attack replay poison "ring the admin doorbell, the queue full of what was sent last"
attack completions registers-confirm "forge completions of the admin queue, then die"

# sqe FIRST_DWORD NSID CDW10 CDW11 PRP1: one command
sqe() {
	le 4 $1; le 4 $2; le 8 0; le 8 0; le 8 $5; le 8 0; le 4 $3; le 4 $4; le 8 0; le 8 0
}
# Commands that were answered since it was enabled, fewer than 16: the next entry's number.
sent() {
	od -An -tu2 -j4096 -N256 $(memory $(field device_pid) rf-admin) |
		awk '$8 % 2 { n++ } END { print n + 0 }'
}
# forge OPCODE NSID CDW10 CDW11: the first 16 entries of a queue, the first of them also a
# controller list that names controller 0
forge() {
	sqe $(($1 | 0x4000 << 16)) $2 $3 $4 $admin >/tmp/command
	{
		sqe 1 0 0 0 0
		for forge_i in $(seq 15); do cat /tmp/command; done
	} >/tmp/forged
	client f:0:/tmp/forged
	order $SHOOT $admin
	tail=$((tail + 1))
	order $POKE $((tail << 32))
}
queue() { page $(memory $(field device_pid) rf-admin); }
data_is_there() { client r:0x100000:65536:0x5a; }
gone() { ! data_is_there; }

# ---- with every wall ----------------------------------------------------------------------
expect attack/admin/runs "no driver came up" hostile
tail=$(sent)
before=$(queue)
order $SHOOT $admin
stops admin-dma "the queue is as it was" [ "$(queue)" = "$before" ]
forge 0x80 1 0 0
stops format "the data is there" data_is_there
forge 0x15 1 1 0
stops detach "the data is there" data_is_there
# Submission queue 2, where the admin queue lies; then away with number 1. QEMU itself ends
# when its controller obeys the second.
forge 0x01 0 $((2 | 15 << 16)) $((1 | 1 << 16))
forge 0x00 0 1 0
stops queues "the disk serves" data_is_there
for opcode in 0x84 0x10 0x0d; do forge $opcode 1 0 0; done
stops firmware "the queue is as it was" [ "$(queue)" = "$before" ]
order $OPCODE 0x180 0x184 0x110
stops opcodes "the data is there" data_is_there
stop

expect attack/admin/again "no driver came up" hostile
# One recovery, so that the commands of two generations were in the queue.
recovered() {
	old=$(field driver_pid) && kill -9 $old && wait_for 60 has_changed driver_pid $old &&
		data_is_there
}
expect attack/admin/recovers "see the log" recovered
layout
deaths=$(field deaths)
for tail in 5 9 15 2 4 7 14 1 3; do order $POKE $((tail << 32)); done
served() { data_is_there && [ "$(field deaths)" = "$deaths" ]; }
stops replay "the disk serves, no driver died" served
expect attack/admin/after-replay "see the log" recovered

# Completions that say of the next two commands (delete both queues) that they are done.
layout
acq=$(memory $(field device_pid) rf-admin)
next=$(sent)
cid=$(od -An -tu2 -j$((4096 + (next - 1) * 16 + 12)) -N2 $acq | tr -d ' ')
{
	dd if=$acq bs=4096 skip=1 count=1 2>/dev/null | head -c $((16 * next))
	for n in 1 2; do le 8 0; le 4 0; le 2 $((cid + n)); le 2 1; done
} >/tmp/forged
head -c 512 /tmp/forged >/tmp/block
dd if=/dev/zero bs=1 count=$((512 - $(wc -c </tmp/block))) 2>/dev/null >>/tmp/block
client f:0:/tmp/block
order $SHOOT $((admin + 4096))
expect attack/admin/forged "the forged completions did not arrive" \
	[ "$(od -An -tu2 -j$((4096 + next * 16 + 12)) -N2 $acq | tr -d ' ')" = $((cid + 1)) ]
stops completions "a successor serves, the data is there" recovered

# ---- what is not stopped: legal commands --------------------------------------------------------
client w:0x800000:4096:0x77
# other BLOCK NAMESPACE BYTE: what the driver got in the place of what was asked for
other() {
	# The argument stays set: the second read is the same order, with its answer shown.
	order $OTHER $(($1 + ($2 << 32))) && client x:$((0x80000000 + OTHER * 0x100000)):512 &&
		grep -q "$3 $3 $3 $3" /tmp/io.log
}
expect remains/other-blocks "another block was refused" other $((8 * 256)) 1 77
expect remains/other-namespace "another namespace was refused" other 256 2 00
echo "remains read and write any block of the disk, by legal commands"
echo "remains read and write other namespaces of the controller, by legal commands"
stop

# ---- controls ------------------------------------------------------------------------------------
hostile admin-writable
tail=$(sent)
before=$(queue)
order $SHOOT $admin
shown admin-dma "overwritten" [ "$(queue)" != "$before" ]
forge 0x80 1 0 0
shown format "the data is gone" gone
# The entry of the completion queue that belongs to the last command forged.
acq=$(memory $(field device_pid) rf-admin)
answer() {
	od -An -tu2 -j$((4096 + 16 * (tail - 1) + 12)) -N4 $acq | awk '{ print $1, int($2 / 2) }'
}
forge 0x01 0 $((2 | 15 << 16)) $((1 | 1 << 16))
made() { [ "$(answer)" = "16384 0" ]; }
shown queues "the controller made a queue of the driver's" wait_for 60 made
stop
not_shown detach "QEMU's controller is in no subsystem, so nothing can be detached"
not_shown firmware "QEMU's controller has none of the three commands"
echo "$(cat /tmp/attack/format.control) (the same opcode in the admin queue)" \
	>/tmp/attack/opcodes.control
not_shown completions "there is nothing to take out: no decision rests on a completion alone"
shown_elsewhere replay
expect attack/admin/given-back "the kernel's driver does not have it back" wait_for 60 given_back
rows admin
exit $guest_failed
