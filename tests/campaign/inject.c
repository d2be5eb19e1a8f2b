/* SPDX-License-Identifier: MIT */
/*
 * inject.c - breaks a running driver in one place, again and again, and writes down what came
 * of it.
 *
 *   inject profile SITES PROFILE NBD MODEL
 *   inject faults  SITES PROFILE NBD MODEL SEED FIRST STEP COUNT UNTIL OUT [KIND]
 *   inject probe
 *
 * Room:   tests/campaign, as root. RF_CONTROL: where ringfence answers.
 * profile: which instructions run under load, and which only while a driver starts; each one
 *         was watched by a debug register. Into the file PROFILE.
 * faults: FIRST, FIRST + STEP and so on, COUNT of them, or until the time UNTIL (seconds since
 *         1970). One JSON line each is appended to OUT. KIND: faults of no other kind.
 * probe:  exit status 0: this machine counts debug registers, as the other two need.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "one.h"

#define WATCHES        4 /* debug registers */
#define PROFILE_LOAD   300
#define PROFILE_START  32

static struct inject j;

/* ---- the profile ---------------------------------------------------------------------- */

/* Up to WATCHES instructions from `at` on that were not seen to run yet. */
static unsigned next_unseen(uint32_t *at, struct insn **out)
{
	unsigned n = 0;

	for (; *at < j.plan.insns && n < WATCHES; ++*at)
		if (!j.plan.insn[*at].runs)
			out[n++] = &j.plan.insn[*at];
	return n;
}

static void watch(const struct target *t, struct insn **insn, unsigned n, int *fd)
{
	for (unsigned i = 0; i < n; i++)
		fd[i] = target_watch(t, insn[i]->offset, false);
}

static void profile_group(struct insn **insn, unsigned n, bool start)
{
	struct target t;
	struct seen s;
	int fd[WATCHES];

	if (!inject_ready(&j, &s, start, 0) || target_open(&t, start ? s.standby : s.driver))
		return;
	watch(&t, insn, n, fd);
	if (start)
		kill(s.driver, SIGKILL);
	(void)inject_pump(&j, start ? CLIENT_DEPTH + PROFILE_START : PROFILE_LOAD, -1, true);
	for (unsigned i = 0; i < n; i++) {
		bool hit = target_hits(fd[i]) != 0;

		insn[i]->runs |= hit && !start;
		insn[i]->starts |= hit && start;
		if (fd[i] >= 0)
			close(fd[i]);
	}
	target_close(&t);
}

static int profile(const char *path)
{
	struct insn *insn[WATCHES];
	unsigned n, runs = 0, starts = 0;

	client_seed(&j.client, 1);
	for (int start = 0; start < 2; start++)
		for (uint32_t at = 0; (n = next_unseen(&at, insn));)
			profile_group(insn, n, start);
	for (uint32_t i = 0; i < j.plan.insns; i++) {
		runs += j.plan.insn[i].runs;
		starts += j.plan.insn[i].starts;
	}
	fprintf(stderr, "inject: of %u instructions %u run under load, %u more at the start only\n",
		j.plan.insns, runs, starts);
	return runs ? plan_save_profile(&j.plan, path) : 1;
}

/* ---- what is written down ----------------------------------------------------------------- */

static void put_place(FILE *out, const struct fault *f)
{
	if (f->insn)
		fprintf(out, ",\"function\":\"%s\",\"offset\":%u,\"insn\":\"%s\"",
			f->insn->function, f->insn->offset, f->insn->text);
	if (f->kind == BIT_FLIP)
		fprintf(out, ",\"bit\":%u", f->bit);
	else if (f->insn) {
		fprintf(out, ",\"code\":\"");
		for (uint32_t i = 0; i < f->insn->length; i++)
			fprintf(out, "%02x", f->code[i]);
		fprintf(out, "\"");
	} else if (f->kind == DATA)
		fprintf(out, ",\"offset\":%llu,\"bit\":%u", (unsigned long long)f->offset, f->bit);
	else if (f->command[0])
		fprintf(out, ",\"fault\":\"%.*s\"", (int)strcspn(f->command + 6, "\n"),
			f->command + 6);
	else
		fprintf(out, ",\"fault\":\"stopped for %u ms\"", f->stop_ms);
}

