/* SPDX-License-Identifier: MIT */
/*
 * test_limit.c - `limit` and `client-limit`: what passes in a time, and in which turns, counted
 * by a clock of the test's own.
 *
 * Room:   tests/unit. limit.c between clients that always have another request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "sandbox/export/nbd/limit.c"

static struct nbd_server srv;
static struct rf_export_config config;
static struct rf_stats_service stats;
static struct nbd_cmd cmds[NBD_SLOTS];
static uint64_t now_ns;
static uint64_t passed[NBD_SLOTS], left[NBD_SLOTS]; /* requests */
static char order[64];  /* of clients: a, b, c ... */
static size_t ordered;

uint64_t rf_now_ns(void)
{
	return now_ns;
}

const struct rf_export_config *rf_blk_config(const struct rf_blk *s)
{
	(void)s;
	return &config;
}

struct rf_stats_service *rf_blk_stats(struct rf_blk *s)
{
	(void)s;
	return &stats;
}

static size_t number(const struct nbd_conn *c)
{
	return (size_t)(c - srv.conns);
}

static void pass(struct nbd_conn *c)
{
	passed[number(c)]++;
	left[number(c)]--;
	if (ordered < sizeof(order) - 1)
		order[ordered++] = (char)('a' + number(c));
}

/* What a connection does: one request after the other, until one has to wait. */
static void ask_on(struct nbd_conn *c)
{
	while (left[number(c)] && nbd_limit_admits(c->cmd))
		pass(c);
}

/* As server.c has it. */
static void turn(void)
{
	struct nbd_conn *c;

	while ((c = nbd_limits_next(&srv))) {
		pass(c);
		ask_on(c);
	}
}

static struct nbd_conn *client(size_t i, uint8_t op, uint32_t length, uint64_t requests)
{
	struct nbd_conn *c = &srv.conns[i];

	c->server = &srv;
	c->cmd = &cmds[i];
	cmds[i] = (struct nbd_cmd){ .conn = c, .op = op, .length = length };
	left[i] = requests;
	nbd_limit_join(c);
	ask_on(c);
	return c;
}

static int begin(void **state)
{
	(void)state;
	memset(&srv, 0, sizeof(srv));
	memset(&config, 0, sizeof(config));
	memset(&stats, 0, sizeof(stats));
	memset(passed, 0, sizeof(passed));
	memset(left, 0, sizeof(left));
	memset(order, 0, sizeof(order));
	ordered = 0;
	now_ns = 1000000000;
	return 0;
}

static struct rf_rate rate_of(uint64_t rate, uint64_t burst)
{
	return (struct rf_rate){ rate, burst };
}

/* Turns, each after the time that the loop would have slept. */
static void run_until(uint64_t end_ns)
{
	while (now_ns < end_ns) {
		int ms = nbd_limits_patience(&srv);

		if (ms < 0) { /* nobody waits */
			now_ns = end_ns;
			return;
		}
		assert_true(ms > 0);
		now_ns += (uint64_t)ms * 1000000;
		turn();
	}
}

static void without_a_limit_all_passes(void **state)
{
	(void)state;
	nbd_limits_open(&srv);
	client(0, RF_BLK_READ, 4096, 100000);
	assert_int_equal(passed[0], 100000);
	assert_int_equal(nbd_limits_patience(&srv), -1);
	assert_int_equal(stats.throttled, 0);
}

