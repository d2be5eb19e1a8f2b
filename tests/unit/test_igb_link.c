/* SPDX-License-Identifier: MIT */
/*
 * test_igb_link.c - the 82576's admin plane and its PHY: a link that comes by itself is waited
 * for, one that waits to be asked for is asked for.
 *
 * Room:   tests/unit. The admin plane's own sources on a register file and a PHY of ours, in a
 *         time of ours: it goes on as somebody waits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <poll.h>

#include "clock.h"
#include "log.h"

static uint64_t clock_ns;

uint64_t rf_now_ns(void)
{
	return clock_ns += 1000;
}

static int time_goes_on(const struct timespec *t)
{
	clock_ns += (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
	return 0;
}

/* Also in what a header does. */
#define ppoll(fds, count, t, mask) ((void)(fds), (void)(count), time_goes_on(t))
#include "device.h"
#include "sandbox/device/admin/intel_nic.c"
#include "sandbox/device/core/bar.c"
#include "sandbox/device/admin/igb_admin.c"
#undef ppoll

void rf_log(const char *fmt, ...)
{
	(void)fmt;
}

void rf_die(int code, const char *fmt, ...)
{
	fprintf(stderr, "died with %d: %s\n", code, fmt);
	abort();
}

int config_bus_master(struct rf_device *d, bool on)
{
	(void)d;
	(void)on;
	return 0;
}

int irq_vector(struct rf_device *d, uint32_t queue, unsigned half)
{
	(void)queue;
	(void)d;
	return (int)half;
}

int doorbell_open(struct rf_device *d)
{
	(void)d;
	return 0;
}

/* ---- the adapter ------------------------------------------------------------------------- */

#define NEGOTIATION_NS 500000000ull

static struct {
	uint32_t reg[0x10000 / 4];
	uint64_t link_ns;     /* when it comes; ~0: not by itself */
	unsigned restarts;    /* of the negotiation */
	bool     keeps_link;  /* its PHY, over a reset of the adapter */
	/* as QEMU's: a reset takes the MAC's link, and the PHY says it has one */
	bool     waits;
	bool     off;         /* until it is told to negotiate */
	bool     answers;
} phy;

static bool has_link(void)
{
	return clock_ns >= phy.link_ns;
}

static void adapter_reset(void)
{
	memset(phy.reg, 0, sizeof(phy.reg));
	phy.reg[INTEL_RAL(0) / 4] = 0x12005452;
	phy.reg[INTEL_RAH(0) / 4] = INTEL_RAH_AV | 0x5634;
	if (!phy.keeps_link)
		phy.link_ns = phy.waits || phy.off ? ~0ull : clock_ns + NEGOTIATION_NS;
}

static void mdic(uint32_t value)
{
	uint32_t status = phy.waits && phy.link_ns == ~0ull ? IGB_PHY_LINK :
			  has_link()                        ? IGB_PHY_LINK :
							      0;

	if (!phy.answers)
		return;
	if (value == IGB_MDIC_WRITE(IGB_PHY_CONTROL, IGB_PHY_AUTONEG)) {
		phy.restarts++;
		phy.link_ns = clock_ns + NEGOTIATION_NS;
	} else if ((value & ~0xffffu) == IGB_MDIC_READ(IGB_PHY_STATUS)) {
		value = (value & ~0xffffu) | status;
	}
	phy.reg[IGB_MDIC / 4] = value | IGB_MDIC_READY;
}

static int adapter_read(struct rf_device *d, uint32_t bar, uint64_t offset, void *to,
			uint32_t bytes)
{
	(void)d;
	assert_true(!bar && bytes == 4);
	uint32_t value = phy.reg[offset / 4];
	if (offset == INTEL_STATUS)
		value = has_link() ? INTEL_STATUS_LU : 0;
	memcpy(to, &value, 4);
	return 0;
}

