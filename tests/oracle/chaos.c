/* SPDX-License-Identifier: MIT */
/*
 * chaos.c - kills every process of a run, alone and in sets, and cuts the device's power.
 *
 * Room:   tests/oracle. A child of the oracle; knows the victims by `status`.
 * Pace:   the next round waits until the last is recovered from and something was done since,
 *         or the budget of restarts would rightly end the run. Now and then a victim's
 *         successor is killed while the recovery is under way.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "oracle.h"
#include "show.h"

#define UNDER_WAY           300u  /* at most */
#define DRIVERS             (~0u << DRIVER)
#define SUPERVISOR_EVERY_MS 3000u /* eight that live less than a second each end all */

static const struct options *o;
static struct hazards *hazards;
static uint64_t state, supervisor_ms;
static int said; /* where to complain: status has nobody to ask for a moment, again and again */

struct look {
	uint64_t pid[VICTIMS], generation, completed, losses;
	bool     running;
};

static uint64_t chance(uint64_t below)
{
	uint64_t x = state += 0x9e3779b97f4a7c15ull;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return (x ^ x >> 31) % below;
}

static void nap(uint64_t ms)
{
	struct timespec t = { .tv_sec = (time_t)(ms / 1000),
			      .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* ---- who is there ------------------------------------------------------------------- */

static uint64_t member(const char *text, const char *key)
{
	char quoted[64];

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	const char *p = strstr(text, quoted);
	return p ? strtoull(p + strlen(quoted), NULL, 10) : 0;
}

static uint64_t model_pid(void)
{
	unsigned long pid = 0;
	FILE *f = o->model_pid ? fopen(o->model_pid, "r") : NULL;

	if (!f)
		return 0;
	if (fscanf(f, "%lu", &pid) != 1)
		pid = 0;
	fclose(f);
	return pid;
}

/* What stands in the status of a queue, which may have no driver: 0. */
static uint64_t of_queue(const char *text, unsigned queue, const char *key)
{
	char start[32];

	snprintf(start, sizeof(start), "{\"queue\":%u,", queue);
	const char *p = strstr(text, start);
	return p ? member(p, key) : 0;
}

/* False: nobody answers just now. */
static bool look(struct look *s)
{
	static char text[1 << 16];
	FILE *f = fmemopen(text, sizeof(text), "w");

	if (!f)
		return false;
	bool good = !client_ask(o->control, "status-json", "", f);
	fclose(f);
	if (!good)
		return false;
	*s = (struct look){
		.pid = { [EXPORT] = member(text, "export_pid"),
			 [DEVICE] = member(text, "device_pid"),
			 [SUPERVISOR] = member(text, "supervisor_pid"), [MODEL] = model_pid() },
		.generation = member(text, "generation"),
		.completed = member(text, "completed"),
		.losses = member(text, "cache_losses"),
		.running = strstr(text, "\"state\":\"running\"") != NULL,
	};
	for (unsigned i = 0; i < o->queues; i++)
		s->pid[DRIVER + i] = of_queue(text, i, "pid");
	return true;
}

static bool everybody(const struct look *s)
{
	for (unsigned v = 0; v < DRIVER + o->queues; v++)
		if (!s->pid[v] && (v != MODEL || o->model_pid))
			return false;
	return s->running;
}

static void stuck(const char *what)
{
	dprintf(said, "oracle: %s for %llu s\n", what, (unsigned long long)o->patience);
	atomic_store(&hazards->stuck, 1);
	_exit(1);
}

/* Until all are there, other than those killed, and requests are answered: more than may have been
 * under way before. */
static void recovered(const struct look *before, unsigned set, bool cut, struct look *now)
{
	uint64_t until = now_ms() + o->patience * 1000, from = 0;
	bool replaced = false;

	for (;;) {
		if (atomic_load(&hazards->stop))
			_exit(0);
		if (now_ms() > until)
			stuck(replaced ? "nothing is answered after a recovery" : "no recovery");
		nap(5);
		if (!look(now) || !everybody(now))
			continue;
		bool there = !cut || now->generation != before->generation;
		for (unsigned v = 0; v < VICTIMS; v++)
			there &= !(set & 1u << v) || now->pid[v] != before->pid[v];
		/* A device process goes with its device's server. */
		there &= !(set & 1u << MODEL) || now->pid[DEVICE] != before->pid[DEVICE];
		if (there && !replaced)
			from = now->completed;
		replaced = there;
		if (replaced && (now->completed < from || now->completed > from + UNDER_WAY))
			return;
	}
}

/* ---- what is done to them ----------------------------------------------------------- */

bool model_told(const char *control, const char *line)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[256];
	size_t used = 0;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", control);
	bool good = !connect(fd, (struct sockaddr *)&a, sizeof(a)) &&
		    send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line);
	while (good && used < sizeof(text) - 1) {
		ssize_t n = poll(&p, 1, 10000) == 1 ?
				    read(fd, text + used, sizeof(text) - 1 - used) :
				    0;
		if ((good = n > 0))
			used += (size_t)n;
		text[used] = '\0';
		if (strstr(text, "ok\n"))
			break;
	}
	close(fd);
	return good;
}

