/* SPDX-License-Identifier: MIT */
/*
 * test_irq_storm.c - which interrupts count as a storm, of which device, and in which time.
 *
 * Room:   tests/unit. /proc/interrupts is a file in memory, and time stands still until told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"
#include "device.h"
#include "log.h"

static uint64_t clock_ns;
static unsigned offs;

uint64_t rf_now_ns(void)
{
	return clock_ns;
}

void irq_off(struct rf_device *d)
{
	d->irq.off = true;
	offs++;
}

void rf_log(const char *format, ...)
{
	(void)format;
}

static const struct rf_backend_ops backend = { .irqs_counted = true };

#include "sandbox/device/core/irq_storm.c"

#define SECOND 1000000000ull

static char *stats;
static struct rf_device device;

/* What the kernel says: so many of this device's on two processors, and other lines. */
static void kernel_says(uint64_t first, uint64_t second)
{
	static int fd = -1;
	char text[65536] = "            CPU0       CPU1\n";
	size_t used = strlen(text);

	if (fd < 0)
		assert_true(dup2(memfd_create("interrupts", 0), RF_DEVICE_FD_INTERRUPTS) ==
			    RF_DEVICE_FD_INTERRUPTS);
	fd = RF_DEVICE_FD_INTERRUPTS;
	for (int i = 0; i < 400; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "%3d: %10d %10d  IR-PCI-MSIX-0000:02:00.0  %d-edge  "
					 "vfio-msix[%d](0000:02:00.0)\n",
					 i, 70000000, 80000000, i, i);
	used += (size_t)snprintf(
		text + used, sizeof(text) - used,
		" 90: %10llu 0  IR-PCI-MSIX-0000:01:00.0  1-edge  vfio-msix[1](0000:01:00.0)\n"
		" 91: 0 %10llu  IR-PCI-MSI 524289-edge  vfio-msix[2](0000:01:00.0)\n"
		" 92: 99999999 0  IR-PCI-MSIX-0000:01:00.0  0-edge  nvme0q0\n"
		"NMI:          5          6   Non-maskable interrupts\n",
		(unsigned long long)first, (unsigned long long)second);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, text, used, 0), used);
}

static int begin(void **state)
{
	(void)state;
	free(stats);
	stats = calloc(1, RF_STATS_BYTES);
	device = (struct rf_device){ .backend = &backend, .label = "it", .queue_count = 1,
				     .cfg = { .pci = "0000:01:00.0", .storm_rate = 1000 },
				     .stats = (void *)(stats + RF_STATS_DEVICE) };
	device.queue->generation = 1;
	clock_ns = SECOND;
	offs = 0;
	kernel_says(100, 200);
	storm_forget(&device);
	return 0;
}

static void completed(uint64_t n)
{
	((struct rf_stats_service *)(void *)stats)->completed = n;
}

/* The look that is due next. */
static bool seen(void)
{
	assert_true(storm_next_ns(&device) > clock_ns);
	clock_ns = storm_next_ns(&device);
	return storm_look(&device);
}

static void more_than_the_rate(void **state)
{
	(void)state;
	assert_false(seen());
	kernel_says(100 + 300, 200 + 201);
	assert_true(seen());
	assert_int_equal(offs, 1);
	assert_int_equal(storm_next_ns(&device), 0); /* there is nothing to look at any more */
}

static void the_rate_itself(void **state)
{
	(void)state;
	assert_false(seen());
	kernel_says(100 + 300, 200 + 200);
	assert_false(seen());
	kernel_says(100 + 600, 200 + 400);
	assert_false(seen());
}

static void one_for_each_request(void **state)
{
	(void)state;
	assert_false(seen());
	kernel_says(100 + 1000000, 200);
	completed(1000000);
	assert_false(seen());
	kernel_says(100 + 2000000, 200);
	assert_true(seen());
}

/* What was raised before this driver ran is no fault of its. */
static void of_the_driver_before(void **state)
{
	(void)state;
	assert_false(seen());
	kernel_says(5000000, 0);
	device.queue->generation = 2;
	assert_false(seen());
	assert_false(seen());
}

static void counts_that_begin_again(void **state)
{
	(void)state;
	assert_false(seen());
	kernel_says(3, 4);
	assert_false(seen());
	kernel_says(3 + 501, 4);
	assert_true(seen());
}

static void nobody_asked(void **state)
{
	(void)state;
	device.cfg.storm_rate = 0;
	assert_int_equal(storm_next_ns(&device), 0);
	device.cfg.storm_rate = 1000;
	device.queue->down = true;
	assert_int_equal(storm_next_ns(&device), 0);
	device.queue->down = false;
	assert_int_not_equal(storm_next_ns(&device), 0);
	device.backend = NULL;
	assert_int_equal(storm_next_ns(&device), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(more_than_the_rate, begin),
		cmocka_unit_test_setup(the_rate_itself, begin),
		cmocka_unit_test_setup(one_for_each_request, begin),
		cmocka_unit_test_setup(of_the_driver_before, begin),
		cmocka_unit_test_setup(counts_that_begin_again, begin),
		cmocka_unit_test_setup(nobody_asked, begin),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(stats);
	return failed;
}
