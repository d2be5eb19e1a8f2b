/* SPDX-License-Identifier: MIT */
/*
 * test_config_space.c - a device whose address translation services are on is refused, and
 * lists of capabilities end, whatever links them.
 *
 * Room:   tests/unit. Includes sandbox/device/core/config_space.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "clock.h"

#include "sandbox/lib/log.c"
#include "sandbox/device/core/config_space.c"
#include "sandbox/device/core/quirks.c"

uint64_t rf_now_ns(void)
{
	return 0;
}

static struct rf_device device(uint32_t size)
{
	return (struct rf_device){.label = "test", .config_size = size};
}

/* An extended capability: id, where the next one is, and what lies behind its header. */
static void capability(struct rf_device *d, uint32_t at, uint16_t id, uint32_t next,
		       uint32_t behind)
{
	uint32_t header = id | 1u << 16 | next << 20;

	memcpy(d->config + at, &header, 4);
	memcpy(d->config + at + 4, &behind, 4);
}

#define ATS_ON ((uint32_t)PCI_ATS_CTRL_ENABLE << 16)

static void test_ats_on(void **state)
{
	struct rf_device d = device(4096);

	(void)state;
	capability(&d, 0x100, PCI_EXT_CAP_ID_ERR, 0x140, 0);
	capability(&d, 0x140, PCI_EXT_CAP_ID_ATS, 0, ATS_ON);
	assert_int_equal(config_fenced(&d), RF_EXIT_NO_IOMMU);
	capability(&d, 0x140, PCI_EXT_CAP_ID_ATS, 0, 0);
	assert_int_equal(config_fenced(&d), 0);
}

static void test_no_extended_space(void **state)
{
	struct rf_device d = device(256);

	(void)state;
	capability(&d, 0x100, PCI_EXT_CAP_ID_ATS, 0, ATS_ON);
	assert_int_equal(config_fenced(&d), 0);
}

static void test_lists_end(void **state)
{
	struct rf_device d = device(4096);

	(void)state;
	capability(&d, 0x100, PCI_EXT_CAP_ID_ERR, 0x100, 0);
	assert_int_equal(config_fenced(&d), 0);
	capability(&d, 0x100, PCI_EXT_CAP_ID_ERR, 0x080, 0); /* back into the first 256 bytes */
	assert_int_equal(config_fenced(&d), 0);
	capability(&d, 0x100, PCI_EXT_CAP_ID_ERR, 0xffc, 0); /* no room for what it would say */
	assert_int_equal(config_fenced(&d), 0);
	d.config[PCI_CAPABILITY_LIST] = 0x40;
	d.config[0x40] = PCI_CAP_ID_PM;
	d.config[0x41] = 0x40;
	assert_int_equal(config_find(&d, PCI_CAP_ID_MSIX, 12), 0);
	assert_int_equal(config_find(&d, PCI_CAP_ID_PM, 8), 0x40);
	d.config[0x41] = 0xf8; /* begins where it cannot end */
	d.config[0xf8] = PCI_CAP_ID_EXP;
	assert_int_equal(config_find(&d, PCI_CAP_ID_EXP, 8), 0xf8);
	assert_int_equal(config_find(&d, PCI_CAP_ID_EXP, 12), 0);
}

/* The policy lets everything through; its admin plane does not know everything. */
static void test_admin_planes_know_their_devices(void **state)
{
	static const struct {
		uint32_t admin, class;
		uint16_t vendor, device;
		int code;
	} cases[] = {
		{ RF_ADMIN_NONE, 0xff0000, 0x1234, 0x11e8, 0 },
		{ RF_ADMIN_NVME, 0x010802, 0x144d, 0xa808, 0 },
		{ RF_ADMIN_NVME, 0x010601, 0x144d, 0xa808, RF_EXIT_NO_DEVICE },
		{ RF_ADMIN_E1000E, 0x020000, 0x8086, 0x10d3, 0 },
		{ RF_ADMIN_E1000E, 0x020000, 0x8086, 0x15b8, RF_EXIT_NO_DEVICE },
		{ RF_ADMIN_E1000E, 0x020000, 0x1af4, 0x10d3, RF_EXIT_NO_DEVICE },
		{ RF_ADMIN_IGB, 0x020000, 0x8086, 0x10c9, 0 },
		{ RF_ADMIN_IGB, 0x020000, 0x8086, 0x1521, RF_EXIT_NO_DEVICE },
		{ RF_ADMIN_VIRTIO_BLK, 0x010000, 0x1af4, 0x1042, 0 },
		{ RF_ADMIN_VIRTIO_BLK, 0x010000, 0x1af4, 0x1041, RF_EXIT_NO_DEVICE },
		{ RF_ADMIN_VIRTIO_NET, 0x020000, 0x1af4, 0x1041, 0 },
		{ RF_ADMIN_VIRTIO_NET, 0x020000, 0x1af4, 0, RF_EXIT_NO_DEVICE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_device d = device(256);
		uint32_t id = cases[i].vendor | (uint32_t)cases[i].device << 16,
			 class = cases[i].class << 8;

		d.cfg = (struct rf_device_config){ .admin = cases[i].admin, .match_class = ~0u,
						   .match_vendor = ~0u, .match_device = ~0u };
		memcpy(d.config, &id, 4);
		memcpy(d.config + 8, &class, 4);
		assert_int_equal(config_match(&d), cases[i].code);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ats_on),
	    cmocka_unit_test(test_no_extended_space),
	    cmocka_unit_test(test_lists_end),
	    cmocka_unit_test(test_admin_planes_know_their_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
