/* SPDX-License-Identifier: MIT */
/*
 * test_integrity_disk.c - `integrity disk` against a driver that lies, over restarts of the export
 * and of everything; and what it refuses.
 *
 * Room:   tests/unit; see corrupting_driver.h. RF_SEED=n, RF_LIES=n.
 */
#define JOURNAL_PAGES 48u /* so that checkpoints are frequent */
#define CORRUPT_AREA (400 * 4096)
#include "corrupting_driver.h"

#include <sys/wait.h>

/* ---- a disk in shared memory, so that a child may format it ------------------------------- */

static void pump(struct world *w)
{
	do
		while (rf_blk_inflight(w->t->s))
			serve_one(w, -1);
	while (!rf_blk_info(w->t->s));
}

static void service_opens(struct world *w, uint32_t flags)
{
	w->t->rig.config->flags = flags;
	assert_int_equal(rf_blk_open(&w->t->s), 0);
	rig_send(&w->t->rig, RF_SVC_INFO, 0);
	served_cycle(w->t);
}

static void turn(void *with)
{
	struct world *w = with;

	while (rf_blk_inflight(w->t->s))
		serve_one(w, -1);
}

/* Exit code of a service that is started here; 0 if it is ready for clients. With FORMAT it
 * formats the disk, and ends. */
