/* SPDX-License-Identifier: MIT */
/*
 * test_configuration.c - a mistake in a configuration or a policy ends in one line that says where
 * it is and what, and code 65, from `ringfence check` as from `ringfence run`.
 *
 * Room:   tests/unit. Runs the programs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/rf-configuration-XXXXXX";

static void file_write(const char *name, const char *text, size_t bytes)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, bytes, f), bytes);
	fclose(f);
}

/* What `ringfence VERB FILE` says, and its exit code; one that runs is ended. */
static int ringfence(const char *verb, const char *file, char *said, size_t room)
{
	char command[400];

	snprintf(command, sizeof(command), "timeout 20 build/bin/ringfence %s %s/%s 2>&1", verb,
		 dir, file);
	FILE *p = popen(command, "r");
	assert_non_null(p);
	size_t n = fread(said, 1, room - 1, p);
	said[n] = '\0';
	return WEXITSTATUS(pclose(p));
}

struct mistake {
	const char *text, *says; /* behind the file's name */
	size_t bytes;            /* of text with a NUL in it */
};

#define NULL_DISK "device d\n policy null_blk\n export nbd /tmp/s\n"

/* Both verbs say the same one line. */
static void refused(const struct mistake *m, const char *file)
{
	char path[200], check[4000], run[4000], expected[1000];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	int checked = ringfence("check", "conf", check, sizeof(check));
	int ran = ringfence("run", "conf", run, sizeof(run));
	snprintf(expected, sizeof(expected), "ringfence: %s:%s", path, m->says);
	if (checked != 65 || ran != 65 || strncmp(check, expected, strlen(expected)))
		fail_msg("check: %d, run: %d\nexpected: %s\nsaid: %s\nrun said: %s\nof: %s",
			 checked, ran, expected, check, run, m->text);
	assert_string_equal(check, run);
	assert_ptr_equal(strchr(check, '\n'), check + strlen(check) - 1);
}

