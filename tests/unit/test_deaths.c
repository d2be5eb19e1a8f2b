/* SPDX-License-Identifier: MIT */
/*
 * test_deaths.c - what is told of a driver's end, to a person and to a program.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/lib/log.c"
#include "sandbox/lib/ending.c"
#include "sandbox/lib/walls.c"
#include "sandbox/proto/call_name.c"
#include "sandbox/broker/death_file.c"
#include "sandbox/supervisor/deaths.c"

#define IMAGE 0x10000000ull

static struct rf_keep_msg death(int status)
{
	return (struct rf_keep_msg){ .status = status, .pid = 77, .name = "disk0.driver.9",
				     .walls = { .locked = 1, .image = IMAGE, .image_bytes = 0x4000,
						.trampoline = 0x70000000 } };
}

static void says(const struct rf_keep_msg *m, const char *words, const char *json)
{
	char text[1024];

	rf_death_words(m, text, sizeof(text));
	if (!strstr(text, words))
		assert_string_equal(text, words);
	rf_death_json(m, "disk0", 0, text, sizeof(text));
	if (!strstr(text, json))
		assert_string_equal(text, json);
	assert_string_equal(text + strlen(text) - 2, "}\n");
}

static void a_forbidden_call_is_named_with_its_abi(void **state)
{
	struct rf_keep_msg m = death(SIGSYS);

	(void)state;
	m.exit_info = (struct rf_exit_info){ .seen = RF_SEEN_END,
					 .arch = AUDIT_ARCH_X86_64,
					 .call = 257,
					 .args = { 1, 2 },
					 .ip = IMAGE + 0x1007 };
	says(&m,
	     "openat (x86-64, number 257) with (0x1, 0x2, 0, 0, 0, 0), at image+0x1005; wall: "
	     "seccomp",
	     "\"wall\":\"seccomp\",\"syscall\":\"openat\",\"number\":257,\"abi\":\"x86-64\"");
	m.exit_info.call |= X32_BIT;
	says(&m, "openat (x32, number 257)", "\"abi\":\"x32\"");
	m.exit_info.arch = AUDIT_ARCH_I386;
	m.exit_info.call = 5;
	says(&m, "open (i386, number 5)", "\"syscall\":\"open\"");
	m.exit_info.call = 100000;
	says(&m, "unknown (i386, number 100000)", "\"generation\":9,\"queue\":0,\"pid\":77");
	m.exit_info.ip = 0x70000012;
	says(&m, "in the trampoline+0x10", "\"gate_offset\":\"0x10\"");
}

static void a_fault_says_where_and_by_what(void **state)
{
	struct rf_keep_msg m = death(SIGSEGV);

	(void)state;
	m.exit_info = (struct rf_exit_info){ .seen = RF_SEEN_END | RF_SEEN_SIGNAL,
					     .signal = SIGSEGV,
					     .code = 1,
					     .address = 0x123000,
					     .ip = IMAGE + 0x20 };
	says(&m, "touched 0x123000, which it may not", "\"fault_address\":\"0x123000\"");
	says(&m, "at image+0x20; wall: maps", "\"image_offset\":\"0x20\"");
	m.exit_info.ip = 0x99;
	says(&m, "at 0x99 outside its image", "\"ip\":\"0x99\"");
}

static void who_sent_a_signal_is_told(void **state)
{
	struct rf_keep_msg m = death(SIGTERM);

	(void)state;
	m.exit_info = (struct rf_exit_info){ .seen = RF_SEEN_SIGNAL, .signal = SIGTERM, .code = 0,
					 .address = 4242 };
	says(&m, "got signal 15 (SIGTERM) from process 4242", "\"registers\":\"signal stop\"");
}

static void no_stop_is_said_to_be_none(void **state)
{
	struct rf_keep_msg m = death(SIGKILL);

	(void)state;
	says(&m, "died of signal 9 (SIGKILL): somebody killed it",
	     "\"registers\":\"no stop came\"");
	m = death(SIGALRM);
	says(&m, "died of signal 14 (SIGALRM), no stop showed why",
	     "\"registers\":\"no stop came\"");
}

/* Behind the lock a driver chooses its exit code: it is the launcher's only before. */
static void an_exit_code_is_the_drivers_once_it_ran(void **state)
{
	struct rf_keep_msg m = death(121 << 8);

	(void)state;
	assert_true(rf_death_ran(&m));
	says(&m, "ended with code 121", "\"ran\":true,\"exit_code\":121");
	m.walls.locked = 0;
	assert_false(rf_death_ran(&m));
	says(&m, "ended with code 121 before its image ran", "\"ran\":false");
}

static void the_file_stays_bounded(void **state)
{
	char dir[] = "/tmp/ringfence-deaths-XXXXXX", path[64], old[64], line[1024];
	struct rf_keep_msg m = death(SIGKILL);
	struct stat st;

	(void)state;
	rf_death_json(&m, "disk0", 0, line, sizeof(line));
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/deaths.jsonl", dir);
	snprintf(old, sizeof(old), "%s.1", path);
	for (int i = 0; i < 12000; i++) {
		int fd = rf_death_file(dir);

		assert_int_equal(write(fd, line, strlen(line)), strlen(line));
		close(fd);
	}
	assert_int_equal(stat(path, &st), 0);
	assert_in_range(st.st_size, 1, RF_DEATHS_MOST / 2 + 1024);
	assert_int_equal(stat(old, &st), 0);
	assert_in_range(st.st_size, RF_DEATHS_MOST / 2, RF_DEATHS_MOST / 2 + 1024);
	unlink(path);
	unlink(old);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forbidden_call_is_named_with_its_abi),
		cmocka_unit_test(a_fault_says_where_and_by_what),
		cmocka_unit_test(who_sent_a_signal_is_told),
		cmocka_unit_test(no_stop_is_said_to_be_none),
		cmocka_unit_test(an_exit_code_is_the_drivers_once_it_ran),
		cmocka_unit_test(the_file_stays_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
