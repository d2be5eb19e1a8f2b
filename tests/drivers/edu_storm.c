/* SPDX-License-Identifier: MIT */
/*
 * edu_storm.c - edu_irq.c that has its device interrupt as often as it can, whether there
 * are requests or not. They are answered all the same: no stall gives it away.
 *
 * Room:       tests/drivers, hostile.
 * Stopped by: nothing, as long as it lives.
 */
#include "rt_blk.h"

#pragma push_macro("RF_BLK_DRIVER")
#undef RF_BLK_DRIVER
#define RF_BLK_DRIVER(table, type)
#include "edu_irq.c"
#pragma pop_macro("RF_BLK_DRIVER")

#define BURST 64

/* Asked before each sleep, which each of these interrupts ends. */
static bool storm_pending(void *dev)
{
	struct irq_queue *q = dev;

	for (int i = 0; i < BURST; i++)
		irq_raise(q->regs);
	return irq_pending(dev);
}

static const struct rf_blk_driver storm_driver = {
	.start = irq_start,
	.submit = irq_submit,
	.poll = irq_poll,
	.pending = storm_pending,
};

RF_BLK_DRIVER(storm_driver, struct irq_queue)