static void kill_one(const struct look *s, unsigned victim)
{
	if (!s->pid[victim] || kill((pid_t)s->pid[victim], SIGKILL))
		return;
	atomic_fetch_add(&hazards->killed[victim], 1);
	atomic_fetch_add(&hazards->deaths, 1);
	if (victim == SUPERVISOR)
		supervisor_ms = now_ms();
}

static unsigned some_victim(void)
{
	uint64_t n = chance(100);

	if (n < 40)
		return DRIVER + (unsigned)chance(o->queues);
	return n < 60 ? EXPORT : n < 78 ? DEVICE : n < 90 ? SUPERVISOR : MODEL;
}

static unsigned some_set(void)
{
	unsigned set = 0;

	for (uint64_t n = chance(100) < 55 ? 1 : 2 + chance(3); n; n--)
		set |= 1u << some_victim();
	if (!o->model_pid)
		set &= ~(1u << MODEL);
	if (now_ms() - supervisor_ms < SUPERVISOR_EVERY_MS)
		set &= ~(1u << SUPERVISOR);
	return set;
}

static void strike(const struct look *s, unsigned set, bool cut, bool cut_first)
{
	unsigned first = (unsigned)chance(VICTIMS);

	if (cut && cut_first)
		atomic_fetch_add(&hazards->power_cuts, model_told(o->model_control, "power-cut\n"));
	for (unsigned i = 0; i < VICTIMS; i++)
		if (set & 1u << (first + i) % VICTIMS)
			kill_one(s, (first + i) % VICTIMS);
	if (cut && !cut_first)
		atomic_fetch_add(&hazards->power_cuts, model_told(o->model_control, "power-cut\n"));
}

/* Kills who is there of some of them while the first deaths are dealt with. */
static void strike_again(unsigned set)
{
	struct look s;

	nap(chance(30));
	if (look(&s))
		strike(&s, set & ~(1u << SUPERVISOR) & ~(1u << MODEL), false, false);
}

static void note_losses(uint64_t losses)
{
	atomic_store(&hazards->losses, losses);
}

/* A loss that no hazard explains is one of its own, short as it is. */
static bool another_hazard(struct hazards *h, uint64_t losses)
{
	if (atomic_load(&h->losses) == losses)
		return false;
	atomic_fetch_add(&h->begun, 1);
	atomic_store(&h->losses, losses);
	atomic_fetch_add(&h->ended, 1);
	return true;
}

bool chaos_lost(const struct options *options, struct hazards *h)
{
	uint64_t until = now_ms() + options->patience * 1000;
	struct look s;

	o = options;
	while (!look(&s))
		if (now_ms() > until)
			return false;
		else
			nap(2);
	return another_hazard(h, s.losses);
}

static void round_of(struct look *s)
{
	bool cut = o->cuts && o->cached && chance(100) < o->cuts;
	unsigned set = cut && chance(2) ? 0 : some_set();
	unsigned losing =
		1u << DEVICE | 1u << MODEL | (o->fragile ? DRIVERS | 1u << EXPORT : 0);
	bool again = !cut && chance(100) < 15, hazard = cut || set & losing;
	struct look before = *s;

	if (!o->kills)
		set = 0;
	if (!set && !cut)
		return;
	if (hazard)
		atomic_fetch_add(&hazards->begun, 1);
	strike(&before, set, cut, chance(2));
	if (again)
		strike_again(set);
	recovered(&before, set, cut && !(set & losing), s);
	if (hazard) {
		note_losses(s->losses);
		atomic_fetch_add(&hazards->ended, 1);
	} else
		(void)another_hazard(hazards, s->losses);
	atomic_fetch_add(&hazards->rounds, 1);
}

_Noreturn void chaos_run(const struct options *options, struct hazards *h)
{
	struct look s = { 0 };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	o = options;
	hazards = h;
	state = o->seed ^ 0x6368616f73ull;
	supervisor_ms = now_ms();
	said = dup(2);
	if (!freopen("/dev/null", "w", stderr))
		_exit(1);
	recovered(&s, 0, false, &s);
	(void)another_hazard(h, s.losses);
	while (!atomic_load(&h->stop)) {
		nap(chance(10) ? chance(60) : chance(700));
		round_of(&s);
	}
	_exit(0);
}
