# SPDX-License-Identifier: MIT
# A hostile NVMe driver sends the device's DMA to whatever it must not reach. Judged by what
# then lies there: the device calls each of these commands a success.
# guest: -d nvme,serial=rf0,size=4G -d nvme,serial=rf1,size=64M -a iomem=relaxed
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
. /tests/guest/attacks.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
other=$(nvme_address rf1)
bar=/sys/bus/pci/devices/$disk/resource0
look=/build/tests/peek

attack outside exact-dma-map "write outside the arena, right behind it"
attack straddle exact-dma-map "write across the arena's end"
attack neighbours exact-dma-map "write to the pages beside each mapped part, all six"
attack read-outside exact-dma-map "have the device read trusted memory behind the arena"
attack machine-address iommu "write to the boot record by its machine address"
attack other-arena iommu "write to another driver's arena by its machine address"
attack own-bar iommu "write to its own device's registers by DMA"
attack msix-table exact-windows "touch the MSI-X table"
attack msix-pba exact-windows "touch the MSI-X pending bits"
attack registers exact-windows "touch the controller's registers"

# ---- with every wall --------------------------------------------------------------------
hostile_and_honest() {
	config "image /build/fault/evil_nvme" "$@"
	printf 'device disk1\n  policy nvme\n  pci %s\n  export nbd /tmp/disk1.sock\n' \
		$other >>$conf
	serve && client w:0:65536:0xa5 w:0x100000:65536:0x5a &&
		wait_for 60 has_changed standby_pid 0 && layout
}
expect attack/dma/runs "no driver came up" hostile_and_honest
second() { $rf status --json | sed -n "2s/.*\"$1\":\([0-9]*\).*/\1/p"; }
there() { [ -n "$(second device_pid)" ] && [ "$(second device_pid)" != 0 ]; }
wait_for 60 there
# The weapon hits where it may: at the arena's last page.
data=$(memory $(field device_pid) rf-data)
last=$(((arena_end - arena) / 4096 - 1))
before=$(page $data $last)
order $SHOOT $((arena_end - 4096))
expect attack/dma/armed "a read does not even reach the arena" \
	[ "$(page $data $last)" != "$before" ]

before=$(page $boot 0)$(page $boot 1)
intact() { [ "$(page $boot 0)$(page $boot 1)" = "$before" ]; }
order $SHOOT $arena_end $((arena_end + 4096))
stops outside "boot records intact" intact
order $STRADDLE $arena_end
stops straddle "boot records intact" intact
order $SHOOT $((arena - 4096)) $arena_end $((queues - 4096)) $queues_end $((admin - 4096)) \
	$admin_end
stops neighbours "boot records intact, 6 tries" intact
order $SHOOT $($look phys $boot 0) $($look phys $boot 4096)
stops machine-address "boot records intact" intact
client w:65536:4096:0x11
order $LEAK $arena_end
secret() { client x:65536:4096 && grep -q '72 66 63 65 62 6f 6f 74' /tmp/io.log; }
not_secret() { ! secret; }
stops read-outside "no byte of a boot record on the disk" not_secret
theirs=$(memory $(second device_pid) rf-data)
before=$(page $theirs 100)
order $SHOOT $($look phys $theirs 409600)
stops other-arena "the neighbour's page intact" [ "$(page $theirs 100)" = "$before" ]
aqa=$($look reg $bar 0x24)
order $SHOOT $(cut -d' ' -f1 /sys/bus/pci/devices/$disk/resource | head -1)
stops own-bar "register AQA is $aqa as before" [ "$aqa $($look reg $bar 0x24)" = "0xf000f $aqa" ]

# Distances from the doorbells' page.
dies msix-table order $TOUCH 0x1000
dies msix-pba order $TOUCH 0x2000
dies registers order $TOUCH 0xfffff000
expect attack/dma/goes-on "$(cat /tmp/io.log)" client r:0x100000:65536:0x5a
stop
cat /tmp/rf.err

# ---- controls: rf-device with these walls left out ------------------------------------------
hostile wide-windows
client w:65536:4096:0x11
order $LEAK $arena_end
shown read-outside "the boot record was on the disk" secret
hit() { [ "$(od -An -tx8 -N8 $boot | tr -d ' ')" = a5a5a5a5a5a5a5a5 ]; }
heal() { dd if=/dev/zero of=$boot bs=4096 count=1 conv=notrunc 2>/dev/null; }
order $SHOOT $arena_end
shown outside "boot record overwritten" hit
heal
order $STRADDLE $arena_end
shown straddle "boot record overwritten" hit
missed=0
for place in $((arena - 8192)) $arena_end $((queues - 8192)) $queues_end $((admin - 8192)) \
	$admin_end; do
	heal
	order $SHOOT $place
	hit || missed=$((missed + 1))
done
shown neighbours "boot record overwritten, from each side" [ $missed = 0 ]
# A masked vector: what a driver that has the table can do to any of them.
order $POKE $((0x1000 + 16 * 5 + 12 + (1 << 32)))
shown msix-table "vector 5 changed" [ "$($look reg $bar 0x205c)" = 0x1 ]
order $POKE $((0x1000 + 16 * 5 + 12))
order $TOUCH 0x2000
shown msix-pba "read" [ "$(field deaths)" = 0 ]
order $TOUCH 0xfffff000
shown registers "read" [ "$(field deaths)" = 0 ]
# The entry behind the last command holds what an earlier start sent, which runs again. Poison would
# have been answered by status 1, invalid opcode. One is enough: further on there are old deletions
# of the driver's own queue.
admin_pages=$(memory $(field device_pid) rf-admin)
sent=$(od -An -tu2 -j4096 -N256 $admin_pages | awk '$8 % 2 { n++ } END { print n + 0 }')
order $POKE $(((sent + 1) << 32))
status() { od -An -tu2 -j$((4096 + 16 * $1 + 14)) -N2 $admin_pages | tr -d ' '; }
again() { [ $(($(status $sent) & 1)) = 1 ] && [ $(($(status $sent) >> 1 & 0xff)) != 1 ]; }
answers() { od -An -tx4 -j4096 -N128 $admin_pages | tr '\n' ' '; }
expect attack/dma/replay-control \
	"the old command behind number $sent did not run again: $(answers)" again
again && echo "control replay|the controller ran an old command again"
not_shown own-bar "no build maps registers for the device"
shown_elsewhere machine-address
shown_elsewhere other-arena
stop
expect attack/dma/given-back "the kernel's driver does not have it back" given_back
rows dma
exit $guest_failed
