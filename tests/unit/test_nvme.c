/* SPDX-License-Identifier: MIT */
/*
 * test_nvme.c - the NVMe driver and the block event loop against a controller in
 * memory: doorbell writes are counted, IOVA equals address.
 *
 * Room:   tests/unit. Includes the driver's source; rf_exit() comes back here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "rt.h"

/* A doorbell: a word the controller below looks at, and a count. Saying what it said
 * before is an error to a real controller (PCIe Transport 1.0, 3.1.2). */
static unsigned bell_writes;

static void bell_write(uint32_t *at, uint32_t value)
{
	assert_int_not_equal(*at, value);
	*at = value;
	bell_writes++;
}
#define rf_mmio_write32(at, value) bell_write(at, value)

#include "drivers/nvme.c"

#define SQ_ENTRIES 64u
#define CQ_ENTRIES 32u
#define ARENA      (4u << 20)
#define DISK       (8u << 20)

/* ---- what the runtime would do -------------------------------------------------- */

static jmp_buf exit_jump;
static bool    exit_expected;
static int     exit_code;
static unsigned kicks, waits, unmasks;

_Noreturn void rf_exit(int code)
{
	exit_code = code;
	if (!exit_expected)
		fail_msg("the driver ended itself with %d", code);
	longjmp(exit_jump, 1);
}

struct rf_mmio_notes rf_mmio_notes;

void rf_kick(void)
{
	kicks++;
}

void rf_wait(void)
{
	waits++;
}

void rf_unmask(void)
{
	assert_int_equal(unmasks, waits); /* before the sleep, not after it */
	unmasks++;
}

/* Only a software device is woken, which this controller is not. */
void rf_doorbell_look(const struct rf_doorbell *bell, uint32_t why)
{
	(void)bell;
	(void)why;
	fail_msg("the driver wakes a device that has real doorbells");
}

void rf_boot_check(const struct rf_boot *boot)
{
	(void)boot;
}

/* ---- one driver, its service and its controller ----------------------------------- */

struct bench {
	struct rf_boot      boot;
	struct rf_blk_chan *chan;
	struct rf_blk_queue queue;
	struct nvme_queue   dev;
	struct rf_ring_end  req, resp; /* the service's ends */
	unsigned char      *mem, *arena, *disk;
	uint32_t doorbells[2];
	uint32_t sq_head, cq_tail, phase, shift;
	uint32_t executed, last_opcode, last_cdw12;
	uint16_t force_status;
};

static void bench_start(struct bench *b, uint32_t block_size, uint64_t flags)
{
	uint64_t bytes = nvme_queue_bytes(SQ_ENTRIES, CQ_ENTRIES, 256);

	memset(b, 0, sizeof(*b));
	b->chan = aligned_alloc(4096, RF_BLK_CHAN_BYTES);
	b->mem = aligned_alloc(4096, bytes);
	b->arena = aligned_alloc(4096, ARENA);
	b->disk = malloc(DISK);
	memset(b->chan, 0, RF_BLK_CHAN_BYTES);
	memset(b->mem, 0, bytes);
	memset(b->disk, 0xd1, DISK);
	b->phase = 1;
	b->shift = (uint32_t)__builtin_ctz(block_size);
	b->boot.queue_count = 1;
	b->boot.arena_iova = (uint64_t)(uintptr_t)b->arena;
	b->boot.blk.block_size = block_size;
	b->boot.queue[0] = (struct rf_boot_queue){
		.chan = (uint64_t)(uintptr_t)b->chan, .mem = (uint64_t)(uintptr_t)b->mem,
		.mem_iova = (uint64_t)(uintptr_t)b->mem, .mem_bytes = bytes,
		.regs = (uint64_t)(uintptr_t)b->doorbells,
		.param = { NVME_ENTRIES(SQ_ENTRIES, CQ_ENTRIES), 4, 7, flags },
	};
	rf_ring_attach(&b->req, &b->chan->req, RF_BLK_DEPTH);
	rf_ring_attach(&b->resp, &b->chan->resp, RF_BLK_DEPTH);
	rf_blk_attach(&nvme_driver, &b->queue, &b->dev, &b->boot, 0);
}