static void put(FILE *out, const struct fault *f, const struct verdict *v)
{
	fprintf(out, "{\"index\":%llu,\"kind\":\"%s\",\"standby\":%s", (unsigned long long)f->index,
		kind_names[f->kind], f->standby ? "true" : "false");
	put_place(out, f);
	fprintf(out, ",\"activated\":%s,\"outcome\":\"%s\",\"deaths\":%llu,\"kills\":%u",
		v->activated ? "true" : "false", outcome_names[v->outcome],
		(unsigned long long)v->deaths, v->kills);
	if (v->detect_us)
		fprintf(out, ",\"detect_us\":%llu", (unsigned long long)v->detect_us);
	if (v->recovery_us)
		fprintf(out, ",\"recovery_us\":%llu", (unsigned long long)v->recovery_us);
	if (v->errors)
		fprintf(out, ",\"errors\":%llu", (unsigned long long)v->errors);
	for (unsigned i = 0; i < WRONGS; i++)
		if (v->wrong[i])
			fprintf(out, ",\"%s\":%llu", wrong_names[i],
				(unsigned long long)v->wrong[i]);
	if (v->wrongs)
		fprintf(out, ",\"wrong\":%llu", (unsigned long long)v->wrongs);
	if (v->lost)
		fprintf(out, ",\"unrecovered\":true");
	if (v->escape[0])
		fprintf(out, ",\"escape\":\"%s\"", v->escape);
	fprintf(out, "}\n");
}

/* ---- faults ------------------------------------------------------------------------------- */

/* The other device's driver, as it is to stay; and every block of ours written once. */
static bool settle(void)
{
	struct seen s;

	for (int i = 0; i < 600; i++) {
		if (!inject_ready(&j, &s, true, 0))
			return false;
		j.first = s;
		if (s.other.driver && s.other.completed)
			return true;
		nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	}
	return false;
}

static int faults(char **word, const char *kind)
{
	uint64_t seed = strtoull(word[0], NULL, 0), index = strtoull(word[1], NULL, 0);
	uint64_t step = strtoull(word[2], NULL, 0), count = strtoull(word[3], NULL, 0);
	time_t until = (time_t)strtoll(word[4], NULL, 0);
	FILE *out = fopen(word[5], "ae");
	struct fault f;
	struct verdict v;

	if (!out || !settle()) {
		fprintf(stderr, "inject: %s\n",
			out ? "the devices do not come up" : "cannot write");
		return 1;
	}
	setvbuf(out, NULL, _IOLBF, 1 << 16); /* whole lines, whenever we are ended */
	for (; count && time(NULL) < until; count--, index += step) {
		plan_fault(&j.plan, seed, index, &f);
		if (kind && strcmp(kind, kind_names[f.kind])) {
			count++;
			continue;
		}
		if (!strncmp(f.name, "poison", 6))
			snprintf(f.command, sizeof(f.command), "fault %s count 3 arg %llu\n",
				 f.name,
				 (unsigned long long)(plan_requests(seed, index) % CLIENT_BLOCKS));
		client_seed(&j.client, plan_requests(seed, index));
		inject_one(&j, &f, &v);
		put(out, &f, &v);
	}
	fprintf(out, "{\"end\":true,\"blocks_verified\":%llu,\"requests\":%llu}\n",
		(unsigned long long)j.client.verified, (unsigned long long)j.client.answers);
	return fclose(out) != 0;
}

int main(int argc, char **argv)
{
	bool profiling = argc == 6 && !strcmp(argv[1], "profile");

	if (argc == 2 && !strcmp(argv[1], "probe"))
		return !target_watches_work();
	if (!profiling && !((argc == 12 || argc == 13) && !strcmp(argv[1], "faults"))) {
		fprintf(stderr, "usage: inject profile SITES PROFILE NBD MODEL\n"
				"       inject faults SITES PROFILE NBD MODEL SEED FIRST STEP "
				"COUNT UNTIL OUT [KIND]\n"
				"       inject probe\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	j.socket = argv[4];
	j.model = rig_model_open(argv[5]);
	if (plan_load(&j.plan, argv[2], profiling ? NULL : argv[3]) || j.model < 0 ||
	    client_open(&j.client, argv[4])) {
		fprintf(stderr, "inject: cannot start\n");
		return 1;
	}
	return profiling ? profile(argv[3]) : faults(argv + 6, argv[12]);
}
