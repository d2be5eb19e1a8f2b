# SPDX-License-Identifier: MIT
# serving.sh - in the guest: run ringfence with one device and ask it how it is. Source it
# after guest.sh; $disk is the device's address.
rf=/build/bin/ringfence
socket=/tmp/disk0.sock
uri="nbd+unix:///?socket=$socket"
conf=/tmp/rf.conf

# config [LINE...]: a configuration that serves $disk, with more lines for the device
config() {
	printf 'device disk0\n  policy nvme\n  pci %s\n  export nbd %s\n' "$disk" "$socket" >$conf
	for config_line; do echo "  $config_line" >>$conf; done
}

status_is() { $rf status --json 2>/dev/null | grep -q "$1"; }
running() { status_is '"state":"running","code":0.*"generation":[1-9]'; }
# field NAME: a number of the first device's status
field() { $rf status --json 2>/dev/null | sed -n "1s/.*\"$1\":\([0-9]*\).*/\1/p"; }
# has_changed NAME FROM: that number is there, and is another one
has_changed() {
	changed_now=$(field "$1")
	[ -n "$changed_now" ] && [ "$changed_now" != 0 ] && [ "$changed_now" != "$2" ]
}

serve() {
	$rf run $conf 2>/tmp/rf.err &
	server=$!
	wait_for 60 running || { cat /tmp/rf.err; return 1; }
}
stop() {
	$rf stop >/dev/null
	wait $server
}

answers() { timeout 30 nbdinfo --size "$uri" >/dev/null; }
given_back() { [ "$(basename "$(readlink "/sys/bus/pci/devices/$disk/driver")")" = nvme ]; }