static void bench_end(struct bench *b)
{
	free(b->chan);
	free(b->mem);
	free(b->arena);
	free(b->disk);
}

static bool bench_turn(struct bench *b)
{
	return rf_blk_turn(&nvme_driver, &b->queue, &b->dev);
}

static void request(struct bench *b, uint32_t tag, uint8_t op, uint8_t flags, uint64_t offset,
		    uint32_t length, uint64_t arena)
{
	struct rf_blk_req req = { .tag = tag, .generation = 9, .op = op, .flags = flags,
				  .length = length, .offset = offset, .arena = arena };

	assert_true(rf_ring_space(&b->req, 1) > 0);
	rf_ring_put(&b->req, &req, sizeof(req));
	rf_ring_publish(&b->req);
}

static void response(struct bench *b, struct rf_blk_resp *resp)
{
	assert_true(rf_ring_ready(&b->resp) > 0);
	rf_ring_take(&b->resp, resp, sizeof(*resp));
	rf_ring_release(&b->resp);
}

/* Copies between disk and the pages PRP1, PRP2 or the list say (Base 4.1.1). */
static void payload_copy(struct bench *b, const struct nvme_sqe *e, unsigned char *disk,
			 uint64_t bytes)
{
	const uint64_t *list = bytes > 2 * 4096 ? (const uint64_t *)(uintptr_t)e->prp2 : &e->prp2;

	for (uint64_t done = 0; done < bytes;) {
		uint64_t at = done ? list[done / 4096 - 1] : e->prp1;
		uint64_t part = bytes - done < 4096 ? bytes - done : 4096;

		assert_int_equal(at % 4096, 0);
		assert_in_range(at, (uintptr_t)b->arena, (uintptr_t)b->arena + ARENA - part);
		if (e->opc == NVME_CMD_READ)
			memcpy((void *)(uintptr_t)at, disk + done, part);
		else
			memcpy(disk + done, (void *)(uintptr_t)at, part);
		done += part;
	}
}

static void command_run(struct bench *b, const struct nvme_sqe *e)
{
	uint64_t slba = e->cdw10 | (uint64_t)e->cdw11 << 32;
	uint64_t bytes = ((e->cdw12 & 0xffffull) + 1) << b->shift;
	const struct nvme_dsm_range *range = (const void *)(uintptr_t)e->prp1;

	assert_int_equal(e->nsid, 7);
	assert_int_equal(e->flags, 0);
	switch (e->opc) {
	case NVME_CMD_READ:
	case NVME_CMD_WRITE:
		assert_true((slba << b->shift) + bytes <= DISK);
		payload_copy(b, e, b->disk + (slba << b->shift), bytes);
		break;
	case NVME_CMD_WRITE_ZEROES:
		memset(b->disk + (slba << b->shift), 0, bytes);
		break;
	case NVME_CMD_DSM:
		assert_int_equal(e->cdw10, 0);
		assert_int_equal(e->cdw11, NVME_DSM_AD);
		memset(b->disk + (range->slba << b->shift), 0xee, (uint64_t)range->nlb << b->shift);
		break;
	case NVME_CMD_FLUSH:
		break;
	default:
		fail_msg("opcode 0x%x", e->opc);
	}
	b->last_opcode = e->opc;
	b->last_cdw12 = e->cdw12;
}

static void complete(struct bench *b, uint16_t cid, uint16_t status)
{
	struct nvme_cqe *c = (struct nvme_cqe *)(b->mem + nvme_queue_cq(SQ_ENTRIES)) + b->cq_tail;

	c->sqhd = (uint16_t)b->sq_head;
	c->cid = cid;
	c->status = (uint16_t)(status << 1 | b->phase);
	if (++b->cq_tail == CQ_ENTRIES) {
		b->cq_tail = 0;
		b->phase ^= 1;
	}
}

