/* SPDX-License-Identifier: MIT */
/*
 * test_interrupts.c - how many queues a device has by its interrupt vectors, and which vector each
 * queue interrupts on.
 *
 * Room:   tests/unit. A back end that notes which eventfd each vector is wired to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"
#include "log.h"

static uint32_t msix, wired_count;
static int32_t  wired[64];

void rf_log(const char *format, ...)
{
	(void)format;
}

uint32_t config_find(const struct rf_device *d, uint8_t id, uint32_t bytes)
{
	(void)d, (void)id, (void)bytes;
	return 0;
}

#include "sandbox/device/core/interrupts.c"

static uint32_t fake_count(struct rf_device *d, uint32_t index)
{
	(void)d;
	return index == VFIO_PCI_MSIX_IRQ_INDEX ? msix : 0;
}

/* All at once first; later only vectors that are there already. */
static int fake_set(struct rf_device *d, uint32_t index, uint32_t action, uint32_t start,
		    const int32_t *fds, uint32_t count)
{
	(void)d;
	assert_int_equal(index, VFIO_PCI_MSIX_IRQ_INDEX);
	assert_int_equal(action, VFIO_IRQ_SET_ACTION_TRIGGER);
	assert_true(start + count <= msix);
	if (!wired_count)
		wired_count = count;
	assert_true(start + count <= wired_count);
	memcpy(wired + start, fds, count * sizeof(*fds));
	return 0;
}

static const struct rf_backend_ops fake = { .irq_count = fake_count, .set_irqs = fake_set };

static struct rf_device *device(uint32_t vectors, uint32_t queues)
{
	static struct rf_device d;

	msix = vectors;
	wired_count = 0;
	memset(wired, 0xff, sizeof(wired));
	d = (struct rf_device){ .backend = &fake, .label = "it", .queue_count = queues,
				.msix_table_end = vectors * PCI_MSIX_ENTRY_SIZE,
				.cfg = { .interrupts = RF_IRQ_MSIX, .queues = queues } };
	assert_int_equal(irq_open(&d), 0);
	return &d;
}

static void queues_by_vectors(void **state)
{
	static const struct { uint32_t vectors, asked, queues, used; bool each; } cases[] = {
		{ 1, 1, 1, 1, false }, { 2, 1, 1, 1, false }, { 3, 1, 1, 3, true },
		{ 65, 1, 1, 3, true }, { 1, 4, 1, 1, false }, { 2, 4, 1, 1, false },
		{ 3, 4, 2, 3, false }, { 4, 4, 3, 4, false }, { 5, 4, 4, 5, false },
		{ 8, 4, 4, 5, false }, { 9, 4, 4, 9, true }, { 17, 8, 8, 17, true },
		{ 9, 8, 8, 9, false }, { 5, 2, 2, 5, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct rf_device *d = device(cases[i].vectors, cases[i].asked);

		if (d->queue_count != cases[i].queues || d->irq.vectors != cases[i].used ||
		    d->irq.each_half != cases[i].each)
			fail_msg("case %zu: %u queues, %u vectors, %s", i, d->queue_count,
				 d->irq.vectors, d->irq.each_half ? "each half" : "shared");
		assert_int_equal(wired_count, cases[i].used);
	}
}

/* Whatever is shared: a half that starts has its own eventfd at its vector, and no other queue
 * loses its own by that. */
static void a_half_that_starts_is_woken(void **state)
{
	(void)state;
	for (uint32_t vectors = 1; vectors <= 2 * RF_MAX_QUEUES + 1; vectors++) {
		struct rf_device *d = device(vectors, RF_MAX_QUEUES);
		unsigned half[RF_MAX_QUEUES] = { 0 };

		for (uint32_t turn = 0; turn < 3 * d->queue_count; turn++) {
			uint32_t queue = turn * 5 % d->queue_count;

			half[queue] = !half[queue];
			int at = irq_vector(d, queue, half[queue]);
			assert_in_range(at, 0, wired_count - 1);
			assert_int_equal(wired[at], rf_device_wake(queue, half[queue]));
		}
		for (uint32_t i = 1; i < wired_count; i++)
			for (uint32_t k = 1; k < i; k++)
				assert_int_not_equal(wired[i], wired[k]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queues_by_vectors),
		cmocka_unit_test(a_half_that_starts_is_woken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
