/* SPDX-License-Identifier: MIT */
/*
 * lifecycle_others.h - all that the life of a device asks of others, made up: nothing is opened,
 * started or killed. A test says what they answer.
 *
 * Room:   tests/unit. For a test that includes lifecycle.c and what belongs to it.
 */
#ifndef RF_LIFECYCLE_OTHERS_H
#define RF_LIFECYCLE_OTHERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deaths.h"
#include "log.h"
#include "supervisor.h"

static int open_code, rest_code, start_error, export_error, driver_error; /* what they answer */
static char said[4096];
static unsigned lines, peer_lines; /* of the log; and those that log.c limits */

void rf_log_peer(const char *format, ...)
{
	(void)format;
	peer_lines++;
}

void rf_log(const char *format, ...)
{
	size_t used = strlen(said);
	va_list args;

	lines++;
	va_start(args, format);
	vsnprintf(said + used, sizeof(said) - used, format, args);
	va_end(args);
}

void rf_die(int code, const char *format, ...)
{
	fail_msg("it ended with %d: %s", code, format);
	abort();
}

int dev_open(struct sup *s, struct dev *d)
{
	static struct rf_stats_service service;

	(void)s;
	d->service = &service;
	return open_code;
}

static unsigned rest_asked;

int dev_open_rest(struct sup *s, struct dev *d, bool last)
{
	(void)s, (void)d;
	rest_asked++;
	return last && rest_code == RF_OPEN_LATER ? RF_EXIT_IN_USE : rest_code;
}

static uint32_t number_given; /* to the device process that is started next */

int dev_reopen(struct sup *s, struct dev *d)
{
	(void)s;
	number_given = d->r.last_wanted;
	return open_code;
}

int dev_start_device(struct sup *s, struct dev *d)
{
	static pid_t last = 100;

	(void)s;
	d->r.device_pid = start_error ? 0 : ++last;
	return start_error;
}

int dev_export(struct sup *s, struct dev *d)
{
	(void)s;
	d->r.export_due_ns = 0;
	d->r.export_pid = export_error ? 0 : 7;
	return export_error;
}

int dev_start_driver(struct sup *s, struct dev *d, uint32_t queue, int *fd)
{
	uint32_t g = d->queue[queue].want.generation;

	(void)s;
	*fd = -1;
	d->r.queue[queue].driver_pid[dev_half_of(d, g)] = driver_error ? 0 : (pid_t)g + 1000;
	return driver_error;
}

bool dev_alive(const struct dev *d)
{
	return d->r.device_pid || d->r.export_pid || dev_any_driver(d);
}

/* Whoever is killed is dead: the test does not look at how. */
void dev_kill(struct sup *s, struct dev *d, const char *what)
{
	(void)s;
	*(!strcmp(what, "export") ? &d->r.export_pid : &d->r.device_pid) = 0;
}

void dev_kill_drivers(struct sup *s, struct dev *d)
{
	(void)s;
	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++)
		d->r.queue[i].driver_pid[0] = d->r.queue[i].driver_pid[1] = 0;
}

struct dev *dev_of(struct sup *s, const char *process, const char **what)
{
	*what = process;
	return &s->dev[0];
}

void server_away(struct dev *d)
{
	d->r.state = DEV_REVIVING;
	d->r.retry_ns = 0;
}

static unsigned waited_for; /* the old disk */

void server_other(struct dev *d)
{
	waited_for++;
	server_away(d);
}

void server_back(struct dev *d) { (void)d; }
void server_clients_fail(struct dev *d) { (void)d; }
int open_interface(struct sup *s, const struct dev *d) { (void)s, (void)d; return 0; }
int dev_listen_again(struct sup *s, struct dev *d) { (void)s, (void)d; return 0; }
void dev_forget(struct sup *s, struct dev *d) { (void)s, (void)d; }
void dev_becomes_next(struct sup *s, struct dev *d) { (void)s, (void)d; }
void dev_close(struct sup *s, struct dev *d) { (void)s, (void)d; }
void dev_kill_driver(struct sup *s, struct dev *d, uint32_t g) { (void)s, (void)d, (void)g; }
void dev_ready(const struct dev *d) { (void)d; }
void dev_recovered(struct dev *d, uint32_t queue) { (void)d, (void)queue; }
struct dev *stack_of(struct sup *s, const struct dev *d) { (void)s, (void)d; return NULL; }
void stack_try(struct sup *s, struct dev *d) { (void)s, (void)d; }
void stack_exited(struct sup *s, struct dev *d, const struct rf_keep_msg *m, bool dial)
{
	(void)s, (void)d, (void)m, (void)dial;
}
void adopt_told(struct dev *d, const struct rf_dev_msg *m) { (void)d, (void)m; }
void record_write(struct sup *s) { (void)s; }
void death_append(struct sup *s, const char *line) { (void)s, (void)line; }
int keep_walls(struct sup *s, const char *name, struct rf_wall_report *w)
{
	(void)s, (void)name, (void)w;
	return -1;
}
void process_name(char *name, const struct dev *d, const char *what)
{
	(void)d, (void)what;
	*name = '\0';
}
bool rf_death_ran(const struct rf_keep_msg *m) { (void)m; return true; }
void rf_death_words(const struct rf_keep_msg *m, char *t, size_t n) { (void)m, (void)n; *t = '\0'; }
void rf_death_json(const struct rf_keep_msg *m, const char *d, uint32_t q, char *t, size_t n)
{
	(void)m, (void)d, (void)q, (void)n;
	*t = '\0';
}
void crash_report_request(struct sup *s, const struct dev *d, const struct rf_keep_msg *m,
			  enum death why, const char *w, const char *j)
{
	(void)s, (void)d, (void)m, (void)why, (void)w, (void)j;
}
int rf_packet_offer(int sock, const void *data, size_t bytes, const int *fds, int count)
{
	(void)sock, (void)data, (void)bytes, (void)fds, (void)count;
	return 0;
}
int rf_packet_recv(int sock, void *data, size_t bytes, int *fds, int *count, int flags)
{
	(void)sock, (void)data, (void)bytes, (void)fds, (void)flags;
	*count = 0;
	return 0;
}
void rf_close_all(int *fds, int count) { (void)fds, (void)count; }

#endif
