/* SPDX-License-Identifier: MIT */
/*
 * test_disk_queues.c - a disk with four queues: whose requests go where, what a death of one
 * queue's driver means for it and for the others, and what holds over all of them.
 *
 * Room:   tests/unit. The test is client, device process, and each queue's driver.
 */
#include "blk_fixture.h"

enum { QUEUES = 4, PAGES = 4096 };

struct many {
	struct served t;
	struct ram    ram[QUEUES];
	uint32_t      generation[QUEUES];
};

static uint32_t half_of(uint32_t generation)
{
	return generation / QUEUES & 1;
}

static void tell(struct many *m, enum rf_svc_type type, uint32_t generation, uint32_t half,
		 uint32_t value)
{
	struct rig *r = &m->t.rig;
	struct rf_svc_msg msg = { .type = type, .generation = generation, .half = half,
				  .value = value, .queues = r->config->queues, .info = r->info,
				  .disk = r->disk };

	rig_must(!rf_packet_send(r->control, &msg, sizeof(msg), NULL, 0), "send to export");
}

static void attach(struct many *m, uint32_t q)
{
	uint32_t place = half_of(m->generation[q]) * QUEUES + q;
	struct rf_blk_chan *chan = (void *)(m->t.rig.rings + place * RF_BLK_CHAN_BYTES);

	m->ram[q] = (struct ram){ .generation = m->generation[q], .arena = m->t.rig.data,
				  .arena_bytes = m->t.rig.config->arena_bytes };
	rf_ring_attach(&m->ram[q].req, chan->req.bytes, RF_BLK_DEPTH);
	rf_ring_attach(&m->ram[q].resp, chan->resp.bytes, RF_BLK_DEPTH);
}

static void up(struct many *m, uint32_t q)
{
	tell(m, RF_SVC_UP, m->generation[q], half_of(m->generation[q]), 0);
	assert_int_equal(rf_blk_control(m->t.s), 0);
}

static void down(struct many *m, uint32_t q)
{
	struct rf_svc_msg msg;
	uint32_t dead = m->generation[q];

	m->generation[q] += QUEUES;
	tell(m, RF_SVC_DOWN, dead, half_of(m->generation[q]), 0);
	assert_int_equal(rf_blk_control(m->t.s), 0);
	assert_int_equal(rig_hear(&m->t.rig, &msg, 0), RF_SVC_PREPARED);
	assert_int_equal(msg.generation, m->generation[q]);
	attach(m, q);
}

static void quiet(struct many *m, uint32_t q, uint32_t lost)
{
	tell(m, RF_SVC_QUIESCED, m->generation[q] - QUEUES, 0, lost);
	assert_int_equal(rf_blk_control(m->t.s), 0);
}

static struct many *many_new(void)
{
	struct many *m = calloc(1, sizeof(*m));
	struct rig *r = &m->t.rig;

	rig_open(r, ARENA);
	r->config->queues = QUEUES;
	rig_install(r);
	for (int i = 0; i < 2 * (QUEUES - 1); i++) {
		int fd = eventfd(0, EFD_CLOEXEC);

		rig_must(dup2(fd, RF_EXPORT_FD_MORE_WAKES + i) >= 0, "dup2");
		close(fd);
	}
	assert_int_equal(rf_blk_open(&m->t.s), 0);
	tell(m, RF_SVC_INFO, 0, 0, 0);
	assert_int_equal(rf_blk_control(m->t.s), 0);
	for (uint32_t q = 0; q < QUEUES; q++) {
		assert_null(rf_blk_info(m->t.s)); /* a queue may still write what it was told */
		m->generation[q] = QUEUES + q;
		up(m, q);
		attach(m, q);
	}
	assert_non_null(rf_blk_info(m->t.s));
	return m;
}

static void many_free(struct many *m)
{
	for (int i = 0; i < 2 * (QUEUES - 1); i++)
		close(RF_EXPORT_FD_MORE_WAKES + i);
	service_free(m->t.s);
	rig_close(&m->t.rig);
	free(m);
}

static void put(struct many *m, struct ask *a, uint8_t op, uint32_t page, uint16_t queue)
{
	*a = (struct ask){ .io = { .op = op, .queue = queue, .done = ask_done } };
	if (op != RF_BLK_FLUSH) {
		a->io.offset = (uint64_t)page * PAGES;
		a->io.length = PAGES;
	}
	assert_int_equal(rf_blk_submit(m->t.s, &a->io), 0);
	rf_blk_push(m->t.s);
}

static bool sees(struct many *m, uint32_t q, struct rf_blk_req *req)
{
	return ram_take(&m->ram[q], req);
}

static void answers(struct many *m, uint32_t q, const struct rf_blk_req *req)
{
	ram_say(&m->ram[q], req->tag, m->generation[q], 0);
	rf_blk_poll(m->t.s);
}

/* ---- where requests go -------------------------------------------------------------------- */

