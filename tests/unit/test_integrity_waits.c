/* SPDX-License-Identifier: MIT */
/*
 * test_integrity_waits.c - more requests under `integrity disk` than it has places for: of
 * jobs, small requests of its own, room in the journal. Whoever waits is woken.
 *
 * Room:   tests/unit. The test is client and driver; see blk_fixture.h. RF_SEED=n, RF_BURSTS=n.
 * Driver: answers what it has in any order, and some of it with EIO.
 * Shown:  when the driver has answered all, every client has its answer, and nothing is under
 *         way; also where the device goes for good at any moment.
 */
#define JOURNAL_PAGES 16u
#define ARENA        (4u << 20)
#include "blk_fixture.h"

#include <sys/wait.h>

enum { BLOCK = 512, DISK = 24 << 20, ASKS = 300, DEPTH = RF_BLK_DEPTH };

struct world {
	struct served    *t;
	unsigned char    *disk; /* shared with the child that formats it */
	uint64_t          dice;
	struct ask        ask[ASKS];
	struct rf_blk_req hand[DEPTH];
	uint32_t          in_hand, most_jobs, most_ops;
	unsigned          fails; /* one answer of so many; 0: none */
};

static uint32_t chance(struct world *w, uint32_t of)
{
	w->dice = w->dice * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(w->dice >> 33) % of;
}

/* ---- the driver ------------------------------------------------------------------------------ */

static void answer_one(struct world *w)
{
	uint32_t pick = chance(w, w->in_hand);
	struct rf_blk_req r = w->hand[pick];
	unsigned char *data = w->t->rig.data + r.arena;
	int status = w->fails && !chance(w, w->fails) ? -EIO : 0;

	w->hand[pick] = w->hand[--w->in_hand];
	if (!status && r.op == RF_BLK_READ)
		memcpy(data, w->disk + r.offset, r.length);
	else if (!status && r.op == RF_BLK_WRITE)
		memcpy(w->disk + r.offset, data, r.length);
	ram_answer(&w->t->ram, &r, status);
	rf_blk_poll(w->t->s);
}

/* False: there is nothing to do. */
static bool driver_turn(struct world *w)
{
	rf_blk_push(w->t->s);
	while (ram_take(&w->t->ram, &w->hand[w->in_hand]))
		w->in_hand++;
	if (w->in_hand)
		answer_one(w);
	return w->in_hand || rf_blk_inflight(w->t->s);
}

/* ---- the client ------------------------------------------------------------------------------ */

static void ask_at_random(struct world *w, uint32_t i)
{
	static const uint8_t ops[] = { RF_BLK_READ,  RF_BLK_READ,  RF_BLK_WRITE,   RF_BLK_WRITE,
				       RF_BLK_WRITE, RF_BLK_FLUSH, RF_BLK_DISCARD, RF_BLK_ZERO };
	uint64_t blocks = disk_of(w->t->s)->g.blocks;
	uint8_t op = ops[chance(w, sizeof(ops))];
	uint32_t length = (1 + chance(w, 8)) * BLOCK;
	struct ask *a = &w->ask[i];

	*a = (struct ask){ .io = { .op = op, .done = ask_done, .arena = i % 512 * 4096ull } };
	if (op != RF_BLK_FLUSH) {
		a->io.length = length;
		a->io.offset = chance(w, (uint32_t)blocks - 8) * (uint64_t)BLOCK;
	}
	if (w->t->s->queue[0].session.state == RF_DRIVER_GONE)
		a->done = 1;
	else
		assert_int_equal(rf_blk_submit(w->t->s, &a->io), 0);
}

static void look(struct world *w)
{
	const struct disk_store *store = disk_of(w->t->s);
	uint32_t jobs = 0;

	for (const struct integrity_job *j = store->base.clients.job;
	     j < store->base.clients.job + INTEGRITY_JOBS; j++)
		jobs += j->state != JOB_FREE;
	if (jobs > w->most_jobs)
		w->most_jobs = jobs;
	if (INTERNAL_IOS - store->own.count > w->most_ops)
		w->most_ops = INTERNAL_IOS - store->own.count;
}

static void all_answered(const struct world *w)
{
	for (uint32_t i = 0; i < ASKS; i++)
		assert_int_equal(w->ask[i].done, 1);
}

static void at_rest(const struct world *w)
{
	const struct disk_store *store = disk_of(w->t->s);

	all_answered(w);
	assert_int_equal(store->checkpoint.stage, CKPT_IDLE);
	assert_int_equal(store->own.count, INTERNAL_IOS);
	assert_int_equal(store->journal.committing, 0);
	assert_int_equal(store->changes.changing, 0);
	assert_null(store->base.clients.queue_head);
	assert_null(store->changes.room.head);
	assert_null(store->changes.announced.head);
}

