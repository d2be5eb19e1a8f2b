/* SPDX-License-Identifier: MIT */
/*
 * test_virtio_control.c - which virtio block devices are driven; the others are named in a line.
 *
 * Room:   tests/unit. virtio_control.c on a device configuration that is a table here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "log.h"
#include "virtio_pci.h"

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
int virtio_doorbells(struct rf_device *d, struct virtio_pci *v, unsigned n)
{
	(void)d, (void)v, (void)n;
	return 0;
}
int virtio_start_queue(struct rf_device *d, struct virtio_pci *v, unsigned q, uint64_t i, int n)
{
	(void)d, (void)v, (void)q, (void)i, (void)n;
	return 0;
}
int virtio_go(struct rf_device *d, struct virtio_pci *v) { (void)d, (void)v; return 0; }
const char *virtio_changed(struct rf_device *d, const struct virtio_pci *v)
{
	(void)d, (void)v;
	return NULL;
}
void virtio_mark(struct rf_device *d, struct virtio_pci *v) { (void)d, (void)v; }
int irq_vector(struct rf_device *d, unsigned h) { (void)d, (void)h; return 0; }
int config_bus_master(struct rf_device *d, bool on) { (void)d, (void)on; return 0; }

#include "sandbox/device/admin/virtio_control.c"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_no_plain_disk_is_refused),
		cmocka_unit_test(what_is_driven),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
