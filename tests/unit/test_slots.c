/* SPDX-License-Identifier: MIT */
/*
 * test_slots.c - the keeper finds what it holds by name and by pid, however much it is, and
 * forgets what it is told to and nothing else.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/keeper/slots.c"

#define DEVICES 200
#define EACH    20

static struct slots t;

static struct slot *named(int device, int fd)
{
	char name[RF_KEEP_NAME] = "";

	snprintf(name, sizeof(name), "disk%d/fd%d", device, fd);
	struct slot *s = slot_find(&t, name);
	return s ? s : slot_new(&t, name);
}

static struct slot *process(int device, pid_t pid)
{
	char name[RF_KEEP_NAME] = "";

	snprintf(name, sizeof(name), "disk%d.driver.%d", device, pid);
	struct slot *s = slot_new(&t, name);

	assert_non_null(s);
	s->run = (struct rf_spawned){ .pid = pid, .pidfd = -1, .report = pid & 1 ? -1 : 100 };
	assert_int_equal(slot_process(&t, s), 0);
	return s;
}

static int setup(void **state)
{
	(void)state;
	t = (struct slots){ 0 };
	for (int i = 0; i < DEVICES * EACH; i++)
		assert_non_null(named(i / EACH, i % EACH));
	for (int i = 0; i < DEVICES; i++)
		(void)process(i, 1000 + i * 1024 / 3);
	return 0;
}

static void each_is_found(void **state)
{
	(void)state;
	assert_int_equal(t.count, DEVICES * EACH + DEVICES);
	for (int i = 0; i < DEVICES * EACH; i++)
		assert_non_null(named(i / EACH, i % EACH));
	assert_int_equal(t.count, DEVICES * EACH + DEVICES);
	for (int i = 0; i < DEVICES; i++) {
		const struct slot *s = slot_of(&t, 1000 + i * 1024 / 3);

		assert_non_null(s);
		assert_int_equal(s->exit_info != NULL, !(s->pid & 1));
	}
	assert_null(slot_of(&t, 999));
	assert_null(slot_find(&t, "disk0/fd20"));
}

static void names_go_by_their_prefix_and_processes_stay(void **state)
{
	(void)state;
	slots_drop(&t, "disk1/");
	slots_drop(&t, "disk2");  /* also disk20 and the like */
	assert_null(slot_find(&t, "disk1/fd0"));
	assert_null(slot_find(&t, "disk2/fd3"));
	assert_null(slot_find(&t, "disk20/fd3"));
	assert_non_null(slot_find(&t, "disk10/fd0"));
	assert_int_equal(t.count, (DEVICES - 1 - 11) * EACH + DEVICES);
	slots_drop(&t, "");
	assert_int_equal(t.count, DEVICES);
	assert_non_null(slot_of(&t, 1000));
}

static void processes_are_listed_in_the_order_of_their_start(void **state)
{
	uint32_t last = 0;
	int seen = 0;

	(void)state;
	/* One from the middle, the first and the last go; a new one comes with a name there was. */
	slot_free(&t, slot_of(&t, 1000 + 100 * 1024 / 3));
	slot_free(&t, t.first);
	slot_free(&t, t.last);
	(void)process(0, 1000);
	for (const struct slot *s = t.first; s; s = s->behind, seen++) {
		assert_true(s->number > last);
		assert_ptr_equal(s->behind ? s->behind->before : t.last, s);
		last = s->number;
	}
	assert_int_equal(seen, DEVICES - 2);
}

static void the_dead_are_counted(void **state)
{
	struct slot *a = slot_of(&t, 1000), *b = t.last;

	(void)state;
	slot_told(&t, a, true); /* it lives: nothing is told */
	assert_int_equal(t.told, 0);
	slot_dead(&t, a);
	slot_dead(&t, b);
	assert_null(slot_of(&t, 1000));
	assert_int_equal(t.untold, 2);
	slot_told(&t, a, true);
	slot_told(&t, a, true);
	assert_int_equal(t.told, 1);
	assert_int_equal(t.untold, 1);
	slot_told(&t, a, false);
	slot_told(&t, b, true);
	assert_int_equal(t.told, 1);
	slot_free(&t, a);
	assert_int_equal(t.told, 1);
	assert_int_equal(t.untold, 0);
	slot_free(&t, b);
	assert_int_equal(t.told, 0);
	assert_int_equal(t.untold, 0);
}

/* And what is let go is used again. */
static void there_is_an_end_to_them(void **state)
{
	int fd = open("/dev/null", O_RDWR);
	unsigned before = t.count;

	(void)state;
	t.count = RF_KEEP_SLOTS;
	assert_null(slot_new(&t, "one more"));
	t.count = before;
	for (int i = 0; i < 100000; i++) {
		struct slot *s = slot_new(&t, "one more");

		s->fd = i ? -1 : fd;
		slot_free(&t, s);
	}
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(t.count, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_is_found, setup),
		cmocka_unit_test_setup(names_go_by_their_prefix_and_processes_stay, setup),
		cmocka_unit_test_setup(processes_are_listed_in_the_order_of_their_start, setup),
		cmocka_unit_test_setup(the_dead_are_counted, setup),
		cmocka_unit_test_setup(there_is_an_end_to_them, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