/* Does what the SQ tail doorbell asks for. */
static void controller_run(struct bench *b)
{
	while (b->sq_head != b->doorbells[0]) {
		const struct nvme_sqe *e = (const struct nvme_sqe *)b->mem + b->sq_head;

		assert_in_range(b->doorbells[0], 0, SQ_ENTRIES - 1);
		b->sq_head = (b->sq_head + 1) % SQ_ENTRIES;
		/* An overfull completion queue would overwrite what is not yet taken. */
		assert_int_not_equal((b->cq_tail + 1) % CQ_ENTRIES, b->doorbells[1]);
		if (!b->force_status)
			command_run(b, e);
		complete(b, e->cid, b->force_status);
		b->executed++;
	}
}

/* One request from ring to ring; its status. */
static int roundtrip(struct bench *b, uint8_t op, uint8_t flags, uint64_t offset, uint32_t length,
		     uint64_t arena)
{
	static uint32_t    tag = 1000;
	struct rf_blk_resp resp;

	request(b, ++tag, op, flags, offset, length, arena);
	bench_turn(b);
	controller_run(b);
	bench_turn(b);
	response(b, &resp);
	assert_int_equal(resp.tag, tag);
	assert_int_equal(resp.generation, 9);
	assert_true(rf_blk_status_valid(resp.status));
	assert_int_equal(b->doorbells[1], b->cq_tail);
	return resp.status;
}

/* Exit codes of a driver that ends itself in there, 0 if it does not. */
static __attribute__((noinline)) int turn_exit(struct bench *b)
{
	exit_code = 0;
	exit_expected = true;
	if (!setjmp(exit_jump))
		bench_turn(b);
	exit_expected = false;
	return exit_code;
}

static __attribute__((noinline)) int attach_exit(const struct rf_boot *boot)
{
	static struct rf_blk_queue queue;
	static struct nvme_queue   dev;

	memset(&queue, 0, sizeof(queue));
	exit_code = 0;
	exit_expected = true;
	if (!setjmp(exit_jump))
		rf_blk_attach(&nvme_driver, &queue, &dev, boot, 0);
	exit_expected = false;
	return exit_code;
}

/* ---- the tests ---------------------------------------------------------------------- */

static void data_lands_where_it_should(void **state)
{
	static const uint32_t lengths[] = { 512, 4096, 4608, 8192, 8704, 12288, 65536, 1 << 20 };

	(void)state;
	for (int format = 0; format < 2; format++) {
		struct bench b;

		bench_start(&b, format ? 4096 : 512, 0);
		for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
			uint32_t length = lengths[i], offset = 1 << 20, arena = 8192;

			if (format && length % 4096)
				continue;
			for (uint32_t k = 0; k < length; k++)
				b.arena[arena + k] = (unsigned char)(k * 7 + k / 4096 + i);
			memset(b.disk, 0xd1, DISK);
			assert_int_equal(roundtrip(&b, RF_BLK_WRITE, 0, offset, length, arena), 0);
			assert_memory_equal(b.disk + offset, b.arena + arena, length);
			assert_int_equal(b.disk[offset - 1], 0xd1);
			assert_int_equal(b.disk[offset + length], 0xd1);
			assert_int_equal(b.last_cdw12 & NVME_RW_FUA, 0);
			memset(b.arena, 0x5a, ARENA);
			assert_int_equal(roundtrip(&b, RF_BLK_READ, 0, offset, length, 2 << 20), 0);
			assert_memory_equal(b.disk + offset, b.arena + (2 << 20), length);
			assert_int_equal(b.arena[(2 << 20) - 1], 0x5a);
			assert_int_equal(b.arena[(2 << 20) + length], 0x5a);
		}
		bench_end(&b);
	}
}

