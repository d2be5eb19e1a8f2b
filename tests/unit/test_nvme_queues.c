/* SPDX-License-Identifier: MIT */
/*
 * test_nvme_queues.c - the queue pair of a dead NVMe driver is deleted, or the controller is
 * reset: on each answer that a controller may give, or not give, to the deletion.
 *
 * Room:   tests/unit. The admin plane's files on a controller that is a script here: one word an
 *         admin command. Time is a number that each look and each sleep lets grow.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "device.h"
#include "log.h"
#include "nvme.h"

static char said[512];
static uint64_t now_ns;

/* What a controller does with an admin command. */
enum answer {
	DONE,     /* says that it is done */
	STATUS,   /* says that something is wrong: 0x10c */
	NEVER,    /* nothing */
	FORGED,   /* nothing, and an entry with another id is where its completion belongs */
	STRAY,    /* an entry for poison first, then says done */
	STOPS,    /* sets CSTS.CFS */
	RESETS,   /* resets itself */
	LEAVES,   /* registers read all ones from now on */
};
static struct {
	enum answer answer[8]; /* in turn; the last for ever */
	unsigned count;
	uint64_t takes_ns;     /* each command */
	uint64_t due_ns;       /* of the one under way */
	uint32_t csts, cq_tail;
	bool     phase, gone, posting;
	struct nvme_sqe cmd;
	uint8_t  seen[32];     /* operation codes */
	uint16_t ids[32];
	unsigned seen_count;
	uint32_t granted; /* numbers of queues, each less one */
} hw;

void rf_log(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(said, sizeof(said), format, ap);
	va_end(ap);
}

void rf_die(int code, const char *format, ...)
{
	(void)format;
	exit(code);
}

static _Alignas(RF_PAGE) char admin_pages[RF_ADMIN_BYTES];

static void post(uint16_t cid, uint16_t status)
{
	struct nvme_cqe *cq = (void *)(admin_pages + RF_PAGE);

	cq[hw.cq_tail] = (struct nvme_cqe){ .cid = cid, .dw0 = hw.granted,
					    .status = (uint16_t)(status << 1 | hw.phase) };
	if (++hw.cq_tail == 16) {
		hw.cq_tail = 0;
		hw.phase ^= 1;
	}
}

static void answer(void)
{
	enum answer a = hw.answer[hw.count];

	if (hw.count + 1 < sizeof(hw.answer) / sizeof(hw.answer[0]))
		hw.count++;
	hw.posting = false;
	if (a == STRAY)
		post(0xffff, NVME_SC_INVALID_OPCODE);
	if (a == FORGED)
		post((uint16_t)(hw.cmd.cid + 1), 0);
	if (a == DONE || a == STATUS || a == STRAY)
		post(hw.cmd.cid, a == STATUS ? 0x10c : 0);
	if (a == STOPS)
		hw.csts |= NVME_CSTS_CFS;
	if (a == RESETS)
		hw.csts = 0;
	hw.gone |= a == LEAVES;
}

uint64_t rf_now_ns(void)
{
	now_ns += 1000;
	if (hw.posting && now_ns >= hw.due_ns)
		answer();
	return now_ns;
}

/* rf_sleep_ns() */
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *t, const sigset_t *mask)
{
	(void)fds, (void)count, (void)mask;
	now_ns += (uint64_t)t->tv_nsec;
	return 0;
}

uint32_t reg_read32(struct rf_device *d, const struct rf_regs *r, uint32_t at)
{
	(void)d, (void)r;
	assert_int_equal(at, NVME_REG_CSTS);
	return hw.gone ? ~0u : hw.csts;
}