static void each_goes_to_its_queue(void **state)
{
	struct many *m = many_new();
	struct ask a[2 * QUEUES];
	struct rf_blk_req req;

	(void)state;
	for (uint32_t i = 0; i < 2 * QUEUES; i++)
		put(m, &a[i], RF_BLK_READ, i, i);
	for (uint32_t i = 0; i < 2 * QUEUES; i++) {
		assert_true(sees(m, i % QUEUES, &req));
		assert_int_equal(req.offset, i * PAGES);
		answers(m, i % QUEUES, &req);
		assert_true(a[i].done == 1 && !a[i].status);
	}
	assert_int_equal(rf_blk_inflight(m->t.s), 0);
	many_free(m);
}

/* All places of a queue are taken: what comes next goes to the others, and at last it waits. */
static void a_full_queue_gives_to_the_others(void **state)
{
	struct many *m = many_new();
	struct ask *a = calloc(QUEUES * RF_BLK_DEPTH + 1, sizeof(*a));
	struct rf_blk_req req;

	(void)state;
	for (uint32_t i = 0; i <= QUEUES * RF_BLK_DEPTH; i++)
		put(m, &a[i], RF_BLK_READ, 0, 1);
	assert_int_equal(rf_blk_inflight(m->t.s), QUEUES * RF_BLK_DEPTH);
	for (uint32_t q = 0; q < QUEUES; q++)
		for (uint32_t i = 0; i < RF_BLK_DEPTH; i++)
			assert_true(sees(m, q, &req));
	answers(m, 3, &req);
	rf_blk_push(m->t.s);
	assert_true(sees(m, 3, &req)); /* the one that waited */
	assert_int_equal(rf_blk_inflight(m->t.s), QUEUES * RF_BLK_DEPTH);
	tell(m, RF_SVC_GONE, 0, 0, 0);
	assert_int_equal(rf_blk_control(m->t.s), 0);
	for (uint32_t i = 0; i <= QUEUES * RF_BLK_DEPTH; i++)
		assert_int_equal(a[i].done, 1);
	free(a);
	many_free(m);
}

/* ---- a death ------------------------------------------------------------------------------- */

static void a_death_costs_its_own_queue(void **state)
{
	struct many *m = many_new();
	struct ask old, other, new;
	struct rf_blk_req req, theirs;

	(void)state;
	put(m, &old, RF_BLK_READ, 1, 2);
	put(m, &other, RF_BLK_READ, 2, 3);
	assert_true(sees(m, 2, &req) && sees(m, 3, &theirs));
	down(m, 2);
	answers(m, 3, &theirs);
	assert_int_equal(other.done, 1); /* while queue 2 is down */
	put(m, &new, RF_BLK_READ, 3, 2);
	assert_true(sees(m, 0, &req)); /* of all with room, the first */
	answers(m, 0, &req);
	assert_int_equal(new.done, 1);
	assert_true(rf_blk_up(m->t.s) && !old.done);
	quiet(m, 2, 0);
	up(m, 2);
	assert_true(sees(m, 2, &req));
	assert_int_equal(req.generation, m->generation[2]);
	answers(m, 2, &req);
	assert_true(old.done == 1 && !old.status);
	assert_int_equal(m->t.s->queue[2].count.reissued, 1);
	assert_int_equal(m->t.s->queue[3].count.reissued, 0);
	many_free(m);
}

/* All queues are down, as while the device is reset: requests wait, and go to the first that
 * has a driver again. */
static void without_any_driver_all_wait(void **state)
{
	struct many *m = many_new();
	struct ask a;
	struct rf_blk_req req;

	(void)state;
	for (uint32_t q = 0; q < QUEUES; q++)
		down(m, q);
	put(m, &a, RF_BLK_READ, 1, 0);
	for (uint32_t q = 0; q < QUEUES; q++)
		assert_false(sees(m, q, &req));
	quiet(m, 3, 0);
	up(m, 3);
	assert_true(sees(m, 3, &req));
	answers(m, 3, &req);
	assert_int_equal(a.done, 1);
	many_free(m);
}

/* A request under suspicion is alone in its queue; others have theirs. */
static void poison_is_looked_for_in_its_queue(void **state)
{
	struct many *m = many_new();
	struct ask bad, beside, other;
	struct rf_blk_req req;

	(void)state;
	put(m, &bad, RF_BLK_READ, 1, 0);
	for (int death = 0; death < 3; death++) {
		down(m, 0);
		quiet(m, 0, 0);
		up(m, 0);
	}
	assert_true(sees(m, 0, &req)); /* alone now */
	put(m, &beside, RF_BLK_READ, 2, 0);
	assert_false(sees(m, 0, &req));
	assert_true(sees(m, 1, &req)); /* another queue has it */
	answers(m, 1, &req);
	put(m, &other, RF_BLK_READ, 3, 3);
	assert_true(sees(m, 3, &req));
	answers(m, 3, &req);
	assert_true(beside.done == 1 && other.done == 1 && !bad.done);
	down(m, 0);
	quiet(m, 0, 0);
	assert_true(bad.done == 1 && bad.status == -EIO);
	many_free(m);
}

/* ---- over all queues --------------------------------------------------------------------- */

