/* SPDX-License-Identifier: MIT */
/*
 * test_lwip_losses.c - rf-lwip tells a client of a lost cache: until its answer is acknowledged it
 * may die with rf-lwip, so that the news stays owed to whoever comes.
 *
 * Room:   tests/unit. What a successor does with that: test_nbd_losses.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/config/lwip_words.c"
#include "sandbox/lib/packet.c"
#include "sandbox/lib/words.c"

#include "wire_stack.h"
#include "wire_nbd.h"
#include "table.h"

static struct wire_stack s;
static struct wire_conn client;
static const struct rf_table *table; /* what a successor finds */

static const char *const lines[] = {
	"address 10.9.0.2/24",
	"disk ram lwip-tcp *:10809 allow 10.9.0.0/24",
	NULL,
};

static int setup(void **unused)
{
	(void)unused;
	wire_start(&s, lines, false);
	wire_ready(&s, 10809);
	void *p = mmap(NULL, RF_TABLE_USED(1), PROT_READ, MAP_SHARED,
		       s.e.rig.fd[RF_EXPORT_FD_TABLE], 0);
	rig_must(p != MAP_FAILED, "mmap");
	table = p;
	memset(&client, 0, sizeof(client));
	wire_watch(&s.peer, &client, wire_me4, false, 4000, 10809);
	nbd_client(&s, &client);
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	munmap((void *)(uintptr_t)table, RF_TABLE_USED(1));
	return wire_end(&s) ? 0 : -1;
}

static void ask_disk(uint16_t what, uint32_t length)
{
	static uint8_t b[64 + 512];
	uint8_t *p = b + nbd_read(b, 0, length);

	be16_put(b + 6, what);
	wire_say(&s.peer, &client, b, (uint32_t)(p - b) + (what == NBD_CMD_WRITE ? length : 0));
}

static void lose_what_was_written(void)
{
	uint32_t before = client.length, deaths = s.e.deaths;

	ask_disk(NBD_CMD_WRITE, 512);
	assert_true(wire_await(&s.peer, &client, before + 16));
	s.e.lose_cache = 1;
	s.e.die_now = 1;
	while (s.e.deaths == deaths)
		usleep(500);
	while (!table->head.unreported)
		usleep(500);
}

static void await_paid(void)
{
	for (int i = 0; i < WIRE_DEADLINE_MS / 5 && table->head.unreported; i++)
		wire_hear(&s.peer, 5);
	assert_int_equal(table->head.unreported, 0);
}

static void news_stays_owed_until_it_is_acknowledged(void **unused)
{
	(void)unused;
	lose_what_was_written();
	client.mute = true;
	ask_disk(NBD_CMD_FLUSH, 0);
	/* Sent, and sent again: it is TCP's since long. */
	while (client.wild < 2)
		assert_true(wire_hear(&s.peer, WIRE_DEADLINE_MS));
	assert_int_not_equal(table->head.unreported, 0);
	uint32_t before = client.length;
	client.mute = false;
	assert_true(wire_await(&s.peer, &client, before + 16));
	await_paid();
}

/* An answer that is not the last of what was sent is not waited for longer than it takes. */
static void what_is_sent_behind_the_news_changes_nothing(void **unused)
{
	(void)unused;
	lose_what_was_written();
	uint32_t before = client.length;
	ask_disk(NBD_CMD_FLUSH, 0);
	ask_disk(NBD_CMD_READ, 512);
	assert_true(wire_await(&s.peer, &client, before + 16 + 16 + 512));
	await_paid();
	client.mute = true;
	ask_disk(NBD_CMD_READ, 512);
	while (client.wild < 1)
		assert_true(wire_hear(&s.peer, WIRE_DEADLINE_MS));
	assert_int_equal(table->head.unreported, 0);
	client.mute = false;
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(news_stays_owed_until_it_is_acknowledged),
		CASE(what_is_sent_behind_the_news_changes_nothing),
	};

	return cmocka_run_group_tests_name("lwip_losses", tests, NULL, NULL);
}
