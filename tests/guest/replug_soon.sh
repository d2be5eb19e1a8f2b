# SPDX-License-Identifier: MIT
# A disk is wanted as soon as it is there: put back into the machine, or given back by the run
# before, while the kernel's driver still brings it up in the background. It is left to that driver
# until it is done, and served then; taken sooner, the driver would fail and unbind vfio-pci.
# guest: -d nvme,serial=rf0,size=64M -d nvme,serial=rf1,size=64M
# seconds: 600
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
address=/sys/bus/pci/devices/$disk
state() { $rf status --json 2>/dev/null | sed -n 1p | grep -q "\"state\":\"$1\""; }
failures() { dmesg | grep -c 'nvme.*after probe failure'; }

config
printf 'device disk1\n  policy nvme\n  pci %s\n  export nbd /tmp/disk1.sock\n' \
	$(nvme_address rf1) >>$conf
expect soon/serves "see the log" serve
round=0
while [ $round -lt 12 ]; do
	round=$((round + 1))
	echo 1 >$address/remove &
	remover=$!
	wait_for 60 state failed && wait_for 60 [ ! -e $address ] || break
	wait $remover
	echo 1 >/sys/bus/pci/rescan
	wait_for 60 [ -e $address ] || break
	$rf restart disk0 >/dev/null
	wait_for 60 state running || break
done
expect soon/put-back "round $round: $($rf status); $(tail -3 /tmp/rf.err)" state running
# One that the kernel's driver got back when it was half removed fails in its hands, too.
before=$(failures)
round=0
while [ $round -lt 6 ]; do
	round=$((round + 1))
	stop
	serve || break
done
expect soon/given-back "round $round: $(tail -3 /tmp/rf.err)" state running
expect soon/undisturbed "$(dmesg | grep nvme | tail -50)" [ "$(failures)" = $before ]
stop
cat /tmp/rf.err
expect soon/at-last "the kernel's driver does not have it back" given_back
exit $guest_failed
