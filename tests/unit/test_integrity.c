/* SPDX-License-Identifier: MIT */
/*
 * test_integrity.c - a driver that lies about data, with the integrity layer and without it.
 *
 * Room:   tests/unit. The test is client, driver and disk; see corrupting_driver.h. RF_SEED=n,
 *         RF_LIES=n.
 */
#include "corrupting_driver.h"

#include <sys/wait.h>

static void world_open(struct world *w, uint64_t seed, uint32_t flags)
{
	*w = (struct world){ .t = served_new(flags), .dice = seed };
	fill(w, w->disk[0], sizeof(w->disk));
	memcpy(w->want, w->disk, sizeof(w->disk));
	memcpy(w->before, w->disk, sizeof(w->disk));
	for (uint32_t b = 0; b < BLOCKS; b += MOST) /* every block is known from here on */
		client_reads(w, -1, b, MOST, 0);
	assert_int_equal(w->honest, BLOCKS / MOST);
}

static void told(struct world *w, int corruption, uint64_t seed, uint32_t flags,
		 unsigned wrong_reads)
{
	world_open(w, seed, flags);
	for (unsigned i = 0; w->wrong < wrong_reads; i++) {
		uint32_t count = 1 + chance(w, MOST), first = chance(w, BLOCKS - count + 1);
		uint64_t arena = chance(w, 64) * 4096ull;
		int now = chance(w, 4) ? -1 : corruption;

		if (chance(w, 2))
			client_writes(w, now, first, count, arena);
		else
			client_reads(w, now, first, count, arena);
		assert_true(i < 1000 + wrong_reads * 1000);
	}
}

static void every_wrong_read_is_an_error_and_no_other_is(void **state)
{
	const char *seed = getenv("RF_SEED"), *lies = getenv("RF_LIES");
	uint64_t dice = seed ? strtoull(seed, NULL, 0) : 1;
	static struct world with, without;

	(void)state;
	for (int corruption = 0; corruption < CORRUPTIONS; corruption++) {
		unsigned n = lies ? (unsigned)atoi(lies) : 300;

		told(&with, corruption, dice, RF_EXPORT_INTEGRITY_MEMORY, n);
		told(&without, corruption, dice, 0, n);
		printf("# RF_SEED=%llu %s: of %u wrong reads %u caught, %u believed; without the "
		       "layer %u caught, %u believed\n",
		       (unsigned long long)dice, corruption_name[corruption], with.wrong,
		       with.caught, with.believed, without.caught, without.believed);
		assert_int_equal(with.caught, n);
		assert_int_equal(with.believed, 0);
		assert_int_equal(with.t->s->filter->ops->caught(with.t->s->filter), n);
		assert_int_equal(without.caught, 0);
		assert_int_equal(without.believed, n);
		served_free(with.t);
		served_free(without.t);
	}
}

