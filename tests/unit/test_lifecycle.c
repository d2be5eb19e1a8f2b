/* SPDX-License-Identifier: MIT */
/*
 * test_lifecycle.c - a device that has worked is not given up for what passes: a device process,
 * server or export that ends, or cannot be had, at any moment of its life.
 *
 * Room:   tests/unit. lifecycle.c and drivers.c; everything they ask of others is made up in
 *         lifecycle_others.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "lifecycle_others.h"

#include "sandbox/lib/clock.c"
#include "sandbox/lib/ending.c"
#include "sandbox/supervisor/backoff.c"
#include "sandbox/supervisor/drivers.c"
#include "sandbox/supervisor/lifecycle.c"
#include "sandbox/supervisor/revive.c"
#include "sandbox/supervisor/hang_detector.c"
#include "sandbox/supervisor/stopping.c"

/* ---- a device ------------------------------------------------------------------------ */

static struct sup *sup;
static struct dev *dev;
static struct rf_config_device *cfg;
static struct rf_stats_device device_stats;

static int setup(void **state)
{
	(void)state;
	sup = calloc(1, sizeof(*sup));
	dev = sup->dev = calloc(1, sizeof(*dev));
	sup->count = 1;
	struct rf_config_device *c = cfg = calloc(1, sizeof(*cfg));
	strcpy(c->name, "disk0");
	c->export_kind = RF_EXPORT_NBD;
	c->policy.device.backend = RF_BACKEND_VFIO_USER;
	c->policy.deaths = 8;
	c->policy.device.queues = 1;
	c->policy.server_away_ns = 30000000000ull;
	dev->cfg = c;
	dev->device = &device_stats;
	dev->r.state = DEV_WAITING;
	rest_asked = 0;
	open_code = rest_code = start_error = export_error = driver_error = 0;
	said[0] = '\0';
	lines = peer_lines = 0;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(cfg);
	free(dev);
	free(sup);
	return 0;
}

static void tell(enum event event, uint32_t generation, uint32_t value)
{
	struct rf_dev_msg msg = { .generation = generation, .value = value };
	int fd = -1;

	happens(sup, dev, event,
		&(struct news){ .said = &msg, .fds = &fd, .count = event == EV_WANT });
}

/* Waits as long as it says that it has to. */
static void due(void)
{
	assert_true(dev_due_ns(dev) != ~0ull);
	while (dev_due_ns(dev) > rf_now_ns())
		;
	dev_due(sup, dev);
}

#define KILLED      9        /* as of waitpid(2) */
#define EXITED(code) ((code) << 8)

static void ends(const char *what, pid_t pid, int status)
{
	struct rf_keep_msg dead = { .pid = pid, .status = status };

	strcpy(dead.name, what);
	dev_exited(sup, &dead);
}

static void comes_up(void)
{
	due();
	assert_int_equal(dev->r.state, DEV_STARTING);
	tell(EV_READY, 0, 0);
	assert_int_equal(dev->r.state, DEV_RUNNING);
	assert_int_equal(dev->r.export_pid, 7);
}

static void runs(uint32_t generation)
{
	tell(EV_WANT, generation, 0);
	tell(EV_UP, generation, 0);
	assert_int_equal(dev->r.queue->generation, generation);
}

/* ---- tests ----------------------------------------------------------------------------- */

/* Its export runs, and waits for the first driver: it waits for a successor's. */
static void a_server_that_ends_before_the_first_driver_is_connected_to_afresh(void **state)
{
	(void)state;
	comes_up();
	ends("device", dev->r.device_pid, EXITED(RF_EXIT_DEVICE));
	assert_int_equal(dev->r.state, DEV_REVIVING);
	assert_int_equal(dev->r.export_pid, 7);
	due();
	tell(EV_READY, 0, 0);
	assert_int_equal(dev->r.state, DEV_RUNNING);
	runs(1);
}

/* And one that does so again and again is not waited for for ever. */
static void a_server_that_never_gets_to_a_driver_is_quarantined(void **state)
{
	(void)state;
	cfg->policy.server_away_ns = 0;
	comes_up();
	for (int i = 1; i < 8; i++) {
		ends("device", dev->r.device_pid, EXITED(RF_EXIT_DEVICE));
		assert_int_equal(dev->r.state, DEV_REVIVING);
		due();
		tell(EV_READY, 0, 0);
	}
	ends("device", dev->r.device_pid, EXITED(RF_EXIT_DEVICE));
	assert_int_equal(dev->r.state, DEV_QUARANTINED);
	assert_int_equal(dev->r.code, RF_EXIT_QUARANTINE);
}

