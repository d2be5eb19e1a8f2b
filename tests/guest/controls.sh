# SPDX-License-Identifier: MIT
# The verifier notices what recovery is there to prevent: with reissue off it reports
# loss, with a damaged block it reports corruption, and without either it reports none.
# guest: -d nvme,serial=rf0,size=256M
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
config
verifier() { # MORE ARGUMENTS
	timeout 90 fio --name=v --ioengine=nbd --uri="$uri" --bs=4k --size=8m \
		--iodepth=32 --verify=crc32c --verify_fatal=1 --randseed=7 "$@" >/tmp/fio.log 2>&1
}
fails() { ! "$@"; }

serve
expect controls/undamaged "fio sees an error" verifier --rw=write --do_verify=1
stop
# Given back, the disk may have another number.
has_block() { [ -b "$(nvme_block rf0)" ]; }
wait_for 60 has_block
expect controls/damage-done "cannot write to the disk" \
	dd if=/dev/urandom of="$(nvme_block rf0)" bs=4k seek=100 \
	count=1 oflag=direct conv=notrunc,fsync
serve
expect controls/damaged-block "a damaged block was not noticed" fails verifier --rw=read
stop
lax no-reissue
serve
/build/tests/killer disk0 20 3 8 50 /tmp/stop >/dev/null 2>&1 &
killer=$!
lost=0
while [ ! -e /tmp/stop ] && [ $lost = 0 ]; do verifier --rw=randwrite --do_verify=1 || lost=1; done
kill $killer 2>/dev/null
expect controls/no-reissue "requests were dropped and nobody noticed" [ $lost = 1 ]
stop
exit $guest_failed
