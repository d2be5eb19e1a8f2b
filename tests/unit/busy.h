/* SPDX-License-Identifier: MIT */
/*
 * busy.h - an export's own loop inside a test, on a clock of the test's: what it asks of the
 * service is answered here.
 *
 * Room:   tests/unit. Included ahead of the program's source.
 */
#ifndef RF_TEST_BUSY_H
#define RF_TEST_BUSY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/libringfence/housekeeping.c"
#include "sandbox/proto/export.h"
#include "lock.h"

#define MS 1000000ull
/* Of the 2 s that an export which does not answer is given. */
#define ANSWERS_IN (100 * MS)

static struct {
	uint64_t now, looked, longest; /* longest: between two looks at the messages */
	uint64_t ticked, unwatched;    /* the same of looks at the driver */
	uint64_t end;
	jmp_buf  over;
} fake;

uint64_t rf_now_ns(void)
{
	return fake.now;
}

int rf_service_lock(const char *name)
{
	(void)name;
	return 0;
}

/* Time goes by; the loop is left once that was enough of it. */
static void busy_for(uint64_t ns)
{
	fake.now += ns;
	if (fake.now >= fake.end)
		longjmp(fake.over, 1);
}

static int busy_control(void)
{
	if (fake.now - fake.looked > fake.longest)
		fake.longest = fake.now - fake.looked;
	fake.looked = fake.now;
	return 0;
}

static void busy_tick(void)
{
	if (fake.now - fake.ticked > fake.unwatched)
		fake.unwatched = fake.now - fake.ticked;
	fake.ticked = fake.now;
}

/* Runs `loop` for 3 s of that clock: it looks at messages and driver all along. */
static void looks_in_time(void (*loop)(void))
{
	fake.now = fake.looked = fake.ticked = 1000 * MS;
	fake.end = fake.now + 3000 * MS;
	fake.longest = fake.unwatched = 0;
	if (!setjmp(fake.over)) {
		loop();
		fail_msg("the loop has an end");
	}
	(void)busy_control();
	busy_tick();
	assert_true(fake.longest <= ANSWERS_IN);
	assert_true(fake.unwatched <= ANSWERS_IN);
}

#endif
