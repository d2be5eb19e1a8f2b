/* SPDX-License-Identifier: MIT */
/*
 * test_nvme.c - the NVMe driver and the block event loop against a controller in
 * memory: doorbell writes are counted, IOVA equals address.
 *
 * Room:   tests/unit. Includes the driver's source; rf_exit() comes back here.
 */
#include "nvme_bench.h"

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
	static const uint32_t entries[][2] = {
		{ 0, 32 }, { 1, 32 }, { 48, 32 }, { 64, 0 }, { 64, 3 }
	};
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