/* The burst at once, and then the rate: to the request, at any rate. */
static void requests_pass_at_their_rate(void **state)
{
	static const struct rf_rate rates[] = { { 1, 1 }, { 7, 3 }, { 1000, 10 }, { 4567, 100 },
						{ 1000000, 10000 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		begin(NULL);
		config.limit.requests = rates[i];
		nbd_limits_open(&srv);
		client(0, RF_BLK_READ, 512, 1ull << 40);
		assert_int_equal(passed[0], rates[i].burst);
		uint64_t from = now_ns;
		run_until(now_ns + 10000000000ull);
		uint64_t most = rates[i].burst + rates[i].rate * (now_ns - from) / 1000000000;
		assert_int_equal(passed[0], most);
		assert_in_range(stats.throttled, 1, passed[0] - rates[i].burst);
	}
}

static void bytes_pass_at_their_rate(void **state)
{
	(void)state;
	config.limit.bytes = rate_of(10 << 20, 1 << 20);
	nbd_limits_open(&srv);
	client(0, RF_BLK_WRITE, 65536, 1ull << 40);
	assert_int_equal(passed[0], 16);
	uint64_t from = now_ns;
	run_until(now_ns + 5000000000ull);
	assert_int_equal(passed[0], 16 + (now_ns - from) * 160 / 1000000000);
}

/* A request larger than the whole bucket passes when that is full, and owes the rest. */
static void the_largest_request_passes_too(void **state)
{
	(void)state;
	config.limit.bytes = rate_of(1 << 20, 1 << 16);
	nbd_limits_open(&srv);
	client(0, RF_BLK_READ, 32 << 20, 3);
	assert_int_equal(passed[0], 1);
	run_until(now_ns + 31000000000ull);
	assert_int_equal(passed[0], 1);
	run_until(now_ns + 1100000000ull);
	assert_int_equal(passed[0], 2);
	run_until(now_ns + 32000000000ull);
	assert_int_equal(passed[0], 3);
	assert_int_equal(nbd_limits_patience(&srv), -1);
}

/* What nobody asked for while idle is not saved up beyond the burst. */
static void an_idle_hour_is_worth_one_burst(void **state)
{
	(void)state;
	config.limit.requests = rate_of(100, 10);
	nbd_limits_open(&srv);
	client(0, RF_BLK_READ, 512, 10);
	assert_int_equal(nbd_limits_patience(&srv), -1); /* and nobody is woken for it */
	now_ns += 3600000000000ull;
	client(1, RF_BLK_READ, 512, 5);
	now_ns += 3600000000000ull; /* half of it is there */
	client(2, RF_BLK_READ, 512, 1000);
	assert_int_equal(passed[2], 10);
	turn();
	assert_int_equal(passed[2], 10);
}

/* One with a thousand waiting, one with one, which came last: it has the next turn but one. */
static void clients_take_turns(void **state)
{
	(void)state;
	config.limit.requests = rate_of(100, 1);
	nbd_limits_open(&srv);
	client(0, RF_BLK_READ, 4096, 1000);
	client(1, RF_BLK_READ, 4096, 1);
	client(2, RF_BLK_WRITE, 4096, 1000);
	run_until(now_ns + 60000000);
	order[7] = '\0';
	assert_string_equal(order, "aabcaca");
}

/* A large one at the head is not overtaken for ever by small ones. */
static void small_ones_do_not_starve_a_large_one(void **state)
{
	(void)state;
	config.limit.bytes = rate_of(1 << 20, 1 << 20);
	nbd_limits_open(&srv);
	client(0, RF_BLK_READ, 4096, 1000000);
	client(1, RF_BLK_READ, 1 << 20, 1);
	run_until(now_ns + 1100000000ull);
	assert_int_equal(passed[1], 1);
}

/* Who has used up its own lets others pass. */
static void a_client_has_its_own_limit(void **state)
{
	(void)state;
	config.limit.requests = rate_of(1000, 100);
	config.client_limit.requests = rate_of(10, 5);
	nbd_limits_open(&srv);
	client(0, RF_BLK_READ, 4096, 1000);
	assert_int_equal(passed[0], 5);
	client(1, RF_BLK_READ, 4096, 6);
	turn(); /* it had to queue, behind one that waits for itself */
	assert_int_equal(passed[1], 5);
	run_until(now_ns + 1000000000);
	assert_int_equal(passed[0], 15);
	assert_int_equal(passed[1], 6);
}

static void a_flush_is_free(void **state)
{
	(void)state;
	config.limit.requests = config.client_limit.requests = rate_of(1, 1);
	nbd_limits_open(&srv);
	client(0, RF_BLK_WRITE, 4096, 100);
	assert_int_equal(passed[0], 1);
	client(1, RF_BLK_FLUSH, 0, 1000);
	assert_int_equal(passed[1], 1000);
	assert_int_equal(passed[0], 1);
}

/* Of requests without data only the number counts. */
static void a_discard_has_no_bytes(void **state)
{
	(void)state;
	config.limit.bytes = rate_of(4096, 4096);
	nbd_limits_open(&srv);
	client(0, RF_BLK_DISCARD, 1u << 30, 1000);
	client(1, RF_BLK_ZERO, 1u << 30, 1000);
	assert_int_equal(passed[0] + passed[1], 2000);
}

/* Whoever ends while it waits leaves the queue whole: at its head, in it, at its end. */
static void who_ends_leaves_the_queue_whole(void **state)
{
	(void)state;
	for (size_t gone = 0; gone < 3; gone++) {
		begin(NULL);
		config.limit.requests = rate_of(100, 1);
		nbd_limits_open(&srv);
		for (size_t i = 0; i < 3; i++)
			client(i, RF_BLK_READ, 4096, i ? 1 : 2);
		nbd_limit_leave(&srv.conns[gone]);
		nbd_limit_leave(&srv.conns[gone]); /* it waits no more */
		client(3, RF_BLK_READ, 4096, 1);
		now_ns += 100000000;
		turn();
		now_ns += 100000000;
		turn();
		now_ns += 100000000;
		turn();
		for (size_t i = 0; i < 4; i++)
			assert_int_equal(passed[i], i == gone ? !i : i ? 1 : 2);
		assert_int_equal(nbd_limits_patience(&srv), -1);
	}
}

/* Numbers at the edge of what a configuration may say. */
static void the_largest_numbers_do_not_overflow(void **state)
{
	(void)state;
	config.limit.bytes = rate_of(RF_RATE_MOST, RF_RATE_MOST);
	config.client_limit.bytes = rate_of(4096, RF_RATE_MOST);
	nbd_limits_open(&srv);
	client(0, RF_BLK_READ, 32 << 20, 1u << 15);
	assert_int_equal(passed[0], 1u << 15);
	now_ns = UINT64_MAX / 2; /* centuries later */
	client(1, RF_BLK_READ, 32 << 20, 1u << 15);
	assert_int_equal(passed[1], 1u << 15);
}

static void how_long_they_waited_is_told(void **state)
{
	(void)state;
	config.limit.requests = rate_of(10, 1);
	nbd_limits_open(&srv);
	client(0, RF_BLK_READ, 4096, 3);
	run_until(now_ns + 200000000);
	assert_int_equal(stats.throttled, 2);
	assert_int_equal(stats.throttled_ns, 200000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(without_a_limit_all_passes, begin),
		cmocka_unit_test_setup(requests_pass_at_their_rate, begin),
		cmocka_unit_test_setup(bytes_pass_at_their_rate, begin),
		cmocka_unit_test_setup(the_largest_request_passes_too, begin),
		cmocka_unit_test_setup(an_idle_hour_is_worth_one_burst, begin),
		cmocka_unit_test_setup(clients_take_turns, begin),
		cmocka_unit_test_setup(small_ones_do_not_starve_a_large_one, begin),
		cmocka_unit_test_setup(a_client_has_its_own_limit, begin),
		cmocka_unit_test_setup(a_flush_is_free, begin),
		cmocka_unit_test_setup(a_discard_has_no_bytes, begin),
		cmocka_unit_test_setup(who_ends_leaves_the_queue_whole, begin),
		cmocka_unit_test_setup(the_largest_numbers_do_not_overflow, begin),
		cmocka_unit_test_setup(how_long_they_waited_is_told, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