static void other_commands_say_what_was_asked(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 512, NVME_FLAG_DSM | NVME_FLAG_WRITEZEROES | NVME_FLAG_DEAC);
	assert_int_equal(roundtrip(&b, RF_BLK_FLUSH, 0, 0, 0, 0), 0);
	assert_int_equal(b.last_opcode, NVME_CMD_FLUSH);
	assert_int_equal(roundtrip(&b, RF_BLK_WRITE, RF_BLK_FUA, 0, 4096, 0), 0);
	assert_int_equal(b.last_cdw12, NVME_RW_FUA | 7);
	assert_int_equal(roundtrip(&b, RF_BLK_DISCARD, 0, 1 << 20, 1 << 20, 0), 0);
	assert_int_equal(b.last_opcode, NVME_CMD_DSM);
	assert_int_equal(b.disk[(1 << 20) - 1], 0xd1);
	assert_int_equal(b.disk[1 << 20], 0xee);
	assert_int_equal(b.disk[(2 << 20) - 1], 0xee);
	assert_int_equal(b.disk[2 << 20], 0xd1);
	assert_int_equal(roundtrip(&b, RF_BLK_ZERO, 0, 4096, 8192, 0), 0);
	assert_int_equal(b.last_cdw12, NVME_WZ_DEAC | 15);
	assert_int_equal(b.disk[4096], 0);
	assert_int_equal(b.disk[12287], 0);
	assert_int_equal(b.disk[12288], 0xd1);
	assert_int_equal(roundtrip(&b, RF_BLK_ZERO, RF_BLK_NO_UNMAP | RF_BLK_FUA, 0, 512, 0), 0);
	assert_int_equal(b.last_cdw12, NVME_RW_FUA);
	bench_end(&b);
}

/* Answered at once, without the device: no doorbell, and the slot comes back. */
static void what_cannot_be_done_is_refused(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 512, 0);
	bell_writes = 0;
	for (int i = 0; i < 1000; i++) {
		assert_int_equal(roundtrip(&b, RF_BLK_DISCARD, 0, 0, 512, 0), -EOPNOTSUPP);
		assert_int_equal(roundtrip(&b, RF_BLK_ZERO, 0, 0, 512, 0), -EOPNOTSUPP);
		assert_int_equal(roundtrip(&b, 77, 0, 0, 512, 0), -EOPNOTSUPP);
		assert_int_equal(roundtrip(&b, RF_BLK_READ, 0, 0, 0, 0), -EINVAL);
		assert_int_equal(roundtrip(&b, RF_BLK_READ, 0, 0, (2u << 20) + 8192, 0), -EINVAL);
		assert_int_equal(roundtrip(&b, RF_BLK_WRITE, 0, 0, (64u << 20), 0), -EINVAL);
	}
	assert_int_equal(b.executed, 0);
	assert_int_equal(bell_writes, 0);
	bench_end(&b);
}

static void status_becomes_errno(void **state)
{
	static const struct {
		uint32_t status;
		int      result;
	} cases[] = {
		{ NVME_SC_INVALID_OPCODE, -EOPNOTSUPP }, { NVME_SC_INVALID_FIELD, -EINVAL },
		{ NVME_SC_LBA_OUT_OF_RANGE, -EINVAL }, { NVME_SC_CAPACITY_EXCEEDED, -ENOSPC },
		{ NVME_SC_NS_WRITE_PROTECTED, -EPERM }, { NVME_SC_WRITE_TO_RO_RANGE, -EPERM },
		{ NVME_SC_GUARD_CHECK, -EILSEQ }, { NVME_SC_UNRECOVERED_READ, -EIO },
		{ NVME_SC_WRITE_FAULT, -EIO }, { NVME_SC_INTERNAL_ERROR, -EIO },
		{ NVME_SC_ABORTED_SQ_DELETION, -EIO },
	};
	struct bench b;

	(void)state;
	bench_start(&b, 512, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		b.force_status = (uint16_t)cases[i].status;
		assert_int_equal(roundtrip(&b, RF_BLK_READ, 0, 0, 512, 0), cases[i].result);
	}
	/* every status there is: do not retry and more bits too */
	for (uint32_t status = 1; status < 0x8000; status++) {
		b.force_status = (uint16_t)status;
		int result = roundtrip(&b, RF_BLK_READ, 0, 0, 512, 0);
		assert_true(result < 0 || !(status & 0x7ff));
	}
	bench_end(&b);
}

