/* SPDX-License-Identifier: MIT */
/*
 * test_model_nvme_faults.c - every fault of the NVMe model, as a driver sees it.
 *
 * Room:   tests/unit. See model_driver.h.
 */
#include "model_driver.h"

static void bad_data_faults(void **state)
{
	struct rig *r = *state;

	fill(r, 0, 8192, 1);
	fill(r, 0x4000, 8192, 2);
	assert_int_equal(wr(r, 0, 16, 0), 0);
	assert_int_equal(wr(r, 16, 16, 0x4000), 0);
	memset(r->memory + DATA + 0x10000, 0xee, 8192);
	memset(r->memory + DATA + 0x20000, 0xee, 8192);

	assert_true(fault(r, "stale-data"));
	assert_int_equal(rd(r, 0, 16, 0x10000), 0);
	assert_true(same(r, 0x10000, 0x20000, 8192));
	assert_true(fault(r, "wrong-length arg 512"));
	assert_int_equal(rd(r, 0, 8, 0x10000), 0);
	assert_true(same(r, 0x10000, 0, 512));
	assert_true(same(r, 0x10200, 0x20200, 512));
	assert_true(fault(r, "corrupt-data"));
	assert_int_equal(rd(r, 0, 16, 0x10000), 0);
	assert_false(same(r, 0x10000, 0, 8192));
	assert_true(same(r, 0x10001, 1, 8191));
	assert_true(fault(r, "misdirected-read arg 16"));
	assert_int_equal(rd(r, 0, 16, 0x10000), 0);
	assert_true(same(r, 0x10000, 0x4000, 8192));
	assert_int_equal(rd(r, 0, 16, 0x10000), 0);
	assert_true(same(r, 0x10000, 0, 8192));

	assert_true(fault(r, "lost-write"));
	assert_int_equal(wr(r, 0, 16, 0x4000), 0);
	assert_int_equal(rd(r, 0, 16, 0x10000), 0);
	assert_true(same(r, 0x10000, 0, 8192));
	assert_true(fault(r, "torn-write"));
	assert_int_equal(wr(r, 0, 16, 0x4000), 0);
	assert_int_equal(rd(r, 0, 16, 0x10000), 0);
	assert_true(same(r, 0x10000, 0x4000, 4096));
	assert_true(same(r, 0x11000, 0x1000, 4096));
	assert_true(fault(r, "misdirected-write arg 32"));
	assert_int_equal(wr(r, 0, 8, 0), 0);
	assert_int_equal(rd(r, 32, 8, 0x10000), 0);
	assert_true(same(r, 0x10000, 0, 4096));
	assert_int_equal(rd(r, 0, 8, 0x10000), 0);
	assert_true(same(r, 0x10000, 0x4000, 4096));

	assert_true(fault(r, "dma-outside count 3"));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(rd(r, 0, 8, 0x10000), 0);
	assert_int_equal(counter(r, "dma_refused"), 3);
	assert_true(fault(r, "io-error"));
	assert_int_equal(rd(r, 0, 8, 0x10000), NVME_SC_UNRECOVERED_READ);
}

static void bad_completion_faults(void **state)
{
	struct rig *r = *state;

	assert_true(fault(r, "bad-cid after 1"));
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_int_equal(r->got_cid, r->cid);
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_int_equal(r->got_cid, (uint16_t)(r->cid + 0x4000));
	assert_true(fault(r, "bad-cid arg 77"));
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_int_equal(r->got_cid, 77);
	assert_true(fault(r, "poison-lba arg 50 count forever"));
	assert_int_equal(rd(r, 40, 10, 0), 0);
	assert_int_equal(r->got_cid, r->cid);
	assert_int_equal(rd(r, 40, 11, 0), 0);
	assert_int_equal(r->got_cid, (uint16_t)(r->cid + 0x4000));
	assert_true(model_ok(&r->model, "clear poison-lba"));
	assert_int_equal(rd(r, 50, 1, 0), 0);
	assert_int_equal(r->got_cid, r->cid);
	assert_true(fault(r, "slow arg 3000000"));
	assert_int_equal(io_within(r, moving(NVME_CMD_READ, 0, 1, 0), 5), NEVER);
	assert_int_equal(reap(r, &r->io, CQ, CLIENT_WAIT_MS), 0);
	assert_true(fault(r, "slow arg 60000000"));
	submit(r, &r->io, SQ, (struct nvme_sqe){ .opc = NVME_CMD_FLUSH, .nsid = 1 });
	assert_int_equal(counter(r, "fault slow"), 2); /* taken before the abort is sent */
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_ABORT,
						     .cdw10 = 1 | (uint32_t)r->cid << 16 }),
			 0);
	assert_int_equal(r->dw0 & 1, 0);
	assert_int_equal(reap(r, &r->io, CQ, CLIENT_WAIT_MS), NVME_SC_ABORT_REQUESTED);
	assert_true(fault(r, "admin-error"));
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_GET_FEATURES, .cdw10 = 7 }),
			 NVME_SC_INTERNAL_ERROR);
	assert_true(fault(r, "bad-phase"));
	assert_int_equal(io_within(r, moving(NVME_CMD_READ, 0, 1, 0), r->quick_ms), NEVER);
	assert_int_equal(counter(r, "fault bad-phase"), 1);
}

