/* SPDX-License-Identifier: MIT */
/*
 * test_quiesce.c - the ladder of resets: each rung is tried only when the one before it
 * failed, and not where the device is known to have none.
 *
 * The back end is a fake that notes what it was asked for, in order.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "device.h"
#include "sandbox/device/core/quirks.c"

static char asked[32]; /* m/M: bus mastering off/on, f: function, h: hot */
static int function_fails, hot_fails;

static void note(char what)
{
	size_t n = strlen(asked);

	assert_true(n + 1 < sizeof(asked));
	asked[n] = what;
}

uint64_t rf_now_ns(void)
{
	return 0;
}

static bool steps_work;

int bar_read(struct rf_device *d, uint32_t bar, uint64_t at, void *to, uint32_t bytes)
{
	(void)d, (void)bar, (void)at;
	if (steps_work)
		memset(to, 0, bytes);
	return steps_work ? 0 : -EIO;
}

int bar_write(struct rf_device *d, uint32_t bar, uint64_t at, const void *from, uint32_t bytes)
{
	(void)d, (void)bar, (void)at, (void)from, (void)bytes;
	return -EIO;
}

int config_bus_master(struct rf_device *d, bool on)
{
	(void)d;
	note(on ? 'M' : 'm');
	return 0;
}

int config_wait_idle(struct rf_device *d)
{
	(void)d;
	return 0;
}

uint32_t config_word(const struct rf_device *d, uint32_t at)
{
	(void)d, (void)at;
	return 0;
}

static int fake_reset(struct rf_device *d)
{
	(void)d;
	note('f');
	return function_fails ? -EINVAL : 0;
}

static int fake_hot_reset(struct rf_device *d)
{
	(void)d;
	note('h');
	return hot_fails ? -EPERM : 0;
}

void rf_log(const char *format, ...)
{
	(void)format;
}

#include "sandbox/device/core/quiesce.c"

static const struct rf_backend_ops fake = { .reset = fake_reset, .hot_reset = fake_hot_reset };

static struct rf_device *device(uint16_t vendor, uint16_t id)
{
	static struct rf_device d;

	d = (struct rf_device){ .backend = &fake, .label = "it",
				.config = { vendor & 0xff, vendor >> 8, id & 0xff, id >> 8 } };
	memset(asked, 0, sizeof(asked));
	function_fails = hot_fails = 0;
	quirks_look(&d);
	return &d;
}

/* ---- the queue pair alone ---------------------------------------------------------------- */

static int drop_fails;
static int fake_drop(struct rf_device *d, unsigned queue)
{
	(void)d;
	assert_int_equal(queue, 0);
	note('q');
	return drop_fails;
}

static struct rf_device *with_queues(void)
{
	static const struct rf_admin_ops control = { .queue_drop = fake_drop };
	static char stats[RF_STATS_BYTES];
	struct rf_device *d = device(0x8086, 0x10d3);

	d->stats = (void *)(stats + RF_STATS_DEVICE);
	d->admin_ops = &control;
	d->queue_reset = true;
	d->left = RF_LEFT_ENABLED;
	d->queue->generation = d->queue->recovery.generation = 7;
	d->queue->kill_requested = 7;
	d->queue->kill_reason = RF_KILL_PROTO;
	d->queue_count = 2;
	d->queue[0].down = d->queue[1].down = true;
	drop_fails = 0;
	return d;
}

static void a_queue_pair_before_anything_else(void **state)
{
	struct rf_device *d = with_queues();

	(void)state;
	d->cfg.flags = RF_DEVICE_BUSMASTER_OFF; /* for the soft reset */
	assert_int_equal(device_drop_queue(d, d->queue), RF_RESET_QUEUE);
	assert_string_equal(asked, "q");
	d = with_queues();
	drop_fails = -ETIMEDOUT;
	assert_int_equal(device_drop_queue(d, d->queue), -ETIMEDOUT);
}

