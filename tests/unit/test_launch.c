/* SPDX-License-Identifier: MIT */
/*
 * test_launch.c - the fence around a driver, on the build machine: what it may see,
 * what it holds, when it may run, and that attacks succeed without the filter.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>

#include "image.h"
#include "launch_fixture.h"
#include "address_space.h"
#include "sandbox/launch/image.c"

#define PROBE      "build/fault/probe"
#define PROBE_GOOD 1000u

/* ---- /proc/PID/maps ------------------------------------------------------------- */

struct mapping {
	uint64_t start, end;
	char     perms[5];
	char     name[64];
};

#define MAX_MAPPINGS 64

/* Reads /proc/PID/maps; neighbours of the same kind count as one. */
static unsigned maps_read(pid_t pid, struct mapping *m)
{
	char     path[64], line[512];
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	FILE *f = fopen(path, "r");
	MUST(f);
	while (fgets(line, sizeof(line), f)) {
		struct mapping one = { 0 };
		unsigned long long start, end;

		MUST(n < MAX_MAPPINGS);
		MUST(sscanf(line, "%llx-%llx %4s %*s %*s %*s %63[^\n]", &start, &end, one.perms,
			    one.name) >= 3);
		one.start = start;
		one.end = end;
		if (n && m[n - 1].end == one.start && !strcmp(m[n - 1].perms, one.perms) &&
		    !strcmp(m[n - 1].name, one.name))
			m[n - 1].end = one.end;
		else
			m[n++] = one;
	}
	fclose(f);
	return n;
}

static void expect(struct mapping *m, unsigned *n, uint64_t bytes, const char *perms,
		   const char *name)
{
	struct mapping *last = *n ? &m[*n - 1] : NULL;

	if (!bytes)
		return;
	MUST(*n < MAX_MAPPINGS);
	m[*n] = (struct mapping){ .end = bytes };
	if (last && !strcmp(last->perms, perms) && !strcmp(last->name, name)) {
		last->end += bytes;
		return;
	}
	strcpy(m[*n].perms, perms);
	strcpy(m[*n].name, name);
	++*n;
}

/* The image's segments, as its own headers and RELRO say. */
static void expect_image(struct mapping *m, unsigned *n, const char *path)
{
	size_t          bytes;
	unsigned char  *file = launching_file(path, &bytes);
	struct rf_image img;

	assert_null(rf_image_check(&img, file, bytes));
	for (unsigned i = 0; i < img.segment_count; i++) {
		const struct rf_image_segment *s = &img.segment[i];
		uint64_t start = PAGE_DOWN(s->vaddr);
		uint64_t file_end = s->filesz ? PAGE_UP(s->vaddr + s->filesz) : start;
		uint64_t end = PAGE_UP(s->vaddr + s->memsz);
		char     perms[] = { 'r', s->prot & PROT_WRITE ? 'w' : '-',
				     s->prot & PROT_EXEC ? 'x' : '-', 'p', 0 };

		for (uint64_t at = start; at < end; at += PAGE)
			expect(m, n, PAGE, at >= img.relro && at < img.relro_end ? "r--p" : perms,
			       at < file_end ? "/memfd:rf-image (deleted)" : "");
	}
	free(file);
}

/* All a driver may have mapped, in ascending order; the trampoline's page is looked for
 * apart, since it stays where the launcher was. */
static unsigned expect_all(struct mapping *m, const char *image, bool tls)
{
	unsigned n = 0;

	expect_image(m, &n, image);
	/* bss, TLS and stack: the holes between them keep them three. */
	m[n] = (struct mapping){ .end = PAGE };
	strcpy(m[n++].perms, tls ? "rw-p" : "r--p");
	m[n++] = (struct mapping){ .end = RF_STACK_BYTES, .perms = "rw-p" };
	expect(m, &n, RF_PAGE, "r--s", "/memfd:rf-boot (deleted)");
	expect(m, &n, LAUNCH_CHAN_BYTES, "rw-s", "/memfd:rf-rings (deleted)");
	expect(m, &n, LAUNCH_ARENA, "rw-s", "/memfd:rf-data (deleted)");
	return n;
}

