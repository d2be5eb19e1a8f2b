/* SPDX-License-Identifier: MIT */
/*
 * test_integrity_promises.c - `integrity disk` keeps what SEMANTICS.md promises, and takes no
 * honest disk for a liar: over deaths, lost caches, and power cuts at any moment.
 *
 * Room:   tests/unit; see promises.h. RF_SEED=n repeats one run; RF_CUTS=n power cuts.
 * Cut:    any subset of what was not flushed is left, block by block; of what the device had
 *         not answered, too. Then all is started from the disk alone. Each read must be an
 *         old version or a new one, none older than was promised, and never an error.
 */
#define JOURNAL_PAGES 48u /* so that checkpoints are frequent */
#include "promises.h"

#include <sys/wait.h>

enum { DISK = 400 * SECTOR };

/* The driver works, and perhaps dies. */
static void turn(void *with)
{
	struct world *w = with;

	driver_turn(w);
	rf_blk_poll(w->t->s);
	if (w->dead || !chance(w, 300))
		driver_dies(w);
}

/* Exit status of whoever formats the disk. */
static int format(struct world *w)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		rig_send(&w->t->rig, RF_SVC_INFO, 0);
		served_cycle(w->t);
		_exit(served_format(w->t, 0, turn, w));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void world_open(struct world *w, uint64_t seed, uint32_t features)
{
	struct disk_geometry g;

	*w = (struct world){ .t = calloc(1, sizeof(*w->t)), .dice = seed };
	rig_open(&w->t->rig, ARENA);
	w->t->rig.info.size = DISK;
	w->t->rig.info.features = features;
	w->t->rig.config->integrity_key[0] = seed;
	assert_true(layout_geometry(&g, DISK, 512) && g.table_at >= BLOCKS * SECTOR);
	area_open(&w->area, g.table_at, DISK);
	rig_install(&w->t->rig);
	assert_int_equal(rf_blk_open(&w->t->s), 0);
	assert_int_equal(format(w), RF_EXIT_FORMATTED);
	service_free(w->t->s);
	w->t->rig.config->flags = RF_EXPORT_INTEGRITY_DISK;
	w->t->rig.generation = 1;
	export_opens(w);
	assert_true(bring_up(w, ~0u));
}

static void world_close(struct world *w)
{
	area_close(&w->area);
	served_free(w->t);
}

/* What the device had not answered got there, or in part, or not. */
static void half_done(struct world *w)
{
	for (uint32_t i = 0; i < w->in_hand; i++) {
		const struct rf_blk_req *r = &w->hand[i];

		if (in_area(w, r) && r->op == RF_BLK_WRITE)
			execute_area(w, r, chance(w, r->length / AREA_BLOCK + 1));
		else if (chance(w, 2))
			execute(w, r);
	}
	w->in_hand = 0;
	w->dead = false;
}

static void power_fails(struct world *w)
{
	unsigned turns;

	do {
		half_done(w);
		service_free(w->t->s);
		lose(w);
		assert_int_equal(ftruncate(w->t->rig.fd[RF_EXPORT_FD_TABLE], 0), 0);
		export_opens(w);
		w->cuts++;
		turns = chance(w, 3) ? ~0u : chance(w, 60); /* or it fails again before all is up */
	} while (!bring_up(w, turns));
	/* Whoever was promised something knows that it was before the cut. */
	memset(w->acked, 0, sizeof(w->acked));
	for (unsigned i = 0; i < SLOTS; i++)
		memset(w->slot[i].covers, 0, sizeof(w->slot[i].covers));
	clients_come_back(w);
}

/* The driver has answered all that it was given: is there somebody who still waits? */
static void nobody_waits_for_nothing(const struct world *w)
{
	const struct rf_blk *s = w->t->s;

	if (s->queue[0].session.state != RF_DRIVER_UP || rf_blk_inflight(s) || s->queue_head ||
	    s->order.held | s->order.ready)
		return;
	for (unsigned i = 0; i < SLOTS; i++)
		assert_true(!w->slot[i].busy || w->slot[i].ask.done);
	assert_int_equal(disk_of(s)->checkpoint.stage, CKPT_IDLE);
	assert_int_equal(disk_of(s)->journal.committing, 0);
}

static void run(uint64_t seed, uint32_t features, unsigned cuts)
{
	static struct world w;

	printf("# RF_SEED=%llu features %#x: ", (unsigned long long)seed, features);
	fflush(stdout);
	world_open(&w, seed, features);
	while (w.cuts < cuts) {
		client_turn(&w);
		driver_turn(&w);
		if (chance(&w, 4))
			rf_blk_poll(w.t->s);
		nobody_waits_for_nothing(&w);
		if (w.dead ? chance(&w, 2) : !chance(&w, 300))
			driver_dies(&w);
		else if (!chance(&w, 2000))
			export_dies(&w);
		else if (!chance(&w, 200))
			power_fails(&w);
		power_could_fail(&w);
	}
	printf("%u power cuts, %u requests, %u drivers and %u exports dead, %u caches lost, %u "
	       "flushes refused, "
	       "%llu checkpoints\n",
	       w.cuts, w.done, w.deaths, w.exports, w.losses, w.refused,
	       (unsigned long long)disk_of(w.t->s)->journal.super.number);
	assert_int_equal(disk_of(w.t->s)->base.caught, 0);
	assert_true(w.done > cuts);
	world_close(&w);
}

#define WITHOUT_CACHE (RF_BLK_HAS_DISCARD | RF_BLK_HAS_ZERO)
#define WITHOUT_FUA   (WITHOUT_CACHE | RF_BLK_HAS_FLUSH)

static void a_power_cut_leaves_old_or_new_and_never_an_error(void **state)
{
	const char *seed = getenv("RF_SEED"), *cuts = getenv("RF_CUTS");
	uint64_t dice = seed ? strtoull(seed, NULL, 0) : 1;
	unsigned n = cuts ? (unsigned)atoi(cuts) : 150;

	(void)state;
	run(dice, WITHOUT_FUA | RF_BLK_HAS_FUA, n);
	run(dice, WITHOUT_FUA, n / 3);
	run(dice, WITHOUT_CACHE, n / 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_power_cut_leaves_old_or_new_and_never_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
