/* SPDX-License-Identifier: MIT */
/*
 * test_virtio_blk.c - the virtio block driver against a device in memory: what is in the
 * tables it shows, and what it makes of statuses; queues split and packed.
 *
 * Room:   tests/unit. Calls the table's functions as the event loop does.
 */
#include "driver_rt.h"

#include "drivers/virtio_blk.c"
#include "virtq_device.h"

#define SIZE  64u
#define QUEUE 3u
#define ARENA 0x100000000ull

struct bench {
	struct rf_boot     boot;
	struct virtio_blk  dev;
	unsigned char     *mem;
	struct vq          q;
	uint16_t           notify;
};

/* `state`: see BOTH_KINDS_OF(). */
static void bench_start(struct bench *b, void **state, uint64_t flags)
{
	bool packed = *(const bool *)*state;

	memset(b, 0, sizeof(*b));
	b->mem = aligned_alloc(64, virtio_blk_bytes(SIZE));
	memset(b->mem, 0, virtio_blk_bytes(SIZE));
	bell_writes = 0;
	b->boot.arena_iova = ARENA;
	b->boot.queue[0] = (struct rf_boot_queue){
		.mem = (uint64_t)(uintptr_t)b->mem, .mem_iova = (uint64_t)(uintptr_t)b->mem,
		.mem_bytes = virtio_blk_bytes(SIZE), .regs = (uint64_t)(uintptr_t)&b->notify,
		.number = QUEUE,
		.param = { SIZE, flags | (packed ? VIRTIO_BLK_FLAG_PACKED : 0) },
	};
	b->q = vq_at(b->mem, SIZE, packed);
	assert_int_equal(virtio_blk_start(&b->dev, &b->boot, 0), SIZE);
}

/* The request the device is shown next: its parts in order. */
struct shown {
	uint32_t       slot;
	struct vq_part header, payload, status;
};

static struct shown shown(struct bench *b, bool payload)
{
	struct shown s = { 0 };

	assert_true(vq_take(&b->q, &s.slot));
	struct vq_part all = vq_part(&b->q, s.slot, 0);
	s.header = vq_in_table(&b->q, all, 0);
	assert_int_equal(s.header.length, 16);
	assert_true(s.header.more && !s.header.writable);
	if (payload) {
		s.payload = vq_in_table(&b->q, all, 1);
		assert_true(s.payload.more);
	}
	s.status = vq_in_table(&b->q, all, payload ? 2 : 1);
	assert_int_equal(s.status.length, 1);
	assert_true(s.status.writable && !s.status.more);
	return s;
}

static uint32_t type_of(const struct shown *s)
{
	return *(const uint32_t *)(const void *)s->header.at;
}

/* The device says `id`, having written the status of `slot`. */
static void done(struct bench *b, uint32_t id, uint32_t slot, uint8_t status)
{
	struct virtio_blk_slot *s = (void *)(b->mem + virtq_bytes(SIZE));

	s[slot].status = status;
	vq_say(&b->q, id, 1, 1);
}

