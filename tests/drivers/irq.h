/* SPDX-License-Identifier: MIT */
/*
 * irq.h - a disk whose every request is one interrupt, there and back.
 *
 * Room:   tests/drivers, untrusted like any driver.
 * Use:    a file defines irq_open(), irq_raise(), irq_cause() and irq_ack() over its
 *         device's registers and includes this. A request makes the device interrupt;
 *         it is answered when the process slept, woke and found the cause there.
 * Data:   writes vanish, reads are refused. Policy: no `spin`, or the sleep is late.
 *
 * The loop of blk.h looks twice between a submission and its sleep's own last look. A
 * cause seen by any of these three was polled, and proves nothing: the fourth comes
 * after the sleep.
 */
#ifndef IRQ_H
#define IRQ_H

#include "rt_blk.h"

#define LOOKS_AWAKE 3u

struct irq_queue {
	volatile unsigned char *regs;
	unsigned                slot, looks;
	bool                    waiting;
};

static void irq_open(volatile unsigned char *regs);
static void irq_raise(volatile unsigned char *regs);
static bool irq_cause(volatile unsigned char *regs);
static void irq_ack(volatile unsigned char *regs);

static unsigned irq_start(void *dev, const struct rf_boot *boot, unsigned queue)
{
	struct irq_queue *q = dev;

	q->regs = (volatile unsigned char *)(uintptr_t)boot->queue[queue].regs;
	if (!q->regs)
		rf_exit(RF_DRIVER_EXIT_BOOT);
	irq_open(q->regs);
	return 1; /* request at a time */
}

static int irq_submit(void *dev, unsigned slot, const struct rf_blk_req *req)
{
	struct irq_queue *q = dev;

	if (req->op == RF_BLK_READ)
		return -EOPNOTSUPP;
	q->slot = slot;
	q->looks = 0;
	q->waiting = true;
	irq_raise(q->regs);
	return 0;
}

static bool irq_pending(void *dev)
{
	struct irq_queue *q = dev;

	return q->waiting && ++q->looks > LOOKS_AWAKE && irq_cause(q->regs);
}

/* Asked only after irq_pending(), and again until there is no more. */
static bool irq_poll(void *dev, unsigned *slot, int *status)
{
	struct irq_queue *q = dev;

	if (!q->waiting)
		return false;
	irq_ack(q->regs);
	q->waiting = false;
	*slot = q->slot;
	*status = 0;
	return true;
}

static const struct rf_blk_driver irq_driver = {
	.start = irq_start,
	.submit = irq_submit,
	.poll = irq_poll,
	.pending = irq_pending,
};

RF_BLK_DRIVER(irq_driver, struct irq_queue)

#endif
