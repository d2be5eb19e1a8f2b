# SPDX-License-Identifier: MIT
# recovery.sh - in the guest: a driver killed KILLS times under a verifying load at
# queue depth 32; then, PAIRS times, 5 s as it is and 5 s with a kill a second.
# Arguments: KILLS SEED OUT PAIRS [alone]; alone: by a policy without a standby.
. /lib/guest.sh
. /lib/serving.sh
kills=$1 seed=$2 out=$3 pairs=$4 policy=nvme option=
if [ "${5:-}" = alone ]; then
	{ cat /build/policy/nvme.policy; echo 'standby no'; } >/tmp/alone.policy
	policy=/tmp/alone.policy option=--no-standby
fi
ulimit -l unlimited
disk=$(nvme_address rf0) || { echo "no NVMe disk"; exit 1; }
load="mode=randrw verify=1 bs=4096 qd=32 span=64M requests=4000 rounds=100000 seed=$seed"
cat >$conf <<CONF
device disk0
  policy $policy
  pci $disk
  export program /build/tests/rf-load output /tmp/load.json $load
CONF
$rf run $conf 2>/tmp/rf.err &
wait_for 60 running || { echo "no driver came up"; exit 1; }
# The disk is a sparse file at first; its host would be measured, not the restart.
warm() { [ "$(wc -l </tmp/load.json 2>/dev/null)" -ge 10 ]; }
wait_for 120 warm || { echo "the load makes no progress"; exit 1; }
/build/tests/killer $option disk0 $kills $seed 16 200 >/tmp/kills.json
code=$?
echo '"kept_kills":0' >/tmp/kept.json
[ $pairs = 0 ] || /build/tests/throughput_kept disk0 $pairs 5 >/tmp/kept.json || code=1
# At least one round of the load must have ended, so that it has verified something.
wait_for 60 test -s /tmp/load.json || code=1
$rf status
# Drivers nobody killed but the supervisor, for a hang or a lie it saw; and any other death.
false_kills=$(($(field stall_deaths) + $(field lies)))
deaths=$(field deaths)
ours=$(($(sed -n 's/.*"kills":\([0-9]*\).*/\1/p' /tmp/kills.json) +
	$(sed -n 's/.*"kept_kills":\([0-9]*\).*/\1/p' /tmp/kept.json)))
[ "$deaths" = $((ours + false_kills)) ] ||
	{ echo "$deaths drivers died, $ours were killed"; code=1; }
cat /tmp/rf.err
$rf stop
wait
bad=$(grep -cE '"(errors|mismatches)":[1-9]' /tmp/load.json)
[ "$bad" = 0 ] || {
	echo "the load saw errors:"
	grep -E '"(errors|mismatches)":[1-9]' /tmp/load.json | head -3
	code=1
}
head -1 /tmp/load.json
ok=false; [ $code = 0 ] && ok=true
rounds=$(wc -l </tmp/load.json)
figures="$(cat /tmp/kills.json),$(cat /tmp/kept.json),\"false_kills\":$false_kills"
echo "{\"ok\":$ok,$figures,\"verified_rounds\":$rounds}" >/results/$out
exit $code
