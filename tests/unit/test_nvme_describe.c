/* SPDX-License-Identifier: MIT */
/*
 * test_nvme_describe.c - the disk that a controller and a namespace describe, limits and all.
 *
 * Room:   tests/unit. What is refused in which words: test_vfio_user_run, with a model.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"
#include "log.h"

void rf_log(const char *format, ...)
{
	(void)format;
}

uint32_t config_word(const struct rf_device *d, uint32_t at)
{
	(void)d, (void)at;
	return 0x00101b36;
}

#include "sandbox/device/admin/nvme_describe.c"
#include "sandbox/device/core/identity.c"

static struct rf_device device;
static struct nvme_id_ctrl ctrl;
static struct nvme_id_ns ns;
static struct nvme_id_limits limits;
static uint32_t flags;

/* A disk of 4 KiB blocks that can do everything. */
static int setup(void **state)
{
	(void)state;
	device = (struct rf_device){ .label = "it" };
	ctrl = (struct nvme_id_ctrl){ .sqes = 0x66, .cqes = 0x44, .vwc = NVME_VWC_PRESENT,
				      .oncs = NVME_ONCS_DSM | NVME_ONCS_WRITEZEROES };
	ns = (struct nvme_id_ns){ .nsze = 1000, .ncap = 1000, .lbaf = { { .lbads = 12 } } };
	limits = (struct nvme_id_limits){ 0 };
	flags = 0;
	return 0;
}

static int describe(void)
{
	return nvme_describe(&device, 1, &ctrl, &ns, &limits, &flags);
}

static void a_plain_disk(void **state)
{
	(void)state;
	assert_int_equal(describe(), 0);
	assert_int_equal(device.info.size, 4096000);
	assert_int_equal(device.info.block_size, 4096);
	assert_int_equal(device.info.max_transfer, 1 << 20);
	assert_int_equal(device.info.max_discard, 65536u << 12);
	assert_int_equal(device.info.features,
			 RF_BLK_HAS_FUA | RF_BLK_HAS_FLUSH | RF_BLK_HAS_DISCARD | RF_BLK_HAS_ZERO);
}

static void the_tightest_limit_counts(void **state)
{
	(void)state;
	limits.dmrsl = 100;
	assert_int_equal(describe(), 0);
	assert_int_equal(device.info.max_discard, 100 << 12);
	limits.dmsl = 50;
	assert_int_equal(describe(), 0);
	assert_int_equal(device.info.max_discard, 50 << 12);
	limits.wzsl = 5; /* 32 pages */
	assert_int_equal(describe(), 0);
	assert_int_equal(device.info.max_discard, 32 << 12);
	limits = (struct nvme_id_limits){ .wzsl = 255, .dmrsl = ~0u, .dmsl = ~0ull };
	assert_int_equal(describe(), 0);
	assert_int_equal(device.info.max_discard, 65536u << 12);
	ctrl.mdts = 1;
	assert_int_equal(describe(), 0);
	assert_int_equal(device.info.max_transfer, 8192);
}

static void a_protected_namespace_is_read_only(void **state)
{
	(void)state;
	ns.nsattr = NVME_NSATTR_WRITE_PROTECT;
	assert_int_equal(describe(), 0);
	assert_true(device.info.features & RF_BLK_READ_ONLY);
}

/* FLBAS has two more bits for it where there are more than 16 formats. */
static void one_of_many_formats(void **state)
{
	(void)state;
	ns.nlbaf = 20;
	ns.flbas = 1u << 5 | 2; /* 18 */
	ns.lbaf[2].lbads = 9;
	ns.lbaf[18] = (struct nvme_lbaf){ .lbads = 9 };
	assert_int_equal(describe(), 0);
	assert_int_equal(device.info.block_size, 512);
	ns.nlbaf = 17;
	assert_int_equal(describe(), -EINVAL);
	ns.nlbaf = 255;
	ns.flbas = 3u << 5 | 15; /* 63 */
	assert_int_equal(describe(), -EINVAL); /* no size */
}

