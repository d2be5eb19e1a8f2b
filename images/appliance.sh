# SPDX-License-Identifier: MIT
# appliance.sh - in the guest: an NVMe disk behind a fenced driver, a client that
# writes and verifies, and a killer. Arguments: KILLS SEED
. /lib/guest.sh
kills=${1:-60} seed=${2:-1}
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
running() { /build/bin/ringfence status --json 2>/dev/null | grep -q '"state":"running","code":0.*"generation":[1-9]'; }
wait_for 60 running || { echo "appliance: no driver came up"; exit 1; }
echo "appliance: $disk is served at generation 1; killing its driver $kills times under load"
/build/tests/killer disk0 $kills $seed 1 100 /tmp/stop >/tmp/kills.json &
killer=$!
verified=0 errors=0 round=0
least=$((40 * 1024 * 1024))
# fio writes every block once at random with a checksum in it, then reads all back.
while [ ! -e /tmp/stop ] || [ $verified -lt $least ]; do
	round=$((round + 1))
	if ! fio --name=verify --ioengine=nbd --uri='nbd+unix:///?socket=/tmp/disk0.sock' \
		--rw=randwrite --bs=4k --size=8m --offset=$((round % 16 * 8))m --iodepth=32 \
		--verify=crc32c --do_verify=1 --verify_fatal=1 --randseed=$((seed + round)) \
		--output-format=json --output=/tmp/fio.json >/tmp/fio.log 2>&1; then
		errors=$((errors + 1))
		echo "appliance: fio failed:"; tail -5 /tmp/fio.log; grep -a error /tmp/fio.json | head -3
		break
	fi
	read=$(grep -A2 '"read" : {' /tmp/fio.json | sed -n 's/.*"io_bytes" : \([0-9]*\).*/\1/p' | head -1)
	verified=$((verified + ${read:-0}))
done
wait $killer || errors=$((errors + 1))
/build/bin/ringfence status
requests=$(/build/bin/ringfence status --json | sed -n 's/.*"completed":\([0-9]*\).*/\1/p')
/build/bin/ringfence stop
wait
[ "$(basename "$(readlink /sys/bus/pci/devices/$disk/driver)")" = nvme ] || { echo "appliance: the disk was not given back"; errors=$((errors + 1)); }
elapsed=$(($(cut -d. -f1 /proc/uptime) - start))
figure() { sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" /tmp/kills.json; }
errors=$((errors + $(figure service_errors)))
ok=false
[ $errors = 0 ] && [ $verified -ge $least ] && [ "$(figure kills)" = "$kills" ] &&
	[ "$(figure recoveries)" = "$kills" ] && ok=true
echo "{\"ok\":$ok,$(sed "s/\"requests\":[0-9]*/\"requests\":$requests/" /tmp/kills.json),\"bytes_verified\":$verified,\"client_errors\":$errors,\"elapsed_s\":$elapsed,\"seed\":$seed}" >/results/appliance.part
cat <<TABLE

  requests            $requests
  bytes verified      $verified
  kills (SIGKILL)     $(figure kills)
  recoveries          $(figure recoveries)
  reissued requests   $(figure reissued)
  in flight at kill   $(figure inflight_at_kill_p50) (median)
  recovery p50        $(figure recovery_p50_us) us
  recovery p99        $(figure recovery_p99_us) us
  recovery max        $(figure recovery_max_us) us
  client errors       $errors
TABLE
[ $ok = true ]
