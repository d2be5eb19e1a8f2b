# SPDX-License-Identifier: MIT
# A disk behind VFIO whose supervisor is killed under a client that verifies, alone and
# together with the driver or the device process: its successor takes all over, and nothing
# that runs notices. Then the ends: a keeper killed, and eight supervisors in a row.
# guest: -d nvme,serial=rf0,size=256M -f build/tests -f images/appliance.sh -f images/job.sh
# seconds: 300
. /lib/guest.sh
. /tests/guest/serving.inc
dir=/tmp/supervisor sock=$socket seed=1
mkdir -p $dir
. /images/job.sh
disk=$(nvme_address rf0)
config

# ---- under load ----
load() {
	while [ ! -e $dir/stop ]; do
		verify_round $((round % 16 * 8)) || break
	done
	echo "$errors $verified" >$dir/load
}
members() { for m in generation driver_pid device_pid export_pid; do field $m; done | tr '\n' ' '; }
more_than() { [ "$(field completed)" -gt $1 ]; }
# Requests are done from now on.
worked() { wait_for 60 more_than $(($(field completed) + 200)); }
taken_over() { [ "$(field takeovers)" = $kills ]; }
kills=0
# kill_with VICTIM...: the supervisor and those, at once, in that order.
kill_with() {
	kill_pids=
	for victim; do kill_pids="$kill_pids $(field ${victim}_pid)"; done
	kills=$((kills + 1))
	kill -KILL $kill_pids && wait_for 60 taken_over
}
# Without a pause the keeper takes it for one that cannot live.
pause() { sleep 1.1; }

expect supervisor/runs "no driver came up" serve
load &
load=$!
expect supervisor/load "the client does nothing" worked
before=$(members)
alone() {
	for n in 1 2 3 4 5 6; do
		kill_with supervisor && worked || return 1
		[ "$(members)" = "$before" ] || { echo "was $before, is $(members)"; return 1; }
		[ $n != 3 ] || pause
	done
}
expect supervisor/alone "a process has changed, or nothing is done" alone
together() { # MEMBER VICTIM...: both get successors
	together_now=$(field generation)
	before=$(($(field $1) + 1))
	shift
	pause
	kill_with "$@" && wait_for 60 has_changed generation "$together_now" && worked
}
with_driver() { together deaths "$@" && [ "$(field deaths)" = $before ]; }
with_device() { together process_deaths "$@" && [ "$(field process_deaths)" = $before ]; }
expect supervisor/then-driver "no successor of the driver" with_driver supervisor driver
expect supervisor/driver-then "no successor of the driver" with_driver driver supervisor
expect supervisor/then-driver-again "no successor of the driver" with_driver supervisor driver
expect supervisor/then-device "no successor of the device process" with_device supervisor device
expect supervisor/device-then "no successor of the device process" with_device device supervisor
touch $dir/stop
wait $load
read -r errors verified <$dir/load
echo "$kills supervisors killed, $verified bytes verified, reissued $(field reissued)"
$rf status --json
expect supervisor/verified "$errors errors, $verified bytes" [ "$errors" = 0 -a "$verified" -gt 0 ]
expect supervisor/errors "the client was told of errors" [ "$(field client_errors)" = 0 ]
expect supervisor/deaths "$(field deaths) drivers died, 3 of them killed" [ "$(field deaths)" = 3 ]

# ---- the keeper, which all are children of ----
kill -KILL $server
wait $server
expect keeper/none-left "processes are left" wait_for 60 none_left
expect keeper/taken "the kernel's driver has it: nobody was there to give it back" \
	[ $(given_back; echo $?) != 0 ]
expect keeper/again "no second start" serve
expect keeper/gave-back "not said" grep -q "without giving $disk back" /tmp/rf.err
expect keeper/serves "no answer" answers
stop
expect keeper/stop "the kernel's driver does not have it back" given_back

# ---- supervisors that cannot live: the eighth in a row ends all, and the disk is given back ----
expect eight/serves "no driver came up" serve
eight_killed=0
while [ $eight_killed -lt 100 ] && kill -0 $server 2>/dev/null; do
	kill -KILL "$(field supervisor_pid)" 2>/dev/null && eight_killed=$((eight_killed + 1))
done
wait $server
eight_code=$?
expect eight/code "$eight_killed killed: exit code $eight_code, not 70" [ $eight_code = 70 ]
echo "$eight_killed supervisors killed in a row"
expect eight/said "$(cat /tmp/rf.err)" \
	grep -q 'so did those before it, right after their start: ending all' /tmp/rf.err
expect eight/none-left "processes are left" wait_for 60 none_left
expect eight/given-back "the kernel's driver does not have it back" wait_for 60 given_back

exit $guest_failed
