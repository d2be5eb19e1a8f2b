# SPDX-License-Identifier: MIT
# The device process is killed under a client that verifies, again and again: the device is
# opened anew, the export goes on, and no request fails.
# guest: -d nvme,serial=rf0,size=256M
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
kills=5

load='mode=randrw verify=1 bs=4096 qd=32 span=16M requests=1000 rounds=100000 seed=3'
cat >$conf <<CONF
device disk0
  policy nvme
  pci $disk
  export program /build/tests/rf-load output /tmp/load.json $load
CONF
progress() { [ "$(field completed)" -gt $1 ]; }
# The process that took over has the device, and work gets done by its driver.
killed() {
	wait_for 60 progress $(($(field completed) + 500)) || return 1
	kill_pid=$(field device_pid)
	kill -9 "$kill_pid"
	wait_for 60 has_changed device_pid "$kill_pid" && wait_for 60 running &&
		wait_for 60 progress $(($(field completed) + 500))
}
expect device-process/serves "see the log" serve
export_pid=$(field export_pid)
for n in $(seq $kills); do
	expect device-process/kill-$n "no successor, or nothing done by it" killed
done
expect device-process/counted "$(field process_deaths) deaths counted" \
	[ "$(field process_deaths)" = $kills ]
expect device-process/export-lives "the export was replaced" \
	[ "$(field export_pid)" = "$export_pid" ]
expect device-process/no-error "$(field failed) requests failed" [ "$(field failed)" = 0 ]
stop
cat /tmp/rf.err
expect device-process/verified \
	"$(grep -vc '"errors":0,"mismatches":0' /tmp/load.json) rounds with errors" \
	sh -c 'grep -q "errors\":0,\"mismatches\":0" /tmp/load.json &&
		! grep -v "errors\":0,\"mismatches\":0" /tmp/load.json'
expect device-process/given-back "the kernel's driver does not have it back" given_back
exit $guest_failed