static void an_overlap_waits_for_another_queue(void **state)
{
	struct many *m = many_new();
	struct ask first, second, apart;
	struct rf_blk_req req, late;

	(void)state;
	put(m, &first, RF_BLK_WRITE, 5, 0);
	put(m, &second, RF_BLK_WRITE, 5, 1);
	put(m, &apart, RF_BLK_WRITE, 6, 1);
	assert_true(sees(m, 1, &req));
	assert_int_equal(req.offset, 6 * PAGES);
	answers(m, 1, &req);
	/* Its driver dies: the second waits on, until the first was done by the next one. */
	down(m, 0);
	quiet(m, 0, 0);
	assert_false(sees(m, 1, &req));
	up(m, 0);
	assert_true(sees(m, 0, &late));
	assert_int_equal(late.offset, 5 * PAGES);
	assert_false(sees(m, 1, &req));
	answers(m, 0, &late);
	rf_blk_push(m->t.s);
	assert_true(first.done == 1 && sees(m, 1, &req));
	answers(m, 1, &req);
	assert_true(second.done == 1 && apart.done == 1);
	many_free(m);
}

/* One queue tells of a lost cache; a flush that another one has fails. */
static void a_lost_cache_is_that_of_all(void **state)
{
	struct many *m = many_new();
	struct ask write, flush, after;
	struct rf_blk_req req;

	(void)state;
	put(m, &write, RF_BLK_WRITE, 1, 0);
	assert_true(sees(m, 0, &req));
	answers(m, 0, &req);
	put(m, &flush, RF_BLK_FLUSH, 0, 1);
	assert_true(sees(m, 1, &req));
	for (uint32_t q = 0; q < QUEUES; q++)
		down(m, q);
	quiet(m, 2, 1);
	quiet(m, 1, 0);
	up(m, 1);
	assert_true(sees(m, 1, &req));
	answers(m, 1, &req);
	assert_int_equal(flush.status, -EIO);
	put(m, &after, RF_BLK_FLUSH, 0, 1);
	assert_true(sees(m, 1, &req));
	answers(m, 1, &req);
	assert_int_equal(after.status, 0); /* once */
	assert_int_equal(rf_blk_losses(m->t.s), 1);
	many_free(m);
}

static void a_flush_covers_what_other_queues_answered(void **state)
{
	struct many *m = many_new();
	struct ask write, flush;
	struct rf_blk_req req;

	(void)state;
	put(m, &write, RF_BLK_WRITE, 1, 0);
	assert_true(sees(m, 0, &req));
	answers(m, 0, &req);
	put(m, &flush, RF_BLK_FLUSH, 0, 3);
	assert_true(sees(m, 3, &req));
	answers(m, 3, &req);
	assert_int_equal(flush.status, 0);
	down(m, 0);
	quiet(m, 0, 1); /* nothing was left to lose */
	assert_int_equal(rf_blk_losses(m->t.s), 0);
	many_free(m);
}

/* ---- lies ----------------------------------------------------------------------------------- */

/* A driver answers what another queue's was asked: under its own number, and under that one's. */
static void nobody_answers_for_another_queue(void **state)
{
	(void)state;
	for (int own = 0; own < 2; own++) {
		struct many *m = many_new();
		struct ask a;
		struct rf_blk_req req;
		struct rf_svc_msg msg;

		put(m, &a, RF_BLK_READ, 1, 0);
		assert_true(sees(m, 0, &req));
		ram_say(&m->ram[1], req.tag, m->generation[!own ? 0 : 1], 0);
		rf_blk_poll(m->t.s);
		assert_int_equal(a.done, 0);
		assert_int_equal(rig_hear(&m->t.rig, &msg, 0), RF_SVC_PROTO_ERROR);
		assert_int_equal(msg.generation, m->generation[1]);
		answers(m, 0, &req); /* who was asked */
		assert_true(a.done == 1 && !a.status);
		many_free(m);
	}
}

static void another_number_of_queues_is_another_device(void **state)
{
	struct many *m = many_new();

	(void)state;
	m->t.rig.config->queues = 2; /* the engine has its own copy */
	tell(m, RF_SVC_INFO, 0, 0, 0);
	assert_int_equal(rf_blk_control(m->t.s), -ESTALE);
	many_free(m);
}

/* A queue that is not used, or a half that cannot be. */
static void messages_that_do_not_fit(void **state)
{
	struct many *m = many_new();

	(void)state;
	tell(m, RF_SVC_DOWN, m->generation[1], half_of(m->generation[1]), 0);
	assert_int_equal(rf_blk_control(m->t.s), -EPROTO);
	many_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_goes_to_its_queue),
		cmocka_unit_test(a_full_queue_gives_to_the_others),
		cmocka_unit_test(a_death_costs_its_own_queue),
		cmocka_unit_test(without_any_driver_all_wait),
		cmocka_unit_test(poison_is_looked_for_in_its_queue),
		cmocka_unit_test(an_overlap_waits_for_another_queue),
		cmocka_unit_test(a_lost_cache_is_that_of_all),
		cmocka_unit_test(a_flush_covers_what_other_queues_answered),
		cmocka_unit_test(nobody_answers_for_another_queue),
		cmocka_unit_test(another_number_of_queues_is_another_device),
		cmocka_unit_test(messages_that_do_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