static void in_a_configuration(void **state)
{
	static const struct mistake mistakes[] = {
		{ "device d\n policy null_blk\n arena 99999G\n", "3: arena 99999G: at most 1024G" },
		{ "device d\n policy null_blk\n arena 1023G\n",
		  "3: arena 1023G: this machine has " },
		{ "device d\n policy null_blk\n arena 0\n", "3: arena takes a size such as 64M" },
		{ "device d\n policy null_blk\n namespace 0\n",
		  "3: namespace takes a number from 1, or a name" },
		{ "device d\n policy null_blk\n namespace 1 2\n", "3: namespace takes a number" },
		{ "device d\n policy null_blk\n arena 99999999999999999999\n",
		  "3: arena takes a size" },
		{ "device d\n policy null_blk\n arena 18446744073709551615G\n",
		  "3: arena takes a size" },
		{ "device d\n policy null_blk\n arena -2M\n", "3: arena takes a size" },
		{ "device d\n policy null_blk\n arena 3M\n", "3: arena takes a size" },
		{ "device d\n policy null_blk\n policy nvme\n",
		  "3: 'policy' was said in line 2 already" },
		{ "device d\n export nbd /a\n export nbd /b\n", "3: 'export' was said in line 2" },
		{ "device d\n force yes\n force no\n", "3: 'force' was said in line 2" },
		{ "run-dir /a\nrun-dir /b\n" NULL_DISK, "2: 'run-dir' was said in line 1" },
		{ "device d\n address dhcp\n address none\n", "3: 'address' was said in line 2" },
		{ NULL_DISK "device d\n", "4: device 'd' is defined twice (first in line 1)" },
		{ NULL_DISK "run-dir /x\n",
		  "4: 'run-dir' is for all devices: it must stand before" },
		{ "run-dir relative\n" NULL_DISK, "1: run-dir takes an absolute path" },
		{ "policy nvme\n", "1: unknown key 'policy' (keys of a device come after its" },
		{ "device d\n colour blue\n", "2: unknown key 'colour'" },
		{ "device d\n export nbd /a\033[2J\n", "2: byte 0x1b is a control character" },
		{ "device d\n force no\0 yes\n", "2: byte 0x00 is a control character", 23 },
		{ "device d\177\n", "1: byte 0x7f is a control character" },
		{ "device d\303\244\n", "1: write as 'device NAME'" },
		{ "device a.b\n", "1: write as 'device NAME'" },
		{ "device\n", "1: write as 'device NAME'" },
		{ "device abcdefghijklmnop\n", "1: write as 'device NAME': 1 to 15" },
		{ "device d\n policy nvme\n pci 0:1:0.0\n", "3: pci takes an address" },
		{ "device d\n policy nvme\n pci 0000:01:20.0\n", "3: pci takes an address" },
		{ "device d\n policy nvme\n pci 0000:01:00.8\n", "3: pci takes an address" },
		{ "device d\n policy nvme\n pci 00000:01:00.0\n", "3: pci takes an address" },
		{ "device d\n policy nvme\n pci 123456789:01:00.0\n", "3: pci takes an address" },
		{ "device d\n policy nvme\n pci 0000:01:00.0/..\n", "3: pci takes an address" },
		{ "device d\n policy nvme\n socket /s\n pci 0000:01:00.0\n export nbd /a\n",
		  "1: device d has both a 'pci' and a 'socket' line: keep one" },
		{ "device d\n policy nvme\n export nbd /a\n",
		  "1: device d has neither a 'pci' nor" },
		{ "device d\n policy nvme\n socket /s\n", "1: device d has no 'export' line" },
		{ "device d\n export nbd /a\n", "1: device d has no 'policy' line" },
		{ "device d\n export program\n",
		  "2: write as 'export program /path/of/program' or" },
		{ "device d\n export program bin/mine\n", "2: write as 'export program /path/of" },
		{ "device d\n export program /bin/mine output out\n", "2: write as 'export pro" },
		{ "device d\n export load /tmp/out\n", "2: write as 'export nbd /path/of/socket'" },
		{ "device d\n policy e1000e\n socket /s\n export nbd /a\n",
		  "1: device d has a net driver" },
		{ "device d\n policy null_blk\n export tap t0\n", "1: device d has no net driver" },
		{ "device d\n policy e1000e\n export tap rf%d\n",
		  "3: export tap: 'rf%d' is not a name" },
		{ "device d\n policy e1000e\n export tap abcdefghijklmnop\n",
		  "3: export tap: 'abcdefghijklmnop'" },
		{ "device d\n policy e1000e\n export tap .\n", "3: export tap: '.' is not a name" },
		{ "device d\n policy nvme\n pci 0000:0a:00.0\n export nbd /a\n"
		  "device e\n policy nvme\n pci 0000:0A:00.0\n export nbd /b\n",
		  "5: device e has 0000:0a:00.0, as device d of line 1 does" },
		{ NULL_DISK "device e\n policy null_blk\n export nbd /tmp/s\n",
		  "4: device e has /tmp/s, as device d of line 1 does" },
		{ "device d\n policy nvme\n socket /s\n export nbd /a\n"
		  "device e\n policy nvme\n socket /s\n export nbd /b\n",
		  "5: device e has /s, as device d" },
		{ "", " no 'device' line, so there is nothing to run" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		const struct mistake *m = &mistakes[i];

		file_write("conf", m->text, m->bytes ? m->bytes : strlen(m->text));
		refused(m, "conf");
	}
}

#define LIMIT NULL_DISK " "

static void in_a_limit(void **state)
{
	static const struct mistake mistakes[] = {
		{ LIMIT "limit\n", "4: write as 'limit iops 5000', 'limit bytes 100M' or" },
		{ LIMIT "limit iops\n", "4: write as 'limit iops 5000'" },
		{ LIMIT "limit requests 5\n", "4: write as 'limit iops 5000'" },
		{ LIMIT "limit iops 5 burst\n", "4: write as 'limit iops 5000'" },
		{ LIMIT "client-limit iops 5 6 7\n", "4: write as 'client-limit iops 5000'" },
		{ LIMIT "limit iops 0\n", "4: limit iops 0 would let nothing pass; without" },
		{ LIMIT "limit iops -1\n", "4: limit iops: '-1' is not a number from 1 to" },
		{ LIMIT "limit iops 99999999999999999999\n", "4: limit iops: '99999999" },
		{ LIMIT "limit bytes 1025G\n", "4: limit bytes: '1025G' is not a number from" },
		{ LIMIT "limit bytes 4095\n", "4: limit bytes 4095: at least 4096, a block a" },
		{ LIMIT "limit bytes 1M burst 4095\n",
		  "4: limit bytes: burst 4095 is too small: at least 10486, a hundredth of the" },
		{ LIMIT "limit bytes 8K burst 0\n",
		  "4: limit bytes: burst 0 is too small: at least 4096, a block" },
		{ LIMIT "client-limit iops 1000 burst 9\n",
		  "4: client-limit iops: burst 9 is too small: at least 10, a hundredth of the" },
		{ LIMIT "limit iops 10 burst 0\n",
		  "4: limit iops: burst 0 is too small: at least 1, a request" },
		{ LIMIT "limit iops 1 burst 1025G\n", "4: limit iops: '1025G' is not a number" },
		{ LIMIT "limit iops 5\n limit bytes 5M\n limit iops 5\n",
		  "6: 'limit iops' stands here twice: keep one line" },
		{ "device d\n policy null_blk\n export program /bin/mine\n limit iops 5\n",
		  "1: device d has a 'limit' or 'client-limit', which is for a disk served" },
		{ "device d\n policy loop_net\n export tap t0\n client-limit iops 5\n",
		  "1: device d has a 'limit' or 'client-limit', which is for a disk served as" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		const struct mistake *m = &mistakes[i];

		file_write("conf", m->text, m->bytes ? m->bytes : strlen(m->text));
		refused(m, "conf");
	}
}

/* One byte more than there is room for, each in its own words. */
static void too_long(void **state)
{
	static const struct { const char *before, *says; size_t most; } keys[] = {
		{ "run-dir /", "1: run-dir takes one word of at most 75", 75 },
		{ "program-dir /", "1: program-dir takes one word of at most 223", 223 },
		{ "device d\npolicy null_blk\nexport nbd /", "3: export: '/", 107 },
		{ "device d\npolicy null_blk\nexport program /",
		  "3: export program: a path is too long: at most 255", 255 },
		{ "device d\npolicy null_blk\nexport program /a output /",
		  "3: export program: a path is too long: at most 255", 107 },
		{ "device d\npolicy null_blk\nexport program /a ",
		  "3: export program: its words have more than 255", 255 },
		{ "device d\npolicy nvme\nexport nbd /a\nsocket /",
		  "4: socket takes one word of at most 107", 107 },
		{ "device d\npolicy loop_net\nexport lwip\nsocks unix:/", "4: unix:", 107 },
		{ "device d\npolicy ", "2: policy takes one word of at most 255", 256 },
		{ "#", "1: longer than 1022 characters", 1023 },
	};
	char text[2000];

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct mistake m = { .text = text, .says = keys[i].says };
		size_t n = (size_t)snprintf(text, sizeof(text), "%s", keys[i].before);

		memset(text + n, 'x', keys[i].most);
		strcpy(text + n + keys[i].most, "\n");
		file_write("conf", text, strlen(text));
		refused(&m, "conf");
	}
}

static const char policy[] =
	"driver null_blk\nbackend none\ndisk 1G block 4096\narena 4M\nqueue-memory 4K\n"
	"queue-entries 32\nsyscalls driver-irq\nrestart progress-free 8 backoff 10ms cap 5s\n";

static void in_a_policy(void **state)
{
	static const struct mistake mistakes[] = {
		{ "colour blue", "9: unknown key 'colour'" },
		{ "stall 1s\nstall 2s", "10: 'stall' was said in line 9 already" },
		{ "arena 4M", "9: 'arena' was said in line 4 already" },
		{ "stall 1s please", "9: stall: 'please' is one word too many" },
		{ "stall 99999999999999999999s", "9: stall: word 2 must be a time" },
		{ "stall 99999999999s", "9: stall: word 2 must be a time" },
		{ "stall 86401s", "9: stall: word 2 is more than a day" },
		{ "spin 10", "9: spin takes a time" },
		{ "stall 010", "9: stall: word 2 must be a time" },
		{ "match class 123456789", "9: '123456789' is not a hexadecimal number" },
		{ "match class -1", "9: '-1' is not a hexadecimal number" },
		{ "match class 1\nmatch class 2", "10: match class was said already" },
		{ "reset write 32 bar0 0 mask 0x1ffffffff value 0",
		  "9: reset: mask and value have" },
		{ "reset poll 32 bar0 0 mask 1 value 0 within 4294968s",
		  "9: reset: word 11 is more than a day" },
		{ "reset write 32 bar0 0 mask 1 value 0 within 1s", "9: reset write: 'within'" },
		{ "map bar0 0xfffffffffffff000 4K ro", "9: map: offset and length must be" },
		{ "queue-reset yes", "9: write as 'queue-reset no' or 'queue-reset within 2s'" },
		{ "queue-reset within", "9: write as 'queue-reset no' or" },
		{ "queue-reset within 0s", "9: queue-reset within: from 1ms to 10s" },
		{ "queue-reset within 11s", "9: queue-reset within: from 1ms to 10s" },
		{ "queues 2", " 'queues' above 1 are for 'control nvme' and 'control virtio_blk'" },
		{ "storm 4294967296", "9: storm: interrupts a second" },
		{ "\007", "9: byte 0x07 is a control character" },
	};
	char text[2000];

	(void)state;
	snprintf(text, sizeof(text), "device d\n policy %s/p\n export nbd /tmp/s\n", dir);
	file_write("conf", text, strlen(text));
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		snprintf(text, sizeof(text), "%s%s\n", policy, mistakes[i].text);
		file_write("p", text, strlen(text));
		refused(&mistakes[i], "p");
	}
}

