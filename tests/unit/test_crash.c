/* SPDX-License-Identifier: MIT */
/*
 * test_crash.c - bundles: what is in them, whatever a driver left, and how many there are.
 *
 * Room:   tests/unit. Runs in the top directory, with build/drivers/nvme.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/lib/filter.c"
#include "sandbox/lib/packet.c"
/* How many records of an image were looked at. */
static unsigned long looks;
static void *counted(void *to, const void *from, size_t bytes)
{
	looks++;
	return memcpy(to, from, bytes);
}
#define memcpy counted
#include "sandbox/crash/image.c"
#undef memcpy
#include "sandbox/crash/json.c"
#include "sandbox/crash/names.c"
#include "sandbox/crash/report.c"
#include "sandbox/crash/text.c"
#include "sandbox/cli/bundle.c"
int crash_main(void);
#define main crash_main
#include "sandbox/crash/main.c"
#undef main

#define IMAGE 0x10000000ull

static struct rf_death example(void)
{
	return (struct rf_death){ .seq = 3,
				  .generation = 5,
				  .device = "disk0",
				  .driver = "nvme",
				  .policy = "nvme",
				  .why = "crash",
				  .words = "touched 0x0, which it may not",
				  .json = "{\"signal\":11}\n",
				  .image = IMAGE,
				  .image_bytes = 0xa000 };
}

static struct image nvme(void)
{
	struct image i = { 0 };
	int fd = open("build/drivers/nvme", O_RDONLY);

	assert_true(fd >= 0);
	map_image(&i, fd);
	close(fd);
	assert_true(i.bytes > 0);
	return i;
}

/* Python's parser says whether it is JSON, and what `expression` of it is. */
static void is(const struct text *t, const char *expression)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "python3 -c 'import json,sys; j = json.load(sys.stdin); assert %s, j'",
		 expression);
	FILE *f = popen(command, "w");
	assert_int_equal(fwrite(t->at, 1, t->used, f), t->used);
	assert_int_equal(pclose(f), 0);
}

static void a_frame_has_its_functions_name(void **state)
{
	struct image i = nvme();
	struct rf_death d = example();
	struct findings f = { .death = &d, .image = i };
	static struct text t;
	char name[96], id[48];
	uint64_t start = 0, call = 0;

	(void)state;
	for (uint64_t at = 0x1000; at < 0x3000 && !(start && call); at++) {
		image_symbol(&i, at, name, sizeof(name));
		if (!start && !strcmp(name, "rf_driver_start+0"))
			start = at;
		if (start && !call && !strncmp(name, "rf_driver_start", 15) &&
		    image_returns(&i, at))
			call = at;
	}
	assert_true(start && call);
	image_symbol(&i, 0x999999, name, sizeof(name));
	assert_string_equal(name, "");
	image_build_id(&i, id, sizeof(id));
	assert_int_equal(strlen(id), 40);
	d.regs[RIP] = IMAGE + start;
	d.stack[0] = 77;
	d.stack[1] = IMAGE + call;
	d.stack[2] = IMAGE + start;  /* no return address: nothing calls right before it */
	d.stack_words = 3;
	t.used = 0;
	bundle_json(&t, &f);
	is(&t, "[x[\"symbol\"].split(\"+\")[0] for x in j[\"backtrace\"]] == [\"rf_driver_start\"] "
	       "* 2");
	is(&t, "j[\"death\"][\"signal\"] == 11 and j[\"registers\"][\"rip\"] == hex(0x10000000 + "
	       "int(j[\"backtrace\"][0][\"image_offset\"], 16))");
	t.used = 0;
	bundle_report(&t, &f);
	assert_non_null(strstr(t.at, "touched 0x0"));
	assert_non_null(strstr(t.at, "rf_driver_start+0"));
}

static void an_image_that_lies_is_no_harm(void **state)
{
	struct image i = nvme();
	unsigned char *copy = malloc(i.bytes);
	char name[96];
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 300; round++) {
		memcpy(copy, i.at, i.bytes);
		for (int k = 0; k < 40; k++) {
			size_t at = k & 1 ? i.bytes - 1 - (size_t)rand_r(&seed) % 3000 :
					    (size_t)rand_r(&seed) % 64;
			copy[at] = (unsigned char)rand_r(&seed);
		}
		struct image bad = { copy, (size_t)rand_r(&seed) % i.bytes };
		image_symbol(&bad, 0x1234, name, sizeof(name));
		image_build_id(&bad, name, sizeof(name));
		(void)image_returns(&bad, 0x1234);
	}
	free(copy);
}