/* One that fails after each request is connected to at once, and at last twice a second: how many
 * processes and lines of the log that costs the host is not its to say. */
static void a_server_that_fails_after_each_request_gets_its_share_and_no_more(void **state)
{
	uint64_t wait = 0;

	(void)state;
	comes_up();
	for (int i = 0; i < 66; i++) {
		((struct rf_stats_service *)dev->service)->completed++;
		ends("device", dev->r.device_pid, EXITED(RF_EXIT_DEVICE));
		assert_int_equal(dev->r.state, DEV_REVIVING);
		uint64_t now = rf_now_ns();
		wait = dev->r.retry_ns > now ? dev->r.retry_ns - now : 0;
		assert_true(wait == 0 || i >= 64);
		due();
		tell(EV_READY, 0, 0);
		assert_int_equal(dev->r.state, DEV_RUNNING);
	}
	assert_true(wait > 100000000 && wait < 600000000);
	assert_int_equal(dev->r.server_failures, 66);
	assert_int_equal(dev->r.process_deaths, 0);
	assert_int_equal(lines, 0);
	assert_true(peer_lines >= 66);
	((struct rf_stats_service *)dev->service)->completed = 0;
	/* Of whoever is killed that is not so. */
	ends("device", dev->r.device_pid, KILLED);
	assert_true(dev->r.retry_ns <= rf_now_ns());
	assert_int_equal(dev->r.server_failures, 66);
	assert_int_equal(dev->r.process_deaths, 1);
}

/* Nor is it a driver's, nor of whoever has us kill one. */
static void a_driver_that_dies_after_each_request_gets_no_lines_without_limit(void **state)
{
	static const uint32_t causes[] = { RF_KILL_PROTO, RF_KILL_STALLED, RF_KILL_STORM };
	char name[32];

	(void)state;
	comes_up();
	runs(1);
	lines = peer_lines = 0;
	for (uint32_t g = 1; g < 200; g++) {
		((struct rf_stats_service *)dev->service)->completed++;
		pid_t pid = dev->r.queue->driver_pid[g & 1];
		if (g % 8 < 3)
			tell(EV_KILL, g, causes[g % 8]);
		tell(EV_DOWN, g, 0);
		snprintf(name, sizeof(name), "disk0.driver.%u", g);
		dev->device = &device_stats;
		device_stats.up[0] = g;
		ends(name, pid, EXITED(1));
		dev->queue->want.due_ns = 0;
		runs(g + 1);
	}
	assert_int_equal(dev->r.deaths, 199);
	assert_int_equal(lines, 0);
	assert_true(peer_lines >= 199);
	((struct rf_stats_service *)dev->service)->completed = 0;
}

static void a_device_process_killed_before_the_first_driver_has_a_successor(void **state)
{
	(void)state;
	cfg->policy.device.backend = RF_BACKEND_VFIO;
	comes_up();
	ends("device", dev->r.device_pid, KILLED);
	assert_int_equal(dev->r.state, DEV_REVIVING);
	assert_int_equal(dev->r.export_pid, 7);
}

/* Its export may have been told of the number that a device process was given, and takes no number
 * twice: each of those that die before they want a driver is followed by one with another. */
static void device_processes_killed_one_after_another_use_no_number_twice(void **state)
{
	(void)state;
	comes_up();
	runs(5);
	for (uint32_t i = 1, before = 5; i < 5; i++, before = number_given) {
		ends("device", dev->r.device_pid, KILLED);
		assert_int_equal(dev->r.state, DEV_REVIVING);
		due();
		assert_true(number_given > before);
		tell(EV_READY, 0, 0);
	}
	runs(number_given + 1);
}

static void finds_disk(enum event event, const char *name)
{
	struct rf_dev_msg msg = { 0 };

	strcpy(msg.disk.text, name);
	happens(sup, dev, event, &(struct news){ .said = &msg });
}

