/* SPDX-License-Identifier: MIT */
/* one.c - see one.h. Room: tests/campaign. */
#include "one.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_US 60000000u
#define POLL_MS     20

const char *const outcome_names[OUTCOMES] = {
	[NONE] = "none", [REPORTED] = "reported", [CRASH] = "crash", [VIOLATION] = "violation",
	[HANG] = "hang", [STALL] = "stall", [REPLACED] = "device-process-replaced",
};

static void nap_us(unsigned us)
{
	nanosleep(&(struct timespec){ .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000l },
		  NULL);
}

/* ---- waiting ---------------------------------------------------------------------- */

bool inject_ready(struct inject *j, struct seen *s, bool standby, uint32_t above)
{
	uint64_t deadline = rig_now_us() + PATIENCE_US;

	for (;;) {
		*s = rig_look();
		if (s->running && s->driver && s->generation > above && (!standby || s->standby))
			return true;
		if (s->quarantined || rig_now_us() > deadline)
			return false;
		if (client_turn(&j->client, -1, 0) < 0)
			return false;
		nap_us(300);
	}
}

int inject_pump(struct inject *j, uint64_t answers, int pidfd, bool feed)
{
	struct client *c = &j->client;
	uint64_t until = c->answers + answers, deadline = rig_now_us() + PATIENCE_US;

	while (c->answers < until) {
		if (feed)
			client_feed(c);
		int got = client_turn(c, pidfd, POLL_MS);
		if (got > 0)
			return 1;
		if (got < 0 || rig_now_us() > deadline)
			return -1;
		if (!feed && !c->inflight)
			break;
	}
	return 0;
}

uint64_t inject_recover(struct inject *j)
{
	uint64_t from = rig_now_us();

	/* More than what was in flight, which may have been answered just before: some that
	 * wait for the next driver. */
	client_feed(&j->client);
	return inject_pump(j, j->client.inflight, -1, false) ? 0 : rig_now_us() - from + 1;
}

static int sweep(struct inject *j)
{
	uint32_t next = 0;

	while (client_sweep(&j->client, &next))
		if (inject_pump(j, 1, -1, false))
			return -1;
	return 0;
}

/* ---- planting ------------------------------------------------------------------------- */

/* What is planted, and can be taken back. */
struct planted {
	struct target target;
	int      watch;
	uint8_t  before[CODE_MOST];
	uint64_t struck; /* the model's count */
	uint64_t at_us;
};

static int put_code(const struct fault *f, struct planted *p)
{
	uint8_t code[CODE_MOST];

	if (target_read(&p->target, f->offset, p->before, f->insn->length))
		return -1;
	memcpy(code, f->kind == BIT_FLIP ? p->before : f->code, f->insn->length);
	if (f->kind == BIT_FLIP)
		code[f->bit / 8] ^= (uint8_t)(1u << f->bit % 8);
	return target_write(&p->target, f->offset, code, f->insn->length);
}

static int put_data(const struct fault *f, struct planted *p)
{
	uint64_t word;

	if (target_read(&p->target, f->offset, &word, sizeof(word)))
		return -1;
	word ^= 1ull << f->bit;
	return target_write(&p->target, f->offset, &word, sizeof(word));
}

/* A driver that runs stands still meanwhile. */
static int put_inside(const struct fault *f, struct planted *p)
{
	int err = f->standby ? 0 : target_stop(&p->target);

	if (err)
		return err;
	err = f->kind == DATA ? put_data(f, p) : put_code(f, p);
	p->watch = err ? -1 : target_watch(&p->target, f->offset, f->kind == DATA);
	p->at_us = rig_now_us();
	if (!f->standby)
		target_go(&p->target);
	return err;
}

static int plant(struct inject *j, const struct fault *f, const struct seen *s, struct planted *p)
{
	*p = (struct planted){.watch = -1};
	if (target_open(&p->target, f->standby ? s->standby : s->driver))
		return -1;
	if (f->command[0]) {
		p->struck = rig_model_struck(j->model, f->name);
		p->at_us = rig_now_us();
		return rig_model_tell(j->model, f->command);
	}
	if (f->stop_ms) {
		if (target_stop(&p->target))
			return -1;
		p->at_us = rig_now_us();
		nap_us(f->stop_ms * 1000);
		target_go(&p->target);
		return 0;
	}
	return put_inside(f, p);
}

static uint64_t activations(struct inject *j, const struct fault *f, const struct planted *p)
{
	if (f->command[0])
		return rig_model_struck(j->model, f->name) - p->struck;
	return f->stop_ms ? 1 : target_hits(p->watch);
}

static void take_back(struct inject *j, const struct fault *f, struct planted *p, bool alive)
{
	if (f->command[0])
		(void)rig_model_tell(j->model, "clear\n");
	else if (alive && kind_is_code(f->kind))
		(void)target_write(&p->target, f->offset, p->before, f->insn->length);
	else if (alive && f->kind == DATA)
		(void)put_data(f, p); /* the same bit again: nobody looked at it meanwhile */
	if (p->watch >= 0)
		close(p->watch);
	target_close(&p->target);
}

