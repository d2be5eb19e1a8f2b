/* SPDX-License-Identifier: MIT */
/*
 * test_virtio_blk.c - the virtio block driver against a device in memory: what is in the
 * tables it shows, and what it makes of statuses.
 *
 * Room:   tests/unit. Calls the table's functions as the event loop does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "rt.h"

static unsigned bell_writes;

static void bell_write16(uint16_t *at, uint16_t value)
{
	*at = value;
	bell_writes++;
}
#define rf_mmio_write16(at, value) bell_write16(at, value)

#include "drivers/virtio_blk.c"

#define SIZE  64u
#define ARENA 0x100000000ull

static jmp_buf exit_jump;
static bool    exit_expected;
static int     exit_code;

_Noreturn void rf_exit(int code)
{
	exit_code = code;
	if (!exit_expected)
		fail_msg("the driver ended itself with %d", code);
	longjmp(exit_jump, 1);
}

void rf_kick(void)
{
}

void rf_wait(void)
{
}

void rf_unmask(void)
{
}

void rf_boot_check(const struct rf_boot *boot)
{
	(void)boot;
}

struct bench {
	struct rf_boot     boot;
	struct virtio_blk  dev;
	unsigned char     *mem;
	uint16_t           notify, seen;
};

static void bench_start(struct bench *b, uint64_t flags)
{
	memset(b, 0, sizeof(*b));
	b->mem = aligned_alloc(64, virtio_blk_bytes(SIZE));
	memset(b->mem, 0, virtio_blk_bytes(SIZE));
	bell_writes = 0;
	b->boot.arena_iova = ARENA;
	b->boot.queue[0] = (struct rf_boot_queue){
		.mem = (uint64_t)(uintptr_t)b->mem, .mem_iova = (uint64_t)(uintptr_t)b->mem,
		.mem_bytes = virtio_blk_bytes(SIZE), .regs = (uint64_t)(uintptr_t)&b->notify,
		.param = { SIZE, flags },
	};
	assert_int_equal(virtio_blk_start(&b->dev, &b->boot, 0), SIZE);
}

/* The table the device is shown next. */
static const struct virtq_desc *shown(struct bench *b, uint32_t *slot)
{
	const struct virtq_avail *avail = (void *)(b->mem + virtq_avail_at(SIZE));
	const struct virtq_desc *desc = (void *)b->mem;

	assert_int_not_equal(avail->idx, b->seen);
	*slot = avail->ring[b->seen++ % SIZE];
	assert_in_range(*slot, 0, SIZE - 1);
	assert_int_equal(desc[*slot].flags, VIRTQ_DESC_F_INDIRECT);
	assert_int_equal(desc[*slot].len, 3 * sizeof(struct virtq_desc));
	return (void *)(uintptr_t)desc[*slot].addr;
}

static void done(struct bench *b, uint32_t id, uint32_t slot, uint8_t status)
{
	struct virtq_used *used = (void *)(b->mem + virtq_used_at(SIZE));
	struct virtio_blk_slot *s = (void *)(b->mem + virtq_bytes(SIZE));

	s[slot].status = status;
	used->ring[used->idx % SIZE].id = id;
	used->idx++;
}

static void test_reads_and_writes(void **state)
{
	static struct bench b;

	(void)state;
	bench_start(&b, 0);
	for (unsigned i = 0; i < 3 * SIZE; i++) {
		struct rf_blk_req req = { .op = i & 1 ? RF_BLK_WRITE : RF_BLK_READ, .length = 4096 * (1 + i % 3),
					  .offset = 512ull * i, .arena = 4096ull * i };
		unsigned slot = i % SIZE, got;
		uint32_t seen;
		int status;

		assert_int_equal(virtio_blk_submit(&b.dev, slot, &req), 0);
		virtio_blk_commit(&b.dev);
		assert_int_equal(bell_writes, i + 1);
		const struct virtq_desc *t = shown(&b, &seen), *data = &t[t[0].next];
		const uint32_t *type = (void *)(uintptr_t)t[0].addr;
		assert_int_equal(seen, slot);
		assert_int_equal(*type, i & 1 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN);
		assert_int_equal(*(const uint64_t *)(const void *)(type + 2), i);
		assert_int_equal(t[0].flags, VIRTQ_DESC_F_NEXT);
		assert_int_equal(data->addr, ARENA + req.arena);
		assert_int_equal(data->len, req.length);
		assert_int_equal(data->flags, VIRTQ_DESC_F_NEXT | (i & 1 ? 0 : VIRTQ_DESC_F_WRITE));
		assert_int_equal(t[data->next].flags, VIRTQ_DESC_F_WRITE);
		assert_int_equal(t[data->next].len, 1);
		assert_false(virtio_blk_pending(&b.dev));
		done(&b, slot, slot, VIRTIO_BLK_S_OK);
		assert_true(virtio_blk_pending(&b.dev));
		assert_true(virtio_blk_poll(&b.dev, &got, &status));
		assert_int_equal(got, slot);
		assert_int_equal(status, 0);
		assert_false(virtio_blk_poll(&b.dev, &got, &status));
	}
	free(b.mem);
}

