/* SPDX-License-Identifier: MIT */
/*
 * test_blk_filter.c - what the block core owes a filter (blk_filter.h), with a filter that notes
 * each call, hands requests down when the test says so, and makes some of its own.
 *
 * Room:   tests/unit. The test is client, filter and driver; see blk_fixture.h.
 */
#include "blk_fixture.h"

enum { KEPT = 8 };

struct noted {
	struct rf_blk_filter filter; /* first */
	struct rf_io        *kept[KEPT];
	unsigned             submits, ups, losses, gones, closes, unfinished_at_gone;
	unsigned            *unfinished;
	bool                 unready;
	int                  backs;
};

static struct noted *noted_of(struct rf_blk_filter *f)
{
	return (struct noted *)f;
}

static int note_disk(struct rf_blk_filter *f, struct rf_blk_info *info)
{
	(void)f;
	info->size /= 2;
	return 0;
}

static bool note_ready(const struct rf_blk_filter *f)
{
	return !((const struct noted *)f)->unready;
}

static void note_submit(struct rf_blk_filter *f, struct rf_io *io)
{
	struct noted *n = noted_of(f);

	assert_true(n->submits < KEPT);
	n->kept[n->submits++] = io;
}

static void note_up(struct rf_blk_filter *f)
{
	noted_of(f)->ups++;
}

static void note_lost(struct rf_blk_filter *f)
{
	noted_of(f)->losses++;
}

static void note_gone(struct rf_blk_filter *f)
{
	struct noted *n = noted_of(f);

	n->gones++;
	if (n->unfinished)
		n->unfinished_at_gone = *n->unfinished;
}

static void note_close(struct rf_blk_filter *f)
{
	noted_of(f)->closes++;
}

static int note_back(struct rf_blk_filter *f)
{
	return noted_of(f)->backs;
}

static uint64_t note_caught(const struct rf_blk_filter *f)
{
	(void)f;
	return 7;
}

static const struct rf_blk_filter_ops note_ops = {
	.close = note_close,
	.disk = note_disk,
	.ready = note_ready,
	.submit = note_submit,
	.up = note_up,
	.lost = note_lost,
	.gone = note_gone,
	.back = note_back,
	.caught = note_caught,
};

/* A service with this filter, before its first driver runs. */
static struct served *filtered(struct noted *n)
{
	struct served *t = calloc(1, sizeof(*t));

	rig_open(&t->rig, ARENA);
	rig_install(&t->rig);
	assert_int_equal(rf_blk_open(&t->s), 0);
	n->filter = (struct rf_blk_filter){ &note_ops, t->s, t->s->queue[0].session.data };
	t->s->filter = &n->filter;
	t->s->gate |= RF_GATE_FILTER;
	rig_first_up(&t->rig);
	assert_int_equal(rf_blk_control(t->s), 0);
	ram_attach(&t->ram, &t->rig);
	return t;
}

