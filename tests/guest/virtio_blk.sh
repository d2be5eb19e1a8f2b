# SPDX-License-Identifier: MIT
# A virtio disk behind a fenced driver: what NBD clients write is there, over kills too. One
# with a split queue, then one with a packed one.
# guest: -d virtio-blk,serial=rf0,size=64M -d virtio-blk,serial=rf1,size=64M,packed=on
# seconds: 600
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
# through NAME N KIND SERIAL: the Nth disk, whose queue is of that kind
through() {
	name=$1 disk=$(pci_by_id 1af4:1042 $2)
	config
	sed -i 's/policy nvme/policy virtio_blk/' $conf
	expect $name/runs "no driver came up" serve
	cat /tmp/rf.err
	expect $name/$3 "its queue is of the other kind" grep -q "$3 queues" /tmp/rf.err
	expect $name/named "it is not known by its serial number" \
		sh -c "$rf status --json | grep -q '\"disk\":\"S/N $4\"'"
	timeout 30 nbdinfo "$uri"
	expect $name/write-read "qemu-io does not read back what it wrote" \
		timeout 60 qemu-io -f raw \
		-c 'write -P 0x5a 64k 1M' -c 'flush' -c 'read -P 0x5a 64k 1M' \
		-c 'write -z 64k 64k' -c 'read -P 0 64k 64k' \
		-c 'discard 1M 64k' "$uri"

	# A client that verifies, while the driver is killed.
	completed=$(field completed)
	fio --name=v --ioengine=nbd --uri="$uri" --rw=randwrite --bs=4k --iodepth=16 --size=16m \
		--verify=crc32c \
		--verify_fatal=1 --loops=4 --randseed=1 >/tmp/fio.out 2>&1 &
	client=$!
	# Drivers that die before it asked for anything are drivers that die in vain.
	wait_for 60 has_changed completed "$completed"
	kills=0
	while [ -d /proc/$client ] && [ $kills -lt 40 ]; do
		pid=$(field driver_pid)
		generation=$(field generation)
		if [ -n "$pid" ] && [ "$pid" != 0 ] && kill -9 "$pid" 2>/dev/null; then
			kills=$((kills + 1))
			wait_for 60 has_changed generation "$generation" || break
		fi
		usleep 100000
	done
	wait $client
	expect $name/verified "fio found an error, see above" [ $? = 0 ]
	[ -n "$guest_failed" ] && [ $guest_failed != 0 ] && tail -20 /tmp/fio.out
	expect $name/killed "only $kills kills" [ $kills -ge 10 ]
	echo "kills $kills"

	dd if=/dev/urandom of=/tmp/data bs=1M count=8 2>/dev/null
	expect $name/copied "nbdcopy cannot write" timeout 60 nbdcopy --flush /tmp/data "$uri"
	generation=$(field generation)
	kill -9 "$(field driver_pid)"
	wait_for 60 has_changed generation "$generation"
	expect $name/same "what comes back is something else" \
		[ "$(timeout 60 nbdcopy "$uri" - | head -c 8388608 | sha256sum)" = \
		"$(sha256sum </tmp/data)" ]
	$rf status
	stop
	expect $name/none-left "processes are left" wait_for 60 none_left
}
through virtio_blk 1 split rf0
through virtio_blk_packed 2 packed rf1
exit $guest_failed
