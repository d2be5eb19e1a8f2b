/* SPDX-License-Identifier: MIT */
/*
 * test_model_nvme_slow.c - the NVMe model takes its time for CC.EN and for queues, is wrong about
 * queues by order, and has several namespaces.
 *
 * Room:   tests/unit. See model_driver.h.
 */
#include "model_driver.h"

static uint32_t queue_command(struct rig *r, uint8_t opc)
{
	return admin(r, (struct nvme_sqe){ .opc = opc, .cdw10 = 1 });
}

static uint32_t csts(struct rig *r)
{
	return client_get32(&r->c, 0, NVME_REG_CSTS);
}

/* Not ready at once, ready in the end; and the same the other way. */
static void ready_follows_enable(void **state)
{
	struct rig *r = rig_new((const char *const[]){ "--ready-ms", "1500", NULL });

	(void)state;
	attach(r, PLAIN_JSON, true);
	assert_int_equal(NVME_CAP_TO(client_get32(&r->c, 0, NVME_REG_CAP)), 4);
	assert_int_equal(counter(r, "enables"), 1);
	client_set32(&r->c, 0, NVME_REG_CC, 0);
	assert_true(csts(r) & NVME_CSTS_RDY);
	assert_true(ready(r, false, CLIENT_WAIT_MS));
	start_registers(r);
	assert_false(csts(r) & NVME_CSTS_RDY);
	assert_true(ready(r, true, CLIENT_WAIT_MS));
	create_queues(r);
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_int_equal(rig_free(r), 0);
}

static void registers_of_ones_meanwhile(void **state)
{
	struct rig *r = rig_new((const char *const[]){ "--ready-ms", "1500",
						       "--ones-while-resetting", "yes", NULL });

	(void)state;
	r->c = client_greeted(&r->model, PLAIN_JSON);
	bring_up_pci(r);
	assert_int_equal(client_map(&r->c, IOVA, MEMORY, RW, r->memory_fd, 0), 0);
	start_registers(r);
	assert_int_equal(csts(r), ~0u);
	for (int i = 0; csts(r) == ~0u && i < CLIENT_WAIT_MS; i++)
		usleep(1000);
	assert_int_equal(csts(r), NVME_CSTS_RDY);
	assert_int_equal(rig_free(r), 0);
}

static void a_deletion_takes_its_time(void **state)
{
	struct rig *r = rig_new((const char *const[]){ "--delete-ms", "1000", NULL });

	(void)state;
	attach(r, PLAIN_JSON, true);
	submit(r, &r->admin, ASQ, (struct nvme_sqe){ .opc = NVME_ADMIN_DELETE_SQ, .cdw10 = 1 });
	assert_int_equal(rd(r, 0, 1, 0), 0); /* it is there until then */
	assert_int_equal(reap(r, &r->admin, ACQ, CLIENT_WAIT_MS), 0);
	assert_int_equal(queue_command(r, NVME_ADMIN_DELETE_CQ), 0);
	create_queues(r);
	r->io = (struct ring){ .phase = true, .id = 1 };
	memset(r->memory + CQ, 0, 4096);
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_int_equal(rig_free(r), 0);
}

static void deletions_that_go_wrong(void **state)
{
	struct rig *r = *state;

	assert_true(fault(r, "delete-error arg 0x10c"));
	assert_int_equal(queue_command(r, NVME_ADMIN_DELETE_SQ), 0x10c);
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_true(fault(r, "delete-never"));
	submit(r, &r->admin, ASQ, (struct nvme_sqe){ .opc = NVME_ADMIN_DELETE_SQ, .cdw10 = 1 });
	assert_int_equal(reap(r, &r->admin, ACQ, r->quick_ms), NEVER);
	assert_int_equal(queue_command(r, NVME_ADMIN_DELETE_SQ), 0);
	assert_int_equal(queue_command(r, NVME_ADMIN_DELETE_CQ), 0);
	assert_true(fault(r, "create-error arg 0x102"));
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_CREATE_CQ, .prp1 = IOVA + CQ,
			.cdw10 = NVME_QUEUE_CDW10(1, ENTRIES), .cdw11 = NVME_CQ_CDW11(1) }), 0x102);
	create_queues(r);
	assert_true(fault(r, "delete-cfs"));
	submit(r, &r->admin, ASQ, (struct nvme_sqe){ .opc = NVME_ADMIN_DELETE_SQ, .cdw10 = 1 });
	for (int i = 0; !(csts(r) & NVME_CSTS_CFS) && i < CLIENT_WAIT_MS; i++)
		usleep(1000);
	assert_true(csts(r) & NVME_CSTS_CFS);
	enable(r);
	assert_true(fault(r, "delete-resets"));
	submit(r, &r->admin, ASQ, (struct nvme_sqe){ .opc = NVME_ADMIN_DELETE_SQ, .cdw10 = 1 });
	assert_true(ready(r, false, CLIENT_WAIT_MS));
	assert_int_equal(client_get32(&r->c, 0, NVME_REG_CC), 0);
	assert_int_equal(client_get32(&r->c, 0, NVME_REG_AQA), 0);
	enable(r);
	assert_true(fault(r, "delete-all-ones"));
	submit(r, &r->admin, ASQ, (struct nvme_sqe){ .opc = NVME_ADMIN_DELETE_SQ, .cdw10 = 1 });
	for (int i = 0; csts(r) != ~0u && i < CLIENT_WAIT_MS; i++)
		usleep(1000);
	assert_int_equal(csts(r), ~0u);
}

