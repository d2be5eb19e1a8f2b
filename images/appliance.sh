# SPDX-License-Identifier: MIT
# appliance.sh - in the guest: an NVMe disk behind a fenced driver, a client that
# writes and verifies, and a killer. Arguments: KILLS SEED
. /lib/guest.sh
. /images/job.sh
kills=${1:-60} seed=${2:-1} dir=/tmp sock=/tmp/disk0.sock
ulimit -l unlimited
start=$(cut -d. -f1 /proc/uptime)
disk=$(nvme_address rf0) || { echo "no NVMe disk"; exit 1; }
cat >/tmp/rf.conf <<CONF
device disk0
  policy nvme
  pci $disk
  export nbd /tmp/disk0.sock
CONF
/build/bin/ringfence run /tmp/rf.conf &
running() {
	/build/bin/ringfence status --json 2>/dev/null |
		grep -q '"state":"running","code":0.*"generation":[1-9]'
}
wait_for 60 running || { echo "appliance: no driver came up"; exit 1; }
echo "appliance: $disk is served at generation 1; killing its driver $kills times under load"
/build/tests/killer disk0 $kills $seed 1 100 /tmp/stop >/tmp/kills.json &
killer=$!
while [ ! -e /tmp/stop ] || [ $verified -lt $least ]; do
	verify_round $(((round + 1) % 16 * 8)) || break
done
wait $killer || errors=$((errors + 1))
/build/bin/ringfence status
requests=$(/build/bin/ringfence status --json | sed -n 's/.*"completed":\([0-9]*\).*/\1/p')
/build/bin/ringfence stop
wait
[ "$(basename "$(readlink /sys/bus/pci/devices/$disk/driver)")" = nvme ] ||
	{ echo "appliance: the disk was not given back"; errors=$((errors + 1)); }
elapsed=$(($(cut -d. -f1 /proc/uptime) - start))
errors=$((errors + $(figure service_errors)))
ok=false
[ $errors = 0 ] && [ $verified -ge $least ] && [ "$(figure kills)" = "$kills" ] &&
	[ "$(figure recoveries)" = "$kills" ] && ok=true
figures=$(sed "s/\"requests\":[0-9]*/\"requests\":$requests/" /tmp/kills.json)
figures="$figures,\"bytes_verified\":$verified,\"client_errors\":$errors"
echo "{\"ok\":$ok,$figures,\"elapsed_s\":$elapsed,\"seed\":$seed}" >/results/appliance.part
recoveries=$(figure recoveries) reissued=$(figure reissued)
table </dev/null
[ $ok = true ]