/* ---- the verdict -------------------------------------------------------------------------- */

static void judge_outcome(const struct seen *a, const struct seen *b, struct verdict *v)
{
	uint64_t crashes = b->crashes - a->crashes;

	v->deaths = b->deaths - a->deaths;
	if (b->process_deaths != a->process_deaths || b->device != a->device)
		v->outcome = REPLACED;
	else if (b->lies != a->lies)
		v->outcome = VIOLATION;
	else if (b->hangs != a->hangs)
		v->outcome = HANG;
	else if (b->stalls != a->stalls)
		v->outcome = STALL;
	else if (crashes > v->kills)
		v->outcome = CRASH;
	else
		v->outcome = v->errors ? REPORTED : NONE;
}

static void judge_escape(struct inject *j, const struct fault *f, const struct seen *a,
			 const struct seen *b, struct verdict *v)
{
	const char *who = NULL;

	if (b->export != a->export)
		who = "the export ended";
	else if (v->outcome == REPLACED && !f->breaks_device)
		who = "the device process ended";
	else if (b->other.deaths != j->first.other.deaths ||
		 b->other.driver != j->first.other.driver)
		who = "the other device's driver died";
	else if (b->other.process_deaths != j->first.other.process_deaths ||
		 b->other.device != j->first.other.device ||
		 b->other.export != j->first.other.export)
		who = "the other device's processes ended";
	else if (b->other.failed != j->first.other.failed)
		who = "the other device's requests failed";
	if (who)
		snprintf(v->escape, sizeof(v->escape), "%s", who);
	j->first.other = b->other; /* one harm is counted once */
}

/* Nothing moves any more: only `restart` helps. Its device may be why. */
static bool by_hand(struct inject *j, struct seen *s)
{
	(void)rig_model_tell(j->model, "clear\n");
	(void)rig_model_tell(j->model, "reset\n");
	rig_restart();
	for (int i = 0; i < 600; i++) {
		*s = rig_look();
		if (s->running && s->driver && !client_again(&j->client, j->socket))
			return true;
		nap_us(100000);
	}
	return false;
}

/* What a fault that ran, or killed, leaves behind. */
static void aftermath(struct inject *j, struct seen *after, uint32_t generation, struct verdict *v)
{
	v->recovery_us = inject_recover(j);
	if (v->recovery_us && inject_ready(j, after, false, generation) && !sweep(j) &&
	    inject_ready(j, after, false, generation))
		return;
	v->lost = true;
	(void)by_hand(j, after);
}

/* With requests in flight. One that is dead already is none of ours. */
static int end_it(struct inject *j, const struct target *t, struct verdict *v)
{
	struct pollfd dead = {.fd = t->pidfd, .events = POLLIN};

	client_feed(&j->client);
	(void)client_turn(&j->client, -1, 0);
	if (poll(&dead, 1, 0))
		return 1;
	v->kills += kill(t->pid, SIGKILL) == 0;
	return 0;
}

void inject_one(struct inject *j, const struct fault *f, struct verdict *v)
{
	struct client *c = &j->client;
	uint64_t errors = c->errors, wrong[WRONGS], wrongs = c->wrongs;
	struct seen before, after;
	struct planted p;
	int died = 0;

	memcpy(wrong, c->wrong, sizeof(wrong));
	*v = (struct verdict){0};
	if (!inject_ready(j, &before, f->standby, 0) && !by_hand(j, &before)) {
		v->lost = true;
		return;
	}
	if (plant(j, f, &before, &p))
		return take_back(j, f, &p, false);
	uint32_t generation = before.generation;
	if (f->standby || f->at_recovery) {
		/* It strikes when the driver before it is gone. */
		v->kills = kill(before.driver, SIGKILL) == 0;
		died = inject_pump(j, c->inflight + FAULT_REQUESTS,
				   f->standby ? p.target.pidfd : -1, true);
	} else {
		died = inject_pump(j, FAULT_REQUESTS, p.target.pidfd, true);
	}
	v->detect_us = died > 0 ? rig_now_us() - p.at_us : 0;
	v->activated = activations(j, f, &p);
	after = before;
	if (died || v->activated) {
		if (!died && !f->at_recovery)
			died = end_it(j, &p.target, v);
		if (f->command[0])
			(void)rig_model_tell(j->model, "clear\n");
		aftermath(j, &after, generation + (f->standby && died >= 0), v);
	} else if (v->kills) {
		after = rig_look();
	}
	take_back(j, f, &p, !died && !v->activated);
	v->errors = c->errors - errors;
	v->wrongs = c->wrongs - wrongs;
	for (unsigned i = 0; i < WRONGS; i++)
		v->wrong[i] = c->wrong[i] - wrong[i];
	judge_outcome(&before, &after, v);
	judge_escape(j, f, &before, &after, v);
}