/* Others count bytes in 63 bits. */
static void a_disk_of_2_to_the_63_bytes(void **state)
{
	(void)state;
	ns.nsze = (1ull << 51) - 1;
	assert_int_equal(describe(), 0);
	ns.nsze++;
	assert_int_equal(describe(), -EINVAL);
}

static const char *identity(void)
{
	static const struct rf_backend_ops backend;

	device.backend = &backend;
	assert_int_equal(describe(), 0);
	identity_complete(&device);
	assert_true(rf_identity_valid(&device.disk));
	return device.disk.text;
}

static void a_disk_is_known_by_its_names(void **state)
{
	(void)state;
	assert_string_equal(identity(), "1b36:0010, 4096000 bytes, no serial number");
	memset(ns.eui64, 0xab, sizeof(ns.eui64));
	assert_string_equal(identity(), "EUI-64 abababababababab");
	memset(ns.nguid, 0x01, sizeof(ns.nguid));
	assert_string_equal(identity(), "NGUID 01010101010101010101010101010101");
	memcpy(ctrl.mn, "of no number   ", 15);
	assert_string_equal(identity(), "NGUID 01010101010101010101010101010101");
	memcpy(ctrl.sn, "  A1 ", 5);
	assert_string_equal(identity(),
			    "S/N A1 (of no number), NGUID 01010101010101010101010101010101");
	memset(ns.nguid, 0, sizeof(ns.nguid));
	assert_string_equal(identity(), "S/N A1 (of no number), EUI-64 abababababababab");
	memset(ns.eui64, 0, sizeof(ns.eui64));
	assert_string_equal(identity(), "S/N A1 (of no number)");
	memset(ctrl.mn, 0, sizeof(ctrl.mn));
	assert_string_equal(identity(), "S/N A1");
}

/* The longest names are told apart to their last byte, and nothing of them harms a terminal. */
static void names_of_any_bytes_are_shown(void **state)
{
	char before[RF_IDENTITY_BYTES];

	(void)state;
	for (int byte = 0; byte < 256; byte++) {
		memset(ctrl.sn, byte, sizeof(ctrl.sn));
		memset(ctrl.mn, byte, sizeof(ctrl.mn));
		memset(ns.nguid, byte, sizeof(ns.nguid));
		assert_true(strlen(identity()) > 0);
		assert_null(strpbrk(device.disk.text, "\"\\\n\033"));
		strcpy(before, device.disk.text);
		ns.nguid[15] ^= 1;
		assert_string_not_equal(identity(), before);
	}
}

static void another_disk_is_seen_where_one_was(void **state)
{
	(void)state;
	memcpy(ctrl.sn, "A1", 2);
	(void)identity();
	assert_false(identity_other(&device)); /* none was */
	device.cfg.disk = device.disk;
	assert_false(identity_other(&device));
	ns.nguid[15] = 1;
	(void)identity();
	assert_true(identity_other(&device));
	ns.nguid[15] = 0;
	(void)identity();
	assert_false(identity_other(&device));
}

static void names_may_say_anything(void **state)
{
	static unsigned char page[RF_PAGE];

	(void)state;
	for (unsigned fill = 1; fill < 256; fill += 2) {
		memset(page, (int)fill, sizeof(page));
		(void)nvme_check_names(&device, 1, page);
	}
	memset(page, 0, sizeof(page));
	page[0] = 2; /* NGUID, */
	page[1] = 16;
	page[20] = NVME_NIDT_CSI;
	page[21] = 1;
	assert_int_equal(nvme_check_names(&device, 1, page), 0);
	page[24] = 2;
	assert_int_equal(nvme_check_names(&device, 1, page), -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_plain_disk, setup),
		cmocka_unit_test_setup(the_tightest_limit_counts, setup),
		cmocka_unit_test_setup(a_protected_namespace_is_read_only, setup),
		cmocka_unit_test_setup(a_disk_of_2_to_the_63_bytes, setup),
		cmocka_unit_test_setup(one_of_many_formats, setup),
		cmocka_unit_test_setup(a_disk_is_known_by_its_names, setup),
		cmocka_unit_test_setup(names_of_any_bytes_are_shown, setup),
		cmocka_unit_test_setup(another_disk_is_seen_where_one_was, setup),
		cmocka_unit_test_setup(names_may_say_anything, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
