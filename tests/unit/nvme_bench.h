/* SPDX-License-Identifier: MIT */
/*
 * nvme_bench.h - a driver of NVMe, its service and its controller, all in the test.
 *
 * Room:   tests/unit. Includes the driver; rf_exit() comes back to the test.
 */
#ifndef RF_UNIT_NVME_BENCH_H
#define RF_UNIT_NVME_BENCH_H

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

#endif
