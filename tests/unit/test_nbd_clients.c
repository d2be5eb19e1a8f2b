/* SPDX-License-Identifier: MIT */
/*
 * test_nbd_clients.c - rf-nbd, as shipped and locked, against clients this project did
 * not write, while the driver behind it dies again and again.
 *
 * Room:   tests/unit. Also the load generator, which shares the service with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/lib/packet.c"

#include "export_fixture.h"

#define NBD  "build/bin/rf-nbd"
#define LOAD "build/tests/rf-load"
#define LAX_LOAD "build/lax/bin/no-reissue/rf-load"
#define URI  "'nbd+unix:///disk?socket=%s'"

/* Runs a command in the test's own directory; every %s is the socket. */
static int shell(struct exported *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int shell(struct exported *e, const char *fmt, ...)
{
	char command[2048], full[256];
	va_list args;

	va_start(args, fmt);
	vsnprintf(command, sizeof(command), fmt, args);
	va_end(args);
	snprintf(full, sizeof(full), "cd %s && timeout 60 sh -c \"$COMMAND\" >out 2>&1", e->dir);
	setenv("COMMAND", command, 1);
	int status = system(full);
	if (status) {
		snprintf(full, sizeof(full), "sed 's/^/# /' %s/out %s", e->dir, e->log);
		if (system(full))
			return -1;
	}
	return status;
}

static void assert_quiet_end(struct exported *e)
{
	char log[256] = "";
	FILE *f = fopen(e->log, "r");

	/* It complained of nothing, and leaves when the device process does. */
	assert_non_null(f);
	if (fgets(log, sizeof(log), f))
		print_message("# log: %s", log);
	fclose(f);
	assert_string_equal(log, "");
	assert_int_equal(e->rig.stats->violations, 0);
	assert_int_equal(exported_end(e), 0);
}

static void nbdinfo_sees_the_disk(void **state)
{
	static struct exported e;

	(void)state;
	exported_init(&e, 64 << 20);
	exported_serve(&e, NBD);
	assert_int_equal(shell(&e,
			       "nbdinfo --json " URI " > info && cat info && nbdinfo --list " URI,
			       e.socket, e.socket),
			 0);
	assert_int_equal(shell(&e,
			       "for want in '\"export-size\": 67108864' '\"can_multi_conn\": true' "
			       "'\"is_read_only\": false' '\"can_fua\": true' '\"can_trim\": true' "
			       "'\"can_zero\": true' '\"block_size_minimum\": 1' "
			       "'\"structured\": true'; do grep -q \"$want\" info || "
			       "{ echo missing: $want; exit 1; }; done"),
			 0);
	assert_quiet_end(&e);
}

static void a_read_only_export_says_so(void **state)
{
	static struct exported e;

	(void)state;
	exported_init(&e, 1 << 20);
	e.rig.config->flags = RF_EXPORT_READ_ONLY;
	exported_serve(&e, NBD);
	assert_int_equal(shell(&e, "nbdinfo --is readonly " URI, e.socket), 0);
	assert_quiet_end(&e);
}

static void nbdcopy_moves_a_disk_over_many_deaths(void **state)
{
	static struct exported e;

	(void)state;
	exported_init(&e, 32 << 20);
	e.die_after = 40;
	exported_serve(&e, NBD);
	assert_int_equal(shell(&e, "head -c 32M /dev/urandom >in && nbdcopy --flush in " URI
			       " && nbdcopy " URI " back && cmp in back", e.socket, e.socket), 0);
	assert_true(e.deaths >= 3);
	assert_true(e.flushes > 0);
	assert_quiet_end(&e);
}

static void nbdcopy_with_huge_and_tiny_requests(void **state)
{
	static struct exported e;

	(void)state;
	exported_init(&e, 64 << 20);
	exported_serve(&e, NBD);
	assert_int_equal(shell(&e,
			       "head -c 64M /dev/urandom >in && nbdcopy --request-size=33554432 "
			       "in " URI " && nbdcopy --request-size=33554432 " URI
			       " back && cmp in back",
			       e.socket, e.socket),
			 0);
	assert_int_equal(shell(&e, "nbdcopy --request-size=4096 --requests=128 " URI
			       " back && cmp in back", e.socket), 0);
	assert_quiet_end(&e);
}

static void qemu_io_writes_zeroes_discards_and_reads(void **state)
{
	static struct exported e;

	(void)state;
	exported_init(&e, 16 << 20);
	exported_serve(&e, NBD);
	assert_int_equal(shell(&e,
			       "qemu-io -f raw -t writeback -c 'write -P 0x5a 0 4M' -c 'write -P "
			       "0x11 -f 4M 64k' "
			       "-c 'write -z 1M 64k' -c 'write -z -u 2M 1M' -c 'discard 3M 512k' "
			       "-c 'flush' -c 'read -P 0x5a 0 1M' -c 'read -P 0 1M 64k' "
			       "-c 'read -P 0x5a 1114112 512k' -c 'read -P 0 2M 1M' "
			       "-c 'read -P 0x11 4M 64k' -c 'read -P 0 15M 1M' " URI,
			       e.socket),
			 0);
	assert_int_equal(shell(&e, "! grep -iE 'fail|error' out"), 0);
	assert_true(e.fua >= 1);
	assert_true(e.flushes >= 1);
	assert_quiet_end(&e);
}

/* A disk of 4 KiB blocks, a client that knows of none. */
static void qemu_io_writes_less_than_a_block(void **state)
{
	static struct exported e;

	(void)state;
	exported_init(&e, 16 << 20);
	e.rig.info.block_size = 4096;
	exported_serve(&e, NBD);
	assert_int_equal(shell(&e,
			       "qemu-io -f raw -t writeback -c 'write -P 0x5a 0 64k' -c 'write -P "
			       "0x11 512 512' "
			       "-c 'write -P 0x22 4095 2' -c 'write -P 0x33 8191 8194' -c 'write "
			       "-z 20481 9000' "
			       "-c 'flush' -c 'read -P 0x5a 0 512' -c 'read -P 0x11 512 512' "
			       "-c 'read -P 0x5a 1024 3071' -c 'read -P 0x22 4095 2' -c 'read -P "
			       "0x5a 4097 4094' "
			       "-c 'read -P 0x33 8191 8194' -c 'read -P 0x5a 16385 4096' "
			       "-c 'read -P 0 20481 9000' -c 'read -P 0x5a 29481 36055' " URI,
			       e.socket),
			 0);
	assert_int_equal(shell(&e, "! grep -iE 'fail|error' out"), 0);
	assert_quiet_end(&e);
}

static void qemu_img_converts_and_compares_over_deaths(void **state)
{
	static struct exported e;

	(void)state;
	exported_init(&e, 32 << 20);
	e.die_after = 10;
	exported_serve(&e, NBD);
	assert_int_equal(shell(&e, "head -c 24M /dev/urandom >in && head -c 8M /dev/zero >>in && "
			       "qemu-img convert -n -f raw -O raw in " URI " && "
			       "qemu-img compare -f raw -F raw in " URI, e.socket, e.socket), 0);
	assert_true(e.deaths >= 3);
	assert_quiet_end(&e);
}

static void fio_verifies_over_many_deaths(void **state)
{
	static struct exported e;

	(void)state;
	exported_init(&e, 32 << 20);
	e.die_after = 300;
	exported_serve(&e, NBD);
	assert_int_equal(shell(&e,
			       "fio --name=x --ioengine=nbd --uri='nbd+unix:///disk?socket=%s' "
			       "--rw=randrw --bs=4k --iodepth=32 --size=32M --verify=crc32c "
			       "--do_verify=1 --verify_fatal=1 --fsync=64 --randseed=7",
			       e.socket),
			 0);
	assert_true(e.deaths >= 20);
	assert_true(e.rig.stats->reissued >= e.deaths);
	assert_quiet_end(&e);
}

static void clients_wait_while_no_driver_runs(void **state)
{
	static struct exported e;

	(void)state;
	exported_init(&e, 1 << 20);
	e.hold = 1;
	exported_serve(&e, NBD);
	assert_int_equal(shell(&e, "(qemu-io -f raw -c 'write -P 7 0 4k' -c 'read -P 7 0 4k' " URI
			       " && echo good) >later 2>&1 &", e.socket), 0);
	while (!e.taken)
		usleep(1000);
	e.die_now = 1;
	while (!e.deaths)
		usleep(1000);
	e.hold = 0;
	assert_int_equal(shell(&e, "until grep -q good later; do sleep 0.05; ! grep -q rror later "
				   "|| exit 1; done"),
			 0);
	assert_quiet_end(&e);
}

/* Killed with requests in flight: the next one serves what was acknowledged, whoever
 * waited in the backlog meanwhile. */
static void a_killed_export_is_replaced(void **state)
{
	static struct exported e;

	(void)state;
	exported_init(&e, 8 << 20);
	exported_serve(&e, NBD);
	assert_int_equal(shell(&e, "qemu-io -f raw -c 'write -P 0x21 0 8M' " URI, e.socket), 0);
	for (int round = 0; round < 5; round++) {
		uint32_t taken = e.taken;

		e.hold = 1;
		assert_int_equal(shell(&e, "(qemu-io -f raw -r -c 'read 0 1M' " URI " >cut 2>&1; "
				       "echo done >>cut) &", e.socket), 0);
		while (e.taken == taken)
			usleep(1000);
		exported_replace(&e, NBD);
		e.hold = 0;
		assert_int_equal(shell(&e, "qemu-io -f raw -c 'read -P 0x21 0 8M' " URI " >all && "
				       "! grep -iE 'fail|error' all && "
				       "until grep -q done cut; do sleep 0.05; done", e.socket), 0);
	}
	assert_int_equal(shell(&e, "test $(grep -c 'a predecessor died with' log) = 5"), 0);
	assert_int_equal(e.rig.stats->violations, 0);
	assert_int_equal(exported_end(&e), 0);
}

static void a_bad_sector_is_an_error_to_the_client_and_to_nobody_else(void **state)
{
	static struct exported e;

	(void)state;
	exported_init(&e, 4 << 20);
	e.fail_sector = 4096;
	exported_serve(&e, NBD);
	assert_int_equal(
		shell(&e,
		      "! qemu-io -f raw -r -c 'read 2M 4k' " URI " >bad 2>&1; "
		      "grep -q 'Input/output error' bad && qemu-io -f raw -r -c 'read 0 2M' "
		      "-c 'read 3M 1M' " URI,
		      e.socket, e.socket),
		0);
	assert_int_equal(shell(&e, "! grep -iE 'fail|error' out"), 0);
	assert_quiet_end(&e);
}

/* ---- the load generator ------------------------------------------------------ */

static void run_load(struct exported *e, const char *program, const char *bench, char *json,
		     size_t bytes)
{
	int pipes[2];

	rig_must(!pipe(pipes), "pipe");
	close(e->rig.fd[RF_EXPORT_FD_LISTEN]);
	e->rig.fd[RF_EXPORT_FD_LISTEN] = rig_park(pipes[1]);
	snprintf(e->rig.config->words, sizeof(e->rig.config->words), "%s", bench);
	e->output = 1;
	exported_start(e, program);
	close(e->rig.fd[RF_EXPORT_FD_LISTEN]); /* its end is the end of the pipe */
	memset(json, 0, bytes);
	ssize_t n = read(pipes[0], json, bytes - 1);
	close(pipes[0]);
	assert_true(n > 0);
	print_message("# %s", json);
	assert_int_equal(exported_end(e), 0);
}

static long figure(const char *json, const char *name)
{
	char key[64];

	snprintf(key, sizeof(key), "\"%s\":", name);
	const char *at = strstr(json, key);
	return at ? atol(at + strlen(key)) : -1;
}

static void load_verifies_over_many_deaths(void **state)
{
	static struct exported e;
	char json[1024];

	(void)state;
	exported_init(&e, 16 << 20);
	e.die_after = 400;
	run_load(&e, LOAD, "mode=randrw verify=1 requests=20000 qd=32 seed=3", json, sizeof(json));
	assert_int_equal(figure(json, "requests"), 20000);
	assert_int_equal(figure(json, "errors"), 0);
	assert_int_equal(figure(json, "mismatches"), 0);
	assert_true(figure(json, "verified") > 5000);
	assert_true(e.deaths >= 40);
}

/* The verifier's control: with reissue off, writes are lost, and it says so. */
static void load_sees_lost_writes_without_reissue(void **state)
{
	static struct exported e;
	char json[1024];

	(void)state;
	exported_init(&e, 16 << 20);
	e.die_after = 400;
	run_load(&e, LAX_LOAD, "mode=randrw verify=1 requests=20000 qd=32 seed=3", json,
		 sizeof(json));
	assert_int_equal(figure(json, "errors"), 0);
	assert_true(figure(json, "mismatches") > 0);
}

static void load_reads_at_depth(void **state)
{
	static struct exported e;
	char json[1024];

	(void)state;
	exported_init(&e, 16 << 20);
	e.rig.config->spin_ns = ~0ull;
	run_load(&e, LOAD, "mode=randread requests=50000 qd=32 marks=1", json, sizeof(json));
	assert_int_equal(figure(json, "requests"), 50000);
	assert_int_equal(figure(json, "sleeps"), 0);
	exported_init(&e, 16 << 20);
	e.rig.config->spin_ns = 0;
	run_load(&e, LOAD, "mode=seqread bs=64K requests=5000 qd=4", json, sizeof(json));
	assert_int_equal(figure(json, "bytes"), 5000l * 65536);
	assert_true(figure(json, "sleeps") > 0);
}

static void load_refuses_what_it_does_not_understand(void **state)
{
	static const char *const bad[] = { "mode=sideways", "qd=0", "qd=100000", "bs=100",
					   "speed=11", "bs", "bs=1G" };
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		static struct exported e;

		exported_init(&e, 1 << 20);
		snprintf(e.rig.config->words, sizeof(e.rig.config->words), "%s", bad[i]);
		exported_exec(&e, LOAD);
		rig_first_up(&e.rig);
		int status;
		rig_must(waitpid(e.pid, &status, 0) == e.pid, "waitpid");
		assert_int_equal(WEXITSTATUS(status), 70);
		assert_int_equal(shell(&e, "grep -q '^rf-load: bench: ' log"), 0);
		munmap(e.ram.disk, e.ram.size);
		rig_close(&e.rig);
		assert_int_equal(shell(&e, "rm -rf %s", e.dir), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nbdinfo_sees_the_disk),
		cmocka_unit_test(a_read_only_export_says_so),
		cmocka_unit_test(nbdcopy_moves_a_disk_over_many_deaths),
		cmocka_unit_test(nbdcopy_with_huge_and_tiny_requests),
		cmocka_unit_test(qemu_io_writes_zeroes_discards_and_reads),
		cmocka_unit_test(qemu_io_writes_less_than_a_block),
		cmocka_unit_test(qemu_img_converts_and_compares_over_deaths),
		cmocka_unit_test(fio_verifies_over_many_deaths),
		cmocka_unit_test(clients_wait_while_no_driver_runs),
		cmocka_unit_test(a_killed_export_is_replaced),
		cmocka_unit_test(a_bad_sector_is_an_error_to_the_client_and_to_nobody_else),
		cmocka_unit_test(load_verifies_over_many_deaths),
		cmocka_unit_test(load_sees_lost_writes_without_reissue),
		cmocka_unit_test(load_reads_at_depth),
		cmocka_unit_test(load_refuses_what_it_does_not_understand),
	};

	/* A client that hangs is a failure, not a test run that never ends. */
	alarm(300);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
