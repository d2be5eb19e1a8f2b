# SPDX-License-Identifier: MIT
# A driver looks for its device's descriptor, to change configuration space or to reset the
# function. Judged by configuration space itself, as root reads it.
# guest: -d nvme,serial=rf0,size=256M -f build/attacks
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
. /tests/guest/attacks.inc
ulimit -l unlimited
disk=$(nvme_address rf0)
space=/sys/bus/pci/devices/$disk/config

attack command exact-fds "clear the command register"
attack power exact-fds "put the device to sleep"
attack bar exact-fds "move a BAR"
attack reset exact-fds "reset the function, again and again"

# Offset of power management's control register.
pm=$(od -An -tu1 -v -w1 $space | awk '{ b[NR - 1] = $1 } END {
	for (at = b[52]; at && n++ < 48; at = b[at + 1]) if (b[at] == 1) print at + 4 }')
command() { od -An -tx2 -j4 -N2 $space | tr -d ' '; }
power() { echo $(($(od -An -tu1 -j$pm -N1 $space) & 3)); }
told() { word $(memory $(field device_pid) rf-queues) $(($(field generation) % 2 * 1069056 + 8)); }
# with LAUNCHER: the attacks one after another, each at a request of its own place
with() {
	config "image /build/fault/evil_config"
	lax $1
	serve
}

# ---- every wall: the first attempt ends it ------------------------------------------------
config "image /build/fault/evil_config"
expect attack/config/runs "no driver came up" serve
old=$(field driver_pid)
client r:4096:4096 &
wait_for 60 has_changed driver_pid $old
# A death is written down once its successor serves.
expect attack/config/killed "not said" wait_for 60 grep -q 'not on its list: pread64' /tmp/rf.err
$rf stop >/dev/null
wait $server

# ---- without the lock: there is no descriptor ---------------------------------------------
expect attack/config/unlocked "no driver came up" with unfenced
before=$(command) asleep=$(power)
for n in 1 2 3 4; do
	client r:$((n * 4096)):4096
	case $n in 1) key=command ;; 2) key=power ;; 3) key=bar ;; *) key=reset ;; esac
	stops $key "killed; unlocked, no descriptor of its takes it" \
		[ "$(command) $(power)" = "$before $asleep" ]
	expect attack/$key/refused "it was told $(told)" [ "$(told)" = 18446744073709551607 ]
done
stop

# ---- without the exact descriptors -----------------------------------------------------------
expect attack/config/open "no driver came up" with open
client r:4096:4096
shown command "the command register is 0" [ "$(command)" != "$before" ]
client r:16384:4096
shown reset "the function was reset" [ "$(told)" = 0 ]
client r:8192:4096
shown power "asleep, in D3" [ "$(power)" = 3 ]
not_shown bar "VFIO keeps BARs to itself, whoever asks"
$rf stop >/dev/null
wait $server
rows config
exit $guest_failed
