/* SPDX-License-Identifier: MIT */
/*
 * test_recover.c - the block service when drivers die: drain, reissue, poison.
 *
 * Room:   tests/unit. The test is driver and device process; see blk_fixture.h.
 */
#include "blk_fixture.h"

static struct rf_recovery_service *log_of(struct served *t, uint32_t generation)
{
	return &t->s->queue[0].session.stats->log[generation % RF_STATS_LOG];
}

static void what_was_in_flight_is_reissued_in_order(void **state)
{
	enum { N = 100 };
	struct served *t = served_new(0);
	static struct ask a[N];
	uint32_t tags[N];

	(void)state;
	for (uint32_t i = 0; i < N; i++) {
		ask(t, &a[i], i % 3 ? RF_BLK_WRITE : RF_BLK_READ, i * 4096, 4096);
		tags[i] = see(t).tag;
	}
	/* Entries are freed and used again, so that table order is not submission order. */
	for (uint32_t i = 0; i < N; i += 2) {
		ram_say(&t->ram, tags[i], 1, 0);
		assert_int_equal(rf_blk_poll(t->s), 1);
		ask(t, &a[i], RF_BLK_READ, (N + i) * 4096, 4096);
	}
	rf_blk_push(t->s);
	served_down(t);
	/* All of it lies in the successor's ring before that is let go. */
	for (uint32_t i = 0; i < N; i++) {
		uint32_t which = i < N / 2 ? 2 * i + 1 : N + 2 * (i - N / 2);
		struct rf_blk_req req;

		assert_true(ram_take(&t->ram, &req));
		assert_int_equal(req.offset, which * 4096);
		assert_int_equal(req.generation, 2);
		ram_answer(&t->ram, &req, 0);
	}
	served_up(t);
	assert_int_equal(rf_blk_poll(t->s), N);
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(a[i].done, 1);
	assert_int_equal(log_of(t, 1)->generation, 1);
	assert_int_equal(log_of(t, 1)->inflight, N);
	assert_int_equal(log_of(t, 1)->reissued, N);
	assert_int_equal(log_of(t, 1)->drained, 0);
	assert_true(log_of(t, 1)->down_ns && log_of(t, 1)->first_io_ns >= log_of(t, 1)->down_ns);
	assert_int_equal(t->s->queue[0].count.reissued, N);
	served_free(t);
}

static void what_the_dead_driver_had_answered_counts(void **state)
{
	struct served *t = served_new(0);
	struct ask a[4];

	(void)state;
	for (uint32_t i = 0; i < 4; i++)
		ask(t, &a[i], RF_BLK_READ, i * 4096, 4096);
	for (uint32_t i = 0; i < 4; i++) {
		struct rf_blk_req req = see(t);
		if (i < 2)
			ram_answer(&t->ram, &req, i ? -EIO : 0);
	}
	served_down(t);
	assert_int_equal(a[0].done + a[1].done, 2);
	assert_int_equal(a[1].status, -EIO);
	assert_int_equal(a[2].done + a[3].done, 0);
	assert_int_equal(log_of(t, 1)->inflight, 4);
	assert_int_equal(log_of(t, 1)->drained, 2);
	assert_int_equal(log_of(t, 1)->reissued, 2);
	assert_int_equal(log_of(t, 1)->first_io_ns, 0);
	served_free(t);
}

static void a_lie_left_by_the_dead_is_counted_and_told_to_nobody(void **state)
{
	struct served *t = served_new(0);
	struct ask a, b;
	struct rf_svc_msg msg;

	(void)state;
	ask(t, &a, RF_BLK_READ, 0, 4096);
	ask(t, &b, RF_BLK_READ, 4096, 4096);
	struct rf_blk_req req = see(t);
	ram_answer(&t->ram, &req, 0);
	ram_say(&t->ram, 0xdead, 1, 0);
	served_down(t);
	assert_int_equal(a.done, 1);
	assert_int_equal(b.done, 0);
	assert_int_equal(log_of(t, 1)->drained, 1);
	assert_int_equal(log_of(t, 1)->reissued, 1);
	assert_int_equal(t->rig.stats->violations, 1);
	assert_int_equal(rig_hear(&t->rig, &msg, 0), 0);
	served_free(t);
}

