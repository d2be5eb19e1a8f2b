/* SPDX-License-Identifier: MIT */
/*
 * test_left.c - a device that is not as it was left is found out, whatever it changed; one
 * that is as it was left is not.
 *
 * Room:   tests/unit. The admin planes and left.c on registers that are a table here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <linux/pci_regs.h>

#include "clock.h"
#include "device.h"
#include "log.h"

static unsigned char regs[4096], space[256];
static int space_fails;
static char said[512];

void rf_log(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(said, sizeof(said), format, ap);
	va_end(ap);
}

void rf_die(int code, const char *format, ...)
{
	(void)format;
	exit(code);
}

uint64_t rf_now_ns(void)
{
	return 0;
}

int bar_open_regs(struct rf_device *d, struct rf_regs *r, uint32_t number, uint64_t offset)
{
	(void)d, (void)number;
	*r = (struct rf_regs){ .map = regs, .offset = offset };
	return 0;
}

uint32_t reg_read32(struct rf_device *d, const struct rf_regs *r, uint32_t at)
{
	uint32_t value;

	(void)d, (void)r;
	memcpy(&value, regs + at, 4);
	return value;
}

void reg_write32(struct rf_device *d, const struct rf_regs *r, uint32_t at, uint32_t value)
{
	(void)d, (void)r;
	memcpy(regs + at, &value, 4);
}

int bar_read(struct rf_device *d, uint32_t number, uint64_t at, void *to, uint32_t bytes)
{
	(void)d, (void)number;
	memcpy(to, regs + at, bytes);
	return 0;
}

int bar_write(struct rf_device *d, uint32_t number, uint64_t at, const void *from, uint32_t bytes)
{
	(void)d, (void)number;
	memcpy(regs + at, from, bytes);
	return 0;
}

int config_bus_master(struct rf_device *d, bool on)
{
	(void)d, (void)on;
	return 0;
}

uint32_t config_word(const struct rf_device *d, uint32_t at)
{
	(void)d, (void)at;
	return 0;
}

int irq_vector(struct rf_device *d, uint32_t queue, unsigned half)
{
	(void)queue;
	(void)d;
	return (int)half;
}

int doorbell_open(struct rf_device *d)
{
	(void)d;
	return 0;
}

static int space_read(struct rf_device *d, uint32_t at, void *to, uint32_t bytes)
{
	(void)d;
	if (space_fails)
		return -EIO;
	memcpy(to, space + at, bytes);
	return 0;
}

#include "sandbox/device/admin/nvme_admin.c"
#include "sandbox/device/admin/nvme_command.c"
#include "sandbox/device/admin/nvme_describe.c"
#include "sandbox/device/admin/nvme_namespace.c"
#include "sandbox/device/admin/nvme_queues.c"
#include "sandbox/device/admin/virtio_pci.c"
#include "sandbox/device/core/identity.c"
#include "sandbox/device/core/left.c"
#include "sandbox/lib/siphash.c"

static const struct rf_backend_ops fake = { .config_read = space_read };

static void put(unsigned char *at, uint64_t value, unsigned bytes)
{
	memcpy(at, &value, bytes);
}

static struct virtio_pci virtio;

static const char *virtio_it(struct rf_device *d)
{
	return virtio_changed(d, &virtio);
}
static void virtio_rests(struct rf_device *d)
{
	virtio_mark(d, &virtio);
}
static const struct rf_admin_ops virtio_ops = { .changed = virtio_it, .mark = virtio_rests };

static struct rf_device *device(const struct rf_admin_ops *control)
{
	static struct rf_device d;

	memset(regs, 0, sizeof(regs));
	memset(space, 0, sizeof(space));
	space_fails = 0;
	said[0] = '\0';
	d = (struct rf_device){ .backend = &fake,
				.label = "it",
				.admin_ops = control,
				.left = RF_LEFT_ENABLED,
				.bus_master = true,
				.admin_iova = 0x123456000 };
	put(space + PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
	put(space + PCI_BASE_ADDRESS_0, 0xfe000004, 4);
	put(space + PCI_BASE_ADDRESS_5, 0xe001, 4);
	left_note_header(&d);
	return &d;
}

/* As controller_enable() leaves it, once CSTS.RDY has come. */
static struct rf_device *nvme_device(void)
{
	struct rf_device *d = device(&rf_admin_nvme);