/* The table pages in memory are used up by others. */
static void forget_pages(struct world *w)
{
	struct tag_table *t = &disk_of(w->t->s)->table;

	memset(t->slot, 0, sizeof(t->slot));
	tag_table_clear(t);
}

static void burst(struct world *w)
{
	for (uint32_t i = 0; i < ASKS; i++) {
		ask_at_random(w, i);
		while (!chance(w, 4) && driver_turn(w))
			;
	}
	while (driver_turn(w))
		look(w);
	at_rest(w);
	forget_pages(w);
}

static void burst_until_gone(struct world *w)
{
	uint32_t end = chance(w, ASKS);

	for (uint32_t i = 0; i < ASKS; i++) {
		ask_at_random(w, i);
		for (uint32_t n = chance(w, 8); n && driver_turn(w); n--)
			;
		if (i != end)
			continue;
		rig_send(&w->t->rig, RF_SVC_GONE, 0);
		assert_int_equal(rf_blk_control(w->t->s), 0);
		w->in_hand = 0;
	}
	all_answered(w);
}

/* ---- set-up ---------------------------------------------------------------------------------- */

static void service_opens(struct world *w, uint32_t flags)
{
	struct rf_svc_msg msg;

	while (rig_hear(&w->t->rig, &msg, 0))
		; /* of the one before */
	w->t->rig.config->flags = flags;
	w->in_hand = 0;
	assert_int_equal(rf_blk_open(&w->t->s), 0);
	rig_send(&w->t->rig, RF_SVC_INFO, 0);
	served_cycle(w->t);
	while (driver_turn(w))
		;
	assert_non_null(rf_blk_info(w->t->s));
}

static void turn(void *with)
{
	driver_turn(with);
}

static struct world *world_new(uint64_t seed, uint32_t features, uint32_t most)
{
	struct world *w = calloc(1, sizeof(*w));
	int status;

	w->t = calloc(1, sizeof(*w->t));
	w->dice = seed;
	w->disk = mmap(NULL, DISK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	rig_open(&w->t->rig, ARENA);
	w->t->rig.info.size = DISK;
	w->t->rig.info.features = features;
	w->t->rig.info.max_transfer = most;
	rig_install(&w->t->rig);
	w->t->rig.generation = 1;
	pid_t pid = fork();
	if (!pid) {
		service_opens(w, 0);
		_exit(served_format(w->t, 0, turn, w));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), RF_EXIT_FORMATTED);
	service_opens(w, RF_EXPORT_INTEGRITY_DISK);
	return w;
}

static void world_free(struct world *w)
{
	munmap(w->disk, DISK);
	served_free(w->t);
	free(w);
}

static uint64_t seed(void)
{
	const char *given = getenv("RF_SEED");

	return given ? strtoull(given, NULL, 0) : 1;
}

static void bursts(uint32_t features, uint32_t most, unsigned fails)
{
	const char *given = getenv("RF_BURSTS");
	struct world *w = world_new(seed(), features, most);

	w->fails = fails;
	for (int i = 0; i < (given ? atoi(given) : 25); i++)
		burst(w);
	printf("# RF_SEED=%llu: at most %u jobs, %u small requests, %llu checkpoints\n",
	       (unsigned long long)seed(), w->most_jobs, w->most_ops,
	       (unsigned long long)disk_of(w->t->s)->journal.super.number);
	assert_int_equal(w->most_jobs, INTEGRITY_JOBS); /* it was too much */
	assert_int_equal(w->most_ops, INTERNAL_IOS);
	world_free(w);
}

#define WITHOUT_CACHE (RF_BLK_HAS_DISCARD | RF_BLK_HAS_ZERO)
#define WITHOUT_FUA   (WITHOUT_CACHE | RF_BLK_HAS_FLUSH)

static void whoever_waits_is_woken(void **state)
{
	(void)state;
	bursts(WITHOUT_FUA | RF_BLK_HAS_FUA, 1 << 20, 0);
	bursts(WITHOUT_FUA, 8192, 0);
	bursts(WITHOUT_CACHE, 1 << 20, 0);
}

static void also_where_the_device_fails_requests(void **state)
{
	(void)state;
	bursts(WITHOUT_FUA | RF_BLK_HAS_FUA, 1 << 20, 200);
	bursts(WITHOUT_FUA, 1 << 20, 5);
	bursts(WITHOUT_CACHE, 8192, 20);
}

static void also_where_the_device_goes_for_good(void **state)
{
	struct world *w = world_new(seed(), WITHOUT_FUA | RF_BLK_HAS_FUA, 1 << 20);

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		burst_until_gone(w);
		service_free(w->t->s);
		service_opens(w, RF_EXPORT_INTEGRITY_DISK);
	}
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whoever_waits_is_woken),
		cmocka_unit_test(also_where_the_device_fails_requests),
		cmocka_unit_test(also_where_the_device_goes_for_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