/* 32 at a time through both queues' ends many times over, completed out of order. */
static void batches_wrap_and_ring_once(void **state)
{
	struct bench b;
	bool         seen[31];

	(void)state;
	bench_start(&b, 512, 0);
	assert_int_equal(b.queue.slots, CQ_ENTRIES - 1);
	for (int round = 0; round < 300; round++) {
		uint16_t cids[31];

		for (uint32_t i = 0; i < 31; i++)
			request(&b, i, RF_BLK_READ, 0, i * 512, 512, i * 4096);
		bell_writes = 0;
		assert_true(bench_turn(&b));
		assert_int_equal(bell_writes, 1);
		for (uint32_t i = 0; i < 31; i++)
			cids[i] = ((struct nvme_sqe *)b.mem)[(b.sq_head + i) % SQ_ENTRIES].cid;
		assert_int_equal(b.doorbells[0], (b.sq_head + 31) % SQ_ENTRIES);
		b.sq_head = b.doorbells[0];
		for (uint32_t i = 0; i < 31; i++)
			complete(&b, cids[(i * 7 + (uint32_t)round) % 31], 0);
		assert_true(bench_turn(&b));
		assert_int_equal(bell_writes, 2);
		assert_int_equal(b.doorbells[1], b.cq_tail);
		memset(seen, 0, sizeof(seen));
		for (uint32_t i = 0; i < 31; i++) {
			struct rf_blk_resp resp;

			response(&b, &resp);
			assert_in_range(resp.tag, 0, 30);
			assert_false(seen[resp.tag]);
			seen[resp.tag] = true;
		}
		assert_int_equal(rf_ring_ready(&b.resp), 0);
		assert_false(bench_turn(&b));
	}
	bench_end(&b);
}

/* More requests than slots wait in the ring, and the driver may sleep meanwhile. */
static void full_queue_waits_for_the_device(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 512, 0);
	for (uint32_t i = 0; i < 100; i++)
		request(&b, i, RF_BLK_READ, 0, 0, 512, 0);
	while (bench_turn(&b))
		;
	assert_int_equal(b.queue.free_count, 0);
	waits = 0;
	rf_blk_sleep(&nvme_driver, &b.queue, (char *)&b.dev, sizeof(b.dev), 1, false);
	assert_int_equal(waits, 1);
	controller_run(&b);
	rf_blk_sleep(&nvme_driver, &b.queue, (char *)&b.dev, sizeof(b.dev), 1, false);
	assert_int_equal(waits, 1); /* completions are there: no sleep */
	for (int i = 0; i < 20; i++) {
		bench_turn(&b);
		controller_run(&b);
	}
	assert_int_equal(b.executed, 100);
	assert_int_equal(rf_ring_ready(&b.resp), 100);
	bench_end(&b);
}

static void service_is_kicked_only_when_asleep(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 512, 0);
	kicks = 0;
	roundtrip(&b, RF_BLK_READ, 0, 0, 512, 0);
	assert_int_equal(kicks, 0);
	rf_ring_arm(&b.resp);
	roundtrip(&b, RF_BLK_READ, 0, 0, 512, 0);
	assert_int_equal(kicks, 1);
	rf_ring_disarm(&b.resp);
	roundtrip(&b, RF_BLK_READ, 0, 0, 512, 0);
	assert_int_equal(kicks, 1);
	/* A request that comes after the driver asked for kicks keeps it awake. */
	waits = 0;
	request(&b, 1, RF_BLK_READ, 0, 0, 512, 0);
	rf_blk_sleep(&nvme_driver, &b.queue, (char *)&b.dev, sizeof(b.dev), 1, false);
	assert_int_equal(waits, 0);
	bench_turn(&b);
	rf_blk_sleep(&nvme_driver, &b.queue, (char *)&b.dev, sizeof(b.dev), 1, false);
	assert_int_equal(waits, 1);
	assert_int_equal(atomic_load(&b.req.ring->asleep), 0);
	bench_end(&b);
}

