/* SPDX-License-Identifier: MIT */
/*
 * test_merge.c - a configuration that runs and another one make a record of both: what is the same
 * stands in it once, what is gone or changed also as it was, and every index names whom it did.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static char said[2048];
static unsigned lines;

void rf_log(const char *format, ...);
void rf_log(const char *format, ...)
{
	size_t used = strlen(said);
	va_list args;

	lines++;
	va_start(args, format);
	vsnprintf(said + used, sizeof(said) - used, format, args);
	va_end(args);
}

#include "sandbox/zygote/merge.c"

/* ---- configurations ----------------------------------------------------------------- */

static struct rf_config *made(const char *const *names)
{
	struct rf_config *c = calloc(1, rf_config_bytes(8));

	strcpy(c->run_dir, "/run/x");
	strcpy(c->program_dir, "/opt/bin");
	for (; *names; names++, c->count++) {
		strcpy(c->device[c->count].name, *names);
		c->device[c->count].export_kind = RF_EXPORT_NBD;
	}
	return c;
}
#define MADE(...) made((const char *const[]){ __VA_ARGS__, NULL })

static int at(const struct rf_config *c, const char *name)
{
	int i = 0;

	while (i < c->count && strcmp(c->device[i].name, name))
		i++;
	return i;
}

/* `nic` has a stack, and `disk` is a disk in it. */
static void stacked(struct rf_config *c, const char *nic, const char *disk)
{
	struct rf_config_device *n = &c->device[at(c, nic)], *d = &c->device[at(c, disk)];

	n->export_kind = RF_EXPORT_LWIP;
	n->lwip.disks = 1;
	n->disk[0] = at(c, disk);
	d->export_kind = RF_EXPORT_LWIP_DISK;
	strcpy(d->stack, nic);
	d->stack_index = at(c, nic);
}

static int merged(struct rf_config *old, struct rf_config *new, struct rf_config **both)
{
	said[0] = '\0';
	lines = 0;
	*both = NULL;
	int code = rf_config_merge(old, new, true, both);

	free(old);
	free(new);
	return code;
}

/* ---- tests ----------------------------------------------------------------------------- */

static void what_is_the_same_stands_there_once(void **state)
{
	struct rf_config *both;

	(void)state;
	assert_int_equal(merged(MADE("a", "b", "c"), MADE("c", "a", "b"), &both), 0);
	assert_int_equal(both->count, 3);
	assert_int_equal(both->gone, 0);
	assert_int_equal(both->loads, 1);
	assert_string_equal(both->device[0].name, "c");
	assert_string_equal(said, "0 new, 0 changed, 0 gone, 3 as they were");
	free(both);
}

static void what_is_gone_or_changed_stands_behind_as_it_was(void **state)
{
	struct rf_config *old = MADE("a", "b", "c"), *new = MADE("d", "c", "a"), *both;

	(void)state;
	old->device[2].arena = 2;
	new->device[1].arena = 4;
	old->loads = 6;
	assert_int_equal(merged(old, new, &both), 0);
	assert_int_equal(both->count, 3);
	assert_int_equal(both->gone, 2);
	assert_int_equal(both->loads, 7);
	assert_int_equal(both->device[1].arena, 4);
	assert_string_equal(both->device[3].name, "b");
	assert_string_equal(both->device[4].name, "c");
	assert_int_equal(both->device[4].arena, 2);
	assert_string_equal(said, "d: new: it startsc: changed: it restarts"
				  "b: not there any more: it stops"
				  "1 new, 1 changed, 1 gone, 1 as they were");
	free(both);
}

/* Each byte of a device counts, but for the indexes of what it has names of. */
static void every_change_is_one(void **state)
{
	struct rf_config_device d[2];

	(void)state;
	for (size_t i = 0; i < sizeof(d[0]); i++) {
		memset(d, 0, sizeof(d));
		((char *)&d[1])[i] = 1;
		bool index = (i >= offsetof(struct rf_config_device, disk) &&
			      i < offsetof(struct rf_config_device, disk) + sizeof(d[0].disk)) ||
			     (i >= offsetof(struct rf_config_device, stack_index) &&
			      i < offsetof(struct rf_config_device, stack_index) + sizeof(int));
		assert_int_equal(merge_same(&d[0], &d[1]), index);
	}
}

static void what_went_before_is_forgotten(void **state)
{
	struct rf_config *old = MADE("a", "b", "c"), *both;

	(void)state;
	old->count = 2;
	old->gone = 1;
	assert_int_equal(merged(old, MADE("a", "c"), &both), 0);
	assert_int_equal(both->count, 2);
	assert_int_equal(both->gone, 1);
	assert_string_equal(both->device[2].name, "b");
	free(both);
}

static void a_stack_may_move_come_and_go(void **state)
{
	struct rf_config *old = MADE("x", "nic", "disk"), *new = MADE("disk", "nic", "x"), *both;

	(void)state;
	stacked(old, "nic", "disk");
	stacked(new, "nic", "disk");
	assert_int_equal(merged(old, new, &both), 0);
	assert_int_equal(both->gone, 0);
	free(both);

	old = MADE("x", "nic", "y", "disk");
	stacked(old, "nic", "disk");
	assert_int_equal(merged(old, MADE("y", "x"), &both), 0);
	assert_int_equal(both->gone, 2);
	assert_string_equal(both->device[2].name, "nic");
	assert_int_equal(both->device[2].disk[0], 3);
	assert_int_equal(both->device[3].stack_index, 2);
	free(both);
}

static void nothing_in_a_stack_changes(void **state)
{
	struct rf_config *both;

	(void)state;
	for (int which = 0; which < 4; which++) {
		struct rf_config *old = MADE("nic", "disk"), *new = MADE("nic", "disk");

		stacked(old, "nic", "disk");
		if (which < 2)
			stacked(new, "nic", "disk");
		if (which < 2)
			new->device[which].arena = 2; /* else none of it is in a stack any more */
		if (which == 3)
			stacked(new, "disk", "nic");
		assert_int_equal(merged(old, new, &both), RF_EXIT_CONFIG);
		assert_null(both);
		assert_int_equal(lines, 1);
		assert_non_null(strstr(said, "is part of a stack"));
	}
}

static void nothing_that_is_everybodys_changes(void **state)
{
	struct rf_config *new = MADE("a"), *both;

	(void)state;
	strcpy(new->run_dir, "/run/y");
	assert_int_equal(merged(MADE("a"), new, &both), RF_EXIT_CONFIG);
	assert_non_null(strstr(said, "'run-dir' is another one"));
	new = MADE("a");
	strcpy(new->program_dir, "/opt/other");
	assert_int_equal(merged(MADE("a"), new, &both), RF_EXIT_CONFIG);
	assert_non_null(strstr(said, "'program-dir' is another one"));
	assert_int_equal(lines, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_the_same_stands_there_once),
		cmocka_unit_test(what_is_gone_or_changed_stands_behind_as_it_was),
		cmocka_unit_test(every_change_is_one),
		cmocka_unit_test(what_went_before_is_forgotten),
		cmocka_unit_test(a_stack_may_move_come_and_go),
		cmocka_unit_test(nothing_in_a_stack_changes),
		cmocka_unit_test(nothing_that_is_everybodys_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