static void maps_check(pid_t pid, const char *image, bool tls)
{
	struct mapping is[MAX_MAPPINGS], should[MAX_MAPPINGS];
	unsigned count = maps_read(pid, is), wanted = expect_all(should, image, tls), n = 0;
	unsigned trampolines = 0;

	for (unsigned i = 0; i < count; i++) {
		if (!strcmp(is[i].name, "[vsyscall]"))
			continue;
		if (strstr(is[i].name, "rf-launch")) {
			assert_string_equal(is[i].perms, "r-xp");
			assert_int_equal(is[i].end - is[i].start, 4096);
			trampolines++;
			continue;
		}
		assert_true(n < wanted);
		assert_string_equal(is[i].perms, should[n].perms);
		assert_string_equal(is[i].name, should[n].name);
		assert_int_equal(is[i].end - is[i].start, should[n].end - should[n].start);
		n++;
	}
	assert_int_equal(n, wanted);
	assert_int_equal(trampolines, 1);
}

/* ---- /proc/PID/fd ----------------------------------------------------------------- */

static void fds_check(pid_t pid, int wanted)
{
	char  path[64], link[64] = "";
	int   count = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *dir = opendir(path);
	MUST(dir);
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		assert_in_range(atoi(e->d_name), 0, wanted - 1);
		ssize_t len = readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1);
		MUST(len > 0);
		link[len] = 0;
		assert_string_equal(link, "anon_inode:[eventfd]");
		count++;
	}
	closedir(dir);
	assert_int_equal(count, wanted);
}

/* A number out of /proc/PID/status. */
static int status_read(pid_t pid, const char *key)
{
	char path[64], line[256];
	int  value = -1;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *f = fopen(path, "r");
	MUST(f);
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ':')
			value = (int)strtol(line + strlen(key) + 1, NULL, 16);
	fclose(f);
	return value;
}

/* ---- the tests ---------------------------------------------------------------------- */

static void probe_run(struct launching *l)
{
	char     log[512];
	uint64_t kicks = 0;

	*(uint64_t *)l->chan = 7;
	launching_start(l, FENCED);
	assert_true(launching_log(l, log, sizeof(log)));
	assert_string_equal(log, "");
	while (kicks < PROBE_GOOD) {
		uint64_t more = launching_kicks(l, WAIT_MS);

		/* Fewer kicks than PROBE_GOOD are the number of what was wrong. */
		if (!more)
			assert_int_equal(kicks, PROBE_GOOD);
		kicks += more;
	}
	assert_int_equal(kicks, PROBE_GOOD);
	assert_int_equal(*(uint64_t *)l->chan, 8);
}

static void driver_finds_what_boot_promises(void **state)
{
	struct launching l;

	(void)state;
	launching_init(&l, PROBE);
	probe_run(&l);
	launching_wake(&l);
	assert_int_equal(launching_wait(&l), 0);
	launching_end(&l);
}

static void maps_and_fds_are_exactly_the_policy(void **state)
{
	struct launching l;

	(void)state;
	launching_init(&l, PROBE);
	probe_run(&l);
	maps_check(l.pid, PROBE, true);
	fds_check(l.pid, 2);
	assert_int_equal(status_read(l.pid, "Seccomp"), 2);
	assert_int_equal(status_read(l.pid, "NoNewPrivs"), 1);
	assert_int_equal(status_read(l.pid, "CapPrm"), 0);
	launching_end(&l);
}

static void intx_variant_keeps_one_more_fd(void **state)
{
	struct launching l;

	(void)state;
	launching_init(&l, PROBE);
	l.spec.flags = RF_LAUNCH_DEVICE;
	strcpy(l.spec.filter, "driver-device");
	probe_run(&l);
	fds_check(l.pid, 3);
	launching_end(&l);
}

static void image_without_tls_gets_it_read_only(void **state)
{
	struct launching l;
	char log[512];

	(void)state;
	launching_init(&l, "build/drivers/null_blk");
	launching_start(&l, FENCED);
	assert_true(launching_log(&l, log, sizeof(log)));
	assert_string_equal(log, "");
	maps_check(l.pid, "build/drivers/null_blk", false);
	launching_end(&l);
}

/* Waits until the driver sleeps in its read with nothing left in the eventfd. */
static void drained_wait(struct launching *l)
{
	struct pollfd p = { .fd = l->wake, .events = POLLIN };

	while (poll(&p, 1, 0) == 1)
		assert_int_equal(waitpid(l->pid, NULL, WNOHANG), 0);
}