/* The data of a command comes when its queue was said to be gone; without the fault never. */
static void a_deletion_that_is_answered_early(void **state)
{
	(void)state;
	for (int early = 0; early < 2; early++) {
		struct rig *r = rig_new((const char *const[]){ "--delay-us", "5000000", NULL });
		struct nvme_sqe read = moving(NVME_CMD_READ, 0, 1, 0);

		attach(r, PLAIN_JSON, true);
		memset(r->memory + DATA, 0xee, 512);
		read.nsid = 1;
		if (early)
			assert_true(fault(r, "delete-early arg 100000"));
		submit(r, &r->io, SQ, read);
		/* One that it has not fetched is just gone. */
		for (int i = 0; counter(r, "commands_delayed") < 1 && i < CLIENT_WAIT_MS; i++)
			usleep(1000);
		assert_int_equal(queue_command(r, NVME_ADMIN_DELETE_SQ), 0);
		assert_int_equal(queue_command(r, NVME_ADMIN_DELETE_CQ), 0);
		int most = early ? CLIENT_WAIT_MS : 300;
		for (int i = 0; counter(r, "late_commands") < 1 && i < most; i++)
			usleep(1000);
		assert_int_equal(counter(r, "late_commands"), early);
		assert_int_equal(r->memory[DATA], early ? 0 : 0xee);
		assert_int_equal(rig_free(r), 0);
	}
}

/* ---- namespaces ------------------------------------------------------------------------- */

#define SPACES "2,nguid=0123456789abcdef0123456789abcdef:5,eui64=0025385a71b0a1c3"

static uint32_t identify(struct rig *r, uint32_t cns, uint32_t nsid)
{
	memset(r->memory + IDENTIFY, 0xff, 4096);
	return admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_IDENTIFY, .cdw10 = cns, .nsid = nsid,
					   .prp1 = IOVA + IDENTIFY });
}

static void each_namespace_is_apart(void **state)
{
	struct rig *r = rig_new((const char *const[]){ "--size", "2M", "--namespaces", SPACES,
						       NULL });
	const uint32_t *list = (void *)(r->memory + IDENTIFY);
	const struct nvme_id_ns *ns = (void *)(r->memory + IDENTIFY);

	(void)state;
	attach(r, PLAIN_JSON, true);
	assert_int_equal(identify(r, NVME_CNS_ACTIVE_NS, 0), 0);
	assert_true(list[0] == 2 && list[1] == 5 && list[2] == 0);
	assert_int_equal(identify(r, NVME_CNS_ACTIVE_NS, 2), 0);
	assert_true(list[0] == 5 && list[1] == 0);
	assert_int_equal(identify(r, NVME_CNS_NAMESPACE, 5), 0);
	assert_true(ns->nsze == 2048 && ns->eui64[1] == 0x25 && !ns->nguid[0]);
	assert_int_equal(identify(r, NVME_CNS_NAMES, 2), 0);
	assert_true(r->memory[IDENTIFY] == NVME_NIDT_NGUID && r->memory[IDENTIFY + 5] == 0x23);
	for (uint32_t id = 2; id <= 5; id += 3) {
		struct nvme_sqe write = moving(NVME_CMD_WRITE, 2047, 1, id * 0x1000);
		write.nsid = id;
		fill(r, id * 0x1000, 512, id);
		assert_int_equal(io(r, write), 0);
		write.slba = 2048;
		assert_int_equal(io(r, write), NVME_SC_LBA_OUT_OF_RANGE);
	}
	for (uint32_t id = 2; id <= 5; id += 3) {
		struct nvme_sqe read = moving(NVME_CMD_READ, 2047, 1, 0x10000);
		read.nsid = id;
		assert_int_equal(io(r, read), 0);
		assert_true(same(r, id * 0x1000, 0x10000, 512));
	}
	assert_true(model_ok(&r->model, "namespace 5 detach"));
	assert_int_equal(identify(r, NVME_CNS_NAMES, 5), NVME_SC_INVALID_NAMESPACE);
	struct nvme_sqe read = moving(NVME_CMD_READ, 0, 1, 0);
	read.nsid = 5;
	assert_int_equal(io(r, read), NVME_SC_INVALID_NAMESPACE);
	assert_true(model_ok(&r->model, "namespace 2 format 4096"));
	assert_int_equal(identify(r, NVME_CNS_NAMESPACE, 2), 0);
	assert_true(ns->nsze == 256 && ns->lbaf[0].lbads == 12);
	assert_false(model_ok(&r->model, "namespace 3 attach"));
	assert_int_equal(rig_free(r), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ready_follows_enable),
		cmocka_unit_test(registers_of_ones_meanwhile),
		cmocka_unit_test(a_deletion_takes_its_time),
		cmocka_unit_test_setup_teardown(deletions_that_go_wrong, setup, teardown),
		cmocka_unit_test(a_deletion_that_is_answered_early),
		cmocka_unit_test(each_namespace_is_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
