/* SPDX-License-Identifier: MIT */
/*
 * main.c - oracle KEY=VALUE...: asks, kills and judges until the time is over, then looks at
 * the whole disk, cuts the power, and looks again. Figures as one line of JSON.
 *
 * Room:   tests/oracle.
 *   socket=PATH        NBD; disk of at least blocks * block bytes, all zeroes at the start
 *   control=PATH       ringfence's; model=PATH the model's
 *   model_pid=FILE     the model's process id, if it may be killed
 *   seconds=N (20) seed=N (1)
 *   block=N (512)      64 to 4096: what is written whole or not at all; places are multiples of it
 *   blocks=N (4096) conns=N (12) lazy=N (4)   lazy: of them pause without reading
 *   depth=N (0)        requests of a connection under way; 0: 4 to 32, each its own
 *   cache=none|volatile|fragile (volatile)    what the device loses, and when: README.md
 *   kills=0|1 (1) cuts=PERCENT (12)           of the rounds cut the power
 *   queues=N (1)       that the device has, a driver each: each of them is a victim
 *   patience=N (120)   seconds without an answer, or without a recovery
 *   until=violation    ends with the first
 * Exit:   0; 1: a violation; 2: cannot run.
 */
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "oracle.h"

static volatile sig_atomic_t told_to_end;

static void on_term(int signal)
{
	(void)signal;
	told_to_end = 1;
}

void fail(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("oracle: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(2);
}

static void set_text(struct options *o, const char *key, size_t n, const char *value)
{
	const struct { const char *key; const char **to; } texts[] = {
		{ "socket", &o->socket }, { "control", &o->control },
		{ "model", &o->model_control },
		{ "model_pid", &o->model_pid },
	};
	const struct { const char *key; uint64_t *to; } numbers[] = {
		{ "seconds", &o->seconds }, { "seed", &o->seed }, { "block", &o->block },
		{ "blocks", &o->blocks },
		{ "conns", &o->conns }, { "lazy", &o->lazy }, { "depth", &o->depth },
		{ "kills", &o->kills }, { "cuts", &o->cuts },
		{ "patience", &o->patience }, { "queues", &o->queues },
	};
	char *end;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strlen(texts[i].key) == n && !memcmp(texts[i].key, key, n)) {
			*texts[i].to = value;
			return;
		}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (strlen(numbers[i].key) == n && !memcmp(numbers[i].key, key, n)) {
			*numbers[i].to = strtoull(value, &end, 0);
			if (end != value && !*end)
				return;
		}
	fail("%s: not understood; the head of tests/oracle/main.c names the keys", key);
}

static void understand(struct options *o, int argc, char **argv)
{
	*o = (struct options){ .seconds = 20,
			       .seed = 1,
			       .block = 512,
			       .blocks = 4096,
			       .conns = 12,
			       .lazy = 4,
			       .kills = 1,
			       .cuts = 12,
			       .patience = 120,
			       .queues = 1,
			       .cached = true };
	for (int i = 1; i < argc; i++) {
		const char *value = strchr(argv[i], '=');
		if (!value)
			fail("%s: KEY=VALUE is wanted", argv[i]);
		if (!strncmp(argv[i], "cache=", 6)) {
			o->fragile = !strcmp(value + 1, "fragile");
			o->cached = o->fragile || !strcmp(value + 1, "volatile");
			if (!o->cached && strcmp(value + 1, "none"))
				fail("%s: none, volatile or fragile", argv[i]);
		} else if (!strcmp(argv[i], "until=violation"))
			o->until_violation = true;
		else
			set_text(o, argv[i], (size_t)(value - argv[i]), value + 1);
	}
	if (!o->socket || !o->control || !o->model_control)
		fail("socket=, control= and model= are needed");
	if (o->block < 64 || o->block > 4096 || o->block & (o->block - 1) || o->blocks < 64)
		fail("block is 64, 128, ... 4096, blocks at least 64");
	if (o->conns < 1 || o->conns > CONNS || o->lazy >= o->conns || o->depth > DEPTH)
		fail("conns is 1 to %u, lazy fewer, depth at most %u", CONNS, DEPTH);
	if (o->queues < 1 || o->queues > QUEUES)
		fail("queues is 1 to %u", QUEUES);
}

