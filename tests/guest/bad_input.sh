# SPDX-License-Identifier: MIT
# What can be wrong from outside: files, addresses, images, limits, a disk in use, and
# each of ringfence's own processes killed. One clear line, a code, and no harm done.
# guest: -d nvme,serial=rf0,size=256M
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
disk=$(nvme_address rf0)
here=$disk

# ---- files and addresses ----
disk=0000:77:1f.7
config
disk=$here
refused bad/no-device 66 1 'there is no PCI device 0000:77:1f.7'
{ cat /build/policy/nvme.policy; echo 'colour blue'; } >/tmp/odd.policy
config
sed -i 's|policy nvme|policy /tmp/odd.policy|' $conf
refused bad/policy-key 65 1 "/tmp/odd.policy:$(wc -l </tmp/odd.policy): .*colour"
config 'colour blue'
refused bad/config-key 65 1 "$conf:5: .*colour"

# ---- images ----
head -c 8192 /dev/zero >/tmp/zeros
config 'image /tmp/zeros'
refused bad/not-elf 72 1 '/tmp/zeros is not an ELF file'
config 'image /tmp/none'
refused bad/no-image 72 1 '/tmp/none: No such file'
config 'image /usr/bin/nbdinfo'
refused bad/dynamic-image 72 - 'bad driver image'
config 'image /bin/busybox'
refused bad/fixed-address-image 72 - 'bad driver image'
head -c 3000 /build/drivers/nvme >/tmp/cut
config 'image /tmp/cut'
refused bad/cut-image 72 - 'bad driver image'

# ---- memory ----
config
refused bad/memlock 73 1 'locked-memory limit of .* KiB, and it is 8192 KiB' \
	/build/tests/no_resource_cap 8388608

# ---- in use ----
cat >/tmp/null.conf <<CONF
run-dir /tmp/other
device null
  policy null_blk
  export nbd $socket
CONF
$rf run /tmp/null.conf 2>/tmp/null.err &
null=$!
expect bad/socket-served/first "the disk that stores nothing is not served" \
	wait_for 60 timeout 10 nbdinfo --size "$uri"
refused bad/socket-served 69 1 "$socket: somebody listens there already"
expect bad/socket-served/unhurt "the first one serves no more" answers
$rf --run-dir /tmp/other stop >/dev/null
wait $null
expect bad/before-kills/none-left "processes are left" wait_for 60 none_left

/build/tests/claim "$(nvme_block rf0)" /tmp/claimed &
claim=$!
wait_for 60 [ -e /tmp/claimed ]
refused bad/claimed 69 1 "$disk is in use: disk $(nvme_block rf0) is claimed"
config 'force yes'
expect bad/claimed/force "refused in spite of force" serve
stop
kill $claim
expect bad/claimed/given-back "the kernel's driver does not have the disk" wait_for 60 given_back
config

# ---- killed ----
expect bad/kills/runs "no driver came up" serve
expect bad/kills/serves "no answer" answers
before=$(field export_pid)
kill -KILL $before
expect bad/export-killed/successor "no new export" wait_for 60 has_changed export_pid $before
expect bad/export-killed/serves "no answer" answers
expect bad/export-killed/data "reads fail" \
	timeout 30 qemu-io -f raw -c 'write -P 7 0 64k' -c 'read -P 7 0 64k' "$uri"
back() { has_changed device_pid $before && running; }
before=$(field device_pid)
kill -KILL $before
expect bad/device-killed/successor "no new device process" wait_for 60 back
expect bad/device-killed/serves "no answer" answers
expect bad/device-killed/data "what was written before is lost" \
	timeout 30 qemu-io -f raw -c 'read -P 7 0 64k' "$uri"

supervisor=$(grep -ls supervise /proc/[0-9]*/cmdline | grep -v self | head -1 | cut -d/ -f3)
expect bad/supervisor-killed/found "no supervisor process" [ -n "$supervisor" ]
[ -n "$supervisor" ] || exit 1
kill -KILL "$supervisor"
succeeded() { [ "$(field takeovers)" = 1 ] && running; }
expect bad/supervisor-killed/successor "no new supervisor" wait_for 60 succeeded
expect bad/supervisor-killed/said "not said" \
	wait_for 60 grep -q 'the supervisor died of signal 9' /tmp/rf.err
expect bad/supervisor-killed/serves "no answer" answers
expect bad/supervisor-killed/data "what was written before is lost" \
	timeout 30 qemu-io -f raw -c 'read -P 7 0 64k' "$uri"

# The keeper, which all are children of: nothing may outlive it.
kill -KILL $server
wait $server
expect bad/keeper-killed/none-left "processes are left" wait_for 60 none_left
expect bad/keeper-killed/again "no second start" serve
expect bad/keeper-killed/gave-back "not said" grep -q "without giving $disk back" /tmp/rf.err
stop
expect bad/given-back "the kernel's driver does not have it back" given_back
expect bad/none-left "processes are left" wait_for 60 none_left
exit $guest_failed