static void intx_is_re_armed_before_each_sleep(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 512, 0);
	waits = unmasks = 0;
	for (unsigned i = 1; i <= 3; i++) {
		rf_blk_sleep(&nvme_driver, &b.queue, (char *)&b.dev, sizeof(b.dev), 1, true);
		assert_int_equal(waits, i);
		assert_int_equal(unmasks, i);
	}
	bench_end(&b);
}

static void heartbeat_counts_turns(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 512, 0);
	for (uint64_t i = 1; i < 10; i++) {
		bench_turn(&b);
		assert_int_equal(atomic_load(&b.chan->heartbeat), i);
	}
	bench_end(&b);
}

static void device_that_lies_ends_the_driver(void **state)
{
	static const uint16_t lies[] = { 1, 30, 31, 255, 256, 0xffff };
	struct bench b;

	(void)state;
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		bench_start(&b, 512, 0);
		request(&b, 1, RF_BLK_READ, 0, 0, 512, 0);
		bench_turn(&b);
		complete(&b, lies[i], 0);
		assert_int_equal(turn_exit(&b), RF_DRIVER_EXIT_ANSWER);
		bench_end(&b);
	}
	/* the same answer twice */
	bench_start(&b, 512, 0);
	roundtrip(&b, RF_BLK_READ, 0, 0, 512, 0);
	complete(&b, 0, 0);
	assert_int_equal(turn_exit(&b), RF_DRIVER_EXIT_ANSWER);
	bench_end(&b);
}

static void ring_that_lies_ends_the_driver(void **state)
{
	struct bench b;

	(void)state;
	bench_start(&b, 512, 0);
	atomic_store(&b.req.ring->tail, RF_BLK_DEPTH + 1);
	assert_int_equal(turn_exit(&b), RF_DRIVER_EXIT_RING);
	bench_end(&b);
	bench_start(&b, 512, 0);
	atomic_store(&b.resp.ring->head, 1);
	b.queue.resp.own = 240; /* so that it looks at the head at all */
	request(&b, 1, RF_BLK_READ, 0, 0, 512, 0);
	assert_int_equal(turn_exit(&b), 0);
	controller_run(&b);
	atomic_store(&b.resp.ring->head, 500);
	assert_int_equal(turn_exit(&b), RF_DRIVER_EXIT_RING);
	bench_end(&b);
}

static void unusable_boot_records_end_the_driver(void **state)
{
	static const uint32_t entries[][2] = { { 0, 32 }, { 1, 32 }, { 48, 32 }, { 64, 0 }, { 64, 3 } };
	struct bench b;

	(void)state;
	bench_start(&b, 512, 0);
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		struct rf_boot boot = b.boot;

		boot.queue[0].param[0] = NVME_ENTRIES(entries[i][0], entries[i][1]);
		assert_int_equal(attach_exit(&boot), RF_DRIVER_EXIT_BOOT);
	}
	struct rf_boot small = b.boot;
	small.queue[0].mem_bytes = nvme_queue_lists(SQ_ENTRIES, CQ_ENTRIES);
	assert_int_equal(attach_exit(&small), RF_DRIVER_EXIT_BOOT);
	small = b.boot;
	small.blk.block_size = 520;
	assert_int_equal(attach_exit(&small), RF_DRIVER_EXIT_BOOT);
	bench_end(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_lands_where_it_should),
		cmocka_unit_test(other_commands_say_what_was_asked),
		cmocka_unit_test(what_cannot_be_done_is_refused),
		cmocka_unit_test(status_becomes_errno),
		cmocka_unit_test(batches_wrap_and_ring_once),
		cmocka_unit_test(full_queue_waits_for_the_device),
		cmocka_unit_test(service_is_kicked_only_when_asleep),
		cmocka_unit_test(intx_is_re_armed_before_each_sleep),
		cmocka_unit_test(heartbeat_counts_turns),
		cmocka_unit_test(device_that_lies_ends_the_driver),
		cmocka_unit_test(ring_that_lies_ends_the_driver),
		cmocka_unit_test(unusable_boot_records_end_the_driver),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
