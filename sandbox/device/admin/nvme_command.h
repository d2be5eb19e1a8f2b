/* SPDX-License-Identifier: MIT */
/*
 * nvme_command.h - an NVMe controller's registers and admin queue, as the admin plane's files
 * share them.
 *
 * Room:   sandbox/device/admin. NVM Express Base Specification 2.0: 3.1.3 (properties), 3.3
 *         (queues), 5 (admin commands).
 * Trust:  a completion is believed only if it has the command id that was given, and that is
 *         unpredictable: the page it lies in is one the device writes, so that a driver's disk
 *         reads can land there. One command is under way at a time.
 */
#ifndef RF_NVME_COMMAND_H
#define RF_NVME_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "nvme.h"

#define ADMIN_ENTRIES 16u

/* Pages of the admin memory: the first is the only one the device cannot write. */
enum { PAGE_ASQ, PAGE_ACQ, PAGE_IDENTIFY };

/* The one controller of this process. */
struct nvme_admin {
	struct rf_regs regs;      /* registers page, BAR 0 + 0 */
	struct rf_regs doorbells; /* BAR 0 + 0x1000: the admin queue's */
	uint64_t cap;
	uint32_t dstrd, entries, nsid, flags;
	uint32_t cc, csts;        /* as they were when it was enabled */
	uint64_t id_key[2], ids;  /* command ids: the keyed hash of how many were given */
	uint16_t sq_tail, cq_head;
	uint8_t  phase;
	bool     delete_failed;   /* since it was enabled last */
	bool     granted;         /* d->queue_count is what it granted at start */
};
extern struct nvme_admin nvme;

uint32_t nvme_reg32(struct rf_device *, uint32_t at); /* all ones if the device is gone */
uint64_t nvme_reg64(struct rf_device *, uint32_t at);
void nvme_set32(struct rf_device *, uint32_t at, uint32_t value);
void nvme_set64(struct rf_device *, uint32_t at, uint64_t value);
bool nvme_present(struct rf_device *);


/* Draws the key of the command ids. Once, before this process locks itself. */
void nvme_admin_seed(void);
/* An empty admin queue, for a controller that is disabled. */
void nvme_admin_clear(struct rf_device *);
/*
 * Sends one command, waits for its completion for ns at most. 0, the NVMe status (> 0), or
 * -errno: -ETIMEDOUT, -ENODEV: registers read all ones, -EIO: the controller does not work any
 * more (CSTS), -EBADMSG: a completion of no command of ours. `dw0` may be NULL.
 */
int nvme_admin_within(struct rf_device *, struct nvme_sqe *, uint32_t *dw0, uint64_t ns);
/* Within 5 s. */
int nvme_admin(struct rf_device *, struct nvme_sqe *, uint32_t *dw0);
/* Such a result in words, for the log; valid until the next call. */
const char *nvme_status_text(int status);
/* Logs it: -errno, -EIO for a status. */
int nvme_failed(struct rf_device *, const char *what, int status);

/* ---- nvme_queues.c: I/O queue pairs ------------------------------------------------------ */

/* 5.4, 5.5: pair `queue` (0 is the first) in the memory of a half. 0, or -errno after a line. */
int nvme_queue_make(struct rf_device *, unsigned queue, unsigned half);
/* 5.7, 5.6: nothing of that pair is under way any more (rf_admin_ops.queue_drop). */
int nvme_queue_drop(struct rf_device *, unsigned queue);
/* At start, once a number was asked for: is a pair deleted as it should be? Sets d->queue_reset; a
 * line if not. */
void nvme_queues_check(struct rf_device *);
/* A pair, whatever there is of it. 0, or as nvme_admin_within(). */
int nvme_queue_delete(struct rf_device *, unsigned queue, uint64_t ns);
/* 5.27.1.5: asks for d->queue_count pairs, which becomes less if fewer are granted at start. 0, or
 * -errno after a line: later there must be as many. */
int nvme_queues_ask(struct rf_device *);

#endif