static void test_flush_has_no_payload(void **state)
{
	struct rf_blk_req req = { .op = RF_BLK_FLUSH };
	static struct bench b;
	uint32_t slot;

	(void)state;
	bench_start(&b, 0);
	assert_int_equal(virtio_blk_submit(&b.dev, 5, &req), 0);
	virtio_blk_commit(&b.dev);
	const struct virtq_desc *t = shown(&b, &slot);
	assert_int_equal(*(uint32_t *)(uintptr_t)t[0].addr, VIRTIO_BLK_T_FLUSH);
	assert_int_equal(t[t[0].next].len, 1);
	assert_int_equal(t[t[0].next].flags, VIRTQ_DESC_F_WRITE);
	free(b.mem);
}

static void test_discard_and_zero_name_their_range(void **state)
{
	static const struct {
		uint8_t  op, flags;
		uint32_t type, unmap;
	} table[] = {
		{ RF_BLK_DISCARD, 0, VIRTIO_BLK_T_DISCARD, 0 },
		{ RF_BLK_ZERO, 0, VIRTIO_BLK_T_WRITE_ZEROES, VIRTIO_BLK_UNMAP },
		{ RF_BLK_ZERO, RF_BLK_NO_UNMAP, VIRTIO_BLK_T_WRITE_ZEROES, 0 },
	};
	static struct bench b;

	(void)state;
	bench_start(&b, VIRTIO_BLK_FLAG_DISCARD | VIRTIO_BLK_FLAG_ZEROES | VIRTIO_BLK_FLAG_UNMAP);
	for (unsigned i = 0; i < 3; i++) {
		struct rf_blk_req req = { .op = table[i].op, .flags = table[i].flags, .offset = 8192, .length = 65536 };
		uint32_t slot;

		assert_int_equal(virtio_blk_submit(&b.dev, i, &req), 0);
		virtio_blk_commit(&b.dev);
		const struct virtq_desc *t = shown(&b, &slot), *data = &t[t[0].next];
		const struct virtio_blk_range *range = (void *)(uintptr_t)data->addr;
		assert_int_equal(*(uint32_t *)(uintptr_t)t[0].addr, table[i].type);
		assert_int_equal(data->len, sizeof(*range));
		assert_int_equal(data->flags, VIRTQ_DESC_F_NEXT);
		assert_int_equal(range->sector, 16);
		assert_int_equal(range->sectors, 128);
		assert_int_equal(range->flags, table[i].unmap);
	}
	free(b.mem);
}

static void test_what_is_refused(void **state)
{
	struct rf_blk_req fua = { .op = RF_BLK_WRITE, .flags = RF_BLK_FUA, .length = 4096 };
	struct rf_blk_req nothing = { .op = RF_BLK_READ }, discard = { .op = RF_BLK_DISCARD, .length = 512 };
	struct rf_blk_req unknown = { .op = 99 };
	static struct bench b;

	(void)state;
	bench_start(&b, 0);
	assert_int_equal(virtio_blk_submit(&b.dev, 0, &fua), -EOPNOTSUPP);
	assert_int_equal(virtio_blk_submit(&b.dev, 0, &nothing), -EINVAL);
	assert_int_equal(virtio_blk_submit(&b.dev, 0, &discard), -EOPNOTSUPP);
	assert_int_equal(virtio_blk_submit(&b.dev, 0, &unknown), -EOPNOTSUPP);
	virtio_blk_commit(&b.dev);
	assert_int_equal(bell_writes, 0);
	free(b.mem);
}

static void test_answers_of_the_device(void **state)
{
	struct rf_blk_req req = { .op = RF_BLK_READ, .length = 4096 };
	static struct bench b;
	unsigned slot;
	int status;

	(void)state;
	bench_start(&b, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(virtio_blk_submit(&b.dev, i, &req), 0);
	done(&b, 0, 0, VIRTIO_BLK_S_IOERR);
	done(&b, 1, 1, VIRTIO_BLK_S_UNSUPP);
	done(&b, 2, 2, 0xff); /* never written */
	done(&b, 70000, 3, 0); /* no such slot: passed on, for the loop to end the driver */
	assert_true(virtio_blk_poll(&b.dev, &slot, &status));
	assert_int_equal(status, -EIO);
	assert_true(virtio_blk_poll(&b.dev, &slot, &status));
	assert_int_equal(status, -EOPNOTSUPP);
	assert_true(virtio_blk_poll(&b.dev, &slot, &status));
	assert_int_equal(status, -EIO);
	assert_true(virtio_blk_poll(&b.dev, &slot, &status));
	assert_int_equal(slot, 70000);
	((struct virtq_used *)(void *)(b.mem + virtq_used_at(SIZE)))->idx = SIZE + 5;
	exit_code = 0;
	exit_expected = true;
	if (!setjmp(exit_jump))
		(void)virtio_blk_pending(&b.dev);
	exit_expected = false;
	assert_int_equal(exit_code, RF_EXIT_ANSWER);
	free(b.mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_and_writes),
		cmocka_unit_test(test_flush_has_no_payload),
		cmocka_unit_test(test_discard_and_zero_name_their_range),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_answers_of_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