/* ---- the run ------------------------------------------------------------------------ */

static bool over(const struct load *l)
{
	return told_to_end || atomic_load(&l->book.hazards->stuck) ||
	       (l->o.until_violation && l->book.violations);
}

static void end_chaos(struct hazards *h, pid_t chaos)
{
	atomic_store(&h->stop, 1);
	waitpid(chaos, NULL, 0);
	/* The last hazard was perhaps not seen through. */
	if (atomic_load(&h->begun) != atomic_load(&h->ended))
		atomic_fetch_add(&h->begun, 1);
}

/* What is left after the last flush is left after a power cut as well. */
static bool look_at_all(struct load *l)
{
	struct hazards *h = l->book.hazards;

	if (!load_settle(l))
		return false;
	if (!l->o.cached)
		return true;
	atomic_fetch_add(&h->begun, 1);
	if (!model_told(l->o.model_control, "power-cut\n"))
		fail("the model does not answer");
	atomic_fetch_add(&h->power_cuts, 1);
	return load_settle(l);
}

static uint64_t driver_deaths(const struct hazards *h)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < QUEUES; i++)
		n += h->killed[DRIVER + i];
	return n;
}

static void report(const struct load *l)
{
	const struct figures *n = &l->count;
	const struct hazards *h = l->book.hazards;
	const struct { const char *name; uint64_t value; } members[] = {
		{ "operations", n->operations }, { "bytes_verified", l->book.verified },
		{ "reads", n->reads },
		{ "writes", n->writes }, { "zeroes", n->zeroes }, { "trims", n->trims },
		{ "flushes", n->flushes },
		{ "fua", n->fua }, { "flushes_failed", n->flushes_failed },
		{ "reconnects", n->reconnects },
		{ "clients_vanished", n->vanished }, { "half_closed", n->half_closed },
		{ "pauses", n->pauses },
		{ "deaths", h->deaths }, { "driver_deaths", driver_deaths(h) },
		{ "export_deaths", h->killed[EXPORT] },
		{ "device_deaths", h->killed[DEVICE] },
		{ "supervisor_deaths", h->killed[SUPERVISOR] },
		{ "model_deaths", h->killed[MODEL] }, { "power_cuts", h->power_cuts },
		{ "violations", l->book.violations }, { "seed", l->o.seed },
	};

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		printf("%c\"%s\":%llu", i ? ',' : '{', members[i].name,
		       (unsigned long long)members[i].value);
	printf("}\n");
}

int main(int argc, char **argv)
{
	static struct load l;
	struct options o;
	struct hazards *h =
		mmap(NULL, sizeof(*h), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	understand(&o, argc, argv);
	if (h == MAP_FAILED)
		fail("out of memory");
	atomic_store(&h->begun, 1);
	atomic_store(&h->ended, 1);
	signal(SIGTERM, on_term);
	fprintf(stderr, "oracle: seed %llu\n", (unsigned long long)o.seed);
	pid_t chaos = fork();
	if (!chaos)
		chaos_run(&o, h);
	load_open(&l, &o, h);
	l.book.lost = chaos_lost;
	uint64_t until = now_ms() + o.seconds * 1000;
	bool alive = true;
	while (alive && !over(&l) && now_ms() < until)
		alive = load_turn(&l);
	end_chaos(h, chaos);
	if (atomic_load(&h->stuck))
		violation(&l.book, "no recovery");
	else if (alive && !over(&l))
		look_at_all(&l);
	report(&l);
	return l.book.violations != 0;
}
