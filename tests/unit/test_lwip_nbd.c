/* SPDX-License-Identifier: MIT */
/*
 * test_lwip_nbd.c - rf-lwip, as shipped and locked: NBD over its own TCP, from a disk whose
 * driver dies again and again, to clients this project did not write.
 *
 * Room:   tests/unit. Clients use the kernel's TCP over a TAP, in a network namespace of the
 *         test's own: without user namespaces there is nothing to run.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "sandbox/lib/log.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/config/lwip_words.c"
#include "sandbox/lib/packet.c"
#include "sandbox/lib/words.c"

#include "export_fixture.h"

#define LWIP  "build/bin/rf-lwip"
#define WHOLE "nbd://10.9.0.2:10809/"
#define ROPE  "nbd://10.9.0.2:10810/" /* read-only */
#define PART  "nbd://10.9.0.2:10811/" /* partition 2 */
#define NONE  "nbd://10.9.0.2:10812/" /* partition 3, which is not there */

static struct exported e;
static int tap = -1;

static int shell(const char *command)
{
	char full[256];

	snprintf(full, sizeof(full), "cd %s && timeout 100 sh -c \"$COMMAND\" >out 2>&1", e.dir);
	setenv("COMMAND", command, 1);
	int status = system(full);
	if (status) {
		snprintf(full, sizeof(full), "sed 's/^/# /' %s/out %s", e.dir, e.log);
		if (system(full))
			return -1;
	}
	return status;
}

/* A network namespace with a TAP in it. False: not allowed here. */
static bool own_network(void)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI, .ifr_name = "rf0" };

	if (getuid() ? unshare(CLONE_NEWUSER | CLONE_NEWNET) : unshare(CLONE_NEWNET))
		return false;
	tap = rig_park(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
	return !ioctl(tap, TUNSETIFF, &ifr) && !system("ip addr add 10.9.0.1/24 dev rf0 && ip link "
						       "set rf0 up && ip link set lo up");
}

static int config(void)
{
	static struct rf_lwip_config c;
	static const char *const lines[] = {
		"address 10.9.0.2/24",
		"status lwip-tcp *:80 allow 10.9.0.0/24",
		"disk ram lwip-tcp *:10809 allow 10.9.0.0/24",
		"disk ram lwip-tcp *:10810 read-only allow 10.9.0.0/24",
		"disk ram lwip-tcp *:10811 partition 2 allow 10.9.0.0/24",
		"disk ram lwip-tcp *:10812 partition 3 allow 10.9.0.0/24",
		"disk ram lwip-tcp *:10813",
	};
	static const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };

	rf_lwip_config_init(&c);
	for (unsigned i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct rf_words w = { .file = "test", .line = (int)i };

		strcpy(w.text, lines[i]);
		for (char *p = strtok(w.text, " "); p; p = strtok(NULL, " "))
			w.word[w.count++] = p;
		assert_int_equal(rf_lwip_config_line(&c, &w), 0);
	}
	c.flags = RF_LWIP_LINK_FD;
	c.mtu = 1500;
	c.disks = 1;
	memcpy(c.mac, mac, 6);
	int fd = rig_park(memfd_create("config", MFD_CLOEXEC));
	assert_int_equal(write(fd, &c, sizeof(c)), sizeof(c));
	return fd;
}

static uint32_t bad_sector;