void reg_write32(struct rf_device *d, const struct rf_regs *r, uint32_t at, uint32_t value)
{
	(void)d, (void)r;
	if (at) /* completions taken */
		return;
	const struct nvme_sqe *sq = (void *)admin_pages;
	hw.cmd = sq[(value + 15) % 16];
	assert_true(hw.seen_count < 32);
	hw.ids[hw.seen_count] = hw.cmd.cid;
	hw.seen[hw.seen_count++] = hw.cmd.opc;
	hw.posting = true;
	hw.due_ns = now_ns + hw.takes_ns;
}

int irq_vector(struct rf_device *d, uint32_t queue, unsigned half)
{
	(void)queue;
	(void)d;
	return 1 + (int)half;
}

#include "sandbox/device/admin/nvme_command.c"
#include "sandbox/device/admin/nvme_queues.c"
#include "sandbox/lib/siphash.c"

static struct rf_device *controller(enum answer first, enum answer then)
{
	static struct rf_device d;

	memset(&hw, 0, sizeof(hw));
	hw.phase = true;
	hw.granted = 0x70007;
	hw.csts = NVME_CSTS_RDY;
	hw.answer[0] = first;
	for (unsigned i = 1; i < sizeof(hw.answer) / sizeof(hw.answer[0]); i++)
		hw.answer[i] = then;
	said[0] = '\0';
	d = (struct rf_device){ .label = "it", .admin = admin_pages,
				.queue_count = 1,
				.cfg = { .queue_reset_ms = 500, .queue_bytes = 65536,
					 .queues = 1 } };
	nvme = (struct nvme_admin){ .entries = 256 };
	nvme_admin_seed();
	nvme_admin_clear(&d);
	return &d;
}

static void assert_said(const char *what)
{
	if (!strstr(said, what))
		fail_msg("wanted \"%s\" in: %s", what, said);
}

static void a_pair_is_deleted_and_made(void **state)
{
	struct rf_device *d = controller(DONE, DONE);
	static const uint8_t in_order[] = { NVME_ADMIN_DELETE_SQ, NVME_ADMIN_DELETE_CQ,
					    NVME_ADMIN_CREATE_CQ, NVME_ADMIN_CREATE_SQ };

	(void)state;
	assert_int_equal(nvme_queue_drop(d, 0), 0);
	assert_int_equal(nvme_queue_make(d, 0, 1), 0);
	assert_int_equal(hw.seen_count, 4);
	assert_memory_equal(hw.seen, in_order, 4);
	assert_string_equal(said, "");
	/* Nothing of it can be run again by a doorbell. */
	for (unsigned i = 0; i < ADMIN_ENTRIES; i++)
		assert_int_equal(((struct nvme_sqe *)admin_pages)[i].opc, POISON);
}

/* Whatever a controller does with either deletion, other than to say that it is done. */
static void a_pair_that_is_not_deleted(void **state)
{
	static const struct {
		enum answer answer;
		int err;
		const char *said;
	} cases[] = {
		{ STATUS, -EIO, "NVMe status 0x10c" },
		{ NEVER, -ETIMEDOUT, "no answer in time" },
		{ FORGED, -EBADMSG, "of no command of ours" },
		{ STRAY, -EBADMSG, "of no command of ours" },
		{ STOPS, -EIO, "the controller has stopped" },
		{ RESETS, -EIO, "the controller has stopped" },
		{ LEAVES, -ENODEV, "registers read all ones" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int second = 0; second < 2; second++) {
			struct rf_device *d = controller(second ? DONE : cases[i].answer,
							 cases[i].answer);
			uint64_t from = now_ns;

			assert_int_equal(nvme_queue_drop(d, 0), cases[i].err);
			assert_int_equal(hw.seen_count, 1 + second);
			assert_said(second ? "delete completion queue" :
					     "delete submission queue");
			assert_said(cases[i].said);
			assert_said("resetting the controller");
			assert_true(nvme.delete_failed);
			/* Only one that is there and says nothing is waited for. */
			assert_in_range(now_ns - from, 0,
					cases[i].answer == NEVER ? 502000000 : 20000000);
		}
	}
}

