/* SPDX-License-Identifier: MIT */
/*
 * test_recover_cache.c - the block service when a reset drops the volatile write cache.
 *
 * Room:   tests/unit. The test is driver and device process; see blk_fixture.h.
 */
#include "blk_fixture.h"

static int finish(struct served *t, struct ask *a, uint8_t op, uint8_t flags)
{
	uint32_t length = op == RF_BLK_FLUSH ? 0 : 4096;

	*a = (struct ask){ .io = { .op = op, .flags = flags, .length = length, .done = ask_done } };
	assert_int_equal(rf_blk_submit(t->s, &a->io), 0);
	struct rf_blk_req req = see(t);
	ram_answer(&t->ram, &req, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
	return a->status;
}

static struct served *served_cacheless(void)
{
	struct served *t = calloc(1, sizeof(*t));

	rig_open(&t->rig, ARENA);
	t->rig.info.features &= ~(RF_BLK_HAS_FLUSH | RF_BLK_HAS_FUA);
	rig_install(&t->rig);
	assert_int_equal(rf_blk_open(&t->s), 0);
	rig_first_up(&t->rig);
	assert_int_equal(rf_blk_control(t->s), 0);
	ram_attach(&t->ram, &t->rig);
	return t;
}

static void cycle_losing_cache(struct served *t)
{
	served_down(t);
	rig_quiesced(&t->rig, 1);
	served_up(t);
}

static void after_a_lost_cache_one_flush_fails(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	finish(t, &a, RF_BLK_WRITE, 0);
	cycle_losing_cache(t);
	assert_int_equal(rf_blk_losses(t->s), 1);
	assert_int_equal(finish(t, &a, RF_BLK_READ, 0), 0);
	assert_int_equal(finish(t, &a, RF_BLK_WRITE, RF_BLK_FUA), 0);
	assert_int_equal(finish(t, &a, RF_BLK_FLUSH, 0), -EIO);
	assert_int_equal(finish(t, &a, RF_BLK_FLUSH, 0), 0);
	served_free(t);
}

static void a_kept_cache_fails_nothing(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	finish(t, &a, RF_BLK_WRITE, 0);
	served_cycle(t);
	assert_int_equal(finish(t, &a, RF_BLK_FLUSH, 0), 0);
	assert_int_equal(rf_blk_losses(t->s), 0);
	served_free(t);
}

/* Everything acknowledged was flushed or written through: nothing can be lost. */
static void a_lost_cache_with_nothing_in_it_fails_nothing(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	finish(t, &a, RF_BLK_WRITE, 0);
	finish(t, &a, RF_BLK_FLUSH, 0);
	finish(t, &a, RF_BLK_WRITE, RF_BLK_FUA);
	cycle_losing_cache(t);
	assert_int_equal(rf_blk_losses(t->s), 0);
	assert_int_equal(finish(t, &a, RF_BLK_FLUSH, 0), 0);
	served_free(t);
}

/* A device without a volatile cache: whatever is done to it, a flush has nothing to report. */
static void a_disk_without_a_cache_loses_nothing(void **state)
{
	static const uint8_t flags[] = { 0, RF_BLK_FUA };
	struct served *t = served_cacheless();
	struct ask a;

	(void)state;
	for (size_t i = 0; i < sizeof(flags); i++) {
		finish(t, &a, RF_BLK_WRITE, flags[i]);
		assert_int_equal(t->s->table->head.unflushed, 0);
		cycle_losing_cache(t);
		assert_int_equal(rf_blk_losses(t->s), 0);
		assert_int_equal(finish(t, &a, RF_BLK_FLUSH, 0), 0);
	}
	served_free(t);
}

/* The flush is reissued and does well, but what it was to save is gone. */
static void a_flush_under_way_fails_when_the_cache_is_lost(void **state)
{
	struct served *t = served_new(0);
	struct ask w, f;

	(void)state;
	finish(t, &w, RF_BLK_WRITE, 0);
	ask(t, &f, RF_BLK_FLUSH, 0, 0);
	see(t);
	cycle_losing_cache(t);
	struct rf_blk_req req = see(t);
	assert_int_equal(req.op, RF_BLK_FLUSH);
	ram_answer(&t->ram, &req, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
	assert_int_equal(f.status, -EIO);
	assert_int_equal(finish(t, &f, RF_BLK_FLUSH, 0), 0);
	served_free(t);
}

/* Two clients each wait for a flush when the cache goes: neither may hear that all is well. */
static void flushes_that_wait_for_a_driver_all_fail(void **state)
{
	struct served *t = served_new(0);
	struct ask w, f[3];

	(void)state;
	finish(t, &w, RF_BLK_WRITE, 0);
	served_down(t);
	ask(t, &f[0], RF_BLK_FLUSH, 0, 0);
	ask(t, &f[1], RF_BLK_FLUSH, 0, 0);
	rig_quiesced(&t->rig, 1);
	assert_int_equal(rf_blk_control(t->s), 0);
	ask(t, &f[2], RF_BLK_FLUSH, 0, 0);
	served_up(t);
	for (int i = 0; i < 3; i++) {
		struct rf_blk_req req = see(t);
		ram_answer(&t->ram, &req, 0);
	}
	assert_int_equal(rf_blk_poll(t->s), 3);
	assert_true(f[0].status == -EIO && f[1].status == -EIO && f[2].status == 0);
	served_free(t);
}

/* The export died before it heard of the loss; what the device process counted tells. */
static void a_loss_nobody_heard_of_is_counted(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	finish(t, &a, RF_BLK_WRITE, 0);
	service_free(t->s);
	((struct rf_stats_device *)((char *)t->rig.stats + RF_STATS_DEVICE))->losses = 7;
	assert_int_equal(rf_blk_open(&t->s), 0);
	assert_int_equal(rf_blk_losses_reported(t->s), RF_LOSSES_UNKNOWN);
	rig_send(&t->rig, RF_SVC_INFO, 0);
	served_cycle(t);
	assert_int_equal(finish(t, &a, RF_BLK_FLUSH, 0), -EIO);
	assert_int_equal(finish(t, &a, RF_BLK_FLUSH, 0), 0);
	served_free(t);
}

/* Ten minutes are over: who comes as the first, the second has gone for hours, perhaps. */
static void as_many_are_told_as_went_away_however_late_they_come(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	rf_blk_reports_losses(t->s);
	for (int gone = 0; gone < 2; gone++) {
		finish(t, &a, RF_BLK_WRITE, 0);
		rf_blk_left(t->s, rf_blk_acked(t->s));
	}
	cycle_losing_cache(t);
	assert_int_equal(rf_blk_losses_reported(t->s), RF_LOSSES_UNKNOWN);
	t->s->unreported_since -= UNREPORTED_NS + 1;
	for (int back = 0; back < 2; back++) {
		assert_int_equal(rf_blk_losses_reported(t->s), RF_LOSSES_UNKNOWN);
		rf_blk_loss_reported(t->s);
	}
	assert_int_equal(rf_blk_losses_reported(t->s), 1);
	rf_blk_losses_all_reported(t->s);
	assert_int_equal(t->s->table->head.unreported, 0);
	served_free(t);
}

/* A flush covers what was answered before it, so the next one must tell of the rest. */
static void a_write_answered_after_the_flush_is_lost_separately(void **state)
{
	struct served *t = served_new(0);
	struct ask w, f;

	(void)state;
	finish(t, &w, RF_BLK_WRITE, 0);
	ask(t, &f, RF_BLK_FLUSH, 0, 0);
	see(t);
	finish(t, &w, RF_BLK_WRITE, 0);
	cycle_losing_cache(t);
	struct rf_blk_req req = see(t);
	ram_answer(&t->ram, &req, 0);
	rf_blk_poll(t->s);
	assert_int_equal(f.status, -EIO);
	assert_int_equal(finish(t, &f, RF_BLK_FLUSH, 0), -EIO);
	assert_int_equal(finish(t, &f, RF_BLK_FLUSH, 0), 0);
	served_free(t);
}

/* The export dies, then the cache is lost: its successor must still say so. And if that
 * dies before it could, the next one must. */
static void unflushed_writes_outlive_the_export(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	finish(t, &a, RF_BLK_WRITE, 0);
	for (int i = 0; i < 3; i++) {
		service_free(t->s);
		assert_int_equal(rf_blk_open(&t->s), 0);
		rig_send(&t->rig, RF_SVC_INFO, 0);
		if (i)
			served_cycle(t);
		else
			cycle_losing_cache(t);
	}
	assert_int_equal(finish(t, &a, RF_BLK_FLUSH, 0), -EIO);
	assert_int_equal(finish(t, &a, RF_BLK_FLUSH, 0), 0);
	service_free(t->s);
	assert_int_equal(rf_blk_open(&t->s), 0);
	rig_send(&t->rig, RF_SVC_INFO, 0);
	cycle_losing_cache(t);
	assert_int_equal(finish(t, &a, RF_BLK_FLUSH, 0), 0);
	served_free(t);
}

/* A write is acknowledged that no flush covers; then an export begins anew, before that disk. */
static int flush_after_a_new_export(const char *before, const char *after)
{
	struct served *t = served_new(0);
	struct ask a;
	int status;

	strcpy(t->rig.disk.text, before);
	rig_send(&t->rig, RF_SVC_INFO, 0);
	service_free(t->s);
	assert_int_equal(rf_blk_open(&t->s), 0);
	served_cycle(t);
	finish(t, &a, RF_BLK_WRITE, 0);
	service_free(t->s);
	assert_int_equal(rf_blk_open(&t->s), 0);
	memset(&t->rig.disk, 0, sizeof(t->rig.disk));
	strcpy(t->rig.disk.text, after);
	rig_send(&t->rig, RF_SVC_INFO, 0);
	served_cycle(t);
	assert_string_equal(t->s->table->head.disk.text, after);
	status = finish(t, &a, RF_BLK_FLUSH, 0);
	assert_int_equal(finish(t, &a, RF_BLK_FLUSH, 0), 0);
	served_free(t);
	return status;
}

static void what_was_not_flushed_on_another_disk_is_lost(void **state)
{
	(void)state;
	assert_int_equal(flush_after_a_new_export("S/N A", "S/N A"), 0);
	assert_int_equal(flush_after_a_new_export("S/N A", "S/N B"), -EIO);
	assert_int_equal(flush_after_a_new_export("S/N A", ""), -EIO);
	/* An export died in the middle of the name. */
	assert_int_equal(flush_after_a_new_export("S/", "S/N B"), -EIO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_a_lost_cache_one_flush_fails),
		cmocka_unit_test(a_kept_cache_fails_nothing),
		cmocka_unit_test(a_lost_cache_with_nothing_in_it_fails_nothing),
		cmocka_unit_test(a_disk_without_a_cache_loses_nothing),
		cmocka_unit_test(a_flush_under_way_fails_when_the_cache_is_lost),
		cmocka_unit_test(a_write_answered_after_the_flush_is_lost_separately),
		cmocka_unit_test(flushes_that_wait_for_a_driver_all_fail),
		cmocka_unit_test(a_loss_nobody_heard_of_is_counted),
		cmocka_unit_test(as_many_are_told_as_went_away_however_late_they_come),
		cmocka_unit_test(what_was_not_flushed_on_another_disk_is_lost),
		cmocka_unit_test(unflushed_writes_outlive_the_export),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