#define FORMAT 0x80000000u
static int starts(struct world *w, uint32_t flags)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		service_opens(w, flags & FORMAT ? 0 : flags);
		pump(w);
		_exit(flags & FORMAT ? served_format(w->t, flags, turn, w) : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	rig_down(&w->t->rig); /* its messages were read by the child */
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct world *world_new(uint64_t seed)
{
	struct world *w =
		mmap(NULL, sizeof(*w), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	w->t = calloc(1, sizeof(*w->t));
	w->dice = seed;
	rig_open(&w->t->rig, ARENA);
	w->t->rig.info.size = sizeof(w->disk);
	w->t->rig.config->integrity_key[1] = seed;
	rig_install(&w->t->rig);
	w->t->rig.generation = 1;
	return w;
}

/* The child's service left nothing behind but the disk. */
static void fresh_rig(struct world *w)
{
	struct rf_export_config config = *w->t->rig.config;
	struct rf_blk_info info = w->t->rig.info;

	rig_close(&w->t->rig);
	rig_open(&w->t->rig, ARENA);
	*w->t->rig.config = config;
	w->t->rig.info = info;
	w->t->rig.generation = 1;
	rig_install(&w->t->rig);
}

static int tries(struct world *w, uint32_t flags)
{
	int code = starts(w, flags);

	fresh_rig(w);
	return code;
}

static struct world *world_with(uint64_t seed, uint32_t flags)
{
	struct world *w = world_new(seed);

	fill(w, w->disk[0], BLOCKS * BLOCK);
	if (flags & RF_EXPORT_INTEGRITY_DISK)
		assert_int_equal(tries(w, FORMAT), RF_EXIT_FORMATTED);
	service_opens(w, flags);
	pump(w);
	for (uint32_t b = 0; b < BLOCKS; b += MOST)
		client_writes(w, -1, b, MOST, 0);
	pump(w);
	return w;
}

static void world_free(struct world *w)
{
	served_free(w->t);
	munmap(w, sizeof(*w));
}

static void flushed(struct world *w)
{
	struct ask a;

	assert_int_equal(ask(w->t, &a, RF_BLK_FLUSH, 0, 0), 0);
	while (!a.done)
		serve_one(w, -1);
	assert_int_equal(a.status, 0);
	pump(w);
}

/* `all`: nothing but the disk is left. */
static void restart(struct world *w, bool all)
{
	uint32_t flags = w->t->rig.config->flags;

	flushed(w);
	service_free(w->t->s);
	if (all)
		assert_int_equal(ftruncate(w->t->rig.fd[RF_EXPORT_FD_TABLE], 0), 0);
	service_opens(w, flags);
	pump(w);
}

/* ---- lies ------------------------------------------------------------------------------------ */

static struct world *told(int corruption, uint64_t seed, uint32_t flags, unsigned wrong_reads)
{
	struct world *w = world_with(seed, flags);

	for (unsigned i = 0; w->wrong < wrong_reads; i++) {
		uint32_t count = 1 + chance(w, MOST), first = chance(w, BLOCKS - count + 1);
		uint64_t arena = chance(w, 64) * 4096ull;
		int now = chance(w, 4) ? -1 : corruption;

		if (!chance(w, 100))
			restart(w, chance(w, 2));
		if (chance(w, 2))
			client_writes(w, now, first, count, arena);
		else
			client_reads(w, now, first, count, arena);
		assert_true(i < 1000 + wrong_reads * 1000);
	}
	return w;
}

static void every_wrong_read_is_an_error_over_restarts_too(void **state)
{
	const char *seed = getenv("RF_SEED"), *lies = getenv("RF_LIES");
	uint64_t dice = seed ? strtoull(seed, NULL, 0) : 1;
	unsigned n = lies ? (unsigned)atoi(lies) : 200;

	(void)state;
	for (int corruption = 0; corruption < CORRUPTIONS; corruption++) {
		struct world *with = told(corruption, dice, RF_EXPORT_INTEGRITY_DISK, n),
			     *without = told(corruption, dice, 0, n);

		printf("# RF_SEED=%llu %s: of %u wrong reads %u caught, %u believed; without the "
		       "layer "
		       "%u caught, %u believed\n",
		       (unsigned long long)dice, corruption_name[corruption], with->wrong,
		       with->caught, with->believed, without->caught, without->believed);
		assert_int_equal(with->caught, n);
		assert_int_equal(with->believed, 0);
		assert_int_equal(without->caught, 0);
		assert_int_equal(without->believed, n);
		world_free(with);
		world_free(without);
	}
}

/* ---- the area -------------------------------------------------------------------------------- */

static unsigned char *disk_at(struct world *w, uint64_t at)
{
	return w->disk[0] + at;
}

static void checkpoint(struct world *w)
{
	uint64_t before = disk_of(w->t->s)->journal.super.number;

	checkpoint_begin(disk_of(w->t->s));
	pump(w);
	assert_int_equal(disk_of(w->t->s)->journal.super.number, before + 1);
}

/* The table pages in memory are used up by others. */
static void forget_pages(struct world *w)
{
	struct tag_table *t = &disk_of(w->t->s)->table;

	memset(t->slot, 0, sizeof(t->slot));
	tag_table_clear(t);
}

static int reads(struct world *w, uint32_t block)
{
	return serve(w, -1, RF_BLK_READ, block, 1, 0);
}

static void a_changed_checksum_is_an_error_for_its_blocks_alone(void **state)
{
	struct world *w = world_with(3, RF_EXPORT_INTEGRITY_DISK);
	const struct disk_geometry *g = &disk_of(w->t->s)->g;

	(void)state;
	checkpoint(w);
	for (unsigned i = 0; i < 200; i++) {
		unsigned char *bit = disk_at(w, g->table_at + chance(w, 4096));

		forget_pages(w);
		*bit ^= 1;
		assert_int_equal(reads(w, chance(w, 200)), -EIO);
		assert_int_equal(reads(w, 250), 0); /* of the next page */
		*bit ^= 1;
		assert_int_equal(reads(w, chance(w, 200)), 0);
	}
	world_free(w);
}

static void rolled_back(bool restarted, int status)
{
	struct world *w = world_with(4, RF_EXPORT_INTEGRITY_DISK);
	static unsigned char before[CORRUPT_AREA];
	unsigned char first = w->want[0][0];

	restart(w, true);
	checkpoint(w);
	memcpy(before, w->disk, sizeof(before));
	client_writes(w, -1, 0, MOST, 0);
	w->want[0][0] = (unsigned char)~first;
	memcpy(rf_blk_at(w->t->s, 0), w->want[0], BLOCK);
	assert_int_equal(serve(w, -1, RF_BLK_WRITE, 0, 1, 0), 0);
	checkpoint(w);
	if (restarted)
		restart(w, true);
	memcpy(w->disk, before, sizeof(before));
	if (restarted) {
		service_free(w->t->s);
		service_opens(w, RF_EXPORT_INTEGRITY_DISK);
		pump(w);
	}
	forget_pages(w);
	assert_int_equal(reads(w, 0), status);
	assert_true(status || *(unsigned char *)rf_blk_at(w->t->s, 0) == first);
	world_free(w);
}

/* Data and checksums of an earlier time together. */
static void a_whole_old_disk_is_noticed_until_a_restart_and_not_after(void **state)
{
	(void)state;
	rolled_back(false, -EIO);
	rolled_back(true, 0); /* SEMANTICS.md says so */
}

static void a_changed_journal_is_an_error_and_nothing_else(void **state)
{
	unsigned refused = 0;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct world *w = world_with(100 + i, RF_EXPORT_INTEGRITY_DISK);
		struct disk_store *store = disk_of(w->t->s);

		checkpoint(w);
		for (uint32_t b = 0; b < BLOCKS; b += MOST)
			client_writes(w, -1, b, MOST, 0);
		flushed(w);
		uint64_t page = store->journal.super.journal +
				chance(w, (uint32_t)(store->journal.written -
						     store->journal.super.journal + 1));
		uint64_t at = store->g.journal_at + page % JOURNAL_PAGES * 4096 + chance(w, 4096);
		service_free(w->t->s);
		*disk_at(w, at) ^= 4;
		service_opens(w, RF_EXPORT_INTEGRITY_DISK);
		pump(w);
		for (uint32_t b = 0; b < BLOCKS; b++) {
			int status = reads(w, b);

			refused += status == -EIO;
			assert_true(status == -EIO ||
				    !memcmp(rf_blk_at(w->t->s, 0), w->want[b], BLOCK));
		}
		world_free(w);
	}
	printf("# of %u blocks behind 20 changed pages %u were refused\n", 20 * BLOCKS, refused);
	assert_true(refused);
}

static void any_one_superblock_is_enough(void **state)
{
	(void)state;
	for (unsigned which = 0; which < 2; which++) {
		struct world *w = world_with(5, RF_EXPORT_INTEGRITY_DISK);
		uint64_t at = disk_of(w->t->s)->g.super_at + which * 4096u;

		restart(w, true);
		flushed(w);
		service_free(w->t->s);
		*disk_at(w, at + 40) ^= 1;
		service_opens(w, RF_EXPORT_INTEGRITY_DISK);
		pump(w);
		for (uint32_t b = 0; b < BLOCKS; b += MOST)
			client_reads(w, -1, b, MOST, 0);
		world_free(w);
	}
}

/* ---- blocks that hold nothing ------------------------------------------------------------ */

static bool zeroes_at(struct world *w, uint32_t block)
{
	return reads(w, block) == 0 && all_zero(rf_blk_at(w->t->s, 0), BLOCK);
}

static void what_holds_nothing_reads_as_zeroes_whatever_is_there(void **state)
{
	struct world *w = world_new(6);

	(void)state;
	fill(w, w->disk[0], BLOCKS * BLOCK);
	assert_int_equal(tries(w, FORMAT), RF_EXIT_FORMATTED);
	service_opens(w, RF_EXPORT_INTEGRITY_DISK);
	pump(w);
	assert_true(zeroes_at(w, 7));
	client_writes(w, -1, 0, MOST, 0);
	assert_false(zeroes_at(w, 3));
	assert_int_equal(serve(w, -1, RF_BLK_DISCARD, 2, 1, 0),
			 0); /* this disk does nothing then */
	assert_int_equal(serve(w, -1, RF_BLK_ZERO, 3, 1, 0), 0);
	assert_true(zeroes_at(w, 2) && zeroes_at(w, 3) && !zeroes_at(w, 4));
	restart(w, true);
	assert_true(zeroes_at(w, 2) && zeroes_at(w, 3) && !zeroes_at(w, 4) && zeroes_at(w, 9));
	world_free(w);
}

static void an_adopted_disk_keeps_what_was_there(void **state)
{
	struct world *w = world_new(7);

	(void)state;
	fill(w, w->disk[0], BLOCKS * BLOCK);
	memcpy(w->want, w->disk, sizeof(w->want));
	assert_int_equal(tries(w, FORMAT | RF_EXPORT_FORMAT_ADOPT), RF_EXIT_FORMATTED);
	service_opens(w, RF_EXPORT_INTEGRITY_DISK);
	pump(w);
	for (uint32_t b = 0; b < BLOCKS; b += MOST)
		client_reads(w, -1, b, MOST, 0);
	assert_int_equal(w->honest, BLOCKS / MOST);
	client_writes(w, -1, 0, MOST, 0);
	client_reads(w, BIT, 0, MOST, 0);
	assert_int_equal(w->caught, 1);
	world_free(w);
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void a_disk_is_taken_with_its_key_and_its_area_only(void **state)
{
	struct world *w = world_new(8);
	uint64_t *key = w->t->rig.config->integrity_key;

	(void)state;
	assert_int_equal(tries(w, RF_EXPORT_INTEGRITY_DISK), RF_EXIT_INTEGRITY);
	assert_true(all_zero(w->disk[0], sizeof(w->disk))); /* nothing was written */
	assert_int_equal(tries(w, FORMAT), RF_EXIT_FORMATTED);
	assert_int_equal(tries(w, RF_EXPORT_INTEGRITY_DISK), 0);
	assert_int_equal(tries(w, FORMAT), RF_EXIT_INTEGRITY);
	key = w->t->rig.config->integrity_key;
	key[0]++;
	assert_int_equal(tries(w, RF_EXPORT_INTEGRITY_DISK), RF_EXIT_INTEGRITY);
	assert_int_equal(tries(w, FORMAT), RF_EXIT_INTEGRITY);
	w->t->rig.config->integrity_key[0]--;
	assert_int_equal(tries(w, RF_EXPORT_INTEGRITY_DISK), 0);
	w->t->rig.config->integrity_key[0]++;
	assert_int_equal(tries(w, FORMAT | RF_EXPORT_FORMAT_AGAIN), RF_EXIT_FORMATTED);
	assert_int_equal(tries(w, RF_EXPORT_INTEGRITY_DISK), 0);
	rig_close(&w->t->rig);
	free(w->t);
	munmap(w, sizeof(*w));
}

static void a_disk_that_is_too_small_is_refused(void **state)
{
	struct world *w = world_new(9);

	(void)state;
	w->t->rig.info.size = 300 * 4096;
	assert_int_equal(tries(w, RF_EXPORT_INTEGRITY_DISK), RF_EXIT_INTEGRITY);
	rig_close(&w->t->rig);
	free(w->t);
	munmap(w, sizeof(*w));
}

static void a_write_protected_disk_is_not_formatted(void **state)
{
	struct world *w = world_new(11);

	(void)state;
	w->t->rig.info.features |= RF_BLK_READ_ONLY;
	assert_int_equal(tries(w, FORMAT), RF_EXIT_INTEGRITY);
	assert_true(all_zero(w->disk[0], sizeof(w->disk)));
	rig_close(&w->t->rig);
	free(w->t);
	munmap(w, sizeof(*w));
}

/* Whatever they were waiting for: others, a page of the journal, the driver. */
static void a_device_that_is_gone_fails_every_request(void **state)
{
	struct world *w = world_with(10, RF_EXPORT_INTEGRITY_DISK);
	struct ask a[48], more;

	(void)state;
	for (uint32_t i = 0; i < 48; i++)
		assert_int_equal(ask(w->t, &a[i],
				     i % 3 ? RF_BLK_WRITE :
				     i % 2 ? RF_BLK_READ :
					     RF_BLK_FLUSH,
				     i % 3 || i % 2 ? i / 4 * 512 : 0, i % 3 || i % 2 ? 4096 : 0),
				 0);
	rig_send(&w->t->rig, RF_SVC_GONE, 0);
	assert_int_equal(rf_blk_control(w->t->s), 0);
	for (uint32_t i = 0; i < 48; i++)
		assert_true(a[i].done == 1 && a[i].status == -EIO);
	assert_int_equal(ask(w->t, &more, RF_BLK_READ, 0, 512), -EIO);
	world_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_wrong_read_is_an_error_over_restarts_too),
		cmocka_unit_test(a_changed_checksum_is_an_error_for_its_blocks_alone),
		cmocka_unit_test(a_whole_old_disk_is_noticed_until_a_restart_and_not_after),
		cmocka_unit_test(a_changed_journal_is_an_error_and_nothing_else),
		cmocka_unit_test(any_one_superblock_is_enough),
		cmocka_unit_test(what_holds_nothing_reads_as_zeroes_whatever_is_there),
		cmocka_unit_test(an_adopted_disk_keeps_what_was_there),
		cmocka_unit_test(a_disk_is_taken_with_its_key_and_its_area_only),
		cmocka_unit_test(a_disk_that_is_too_small_is_refused),
		cmocka_unit_test(a_write_protected_disk_is_not_formatted),
		cmocka_unit_test(a_device_that_is_gone_fails_every_request),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
