#!/usr/bin/env bash
# rootless.sh - all that nic.sh shows, as a user who is nobody: in a user and network namespace
# of his own, with no file of root's but /dev/net/tun. As root it becomes that user first.
set -u
export KILLS=5
if [ "$(id -u)" != 0 ] || [ -n "${RF_NOBODY:-}" ]; then
	[ "$(grep -c . /proc/self/uid_map)" = 1 ] && ! grep -q 4294967295 /proc/self/uid_map ||
		{ echo "# this is root"; exit 1; }
	exec bash tests/net/nic.sh
fi
home=$(mktemp -d /tmp/rf-nobody-XXXXXX)
trap 'rm -rf "$home"' EXIT
mkdir -p "$home/build" "$home/tests" "$home/tmp"
cp -r build/bin build/drivers build/policy build/models "$home/build" &&
	cp -r tests/net "$home/tests" || exit 1
chown -R 65534:65534 "$home"
cd "$home"
TMPDIR=$home/tmp HOME=$home RF_NOBODY=1 setpriv --reuid 65534 --regid 65534 --clear-groups \
	unshare -c -n --keep-caps bash tests/net/rootless.sh