/* A driver or device that writes to the arena after the answer: the first byte shown. */
static int shown_after_a_late_change(uint32_t flags)
{
	struct served *t = served_new(flags);
	struct ask a;

	ask(t, &a, RF_BLK_READ, 0, 512);
	struct rf_blk_req r = see(t);
	memset(t->rig.data + r.arena, 1, 512);
	ram_answer(&t->ram, &r, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
	memset(t->rig.data + r.arena, 2, 512);
	int shown = *(unsigned char *)rf_blk_at(t->s, r.arena);
	served_free(t);
	return shown;
}

static void what_was_checked_cannot_be_changed(void **state)
{
	(void)state;
	assert_int_equal(shown_after_a_late_change(RF_EXPORT_INTEGRITY_MEMORY), 1);
	assert_int_equal(shown_after_a_late_change(0), 2); /* control */
}

/* ---- what may lie in a block after ... ---------------------------------------------------- */

static void answer_next(struct served *t, const struct ask *a, int status)
{
	struct rf_blk_req r = see(t);

	ram_answer(&t->ram, &r, status);
	assert_int_equal(rf_blk_poll(t->s), 1);
	assert_int_equal(a->done, 1);
}

static int change(struct served *t, uint8_t op, uint64_t offset, int value, int answer)
{
	struct ask a = { .io = { .op = op,
				 .offset = offset,
				 .length = op == RF_BLK_FLUSH ? 0 : 4096,
				 .arena = 8192,
				 .done = ask_done } };

	memset(rf_blk_at(t->s, 8192), value, 4096);
	assert_int_equal(rf_blk_submit(t->s, &a.io), 0);
	answer_next(t, &a, answer);
	return a.status;
}

/* A driver finds these bytes at `offset`: the client's status. */
static int found(struct served *t, uint64_t offset, int value)
{
	struct ask a;

	ask(t, &a, RF_BLK_READ, offset, 4096);
	memset(t->rig.data, value, 4096);
	answer_next(t, &a, 0);
	return a.status;
}

static void an_error_or_a_discard_leaves_anything(void **state)
{
	struct served *t = served_new(RF_EXPORT_INTEGRITY_MEMORY);

	(void)state;
	change(t, RF_BLK_WRITE, 0, 'a', 0);
	assert_int_equal(found(t, 0, 'b'), -EIO);
	assert_int_equal(found(t, 0, 'a'), 0); /* one lie does no harm to the next answer */
	assert_int_equal(change(t, RF_BLK_WRITE, 0, 'b', -EIO), -EIO);
	assert_int_equal(found(t, 0, 'a'), 0);
	assert_int_equal(found(t, 0, 'b'), -EIO); /* read once, it stays */
	change(t, RF_BLK_DISCARD, 0, 0, 0);
	assert_int_equal(found(t, 0, 'c'), 0);
	change(t, RF_BLK_ZERO, 0, 0, 0);
	assert_int_equal(found(t, 0, 'c'), -EIO);
	assert_int_equal(found(t, 0, 0), 0);
	served_free(t);
}

static void a_lost_cache_leaves_old_or_new_of_what_was_not_flushed(void **state)
{
	struct served *t = served_new(RF_EXPORT_INTEGRITY_MEMORY);

	(void)state;
	change(t, RF_BLK_WRITE, 0, 'a', 0);
	change(t, RF_BLK_FLUSH, 0, 0, 0);
	change(t, RF_BLK_WRITE, 4096, 'b', 0);
	served_down(t);
	rig_quiesced(&t->rig, 1);
	served_up(t);
	assert_int_equal(found(t, 0, 'o'), -EIO);
	assert_int_equal(found(t, 0, 'a'), 0);
	assert_int_equal(found(t, 4096, 'o'), 0);
	served_free(t);
}

static void a_successor_begins_without_knowledge(void **state)
{
	struct served *t = served_new(RF_EXPORT_INTEGRITY_MEMORY);

	(void)state;
	change(t, RF_BLK_WRITE, 0, 'a', 0);
	assert_int_equal(found(t, 0, 'o'), -EIO);
	service_free(t->s);
	assert_int_equal(rf_blk_open(&t->s), 0);
	rig_send(&t->rig, RF_SVC_INFO, 0);
	served_cycle(t);
	assert_int_equal(found(t, 0, 'o'), 0);
	/* It cannot know what its predecessor left in the cache: a loss makes it forget all. */
	served_down(t);
	rig_quiesced(&t->rig, 1);
	served_up(t);
	assert_int_equal(found(t, 0, 'p'), 0);
	served_free(t);
}

/* ---- order -------------------------------------------------------------------------------- */

static void a_write_waits_for_an_older_read(void **state)
{
	struct served *t = served_new(RF_EXPORT_INTEGRITY_MEMORY);
	struct ask read, write;

	(void)state;
	ask(t, &read, RF_BLK_READ, 0, 4096);
	struct rf_blk_req r = see(t);
	ask(t, &write, RF_BLK_WRITE, 512, 512);
	see_nothing(t);
	ram_answer(&t->ram, &r, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
	answer_next(t, &write, 0);
	assert_int_equal(rf_blk_inflight(t->s), 0);
	served_free(t);
}

static void a_disk_with_too_many_blocks_is_refused(void **state)
{
	struct served *t = served_new(RF_EXPORT_INTEGRITY_MEMORY);
	int status;

	(void)state;
	service_free(t->s);
	t->rig.info.size = (RF_INTEGRITY_BLOCKS + 1) * 512;
	pid_t pid = fork();
	if (!pid) {
		rig_send(&t->rig, RF_SVC_INFO, 0);
		if (rf_blk_open(&t->s))
			_exit(1);
		rf_blk_control(t->s);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), RF_EXIT_INTEGRITY);
	assert_int_equal(rf_blk_open(&t->s), 0);
	served_free(t);
}

/* The published ones, key and message 00 01 02 ... */
static void the_hash_is_siphash(void **state)
{
	static const uint64_t key[2] = { 0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull };
	static const struct { uint32_t words; uint64_t hash; } vectors[] = {
		{ 1, 0x93f5f5799a932462ull }, { 2, 0x3f2acc7f57c29bdbull },
		{ 3, 0xb8ad50c6f649af94ull }, { 7, 0xb78dbfaf3a8d83bdull },
	};
	unsigned char message[56];

	(void)state;
	for (unsigned i = 0; i < sizeof(message); i++)
		message[i] = (unsigned char)i;
	for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_true(rf_siphash(key, 0x0706050403020100ull, message + 8,
				       vectors[i].words - 1) == vectors[i].hash);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_hash_is_siphash),
		cmocka_unit_test(every_wrong_read_is_an_error_and_no_other_is),
		cmocka_unit_test(what_was_checked_cannot_be_changed),
		cmocka_unit_test(an_error_or_a_discard_leaves_anything),
		cmocka_unit_test(a_lost_cache_leaves_old_or_new_of_what_was_not_flushed),
		cmocka_unit_test(a_successor_begins_without_knowledge),
		cmocka_unit_test(a_write_waits_for_an_older_read),
		cmocka_unit_test(a_disk_with_too_many_blocks_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
