/* SPDX-License-Identifier: MIT */
/*
 * test_null_blk.c - the template driver behind the real fence, driven through its
 * rings: answers, sleeping and waking, standby, spinning.
 *
 * Room:   tests/unit. Stands in for device process and service.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "launch_fixture.h"

#define IMAGE "build/drivers/null_blk"

struct served {
	struct launching   l;
	struct rf_ring_end req, resp;
};

static void serve(struct served *s, uint64_t spin_cycles)
{
	char log[512];

	launching_init(&s->l, IMAGE);
	s->l.boot->tsc_hz = 1000000000;
	s->l.boot->spin_cycles = spin_cycles;
	rf_ring_attach(&s->req, &s->l.chan->req, RF_BLK_DEPTH);
	rf_ring_attach(&s->resp, &s->l.chan->resp, RF_BLK_DEPTH);
	launching_start(&s->l, FENCED);
	assert_true(launching_log(&s->l, log, sizeof(log)));
	assert_string_equal(log, "");
}

/* Publishes one request, kicks if asked to. */
static void ask(struct served *s, uint32_t tag, uint8_t op, uint64_t arena, uint32_t length)
{
	struct rf_blk_req req = { .tag = tag, .generation = LAUNCH_GENERATION, .op = op,
				  .length = length, .arena = arena };

	assert_true(rf_ring_space(&s->req, 1) > 0);
	rf_ring_put(&s->req, &req, sizeof(req));
	rf_ring_publish(&s->req);
	if (rf_ring_peer_asleep(&s->req))
		launching_wake(&s->l);
}

/* The next answer, sleeping for it as the service does. */
static struct rf_blk_resp answer(struct served *s)
{
	struct rf_blk_resp resp;

	while (!rf_ring_ready(&s->resp)) {
		rf_ring_arm(&s->resp);
		if (!rf_ring_ready(&s->resp))
			assert_true(launching_kicks(&s->l, WAIT_MS) > 0);
		rf_ring_disarm(&s->resp);
	}
	rf_ring_take(&s->resp, &resp, sizeof(resp));
	rf_ring_release(&s->resp);
	return resp;
}

/* Many requests in all batch sizes; both sides sleep and wake each other. */
static void requests_are_answered(struct served *s)
{
	uint32_t tag = 0;

	for (uint32_t round = 0; round < 200; round++) {
		uint32_t batch = 1 + round % 100;

		for (uint32_t i = 0; i < batch; i++)
			ask(s, tag + i, RF_BLK_WRITE + i % 4, 0, 4096);
		for (uint32_t i = 0; i < batch; i++) {
			struct rf_blk_resp resp = answer(s);

			assert_int_equal(resp.tag, tag + i);
			assert_int_equal(resp.generation, LAUNCH_GENERATION);
			assert_int_equal(resp.status, 0);
		}
		tag += batch;
	}
}

static void reads_are_zeroes_and_nothing_else_changes(void **state)
{
	struct served s;

	(void)state;
	serve(&s, 0);
	memset(s.l.arena, 0x5a, LAUNCH_ARENA);
	ask(&s, 1, RF_BLK_WRITE, 4096, 8192);
	ask(&s, 2, RF_BLK_READ, 65536, 8192);
	ask(&s, 3, 99, 0, 4096);
	/* What is refused is answered at once, before what goes through the device. */
	for (int i = 0, seen = 0; i < 3; i++) {
		struct rf_blk_resp resp = answer(&s);

		assert_in_range(resp.tag, 1, 3);
		assert_false(seen & 1 << resp.tag);
		seen |= 1 << resp.tag;
		assert_int_equal(resp.status, resp.tag == 3 ? -EOPNOTSUPP : 0);
	}
	for (uint32_t i = 0; i < LAUNCH_ARENA; i++)
		assert_int_equal(s.l.arena[i], i >= 65536 && i < 65536 + 8192 ? 0 : 0x5a);
	launching_end(&s.l);
}

static void sleeping_driver_is_woken(void **state)
{
	struct served s;

	(void)state;
	serve(&s, 0);
	requests_are_answered(&s);
	launching_end(&s.l);
}

static void spinning_driver_needs_no_wake(void **state)
{
	struct served s;

	(void)state;
	serve(&s, UINT64_MAX);
	requests_are_answered(&s);
	assert_int_equal(atomic_load(&s.req.ring->asleep), 0);
	/* The heartbeat of a driver that polls goes on by itself. */
	uint64_t beat = atomic_load(&s.l.chan->heartbeat);
	while (atomic_load(&s.l.chan->heartbeat) < beat + 1000)
		assert_int_equal(waitpid(s.l.pid, NULL, WNOHANG), 0);
	launching_end(&s.l);
}

static void lying_ring_ends_the_driver(void **state)
{
	struct served s;

	(void)state;
	serve(&s, 0);
	ask(&s, 1, RF_BLK_FLUSH, 0, 0);
	answer(&s);
	atomic_store(&s.req.ring->tail, 5000);
	launching_wake(&s.l);
	int status = launching_wait(&s.l);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 81 /* RF_DRIVER_EXIT_RING */);
	launching_end(&s.l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_are_zeroes_and_nothing_else_changes),
		cmocka_unit_test(sleeping_driver_is_woken),
		cmocka_unit_test(spinning_driver_needs_no_wake),
		cmocka_unit_test(lying_ring_ends_the_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