	nvme.cc = NVME_CC_EN | NVME_CC_IOSQES(6) | NVME_CC_IOCQES(4);
	nvme.csts = NVME_CSTS_RDY;
	put(regs + NVME_REG_CC, nvme.cc, 4);
	put(regs + NVME_REG_CSTS, nvme.csts, 4);
	put(regs + NVME_REG_AQA, NVME_AQA(ADMIN_ENTRIES, ADMIN_ENTRIES), 4);
	put(regs + NVME_REG_ASQ, d->admin_iova, 8);
	put(regs + NVME_REG_ACQ, d->admin_iova + RF_PAGE, 8);
	return d;
}

static struct rf_device *virtio_device(void)
{
	struct rf_device *d = device(&virtio_ops);

	virtio = (struct virtio_pci){ .window[VIRTIO_PCI_COMMON] = { .bytes = VIRTIO_COMMON_BYTES },
				      .iova[0] = 0x200000 };
	put(regs + VIRTIO_NUM_QUEUES, 1, 2);
	put(regs + VIRTIO_DEVICE_STATUS, STATUS_RUNNING, 1);
	put(regs + VIRTIO_QUEUE_ENABLE, 1, 2);
	put(regs + VIRTIO_QUEUE_DESC, virtio.iova[0], 8);
	return d;
}

/* Reset by us, and marked. */
static struct rf_device *virtio_at_rest(void)
{
	struct rf_device *d = virtio_device();

	put(regs + VIRTIO_DEVICE_STATUS, 0, 1);
	put(regs + VIRTIO_QUEUE_ENABLE, 0, 2);
	d->admin_ops->mark(d);
	return d;
}

struct change {
	unsigned char *where;
	uint32_t at, bytes;
	uint64_t value;
	const char *word; /* of what is logged */
};

static void each(struct rf_device *(*make)(void), enum rf_left left, const struct change *c,
		 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct rf_device *d = make();

		d->left = left;
		assert_false(left_changed(d));
		put(c[i].where + c[i].at, c[i].value, c[i].bytes);
		if (!left_changed(d))
			fail_msg("change %zu (%s) was not seen", i, c[i].word);
		if (!strstr(said, c[i].word))
			fail_msg("change %zu: wanted \"%s\" in: %s", i, c[i].word, said);
	}
}
#define EACH(make, left, changes) each(make, left, changes, sizeof(changes) / sizeof((changes)[0]))

static void a_controller_that_reset_itself(void **state)
{
	const struct change changes[] = {
		{ regs, NVME_REG_CC, 4, 0, "CC.EN" },
		{ regs, NVME_REG_CC, 4, NVME_CC_IOSQES(6) | NVME_CC_IOCQES(4), "CC.EN" },
		{ regs, NVME_REG_CC, 4, NVME_CC_EN, "(CC)" },
		{ regs, NVME_REG_CC, 4, ~0u, "all ones" },
		{ regs, NVME_REG_CSTS, 4, 0, "CSTS" },
		{ regs, NVME_REG_CSTS, 4, ~0u, "all ones" },
		{ regs, NVME_REG_CSTS, 4, NVME_CSTS_RDY | NVME_CSTS_CFS, "CSTS.CFS" },
		{ regs, NVME_REG_CSTS, 4, NVME_CSTS_RDY | NVME_CSTS_NSSRO, "CSTS.NSSRO" },
		{ regs, NVME_REG_CSTS, 4, NVME_CSTS_RDY | NVME_CSTS_SHST_DONE << 2, "CSTS" },
		{ regs, NVME_REG_AQA, 4, 0, "AQA" },
		{ regs, NVME_REG_ASQ, 4, 0, "AQA, ASQ" },
		{ regs, NVME_REG_ASQ + 4, 4, 0, "AQA, ASQ" },
		{ regs, NVME_REG_ACQ, 4, 0, "ACQ" },
	};

	(void)state;
	EACH(nvme_device, RF_LEFT_ENABLED, changes);
}

/* It was disabled by us, and then lost power: only CC.EN looks the same. */
static void a_controller_that_reset_itself_at_rest(void **state)
{
	const struct change changes[] = {
		{ regs, NVME_REG_AQA, 4, 0, "AQA" },
		{ regs, NVME_REG_ASQ, 8, 0, "ASQ" },
		{ regs, NVME_REG_ACQ, 8, 0, "ACQ" },
		{ space, PCI_BASE_ADDRESS_0, 4, 4, "BARs" },
	};

	(void)state;
	EACH(nvme_device, RF_LEFT_QUIET, changes);
}

