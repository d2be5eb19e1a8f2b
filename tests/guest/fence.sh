# SPDX-License-Identifier: MIT
# What a driver that serves a disk is left with, as the kernel sees it from outside:
# two descriptors, no system calls but its list, no capability, only its own memory.
# guest: -d nvme,serial=rf0,size=256M
# seconds: 240
. /lib/guest.sh
. /tests/guest/serving.inc
. /tests/guest/standing.inc
disk=$(nvme_address rf0)
config
expect fence/runs "no driver came up" serve
# The standby is made after the first requests.
qemu-io -f raw -c 'write -P 1 0 64k' -c 'read -P 1 0 64k' "$uri" >/dev/null
expect fence/standby "no standby" wait_for 60 has_changed standby_pid 0

locked() {
	expect "fence/$1/seccomp" "Seccomp is $(of $2 Seccomp)" [ "$(of $2 Seccomp)" = 2 ]
	expect "fence/$1/no-new-privs" "not set" [ "$(of $2 NoNewPrivs)" = 1 ]
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do
		expect "fence/$1/$set" "is $(of $2 $set)" [ "$(of $2 $set)" = 0000000000000000 ]
	done
	# real, effective, saved and file system id, each
	ids=$(echo $(of $2 Uid) $(of $2 Gid))
	case " $ids " in *" 0 "*) root=yes ;; *) root=no ;; esac
	expect "fence/$1/not-root" "ids are $ids" [ "$(echo $ids | wc -w) $root" = "8 no" ]
	expect "fence/$1/no-groups" "groups $(of $2 Groups)" [ -z "$(of $2 Groups | tr -d ' ')" ]
}

# maps PID: names of what is mapped, once each. Anonymous memory is "anonymous"; the page
# at a fixed address that some kernels show in every process (vsyscall) is not counted.
maps() {
	awk '$6 != "[vsyscall]" { $1 = $1; print NF < 6 ? "anonymous" : $6 }' "/proc/$1/maps" |
		sort -u | tr '\n' ' '
}
regions='/build/bin/rf-launch /memfd:nvme /memfd:rf-boot /memfd:rf-queues /memfd:rf-rings
	anon_inode:[vfio-device] anonymous'
fenced() {
	locked $1 $2
	fds=$(ls "/proc/$2/fd" | tr '\n' ' ')
	expect "fence/$1/fds" "open are $fds" [ "$fds" = '0 1 ' ]
	for fd in 0 1; do
		expect "fence/$1/fd$fd" "is $(readlink /proc/$2/fd/$fd)" \
			[ "$(readlink "/proc/$2/fd/$fd")" = 'anon_inode:[eventfd]' ]
	done
	expect "fence/$1/maps" "mapped: $(maps $2)" \
		[ "$(maps $2)" = "$(echo $regions | tr ' ' '\n' | sort -u | tr '\n' ' ')" ]
	# Of the launcher one page is left, and it cannot be written.
	left=$(awk '$6 == "/build/bin/rf-launch" { print $1, $2 }' "/proc/$2/maps")
	range=${left% *}
	bytes=$((0x${range#*-} - 0x${range%-*}))
	expect "fence/$1/launcher-page" "left of it: $left" [ "$bytes ${left#* }" = '4096 r-xp' ]
	count=$(grep -c 'vfio-device' "/proc/$2/maps")
	expect "fence/$1/one-register-range" "$count ranges" [ "$count" = 1 ]
	for w in rf-boot rf-rings rf-queues; do
		count=$(grep -c "/memfd:$w " "/proc/$2/maps")
		expect "fence/$1/one-$w" "$count ranges" [ "$count" = 1 ]
	done
	bad=$(awk '$2 ~ /w/ && $2 ~ /x/' "/proc/$2/maps")
	expect "fence/$1/w-xor-x" "$bad" [ -z "$bad" ]
	expect "fence/$1/threads" "$(of $2 Threads)" [ "$(of $2 Threads)" = 1 ]
}

trusted_walls='uid pid-ns mount-ns net-ns ipc-ns uts-ns cgroup-ns root no-caps no-new-privs'
trusted_walls="$trusted_walls dumpable core nproc as nofile memlock seccomp"
driver=$(field driver_pid) standby=$(field standby_pid)
cat /proc/$driver/maps
# It is a standby from the moment its process is there; the launcher has yet to lock it.
sealed() { [ "$(of $standby Seccomp)" = 2 ]; }
expect fence/standby-locked "Seccomp is $(of $standby Seccomp)" wait_for 60 sealed
fenced driver $driver
fenced standby $standby
locked device $(field device_pid)
locked export $(field export_pid)
# These read what drivers, devices and clients write.
for who in device export; do
	walls=$(echo $(standing $(field ${who}_pid) $server))
	expect "fence/$who/walls" "only these stand: $walls" [ "$walls" = "$trusted_walls" ]
done
# The checks see a process that is not fenced: this one. A limit of locked memory is everybody's.
expect fence/control "the shell looks fenced too" [ "$(of $$ Seccomp) $(of $$ NoNewPrivs)" = '0 0' ]
walls=$(echo $(standing $$ $server | grep -v memlock))
expect fence/control-walls "the shell looks walled in: $walls" [ -z "$walls" ]
# The keeper, as which the command goes on: a list, and two capabilities of root's.
walls=$(echo $(standing $server $$))
expect fence/keeper "only these stand: $walls" [ "$walls" = "no-new-privs seccomp" ]
caps=$(of $server CapPrm)
expect fence/keeper-caps "capabilities $caps" \
	[ "$caps $(of $server CapEff)" = '0000000000080020 0000000000080020' ]
stop
expect fence/given-back "the kernel's driver does not have it back" given_back
exit $guest_failed
