/* SPDX-License-Identifier: MIT */
/*
 * test_nbd_losses.c - a reset drops the write cache: every NBD client is told by a flush that
 * fails, whether its connection, or the export itself, lives to see it or not.
 *
 * Room:   tests/unit. Runs build/tests/rf-nbd-asan.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/lib/packet.c"

#define NBD  "build/tests/rf-nbd-asan"
#define DISK (8u << 20)

#include "nbd_bytes.h"

static struct exported *served(void)
{
	struct exported *e = calloc(1, sizeof(*e));

	exported_init(e, DISK);
	exported_serve(e, NBD);
	return e;
}

static void end(struct exported *e)
{
	assert_int_equal(exported_end(e), 0);
	free(e);
}

static void acked_write(int fd)
{
	static const char data[512];

	put_request(fd, 0, NBD_CMD_WRITE, 1, 0, 512);
	put(fd, data, 512);
	assert_int_equal(simple(fd, 1), 0);
}

static uint32_t flush(int fd)
{
	put_request(fd, 0, NBD_CMD_FLUSH, 2, 0, 0);
	return simple(fd, 2);
}

static void lose_cache(struct exported *e)
{
	uint32_t before = e->deaths;

	e->lose_cache = 1;
	e->die_now = 1;
	while (e->deaths == before)
		usleep(500);
}

static void each_client_hears_once_of_a_lost_cache(void **state)
{
	struct exported *e = served();
	int a = transmission(e, false), b = transmission(e, false);

	(void)state;
	acked_write(a);
	lose_cache(e);
	assert_int_equal(flush(a), NBD_EIO);
	assert_int_equal(flush(a), 0);
	assert_int_equal(flush(b), NBD_EIO);
	assert_int_equal(flush(b), 0);
	int late = transmission(e, false);
	assert_int_equal(flush(late), 0);
	close(a);
	close(b);
	close(late);
	end(e);
}

/* It connects again before it asked: nobody knows it by name, so whoever connects is told. */
static void a_client_that_went_away_untold_hears_when_it_comes_back(void **state)
{
	struct exported *e = served();
	int other = transmission(e, false), fd = transmission(e, false);

	(void)state;
	acked_write(fd);
	lose_cache(e);
	assert_int_equal(flush(other), NBD_EIO);
	close(fd);
	/* The server has seen the end of the one before it lets in the next. */
	assert_int_equal(flush(other), 0);
	fd = transmission(e, false);
	assert_int_equal(flush(fd), NBD_EIO);
	assert_int_equal(flush(fd), 0);
	close(fd);
	close(other);
	end(e);
}

/* Waits until the server has seen the end of a connection: slots are looked at in turn. */
static void leave(struct exported *e, int *fd, uint64_t left)
{
	struct rf_stats_service *stats = (void *)e->rig.stats;

	put_request(*fd, 0, NBD_CMD_DISC, 9, 0, 0);
	while (atomic_load(&stats->clients) != left)
		usleep(500);
	close(*fd);
	*fd = -1;
}

/* It left before the loss; another client's flush, failed, must not stand for its own. */
static void a_client_that_left_before_the_loss_hears_when_it_comes_back(void **state)
{
	struct exported *e = served();
	int other = transmission(e, false), fd = transmission(e, false);

	(void)state;
	acked_write(fd);
	leave(e, &fd, 1);
	lose_cache(e);
	fd = transmission(e, false);
	assert_int_equal(flush(other), NBD_EIO);
	assert_int_equal(flush(fd), NBD_EIO);
	assert_int_equal(flush(fd), 0);
	close(fd);
	close(other);
	end(e);
}

static void wait_for_clients(struct exported *e, uint64_t want)
{
	struct rf_stats_service *stats = (void *)e->rig.stats;

	while (atomic_load(&stats->clients) != want)
		usleep(500);
}

/* The answer that told it was sent; it never read that. */
static void a_client_that_left_its_answer_unread_hears_when_it_comes_back(void **state)
{
	struct exported *e = served();
	int other = transmission(e, false), fd = transmission(e, false);
	struct pollfd answer = { .fd = fd, .events = POLLIN };

	(void)state;
	acked_write(fd);
	lose_cache(e);
	put_request(fd, 0, NBD_CMD_FLUSH, 2, 0, 0);
	assert_int_equal(poll(&answer, 1, 60000), 1);
	assert_int_equal(flush(other), NBD_EIO); /* by now it counts as sent */
	close(fd);
	wait_for_clients(e, 1);
	fd = transmission(e, false);
	assert_int_equal(flush(fd), NBD_EIO);
	assert_int_equal(flush(fd), 0);
	close(fd);
	close(other);
	end(e);
}

