# SPDX-License-Identifier: MIT
# storage-guest.sh - in the guest: a disk and a NIC, each behind a fenced driver, one stack
# process between them, and a killer for each. Its clients are outside: storage.sh.
# Arguments: KILLS SEED NIC
. /lib/guest.sh
. /images/job.sh
kills=$1 seed=$2 nic=$3 dir=/tmp
ulimit -l unlimited
start=$(cut -d. -f1 /proc/uptime)
of_class() { # its PCI address
	for p in /sys/bus/pci/devices/*; do
		case $(cat $p/class) in $1*) basename $p; return 0 ;; esac
	done
	return 1
}
disk=$(of_class 0x010802) && adapter=$(of_class 0x0200) || { echo "no disk, or no NIC"; exit 1; }
cat >/tmp/rf.conf <<CONF
device disk0
  policy nvme
  pci $disk
  export lwip nic0
device nic0
  policy $nic
  pci $adapter
  export lwip
  address 10.0.2.15/24
  gateway 10.0.2.2
  disk disk0 lwip-tcp *:10809 allow 10.0.2.0/24
  status lwip-tcp *:80 allow 10.0.2.0/24
  forward lwip-tcp *:7 to tcp:127.0.0.1:7 allow 10.0.2.0/24
CONF
rf=/build/bin/ringfence
$rf run /tmp/rf.conf &
server=$!
of() {
	$rf status --json 2>/dev/null |
		sed -n "/\"device\":\"$1\"/s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}
up() {
	[ "$(of disk0 generation)" -ge 1 ] && [ "$(of nic0 generation)" -ge 1 ] &&
		[ "$(of nic0 export_pid)" -ge 1 ]
} 2>/dev/null
wait_for 60 up || { echo "storage: the drivers do not come up"; $rf status; exit 1; }

# ---- what the kernel drives: neither -----------------------------------------------------
kernels=''
for p in /sys/bus/pci/devices/*; do
	case $(cat $p/class) in
	0x01* | 0x02*) [ "$(basename "$(readlink $p/driver)")" = vfio-pci ] ||
		kernels="$kernels $p" ;;
	esac
done
[ -z "$kernels" ] && [ "$(ls /sys/class/net)" = lo ] && [ -z "$(ls /sys/class/block)" ] ||
	{
		echo "storage: the kernel drives something:$kernels" \
			"$(ls /sys/class/net /sys/class/block)"
		exit 1
	}
stack=$(of nic0 export_pid)
nc -l -p 7 >/tmp/outside </dev/null &
outside=$!
echo "storage: serving $disk over $adapter ($nic); the kernel has lo, and no disk"

# ---- kills -----------------------------------------------------------------------------------
half=$((kills / 2))
/build/tests/killer disk0 $half $seed 1 400 >/tmp/kills.json &
killer=$!
/build/tests/killer nic0 $half $((seed + 1)) 0 800 >/tmp/nic.json || errors=1
wait $killer || errors=1
echo "storage: killed"
wait $outside
read -r verified outside_errors </tmp/outside || { verified=0 outside_errors=1; }
errors=$((errors + outside_errors + $(of disk0 client_errors)))
requests=$(of disk0 completed) reissued=$(of disk0 reissued)
$rf status
[ "$(of nic0 export_pid)" = "$stack" ] ||
	{ echo "storage: the stack did not live through it"; errors=$((errors + 1)); }
$rf stop >/dev/null
wait $server || errors=$((errors + 1))
elapsed=$(($(cut -d. -f1 /proc/uptime) - start))

# ---- the table ---------------------------------------------------------------------------------
nic_figure() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" /tmp/nic.json; }
disk_kills=$(figure kills) nic_kills=$(nic_figure kills)
recoveries=$(($(figure recoveries) + $(nic_figure recoveries)))
sed -i "s/\"kills\":[0-9]*/\"kills\":$((disk_kills + nic_kills))/
	s/\"recoveries\":[0-9]*/\"recoveries\":$recoveries/
	s/\"requests\":[0-9]*/\"requests\":$requests/
	s/\"reissued\":[0-9]*/\"reissued\":$reissued/" /tmp/kills.json
ok=false
[ $errors = 0 ] && [ $verified -ge $least ] && [ "$disk_kills" = $half ] &&
	[ "$nic_kills" = $half ] &&
	[ $recoveries = $((2 * half)) ] && ok=true
figures="$(cat /tmp/kills.json),\"disk_kills\":$disk_kills,\"nic_kills\":$nic_kills"
figures="$figures,\"nic\":\"$nic\",\"bytes_verified\":$verified,\"client_errors\":$errors"
echo "{\"ok\":$ok,$figures,\"elapsed_s\":$elapsed,\"seed\":$seed}" >/results/storage.part
table <<LINES
    of them the disk's  $disk_kills
    of them the NIC's   $nic_kills
LINES
[ $ok = true ]