/* Each of these devices is reset: it may do what it says of its queues, or not. */
static void not_of_a_device_in_doubt(void **state)
{
	enum { NEVER_CHECKED, CHANGED, STORM, STALLED, STORMED, NOT_ENABLED, CASES };

	(void)state;
	for (int i = 0; i < CASES; i++) {
		struct rf_device *d = with_queues();
		d->queue_reset = i != NEVER_CHECKED;
		d->changed = i == CHANGED;
		d->irq.off = i == STORM;
		d->queue->kill_reason = i == STALLED ? RF_KILL_STALLED :
				 i == STORMED ? RF_KILL_STORM :
						RF_KILL_HANDOVER;
		d->left = i == NOT_ENABLED ? RF_LEFT_UNKNOWN : RF_LEFT_ENABLED;
		assert_int_equal(device_drop_queue(d, d->queue), -EOPNOTSUPP);
		assert_string_equal(asked, "");
	}
	/* It answers others. */
	struct rf_device *d = with_queues();
	d->queue->kill_reason = RF_KILL_STALLED;
	d->queue[1].down = false;
	assert_int_equal(device_drop_queue(d, d->queue), RF_RESET_QUEUE);
	/* What the one before it was killed for is over. */
	d = with_queues();
	d->queue->kill_requested = 6;
	d->queue->kill_reason = RF_KILL_STALLED;
	assert_int_equal(device_drop_queue(d, d->queue), RF_RESET_QUEUE);
}

static void the_function_before_the_bus(void **state)
{
	(void)state;
	assert_int_equal(device_quiesce(device(0x8086, 0x10d3)), RF_RESET_FUNCTION);
	assert_string_equal(asked, "mf");
}

/* A soft reset that would work: nothing to write, nothing to wait for. */
static void a_soft_reset_brings_no_configuration_back(void **state)
{
	struct rf_device *d = device(0x8086, 0x10d3);

	(void)state;
	steps_work = true;
	d->cfg.step_count = 1;
	d->cfg.step[0] = (struct rf_reset_step){ .poll = 1, .bytes = 4, .within_ms = 1 };
	assert_int_equal(device_quiesce(d), RF_RESET_SOFT);
	d->header_changed = true;
	assert_int_equal(device_quiesce(d), RF_RESET_FUNCTION);
	assert_string_equal(asked, "mf");
	steps_work = false;
}

static void the_bus_when_the_function_has_none(void **state)
{
	struct rf_device *d = device(0x8086, 0x10d3);

	(void)state;
	function_fails = 1;
	assert_int_equal(device_quiesce(d), RF_RESET_HOT);
	assert_string_equal(asked, "mfh");
}

static void a_device_known_to_have_none_is_not_asked(void **state)
{
	(void)state;
	assert_int_equal(device_quiesce(device(0x1234, 0x11e8)), RF_RESET_HOT);
	assert_string_equal(asked, "mh");
}

static void nothing_helps(void **state)
{
	struct rf_device *d = device(0x8086, 0x10d3);

	(void)state;
	function_fails = hot_fails = 1;
	assert_int_equal(device_quiesce(d), -EIO);
	assert_string_equal(asked, "mfh");
}

static void quirks_are_by_id(void **state)
{
	(void)state;
	assert_int_equal(device(0x1b36, 0x0010)->quirks, 0); /* of a maker unknown */
	assert_int_equal(rf_quirk_find(0x1b36, 0x0010, 0x11001af4)->flags, RF_QUIRK_QUEUES_FIRST);
	assert_int_equal(device(0x1b36, 0x0011)->quirks, 0);
	assert_int_equal(rf_quirk_find(0x1af4, 0x1042, 0x11001af4)->flags, RF_QUIRK_NO_QUEUE_RESET);
	assert_null(rf_quirk_find(0x1af4, 0x1042, 0x00021af4)); /* not QEMU's */
	assert_null(rf_quirk_find(0xffff, 0xffff, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_queue_pair_before_anything_else),
		cmocka_unit_test(not_of_a_device_in_doubt),
		cmocka_unit_test(the_function_before_the_bus),
		cmocka_unit_test(a_soft_reset_brings_no_configuration_back),
		cmocka_unit_test(the_bus_when_the_function_has_none),
		cmocka_unit_test(a_device_known_to_have_none_is_not_asked),
		cmocka_unit_test(nothing_helps),
		cmocka_unit_test(quirks_are_by_id),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