/* A write that was held back, or never came to the table, is not lost either. */
static void those_who_waited_come_after_those_reissued(void **state)
{
	struct served *t = served_new(0);
	struct ask w, held, meanwhile;

	(void)state;
	ask(t, &w, RF_BLK_WRITE, 0, 4096);
	see(t);
	ask(t, &held, RF_BLK_READ, 0, 512);
	served_down(t);
	ask(t, &meanwhile, RF_BLK_READ, 8192, 512);
	struct rf_blk_req req = see(t);
	assert_int_equal(req.op, RF_BLK_WRITE);
	see_nothing(t);
	served_up(t);
	assert_int_equal(see(t).offset, 8192);
	ram_answer(&t->ram, &req, 0);
	rf_blk_poll(t->s);
	assert_int_equal(see(t).length, 512);
	served_free(t);
}

/* The half is used again two generations later: nothing of the old ring shows. */
static void a_half_comes_back_empty(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	for (int i = 0; i < 6; i++) {
		ask(t, &a, RF_BLK_READ, 0, 512);
		struct rf_blk_req req = see(t);
		ram_answer(&t->ram, &req, 0);
		assert_int_equal(rf_blk_poll(t->s), 1);
		served_cycle(t);
		see_nothing(t);
		assert_int_equal(atomic_load(&t->ram.resp.ring->tail), 0);
		assert_int_equal(t->s->queue[0].session.generation, i + 2);
	}
	served_free(t);
}

/* A successor that died before it was let go has seen nothing: not held against the
 * request, and the recovery time runs on. */
