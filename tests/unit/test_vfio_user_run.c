/* SPDX-License-Identifier: MIT */
/*
 * test_vfio_user_run.c - `ringfence run` with a vfio-user server that is missing, strange,
 * or dies: the line, the exit code, and that nothing is left behind.
 *
 * Room:   tests/unit. Runs the built programs, as they are, on this machine. No root, no
 *         IOMMU; where this is root the same is done as nobody, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "exit_code.h"
#include "run_ringfence.h"
#include "scripted_server.h"

#define NOBODY 65534

/* ---- servers ---------------------------------------------------------------------------- */

static struct server scripted;

static int listen_here(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	path(a.sun_path, sizeof(a.sun_path), "dev.sock");
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(chmod(a.sun_path, 0666), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void *accept_one(void *arg)
{
	int listener = *(int *)arg;

	scripted.sock = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	return scripted.sock < 0 ? NULL : server_main(&scripted);
}

static bool never_answer(struct server *s, struct incoming *m)
{
	(void)s;
	(void)m;
	return true;
}

static bool speak_http(struct server *s, struct incoming *m)
{
	(void)m;
	(void)!write(s->sock, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
	return true;
}

/* ---- tests ------------------------------------------------------------------------------- */

static void no_socket(void **state)
{
	(void)state;
	begin();
	assert_int_equal(exit_code(run_ringfence()), RF_EXIT_NO_DEVICE);
	log_has("no device server at ", 1);
	log_has("No such file or directory", 1);
	nothing_is_left();
	/* A file that nobody listens at is the same. */
	close(listen_here());
	assert_int_equal(exit_code(run_ringfence()), RF_EXIT_NO_DEVICE);
	log_has("Connection refused", 1);
	end();
}

/* Its queue of clients is full: other devices start meanwhile, and it does once there is room. */
static void a_server_with_a_full_queue_holds_up_nobody_else(void **state)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int listener, queued[8], n = 0;
	char conf[96];

	(void)state;
	begin();
	path(conf, sizeof(conf), "rf.conf");
	FILE *f = fopen(conf, "a");
	assert_non_null(f);
	fprintf(f, "device disk1\n  policy null_blk\n  export nbd %s/nbd1.sock\n", dir);
	fclose(f);
	path(a.sun_path, sizeof(a.sun_path), "dev.sock");
	listener = listen_here();
	assert_int_equal(listen(listener, 0), 0);
	for (;; n++) {
		queued[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (connect(queued[n], (struct sockaddr *)&a, sizeof(a)))
			break;
		assert_true(n < 7);
	}
	assert_int_equal(errno, EAGAIN);
	pid_t rf = run_ringfence();
	log_has("disk1: ready", 1);
	read_file("log");
	assert_null(strstr(said, "no device server")); /* given up later, and not before */
	log_has("its queue of clients is full", 1);
	kill(rf, SIGTERM);
	assert_int_equal(exit_code(rf), RF_EXIT_NO_DEVICE);
	for (; n >= 0; n--)
		close(queued[n]);
	close(listener);
	end();
}

static void bad_servers_end_in_a_line_and_a_code(void **state)
{
	static const struct {
		const char *what;
		int code;
		twist_fn *twist;
		uint16_t major;
		uint32_t regions, bar0;
		bool no_msix, other_class;
	} cases[] = {
		{ "no vfio-user handshake", RF_EXIT_DEVICE, .twist = never_answer },
		{ "no vfio-user handshake", RF_EXIT_DEVICE, .twist = speak_http },
		{ "speaks version 1.0", RF_EXIT_DEVICE, .major = 1 },
		{ "a PCI device needs 8", RF_EXIT_DEVICE, .regions = 3 },
		{ "none of the interrupts its policy accepts", RF_EXIT_DEVICE, .no_msix = true },
		{ "outside of BAR 0, which has 4096 bytes", RF_EXIT_DEVICE, .bar0 = 4096 },
		{ "is not what its policy is for", RF_EXIT_NO_DEVICE, .other_class = true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		pthread_t thread;

		begin();
		server_init(&scripted);
		scripted.twist = cases[i].twist;
		scripted.major = cases[i].major;
		scripted.minor = cases[i].major ? 0 : 1;
		scripted.regions = cases[i].regions ? cases[i].regions : scripted.regions;
		scripted.bar0_bytes = cases[i].bar0 ? cases[i].bar0 : scripted.bar0_bytes;
		if (!cases[i].no_msix)
			server_has_msix(&scripted);
		if (cases[i].other_class)
			scripted.config[11] = 2;
		int listener = listen_here();
		assert_int_equal(pthread_create(&thread, NULL, accept_one, &listener), 0);
		int code = exit_code(run_ringfence());
		pthread_join(thread, NULL);
		close(listener);
		close(scripted.sock);
		read_file("log");
		if (code != cases[i].code || !strstr(said, cases[i].what))
			fail_msg("case %zu: code %d, wanted %d and \"%s\" in: %s", i, code,
				 cases[i].code, cases[i].what, said);
		nothing_is_left();
		for (unsigned v = 0; v < MSIX_VECTORS; v++)
			if (scripted.vector[v] >= 0)
				close(scripted.vector[v]);
		close(scripted.page_fd);
		close(scripted.shadow_fd);
		close(scripted.bell_fd);
		end();
	}
}

/* CAP.DSTRD is the device's word. It may put the doorbells further apart, but not out of the
 * page that is the driver's. */
static void doorbells_stay_in_their_page(void **state)
{
	(void)state;
	begin();
	/* queue 1's at 0x1800 and 0x1c00 */
	pid_t model = run_model_with("--dstrd", "8"), rf = run_ringfence();
	log_has("disk0: 16 MiB, blocks of", 1);
	kill(rf, SIGTERM);
	assert_int_equal(exit_code(rf), 0);
	kill_model(model);
	nothing_is_left();
	end();

	begin();
	model = run_model_with("--dstrd", "10");
	assert_int_equal(exit_code(run_ringfence()), RF_EXIT_DEVICE);
	log_has("doorbells of stride 2^12 bytes cannot be given to a driver", 1);
	kill_model(model);
	nothing_is_left();
	end();
}

/* The line says what it is. The one that is driven is the control. */
static void what_is_no_plain_disk_is_refused(void **state)
{
	static const struct {
		const char *key, *value, *what;
	} cases[] = {
		{ "--csi", "2", "namespace 1 is zoned (command set 2)" },
		{ "--csi", "1", "namespace 1 is a key value store" },
		{ "--css", "0x80", "takes admin commands only" },
		{ "--css", "0x02", "lacks the NVM command set" },
		{ "--nsid", "3", "namespace 1 is not there: this controller has 3" },
		{ "--id-ctrl", "111=2", "is a discovery controller" },
		{ "--id-ctrl", "111=3", "is an administrative controller" },
		{ "--id-ctrl", "512=0x77", "queue entries cannot be" },
		{ "--id-ns", "128=8", "has 8 bytes of metadata a block" },
		{ "--id-ns", "29=1", "with protection information" },
		{ "--id-ns", "130=14", "has blocks of 16384 bytes" },
		{ "--id-ns", "130=0", "is in format 0, which it does not have" },
		{ "--id-ns", "26=5", "is in format 5, which it does not have" },
		{ "--id-ns", "7=0xff", "has an impossible size" },
		{ "--css", "0x41", NULL },
		{ "--id-limits", "4=8", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin();
		pid_t model = run_model_with(cases[i].key, cases[i].value), rf = run_ringfence();
		log_has(cases[i].what ? cases[i].what : "disk0: 16 MiB, blocks of", 1);
		if (!cases[i].what)
			kill(rf, SIGTERM);
		assert_int_equal(exit_code(rf), cases[i].what ? RF_EXIT_DEVICE : 0);
		kill_model(model);
		nothing_is_left();
		end();
	}
}

/* The configuration of a disk that ends when its load has run. */
static void write_load(const char *load)
{
	char conf[96];

	path(conf, sizeof(conf), "rf.conf");
	FILE *f = fopen(conf, "w");
	assert_non_null(f);
	fprintf(f, "run-dir %s/run\ndevice disk0\n  policy nvme\n  socket %s/dev.sock\n"
		   "  export program %s/build/tests/rf-load output %s/load.json %s\n",
		dir, dir, getenv("PWD"), dir, load);
	fclose(f);
}

/* A server that wants all of PCI: BARs that are dead without an address and Memory Enable,
 * interrupts that need MSI-X Enable and unmasked entries. And one with the habits of QEMU's
 * besides: an eventfd wired for errors is that of its first vector, so that the first admin
 * command looks like the end of the device, and it hangs up at what it does not know. */
static void strict_servers_are_driven(void **state)
{
	static const char *const habits[] = { "--strict", "--as-qemu" };

	(void)state;
	for (int i = 0; i < 2; i++) {
		begin();
		write_load("mode=randrw verify=1 qd=8 requests=2000");
		pid_t model = run_model_with(habits[i], NULL), rf = run_ringfence();
		assert_int_equal(exit_code(rf), 0); /* once the load is done */
		read_file("load.json");
		assert_non_null(strstr(said, "\"requests\":2000"));
		assert_non_null(strstr(said, "\"errors\":0,\"mismatches\":0"));
		kill_model(model);
		nothing_is_left();
		end();
	}
}

/* A server that takes the arena's pages away before each interrupt: what it read is zero, which it
 * could have written as well. Nobody dies of it, and no request is lost. */
static void holes_in_the_arena_cost_data_only(void **state)
{
	(void)state;
	begin();
	write_load("mode=randread qd=8 requests=2000");
	pid_t model = run_model_with("--fault", "memory-punched,count=forever"),
	      rf = run_ringfence();
	assert_int_equal(exit_code(rf), 0);
	read_file("load.json");
	assert_non_null(strstr(said, "\"requests\":2000"));
	assert_non_null(strstr(said, "\"errors\":0,"));
	read_file("log");
	assert_null(strstr(said, "died"));
	read_file("model");
	assert_null(strstr(said, "no hole"));
	kill_model(model);
	nothing_is_left();
	end();
}

/* Until a driver runs: before that a server that goes away is one that never worked. */
static void driver_runs(void)
{
	char command[160], line[1024];
	const char *at = NULL;

	snprintf(command, sizeof(command),
		 "build/bin/ringfence --run-dir %s/run status --json 2>/dev/null", dir);
	for (int i = 0; i < DEADLINE * 20 && (!at || at[13] == '0'); i++) {
		FILE *f = popen(command, "r");
		assert_non_null(f);
		at = fgets(line, sizeof(line), f) ? strstr(line, "\"generation\":") : NULL;
		pclose(f);
		usleep(50000);
	}
	assert_true(at && at[13] != '0');
}

/* Dies and comes back; dies and does not. */
static void a_dead_server_is_connected_to_afresh(void **state)
{
	static const char up[] = "disk0: 16 MiB, blocks of";

	(void)state;
	begin();
	pid_t model = run_model(), rf = run_ringfence();
	log_has(up, 1);
	driver_runs();
	kill_model(model);
	log_has("its vfio-user server closed the connection", 1);
	model = run_model();
	log_has(up, 2);
	driver_runs();
	kill_model(model);
	log_has("its vfio-user server closed the connection", 2);
	log_has("clients wait for it, up to 30 s", 1);
	kill(rf, SIGTERM);
	assert_int_equal(exit_code(rf), 0);
	nothing_is_left();
	end();
}

static void nobody_can_do_it_all(void **state)
{
	(void)state;
	if (geteuid())
		skip(); /* all of the above was done without root */
	run_as = NOBODY;
	begin();
	pid_t model = run_model(), rf = run_ringfence();
	for (int i = 0; i < DEADLINE * 20; i++) {
		read_file("log");
		if (strstr(said, "16 MiB"))
			break;
		int status;
		if (waitpid(rf, &status, WNOHANG) == rf) {
			kill_model(model);
			end();
			run_as = 0;
			if (WIFEXITED(status) && WEXITSTATUS(status) == 127) {
				print_message("# nobody cannot reach this directory: not tried\n");
				skip();
			}
			fail_msg("it ended: %s", said);
		}
		usleep(50000);
	}
	log_has("16 MiB", 1);
	kill(rf, SIGTERM);
	assert_int_equal(exit_code(rf), 0);
	kill_model(model);
	nothing_is_left();
	end();
	run_as = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_socket),
		cmocka_unit_test(a_server_with_a_full_queue_holds_up_nobody_else),
		cmocka_unit_test(bad_servers_end_in_a_line_and_a_code),
		cmocka_unit_test(doorbells_stay_in_their_page),
		cmocka_unit_test(what_is_no_plain_disk_is_refused),
		cmocka_unit_test(strict_servers_are_driven),
		cmocka_unit_test(holes_in_the_arena_cost_data_only),
		cmocka_unit_test(a_dead_server_is_connected_to_afresh),
		cmocka_unit_test(nobody_can_do_it_all),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