static void test_reads_and_writes(void **state)
{
	static struct bench b;

	bench_start(&b, state, 0);
	for (unsigned i = 0; i < 3 * SIZE; i++) {
		struct rf_blk_req req = { .op = i & 1 ? RF_BLK_WRITE : RF_BLK_READ,
					  .length = 4096 * (1 + i % 3),
					  .offset = 512ull * i,
					  .arena = 4096ull * i };
		unsigned slot = i % SIZE, got;
		int status;

		assert_int_equal(virtio_blk_submit(&b.dev, slot, &req), 0);
		virtio_blk_commit(&b.dev);
		assert_int_equal(bell_writes, i + 1);
		assert_int_equal(b.notify, QUEUE);
		struct shown seen = shown(&b, true);
		assert_int_equal(seen.slot, slot);
		assert_int_equal(type_of(&seen), i & 1 ? VIRTIO_BLK_T_OUT : VIRTIO_BLK_T_IN);
		assert_int_equal(*(const uint64_t *)(const void *)(seen.header.at + 8), i);
		assert_int_equal((uint64_t)(uintptr_t)seen.payload.at, ARENA + req.arena);
		assert_int_equal(seen.payload.length, req.length);
		assert_int_equal(seen.payload.writable, !(i & 1));
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

/* A doorbell that is memory says the same each time: the device is woken for each. */
static void test_each_notification_wakes_a_device_of_software(void **state)
{
	struct rf_blk_req req = { .op = RF_BLK_WRITE, .length = 4096 };
	static struct bench b;

	bench_start(&b, state, 0);
	b.boot.flags = RF_BOOT_DOORBELL;
	assert_int_equal(virtio_blk_start(&b.dev, &b.boot, 0), SIZE);
	bell_looks = 0;
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(virtio_blk_submit(&b.dev, i, &req), 0);
		virtio_blk_commit(&b.dev);
		assert_int_equal(bell_writes, i + 1);
		assert_int_equal(bell_looks, i + 1);
	}
	/* Nothing new, or a device that does not want to hear of it: no system call. */
	virtio_blk_commit(&b.dev);
	vq_hush(&b.q, true);
	assert_int_equal(virtio_blk_submit(&b.dev, 3, &req), 0);
	virtio_blk_commit(&b.dev);
	assert_int_equal(bell_looks, 3);
	free(b.mem);
}

static void test_flush_has_no_payload(void **state)
{
	struct rf_blk_req req = { .op = RF_BLK_FLUSH };
	static struct bench b;

	bench_start(&b, state, 0);
	assert_int_equal(virtio_blk_submit(&b.dev, 5, &req), 0);
	virtio_blk_commit(&b.dev);
	struct shown seen = shown(&b, false);
	assert_int_equal(type_of(&seen), VIRTIO_BLK_T_FLUSH);
	assert_int_equal(seen.slot, 5);
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

	bench_start(&b, state,
		    VIRTIO_BLK_FLAG_DISCARD | VIRTIO_BLK_FLAG_ZEROES | VIRTIO_BLK_FLAG_UNMAP);
	for (unsigned i = 0; i < 3; i++) {
		struct rf_blk_req req = {
			.op = table[i].op, .flags = table[i].flags, .offset = 8192, .length = 65536
		};

		assert_int_equal(virtio_blk_submit(&b.dev, i, &req), 0);
		virtio_blk_commit(&b.dev);
		struct shown seen = shown(&b, true);
		const struct virtio_blk_range *range = (const void *)seen.payload.at;
		assert_int_equal(type_of(&seen), table[i].type);
		assert_int_equal(seen.payload.length, sizeof(*range));
		assert_false(seen.payload.writable);
		assert_int_equal(range->sector, 16);
		assert_int_equal(range->sectors, 128);
		assert_int_equal(range->flags, table[i].unmap);
	}
	free(b.mem);
}

static void test_what_is_refused(void **state)
{
	struct rf_blk_req fua = { .op = RF_BLK_WRITE, .flags = RF_BLK_FUA, .length = 4096 };
	struct rf_blk_req nothing = { .op = RF_BLK_READ },
			  discard = { .op = RF_BLK_DISCARD, .length = 512 };
	struct rf_blk_req unknown = { .op = 99 };
	static struct bench b;

	bench_start(&b, state, 0);
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

	bench_start(&b, state, 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(virtio_blk_submit(&b.dev, i, &req), 0);
	done(&b, 0, 0, VIRTIO_BLK_S_IOERR);
	done(&b, 1, 1, VIRTIO_BLK_S_UNSUPP);
	done(&b, 2, 2, 0xff); /* never written */
	done(&b, 7000, 3, 0); /* no such slot: passed on, for the loop to end the driver */
	assert_true(virtio_blk_poll(&b.dev, &slot, &status));
	assert_int_equal(status, -EIO);
	assert_true(virtio_blk_poll(&b.dev, &slot, &status));
	assert_int_equal(status, -EOPNOTSUPP);
	assert_true(virtio_blk_poll(&b.dev, &slot, &status));
	assert_int_equal(status, -EIO);
	assert_true(virtio_blk_poll(&b.dev, &slot, &status));
	assert_int_equal(slot, 7000);
	if (b.q.packed) {
		free(b.mem);
		return;
	}
	vq_used(&b.q)->idx = SIZE + 5;
	exit_code = 0;
	exit_expected = true;
	if (!setjmp(exit_jump))
		(void)virtio_blk_pending(&b.dev);
	exit_expected = false;
	assert_int_equal(exit_code, RF_DRIVER_EXIT_ANSWER);
	free(b.mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH_KINDS_OF(test_reads_and_writes),
		BOTH_KINDS_OF(test_each_notification_wakes_a_device_of_software),
		BOTH_KINDS_OF(test_flush_has_no_payload),
		BOTH_KINDS_OF(test_discard_and_zero_name_their_range),
		BOTH_KINDS_OF(test_what_is_refused),
		BOTH_KINDS_OF(test_answers_of_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
