/* SPDX-License-Identifier: MIT */
/*
 * virtio_queues.c - a virtio device with several queues of one kind, a driver each: made, and
 * taken away while the device goes on.
 *
 * Room:   sandbox/device/admin. Virtual I/O Device 1.2: 2.6.1 (virtqueue reset), 3.1.1
 *         (initialisation), 4.1.4.3 (common configuration), 4.1.4.4 (notification).
 * Start:  queues are set up before DRIVER_OK (3.1.1, step 7), so a device that was reset gets
 *         all of them at once, each in the half of the driver that comes next in it. None runs
 *         then, and that driver stays the next one of its queue until it runs, so that no other
 *         half is asked for later.
 * Memory: the device may look at a queue as soon as DRIVER_OK is set. A half nobody waits in yet
 *         holds what a dead driver left there, and is cleared before.
 * Quiet:  queue_reset reads 0 once the device is through with the queue: from then on it executes
 *         none of its requests (2.6.1), and the driver may release whatever the queue
 *         used. What the device says, it says; RECOVERY.md has what a lie costs.
 */
#include <errno.h>
#include <string.h>

#include "driver_number.h"
#include "log.h"
#include "virtio_pci.h"

/* ---- what the device has ------------------------------------------------------------------- */

static void fewer_queues(struct rf_device *d, uint32_t has, const char *why)
{
	if (has >= d->queue_count)
		return;
	rf_log("%s: has %u queue%s, not %u%s", d->label, has, has == 1 ? "" : "s", d->queue_count,
	       why);
	d->queue_count = has;
}

/* A driver finds its doorbell by its number: at a fixed distance from queue 0's, or at the same
 * place (a multiplier of 0). */
static bool doorbells_in_step(const struct rf_device *d, const struct virtio_pci *v)
{
	uint64_t step = v->notify[1] - v->notify[0];

	if (v->notify[1] < v->notify[0] || step > RF_DOORBELL_BYTES || step % 2)
		return false;
	for (uint32_t i = 2; i < d->queue_count; i++)
		if (v->notify[i] != v->notify[0] + i * step)
			return false;
	return true;
}

static int learn_doorbells(struct rf_device *d, struct virtio_pci *v)
{
	if (d->queue_count > 1 && !doorbells_in_step(d, v))
		fewer_queues(d, 1, ": their doorbells are at no fixed distance from each other");
	d->doorbell.queues = d->queue_count;
	d->doorbell.step = d->queue_count > 1 ? (uint32_t)(v->notify[1] - v->notify[0]) : 0;
	return virtio_doorbells(d, v, 1);
}

int virtio_queues_learn(struct rf_device *d, struct virtio_pci *v, uint32_t most)
{
	if (!most) {
		rf_log("%s: says that it has no queue", d->label);
		return -EINVAL;
	}
	fewer_queues(d, most, "");
	int err = virtio_queues(d, v, d->queue_count, d->cfg.queue_entries);
	if (err)
		return err;
	for (uint32_t i = 1; i < d->queue_count; i++)
		if (v->size[i] < v->size[0])
			v->size[0] = v->size[i];
	for (uint32_t i = 1; i < d->queue_count; i++)
		v->size[i] = v->size[0];
	return learn_doorbells(d, v);
}

/* ---- made ------------------------------------------------------------------------------------ */

static int start_queue(struct rf_device *d, struct virtio_pci *v, unsigned queue, unsigned half)
{
	int vector = irq_vector(d, queue, half);

	if (vector >= 0)
		return virtio_start_queue(d, v, queue,
					  d->queues_iova + queue_memory_at(d, queue, half), vector);
	rf_log("%s: interrupt: %s", d->label, strerror(-vector));
	return vector;
}

/* Memory that a driver waits for was cleared when that driver was asked for. */
static void clear_unless_waiting(struct rf_device *d, const struct rf_queue *q, unsigned half)
{
	enum slot_state state = q->slot[half].state;

	if (state != SLOT_WANTED && state != SLOT_STANDBY)
		memset((char *)d->queues + queue_memory_at(d, q->index, half), 0,
		       d->cfg.queue_bytes);
}

int virtio_queues_enable(struct rf_device *d, struct virtio_pci *v)
{
	int err = virtio_negotiate(d, v, v->features, v->features);

	if (err)
		return err;
	if (config_bus_master(d, true))
		return -EIO;
	for (uint32_t i = 0; i < d->queue_count; i++) {
		const struct rf_queue *q = &d->queue[i];
		uint32_t next = rf_number_next(q->generation, d->cfg.queues);

		clear_unless_waiting(d, q, driver_half(d, next));
		if ((err = start_queue(d, v, i, driver_half(d, next))))
			return err;
	}
	return virtio_go(d, v);
}

int virtio_queues_make(struct rf_device *d, struct virtio_pci *v, unsigned queue, unsigned half)
{
	uint64_t iova = d->queues_iova + queue_memory_at(d, queue, half);
	int err = 0;

	if (!v->iova[queue])
		err = start_queue(d, v, queue, half);
	if (err || (v->iova[queue] == iova && virtio_queue_runs(d, v, queue)))
		return err;
	rf_log("%s: queue %u is not enabled as it was set up; resetting the device", d->label,
	       queue);
	return -EIO;
}

/* ---- taken away ------------------------------------------------------------------------------ */

static const char *drop_text(int err)
{
	switch (err) {
	case -ETIMEDOUT:
		return "is not reset in time";
	case -EBADMSG:
		return "is enabled still, after its reset";
	case -ENODEV:
		return "cannot be reset: registers read all ones";
	}
	return "cannot be reset: the device has another status";
}

int virtio_queues_drop(struct rf_device *d, struct virtio_pci *v, unsigned queue)
{
	int err = virtio_drop_queue(d, v, queue, d->cfg.queue_reset_ms * 1000000ull);

	if (err)
		rf_log("%s: queue %u %s; resetting the device", d->label, queue, drop_text(err));
	return err;
}

/* With nothing under way a quarter of the time has to do. */
static int try_reset(struct rf_device *d, struct virtio_pci *v)
{
	uint64_t ns = d->cfg.queue_reset_ms * 250000ull;
	int err = 0;

	for (int turn = 0; !err && turn < 2; turn++) {
		if ((err = virtio_start_queue(d, v, 0, d->queues_iova, VIRTIO_MSI_NO_VECTOR)))
			return err;
		if (!turn && (err = virtio_go(d, v)))
			return err;
		if (!virtio_queue_runs(d, v, 0))
			return -EIO;
		err = virtio_drop_queue(d, v, 0, ns);
	}
	return err;
}

int virtio_queues_check(struct rf_device *d, struct virtio_pci *v)
{
	int err;

	d->queue_reset = false;
	if (!(v->features & VIRTIO_F_RING_RESET))
		return 0;
	/* The page has what virtio_blk_name() left there. */
	memset(d->queues, 0, virtq_bytes(v->size[0]));
	if ((err = virtio_negotiate(d, v, v->features, v->features)))
		return err;
	err = try_reset(d, v);
	d->queue_reset = !err;
	if (!err)
		return 0;
	v->features &= ~VIRTIO_F_RING_RESET;
	rf_log("%s: does not pass the check of queues (queue 0 %s): a dead driver will have the "
	       "whole device reset",
	       d->label, drop_text(err));
	return 0;
}
