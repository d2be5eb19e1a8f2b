/* SPDX-License-Identifier: MIT */
/*
 * nvme_command.c - see nvme_command.h.
 *
 * Room:   sandbox/device/admin.
 *
 * The doorbell page the driver has holds the admin doorbells too. So every entry of
 * the admin submission queue that is not a command of ours just now is poison: an
 * opcode no controller knows. The queue is read-only for the device, so that no DMA
 * of the driver's can write a command into it.
 */
#include "nvme_command.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "log.h"
#include "pause.h"
#include "siphash.h"

#define POISON    0x7fu /* reserved opcode, data transfer bits set */
#define POISON_ID 0xffffu

struct nvme_admin nvme;

uint32_t nvme_reg32(struct rf_device *d, uint32_t at)
{
	return reg_read32(d, &nvme.regs, at);
}

uint64_t nvme_reg64(struct rf_device *d, uint32_t at)
{
	return nvme_reg32(d, at) | (uint64_t)nvme_reg32(d, at + 4) << 32;
}

void nvme_set32(struct rf_device *d, uint32_t at, uint32_t value)
{
	reg_write32(d, &nvme.regs, at, value);
}

void nvme_set64(struct rf_device *d, uint32_t at, uint64_t value)
{
	nvme_set32(d, at, (uint32_t)value);
	nvme_set32(d, at + 4, (uint32_t)(value >> 32));
}

bool nvme_present(struct rf_device *d)
{
	return nvme_reg32(d, NVME_REG_CSTS) != ~0u;
}

static void ring(struct rf_device *d, uint32_t doorbell, uint32_t value)
{
	reg_write32(d, &nvme.doorbells, doorbell - NVME_REG_DBS, value);
}

static struct nvme_sqe *asq(struct rf_device *d)
{
	return (void *)((char *)d->admin + PAGE_ASQ * RF_PAGE);
}

static void poison(struct nvme_sqe *e)
{
	memset(e, 0, sizeof(*e));
	e->opc = POISON;
	e->cid = POISON_ID;
}

void nvme_admin_seed(void)
{
	if (getrandom(nvme.id_key, sizeof(nvme.id_key), 0) != sizeof(nvme.id_key))
		rf_die(RF_EXIT_SYSTEM, "no random numbers: %s", strerror(errno));
}

void nvme_admin_clear(struct rf_device *d)
{
	memset((char *)d->admin + PAGE_ACQ * RF_PAGE, 0, RF_PAGE);
	for (unsigned i = 0; i < ADMIN_ENTRIES; i++)
		poison(asq(d) + i);
	nvme.sq_tail = nvme.cq_head = 0;
	nvme.phase = 1;
}

/* Nobody who does not read the admin submission queue can say it, and it is never poison's. */
static uint16_t next_id(void)
{
	uint16_t id;

	do
		id = (uint16_t)rf_siphash(nvme.id_key, nvme.ids++, NULL, 0);
	while (id == POISON_ID);
	return id;
}

/* Takes one completion if there is one: its status, -EAGAIN: none yet, -EBADMSG: not ours. */
static int take_completion(struct rf_device *d, uint16_t cid, uint32_t *dw0)
{
	struct nvme_cqe *e = (void *)((char *)d->admin + PAGE_ACQ * RF_PAGE);
	uint16_t status = *(volatile uint16_t *)&e[nvme.cq_head].status;

	if (NVME_CQE_PHASE(status) != nvme.phase)
		return -EAGAIN;
	atomic_thread_fence(memory_order_acquire);
	struct nvme_cqe copy = e[nvme.cq_head];
	if (++nvme.cq_head == ADMIN_ENTRIES) {
		nvme.cq_head = 0;
		nvme.phase ^= 1;
	}
	/* Half of the queue at once: one command is under way at a time, so that there is room. */
	if (nvme.cq_head % (ADMIN_ENTRIES / 2) == 0)
		ring(d, nvme_cq_doorbell(0, nvme.dstrd), nvme.cq_head);
	/* Forged by a driver's DMA, or for an entry that its doorbell had the controller read. */
	if (copy.cid != cid)
		return -EBADMSG;
	if (dw0)
		*dw0 = copy.dw0;
	return (int)NVME_CQE_STATUS(copy.status);
}

/* A controller that was reset, or stopped, answers nothing more. */
static int still_works(struct rf_device *d)
{
	uint32_t csts = nvme_reg32(d, NVME_REG_CSTS);

	if (csts == ~0u)
		return -ENODEV;
	return (csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) == NVME_CSTS_RDY ? -EAGAIN : -EIO;
}

/* Looks at the controller's state now and then: not at first, since that costs a register. */
static int wait_completion(struct rf_device *d, uint16_t cid, uint32_t *dw0, uint64_t deadline)
{
	unsigned wait = DEVICE_PAUSE_NS;
	int status;

	while ((status = take_completion(d, cid, dw0)) == -EAGAIN) {
		if (rf_now_ns() > deadline)
			return nvme_present(d) ? -ETIMEDOUT : -ENODEV;
		if (wait >= 1000000 && (status = still_works(d)) != -EAGAIN)
			return status;
		device_pause(&wait);
	}
	return status;
}

int nvme_admin_within(struct rf_device *d, struct nvme_sqe *cmd, uint32_t *dw0, uint64_t ns)
{
	struct nvme_sqe *slot = asq(d) + nvme.sq_tail;
	uint32_t first;

	cmd->cid = next_id();
	memcpy((char *)slot + 4, (char *)cmd + 4, sizeof(*cmd) - 4);
	memcpy(&first, cmd, 4);
	/* Command dword 0 last: until then the entry is poison. */
	atomic_thread_fence(memory_order_release);
	*(volatile uint32_t *)slot = first;
	nvme.sq_tail = (uint16_t)((nvme.sq_tail + 1) % ADMIN_ENTRIES);
	atomic_thread_fence(memory_order_seq_cst);
	ring(d, nvme_sq_doorbell(0, nvme.dstrd), nvme.sq_tail);
	int status = wait_completion(d, cmd->cid, dw0, rf_now_ns() + ns);
	if (status >= 0)
		poison(slot);
	return status;
}

int nvme_admin(struct rf_device *d, struct nvme_sqe *cmd, uint32_t *dw0)
{
	return nvme_admin_within(d, cmd, dw0, 5000000000ull);
}

const char *nvme_status_text(int status)
{
	static char text[64];

	if (status == -ETIMEDOUT)
		return "no answer in time";
	if (status == -EIO)
		return "the controller has stopped, or reset itself (CSTS)";
	if (status == -ENODEV)
		return "registers read all ones";
	if (status == -EBADMSG)
		return "a completion of no command of ours";
	if (status < 0)
		return strerror(-status);
	snprintf(text, sizeof(text), "NVMe status %#x", status);
	return text;
}

int nvme_failed(struct rf_device *d, const char *what, int status)
{
	rf_log("%s: %s: %s", d->label, what, nvme_status_text(status));
	return status < 0 ? status : -EIO;
}