/* Of a value in a policy, what another one in its place says. */
static void values_in_a_policy(void **state)
{
	static const struct { const char *key, *instead, *says; } changes[] = {
		{ "arena", "arena 1025G", "4: arena 1025G: at most 1024G" },
		{ "arena", "arena 0", "4: arena takes a size" },
		{ "queue-memory", "queue-memory 5G",
		  "5: queue-memory must be a multiple of 4K, at most 4G" },
		{ "restart", "restart progress-free 4294967296 backoff 10ms cap 5s",
		  "8: restart progress-free: 1 to" },
		{ "restart", "restart progress-free 0 backoff 10ms cap 5s",
		  "8: restart progress-free: 1 to" },
		{ "driver", "driver .", "1: driver takes one name" },
		{ "driver", "driver a\"b", "1: driver takes one name" },
		{ "syscalls", "syscalls ..",
		  "7: syscalls: '..' is not known; this word is one of driver-irq, driver-poll" },
		{ "disk", "disk 1G blocks 4096", "3: write as 'disk 1G block 512'" },
		{ "disk", "disk 0 block 512", "3: write as 'disk 1G block 512'" },
	};
	char text[2000];

	(void)state;
	snprintf(text, sizeof(text), "device d\n policy %s/p\n export nbd /tmp/s\n", dir);
	file_write("conf", text, strlen(text));
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct mistake m = { .text = changes[i].instead, .says = changes[i].says };
		const char *at = strstr(policy, changes[i].key), *end = strchr(at, '\n');

		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - policy), policy,
			 changes[i].instead, end);
		file_write("p", text, strlen(text));
		refused(&m, "p");
	}
}