/* It reads its answer, and then it is gone: for whoever comes then, nothing is left to hear. */
static void one_that_read_its_answer_is_owed_nothing(void **state)
{
	struct exported *e = served();
	int other = transmission(e, false), fd = transmission(e, false);

	(void)state;
	acked_write(fd);
	lose_cache(e);
	assert_int_equal(flush(fd), NBD_EIO);
	assert_int_equal(flush(other), NBD_EIO);
	close(fd);
	wait_for_clients(e, 1);
	fd = transmission(e, false);
	assert_int_equal(flush(fd), 0);
	close(fd);
	close(other);
	end(e);
}

/* Its connection ends with the answer: nobody sees whether it was read. */
static void one_that_sends_no_more_may_not_have_read_its_answer(void **state)
{
	struct exported *e = served();
	int fd = transmission(e, false);

	(void)state;
	acked_write(fd);
	lose_cache(e);
	e->hold = 1;
	put_request(fd, 0, NBD_CMD_FLUSH, 2, 0, 0);
	shutdown(fd, SHUT_WR);
	e->hold = 0;
	assert_int_equal(simple(fd, 2), NBD_EIO);
	close(fd);
	wait_for_clients(e, 0);
	fd = transmission(e, false);
	assert_int_equal(flush(fd), NBD_EIO);
	assert_int_equal(flush(fd), 0);
	close(fd);
	end(e);
}

/* Likewise if everything started anew in between. */
static void one_that_left_hears_from_the_successor_of_its_export(void **state)
{
	struct exported *e = served();
	int other = transmission(e, false), fd = transmission(e, false);

	(void)state;
	acked_write(fd);
	leave(e, &fd, 1);
	lose_cache(e);
	assert_int_equal(flush(other), NBD_EIO);
	for (int i = 0; i < 2; i++) {
		exported_replace(e, NBD);
		close(fd);
		fd = transmission(e, false);
	}
	assert_int_equal(flush(fd), NBD_EIO);
	assert_int_equal(flush(fd), 0);
	close(fd);
	close(other);
	end(e);
}

/* Its writes were flushed by somebody, or it made none: nothing of its own is lost. */
static void a_client_that_left_with_nothing_to_lose_hears_nothing(void **state)
{
	struct exported *e = served();
	int other = transmission(e, false), fd = transmission(e, false),
	    idle = transmission(e, false);

	(void)state;
	acked_write(fd);
	leave(e, &fd, 2);
	assert_int_equal(flush(other), 0);
	leave(e, &idle, 1);
	acked_write(other);
	lose_cache(e);
	fd = transmission(e, false);
	assert_int_equal(flush(fd), 0); /* and takes nobody's news away */
	assert_int_equal(flush(other), NBD_EIO);
	assert_int_equal(flush(other), 0);
	close(fd);
	close(other);
	end(e);
}

static void a_client_of_a_dead_export_hears_from_its_successor(void **state)
{
	struct exported *e = served();
	int told = transmission(e, false), fd = transmission(e, false);

	(void)state;
	acked_write(fd);
	lose_cache(e);
	/* The service has failed one flush, and owes nothing more; one client was not told. */
	assert_int_equal(flush(told), NBD_EIO);
	for (int i = 0; i < 3; i++) {
		exported_replace(e, NBD);
		close(fd);
		fd = transmission(e, false);
		assert_int_equal(flush(fd), NBD_EIO);
		assert_int_equal(flush(fd), 0);
	}
	close(fd);
	close(told);
	end(e);
}

/* Once all were told, nobody is told again, export deaths or not. */
/* Until the disk holds it: a read that sees it was answered after the write was. */
static void wait_for_byte(int fd, char want)
{
	char data[512];

	do {
		put_request(fd, 0, NBD_CMD_READ, 3, 0, sizeof(data));
		assert_int_equal(simple(fd, 3), 0);
		get(fd, data, sizeof(data));
	} while (data[0] != want);
}

/*
 * A write of two parts: the first is done and lost, the second comes after the loss, together
 * with a flush, which tells of it. True: before the write was answered. The next flush: *then.
 */
