# SPDX-License-Identifier: MIT
# The walls a driver of a real disk has around it, as the kernel and `status` see them; what
# is not there can be demanded; and a driver that polls for ever needs one system call.
# guest: -d nvme,serial=rf0,size=256M
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
disk=$(nvme_address rf0)
config
expect walls/runs "no driver came up" serve
driver=$(field driver_pid)
# It may run before its launcher has come as far as to say which walls it put up.
told() { json=$($rf status --json) && echo "$json" | grep -q '"walls":\[.*"seccomp"'; }
expect walls/told "status names none" wait_for 60 told
$rf status
for wall in uid pid-ns mount-ns net-ns ipc-ns uts-ns cgroup-ns root cgroup orphan seized no-caps \
	no-new-privs landlock dumpable core nofile nproc fsize memlock as stack fds maps \
	boot relro \
	seccomp; do
	expect "walls/$wall" "status does not name it" sh -c "echo '$json' | grep -q '\"$wall\"'"
done
for ns in mnt net ipc uts cgroup pid; do
	expect "walls/ns/$ns" "is ringfence's own" \
		[ "$(readlink /proc/$driver/ns/$ns)" != "$(readlink /proc/$server/ns/$ns)" ]
done
# Behind it is nothing: no file, no way to make one.
expect walls/root "the root has $(ls -A /proc/$driver/root | wc -l) entries" \
	[ -z "$(ls -A /proc/$driver/root)" ]
expect walls/root-read-only "could write there" sh -c "! touch /proc/$driver/root/x 2>/dev/null"
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$driver/cgroup)
echo "$group: $(cat $group/memory.max) bytes, $(cat $group/pids.max) processes," \
	"$(cat $group/cpu.max)"
expect walls/group-memory "no limit" [ "$(cat $group/memory.max)" != max ]
expect walls/group-pids "no limit" [ "$(cat $group/pids.max)" != max ]
expect walls/group-cpu "no limit" sh -c "! grep -q max $group/cpu.max"
expect walls/group-members "$(wc -l <$group/cgroup.procs) members" \
	grep -qx $driver $group/cgroup.procs
for limit in 'file size' 'data size' 'core file' 'processes' 'open files' 'locked memory' \
	'address space'; do
	expect "walls/limit/$limit" "$(grep "$limit" /proc/$driver/limits)" \
		sh -c "grep '$limit' /proc/$driver/limits | grep -qE ' 0 +0 '"
done

# A death is told: why, to a person and to a program. The neighbour is another process.
kill -SEGV $driver
expect walls/replaced "no successor" wait_for 60 has_changed driver_pid $driver
# A death is written down once its successor serves.
expect walls/death-words "not in the log" wait_for 60 grep -q 'driver 1 got signal 11' /tmp/rf.err
grep 'driver 1 ' /tmp/rf.err
expect walls/death-json "not in deaths.jsonl" wait_for 60 \
	grep -q '"device":"disk0","generation":1,.*"signal":11.*"registers":"exit stop"' \
	/run/ringfence/deaths.jsonl
stop
expect walls/given-back "the kernel's driver does not have it back" given_back
expect walls/no-group-left "left: $group" [ ! -e $group ]

# What this kernel lacks (user-ns: root makes none) ends the start, if a policy demands it.
{ cat /build/policy/nvme.policy; echo 'demand landlock user-ns'; } >/tmp/demand.policy
config
sed -i 's|policy nvme|policy /tmp/demand.policy|' $conf
# A standby may have been asked for already, which says the same.
timeout 60 $rf run $conf 2>/tmp/refused.err
code=$?
expect walls/demand "exit code $code, not 71" [ $code = 71 ]
expect walls/demand-said "no line says why" \
	grep -q 'the policy demands the wall "user-ns"' /tmp/refused.err
{ cat /build/policy/nvme.policy; echo 'demand landlock cgroup seized'; } >/tmp/demand.policy
expect walls/demand-met "did not start although it is all there" serve
stop

# One system call, no descriptor, and the main job done, through a death.
sed 's/^spin .*/spin forever/' /build/policy/nvme.policy >/tmp/poll.policy
config
sed -i 's|policy nvme|policy /tmp/poll.policy|' $conf
expect poll/runs "no driver came up" serve
driver=$(field driver_pid)
expect poll/fds "has $(ls /proc/$driver/fd)" [ -z "$(ls /proc/$driver/fd)" ]
expect poll/locked "Seccomp is not 2" grep -q 'Seccomp:.2' /proc/$driver/status
expect poll/io "qemu-io failed" sh -c \
	"timeout 60 qemu-io -f raw -c 'write -P 7 0 1M' -c 'read -P 7 0 1M' '$uri' |
		grep -q 'read 1048576'"
kill -9 $driver
expect poll/replaced "no successor" wait_for 60 has_changed driver_pid $driver
expect poll/data "what was written is not there" sh -c \
	"timeout 60 qemu-io -f raw -c 'read -P 7 0 1M' '$uri' | grep -q 'read 1048576'"
stop
expect poll/given-back "the kernel's driver does not have it back" given_back
exit $guest_failed
