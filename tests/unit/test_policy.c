/* SPDX-License-Identifier: MIT */
/*
 * test_policy.c - the policy compiler: what it says to mistakes, and what the
 * compiled filters answer, by running their BPF.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/vfio.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "build/gen/launch/filters.h"

#define POLICYC "build/tools/policyc"

static char dir[] = "/tmp/rf-policy-XXXXXX";

/* ---- the compiler ----------------------------------------------------------------- */

static void file_write(const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	fclose(f);
}

/* Runs it on one list; what it printed, and its exit code. */
static int policyc(const char *text, const char *mode, char *said, size_t room)
{
	char   command[1024];
	size_t used;

	file_write("t.list", text);
	snprintf(command, sizeof(command), "rm -f %s/o.h; cd %s && %s/" POLICYC " %s t.list 2>&1",
		 dir, dir, getenv("PWD"), mode);
	FILE *p = popen(command, "r");
	assert_non_null(p);
	used = fread(said, 1, room - 1, p);
	said[used] = 0;
	return WEXITSTATUS(pclose(p));
}

static bool output_exists(void)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/o.h", dir);
	return !access(path, F_OK);
}

static void mistakes_are_named_by_line(void **state)
{
	static const struct {
		const char *list, *says;
	} cases[] = {
		{ "raed -- x\n", "t.list:1: unknown system call \"raed\"\n" },
		{ "# c\n\nread a6 == 0 -- x\n", "t.list:3: unknown key \"a6\"" },
		{ "read b0 == 0 -- x\n", "t.list:1: unknown key \"b0\"" },
		{ "read a0 = 0 -- x\n", "t.list:1: \"=\" is no operator" },
		{ "read a0 == -- x\n", "t.list:1: value is missing" },
		{ "read a0 -- x\n", "t.list:1: operator is missing" },
		{ "read a0 == 1 a0 == 2 -- x\n", "t.list:1: a0 is compared twice" },
		{ "read a0 & 1 = 1 -- x\n", "t.list:1: a mask needs \"==\"" },
		{ "read a0 & 1 == 2 -- x\n", "t.list:1: the value has bits outside" },
		{ "read\n", "t.list:1: no reason" },
		{ "read --\n", "t.list:1: the reason after \"--\" is empty" },
		{ "read -- ok\n-- x\n", "t.list:2: no reason" },
		{ "read -- ok\n -- x\n", "t.list:2: no reason" },
		{ "read a0 == VFIO_NOTHING -- x\n", "t.list:1: \"VFIO_NOTHING\" is neither" },
		{ "read a0 == 1x -- x\n", "t.list:1: \"1x\" is neither" },
		{ "read a0 == 1| -- x\n", "t.list:1: \"1|\" is not a value" },
		{ "read a0 == 99999999999999999999 -- x\n", "t.list:1: \"999" },
		{ "read -- x\nread a0 == 1 -- y\n", "t.list:2: read: line 1 makes" },
		{ "read a0 == 1 -- x\nread a0 == 1 -- y\n", "t.list:2: read: line 1 makes" },
		{ "", "t.list: allows nothing" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char said[1024];

		assert_int_equal(policyc(cases[i].list, "-o o.h", said, sizeof(said)), 2);
		if (strncmp(said, cases[i].says, strlen(cases[i].says)))
			assert_string_equal(said, cases[i].says);
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
		assert_false(output_exists());
	}
}

static void good_lists_compile_and_count(void **state)
{
	const char *list = "# hot first\nread a0 == 0 -- one\nwrite a0 == 1 -- two\n"
			   "write a0 == 0x2 -- three\n\texit_group -- four -- with dashes\n";
	char said[1024];

	(void)state;
	assert_int_equal(policyc(list, "-o o.h", said, sizeof(said)), 0);
	assert_string_equal(said, "");
	assert_true(output_exists());
	assert_int_equal(policyc(list, "--count", said, sizeof(said)), 0);
	assert_string_equal(said, "t 3\n");
}

/* ---- verdicts ---------------------------------------------------------------------- */

/* Runs a seccomp filter as the kernel does; only what libseccomp emits. */
static uint32_t bpf_run(const struct sock_filter *code, unsigned count,
			const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (unsigned pc = 0; pc < count; pc++) {
		const struct sock_filter *i = &code[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(i->k <= sizeof(*data) - 4 && i->k % 4 == 0);
			memcpy(&a, (const char *)data + i->k, 4);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > i->k ? i->jt : i->jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= i->k ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			fail_msg("instruction 0x%x", i->code);
		}
	}
	fail_msg("the filter runs off its end");
	return 0;
}

static uint32_t verdict_arch(const char *name, uint32_t arch, int nr, uint64_t a0)
{
	struct seccomp_data data = { .nr = nr, .arch = arch, .args = { a0, 1, 2, 3, 4, 5 } };

	for (unsigned i = 0; i < RF_FILTER_COUNT; i++)
		if (!strcmp(rf_filters[i].name, name))
			return bpf_run(rf_filters[i].code, rf_filters[i].count, &data);
	fail_msg("no list %s", name);
	return 0;
}

#define ALLOW SECCOMP_RET_ALLOW
#define KILL  SECCOMP_RET_KILL_PROCESS

static void driver_lists_give_these_verdicts(void **state)
{
	static const struct {
		const char *list;
		int         nr;
		uint64_t    a0;
		uint32_t    verdict;
	} cases[] = {
		{ "driver-irq", SYS_read, 0, ALLOW },
		{ "driver-irq", SYS_read, 1, KILL },
		{ "driver-irq", SYS_read, 2, KILL },
		{ "driver-irq", SYS_read, 1ull << 32, KILL },
		{ "driver-irq", SYS_write, 1, ALLOW },
		{ "driver-irq", SYS_write, 0, KILL },
		{ "driver-irq", SYS_write, 2, KILL },
		{ "driver-irq", SYS_write, 0xffffffffffffffffull, KILL },
		{ "driver-irq", SYS_exit_group, 0, ALLOW },
		{ "driver-irq", SYS_exit_group, 84, ALLOW },
		{ "driver-device", SYS_read, 0, ALLOW },
		{ "driver-device", SYS_read, 2, KILL },
		{ "driver-device", SYS_write, 1, ALLOW },
		{ "driver-device", SYS_write, 2, ALLOW },
		{ "driver-device", SYS_write, 3, KILL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(verdict_arch(cases[i].list, AUDIT_ARCH_X86_64, cases[i].nr,
					      cases[i].a0), cases[i].verdict);
}

/* Every number there can be, by every entry: only the three get through. */
static void nothing_else_gets_through(void **state)
{
	static const uint32_t foreign[] = { AUDIT_ARCH_I386, AUDIT_ARCH_ARM, AUDIT_ARCH_AARCH64,
					    0 };

	(void)state;
	for (int nr = 0; nr < 2000; nr++) {
		bool listed = nr == SYS_read || nr == SYS_exit_group;

		assert_int_equal(verdict_arch("driver-irq", AUDIT_ARCH_X86_64, nr, 0),
				 listed ? ALLOW : KILL);
		/* x32 entry: bit 30 of the number */
		assert_int_equal(verdict_arch("driver-irq", AUDIT_ARCH_X86_64, nr | 0x40000000, 0),
				 KILL);
		for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
			assert_int_equal(verdict_arch("driver-irq", foreign[i], nr, 0), KILL);
	}
	assert_int_equal(verdict_arch("driver-irq", AUDIT_ARCH_X86_64, -1, 0), KILL);
}

static void figures_match_the_lists(void **state)
{
	(void)state;
	for (unsigned i = 0; i < RF_FILTER_COUNT; i++)
		assert_int_equal(rf_filters[i].syscalls,
				 strcmp(rf_filters[i].name, "driver-poll") ? 3 : 1);
}

/* A libc may sign-extend an ioctl number: the filter reads 32 bits, as the kernel does. */
static void ioctl_numbers_are_32_bits(void **state)
{
	char said[4096], top[256], command[512];

	(void)state;
	assert_int_equal(policyc("ioctl a1 == 0x80045430 -- x\n", "-o o.h", said, sizeof(said)), 0);
	file_write(
		"v.c",
		"#include \"o.h\"\n#include <stdio.h>\nint main(void) {"
		"for (unsigned i = 0; i < rf_filters[0].count; i++)"
		"printf(\"%u %u %u %u\\n\", rf_filters[0].code[i].code, rf_filters[0].code[i].jt,"
		"rf_filters[0].code[i].jf, rf_filters[0].code[i].k); return 0; }\n");
	assert_non_null(getcwd(top, sizeof(top)));
	snprintf(command, sizeof(command),
		 "cd %s && gcc -Wall -Werror -I%s/sandbox/lib -o v v.c && ./v", dir, top);
	FILE *p = popen(command, "r");
	struct sock_filter code[64];
	unsigned count = 0, c, jt, jf, k;
	while (count < 64 && fscanf(p, "%u %u %u %u", &c, &jt, &jf, &k) == 4)
		code[count++] = (struct sock_filter){ (uint16_t)c, (uint8_t)jt, (uint8_t)jf, k };
	assert_int_equal(pclose(p), 0);
	struct seccomp_data data = { .nr = SYS_ioctl, .arch = AUDIT_ARCH_X86_64 };
	data.args[1] = 0x80045430;
	assert_int_equal(bpf_run(code, count, &data), ALLOW);
	data.args[1] = 0xffffffff80045430ull;
	assert_int_equal(bpf_run(code, count, &data), ALLOW);
	data.args[1] = 0x80045431;
	assert_int_equal(bpf_run(code, count, &data), KILL);
}

static int dir_make(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int dir_remove(void **state)
{
	char command[256];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mistakes_are_named_by_line),
		cmocka_unit_test(good_lists_compile_and_count),
		cmocka_unit_test(driver_lists_give_these_verdicts),
		cmocka_unit_test(nothing_else_gets_through),
		cmocka_unit_test(figures_match_the_lists),
		cmocka_unit_test(ioctl_numbers_are_32_bits),
	};

	return cmocka_run_group_tests(tests, dir_make, dir_remove);
}