static void another_disk_is_served_when_a_person_says_so(void **state)
{
	(void)state;
	waited_for = 0;
	due();
	finds_disk(EV_READY, "S/N A");
	runs(1);
	ends("device", dev->r.device_pid, EXITED(RF_EXIT_DEVICE));
	due();
	pid_t looks = dev->r.device_pid;
	finds_disk(EV_OTHER, "S/N B");
	assert_int_equal(waited_for, 1);
	assert_int_equal(dev->r.state, DEV_REVIVING);
	assert_string_equal(dev->r.disk.text, "S/N A");
	assert_string_equal(dev->r.other.text, "S/N B");
	/* Its clients' time runs while a device process sees to it that it is still there. */
	due();
	assert_int_equal(waited_for, 2);
	assert_int_equal(dev->r.device_pid, looks);
	/* The supervisor was replaced: a device process that only waits ends, for a new look. */
	ends("device", looks, EXITED(RF_EXIT_OTHER_DISK));
	assert_int_equal(dev->r.state, DEV_REVIVING);
	due();
	assert_true(dev->r.device_pid);
	dev->r.away_ns = 1;
	finds_disk(EV_OTHER, "S/N B");
	assert_int_equal(dev->r.export_pid, 7);
	dev_restart(sup, dev);
	assert_int_equal(dev->r.state, DEV_STOPPING);
	ends("device", dev->r.device_pid, EXITED(0));
	assert_int_equal(dev->r.state, DEV_WAITING);
	assert_false(rf_identity_known(&dev->r.disk));
	due();
	finds_disk(EV_READY, "S/N B");
	assert_int_equal(dev->r.state, DEV_RUNNING);
	assert_string_equal(dev->r.disk.text, "S/N B");
}

/* Behind VFIO somebody took the old one out; and a start from nothing has no clients that wait. */
static void another_disk_where_nobody_waits_is_the_end(void **state)
{
	static const enum rf_backend backends[] = { RF_BACKEND_VFIO, RF_BACKEND_VFIO_USER };

	(void)state;
	for (int i = 0; i < 2; i++) {
		cfg->policy.device.backend = backends[i];
		dev->r = (struct dev_record){ .state = DEV_WAITING };
		comes_up();
		runs(1);
		said[0] = '\0';
		if (i)
			dev->r.state = DEV_STARTING;
		else {
			ends("device", dev->r.device_pid, KILLED);
			due();
		}
		finds_disk(EV_OTHER, "S/N B");
		assert_int_equal(dev->r.state, DEV_STOPPING);
		assert_non_null(strstr(said,
				       "is S/N B now: not served; 'ringfence restart disk0'"));
		ends("device", dev->r.device_pid, EXITED(0));
		assert_int_equal(dev->r.state, DEV_FAILED);
		assert_int_equal(dev->r.code, RF_EXIT_OTHER_DISK);
	}
}

/* It was served, and starts again from nothing: a signal then is no reason to give it up. One that
 * was never up has failed. */
static void a_device_process_killed_at_a_later_start_has_a_successor(void **state)
{
	(void)state;
	cfg->policy.device.backend = RF_BACKEND_VFIO;
	comes_up();
	runs(1);
	dev->r.restart = true;
	dev_stop(sup, dev);
	ends("device", dev->r.device_pid, EXITED(0));
	assert_int_equal(dev->r.state, DEV_WAITING);
	due();
	for (int i = 0; i < 6; i++) {
		assert_int_equal(dev->r.state, DEV_STARTING);
		ends("device", dev->r.device_pid, KILLED);
		assert_int_equal(dev->r.state, DEV_WAITING);
		due();
	}
	for (int i = 0; i < 2 && dev->r.state == DEV_STARTING; i++) {
		ends("device", dev->r.device_pid, KILLED);
		if (dev->r.state == DEV_WAITING)
			due();
	}
	assert_int_equal(dev->r.state, DEV_QUARANTINED);
}

static void a_device_process_killed_at_the_first_start_is_the_end(void **state)
{
	(void)state;
	due();
	ends("device", dev->r.device_pid, KILLED);
	assert_int_equal(dev->r.state, DEV_FAILED);
	assert_int_equal(dev->r.code, RF_EXIT_DEVICE);
}

/* Memory or places for processes are short for a moment, whenever one is to be started. */
static void what_cannot_be_had_now_is_waited_for(void **state)
{
	(void)state;
	comes_up();
	runs(1);
	/* the next driver */
	driver_error = -EAGAIN;
	tell(EV_WANT, 2, 0);
	assert_int_equal(dev->r.state, DEV_RUNNING);
	driver_error = 0;
	due();
	tell(EV_UP, 2, 0);
	/* the next device process */
	start_error = -ENOMEM;
	ends("device", dev->r.device_pid, KILLED);
	due();
	assert_int_equal(dev->r.state, DEV_REVIVING);
	start_error = 0;
	due();
	/* and an export that died meanwhile */
	export_error = -EAGAIN;
	ends("export", 7, KILLED);
	tell(EV_READY, 0, 0);
	assert_int_equal(dev->r.state, DEV_RUNNING);
	export_error = 0;
	due();
	assert_int_equal(dev->r.export_pid, 7);
	assert_int_equal(dev->r.state, DEV_RUNNING);
}

