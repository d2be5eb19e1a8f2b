# SPDX-License-Identifier: MIT
# Two disks behind VFIO, and the configuration read anew while both are served: the one that is not
# in it any more goes back to the kernel's driver, the other one goes on under a client that
# verifies; and comes again; at last a file with a mistake changes nothing.
# guest: -d nvme,serial=rf0,size=256M -d nvme,serial=rf1,size=64M -f images/job.sh
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
socket1=/tmp/disk1.sock
dir=/tmp/reload sock=$socket seed=1
mkdir -p $dir
. /images/job.sh
disk=$(nvme_address rf0)
other=$(nvme_address rf1)
config

with_other() {
	config
	printf 'device disk1\n  policy nvme\n  pci %s\n  export nbd %s\n' "$other" $socket1 >>$conf
}
load() {
	while [ ! -e $dir/stop ]; do
		verify_round $((round % 16 * 8)) || break
	done
	echo "$errors $verified" >$dir/load
}
members() {
	for m in generation driver_pid standby_pid device_pid export_pid; do field $m; done |
		tr '\n' ' '
}
more_than() { [ "$(field completed)" -gt $1 ]; }
worked() { wait_for 60 more_than $(($(field completed) + 200)); }
other_driver() { basename "$(readlink "/sys/bus/pci/devices/$other/driver")"; }
other_is_back() {
	[ "$(other_driver)" = nvme ] && [ -b "$(nvme_block rf1)" ] && [ ! -e $socket1 ]
}
both_run() { [ "$($rf status --json | grep -c '"state":"running".*"standby_pid":[1-9]')" = 2 ]; }
other_answers() { timeout 60 nbdinfo --size "nbd+unix:///?socket=$socket1" >/dev/null; }

with_other
expect reload/runs "no driver came up" serve
expect reload/both-run "the second disk does not come up" wait_for 60 both_run
load &
load=$!
expect reload/load "the client does nothing" worked
before=$(members)
config
expect reload/taken "code $?" $rf reload
expect reload/given-back "the kernel's driver does not have the disk that went" \
	wait_for 60 other_is_back
expect reload/kernel-reads "the kernel's driver cannot read it" \
	dd if="$(nvme_block rf1)" of=/dev/null bs=4k count=16 iflag=direct
expect reload/goes-on "the other one does nothing" worked
expect reload/same-processes "was $before, is $(members)" [ "$before" = "$(members)" ]
expect reload/one-note "a note on the disk that went is left" \
	[ "$(ls /run/ringfence/restore)" = "$disk" ]

with_other
expect reload/again "code $?" $rf reload
expect reload/comes-again "the second disk does not come up" wait_for 60 both_run
expect reload/answers "nobody serves it" other_answers
expect reload/same-again "was $before, is $(members)" [ "$before" = "$(members)" ]

echo nonsense >>$conf
$rf reload 2>/tmp/reload.err
code=$?
expect reload/mistake "code $code: $(cat /tmp/reload.err)" \
	[ $code = 65 -a "$(wc -l </tmp/reload.err)" = 1 ]
expect reload/nothing-changed "a device is gone" both_run
expect reload/same-still "was $before, is $(members)" [ "$before" = "$(members)" ]
touch $dir/stop
wait $load
read -r load_errors load_verified <$dir/load
expect reload/verified "errors $load_errors, verified $load_verified" \
	[ "$load_errors" = 0 -a "$load_verified" -gt 0 ]
stop
expect reload/given-back-at-last "the kernel's driver does not have the disk" given_back
expect reload/other-given-back-at-last "nor the other one" other_is_back
expect reload/nothing-left "a process is left" none_left
exit $guest_failed
