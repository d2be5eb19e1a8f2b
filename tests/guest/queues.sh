# SPDX-License-Identifier: MIT
# Four queues of an NVMe controller, a driver each, behind an IOMMU: requests go to all of them,
# one driver dies again and again under clients that verify, and no other driver ends for it. Then
# the most queues there may be, while every other process dies and the whole controller is reset. A
# controller that grants two queues is served by two, or not at all if four are demanded.
# guest: -d nvme,serial=rf0,size=64M -d nvme,serial=rf1,size=64M,max_ioqpairs=2
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
ulimit -l unlimited
kills=20 victim=2 others='0 1 3'

# of_queue KEY QUEUE: a number of that queue's status: pid, died, answered
of_queue() {
	$rf status --json 2>/dev/null | grep -o "\"queue\":$2,[^}]*" |
		sed -n "s/.*\"$1\":\([0-9]*\).*/\1/p"
}
# of_queues KEY [QUEUE...]: the same of each, in one line
of_queues() {
	key=$1
	shift
	for q; do of_queue $key $q; done | tr '\n' ' '
}
runs() { [ "$(of_queue pid $1)" -gt 0 ] 2>/dev/null; }
all_run() { for q; do runs $q || return 1; done; }
answered() { [ "$(of_queue answered $1)" -gt $2 ] 2>/dev/null; }
all_answer() { for q; do answered $q 0 || return 1; done; }
succeeded() { runs $victim && [ "$(of_queue pid $victim)" != $1 ]; }
# The victim dies KILLS times; each successor answers.
killed() {
	for n in $(seq $kills); do
		pid=$(of_queue pid $victim)
		kill -KILL $pid
		wait_for 60 succeeded $pid || return 1
		wait_for 60 answered $victim $(of_queue answered $victim) || return 1
	done
}
# Every method that ended a driver's queue, with how often it did.
methods() {
	$rf recoveries disk0 | sed -n 's/.*"method":"\([a-z]*\)".*/\1/p' | sort | uniq -c |
		tr -s ' \n' ' '
}
# Rounds of writes that are read back, on four connections, until /tmp/enough is there.
write_and_verify() {
	for round in $(seq 1000); do
		timeout 300 fio --name=v --ioengine=nbd --uri="$uri" --rw=randwrite --bs=4k \
			--size=1m --offset=16m --offset_increment=4m --numjobs=4 --thread \
			--iodepth=8 --verify=crc32c --verify_state_save=0 --do_verify=1 \
			--verify_fatal=1 --randseed=$round >/tmp/fio.out 2>&1 || return 1
		[ ! -e /tmp/enough ] || return 0
	done
	echo "nobody said that it was enough" >>/tmp/fio.out
	return 1
}

# ---- a death costs its own queue ----
disk=$(nvme_address rf0)
config 'queues 4'
expect queues/serves "see the log" serve
expect queues/four-drivers "pids $(of_queues pid 0 1 2 3)" wait_for 60 all_run 0 1 2 3
/build/tests/nbd_verify $socket seconds=3600 readers=6 depth=4 largest=65536 >/tmp/read.out 2>&1 &
reader=$!
write_and_verify &
writer=$!
expect queues/all-are-used "a queue answers nothing" wait_for 60 all_answer 0 1 2 3
before=$(of_queues pid $others)
expect queues/recovers "queue $victim has no successor that answers" killed
expect queues/others-live "pids $before became $(of_queues pid $others)" \
	[ "$(of_queues pid $others)" = "$before" ]
expect queues/died "$(of_queues died 0 1 2 3)" \
	[ "$(of_queues died 0 1 2 3)" = "0 0 $kills 0 " ]
expect queues/method "it was $(methods)" [ "$(methods)" = " $kills queue " ]
# Everybody goes on afterwards, those who never died among them.
for q in 0 1 2 3; do
	expect queues/goes-on-$q "no answer" wait_for 60 answered $q $(of_queue answered $q)