static void a_subsystem_reset_of_before_is_none(void **state)
{
	struct rf_device *d = nvme_device();

	(void)state;
	nvme.csts |= NVME_CSTS_NSSRO;
	put(regs + NVME_REG_CSTS, nvme.csts, 4);
	assert_false(left_changed(d));
}

static void a_virtio_device_that_reset_itself(void **state)
{
	const struct change changes[] = {
		{ regs, VIRTIO_DEVICE_STATUS, 1, 0, "status" },
		{ regs, VIRTIO_DEVICE_STATUS, 1, STATUS_RUNNING | VIRTIO_STATUS_NEEDS_RESET,
		  "NEEDS_RESET" },
		{ regs, VIRTIO_NUM_QUEUES, 2, 0xffff, "all ones" },
		{ regs, VIRTIO_QUEUE_ENABLE, 2, 0, "queues" },
		{ regs, VIRTIO_QUEUE_DESC, 4, 0, "queues" },
	};

	(void)state;
	EACH(virtio_device, RF_LEFT_ENABLED, changes);
}

static void a_virtio_device_that_reset_itself_at_rest(void **state)
{
	const struct change changes[] = {
		{ regs, VIRTIO_DEVICE_STATUS, 1, 0, "status" },
		{ regs, VIRTIO_DEVICE_STATUS, 1,
		  VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_NEEDS_RESET, "status" },
		{ regs, VIRTIO_DEVICE_STATUS, 1, 0xff, "status" },
		{ space, PCI_BASE_ADDRESS_0, 4, 4, "BARs" },
	};

	(void)state;
	EACH(virtio_at_rest, RF_LEFT_QUIET, changes);
}

static void a_function_that_was_reset_below_its_device(void **state)
{
	const struct change changes[] = {
		{ space, PCI_COMMAND, 2, PCI_COMMAND_MEMORY, "bus master" },
		{ space, PCI_COMMAND, 2, PCI_COMMAND_MASTER, "decode" },
		{ space, PCI_COMMAND, 4, ~0u, "cannot be read" },
		{ space, PCI_BASE_ADDRESS_0, 4, 4, "BARs" },
		{ space, PCI_BASE_ADDRESS_5, 4, 0, "BARs" },
	};

	(void)state;
	EACH(nvme_device, RF_LEFT_ENABLED, changes);
	EACH(virtio_device, RF_LEFT_ENABLED, changes);
	struct rf_device *d = nvme_device();
	space_fails = 1;
	assert_true(left_changed(d));
}

/* A server that keeps no such bits never had them, and that is no change. */
static void a_header_that_was_lost_is_noted_apart(void **state)
{
	struct rf_device *d = nvme_device();

	(void)state;
	put(regs + NVME_REG_CC, 0, 4);
	assert_true(left_changed(d) && !d->header_changed);
	d = nvme_device();
	put(regs + NVME_REG_CC, 0, 4);
	put(space + PCI_COMMAND, 0, 2);
	assert_true(left_changed(d) && d->header_changed);
	left_as(d, RF_LEFT_UNKNOWN);
	assert_false(d->changed || d->header_changed);
}

static void bits_that_never_were_are_not_missed(void **state)
{
	struct rf_device *d = nvme_device();

	(void)state;
	put(space + PCI_COMMAND, 0, 2);
	left_note_header(d);
	assert_false(left_changed(d));
}

static void after_a_harder_reset_nothing_is_expected(void **state)
{
	struct rf_device *d = nvme_device();

	(void)state;
	memset(regs, 0, sizeof(regs));
	d->left = RF_LEFT_UNKNOWN;
	assert_false(left_changed(d));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_controller_that_reset_itself),
		cmocka_unit_test(a_controller_that_reset_itself_at_rest),
		cmocka_unit_test(a_subsystem_reset_of_before_is_none),
		cmocka_unit_test(a_virtio_device_that_reset_itself),
		cmocka_unit_test(a_virtio_device_that_reset_itself_at_rest),
		cmocka_unit_test(a_function_that_was_reset_below_its_device),
		cmocka_unit_test(a_header_that_was_lost_is_noted_apart),
		cmocka_unit_test(bits_that_never_were_are_not_missed),
		cmocka_unit_test(after_a_harder_reset_nothing_is_expected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