static void both_deletions_have_one_deadline(void **state)
{
	struct rf_device *d = controller(DONE, DONE);

	(void)state;
	hw.takes_ns = 240000000;
	assert_int_equal(nvme_queue_drop(d, 0), 0);
	d = controller(DONE, DONE);
	hw.takes_ns = 260000000;
	uint64_t from = now_ns;
	assert_int_equal(nvme_queue_drop(d, 0), -ETIMEDOUT);
	assert_int_equal(hw.seen_count, 2);
	assert_in_range(now_ns - from, 499000000, 502000000);
}

static void the_check_at_start(void **state)
{
	struct rf_device *d = controller(DONE, DONE);

	(void)state;
	nvme_queues_check(d);
	assert_true(d->queue_reset);
	assert_int_equal(hw.seen_count, 4);
	assert_string_equal(said, "");
	/* Both creations, then the deletions: none of them may fail. */
	for (unsigned bad = 0; bad < 4; bad++) {
		d = controller(DONE, DONE);
		hw.answer[bad] = STATUS;
		nvme_queues_check(d);
		assert_false(d->queue_reset);
		assert_int_equal(hw.seen_count, bad + 1);
		assert_said("does not pass the check of queues");
	}
	d = controller(DONE, DONE);
	hw.takes_ns = 100000000;
	nvme_queues_check(d);
	assert_false(d->queue_reset);
	assert_said("delete completion queue: no answer in time");
	d = controller(DONE, DONE);
	d->cfg.queue_reset_ms = 0;
	nvme_queues_check(d);
	assert_false(d->queue_reset || hw.seen_count);
	assert_string_equal(said, "");
}

/* Fewer than it is asked for: these are used, and later it has to grant as many again. */
static void fewer_are_granted(void **state)
{
	struct rf_device *d = controller(DONE, DONE);

	(void)state;
	d->queue_count = 4;
	assert_int_equal(nvme_queues_ask(d), 0);
	assert_int_equal(hw.cmd.cdw11, 0x30003);
	assert_int_equal(d->queue_count, 4);
	hw.granted = 0x10003; /* two completion queues */
	assert_int_equal(nvme_queues_ask(d), 0);
	assert_int_equal(d->queue_count, 2);
	assert_said("grants 2 queues of the 4");
	nvme.granted = true;
	said[0] = '\0';
	assert_int_equal(nvme_queues_ask(d), 0);
	assert_string_equal(said, "");
	hw.granted = 0;
	assert_int_equal(nvme_queues_ask(d), -EIO);
	assert_said("grants 1 queues of the 2 it is asked for, and granted them before");
	assert_int_equal(d->queue_count, 2);
}

/* Two processes do not give the same ids, nor does one in turn: who forges has to guess. */
static void ids_are_not_to_be_foreseen(void **state)
{
	uint16_t first[16];
	unsigned same = 0, in_turn = 0;

	(void)state;
	for (int run = 0; run < 2; run++) {
		struct rf_device *d = controller(DONE, DONE);
		for (int i = 0; i < 16; i++) {
			struct nvme_sqe cmd = { .opc = NVME_ADMIN_IDENTIFY };
			assert_int_equal(nvme_admin(d, &cmd, NULL), 0);
			assert_int_not_equal(hw.ids[i], POISON_ID);
			if (run)
				same += hw.ids[i] == first[i];
			in_turn += i && hw.ids[i] == hw.ids[i - 1] + 1;
			first[i] = hw.ids[i];
		}
	}
	/* By chance: once in 65,536 each. */
	assert_in_range(same, 0, 2);
	assert_in_range(in_turn, 0, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pair_is_deleted_and_made),
		cmocka_unit_test(a_pair_that_is_not_deleted),
		cmocka_unit_test(both_deletions_have_one_deadline),
		cmocka_unit_test(the_check_at_start),
		cmocka_unit_test(fewer_are_granted),
		cmocka_unit_test(ids_are_not_to_be_foreseen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
