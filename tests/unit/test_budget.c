/* SPDX-License-Identifier: MIT */
/*
 * test_budget.c - which deaths bring a device closer to its quarantine.
 *
 * Room:   tests/unit. drivers.c, with a clock that stands until it is moved.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "clock.h"
#include "supervisor.h"
#include "deaths.h"
#include "log.h"

static uint64_t clock_ns = 1000000000000;

uint64_t rf_now_ns(void)
{
	return clock_ns;
}

void rf_log_peer(const char *format, ...) { (void)format; }
void rf_log(const char *format, ...)
{
	(void)format;
}

int rf_packet_offer(int sock, const void *data, size_t bytes, const int *fds, int count)
{
	(void)sock, (void)data, (void)bytes, (void)fds, (void)count;
	return 0;
}

void rf_close_all(int *fds, int count)
{
	(void)fds, (void)count;
}

void record_write(struct sup *s) { (void)s; }
void dev_kill_driver(struct sup *s, struct dev *d, uint32_t g) { (void)s, (void)d, (void)g; }
void dev_kill_drivers(struct sup *s, struct dev *d) { (void)s, (void)d; }
void dev_stop(struct sup *s, struct dev *d) { (void)s, (void)d; }
void dev_recovered(struct dev *d, uint32_t queue) { (void)d, (void)queue; }
int dev_start_driver(struct sup *s, struct dev *d, uint32_t queue, int *fd)
{
	(void)s, (void)d, (void)queue, (void)fd;
	return 0;
}
void death_append(struct sup *s, const char *line) { (void)s, (void)line; }
void keep_ack_exit(struct sup *s, const struct rf_keep_msg *m) { (void)s, (void)m; }
int keep_walls(struct sup *s, const char *name, struct rf_wall_report *w)
{
	(void)s, (void)name, (void)w;
	return -1;
}
void process_name(char *name, const struct dev *d, const char *what)
{
	(void)name, (void)d, (void)what;
}
bool rf_death_ran(const struct rf_keep_msg *m) { (void)m; return true; }
void rf_death_words(const struct rf_keep_msg *m, char *t, size_t n) { (void)m, (void)n; *t = '\0'; }
void rf_death_json(const struct rf_keep_msg *m, const char *d, uint32_t q, char *t, size_t n)
{
	(void)q;
	(void)m, (void)d, (void)n;
	*t = '\0';
}
void crash_report_request(struct sup *s, const struct dev *d, const struct rf_keep_msg *m,
			  enum death why, const char *w, const char *j)
{
	(void)s, (void)d, (void)m, (void)why, (void)w, (void)j;
}

#include "sandbox/supervisor/backoff.c"
#include "sandbox/supervisor/drivers.c"
#include "sandbox/supervisor/hang_detector.c"

enum { MOST = 8 };

static struct rf_stats_service stats;
static struct rf_stats_device device_stats;

/* Up and running, as start() leaves it. */
static struct dev *started(void)
{
	static struct rf_config_device cfg;
	static struct dev d;

	memset(&stats, 0, sizeof(stats));
	cfg.policy.deaths = MOST;
	cfg.policy.device.queues = 1;
	d = (struct dev){ .cfg = &cfg, .service = &stats, .device = &device_stats,
			  .r = { .state = DEV_RUNNING } };
	d.r.queue->driver_budget.at_ns = d.r.queue->standby_budget.at_ns = clock_ns;
	return &d;
}

/* Most that ever counted at once. */
static uint64_t deaths(struct dev *d, unsigned count, uint64_t apart_ns, unsigned requests)
{
	uint64_t most = 0;

	for (unsigned i = 0; i < count; i++) {
		clock_ns += apart_ns;
		stats.completed += requests;
		dev_count_death(d, i + 1);
		most = d->r.queue->fruitless > most ? d->r.queue->fruitless : most;
	}
	return most;
}

static void quick_deaths_in_vain_count(void **state)
{
	(void)state;
	assert_int_equal(deaths(started(), MOST, 5000000000, 0), MOST);
}

static void progress_in_between_forgives(void **state)
{
	(void)state;
	assert_int_equal(deaths(started(), 10 * MOST, 1000000, 1), 0);
}

/* Nobody asks this disk for anything, and now and then its driver is killed. */
static void deaths_of_an_idle_disk_far_apart_do_not_count(void **state)
{
	(void)state;
	assert_true(deaths(started(), 10 * MOST, 61000000000, 0) <= 1);
}

static void a_quiet_minute_forgives_what_came_before(void **state)
{
	struct dev *d = started();

	(void)state;
	assert_int_equal(deaths(d, MOST - 1, 1000000, 0), MOST - 1);
	assert_int_equal(deaths(d, 1, 61000000000, 0), 0);
	assert_int_equal(deaths(d, MOST - 1, 1000000, 0), MOST - 1);
}

/* A driver that lets its device storm answers all the same, and would do so for ever. */
static void storms_count_however_far_apart(void **state)
{
	struct dev *d = started();

	(void)state;
	for (uint32_t i = 1; i <= MOST; i++) {
		d->r.queue->killed = i;
		d->r.queue->killed_for = DEATH_STORM;
		clock_ns += 61000000000;
		dev_count_death(d, i);
	}
	assert_int_equal(d->r.queue->fruitless, MOST);
}

static void standby_dies(struct dev *d, uint32_t generation, uint64_t apart_ns)
{
	struct rf_keep_msg msg = { .pid = 1, .status = 9 };

	snprintf(msg.name, sizeof(msg.name), "disk0.driver.%u", generation);
	clock_ns += apart_ns;
	dev_driver_died(&(struct sup){ 0 }, d, &msg);
}

static void standbys_count_in_the_same_way(void **state)
{
	struct dev *d = started();

	(void)state;
	for (uint32_t i = 0; i < MOST; i++)
		standby_dies(d, 5 + i, 61000000000);
	assert_true(d->r.queue->fruitless <= 1);
	assert_int_equal(d->r.standby_deaths, MOST);
	d = started();
	for (uint32_t i = 0; i < MOST; i++)
		standby_dies(d, 5 + i, 1000000);
	assert_int_equal(d->r.queue->fruitless, MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quick_deaths_in_vain_count),
		cmocka_unit_test(progress_in_between_forgives),
		cmocka_unit_test(deaths_of_an_idle_disk_far_apart_do_not_count),
		cmocka_unit_test(a_quiet_minute_forgives_what_came_before),
		cmocka_unit_test(storms_count_however_far_apart),
		cmocka_unit_test(standbys_count_in_the_same_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
