/* SPDX-License-Identifier: MIT */
/*
 * test_oracle_told.c - the oracle's judgement of flushes that fail: which of them are news to a
 * client, and which accuse the server.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/oracle/book.c"

void fail(const char *format, ...)
{
	(void)format;
	abort();
}

void conn_dial(struct load *l, struct conn *c) { (void)l, (void)c; }
void conn_turn(struct load *l, struct conn *c, short revents) { (void)l, (void)c, (void)revents; }
void conn_put(struct load *l, struct conn *c, struct op *op) { (void)l, (void)c, (void)op; }
void conn_broken(struct load *l, struct conn *c, bool ours) { (void)l, (void)c, (void)ours; }
void conn_flush_out(struct load *l, struct conn *c) { (void)l, (void)c; }

#include "tests/oracle/load.c"

#include <cmocka.h>

static struct load l;
static struct hazards hazards;
static struct conn *client;

static int setup(void **state)
{
	static const struct options options = { .seed = 1, .block = 512, .blocks = 64, .conns = 1,
						.cached = true };

	(void)state;
	atomic_store(&hazards.begun, 1);
	atomic_store(&hazards.ended, 1);
	load_open(&l, &options, &hazards);
	l.book.violations = 10; /* said already */
	client = &l.conn[0];
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < l.o.blocks; i++)
		free(l.book.block[i].version);
	free(l.book.block);
	free(client->in);
	free(client->out);
	return 0;
}

static void cache_may_be_lost(void)
{
	atomic_fetch_add(&hazards.begun, 1);
	atomic_fetch_add(&hazards.ended, 1);
}

static struct op *asks(enum kind kind)
{
	struct op *op = free_op(client);

	*op = (struct op){ .kind = kind, .blocks = kind == FLUSH ? 0 : 1 };
	put(&l, client, op);
	return op;
}

static void reads(struct op *op, uint32_t error)
{
	book_now(&l.book);
	load_answered(&l, client, op, error);
	*op = (struct op){ 0 };
	client->busy--;
}

static unsigned violations(void)
{
	return (unsigned)l.book.violations - 10;
}

static void a_loss_is_news_once(void **state)
{
	(void)state;
	reads(asks(FLUSH), NBD_EIO);
	assert_int_equal(violations(), 1); /* nothing happened yet */
	cache_may_be_lost();
	reads(asks(FLUSH), NBD_EIO);
	assert_int_equal(violations(), 1);
	reads(asks(FLUSH), 0);
	reads(asks(FLUSH), NBD_EIO);
	assert_int_equal(violations(), 2);
}

/* The answer was sent before the next loss, and read behind it by a client that paused. */
static void an_answer_that_lay_unread_over_the_next_loss_tells_of_one(void **state)
{
	(void)state;
	cache_may_be_lost();
	struct op *first = asks(FLUSH);
	cache_may_be_lost();
	reads(first, NBD_EIO);
	reads(asks(FLUSH), NBD_EIO);
	assert_int_equal(violations(), 0);
	reads(asks(FLUSH), NBD_EIO);
	assert_int_equal(violations(), 1);
}

static void one_that_came_during_a_loss_tells_of_nothing_for_sure(void **state)
{
	(void)state;
	cache_may_be_lost();
	atomic_fetch_add(&hazards.begun, 1);
	reads(asks(FLUSH), NBD_EIO);
	reads(asks(FLUSH), NBD_EIO);
	atomic_fetch_add(&hazards.ended, 1);
	reads(asks(FLUSH), NBD_EIO);
	assert_int_equal(violations(), 0);
	reads(asks(FLUSH), NBD_EIO);
	assert_int_equal(violations(), 1);
}

static void flushes_that_were_asked_for_together_fail_together(void **state)
{
	(void)state;
	cache_may_be_lost();
	struct op *first = asks(FLUSH), *second = asks(FLUSH);
	reads(first, NBD_EIO);
	reads(second, NBD_EIO);
	assert_int_equal(violations(), 0);
}

static void a_change_under_way_may_be_news_once_more(void **state)
{
	(void)state;
	cache_may_be_lost();
	struct op *cut = asks(WRITE);
	reads(asks(FLUSH), NBD_EIO);
	reads(cut, 0);
	reads(asks(FLUSH), NBD_EIO);
	assert_int_equal(violations(), 0);
	reads(asks(FLUSH), NBD_EIO);
	assert_int_equal(violations(), 1);
}

static unsigned unbidden; /* losses that no hazard explains */

static bool lost_by_itself(const struct options *o, struct hazards *h)
{
	(void)o;
	if (!unbidden)
		return false;
	unbidden--;
	atomic_fetch_add(&h->begun, 1);
	atomic_fetch_add(&h->ended, 1);
	return true;
}

static void a_device_may_lose_its_cache_before_anybody_does_anything(void **state)
{
	(void)state;
	l.book.lost = lost_by_itself;
	unbidden = 1;
	reads(asks(FLUSH), NBD_EIO);
	reads(asks(FLUSH), NBD_EIO); /* the first was asked for when nobody knew of the loss */
	assert_int_equal(violations(), 0);
	reads(asks(FLUSH), NBD_EIO);
	assert_int_equal(violations(), 1);
	unbidden = 1;
	reads(asks(FLUSH), NBD_EIO);
	assert_int_equal(violations(), 1);
}

int main(void)
{
#define ONE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ONE(a_loss_is_news_once),
		ONE(an_answer_that_lay_unread_over_the_next_loss_tells_of_one),
		ONE(one_that_came_during_a_loss_tells_of_nothing_for_sure),
		ONE(flushes_that_were_asked_for_together_fail_together),
		ONE(a_change_under_way_may_be_news_once_more),
		ONE(a_device_may_lose_its_cache_before_anybody_does_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
