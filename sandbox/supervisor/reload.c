/* SPDX-License-Identifier: MIT */
/*
 * reload.c - the configuration is read anew while devices serve.
 *
 * Room:   sandbox/supervisor, no privilege. Who reads it is the loader, a fork of the zygote.
 * Story:  somebody asks; the loader reads, checks and compares. If it fails nothing is changed.
 *         Else this supervisor is replaced, like one that died: its successor has both
 *         configurations, and finds all that runs (adopt.c). Devices that are the same go on and
 *         do not notice. Those that are gone or not the same are stopped, as they were started;
 *         when the last of them has ended (stopping.c), what is new or changed starts.
 * One:    at a time. The next one may begin when nothing is left of what went.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/wait.h>

#include "clock.h"
#include "ending.h"
#include "log.h"
#include "supervisor.h"

#define LOADER_NS 60000000000ull /* the loader is killed then: the file may be a pipe */

/* ---- reading --------------------------------------------------------------------- */

int reload_begin(struct sup *s, int log)
{
	if (s->stopping)
		return -ESHUTDOWN;
	if (s->reload.due_ns || devices_leaving(s))
		return -EBUSY;
	int err = keep_reload(s, log);
	if (!err)
		s->reload.due_ns = rf_now_ns() + LOADER_NS;
	return err == -EEXIST ? -EBUSY : err;
}

void reload_hangup(struct sup *s)
{
	s->reload.asked = true;
}

int reload_loaded(struct sup *s, const struct rf_keep_msg *dead)
{
	char how[RF_ENDING];
	int code = WIFEXITED(dead->status) ? WEXITSTATUS(dead->status) : RF_EXIT_SYSTEM;

	s->reload.due_ns = 0;
	if (code)
		rf_log("the configuration was read anew and not taken: its reader %s; nothing is "
		       "changed", rf_ending(dead->status, how));
	return code;
}

void reload_renew(struct sup *s)
{
	record_write(s);
	if (!keep_renew(s))
		for (;;) /* the keeper kills us */
			(void)ppoll(NULL, 0, NULL, NULL);
}

/* ---- what follows ------------------------------------------------------------------ */

/* Starts what waits for the last one to end. */
static void start_waiting(struct sup *s)
{
	for (int i = 0; i < s->count; i++)
		if (s->dev[i].r.state == DEV_WAITING && s->dev[i].r.retry_ns == ~0ull)
			s->dev[i].r.retry_ns = 0;
}

uint64_t reload_due_ns(const struct sup *s)
{
	return s->reload.due_ns ? s->reload.due_ns : ~0ull;
}

void reload_due(struct sup *s)
{
	if (s->reload.due_ns && s->reload.due_ns <= rf_now_ns()) {
		rf_log("reading the configuration takes more than %llu s: given up",
		       LOADER_NS / 1000000000);
		s->reload.due_ns = 0;
		(void)keep_kill(s, RF_KEEP_LOADER);
	}
	if (devices_leaving(s))
		return;
	start_waiting(s);
	int err = s->reload.asked ? reload_begin(s, -1) : -EBUSY;

	if (err == -EBUSY)
		return;
	s->reload.asked = false;
	if (err)
		rf_log("the configuration cannot be read anew: %s", strerror(-err));
}
