/* SPDX-License-Identifier: MIT */
/*
 * test_integrity_cuts.c - `integrity disk` over short scripts of a client, with one disaster at
 * every point of them and every choice of what the cache keeps.
 *
 * Room:   tests/unit; see cuts.h. RF_CUTS_STEP=n tries each n-th disaster (1: all; unset: as
 *         many as take some seconds), each with a second one behind it by chance: RF_SEED=n.
 *         RF_SCRIPT=s is the only script, RF_CUT=what,at,keep,what,at,keep the only disasters,
 *         and each request is shown.
 * Shown:  whatever happened, nobody waits for nothing; each read is a version that it may be,
 *         and never an error; after a flush that went well a power cut changes nothing, and an
 *         older version put in the place of a block, or a changed byte, is EIO.
 */
#define JOURNAL_PAGES 12u /* a checkpoint every few writes */
#define ARENA        (1u << 20)
#include <sys/mman.h>
#include <sys/wait.h>
#undef MAP_POPULATE
#define MAP_POPULATE 0 /* it would be a third of the time */

#include "cuts.h"

/* Each ends with reads, so that what was wrong is seen. */
static const char *const scripts[] = {
	"w02.s.w11.s.r04.",                          /* plain */
	"w01w11s.w21w31s.w01w12ss.r04r02.",          /* side by side */
	"w04.s.L.w01.r04.s.w21.s.r04.",              /* a loss that is forgotten */
	"w04.s.w12.L.s.s.w31.s.E.r04.",              /* flushes after it, and a restart */
	"w04.s.w12.L.r04.s.s.E.r04.",                /* read in between */
	"u02.w02r02.P.w11r12.s.r04.",                /* table pages that come after the data */
	"w01.w11.w21.w31.w01.w11.w21.w31.s.r04.",    /* a full journal */
	"w01sw11sw21sw31sw01sw11sw21sw31s.r04.",     /* the same with marks on their way */
	"w04.s.d12.r04.z01.w11.L.r04.s.s.r04.",      /* nothing in the blocks */
	"w04.s.w01.w11.w21.w31.L.w02.w22.s.s.P.r04.",
	"w04.s.w01.L.w01.L.w01.s.s.s.E.w11.r04.",    /* several losses */
	"w04.s.w01.K.s.w12.E.r04.s.P.r04.",
	"w01.w11.w21.s,w31.s.r04.",                  /* full by a mark that is on its way */
	"w04,s,w01w11w21w31,L,w02s,r04w31s,E,w01,P,r04.",
};
#define SCRIPTS (sizeof(scripts) / sizeof(scripts[0]))

static const uint8_t op_of[128] = { ['w'] = RF_BLK_WRITE,
				    ['u'] = RF_BLK_WRITE,
				    ['d'] = RF_BLK_DISCARD,
				    ['z'] = RF_BLK_ZERO,
				    ['r'] = RF_BLK_READ };
static const enum disaster what_of[128] = {
	['K'] = DRIVER, ['L'] = LOSS, ['E'] = EXPORT, ['P'] = POWER
};

/* ---- a run ----------------------------------------------------------------------------------- */

/* A block of each page of the table; they hold nothing. Exit code. */
static int every_page_is_right(struct world *w)
{
	const struct disk_geometry *g = &disk_of(w->t->s)->g;

	for (uint64_t b = 0; b < g->blocks; b += g->per_sector * g->per_page) {
		struct ask a;

		assert_int_equal(ask(w->t, &a, RF_BLK_READ, b * BLOCK, BLOCK), 0);
		while (driver_turn(w))
			;
		if (!a.done || a.status || *(unsigned char *)rf_blk_at(w->t->s, 0))
			return 1;
	}
	return 0;
}