done
touch /tmp/enough
wait $writer
code=$?
expect queues/written-and-verified "$(tail -n 5 /tmp/fio.out)" [ $code = 0 ]
kill $reader
wait $reader
code=$?
cat /tmp/read.out
expect queues/read-right "$(cat /tmp/read.out)" [ $code = 0 ]
expect queues/no-error "$(field failed) failed, $(field client_errors) errors of clients" \
	[ "$(field failed) $(field client_errors)" = '0 0' ]
stop
cat /tmp/rf.err
expect queues/given-back "the kernel's driver does not have it back" given_back
expect queues/none-left "processes are left" wait_for 60 none_left

# ---- as many as there may be, and what costs all of them ----
eight='0 1 2 3 4 5 6 7'
all_go_on() { for q; do wait_for 60 answered $q $(of_queue answered $q) || return 1; done; }
process_killed() {
	pid=$(field $1_pid)
	kill -KILL $pid
	wait_for 60 has_changed $1_pid $pid && wait_for 60 all_run $eight && all_go_on $eight
}
# The reset for one queue takes the others' drivers with it: all have another one.
all_new() {
	for q in $eight; do
		now=$(of_queue pid $q)
		case " $1" in *" $now "*) return 1 ;; esac
		[ "$now" -gt 0 ] 2>/dev/null || return 1
	done
}
reset_by_death() {
	before=$(of_queues pid $eight)
	kill -KILL $(of_queue pid $victim)
	wait_for 60 all_new "$before" && all_go_on $eight
}
{ grep -v '^queue-reset' /build/policy/nvme.policy; echo 'queue-reset no'; } >/tmp/whole.policy
config 'queues 8'
sed -i 's|policy nvme|policy /tmp/whole.policy|' $conf
expect queues/eight/serves "see the log" serve
expect queues/eight/eight-drivers "pids $(of_queues pid $eight)" wait_for 60 all_run $eight
/build/tests/nbd_verify $socket seconds=3600 readers=8 depth=4 largest=65536 >/tmp/read.out 2>&1 &
reader=$!
expect queues/eight/all-are-used "answered $(of_queues answered $eight)" \
	wait_for 60 all_answer $eight
for which in device export supervisor; do
	expect queues/eight/$which-killed "answered $(of_queues answered $eight)" \
		process_killed $which
done
for n in 1 2 3; do
	expect queues/eight/reset-$n "pids $(of_queues pid $eight)" reset_by_death
done
kill $reader
wait $reader
code=$?
cat /tmp/read.out
expect queues/eight/read-right "$(cat /tmp/read.out)" [ $code = 0 ]
expect queues/eight/no-error "$(field failed) requests failed" [ "$(field failed)" = 0 ]
expect queues/eight/method "$($rf recoveries disk0 | tail -n 3)" \
	[ "$($rf recoveries disk0 | grep -c '"method":"soft"')" -ge 3 ]
stop
cat /tmp/rf.err
expect queues/eight/given-back "the kernel's driver does not have it back" given_back

# ---- a controller that grants two ----
disk=$(nvme_address rf1)
config 'queues 4'
expect queues/fewer/serves "see the log" serve
expect queues/fewer/said "$(cat /tmp/rf.err)" \
	grep -q 'grants 2 queues of the 4 it is asked for' /tmp/rf.err
expect queues/fewer/two-drivers "pids $(of_queues pid 0 1)" wait_for 60 all_run 0 1
expect queues/fewer/no-more "queue 2 has a driver" [ -z "$(of_queue pid 2)" ]
expect queues/fewer/right "a wrong byte, or an error" \
	/build/tests/nbd_verify $socket seconds=2 readers=4 depth=4 largest=65536
expect queues/fewer/both-are-used "answered $(of_queues answered 0 1)" all_answer 0 1
stop
cat /tmp/rf.err
expect queues/fewer/given-back "the kernel's driver does not have it back" given_back
config 'queues 4 demand'
refused queues/demand 75 - 'its configuration demands 4 queues: ask for fewer'
expect queues/demand/none-left "processes are left" wait_for 60 none_left
exit $guest_failed
