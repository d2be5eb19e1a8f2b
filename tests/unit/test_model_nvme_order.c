/* SPDX-License-Identifier: MIT */
/*
 * test_model_nvme_order.c - the NVMe model takes its time, its own order, small commands only,
 * and loses its cache by resets.
 *
 * Room:   tests/unit. See model_driver.h.
 */
#include "model_driver.h"

#define BURST 8u

/* BURST reads of a block each by one doorbell. */
static void burst(struct rig *r)
{
	struct nvme_sqe cmd = moving(NVME_CMD_READ, 0, 1, 0);

	cmd.nsid = 1;
	for (unsigned i = 0; i < BURST; i++) {
		cmd.cid = (uint16_t)(0x100 + i);
		cmd.slba = i;
		cmd.prp1 = IOVA + DATA + 0x10000 + i * 4096;
		memcpy(r->memory + SQ + r->io.tail * 64, &cmd, 64);
		r->io.tail = (r->io.tail + 1) % ENTRIES;
	}
	ring_bell(r, nvme_sq_doorbell(1, 0), r->io.tail);
}

/* Takes the answers of a burst, each once and with its data. True: in the order asked. */
static bool reap_burst(struct rig *r)
{
	unsigned seen = 0;
	bool in_order = true;

	for (unsigned i = 0; i < BURST; i++) {
		assert_int_equal(reap(r, &r->io, CQ, CLIENT_WAIT_MS), 0);
		unsigned which = r->got_cid - 0x100u;
		assert_true(which < BURST && !(seen & 1u << which));
		assert_true(same(r, which * 512, 0x10000 + which * 4096, 512));
		seen |= 1u << which;
		in_order &= which == i;
	}
	return in_order;
}

static unsigned bursts_in_order(const char *const *options)
{
	struct rig *r = rig_new(options);
	unsigned in_order = 0;

	attach(r, PLAIN_JSON, true);
	for (unsigned i = 0; i < BURST; i++) {
		fill(r, i * 512, 512, i + 1);
		assert_int_equal(wr(r, i, 1, i * 512), 0);
	}
	for (unsigned turn = 0; turn < 20; turn++) {
		burst(r);
		in_order += reap_burst(r);
	}
	assert_int_equal(rig_free(r), 0);
	return in_order;
}

static void commands_overtake_each_other(void **state)
{
	(void)state;
	assert_int_equal(bursts_in_order((const char *const[]){ "--size", "1M", NULL }), 20);
	assert_in_range(bursts_in_order(
				(const char *const[]){ "--size", "1M", "--reorder", "7", NULL }),
			0, 5);
	assert_in_range(bursts_in_order((const char *const[]){ "--size", "1M", "--delay-us",
							       "0-3000", NULL }),
			0, 5);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void a_command_takes_at_least_the_time_given(void **state)
{
	struct rig *r =
		rig_new((const char *const[]){ "--size", "1M", "--delay-us", "20000-30000", NULL });

	(void)state;
	attach(r, PLAIN_JSON, true);
	uint64_t before = now_us();
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_true(now_us() - before >= 20000);
	/* A reset ends what is under way. */
	submit(r, &r->io, SQ, moving(NVME_CMD_READ, 0, 1, 0));
	enable(r);
	assert_int_equal(reap(r, &r->io, CQ, r->quick_ms), NEVER);
	assert_int_equal(rig_free(r), 0);
}

/* What a fault does to a command that is done later is done later. */
static void a_late_command_keeps_its_fault(void **state)
{
	struct rig *r =
		rig_new((const char *const[]){ "--size", "1M", "--delay-us", "1000", NULL });

	(void)state;
	attach(r, PLAIN_JSON, true);
	fill(r, 0, 512, 1);
	fill(r, 0x1000, 512, 2);
	assert_int_equal(wr(r, 5, 1, 0), 0);
	assert_true(fault(r, "lost-write"));
	assert_int_equal(wr(r, 5, 1, 0x1000), 0);
	assert_int_equal(rd(r, 5, 1, 0x2000), 0);
	assert_true(same(r, 0x2000, 0, 512));
	assert_int_equal(rig_free(r), 0);
}

static void moves_no_more_than_it_says(void **state)
{
	struct rig *r = rig_new((const char *const[]){ "--size", "1M", "--mdts", "8K", NULL });
	struct nvme_id_ctrl *c = (void *)(r->memory + IDENTIFY);

	(void)state;
	attach(r, PLAIN_JSON, true);
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_IDENTIFY,
						     .cdw10 = NVME_CNS_CONTROLLER,
						     .prp1 = IOVA + IDENTIFY }),
			 0);
	assert_int_equal(c->mdts, 1);
	assert_int_equal(rd(r, 0, 16, 0), 0);
	assert_int_equal(rd(r, 0, 17, 0), NVME_SC_INVALID_FIELD);
	assert_int_equal(rig_free(r), 0);
}