static void whatever_a_driver_left_is_json(void **state)
{
	struct rf_capture_service a;
	struct rf_capture_device b = { .generation = 5, .count = 1000 };
	struct rf_recovery_device r = { .generation = 5, .method = 99 };
	struct rf_death d = example();
	const char said[1][256] = { "DMAR: \"quoted\" \\ \x01 \xff" };
	struct rf_capture_net n;
	struct findings f = { .death = &d, .service = &a, .device = &b, .recovery = &r,
			      .kernel = said, .kernel_lines = 1 };
	static struct text t;

	(void)state;
	memset(&a, 0xff, sizeof(a));
	memset(d.regs, 0xff, sizeof(d.regs));
	d.stack_words = ~0u;
	d.json[0] = 0;
	t.used = 0;
	bundle_json(&t, &f);
	is(&t, "j[\"requests\"][0][\"op\"] == \"unknown\" and len(j[\"requests\"]) == 16 and "
	       "j[\"death\"] is None "
	       "and len(j[\"device_registers\"]) == 8 and len(j[\"stack\"]) == 32 and j[\"reset\"] "
	       "== \"unknown\"");
	a.req_tail = a.resp_tail = 2;
	t.used = 0;
	bundle_json(&t, &f);
	is(&t, "len(j[\"requests\"]) == 2 and len(j[\"kernel_log\"]) == 1");
	t.used = 0;
	bundle_report(&t, &f);
	assert_true(t.used < CRASH_BYTES);
	memset(&n, 0xff, sizeof(n));
	n.rx_tail = 3;
	f.service = NULL;
	f.net = &n;
	t.used = 0;
	bundle_json(&t, &f);
	is(&t, "len(j[\"to_send\"]) == 16 and len(j[\"received\"]) == 3 and \"requests\" not in j");
	t.used = 0;
	bundle_report(&t, &f);
	assert_non_null(strstr(t.at, "frames to send"));
}

static unsigned files(const char *dir)
{
	unsigned n = 0;
	DIR *d = opendir(dir);

	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void the_oldest_go(void **state)
{
	char dir[] = "/tmp/ringfence-bundles-XXXXXX", path[128];
	struct rf_death d = example();
	struct findings f = { .death = &d };

	(void)state;
	assert_non_null(mkdtemp(dir));
	int fd = open(dir, O_RDONLY | O_DIRECTORY);
	dup2(fd, RF_CRASH_FD_DIR);
	for (unsigned i = 0; i < CRASH_BUNDLES + 30; i++) {
		if (i == CRASH_BUNDLES + 10) { /* another rf-crash comes */
			memset(kept, 0, sizeof(kept));
			number = 0;
			find_all();
			assert_int_equal(number, i);
		}
		d.generation = i;
		crash_keep(&f);
	}
	assert_int_equal(files(dir), 2 * CRASH_BUNDLES);
	snprintf(path, sizeof(path), "%s/%08u-disk0-%u.txt", dir, CRASH_BUNDLES + 30,
		 CRASH_BUNDLES + 29);
	assert_int_equal(access(path, F_OK), 0);
	snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
}

/* Names in an image are its driver's: a terminal is told nothing by them. */
static void a_report_says_nothing_to_the_terminal(void **state)
{
	char dir[] = "/tmp/ringfence-bundles-XXXXXX", path[128], shown[256] = "";
	static const char said[] = "disk0: driver 5 \x1b[2Jdied\nat \x9b\x07\n";

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/bundles", dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/bundles/00000007-disk0-5.txt", dir);
	FILE *f = fopen(path, "w"), *out = fmemopen(shown, sizeof(shown), "w");
	fputs(said, f);
	fclose(f);
	assert_int_equal(client_bundle(dir, "", NULL, out), 0);
	assert_int_equal(client_bundle(dir, "disk0", "7", out), 0);
	assert_int_equal(client_bundle(dir, "disk0", "6", out), 1);
	assert_int_equal(client_bundle(dir, "disk0", "6x", out), 1);
	assert_int_equal(client_bundle(dir, "disk", NULL, out), 1);
	fclose(out);
	assert_non_null(
		strstr(shown, "disk0: driver 5 ?[2Jdied\ndisk0: driver 5 ?[2Jdied\nat ??\n"));
	snprintf(path, sizeof(path), "rm -r %s", dir);
	assert_int_equal(system(path), 0);
	assert_int_equal(client_bundle(dir, "", NULL, stderr), 1);
}

/* As many sections as a header can claim, each a table of all that fits into 16 MiB. */
static void a_forged_image_costs_little(void **state)
{
	static unsigned char forged[16 << 20];
	Elf64_Ehdr h = { .e_ident = ELFMAG, .e_shoff = sizeof(h), .e_shnum = 65535 };
	Elf64_Shdr s = { .sh_type = SHT_SYMTAB,
			 .sh_offset = 0,
			 .sh_size = sizeof(forged),
			 .sh_flags = SHF_EXECINSTR };
	struct image i = { forged, sizeof(forged) };
	char name[96];

	(void)state;
	memcpy(forged, &h, sizeof(h));
	for (unsigned n = 0; n < h.e_shnum; n++)
		memcpy(forged + sizeof(h) + n * sizeof(s), &s, sizeof(s));
	looks = 0;
	image_symbol(&i, 0x1234567890, name, sizeof(name));
	(void)image_returns(&i, 0x1234567890);
	image_build_id(&i, name, sizeof(name));
	assert_in_range(looks, 1, 100000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_has_its_functions_name),
		cmocka_unit_test(an_image_that_lies_is_no_harm),
		cmocka_unit_test(a_forged_image_costs_little),
		cmocka_unit_test(whatever_a_driver_left_is_json),
		cmocka_unit_test(the_oldest_go),
		cmocka_unit_test(a_report_says_nothing_to_the_terminal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