static void start(uint64_t bytes, uint32_t die_after)
{
	exported_init(&e, bytes);
	e.fail_sector = bad_sector;
	e.die_after = die_after;
	/* partition 2 of an MBR: 4 MiB from 1 MiB on */
	memcpy(e.ram.disk + 446 + 16,
	       (uint8_t[]){ 0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0x20, 0, 0 }, 16);
	memcpy(e.ram.disk + 510, (uint8_t[]){ 0x55, 0xaa }, 2);
	int conf = config();
	e.pid = fork();
	rig_must(e.pid >= 0, "fork");
	if (!e.pid) {
		dup2(open(e.log, O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
		for (int i = RF_EXPORT_FD_CONTROL; i < RF_EXPORT_FDS; i++)
			rig_must(dup2(e.rig.fd[i], i + RF_LWIP_DISK_FD(0)) > 0, "dup2");
		rig_must(dup2(tap, RF_EXPORT_FD_KICK) > 0 && dup2(tap, RF_EXPORT_FD_WAKE0) > 0 &&
			 dup2(conf, RF_LWIP_FD_CONFIG) > 0, "dup2");
		execl(LWIP, LWIP, (char *)NULL);
		_exit(127);
	}
	close(conf);
	rig_must(!pthread_create(&e.thread, NULL, exported_thread, &e), "thread");
	assert_int_equal(shell("for i in $(seq 100); do nbdinfo --size " WHOLE
			       " && exit; sleep 0.1; done; exit 1"),
			 0);
}

static int said(const char *what)
{
	char command[256];

	snprintf(command, sizeof(command), "grep -q '%s' log", what);
	return shell(command);
}

static void it_says_that_there_is_no_tls(void **unused)
{
	(void)unused;
	start(32 << 20, 0);
	assert_int_equal(said("WARNING: NBD .* port 10809 .* WITHOUT TLS"), 0);
	assert_int_equal(shell("nbdinfo --json " WHOLE
			       " >info && grep -q '\"export-size\": 33554432' info && "
			       "grep -q '\"is_read_only\": false' info && grep -q '\"ram\"' info "
			       "|| cat info"),
			 0);
	assert_int_equal(exported_end(&e), 0);
}

static void a_disk_moves_over_many_deaths(void **unused)
{
	(void)unused;
	start(64 << 20, 60);
	assert_int_equal(shell("head -c 64M /dev/urandom >in && nbdcopy --flush in " WHOLE
			       " && nbdcopy " WHOLE " back && cmp in back"), 0);
	assert_true(e.deaths >= 3);
	e.die_after = 1000; /* more requests at a time: fewer deaths each */
	assert_int_equal(shell("qemu-img compare -f raw -F raw in " WHOLE), 0);
	assert_int_equal(shell("nbdcopy --request-size=4096 --requests=128 " WHOLE
			       " back && cmp in back"),
			 0);
	assert_int_equal(exported_end(&e), 0);
}

static void read_only_means_it(void **unused)
{
	(void)unused;
	start(32 << 20, 0);
	assert_int_equal(shell("nbdinfo --is readonly " ROPE " && ! nbdinfo --is readonly " WHOLE),
			 0);
	assert_int_equal(shell("head -c 1M /dev/urandom >in && ! nbdcopy in " ROPE), 0);
	/* The control: the same through the other port arrives. */
	assert_int_equal(shell("nbdcopy in " WHOLE " && qemu-io -r -f raw -c 'read 0 1M' " ROPE),
			 0);
	assert_int_equal(exported_end(&e), 0);
}

static void a_partition_is_that_and_no_more(void **unused)
{
	(void)unused;
	start(32 << 20, 0);
	memset(e.ram.disk + (1 << 20) - 512, 0x11, 512);
	memset(e.ram.disk + (5 << 20), 0x22, 512);
	assert_int_equal(shell("[ $(nbdinfo --size " PART ") = 4194304 ]"), 0);
	assert_int_equal(shell("head -c 4M /dev/urandom >in && nbdcopy --flush in " PART
			       " && nbdcopy " PART " back && cmp in back"), 0);
	assert_int_equal(shell("! qemu-io -f raw -c 'write 4M 512' " PART), 0);
	for (int i = 0; i < 512; i++) {
		assert_int_equal(e.ram.disk[(1 << 20) - 512 + i], 0x11);
		assert_int_equal(e.ram.disk[(5 << 20) + i], 0x22);
	}
	assert_int_equal(said("disk ram, partition 3: the MBR has no such partition"), 0);
	assert_int_not_equal(system("nbdinfo " NONE " >/dev/null 2>&1"), 0);
	assert_int_equal(exported_end(&e), 0);
}

/* The first sectors could not be read at the start, and can be later. */
static void a_partition_table_is_read_again(void **unused)
{
	(void)unused;
	bad_sector = 1;
	start(32 << 20, 0);
	bad_sector = 0;
	assert_int_equal(shell("for i in $(seq 100); do grep -q 'table cannot be read' log && "
			       "exit; sleep 0.1; done; "
			       "exit 1"),
			 0);
	assert_int_not_equal(shell("nbdinfo --size " PART " 2>/dev/null"), 0);
	e.fail_sector = 0;
	assert_int_equal(shell("for i in $(seq 100); do [ \"$(nbdinfo --size " PART
			       " 2>/dev/null)\" = 4194304 ] && exit; "
			       "sleep 0.1; done; exit 1"),
			 0);
	assert_int_not_equal(shell("nbdinfo --size " NONE " 2>/dev/null"), 0);
	assert_int_equal(exported_end(&e), 0);
}

static void nobody_without_an_allow_list(void **unused)
{
	(void)unused;
	start(32 << 20, 0);
	assert_int_equal(said("nobody may connect to lwip-tcp port 10813"), 0);
	/* It gets no answer at all, so that a connection is given up for want of one. */
	assert_int_not_equal(system("echo 1 >/proc/sys/net/ipv4/tcp_syn_retries; "
				    "nbdinfo nbd://10.9.0.2:10813/ >/dev/null 2>&1"), 0);
	assert_int_equal(system("echo 6 >/proc/sys/net/ipv4/tcp_syn_retries"), 0);
	assert_int_equal(exported_end(&e), 0);
}

/* Functions of a client in Python that says what no library does. */
#define CLIENT \
	"import socket, struct\n" \
	"def get(s, n):\n" \
	"    b = b''\n" \
	"    while len(b) < n:\n" \
	"        x = s.recv(n - len(b))\n" \
	"        assert x, 'the server hung up'\n" \
	"        b += x\n" \
	"    return b\n" \
	"def hello():\n" \
	"    s = socket.create_connection(('10.9.0.2', 10809), 60)\n" \
	"    get(s, 18); s.sendall(struct.pack('>I', 3))\n" \
	"    return s\n" \
	"def option(s, n, data=b''): s.sendall(struct.pack('>QII', 0x49484156454F5054, n, " \
	"len(data)) + data)\n" \
	"def goes(s):\n" \
	"    option(s, 7, bytes(6))\n" \
	"    while True:\n" \
	"        _, _, kind, n = struct.unpack('>QIII', get(s, 20)); text = get(s, n)\n" \
	"        if kind != 3: return kind, text\n"

static int python(const char *script)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/script", e.dir);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(script, f);
	fclose(f);
	return shell("/usr/bin/python3 script");
}

static void half_closed_clients_get_what_they_asked_for(void **unused)
{
	(void)unused;
	start(32 << 20, 0);
	for (uint32_t i = 1 << 20; i < 4 << 20; i += 4)
		memcpy(e.ram.disk + i, &i, 4);
	assert_int_equal(python(CLIENT "s = hello(); option(s, 1); get(s, 10)\n"
				       "for i in range(8): s.sendall(struct.pack('>IHHQQI', "
				       "0x25609513, 0, 0, i, (1 << 20) + i * 262144, 262144))\n"
				       "s.shutdown(socket.SHUT_WR)\n"
				       "seen = set()\n"
				       "for i in range(8):\n"
				       "    magic, error, n = struct.unpack('>IIQ', get(s, 16))\n"
				       "    assert magic == 0x67446698 and not error\n"
				       "    at = (1 << 20) + n * 262144\n"
				       "    assert get(s, 262144) == b''.join(j.to_bytes(4, "
				       "'little') for j in range(at, at + 262144, 4))\n"
				       "    seen.add(n)\n"
				       "assert len(seen) == 8 and s.recv(1) == b''\n"),
			 0);
	assert_int_equal(exported_end(&e), 0);
}

static void an_address_gets_its_share_of_the_connections(void **unused)
{
	(void)unused;
	start(32 << 20, 0);
	assert_int_equal(python(CLIENT
		"all = [hello() for i in range(24)]\n"
		"assert [goes(s)[0] for s in all] == [1] * 24\n"
		"more = hello()\n"
		"kind, text = goes(more)\n"
		"assert kind == 0x80000002 and b'10.9.0.1 has 24 of 32' in text, (kind, text)\n"
		"all.pop().close()\n"
		"while goes(more)[0] != 1: pass\n"), 0);
	assert_int_equal(said("is refused: 10.9.0.1 has 24 of 32 connections"), 0);
	assert_int_equal(exported_end(&e), 0);
}

static void several_clients_at_once(void **unused)
{
	(void)unused;
	start(64 << 20, 100);
	assert_int_equal(shell("head -c 64M /dev/urandom >in && nbdcopy in " WHOLE " && "
			       "for i in 1 2 3 4 5 6; do nbdcopy " WHOLE
			       " back$i & p=\"$p $!\"; done; "
			       "for i in $p; do wait $i || exit 1; done; "
			       "for i in 1 2 3 4 5 6; do cmp in back$i || exit 1; done"),
			 0);
	assert_int_equal(exported_end(&e), 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_that_there_is_no_tls),
		cmocka_unit_test(a_disk_moves_over_many_deaths),
		cmocka_unit_test(read_only_means_it),
		cmocka_unit_test(a_partition_is_that_and_no_more),
		cmocka_unit_test(a_partition_table_is_read_again),
		cmocka_unit_test(nobody_without_an_allow_list),
		cmocka_unit_test(half_closed_clients_get_what_they_asked_for),
		cmocka_unit_test(an_address_gets_its_share_of_the_connections),
		cmocka_unit_test(several_clients_at_once),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	if (!own_network()) {
		print_message("# no network namespace of its own here\n");
		return 77;
	}
	return cmocka_run_group_tests_name("lwip_nbd", tests, NULL, NULL);
}