/* ---- the cache --------------------------------------------------------------------------- */

enum loss { BY_DISABLE, BY_DEVICE_RESET, BY_CLIENT, LOSSES };

static void lose(struct rig *r, enum loss how)
{
	unsigned char reply[16];

	switch (how) {
	case BY_DISABLE:
		enable(r);
		break;
	case BY_DEVICE_RESET:
		assert_true(client_call(&r->c, RF_VU_DEVICE_RESET, NULL, 0, reply, sizeof(reply),
					NULL, 0) >= 0);
		bring_up_pci(r);
		assert_int_equal(client_irqs(&r->c, RF_VU_MSIX, TRIGGER_EVENTFD, 0, 2, r->event, 2),
				 0);
		enable(r);
		break;
	default:
		detach(r);
		attach(r, PLAIN_JSON, true);
	}
}

/* Is what was written and not flushed still there afterwards? What was flushed must be. */
static bool keeps(const char *cache, enum loss how)
{
	struct rig *r = rig_new((const char *const[]){ "--size", "1M", "--cache", cache, NULL });

	attach(r, PLAIN_JSON, true);
	fill(r, 0, 512, 1);
	fill(r, 0x1000, 512, 2);
	assert_int_equal(wr(r, 5, 1, 0), 0);
	assert_int_equal(wr(r, 6, 1, 0), 0);
	assert_int_equal(io(r, (struct nvme_sqe){ .opc = NVME_CMD_FLUSH }), 0);
	assert_int_equal(wr(r, 5, 1, 0x1000), 0);
	lose(r, how);
	fill(r, 0, 512, 1);
	fill(r, 0x1000, 512, 2);
	assert_int_equal(rd(r, 6, 1, 0x2000), 0);
	assert_true(same(r, 0x2000, 0, 512));
	assert_int_equal(rd(r, 5, 1, 0x2000), 0);
	bool kept = same(r, 0x2000, 0x1000, 512);
	assert_true(kept || same(r, 0x2000, 0, 512));
	assert_int_equal(rig_free(r), 0);
	return kept;
}

static void a_cache_is_lost_by_what_the_option_says(void **state)
{
	(void)state;
	for (enum loss how = 0; how < LOSSES; how++) {
		assert_true(keeps("volatile", how));
		assert_int_equal(keeps("lossy", how), how == BY_DISABLE);
		assert_false(keeps("fragile", how));
	}
}

static void a_part_of_the_cache_may_survive(void **state)
{
	struct rig *r = rig_new((const char *const[]){ "--size", "1M", "--cache", "volatile",
						       "--cache-keeps", "50", NULL });
	unsigned lost = 0;

	(void)state;
	attach(r, PLAIN_JSON, true);
	fill(r, 0, 8192, 1);
	for (unsigned i = 0; i < 16; i++)
		assert_int_equal(wr(r, i * 16, 16, 0), 0);
	assert_int_equal(sscanf(model_tell(&r->model, "power-cut"), "lost %u blocks", &lost), 1);
	assert_in_range(lost, 64, 192); /* of 256 */
	bring_up_pci(r);
	enable(r);
	fill(r, 0, 8192, 1);
	unsigned gone = 0;
	for (unsigned i = 0; i < 256; i++) {
		assert_int_equal(rd(r, i, 1, 0x10000), 0);
		gone += !same(r, i % 16 * 512, 0x10000, 512);
	}
	assert_int_equal(gone, lost);
	assert_int_equal(rig_free(r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commands_overtake_each_other),
		cmocka_unit_test(a_command_takes_at_least_the_time_given),
		cmocka_unit_test(a_late_command_keeps_its_fault),
		cmocka_unit_test(moves_no_more_than_it_says),
		cmocka_unit_test(a_cache_is_lost_by_what_the_option_says),
		cmocka_unit_test(a_part_of_the_cache_may_survive),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