static void standby_holds_until_let_go(void **state)
{
	struct launching l;
	char log[512];

	(void)state;
	launching_init(&l, "build/fault/evil_first");
	l.boot->go = LAUNCH_GENERATION - 1;
	launching_start(&l, FENCED);
	assert_true(launching_log(&l, log, sizeof(log)));
	assert_string_equal(log, "");
	maps_check(l.pid, "build/fault/evil_first", false);
	/* Wake-ups do not open the trampoline, and the image's first instruction is deadly. */
	for (int i = 0; i < 100; i++) {
		launching_wake(&l);
		drained_wait(&l);
	}
	fds_check(l.pid, 2);
	assert_int_equal(status_read(l.pid, "Seccomp"), 2);
	assert_int_equal(waitpid(l.pid, NULL, WNOHANG), 0);
	l.boot->go = LAUNCH_GENERATION;
	launching_wake(&l);
	int status = launching_wait(&l);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
	launching_end(&l);
}

/* Runs a hostile image to its end: wait status, and how often it kicked. */
static int hostile_run(const char *image, const char *launcher, uint64_t *kicks, char *log,
		       size_t room)
{
	struct launching l;

	launching_init(&l, image);
	launching_start(&l, launcher);
	assert_true(launching_log(&l, log, room));
	int status = launching_wait(&l);
	*kicks = launching_kicks(&l, 0);
	launching_end(&l);
	return status;
}

static void hostile_dies(const char *image, int signal, uint64_t kicks)
{
	char     log[512];
	uint64_t is;
	int      status = hostile_run(image, FENCED, &is, log, sizeof(log));

	assert_string_equal(log, "");
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), signal);
	assert_int_equal(is, kicks);
}

static void forbidden_first_instruction_dies(void **state)
{
	(void)state;
	hostile_dies("build/fault/evil_first", SIGSYS, 0);
}

/* The control: the same image, the same launcher, the filter left out. */
static void forbidden_first_instruction_works_unfenced(void **state)
{
	char     log[512];
	uint64_t kicks;
	int status = hostile_run("build/fault/evil_first", UNFENCED, &kicks, log, sizeof(log));

	(void)state;
	assert_non_null(strstr(log, "UNFENCED"));
	assert_int_equal(status, 0);
	assert_int_equal(kicks, 1);
}

static void forbidden_argument_dies(void **state)
{
	(void)state;
	hostile_dies("build/fault/evil_fd", SIGSYS, 1);
}

static void forbidden_argument_works_unfenced(void **state)
{
	char     log[512];
	uint64_t kicks;
	int status = hostile_run("build/fault/evil_fd", UNFENCED, &kicks, log, sizeof(log));

	(void)state;
	assert_int_equal(status, 0);
	assert_int_equal(kicks, 1); /* it read its first kick back, so one is left */
}

static void writes_to_boot_code_and_relro_die(void **state)
{
	(void)state;
	hostile_dies("build/fault/evil_boot", SIGSEGV, 0);
	hostile_dies("build/fault/evil_text", SIGSEGV, 0);
	hostile_dies("build/fault/evil_relro", SIGSEGV, 0);
}

/* ---- what the launcher refuses -------------------------------------------------------- */

static void refused(struct launching *l, int code, const char *says)
{
	char log[512];

	launching_start(l, FENCED);
	assert_true(launching_log(l, log, sizeof(log)));
	int status = launching_wait(l);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), code);
	if (!strstr(log, says))
		assert_string_equal(log, says);
	assert_ptr_equal(strchr(log, '\n'), log + strlen(log) - 1); /* one line */
	assert_int_equal(launching_kicks(l, 0), 0);
	launching_end(l);
}

#define REFUSED(change, code, says)                                                     \
	do {                                                                            \
		struct launching l;                                                     \
		launching_init(&l, PROBE);                                              \
		change;                                                                 \
		refused(&l, code, says);                                                \
	} while (0)

