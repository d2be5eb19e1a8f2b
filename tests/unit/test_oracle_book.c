/* SPDX-License-Identifier: MIT */
/*
 * test_oracle_book.c - the oracle's book: short histories of one block, each with what may be
 * read at its end and what may not.
 *
 * Room:   tests/unit. A book that allows too little accuses the honest, one that allows too
 *         much accuses nobody.
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

#include <cmocka.h>

#define AT 7u /* the block */

static struct options options;
static struct hazards hazards;
static struct book    book;

static void begin(bool cached)
{
	options = (struct options){ .seed = 1, .block = 512, .blocks = 64, .cached = cached };
	atomic_store(&hazards.begun, 1);
	atomic_store(&hazards.ended, 1);
	book_open(&book, &options, &hazards);
	/* Violations are what is asked for here: ten were said already. */
	book.violations = 10;
}

static void end(void)
{
	for (uint32_t i = 0; i < options.blocks; i++)
		free(book.block[i].version);
	free(book.block);
}

static struct op asked(enum kind kind, unsigned client, uint64_t life)
{
	struct op op = { .kind = kind, .block = AT, .blocks = 1, .id = ++book.serial, .life = life,
			 .asked = book_now(&book) };

	book_asked(&book, &op, client);
	return op;
}

static void answered(const struct op *op)
{
	book_now(&book);
	book_answered(&book, op);
}

static struct op written(unsigned client)
{
	struct op op = asked(WRITE, client, client);

	answered(&op);
	return op;
}

static void flushed(unsigned client)
{
	uint64_t at = book_now(&book);

	book_now(&book);
	book_flushed(&book, client, at);
}

/* May a read that was asked for see this request's data? NULL: zeroes. */
static bool sees(const struct op *read, const struct op *what)
{
	unsigned char data[512] = { 0 };

	if (what)
		block_fill(&book, data, AT, what->id);
	book_now(&book);
	return book_read(&book, read, data);
}

static bool readable(const struct op *what)
{
	struct op r = asked(READ, 9, 9);

	return sees(&r, what);
}

static void hazard(void)
{
	atomic_fetch_add(&hazards.begun, 1);
	atomic_store(&hazards.ended, atomic_load(&hazards.begun));
}

/* ---- order ------------------------------------------------------------------------------ */

static void what_was_overwritten_is_gone(void **state)
{
	(void)state;
	begin(true);
	assert_true(readable(NULL));
	struct op a = written(1), b = written(2);
	assert_false(readable(NULL));
	assert_false(readable(&a));
	assert_true(readable(&b));
	struct op never = { .id = 999 };
	assert_false(readable(&never));
	end();
}

static void requests_under_way_have_no_order_but_a_connections_own(void **state)
{
	(void)state;
	begin(true);
	struct op a = asked(WRITE, 1, 1), b = asked(WRITE, 2, 2), r = asked(READ, 3, 3);
	assert_true(sees(&r, NULL));
	r = asked(READ, 3, 3);
	assert_true(sees(&r, &b));
	answered(&a);
	answered(&b);
	assert_true(readable(&a)); /* after b: both were under way */
	end();
	begin(true);
	a = asked(WRITE, 1, 1);
	b = asked(WRITE, 1, 1);
	r = asked(READ, 1, 1);
	answered(&a);
	answered(&b);
	assert_false(sees(&r, NULL)); /* asked before it on its own connection */
	assert_false(readable(&a));
	assert_true(readable(&b));
	end();
}

/* Two writes under way together: once a read saw one over the other, there is no way back. */
static void what_was_seen_is_seen(void **state)
{
	(void)state;
	begin(true);
	struct op a = asked(WRITE, 1, 1), b = asked(WRITE, 2, 2);
	assert_true(readable(&a));
	assert_false(readable(NULL));
	answered(&a);
	answered(&b);
	struct op beside = asked(READ, 4, 4);
	assert_true(readable(&b));
	assert_true(sees(&beside, &a)); /* asked before the other was answered */
	assert_false(readable(&a));
	end();
}

static void a_read_under_way_may_see_either(void **state)
{
	(void)state;
	begin(true);
	struct op a = written(1), r = asked(READ, 3, 3), b = written(2);
	assert_true(sees(&r, &a));
	r = asked(READ, 3, 3);
	assert_true(sees(&r, &b));
	end();
}

/* ---- losses ----------------------------------------------------------------------------- */

static void only_what_was_not_promised_may_be_lost(void **state)
{
	(void)state;
	begin(true);
	struct op a = written(1);
	flushed(1);
	struct op b = written(1);
	hazard();
	assert_true(readable(&b));
	assert_true(readable(&a));
	assert_false(readable(NULL));
	flushed(1); /* went well: nothing was lost, or it would have failed */
	assert_false(readable(&a));
	end();
	begin(false); /* without a cache an answer is a promise */
	a = written(1);
	b = written(1);
	hazard();
	assert_false(readable(&a));
	end();
}

static void fua_promises_its_own_write(void **state)
{
	(void)state;
	begin(true);
	struct op a = written(1), b = asked(WRITE, 2, 2);
	b.fua = true;
	answered(&b);
	hazard();
	assert_false(readable(&a));
	assert_true(readable(&b));
	end();
}