static void answer(struct served *t, uint8_t op)
{
	struct rf_blk_req r = see(t);

	assert_int_equal(r.op, op);
	ram_answer(&t->ram, &r, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
}

static void pass(struct served *t, struct ask *a, uint8_t op, bool internal)
{
	*a = (struct ask){ .io = { .op = op,
				   .length = op == RF_BLK_FLUSH ? 0 : 4096,
				   .done = ask_done,
				   .internal = internal } };
	rf_blk_pass(t->s, &a->io);
}

static void loss(struct served *t)
{
	served_down(t);
	rig_quiesced(&t->rig, 1);
	served_up(t);
}

/* ---- requests ---------------------------------------------------------------------------- */

static void without_a_filter_a_read_or_write_calls_nothing(void **state)
{
	struct served *t = served_new(0);
	struct rf_blk_filter_ops counting = rf_blk_no_filter;
	struct noted n = { .filter = t->s->none };
	struct ask a;

	(void)state;
	counting.submit = note_submit;
	n.filter.ops = &counting;
	t->s->filter = &n.filter;
	assert_int_equal(ask(t, &a, RF_BLK_READ, 0, 4096), 0);
	answer(t, RF_BLK_READ);
	assert_int_equal(ask(t, &a, RF_BLK_WRITE, 0, 4096), 0);
	answer(t, RF_BLK_WRITE);
	assert_int_equal(n.submits, 0);
	assert_int_equal(ask(t, &a, RF_BLK_FLUSH, 0, 0), 0); /* the long way does */
	assert_int_equal(n.submits, 1);
	t->s->filter = &t->s->none;
	served_free(t);
}

static void every_request_that_fits_goes_to_the_filter_and_no_further(void **state)
{
	static const uint8_t ops[] = { RF_BLK_READ, RF_BLK_WRITE, RF_BLK_DISCARD, RF_BLK_ZERO,
				       RF_BLK_FLUSH };
	struct noted n = { 0 };
	struct served *t = filtered(&n);
	struct ask a[5], outside;

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(ask(t, &a[i], ops[i], 0, ops[i] == RF_BLK_FLUSH ? 0 : 4096), 0);
	see_nothing(t);
	assert_int_equal(n.submits, 5);
	assert_int_equal(ask(t, &outside, RF_BLK_READ, t->rig.info.size / 2, 4096),
			 -EINVAL); /* what it shows */
	assert_int_equal(n.submits, 5);
	for (unsigned i = 0; i < 5; i++) {
		assert_ptr_equal(n.kept[i], &a[i].io);
		rf_blk_pass(t->s, n.kept[i]);
		answer(t, ops[i]);
		assert_int_equal(a[i].done, 1);
	}
	served_free(t);
	assert_int_equal(n.closes, 1);
}

/* ---- a filter's own requests ----------------------------------------------------------------- */

static void nobody_was_promised_what_a_filter_wrote_for_itself(void **state)
{
	struct noted n = { 0 };
	struct served *t = filtered(&n);
	struct ask own, clients;

	(void)state;
	pass(t, &own, RF_BLK_WRITE, true);
	answer(t, RF_BLK_WRITE);
	assert_int_equal(rf_blk_acked(t->s), 0);
	pass(t, &clients, RF_BLK_WRITE, false);
	answer(t, RF_BLK_WRITE);
	assert_int_equal(rf_blk_acked(t->s), 1);
	served_free(t);
}

static void a_client_may_leave_garbage_where_a_filter_says_so(void **state)
{
	struct served *t = served_new(0);
	struct ask a = {
		.io = { .op = RF_BLK_WRITE, .length = 4096, .done = ask_done, .internal = true }
	};

	(void)state;
	assert_int_equal(rf_blk_submit(t->s, &a.io), 0);
	answer(t, RF_BLK_WRITE);
	assert_int_equal(rf_blk_acked(t->s), 1);
	served_free(t);
}

static void a_filters_flush_takes_no_news_of_a_loss_away(void **state)
{
	struct noted n = { 0 };
	struct served *t = filtered(&n);
	struct ask write, own, clients;

	(void)state;
	pass(t, &write, RF_BLK_WRITE, false);
	answer(t, RF_BLK_WRITE);
	loss(t);
	assert_int_equal(n.losses, 1);
	pass(t, &own, RF_BLK_FLUSH, true);
	answer(t, RF_BLK_FLUSH);
	assert_int_equal(own.status, 0);
	pass(t, &clients, RF_BLK_FLUSH, false);
	answer(t, RF_BLK_FLUSH);
	assert_int_equal(clients.status, -EIO);
	served_free(t);
}

static void a_loss_that_the_filter_found_is_told_to_clients(void **state)
{
	struct noted n = { 0 };
	struct served *t = filtered(&n);
	struct ask write;

	(void)state;
	pass(t, &write, RF_BLK_WRITE, false);
	answer(t, RF_BLK_WRITE);
	rf_blk_lost(t->s);
	assert_int_equal(n.losses, 1);
	assert_int_equal(rf_blk_losses(t->s), 1);
	served_free(t);
}

/* ---- the disk ------------------------------------------------------------------------------ */

static void clients_are_let_in_when_the_filter_says_so(void **state)
{
	struct noted n = { .unready = true };
	struct served *t = filtered(&n);

	(void)state;
	assert_int_equal(n.ups, 1);
	assert_null(rf_blk_info(t->s));
	n.unready = false;
	assert_int_equal(rf_blk_info(t->s)->size, t->rig.info.size / 2);
	rf_stats_publish(t->s);
	assert_int_equal(atomic_load(&t->rig.stats->corrupt), 7);
	served_free(t);
}

static unsigned unfinished;
static struct served *ending;
static void note_end(struct rf_io *io, int status)
{
	assert_int_equal(status, -EIO);
	assert_true(rf_blk_gone(ending->s));
	ask_done(io, status);
	unfinished--;
}

static void a_filter_hears_of_the_end_after_all_it_passed_down_has_failed(void **state)
{
	struct noted n = { .unfinished = &unfinished };
	struct served *t = filtered(&n);
	struct ask down[3], late;

	(void)state;
	ending = t;
	unfinished = 3;
	for (unsigned i = 0; i < 3; i++) {
		down[i] = (struct ask){
			.io = { .op = RF_BLK_WRITE, .length = 4096, .done = note_end }
		};
		rf_blk_pass(t->s, &down[i].io); /* they overlap: one in the ring, two held back */
	}
	rig_send(&t->rig, RF_SVC_GONE, 0);
	assert_int_equal(rf_blk_control(t->s), 0);
	assert_int_equal(n.gones, 1);
	assert_int_equal(n.unfinished_at_gone, 0);
	pass(t, &late, RF_BLK_READ, true);
	assert_int_equal(late.done, 1);
	assert_int_equal(late.status, -EIO);
	assert_int_equal(rf_blk_inflight(t->s), 0);
	served_free(t);
}

static int back(int says)
{
	struct noted n = { .backs = says };
	struct served *t = filtered(&n);

	rig_send(&t->rig, RF_SVC_GONE, 0);
	rig_send(&t->rig, RF_SVC_INFO, 0);
	int err = rf_blk_control(t->s);
	served_free(t);
	return err;
}

static void a_filter_says_whether_a_disk_that_was_gone_goes_on(void **state)
{
	(void)state;
	assert_int_equal(back(0), 0);
	assert_int_equal(back(-EPIPE), -EPIPE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_filter_a_read_or_write_calls_nothing),
		cmocka_unit_test(every_request_that_fits_goes_to_the_filter_and_no_further),
		cmocka_unit_test(nobody_was_promised_what_a_filter_wrote_for_itself),
		cmocka_unit_test(a_client_may_leave_garbage_where_a_filter_says_so),
		cmocka_unit_test(a_filters_flush_takes_no_news_of_a_loss_away),
		cmocka_unit_test(a_loss_that_the_filter_found_is_told_to_clients),
		cmocka_unit_test(clients_are_let_in_when_the_filter_says_so),
		cmocka_unit_test(a_filter_hears_of_the_end_after_all_it_passed_down_has_failed),
		cmocka_unit_test(a_filter_says_whether_a_disk_that_was_gone_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