/* Exit code of an export that is started here: 0, if all that it shows is right. */
static int code_of(struct world *w, uint32_t flags)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		w->t->rig.config->flags = flags;
		assert_int_equal(ftruncate(w->t->rig.fd[RF_EXPORT_FD_TABLE], 0), 0);
		export_begins(w, false, 0);
		while (driver_turn(w))
			;
		_exit(rf_blk_info(w->t->s) ? every_page_is_right(w) : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void turn(void *with)
{
	driver_turn(with);
}

/* The same of one that formats the disk. */
static int format_code(struct world *w)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		w->t->rig.config->flags = 0;
		assert_int_equal(ftruncate(w->t->rig.fd[RF_EXPORT_FD_TABLE], 0), 0);
		export_begins(w, false, 0);
		_exit(served_format(w->t, 0, turn, w));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void world_open(struct world *w, uint32_t features, uint32_t most)
{
	self = w;
	*w = (struct world){ .t = calloc(1, sizeof(*w->t)), .most = most, .script = "format" };
	rig_open(&w->t->rig, ARENA);
	w->t->rig.info.size = DISK;
	w->t->rig.info.features = features;
	w->t->rig.info.max_transfer = most;
	w->t->rig.config->integrity_key[0] = 7;
	area_open(&w->disk, 0, DISK);
	rig_install(&w->t->rig);
	assert_int_equal(format_code(w), RF_EXIT_FORMATTED);
	area_turn(&w->disk, kept, &(struct choice){ 0 }, true);
	w->formatted = malloc(DISK);
	memcpy(w->formatted, w->disk.stable, DISK);
	w->t->rig.config->flags = RF_EXPORT_INTEGRITY_DISK;
}

static void world_close(struct world *w)
{
	rig_close(&w->t->rig);
	area_close(&w->disk);
	free(w->formatted);
	free(w->t);
}

/* The disk as it was formatted, and an export on it. */
static void run_begins(struct world *w, const char *script, const struct cut cut[CUTS])
{
	memcpy(w->disk.cache, w->formatted, DISK);
	memcpy(w->disk.stable, w->formatted, DISK);
	area_flush(&w->disk);
	memset(w->slot, 0, sizeof(w->slot));
	memset(w->book, 0, sizeof(w->book));
	for (unsigned b = 0; b < BLOCKS; b++)
		w->book[b].count = 1;
	w->script = script;
	memcpy(w->cut, cut, sizeof(w->cut));
	w->point = w->version = w->fallen = 0;
	w->lost = false;
	assert_int_equal(ftruncate(w->t->rig.fd[RF_EXPORT_FD_TABLE], 0), 0);
	export_begins(w, false, 0);
	w->runs++;
}

static void play(struct world *w)
{
	const bool fua = w->t->rig.info.features & RF_BLK_HAS_FUA;

	for (const char *at = w->script; *at; at++) {
		if (*at == '.' || *at == ',') {
			*at == '.' ? settle(w) : answers(w);
			continue;
		}
		if (what_of[(int)*at]) {
			strike(w, what_of[(int)*at], 0);
		} else if (*at == 's') {
			submit(w, RF_BLK_FLUSH, 0, 0, 0);
		} else {
			submit(w, op_of[(int)*at], *at == 'u' && fua ? RF_BLK_FUA : 0,
			       (uint32_t)(at[1] - '0'), (uint32_t)(at[2] - '0'));
			at += 2;
		}
	}
	settle(w);
}

/* ---- afterwards -------------------------------------------------------------------------- */

static int ends(struct world *w, uint8_t op, uint32_t first, uint32_t count)
{
	struct slot *s = submit(w, op, 0, first, count);

	s->excused = op == RF_BLK_FLUSH; /* it may have to tell of a loss */
	settle(w);
	return s->ask.status;
}

static void all_read(struct world *w)
{
	for (uint32_t b = 0; b < BLOCKS; b++)
		assert_int_equal(ends(w, RF_BLK_READ, b, 1), 0);
	for (uint32_t b = 0; b < BLOCKS; b++) /* zeroes may be of several */
		assert_int_equal(w->book[b].version[w->book[b].low],
				 w->book[b].version[w->book[b].count - 1]);
}

static unsigned char *on_disk(struct world *w, uint32_t b, bool cache)
{
	return (cache ? w->disk.cache : w->disk.stable) + (FIRST + b) * BLOCK;
}

/* A block that holds data, and the version before that one. -1: there is none. */
static int with_history(const struct world *w, uint32_t *before)
{
	for (uint32_t b = 0; b < BLOCKS; b++) {
		const struct book *k = &w->book[b];

		for (unsigned i = k->count - 1; i-- > 0 && k->version[k->count - 1];)
			if ((*before = k->version[i]))
				return (int)b;
	}
	return -1;
}

static void error_in(struct world *w, uint32_t b, const char *what)
{
	struct slot *s = submit(w, RF_BLK_READ, 0, b, 1);

	s->excused = true;
	settle(w);
	if (s->ask.status != -EIO)
		failed_at(w, what);
}

static void a_changed_byte_is_an_error(struct world *w)
{
	for (uint32_t b = 0; b < BLOCKS; b++) {
		if (!w->book[b].version[w->book[b].count - 1])
			continue;
		on_disk(w, b, true)[BLOCK - 1] ^= 0x40;
		error_in(w, b, "a changed byte was believed");
		on_disk(w, b, true)[BLOCK - 1] ^= 0x40;
	}
}

/* After a flush the journal says what is durable: nobody may keep an older version. */
static void an_older_version_is_an_error(struct world *w)
{
	uint32_t before;
	int b = with_history(w, &before);

	if (b < 0)
		return;
	pattern(on_disk(w, (uint32_t)b, false), (uint32_t)b, before);
	pattern(on_disk(w, (uint32_t)b, true), (uint32_t)b, before);
	power_fails(w, 0);
	error_in(w, (uint32_t)b, "an older version was believed after a flush");
}

/* Three ways to end, by turns. */
static void run(struct world *w, const char *script, struct cut cut, struct cut second)
{
	int status = -EIO;

	run_begins(w, script, (struct cut[CUTS]){ cut, second });
	play(w);
	w->fallen = CUTS;
	all_read(w);
	for (unsigned i = 0; status && i < 4; i++)
		status = ends(w, RF_BLK_FLUSH, 0, 0);
	if (status)
		failed_at(w, "flushes fail for ever");
	if (w->runs % 3 == 0)
		an_older_version_is_an_error(w);
	if (w->runs % 3 == 2)
		w->t->rig.config->flags |= RF_EXPORT_READ_ONLY;
	if (w->runs % 3) {
		power_fails(w, 0);
		all_read(w);
		a_changed_byte_is_an_error(w);
	}
	w->t->rig.config->flags &= ~RF_EXPORT_READ_ONLY;
	service_free(w->t->s);
}

/* ---- all of them ------------------------------------------------------------------------- */

/* A second one soon after it, perhaps while the first one is being dealt with. */
static struct cut any_other(struct world *w, unsigned at)
{
	return (struct cut){ chance(w, DISASTERS), at + 1 + chance(w, 60), chance(w, 200) };
}

/* One disaster with every choice of what the cache keeps; or, at each `step`-th, one choice. */
static void cut_at(struct world *w, const char *script, enum disaster what, unsigned at,
		   unsigned step, uint64_t turn)
{
	uint32_t keep = 0, of = 1;

	if (step > 1) {
		if (turn % step == 0)
			run(w, script, (struct cut){ what, at, (uint32_t)(turn / step) },
			    any_other(w, at));
		return;
	}
	for (; keep < of; keep++) {
		run(w, script, (struct cut){ what, at, keep }, (struct cut){ 0 });
		run(w, script, (struct cut){ what, at, keep }, any_other(w, at));
		if (what == LOSS || what == EXPORT_LOSS || what == POWER)
			of = choices(w->cached);
	}
}

static void cut_everywhere(struct world *w, const char *script, unsigned step, uint64_t *turn)
{
	unsigned points;

	run(w, script, (struct cut){ .what = DISASTERS, .at = ~0u }, (struct cut){ 0 });
	points = w->point;
	for (unsigned what = DRIVER; what < DISASTERS; what++)
		for (unsigned at = 0; at < points; at++)
			cut_at(w, script, what, at, step, (*turn)++);
}

#define WITHOUT_CACHE (RF_BLK_HAS_DISCARD | RF_BLK_HAS_ZERO)
#define WITHOUT_FUA   (WITHOUT_CACHE | RF_BLK_HAS_FLUSH)
#define WITH_FUA      (WITHOUT_FUA | RF_BLK_HAS_FUA)

static bool the_only_one(struct world *w, const char *script)
{
	const char *which = getenv("RF_CUT");
	struct cut a = { 0 }, b = { 0 };
	unsigned first, second = NOTHING;

	if (!which ||
	    sscanf(which, "%u,%u,%u,%u,%u,%u", &first, &a.at, &a.keep, &second, &b.at, &b.keep) < 3)
		return false;
	a.what = first;
	b.what = second;
	w->trace = true;
	setvbuf(stdout, NULL, _IONBF, 0); /* in order with the log */
	for (unsigned ways = 0; ways < 3; ways++)
		run(w, script, a, b);
	return true;
}

static void all_scripts(uint32_t features, uint32_t most, bool last_first)
{
	const char *step = getenv("RF_CUTS_STEP"), *seed = getenv("RF_SEED"),
		   *one = getenv("RF_SCRIPT");
	uint64_t turn = seed ? strtoull(seed, NULL, 0) : 1;
	static struct world w;

	world_open(&w, features, most);
	w.last_first = last_first;
	w.dice = turn;
	for (unsigned i = 0; i < (one ? 1 : SCRIPTS); i++)
		if (!the_only_one(&w, one ? one : scripts[i]))
			cut_everywhere(&w, one ? one : scripts[i], step ? (unsigned)atoi(step) : 23,
				       &turn);
	printf("# RF_SEED=%s, features %#x, %u bytes a request, %s first: %llu runs\n",
	       seed ? seed : "1", features, most, last_first ? "newest" : "oldest",
	       (unsigned long long)w.runs);
	world_close(&w);
}

static void with_a_cache_and_fua(void **state)
{
	(void)state;
	all_scripts(WITH_FUA, 1 << 20, false);
	all_scripts(WITH_FUA, 1 << 20, true);
}

static void with_a_cache_without_fua(void **state)
{
	(void)state;
	all_scripts(WITHOUT_FUA, 1 << 20, false);
	all_scripts(WITHOUT_FUA, 1 << 20, true);
}

static void without_a_cache(void **state)
{
	(void)state;
	all_scripts(WITHOUT_CACHE, 1 << 20, true);
}

static void with_requests_of_a_page_at_most(void **state)
{
	(void)state;
	all_scripts(WITH_FUA, 4096, true);
}

/* ---- format ------------------------------------------------------------------------------ */

/* What the child's device had in its cache. */
static void nothing_is_left(struct area *a)
{
	for (uint64_t b = 0; b < a->bytes / AREA_BLOCK; b++)
		if (a->changed[b]) {
			memcpy(a->cache + b * AREA_BLOCK, a->stable + b * AREA_BLOCK, AREA_BLOCK);
			a->changed[b] = 0;
		}
}

/* False: there is no such point any more. */
static bool format_with(struct world *w, struct cut cut)
{
	memset(w->disk.cache, 0xff, DISK);
	memset(w->disk.stable, 0xff, DISK);
	w->cut[0] = cut;
	w->fallen = w->point = 0;
	w->formatting = true;
	int code = format_code(w);
	nothing_is_left(&w->disk);
	w->fallen = CUTS;
	int after = code_of(w, RF_EXPORT_INTEGRITY_DISK);
	nothing_is_left(&w->disk);
	w->formatting = false;
	if (code == POWER_IS_GONE ? after && after != RF_EXIT_INTEGRITY :
				    code != RF_EXIT_FORMATTED || after)
		failed_at(w, "a format was not what it said");
	return code == POWER_IS_GONE;
}

static void format_everywhere(uint32_t features, uint32_t most)
{
	static struct world w;
	unsigned points = 0;

	world_open(&w, features, most);
	while (format_with(&w, (struct cut){ POWER, points, points }))
		points += 3;
	for (unsigned at = 0; at < points; at += 2) {
		format_with(&w, (struct cut){ DRIVER, at, 0 });
		format_with(&w, (struct cut){ LOSS, at, 0 });
		format_with(&w, (struct cut){ LOSS, at, at * 7 + 2 });
	}
	assert_true(points);
	world_close(&w);
}

/* Or it leaves none, where the power is cut. */
static void a_format_makes_an_area_whatever_the_cache_loses(void **state)
{
	(void)state;
	format_everywhere(WITH_FUA, 1 << 20);
	format_everywhere(WITHOUT_FUA, 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_format_makes_an_area_whatever_the_cache_loses),
		cmocka_unit_test(with_a_cache_and_fua),
		cmocka_unit_test(with_a_cache_without_fua),
		cmocka_unit_test(without_a_cache),
		cmocka_unit_test(with_requests_of_a_page_at_most),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
