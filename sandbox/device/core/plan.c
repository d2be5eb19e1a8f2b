/* SPDX-License-Identifier: MIT */
/*
 * plan.c - what a driver of this device gets: fds, mappings, and where in them things are.
 *
 * Room:   sandbox/device/core. The launcher obeys the plan before any byte of the driver's image
 *         is read; the boot record is what the driver itself reads.
 */
#include <stddef.h>
#include <string.h>

#include "clock.h"
#include "device.h"
#include "device_msg.h"
#include "log.h"
#include "wait.h"

static uint32_t plan_window(struct driver_plan *p, int fd, uint32_t flags, uint64_t offset,
			    uint64_t bytes)
{
	uint32_t n = p->spec.window_count++, i;

	RF_BUG_ON(n == RF_LAUNCH_MAX_WINDOWS);
	for (i = 0; i < p->spec.fd_count && p->fds[i] != fd; i++)
		;
	RF_BUG_ON(i == RF_LAUNCH_MAX_FDS);
	if (i == p->spec.fd_count)
		p->fds[p->spec.fd_count++] = fd;
	p->spec.windows[n] = (struct rf_launch_window){ .fd = i, .flags = flags, .offset = offset,
							.bytes = bytes };
	return n;
}

static void plan_fixup(struct driver_plan *p, uint32_t window, size_t boot_offset, uint64_t add)
{
	RF_BUG_ON(p->spec.fixup_count == RF_LAUNCH_MAX_FIXUPS);
	p->spec.fixups[p->spec.fixup_count++] = (struct rf_launch_fixup){
		.window = window, .boot_offset = (uint32_t)boot_offset, .add = add,
	};
}

/* Registers the driver may touch: the admin plane's doorbell page, or what the
 * policy lists. The first is its queue's `regs`. */
static void plan_registers(struct rf_device *d, const struct rf_queue *q, struct driver_plan *p)
{
	const struct rf_doorbells *b = &d->doorbell;

	if (b->mode != RF_DOORBELL_NONE) {
		uint32_t w = plan_window(p, b->fd, RF_WINDOW_WRITE, b->at, b->bytes);
		plan_fixup(p, w, offsetof(struct rf_boot, queue[0].regs),
			   b->regs + (uint64_t)q->index * b->step);
		if (b->sleep_fd >= 0)
			w = plan_window(p, b->sleep_fd, 0, b->sleep_at, RF_PAGE);
		if (b->asleep != ~0ull)
			plan_fixup(p, w, offsetof(struct rf_boot, queue[0].asleep), b->asleep);
	}
	for (uint32_t i = 0; i < d->cfg.window_count; i++) {
		const struct rf_reg_window *r = &d->cfg.window[i];
		uint64_t at;
		int fd = d->backend->bar_fd(d, r->bar, r->offset, r->bytes, &at);
		if (fd < 0)
			rf_die(RF_EXIT_DEVICE, "%s: BAR %u cannot be mapped any more", d->label,
			       r->bar);
		uint32_t w = plan_window(p, fd, r->write ? RF_WINDOW_WRITE : 0, at, r->bytes);
		if (!i && b->mode == RF_DOORBELL_NONE)
			plan_fixup(p, w, offsetof(struct rf_boot, queue[0].regs), 0);
	}
}

/* What the driver's RF_FD_DEVICE is. INTx and a doorbell cannot both have it: the back end
 * chooses no doorbell that needs it then. */
enum rf_want_fd plan_device_fd(const struct rf_device *d)
{
	if (d->irq.intx || d->doorbell.mode == RF_DOORBELL_PROXY)
		return RF_WANT_OUR_FD;
	return d->doorbell.event >= 0 ? RF_WANT_LAST_FD : RF_WANT_NO_FD;
}

void plan_make(struct rf_device *d, const struct rf_queue *q, struct driver_plan *p,
	       uint32_t generation)
{
	unsigned half = driver_half(d, generation);
	uint64_t place = half * d->cfg.queues + q->index, chan = rf_chan_bytes(d->cfg.service);
	bool told = plan_device_fd(d) != RF_WANT_NO_FD;

	*p = (struct driver_plan){ .spec = { .magic = RF_LAUNCH_MAGIC, .version = RF_LAUNCH_VERSION,
				      .flags = told ? RF_LAUNCH_DEVICE : 0,
				      .generation = generation } };
	strcpy(p->spec.filter, told ? "driver-device" : d->cfg.filter);
	plan_window(p, RF_DEVICE_FD_BOOT, RF_WINDOW_BOOT, place * RF_PAGE, RF_PAGE);
	uint32_t rings = plan_window(p, RF_DEVICE_FD_RINGS, RF_WINDOW_WRITE, place * chan, chan);
	uint32_t queues = plan_window(p, RF_DEVICE_FD_QUEUES, RF_WINDOW_WRITE,
				      queue_memory_at(d, q->index, half), d->cfg.queue_bytes);
	plan_fixup(p, rings, offsetof(struct rf_boot, queue[0].chan), 0);
	plan_fixup(p, queues, offsetof(struct rf_boot, queue[0].mem), 0);
	if (d->cfg.flags & RF_DEVICE_PAYLOAD) {
		uint32_t data =
			plan_window(p, RF_DEVICE_FD_DATA, RF_WINDOW_WRITE, 0, d->cfg.arena_bytes);
		plan_fixup(p, data, offsetof(struct rf_boot, arena), 0);
	}
	plan_registers(d, q, p);
}

static uint64_t tsc_hz(void)
{
	static uint64_t hz;

	if (!hz) {
		uint64_t t0 = rf_now_ns(), c0 = __builtin_ia32_rdtsc();
		rf_sleep_ns(5000000);
		uint64_t c1 = __builtin_ia32_rdtsc(), t1 = rf_now_ns();
		hz = (uint64_t)((double)(c1 - c0) * 1e9 / (double)(t1 - t0));
	}
	return hz;
}

/* The driver has one queue, which is its first, whichever of the device's it is. */
void plan_boot(struct rf_device *d, const struct rf_queue *q, uint32_t generation)
{
	unsigned half = driver_half(d, generation);
	struct rf_boot *b = q->boot[half];

	memset(b, 0, RF_PAGE);
	b->magic = RF_BOOT_MAGIC;
	b->version = RF_BOOT_VERSION;
	b->generation = generation;
	b->flags = d->irq.intx                          ? RF_BOOT_INTX
		   : plan_device_fd(d) != RF_WANT_NO_FD ? RF_BOOT_DOORBELL
						   : 0;
	b->queue_count = 1;
	b->tsc_hz = tsc_hz();
	b->spin_cycles = d->cfg.spin_ns == UINT64_MAX ? UINT64_MAX
				: (uint64_t)((double)d->cfg.spin_ns * (double)b->tsc_hz / 1e9);
	b->arena_iova = d->iova;
	b->arena_bytes = d->cfg.arena_bytes;
	b->blk = d->info;
	b->net = d->net;
	b->queue[0] = d->template;
	b->queue[0].regs = 0;
	b->queue[0].number = q->index;
	b->queue[0].mem_iova = d->queues_iova + queue_memory_at(d, q->index, half);
	b->queue[0].mem_bytes = d->cfg.queue_bytes;
}