static void bad_launch_pages_are_refused(void **state)
{
	(void)state;
	REFUSED(l.spec.magic++, RF_LAUNCH_BAD_SPEC, "version");
	REFUSED(l.spec.version++, RF_LAUNCH_BAD_SPEC, "version");
	REFUSED(l.spec.flags = 2, RF_LAUNCH_BAD_SPEC, "unknown flags");
	REFUSED(l.spec.generation = 0, RF_LAUNCH_BAD_SPEC, "generation 0");
	REFUSED(l.spec.generation++, RF_LAUNCH_BAD_SPEC, "generation");
	REFUSED(l.spec.fd_count = 9, RF_LAUNCH_BAD_SPEC, "more fds");
	REFUSED(l.spec.fd_count = 4, RF_LAUNCH_BAD_SPEC, "fd 9 is not there");
	REFUSED(l.spec.window_count = 17, RF_LAUNCH_BAD_SPEC, "more fds, windows");
	REFUSED(l.spec.fixup_count = 49, RF_LAUNCH_BAD_SPEC, "fixups than there can be");
	REFUSED(l.spec.windows[1].fd = 3, RF_LAUNCH_BAD_SPEC, "fd that is not there");
	REFUSED(l.spec.windows[1].bytes = 100, RF_LAUNCH_BAD_SPEC, "number of pages");
	REFUSED(l.spec.windows[1].bytes = 0, RF_LAUNCH_BAD_SPEC, "number of pages");
	REFUSED(l.spec.windows[1].offset = 1, RF_LAUNCH_BAD_SPEC, "offset");
	REFUSED(l.spec.windows[1].flags = 4, RF_LAUNCH_BAD_SPEC, "unknown flags");
	REFUSED(l.spec.windows[1].flags = RF_WINDOW_BOOT, RF_LAUNCH_BAD_SPEC, "exactly one");
	REFUSED(l.spec.windows[0].flags = 0, RF_LAUNCH_BAD_SPEC, "exactly one");
	REFUSED(l.spec.windows[0].flags = 3, RF_LAUNCH_BAD_SPEC, "driver could write");
	REFUSED(l.spec.fixups[0].window = 3, RF_LAUNCH_BAD_SPEC, "window that is not there");
	REFUSED(l.spec.fixups[0].boot_offset = 8, RF_LAUNCH_BAD_SPEC, "fixup outside");
	REFUSED(l.spec.fixups[0].boot_offset = sizeof(struct rf_boot), RF_LAUNCH_BAD_SPEC,
		"fixup outside");
	REFUSED(l.spec.fixups[0].add = LAUNCH_CHAN_BYTES, RF_LAUNCH_BAD_SPEC, "behind its window");
	REFUSED(l.boot->magic++, RF_LAUNCH_BAD_SPEC, "boot record");
	REFUSED(memset(l.spec.filter, 'a', 32), RF_LAUNCH_BAD_SPEC, "end to its name");
}

static void unknown_list_is_refused(void **state)
{
	(void)state;
	REFUSED(strcpy(l.spec.filter, "driver-none"), RF_LAUNCH_NO_FILTER, "\"driver-none\"");
}

static void bad_images_are_refused(void **state)
{
	(void)state;
	REFUSED((close(l.image_fd), l.image_fd = launching_bytes("rf-image", "#!/bin/sh\n", 10)),
		RF_LAUNCH_BAD_IMAGE, "not an ELF file");
	REFUSED((close(l.image_fd), l.image_fd = launching_bytes("rf-image", "", 0)),
		RF_LAUNCH_BAD_IMAGE, "empty");
	REFUSED((close(l.image_fd), l.image_fd = launching_memfd("rf-image", 8192, NULL)),
		RF_LAUNCH_BAD_IMAGE, "sealed");
	REFUSED((close(l.image_fd), l.image_fd = -1), RF_LAUNCH_BAD_SPEC, "fd 4 is not there");
	REFUSED((close(l.image_fd), l.image_fd = launching_image("/bin/true")),
		RF_LAUNCH_BAD_IMAGE, "interpreter");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(driver_finds_what_boot_promises),
		cmocka_unit_test(maps_and_fds_are_exactly_the_policy),
		cmocka_unit_test(intx_variant_keeps_one_more_fd),
		cmocka_unit_test(image_without_tls_gets_it_read_only),
		cmocka_unit_test(standby_holds_until_let_go),
		cmocka_unit_test(forbidden_first_instruction_dies),
		cmocka_unit_test(forbidden_first_instruction_works_unfenced),
		cmocka_unit_test(forbidden_argument_dies),
		cmocka_unit_test(forbidden_argument_works_unfenced),
		cmocka_unit_test(writes_to_boot_code_and_relro_die),
		cmocka_unit_test(bad_launch_pages_are_refused),
		cmocka_unit_test(unknown_list_is_refused),
		cmocka_unit_test(bad_images_are_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