/* Nobody has seen it work: the end, with a code that says so. */
static void what_cannot_be_had_at_the_first_start_is_the_end(void **state)
{
	(void)state;
	export_error = -EAGAIN;
	due();
	tell(EV_READY, 0, 0);
	ends("device", dev->r.device_pid, EXITED(0));
	assert_int_equal(dev->r.state, DEV_FAILED);
	assert_int_equal(dev->r.code, RF_EXIT_SYSTEM);

	teardown(state);
	setup(state);
	driver_error = -ENOSYS;
	comes_up();
	tell(EV_WANT, 1, 0);
	ends("device", dev->r.device_pid, EXITED(0));
	assert_int_equal(dev->r.state, DEV_FAILED);
	assert_int_equal(dev->r.code, RF_EXIT_SYSTEM);
}

/* A start from nothing forgets its drivers, and not that there were some. */
static void a_device_that_worked_has_worked_after_a_start_from_nothing(void **state)
{
	(void)state;
	comes_up();
	runs(1);
	dev->r.restart = true;
	dev_stop(sup, dev);
	ends("device", dev->r.device_pid, EXITED(0));
	comes_up();
	driver_error = -EAGAIN;
	tell(EV_WANT, 1, 0);
	assert_int_equal(dev->r.state, DEV_RUNNING);
	/* But a person who restarts it wants to know. */
	dev_restart(sup, dev);
	ends("device", dev->r.device_pid, EXITED(0));
	comes_up();
	tell(EV_WANT, 1, 0);
	ends("device", dev->r.device_pid, EXITED(0));
	assert_int_equal(dev->r.state, DEV_FAILED);
}

/* Its server's queue of clients is full, or a program looks at its disk: nobody waits for that,
 * other devices are started meanwhile. */
static void a_device_in_other_hands_is_tried_again(void **state)
{
	(void)state;
	open_code = rest_code = RF_OPEN_LATER;
	due();
	assert_int_equal(dev->r.state, DEV_STARTING);
	assert_true(dev_due_ns(dev) > rf_now_ns() && !dev->r.device_pid);
	due();
	due();
	assert_int_equal(rest_asked, 2);
	rest_code = 0;
	due();
	assert_true(dev->r.device_pid && dev_due_ns(dev) == ~0ull);
	tell(EV_READY, 0, 0);
	assert_int_equal(dev->r.state, DEV_RUNNING);
}

static void a_device_that_stays_in_other_hands_is_given_up(void **state)
{
	(void)state;
	open_code = rest_code = RF_OPEN_LATER;
	due();
	due();
	due();
	assert_int_equal(dev->r.state, DEV_STARTING);
	dev->open_until_ns = rf_now_ns(); /* it is over */
	due();
	assert_int_equal(rest_asked, 3);
	assert_int_equal(dev->r.state, DEV_FAILED);
	assert_int_equal(dev->r.code, RF_EXIT_IN_USE);
}

static void one_that_is_stopped_while_it_is_tried_is_off(void **state)
{
	(void)state;
	open_code = rest_code = RF_OPEN_LATER;
	due();
	dev_stop(sup, dev);
	assert_int_equal(dev->r.state, DEV_OFF);
	assert_true(dev_due_ns(dev) == ~0ull);
}

/* One that said that it is ready takes messages: it is watched from then on. */
static void a_device_process_is_watched_once_it_is_ready(void **state)
{
	(void)state;
	comes_up();
	assert_int_equal(dev->ping.known[0], dev->r.device_pid);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ONE(a_server_that_ends_before_the_first_driver_is_connected_to_afresh),
		ONE(a_server_that_never_gets_to_a_driver_is_quarantined),
		ONE(a_server_that_fails_after_each_request_gets_its_share_and_no_more),
		ONE(a_driver_that_dies_after_each_request_gets_no_lines_without_limit),
		ONE(device_processes_killed_one_after_another_use_no_number_twice),
		ONE(another_disk_is_served_when_a_person_says_so),
		ONE(another_disk_where_nobody_waits_is_the_end),
		ONE(a_device_process_killed_before_the_first_driver_has_a_successor),
		ONE(a_device_process_killed_at_a_later_start_has_a_successor),
		ONE(a_device_process_killed_at_the_first_start_is_the_end),
		ONE(what_cannot_be_had_now_is_waited_for),
		ONE(what_cannot_be_had_at_the_first_start_is_the_end),
		ONE(a_device_that_worked_has_worked_after_a_start_from_nothing),
		ONE(a_device_in_other_hands_is_tried_again),
		ONE(a_device_that_stays_in_other_hands_is_given_up),
		ONE(one_that_is_stopped_while_it_is_tried_is_off),
		ONE(a_device_process_is_watched_once_it_is_ready),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
