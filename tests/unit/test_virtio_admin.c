/* SPDX-License-Identifier: MIT */
/*
 * test_virtio_admin.c - which virtio block devices are driven; the others are named in a line.
 *
 * Room:   tests/unit. virtio_admin.c on a device configuration that is a table here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "clock.h"
#include "log.h"
#include "virtio_pci.h"

#define QUEUES_IOVA 0x40000000u

static unsigned char space[128];
static char said[256];

void rf_log(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(said, sizeof(said), format, ap);
	va_end(ap);
}

uint64_t virtio_config(struct rf_device *d, const struct virtio_pci *v, uint64_t at, uint32_t bytes)
{
	uint64_t value = 0;

	(void)d, (void)v;
	memcpy(&value, space + at, bytes);
	return value;
}

int virtio_open(struct rf_device *d, struct virtio_pci *v) { (void)d, (void)v; return 0; }
bool virtio_present(struct rf_device *d, const struct virtio_pci *v)
{
	(void)d, (void)v;
	return true;
}
int virtio_reset(struct rf_device *d, const struct virtio_pci *v) { (void)d, (void)v; return 0; }
int virtio_negotiate(struct rf_device *d, struct virtio_pci *v, uint64_t w, uint64_t n)
{
	(void)d, (void)v, (void)w, (void)n;
	return 0;
}
int virtio_queues(struct rf_device *d, struct virtio_pci *v, unsigned n, uint32_t m)
{
	(void)d, (void)v, (void)n, (void)m;
	return 0;
}
int virtio_queues_learn(struct rf_device *d, struct virtio_pci *v, uint32_t n)
{
	(void)d, (void)v, (void)n;
	return 0;
}
int virtio_queues_check(struct rf_device *d, struct virtio_pci *v) { (void)d, (void)v; return 0; }
int virtio_queues_enable(struct rf_device *d, struct virtio_pci *v) { (void)d, (void)v; return 0; }
int virtio_queues_drop(struct rf_device *d, struct virtio_pci *v, unsigned q)
{
	(void)d, (void)v, (void)q;
	return 0;
}
int virtio_queues_make(struct rf_device *d, struct virtio_pci *v, unsigned q, unsigned h)
{
	(void)d, (void)v, (void)q, (void)h;
	return 0;
}
int virtio_doorbells(struct rf_device *d, struct virtio_pci *v, unsigned n)
{
	(void)d, (void)v, (void)n;
	return 0;
}
int virtio_start_queue(struct rf_device *d, struct virtio_pci *v, unsigned q, uint64_t i, int n)
{
	(void)d, (void)v;
	assert_int_equal(q, 0);
	assert_int_equal(i, QUEUES_IOVA);
	assert_int_equal(n, VIRTIO_MSI_NO_VECTOR);
	return 0;
}

/* The disk: what it says when it is asked for its name. */
static struct { const char *name; uint8_t status; bool silent; } disk;
static _Alignas(64) unsigned char queues[65536];

static void *memory_at(uint64_t iova, uint32_t bytes)
{
	assert_true(iova >= QUEUES_IOVA && iova - QUEUES_IOVA + bytes <= sizeof(queues));
	return queues + (iova - QUEUES_IOVA);
}