static void good_ones(void **state)
{
	static const char *const texts[] = {
		NULL_DISK,
		"device d\n policy nvme\n pci 10000:01:00.0\n export nbd /a\n", /* of a VMD */
		"device d\n policy nvme\n pci FEED0000:0A:1f.7\n export nbd /a",
		"# comment\r\n\n\tdevice d # here\r\n policy null_blk\r\n export nbd /tmp/s\r\n "
		"arena 010M\n",
	};
	char said[1000], expected[300];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		file_write("conf", texts[i], strlen(texts[i]));
		assert_int_equal(ringfence("check", "conf", said, sizeof(said)), 0);
		snprintf(expected, sizeof(expected), "%s/conf: ok, 1 device\n", dir);
		assert_string_equal(said, expected);
	}
}

/* A pipe that nobody writes to is an empty file; a folder is none. */
static void no_files(void **state)
{
	char said[1000], command[300];

	(void)state;
	assert_int_equal(ringfence("check", "", said, sizeof(said)), 65);
	assert_non_null(strstr(said, "cannot read the configuration: Is a directory"));
	assert_int_equal(ringfence("check", "none", said, sizeof(said)), 65);
	assert_non_null(strstr(said, "cannot read the configuration: No such file"));
	snprintf(command, sizeof(command), "mkfifo %s/pipe", dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(ringfence("check", "pipe", said, sizeof(said)), 65);
	assert_non_null(strstr(said, "no 'device' line"));
}

static int group_setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int group_teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_a_configuration),
		cmocka_unit_test(in_a_limit), cmocka_unit_test(too_long),
		cmocka_unit_test(in_a_policy),        cmocka_unit_test(values_in_a_policy),
		cmocka_unit_test(good_ones),          cmocka_unit_test(no_files),
	};

	return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