static void interrupt_faults(void **state)
{
	struct rig *r = *state;

	(void)event_wait(r->event[0], 0);
	(void)event_wait(r->event[1], 0);
	assert_true(fault(r, "irq-lost"));
	assert_int_equal(rd(r, 0, 1, 0), 0);
	(void)counter(r, "irqs"); /* its answer comes after the interrupt would have */
	assert_int_equal(event_wait(r->event[1], 0), 0);
	assert_true(fault(r, "irq-duplicate"));
	assert_int_equal(rd(r, 0, 1, 0), 0);
	(void)counter(r, "irqs");
	assert_int_equal(event_wait(r->event[1], CLIENT_WAIT_MS), 2);
	assert_true(fault(r, "irq-spurious"));
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_int_equal(event_wait(r->event[0], CLIENT_WAIT_MS), 1);
	(void)event_wait(r->event[1], CLIENT_WAIT_MS);
	assert_true(fault(r, "irq-storm arg 500"));
	uint64_t before = counter(r, "irqs");
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_int_equal(counter(r, "irqs"), before + 501);
}

/* A controller that stopped, and comes back by what the caller names. */
static void stops(struct rig *r, const char *line)
{
	assert_true(fault(r, line));
	assert_int_equal(io_within(r, moving(NVME_CMD_READ, 0, 1, 0), r->quick_ms), NEVER);
	assert_int_equal(io_within(r, moving(NVME_CMD_READ, 0, 1, 0), r->quick_ms), NEVER);
}

static void dead_controller_faults(void **state)
{
	struct rig *r = *state;

	stops(r, "hang");
	enable(r);
	assert_int_equal(rd(r, 0, 1, 0), 0);
	stops(r, "cfs");
	assert_true(client_get32(&r->c, 0, NVME_REG_CSTS) & NVME_CSTS_CFS);
	enable(r);
	assert_int_equal(rd(r, 0, 1, 0), 0);
	stops(r, "poison-lba-hang arg 0 count 2");
	enable(r);
	assert_true(fault(r, "admin-lost"));
	submit(r, &r->admin, ASQ, (struct nvme_sqe){ .opc = NVME_ADMIN_GET_FEATURES, .cdw10 = 7 });
	assert_int_equal(reap(r, &r->admin, ACQ, r->quick_ms), NEVER);
	enable(r);
	assert_true(fault(r, "never-ready"));
	start_registers(r);
	assert_false(ready(r, true, r->quick_ms));
	enable(r);
	stops(r, "all-ones");
	assert_int_equal(client_get32(&r->c, 0, NVME_REG_CSTS), 0xffffffff);
	assert_int_equal(client_get32(&r->c, 0, NVME_REG_CAP), 0xffffffff);
	assert_int_equal(client_call(&r->c, RF_VU_DEVICE_RESET, NULL, 0, NULL, 0, NULL, 0), 0);
	bring_up_pci(r);
	enable(r);
	assert_int_equal(rd(r, 0, 1, 0), 0);
}

/* The same seed and requests, the same faults: as a string of which reads went wrong. */
static void replayed(const char *seed, char *out)
{
	struct rig *r = rig_new((const char *const[]){ "--size", "1M", "--seed", seed, "--fault",
						       "io-error,one-in=3,count=forever", NULL });

	attach(r, PLAIN_JSON, true);
	for (unsigned i = 0; i < 64; i++)
		out[i] = rd(r, i, 1, 0) ? 'x' : '.';
	out[64] = '\0';
	assert_int_equal(rig_free(r), 0);
}

static void faults_replay_by_seed(void **state)
{
	char a[65], b[65], c[65];

	(void)state;
	replayed("7", a);
	replayed("7", b);
	replayed("8", c);
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	assert_true(strchr(a, 'x') && strchr(a, '.'));
}

static void every_fault_has_a_name_and_a_line(void **state)
{
	struct rig *r = *state;
	const char *all = model_tell(&r->model, "list");
	unsigned lines = 0;

	for (const char *p = all; strcmp(p, "ok\n"); p = strchr(p, '\n') + 1, lines++) {
		char name[64];
		assert_int_equal(sscanf(p, "%63s", name), 1);
		assert_true(fault(r, name));
		/* the same buffer, the same lines but for [armed] */
		all = model_tell(&r->model, "list");
		p = all;
		for (unsigned i = 0; i < lines; i++)
			p = strchr(p, '\n') + 1;
		assert_non_null(strstr(p, "[armed, 1 left, after 0]"));
	}
	assert_int_equal(lines, 43);
	assert_true(model_ok(&r->model, "clear"));
}

int main(void)
{
#define WORKING(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BARE(name)    cmocka_unit_test_setup_teardown(name, setup_bare, teardown)
	const struct CMUnitTest tests[] = {
		WORKING(bad_data_faults),
		WORKING(bad_completion_faults),
		WORKING(interrupt_faults),
		WORKING(dead_controller_faults),
		cmocka_unit_test(faults_replay_by_seed),
		BARE(every_fault_has_a_name_and_a_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