/* The doorbell. */
int bar_write(struct rf_device *d, uint32_t bar, uint64_t offset, const void *from, uint32_t bytes)
{
	struct virtq_used *used = (void *)(queues + virtq_used_at(8));
	const struct virtq_avail *avail = (const void *)(queues + virtq_avail_at(8));
	const struct virtq_desc *ring = (const void *)queues;

	(void)d, (void)bar, (void)from;
	assert_int_equal(offset, 0x3000);
	assert_int_equal(bytes, 2);
	assert_int_equal(avail->idx, 1);
	assert_int_equal(ring[avail->ring[0]].flags, VIRTQ_DESC_F_INDIRECT);
	const struct virtq_desc *t = memory_at(ring[avail->ring[0]].addr, ring[avail->ring[0]].len);
	const uint32_t *type = memory_at(t[0].addr, t[0].len);
	assert_int_equal(*type, VIRTIO_BLK_T_GET_ID);
	assert_int_equal(t[0].flags, VIRTQ_DESC_F_NEXT);
	assert_int_equal(t[1].flags, VIRTQ_DESC_F_NEXT | VIRTQ_DESC_F_WRITE);
	assert_int_equal(t[2].flags, VIRTQ_DESC_F_WRITE);
	if (disk.silent)
		return 0;
	memcpy(memory_at(t[1].addr, t[1].len), disk.name, 20);
	*(uint8_t *)memory_at(t[2].addr, t[2].len) = disk.status;
	used->idx = 1;
	return 0;
}

uint32_t config_word(const struct rf_device *d, uint32_t at)
{
	(void)d, (void)at;
	return 0x10421af4;
}

static uint64_t now;

uint64_t rf_now_ns(void) { return now += 1000000; }
int virtio_go(struct rf_device *d, struct virtio_pci *v) { (void)d, (void)v; return 0; }
const char *virtio_changed(struct rf_device *d, const struct virtio_pci *v)
{
	(void)d, (void)v;
	return NULL;
}
void virtio_mark(struct rf_device *d, struct virtio_pci *v) { (void)d, (void)v; }
int irq_vector(struct rf_device *d, uint32_t q, unsigned h)
{
	(void)d, (void)q, (void)h;
	return 0;
}
int config_bus_master(struct rf_device *d, bool on) { (void)d, (void)on; return 0; }

#include "sandbox/device/admin/virtio_blk_id.c"
#include "sandbox/device/admin/virtio_admin.c"
#include "sandbox/device/core/identity.c"

static void put(uint64_t at, uint64_t value, unsigned bytes)
{
	memcpy(space + at, &value, bytes);
}

/* A disk of 1 MiB in blocks of 512. */
static struct rf_device *device(void)
{
	static struct rf_device d;

	memset(space, 0, sizeof(space));
	d = (struct rf_device){ .label = "it" };
	pci.offered = pci.features =
		VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_SIZE_MAX | VIRTIO_BLK_F_FLUSH;
	put(VIRTIO_BLK_CFG_CAPACITY, 2048, 8);
	put(VIRTIO_BLK_CFG_BLK_SIZE, 512, 4);
	put(VIRTIO_BLK_CFG_SIZE_MAX, 65536, 4);
	return &d;
}

