/* SPDX-License-Identifier: MIT */
/*
 * test_config_space.c - a device whose address translation services are on is refused, and
 * lists of capabilities end, whatever links them.
 *
 * Room:   tests/unit. Includes sandbox/device/config_space.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/base/log.c"
#include "sandbox/device/config_space.c"
#include "sandbox/device/quirks.c"

uint64_t now_ns(void)
{
	return 0;
}

static struct rf_device device(uint32_t size)
{
	return (struct rf_device){.label = "test", .config_size = size};
}

/* An extended capability: id, where the next one is, and what lies behind its header. */
static void capability(struct rf_device *d, uint32_t at, uint16_t id, uint32_t next, uint32_t behind)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ats_on),
	    cmocka_unit_test(test_no_extended_space),
	    cmocka_unit_test(test_lists_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