static int adapter_write(struct rf_device *d, uint32_t bar, uint64_t offset, const void *from,
			 uint32_t bytes)
{
	uint32_t value;

	(void)d;
	assert_true(!bar && bytes == 4);
	memcpy(&value, from, 4);
	if (offset == INTEL_CTRL && value & INTEL_CTRL_RST) {
		adapter_reset();
		value &= ~INTEL_CTRL_RST;
	}
	phy.reg[offset / 4] = value;
	if (offset == IGB_MDIC)
		mdic(value);
	return 0;
}

static const struct rf_backend_ops adapter = { .bar_read = adapter_read,
					       .bar_write = adapter_write };

static struct rf_device *begin(void)
{
	static struct rf_device d;

	memset(&phy, 0, sizeof(phy));
	phy.answers = true;
	clock_ns = 0;
	link_missed_ns = 0;
	memset(&d, 0, sizeof(d));
	d.backend = &adapter;
	d.user = (void *)&d; /* not really: so that registers are reached by the back end */
	d.label = "nic0";
	d.bar[0].bytes = 0x20000;
	d.cfg.queue_entries = 256;
	d.cfg.queue_bytes = 1 << 20;
	d.cfg.queues = 1;
	phy.link_ns = NEGOTIATION_NS;
	return &d;
}

/* Looks as link.c does, five times a second, until there is one: after so many ms, ~0: never. */
static uint64_t link_after_ms(struct rf_device *d)
{
	uint64_t from = clock_ns;

	for (int looks = 0; looks < 100; looks++) {
		if (igb_link(d) == RF_NET_LINK_UP)
			return (clock_ns - from) / 1000000;
		clock_ns += 200000000;
	}
	return ~0ull;
}

static void a_link_on_its_way_is_waited_for(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	assert_int_equal(igb_identify(d), 0);
	assert_int_equal(d->net.link, RF_NET_LINK_UP);
	for (unsigned start = 0; start < 3; start++) {
		assert_int_equal(igb_enable(d, start & 1), 0);
		assert_in_range(link_after_ms(d), 300, 700);
	}
	assert_int_equal(phy.restarts, 0);
}

static void a_link_that_was_kept_is_left_alone(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	phy.keeps_link = true;
	phy.link_ns = 0;
	assert_int_equal(igb_identify(d), 0);
	assert_int_equal(igb_enable(d, 0), 0);
	assert_int_equal(link_after_ms(d), 0);
	assert_int_equal(phy.restarts, 0);
}

/* Once for each reset, and not again while that goes on. */
static void a_phy_that_waits_is_told(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	phy.waits = true;
	phy.link_ns = ~0ull;
	assert_int_equal(igb_identify(d), 0);
	assert_int_equal(d->net.link, RF_NET_LINK_UP);
	assert_int_equal(phy.restarts, 1);
	assert_int_equal(igb_enable(d, 1), 0);
	assert_in_range(link_after_ms(d), 300, 700);
	assert_int_equal(phy.restarts, 2);
}

static void a_phy_that_was_off_is_told_after_a_while(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	phy.off = true;
	phy.link_ns = ~0ull;
	assert_int_equal(igb_identify(d), 0);
	assert_int_equal(d->net.link, RF_NET_LINK_DOWN);
	assert_int_equal(igb_enable(d, 0), 0);
	assert_in_range(link_after_ms(d), 5000, 6500);
	assert_int_equal(phy.restarts, 1);
}

static void a_phy_that_does_not_answer_holds_nobody_up(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	phy.answers = false;
	phy.off = true;
	phy.link_ns = ~0ull;
	assert_int_equal(igb_identify(d), 0);
	assert_int_equal(igb_enable(d, 0), 0);
	assert_true(link_after_ms(d) == ~0ull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_on_its_way_is_waited_for),
		cmocka_unit_test(a_link_that_was_kept_is_left_alone),
		cmocka_unit_test(a_phy_that_waits_is_told),
		cmocka_unit_test(a_phy_that_was_off_is_told_after_a_while),
		cmocka_unit_test(a_phy_that_does_not_answer_holds_nobody_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