static void what_is_no_plain_disk_is_refused(void **state)
{
	static const struct {
		uint64_t features, at, value;
		const char *what;
	} cases[] = {
		{ VIRTIO_BLK_F_ZONED, VIRTIO_BLK_CFG_ZONED_MODEL, 1, "zoned disk" },
		{ 0, VIRTIO_BLK_CFG_BLK_SIZE, 2048, "blocks of 2048 bytes" },
		{ 0, VIRTIO_BLK_CFG_CAPACITY, 0, "capacity of 0" },
		{ 0, VIRTIO_BLK_CFG_CAPACITY + 4, 0xffffffff, "impossible capacity" },
		{ 0, VIRTIO_BLK_CFG_SIZE_MAX, 512, "at most 512 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_device *d = device();

		assert_int_equal(blk_describe(d), 0);
		pci.offered |= cases[i].features;
		put(cases[i].at, cases[i].value, 4);
		assert_int_equal(blk_describe(d), -EOPNOTSUPP);
		if (!strstr(said, cases[i].what))
			fail_msg("case %zu: wanted \"%s\" in: %s", i, cases[i].what, said);
	}
}

static void what_is_driven(void **state)
{
	struct rf_device *d = device();

	(void)state;
	pci.features |= VIRTIO_BLK_F_RO;
	pci.offered |= VIRTIO_BLK_F_ZONED; /* host-aware: a plain disk to whoever does not ask */
	put(VIRTIO_BLK_CFG_ZONED_MODEL, 2, 1);
	assert_int_equal(blk_describe(d), 0);
	assert_int_equal(d->info.size, 1 << 20);
	assert_int_equal(d->info.max_transfer, 65536);
	assert_int_equal(d->info.features, RF_BLK_HAS_FLUSH | RF_BLK_READ_ONLY);
}

/* Neither several queues nor their reset is asked for where nothing comes of it. */
static void what_is_asked_for(void **state)
{
	struct rf_device *d = device();

	(void)state;
	pci.window[VIRTIO_PCI_COMMON].bytes = VIRTIO_COMMON_RESET_BYTES;
	d->queue_count = 4;
	d->cfg.queue_reset_ms = 1;
	assert_int_equal(blk_wanted(d) & ~BLK_WANTED, VIRTIO_BLK_F_MQ | VIRTIO_F_RING_RESET);
	d->queue_count = 1;
	assert_int_equal(blk_wanted(d) & ~BLK_WANTED, VIRTIO_F_RING_RESET);
	d->cfg.queue_reset_ms = 0;
	assert_int_equal(blk_wanted(d), BLK_WANTED);
	d->cfg.queue_reset_ms = 1;
	d->quirks = RF_QUIRK_NO_QUEUE_RESET;
	assert_int_equal(blk_wanted(d), BLK_WANTED);
	d->quirks = 0;
	pci.window[VIRTIO_PCI_COMMON].bytes = VIRTIO_COMMON_BYTES;
	assert_int_equal(blk_wanted(d), BLK_WANTED);
	put(VIRTIO_BLK_CFG_NUM_QUEUES, 4, 2);
	assert_int_equal(blk_queues(d), 1);
	pci.features |= VIRTIO_BLK_F_MQ;
	assert_int_equal(blk_queues(d), 4);
}

static const char *name_of(const char *name, uint8_t status)
{
	static const struct rf_backend_ops backend;
	struct rf_device *d = device();

	d->backend = &backend;
	d->queues = queues;
	d->queues_iova = QUEUES_IOVA;
	pci.size[0] = 8;
	pci.notify[0] = 0x3000;
	disk.name = name;
	disk.status = status;
	assert_int_equal(blk_describe(d), 0);
	assert_int_equal(virtio_blk_name(d, &pci), disk.silent ? -ETIMEDOUT : 0);
	identity_complete(d);
	assert_true(rf_identity_valid(&d->disk));
	return d->disk.text;
}

static void a_disk_is_asked_for_its_name(void **state)
{
	(void)state;
	assert_string_equal(name_of("disk-1\0garbage------", VIRTIO_BLK_S_OK), "S/N disk-1");
	assert_string_equal(name_of("a name of 20 bytes !", VIRTIO_BLK_S_OK),
			    "S/N a name of 20 bytes !");
	assert_string_equal(name_of("\033[2J\n              ", VIRTIO_BLK_S_OK), "S/N ?[2J?");
	assert_string_equal(name_of("\0                   ", VIRTIO_BLK_S_OK),
			    "1af4:1042, 1048576 bytes, no serial number");
	assert_string_equal(name_of("nothing-------------", VIRTIO_BLK_S_UNSUPP),
			    "1af4:1042, 1048576 bytes, no serial number");
}

static void one_that_does_not_answer_is_no_disk_without_a_name(void **state)
{
	(void)state;
	disk.silent = true;
	(void)name_of("it does not matter..", VIRTIO_BLK_S_OK);
	disk.silent = false;
	assert_non_null(strstr(said, "does not answer"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_plain_disk_is_refused),
		cmocka_unit_test(what_is_driven),
		cmocka_unit_test(what_is_asked_for),
		cmocka_unit_test(a_disk_is_asked_for_its_name),
		cmocka_unit_test(one_that_does_not_answer_is_no_disk_without_a_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