static bool told_before_a_cut_write(struct exported *e, int fd, int other, char mark,
				    uint16_t flags, uint32_t *then)
{
	static char data[262144];
	uint64_t handle, first = 0;
	unsigned char head[16];

	memset(data, mark, sizeof(data));
	acked_write(other);
	put_request(fd, flags, NBD_CMD_WRITE, 1, 0, 2 * sizeof(data));
	put(fd, data, sizeof(data));
	wait_for_byte(other, mark);
	lose_cache(e);
	e->hold = 1;
	uint32_t taken = e->taken;
	put(fd, data, sizeof(data));
	put_request(fd, 0, NBD_CMD_FLUSH, 2, 0, 0);
	while (e->taken != taken + 2)
		usleep(500);
	e->hold = 0;
	for (unsigned i = 0; i < 2; i++) {
		get(fd, head, sizeof(head));
		handle = be64_get(head + 8);
		assert_int_equal(be32_get(head + 4), handle == 1 ? 0 : NBD_EIO);
		first = first ? first : handle;
	}
	*then = flush(fd);
	return first == 2;
}

static void cut_writes(uint16_t flags)
{
	struct exported *e = served();
	int fd = transmission(e, false), other = transmission(e, false);
	unsigned before = 0, after = 0;
	uint32_t then;

	for (char mark = 1; mark < 120 && (!before || !after); mark++) {
		e->random += (uint32_t)mark; /* its lowest bit would only alternate */
		bool told = told_before_a_cut_write(e, fd, other, mark, flags, &then);
		assert_int_equal(then, told && !flags ? NBD_EIO : 0);
		assert_int_equal(flush(fd), 0);
		assert_int_equal(flush(other), NBD_EIO);
		assert_int_equal(flush(other), 0);
		before += told;
		after += !told;
	}
	assert_true(before && after);
	close(fd);
	close(other);
	end(e);
}

/* What was lost of a write that is answered later is news again, to its own client only. */
static void a_write_answered_after_the_news_of_its_loss_is_told_of_again(void **state)
{
	(void)state;
	cut_writes(0);
}

/* None of it was in the cache. */
static void a_write_with_fua_is_not(void **state)
{
	(void)state;
	cut_writes(NBD_CMD_FLAG_FUA);
}

/* It was begun after the loss, so that nothing of it was lost; its FUA is a flush behind it. */
static void zeroes_with_fua_that_no_loss_touched_are_done(void **state)
{
	struct exported *e = served();
	int fd = transmission(e, false);

	(void)state;
	acked_write(fd);
	e->hold = 1;
	uint32_t taken = e->taken;
	put_request(fd, NBD_CMD_FLAG_FUA, NBD_CMD_WRITE_ZEROES, 1, 4096, 4096);
	while (e->taken == taken)
		usleep(500);
	lose_cache(e);
	e->hold = 0;
	assert_int_equal(simple(fd, 1), 0);
	assert_int_equal(flush(fd), NBD_EIO);
	assert_int_equal(flush(fd), 0);
	close(fd);
	end(e);
}

static void a_loss_all_were_told_of_is_over(void **state)
{
	struct exported *e = served();
	int fd = transmission(e, false);

	(void)state;
	acked_write(fd);
	lose_cache(e);
	assert_int_equal(flush(fd), NBD_EIO);
	assert_int_equal(flush(fd), 0); /* by now the answer before it was sent */
	exported_replace(e, NBD);
	close(fd);
	fd = transmission(e, false);
	assert_int_equal(flush(fd), 0);
	close(fd);
	end(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_client_hears_once_of_a_lost_cache),
		cmocka_unit_test(a_client_that_went_away_untold_hears_when_it_comes_back),
		cmocka_unit_test(a_client_that_left_before_the_loss_hears_when_it_comes_back),
		cmocka_unit_test(a_client_that_left_its_answer_unread_hears_when_it_comes_back),
		cmocka_unit_test(one_that_read_its_answer_is_owed_nothing),
		cmocka_unit_test(one_that_sends_no_more_may_not_have_read_its_answer),
		cmocka_unit_test(one_that_left_hears_from_the_successor_of_its_export),
		cmocka_unit_test(a_client_that_left_with_nothing_to_lose_hears_nothing),
		cmocka_unit_test(a_client_of_a_dead_export_hears_from_its_successor),
		cmocka_unit_test(a_write_answered_after_the_news_of_its_loss_is_told_of_again),
		cmocka_unit_test(a_write_with_fua_is_not),
		cmocka_unit_test(zeroes_with_fua_that_no_loss_touched_are_done),
		cmocka_unit_test(a_loss_all_were_told_of_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