static void a_flush_that_failed_is_news_to_its_client(void **state)
{
	(void)state;
	begin(true);
	struct op a = written(1);
	flushed(1);
	struct op b = written(1);
	hazard();
	book_void(&book, 1);
	flushed(1); /* the next one: covers nothing it was told may be gone */
	assert_true(readable(&a));
	end();
	begin(true);
	a = written(1);
	flushed(1);
	b = written(1);
	hazard();
	book_void(&book, 2); /* somebody else's news */
	flushed(1);
	assert_false(readable(&a));
	assert_true(readable(&b));
	end();
}

static void anothers_flush_covers_what_nothing_can_have_taken(void **state)
{
	(void)state;
	begin(true);
	struct op a = written(1);
	flushed(2);
	hazard();
	assert_false(readable(NULL));
	struct op b = written(1);
	hazard();
	flushed(2); /* the loss is told to client 1 alone */
	assert_true(readable(&a));
	assert_true(readable(&b));
	end();
}

/* Its answer may have been sent before the loss, or a part of it been done; its own client's flush
 * promises it all the same. */
static void a_write_that_was_under_way_at_a_loss_is_not_taken_for_kept(void **state)
{
	(void)state;
	for (unsigned own = 0; own < 2; own++) {
		begin(true);
		struct op w = asked(WRITE, 1, 1), r = asked(READ, 9, 9);
		hazard();
		assert_true(sees(&r, &w)); /* perhaps before it */
		answered(&w);
		assert_true(readable(NULL));
		flushed(own ? 1 : 2);
		assert_int_equal(readable(NULL), !own);
		end();
	}
}

/* ---- deaths and disappearances ---------------------------------------------------------- */

static void what_a_dead_server_left_comes_before_the_next_or_never(void **state)
{
	(void)state;
	begin(true);
	struct op a = asked(WRITE, 1, 1);
	book_ended(&book, 5, book_now(&book));
	assert_true(readable(NULL));
	struct op b = asked(WRITE, 2, 6);
	answered(&b);
	assert_false(readable(&a)); /* late */
	end();
	begin(true);
	a = asked(WRITE, 1, 1);
	b = asked(WRITE, 2, 6);
	answered(&b);
	assert_true(readable(&a)); /* of one that vanished: any time */
	end();
}

static void what_was_not_sent_is_never_there(void **state)
{
	(void)state;
	begin(true);
	struct op a = asked(WRITE, 1, 1);
	book_unsent(&book, &a, 0);
	assert_false(readable(&a));
	assert_true(readable(NULL));
	end();
}

static void a_trim_may_do_nothing(void **state)
{
	(void)state;
	begin(true);
	struct op a = written(1), t = asked(TRIM, 1, 1);
	answered(&t);
	assert_true(readable(&a));
	assert_true(readable(NULL));
	struct op z = asked(ZERO, 1, 1);
	answered(&z);
	assert_false(readable(&a));
	assert_true(readable(NULL));
	end();
}

static void damage_is_seen(void **state)
{
	unsigned char data[512];
	struct op r;

	(void)state;
	begin(true);
	struct op a = written(1);
	r = asked(READ, 9, 9);
	block_fill(&book, data, AT + 1, a.id);
	assert_false(book_read(&book, &r, data));
	block_fill(&book, data, AT, a.id);
	memset(data + 256, 0, 256);
	assert_false(book_read(&book, &r, data));
	block_fill(&book, data, AT, a.id);
	assert_true(book_read(&book, &r, data));
	end();
}

/* Long histories stay short, and forgetting changes no verdict. */
static void old_versions_are_forgotten(void **state)
{
	(void)state;
	begin(true);
	struct op first = written(1), last = first;
	for (unsigned i = 0; i < 1000; i++) {
		last = written(1 + i % 3);
		if (i % 5 == 0)
			for (unsigned c = 1; c < 4; c++)
				flushed(c);
	}
	assert_in_range(book.block[AT].count, 1, 16);
	assert_false(readable(&first));
	assert_false(readable(NULL));
	assert_true(readable(&last));
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_overwritten_is_gone),
		cmocka_unit_test(requests_under_way_have_no_order_but_a_connections_own),
		cmocka_unit_test(what_was_seen_is_seen),
		cmocka_unit_test(a_read_under_way_may_see_either),
		cmocka_unit_test(only_what_was_not_promised_may_be_lost),
		cmocka_unit_test(fua_promises_its_own_write),
		cmocka_unit_test(a_flush_that_failed_is_news_to_its_client),
		cmocka_unit_test(anothers_flush_covers_what_nothing_can_have_taken),
		cmocka_unit_test(a_write_that_was_under_way_at_a_loss_is_not_taken_for_kept),
		cmocka_unit_test(what_a_dead_server_left_comes_before_the_next_or_never),
		cmocka_unit_test(what_was_not_sent_is_never_there),
		cmocka_unit_test(a_trim_may_do_nothing),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(old_versions_are_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