static void successors_that_never_ran_do_not_count(void **state)
{
	struct served *t = served_new(0);
	struct ask a;

	(void)state;
	ask(t, &a, RF_BLK_READ, 0, 512);
	see(t);
	for (int i = 0; i < 8; i++)
		served_down(t);
	rig_quiesced(&t->rig, 0);
	served_up(t);
	struct rf_blk_req req = see(t);
	assert_int_equal(t->s->queue[0].entry[RF_TAG_INDEX(req.tag)].attempts, 1);
	ram_answer(&t->ram, &req, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
	assert_int_equal(a.status, 0);
	assert_true(log_of(t, 1)->first_io_ns != 0);
	served_free(t);
}

/* ---- the rest -------------------------------------------------------------- */

static void when_the_device_is_gone_everything_fails(void **state)
{
	enum { N = RF_BLK_DEPTH + 10 };
	struct served *t = served_new(0);
	static struct ask a[N], w, h, late;

	(void)state;
	ask(t, &w, RF_BLK_WRITE, 0, 4096);
	ask(t, &h, RF_BLK_WRITE, 0, 4096);
	for (uint32_t i = 0; i < N; i++)
		ask(t, &a[i], RF_BLK_READ, 1 << 20, 512);
	see(t);
	rig_send(&t->rig, RF_SVC_GONE, 0);
	assert_int_equal(rf_blk_control(t->s), 0);
	assert_true(rf_blk_gone(t->s));
	for (uint32_t i = 0; i < N; i++)
		assert_true(a[i].done == 1 && a[i].status == -EIO);
	assert_true(w.done == 1 && w.status == -EIO && h.done == 1 && h.status == -EIO);
	assert_int_equal(ask(t, &late, RF_BLK_READ, 0, 512), -EIO);
	assert_int_equal(ask(t, &late, RF_BLK_FLUSH, 0, 0), -EIO);
	assert_int_equal(rf_blk_inflight(t->s), 0);
	served_free(t);
}

static void messages_that_do_not_fit_are_refused(void **state)
{
	struct served *t = served_new(0);

	(void)state;
	t->rig.generation = 7;
	rig_send(&t->rig, RF_SVC_UP, 0);
	assert_int_equal(rf_blk_control(t->s), -EPROTO);
	t->rig.generation = 0;
	rig_send(&t->rig, RF_SVC_DOWN, 0);
	assert_int_equal(rf_blk_control(t->s), -EPROTO);
	t->rig.generation = 1;
	t->rig.half = 2;
	rig_send(&t->rig, RF_SVC_DOWN, 0);
	assert_int_equal(rf_blk_control(t->s), -EPROTO);
	rig_send(&t->rig, 99, 0);
	assert_int_equal(rf_blk_control(t->s), -EPROTO);
	t->rig.info.size += 512;
	rig_send(&t->rig, RF_SVC_INFO, 0);
	assert_int_equal(rf_blk_control(t->s), -ESTALE);
	t->rig.info.size -= 512;
	rig_send(&t->rig, RF_SVC_INFO, 0);
	assert_int_equal(rf_blk_control(t->s), 0);
	strcpy(t->rig.disk.text, "S/N B");
	rig_send(&t->rig, RF_SVC_INFO, 0);
	assert_int_equal(rf_blk_control(t->s), -ESTALE);
	strcpy(t->rig.disk.text, "\033[2J");
	rig_send(&t->rig, RF_SVC_INFO, 0);
	assert_int_equal(rf_blk_control(t->s), -EPROTO);
	rig_must(send(t->rig.control, "x", 1, 0) == 1, "send");
	assert_int_equal(rf_blk_control(t->s), -EPROTO);
	shutdown(t->rig.control, SHUT_RDWR);
	assert_int_equal(rf_blk_control(t->s), -EPIPE);
	served_free(t);
}

static void a_new_export_forgets_what_its_predecessor_owed(void **state)
{
	struct served *t = served_new(0);
	struct rf_blk *second;
	struct ask a[3];

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		ask(t, &a[i], RF_BLK_READ, 0, 512);
	rf_blk_push(t->s);
	rf_stats_publish(t->s);
	assert_int_equal(rf_blk_open(&second), 0);
	assert_int_equal(rf_blk_inflight(second), 0);
	assert_int_equal(rf_submitted(second), 3);
	for (uint32_t i = 0; i < RF_BLK_DEPTH; i++)
		assert_int_equal(second->queue[0].entry[i].state, RF_ENTRY_FREE);
	/* The device process cycles the generation for it. */
	t->s->queue[0].free_count = RF_BLK_DEPTH;
	struct rf_blk *first = t->s;
	t->s = second;
	rig_send(&t->rig, RF_SVC_INFO, 0);
	served_down(t);
	/* The dead one's reads may still land in the arena: nobody may use it yet. */
	assert_null(rf_blk_info(second));
	rig_quiesced(&t->rig, 0);
	assert_int_equal(rf_blk_control(second), 0);
	assert_non_null(rf_blk_info(second));
	served_up(t);
	assert_int_equal(second->queue[0].session.generation, 2);
	ask(t, &a[0], RF_BLK_READ, 4096, 512);
	assert_int_equal(see(t).offset, 4096);
	see_nothing(t);
	t->s = first;
	service_free(second);
	served_free(t);
}

static void answer_all(struct served *t)
{
	struct rf_blk_req req;

	do {
		rf_blk_push(t->s);
		while (ram_take(&t->ram, &req))
			ram_answer(&t->ram, &req, ram_execute(&t->ram, &req));
		rf_blk_poll(t->s);
	} while (rf_blk_inflight(t->s));
}

/* Deaths at random moments under load: everything is answered exactly once, no write
 * that was acknowledged is missing from the disk. */
static void no_acknowledged_write_is_lost_over_many_deaths(void **state)
{
	enum { N = 64, BLOCKS = 1024 };
	struct served *t = served_new(0);
	static struct ask a[N];
	static uint32_t expect[BLOCKS]; /* value of the last acknowledged write */
	static uint32_t value[N], block[N];
	uint32_t x = 7, deaths = 0, written = 0;

	(void)state;
	t->ram.disk = calloc(BLOCKS, 4096);
	t->ram.size = BLOCKS * 4096;
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(rf_blk_alloc(t->s, 4096, &a[i].io.arena), 0);
	for (uint32_t turn = 1; turn < 60000; turn++) {
		uint32_t i = (x = x * 1664525 + 1013904223) >> 8 & (N - 1);

		if (turn < N ? !a[i].io.op : a[i].done) {
			uint64_t arena = a[i].io.arena;
			assert_int_equal(a[i].status, 0);
			if (a[i].done && a[i].io.op == RF_BLK_WRITE)
				written++;
			block[i] = (x >> 14) % BLOCKS;
			value[i] = turn;
			memcpy(t->rig.data + arena, &turn, 4);
			a[i] = (struct ask){ .io = {
				.op = RF_BLK_WRITE, .length = 4096, .done = ask_done,
				.offset = block[i] * 4096, .arena = arena } };
			/* One write a block at a time, so that the last one is known. */
			bool busy = false;
			for (uint32_t j = 0; j < N; j++)
				busy |= j != i && a[j].io.op && !a[j].done && block[j] == block[i];
			if (busy)
				a[i] = (struct ask){ .io.arena = arena };
			else
				assert_int_equal(rf_blk_submit(t->s, &a[i].io), 0);
		}
		struct rf_blk_req req;
		rf_blk_push(t->s);
		/* Executed but perhaps not answered: that is how a death looks. */
		while ((x = x * 1664525 + 1013904223) >> 30 && ram_take(&t->ram, &req)) {
			int32_t status = ram_execute(&t->ram, &req);
			if ((x >> 20 & 63))
				ram_answer(&t->ram, &req, status);
			else
				break;
		}
		uint8_t before[N];
		for (uint32_t j = 0; j < N; j++)
			before[j] = (uint8_t)a[j].done;
		if (!(x >> 16 & 255)) {
			served_cycle(t);
			deaths++;
		}
		rf_blk_poll(t->s);
		for (uint32_t j = 0; j < N; j++)
			if (a[j].done && !before[j])
				expect[block[j]] = value[j];
	}
	/* Every death leaves some whose answer was withheld; they end here. */
	served_cycle(t);
	answer_all(t);
	for (uint32_t i = 0; i < N; i++)
		if (a[i].io.op && a[i].done == 1)
			expect[block[i]] =
				value[i] > expect[block[i]] ? value[i] : expect[block[i]];
	assert_true(deaths > 100 && written > 5000);
	for (uint32_t b = 0; b < BLOCKS; b++) {
		uint32_t on_disk;
		memcpy(&on_disk, t->ram.disk + b * 4096, 4);
		assert_int_equal(on_disk, expect[b]);
	}
	free(t->ram.disk);
	served_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_in_flight_is_reissued_in_order),
		cmocka_unit_test(what_the_dead_driver_had_answered_counts),
		cmocka_unit_test(a_lie_left_by_the_dead_is_counted_and_told_to_nobody),
		cmocka_unit_test(those_who_waited_come_after_those_reissued),
		cmocka_unit_test(a_half_comes_back_empty),
		cmocka_unit_test(successors_that_never_ran_do_not_count),
		cmocka_unit_test(when_the_device_is_gone_everything_fails),
		cmocka_unit_test(messages_that_do_not_fit_are_refused),
		cmocka_unit_test(a_new_export_forgets_what_its_predecessor_owed),
		cmocka_unit_test(no_acknowledged_write_is_lost_over_many_deaths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
