# SPDX-License-Identifier: MIT
# appliance.sh - in the guest: two NVMe disks and two NICs of one kind. One of each is
# behind fenced drivers, with rf-lwip between them; the others are the kernel's, with nbdkit
# between them. Clients are outside: see appliance. What they want is heard on port 7.
. /lib/guest.sh
ulimit -l unlimited
disk=$(nvme_address rf0) && block=$(nvme_block rf1) || { echo "no disks"; exit 1; }
nic=$(pci_by_id 1af4:1041) || { echo "no NIC"; exit 1; }
cat >/tmp/rf.conf <<CONF
device disk0
  policy nvme
  pci $disk
  export lwip nic0
device nic0
  policy virtio_net
  pci $nic
  export lwip
  address 10.0.2.15/24
  gateway 10.0.2.2
  disk disk0 lwip-tcp *:10809 allow 10.0.2.0/24
CONF
rf=/build/bin/ringfence
$rf run /tmp/rf.conf &
server=$!
up() {
	[ "$($rf status --json | grep -c '"generation":[1-9]')" = 2 ] &&
		[ "$($rf status --json | grep -c '"export_pid":[1-9]')" = 2 ]
}
wait_for 60 up || { $rf status; exit 1; }
module virtio_pci
module virtio_net
wait_for 60 ip link set eth0 up || { echo "the kernel has no NIC"; exit 1; }
ip addr add 10.0.3.15/24 dev eth0
ip route add default via 10.0.3.2
LD_LIBRARY_PATH=/nbdkit/lib:$LD_LIBRARY_PATH /nbdkit/nbdkit -f -p 10809 \
	/nbdkit/nbdkit-file-plugin.so file=$block &
kit=$!
echo "appliance: serving"
# A number is a mark for the instruction counter; `end` ends it.
cat >/tmp/hear <<'HEAR'
while read -r word; do
	[ "$word" != end ] || break
	/build/tests/mark "$word"
	echo "$word"
done
HEAR
nc -l -p 7 -e sh /tmp/hear
errors=$($rf status --json | sed -n '1s/.*"client_errors":\([0-9]*\).*/\1/p')
kill $kit
$rf stop >/dev/null
wait $server && [ "$errors" = 0 ]
