/* SPDX-License-Identifier: MIT */
/*
 * nvme_admin.c - the admin plane of an NVMe controller: registers and admin queue.
 *
 * Room:   sandbox/device/admin. NVM Express Base Specification 2.0: 3.5.1 (initialisation),
 *         3.6 (shutdown), 5 (admin commands).
 * Trust:  completions and identify data are the device's word: completions are
 *         matched by command id and polled with a deadline, identify data is copied
 *         out and range-checked.
 *
 * The doorbell page the driver has holds the admin doorbells too. So every entry of
 * the admin submission queue that is not a command of ours just now is poison: an
 * opcode no controller knows. The queue is read-only for the device, so that no DMA
 * of the driver's can write a command into it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "device.h"
#include "log.h"
#include "nvme.h"
#include "nvme_describe.h"
#include "wait.h"

#define ADMIN_ENTRIES 16u
#define POISON        0x7fu /* reserved opcode, data transfer bits set */
#define QID           1u
#define CC_DEFINED    0x00fffff1u /* 3.1.3.5: bits that hold what was written */
#define AQA_DEFINED   0x0fff0fffu

/* Pages of the admin memory: the first is the only one the device cannot write. */
enum { PAGE_ASQ, PAGE_ACQ, PAGE_IDENTIFY };

static struct {
	struct rf_regs regs;      /* registers page, BAR 0 + 0 */
	struct rf_regs doorbells; /* BAR 0 + 0x1000: the admin queue's */
	uint64_t cap;
	uint32_t dstrd, entries, nsid, flags;
	uint32_t cc, csts; /* as they were when it was enabled */
	uint16_t sq_tail, cq_head, cid;
	uint8_t  phase;
} nvme;

static uint32_t reg32(struct rf_device *d, uint32_t at)
{
	return reg_read32(d, &nvme.regs, at);
}

static uint64_t reg64(struct rf_device *d, uint32_t at)
{
	return reg32(d, at) | (uint64_t)reg32(d, at + 4) << 32;
}

static void set32(struct rf_device *d, uint32_t at, uint32_t value)
{
	reg_write32(d, &nvme.regs, at, value);
}

static void nvme_set64(struct rf_device *d, uint32_t at, uint64_t value)
{
	set32(d, at, (uint32_t)value);
	set32(d, at + 4, (uint32_t)(value >> 32));
}

static void ring(struct rf_device *d, uint32_t doorbell, uint32_t value)
{
	reg_write32(d, &nvme.doorbells, doorbell - NVME_REG_DBS, value);
}

static struct nvme_sqe *asq(struct rf_device *d)
{
	return (void *)((char *)d->admin + PAGE_ASQ * RF_PAGE);
}

static void pause_a_little(unsigned *wait)
{
	rf_sleep_ns(*wait);
	if (*wait < 1000000)
		*wait *= 2;
}

static bool nvme_present(struct rf_device *d)
{
	return reg32(d, NVME_REG_CSTS) != ~0u;
}

/* Waits for CSTS & mask == value. CAP.TO says how long a controller may take. */
static int wait_csts(struct rf_device *d, uint32_t mask, uint32_t value)
{
	uint64_t deadline = rf_now_ns() + (NVME_CAP_TO(nvme.cap) + 1) * 500000000ull;
	unsigned wait = 2000;

	for (;;) {
		uint32_t csts = reg32(d, NVME_REG_CSTS);
		if (csts == ~0u) {
			rf_log("%s: registers read all ones: the device is gone", d->label);
			return -ENODEV;
		}
		if ((csts & mask) == value) {
			nvme.csts = csts;
			return 0;
		}
		if (csts & NVME_CSTS_CFS && mask == NVME_CSTS_RDY && value) {
			rf_log("%s: controller fatal status (CSTS %#x)", d->label, csts);
			return -EIO;
		}
		if (rf_now_ns() > deadline) {
			rf_log("%s: CSTS stays %#x, wanted %#x", d->label, csts, value);
			return -ETIMEDOUT;
		}
		pause_a_little(&wait);
	}
}

static void poison(struct nvme_sqe *e)
{
	memset(e, 0, sizeof(*e));
	e->opc = POISON;
	e->cid = 0xffff;
}

/* 3.5.1 steps 2 to 7; the controller is disabled and idle. */
static int controller_enable(struct rf_device *d)
{
	memset((char *)d->admin + PAGE_ACQ * RF_PAGE, 0, RF_PAGE);
	for (unsigned i = 0; i < ADMIN_ENTRIES; i++)
		poison(asq(d) + i);
	nvme.sq_tail = nvme.cq_head = 0;
	nvme.phase = 1;
	if (config_bus_master(d, true))
		return -EIO;
	set32(d, NVME_REG_AQA, NVME_AQA(ADMIN_ENTRIES, ADMIN_ENTRIES));
	nvme_set64(d, NVME_REG_ASQ, d->admin_iova + PAGE_ASQ * RF_PAGE);
	nvme_set64(d, NVME_REG_ACQ, d->admin_iova + PAGE_ACQ * RF_PAGE);
	/* With 110b a controller says which command set a namespace has. */
	uint32_t css =
		NVME_CAP_CSS(nvme.cap) & NVME_CAP_CSS_ALL ? NVME_CC_CSS_ALL : NVME_CC_CSS_NVM;
	nvme.cc = NVME_CC_EN | css | NVME_CC_MPS(0) | NVME_CC_IOSQES(6) | NVME_CC_IOCQES(4);
	set32(d, NVME_REG_CC, nvme.cc);
	return wait_csts(d, NVME_CSTS_RDY, NVME_CSTS_RDY);
}

static bool admin_queue_changed(struct rf_device *d)
{
	uint64_t asq = d->admin_iova + PAGE_ASQ * RF_PAGE, acq = d->admin_iova + PAGE_ACQ * RF_PAGE;

	return (reg32(d, NVME_REG_AQA) ^ NVME_AQA(ADMIN_ENTRIES, ADMIN_ENTRIES)) & AQA_DEFINED ||
	       reg64(d, NVME_REG_ASQ) >> 12 != asq >> 12 ||
	       reg64(d, NVME_REG_ACQ) >> 12 != acq >> 12;
}

/* 3.7.2: a controller level reset clears CC.EN and CSTS.RDY; where more than the controller
 * was reset, AQA, ASQ and ACQ too. A subsystem reset shows in CSTS.NSSRO. */
static const char *nvme_changed(struct rf_device *d)
{
	if (d->left == RF_LEFT_QUIET) /* by CC.EN, which leaves the admin queue's registers */
		return admin_queue_changed(d) ?
			       "its admin queue is set up otherwise (AQA, ASQ, ACQ)" :
			       NULL;
	uint32_t cc = reg32(d, NVME_REG_CC), csts = reg32(d, NVME_REG_CSTS);
	if (cc == ~0u || csts == ~0u)
		return "its registers read all ones";
	if (!(cc & NVME_CC_EN))
		return "it is disabled (CC.EN)";
	if ((cc ^ nvme.cc) & CC_DEFINED)
		return "it is configured otherwise (CC)";
	if (csts & NVME_CSTS_CFS)
		return "it reports a fatal error (CSTS.CFS)";
	if (!(csts & NVME_CSTS_RDY) || NVME_CSTS_SHST(csts))
		return "it is not ready (CSTS)";
	if (csts & ~nvme.csts & NVME_CSTS_NSSRO)
		return "its subsystem was reset (CSTS.NSSRO)";
	return admin_queue_changed(d) ? "its admin queue is set up otherwise (AQA, ASQ, ACQ)" :
					NULL;
}

/* Takes one completion if there is one: its status, -EAGAIN: none yet. */
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
	ring(d, nvme_cq_doorbell(0, nvme.dstrd), nvme.cq_head);
	if (copy.cid != cid)
		return -EAGAIN; /* for a poisoned entry, or for no command of ours */
	*dw0 = copy.dw0;
	return (int)NVME_CQE_STATUS(status);
}

/* Sends one admin command and waits for it. 0, the NVMe status (> 0), or -errno. */
static int admin_within(struct rf_device *d, struct nvme_sqe *cmd, uint32_t *dw0, uint64_t ns)
{
	struct nvme_sqe *slot = asq(d) + nvme.sq_tail;
	uint64_t deadline = rf_now_ns() + ns;
	unsigned wait = 2000;
	uint32_t first, ignored;
	int status;

	nvme.cid = (uint16_t)((nvme.cid + 1) & 0x7fff);
	cmd->cid = nvme.cid;
	memcpy((char *)slot + 4, (char *)cmd + 4, sizeof(*cmd) - 4);
	memcpy(&first, cmd, 4);
	/* Command dword 0 last: until then the entry is poison. */
	atomic_thread_fence(memory_order_release);
	*(volatile uint32_t *)slot = first;
	nvme.sq_tail = (uint16_t)((nvme.sq_tail + 1) % ADMIN_ENTRIES);
	atomic_thread_fence(memory_order_seq_cst);
	ring(d, nvme_sq_doorbell(0, nvme.dstrd), nvme.sq_tail);
	while ((status = take_completion(d, nvme.cid, dw0 ? dw0 : &ignored)) == -EAGAIN) {
		if (rf_now_ns() > deadline)
			return nvme_present(d) ? -ETIMEDOUT : -ENODEV;
		pause_a_little(&wait);
	}
	poison(slot);
	return status;
}

static int admin(struct rf_device *d, struct nvme_sqe *cmd, uint32_t *dw0)
{
	return admin_within(d, cmd, dw0, 5000000000ull);
}

static int nvme_failed(struct rf_device *d, const char *what, int status)
{
	if (status < 0)
		rf_log("%s: %s: %s", d->label, what, strerror(-status));
	else
		rf_log("%s: %s: NVMe status %#x", d->label, what, status);
	return status < 0 ? status : -EIO;
}

/* A page of Identify, copied out. 0, the NVMe status, or -errno; nothing is logged. */
static int identify_try(struct rf_device *d, uint32_t cns, uint32_t nsid, void *to)
{
	struct nvme_sqe cmd = { .opc = NVME_ADMIN_IDENTIFY, .nsid = nsid, .cdw10 = cns,
				.prp1 = d->admin_iova + PAGE_IDENTIFY * RF_PAGE };
	int status = admin(d, &cmd, NULL);

	if (!status)
		memcpy(to, (char *)d->admin + PAGE_IDENTIFY * RF_PAGE, RF_PAGE);
	return status;
}

static int absent(struct rf_device *d)
{
	static uint32_t active[RF_PAGE / 4];
	int status = identify_try(d, NVME_CNS_ACTIVE_NS, 0, active);

	return nvme_absent(d, nvme.nsid, status ? NULL : active);
}

static int nvme_queue_make(struct rf_device *d, unsigned queue, unsigned half)
{
	uint64_t base = d->queues_iova + queue_memory_at(d, queue, half);
	int vector = irq_vector(d, queue, half);
	uint32_t qid = queue + 1;
	int status;

	if (vector < 0)
		return nvme_failed(d, "interrupt", vector);
	struct nvme_sqe cq = { .opc = NVME_ADMIN_CREATE_CQ,
			       .prp1 = base + nvme_queue_cq(nvme.entries),
			       .cdw10 = NVME_QUEUE_CDW10(qid, nvme.entries),
			       .cdw11 = NVME_CQ_CDW11((uint32_t)vector) };
	if ((status = admin(d, &cq, NULL)))
		return nvme_failed(d, "create completion queue", status);
	struct nvme_sqe sq = { .opc = NVME_ADMIN_CREATE_SQ, .prp1 = base,
			       .cdw10 = NVME_QUEUE_CDW10(qid, nvme.entries),
			       .cdw11 = NVME_SQ_CDW11(qid) };
	if ((status = admin(d, &sq, NULL)))
		return nvme_failed(d, "create submission queue", status);
	return 0;
}

static int nvme_enable(struct rf_device *d, unsigned half)
{
	(void)half;
	struct nvme_sqe cmd = { .opc = NVME_ADMIN_SET_FEATURES,
				.cdw10 = NVME_FEAT_NUMBER_OF_QUEUES };
	int err = controller_enable(d), status;

	if (err)
		return err;
	if ((status = admin(d, &cmd, NULL)))
		return nvme_failed(d, "set number of queues", status);
	return 0;
}

/*
 * Deletes a dead driver's queues before the controller is disabled (5.7, 5.6), where the controller
 * is known to need that. A controller that does not answer in time is reset at once.
 */
static void nvme_quiet(struct rf_device *d)
{
	struct nvme_sqe sq = { .opc = NVME_ADMIN_DELETE_SQ, .cdw10 = QID };
	struct nvme_sqe cq = { .opc = NVME_ADMIN_DELETE_CQ, .cdw10 = QID };

	if (!(d->quirks & RF_QUIRK_QUEUES_FIRST))
		return;
	uint32_t csts = reg32(d, NVME_REG_CSTS);
	if (csts == ~0u || (csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) != NVME_CSTS_RDY)
		return;
	if (!admin_within(d, &sq, NULL, 100000000u))
		(void)admin_within(d, &cq, NULL, 100000000u);
}

static int check_controller(struct rf_device *d)
{
	uint32_t sq_db = nvme_sq_doorbell(QID, nvme.dstrd);

	int err = nvme_check_cap(d, nvme.cap);

	if (err)
		return err;
	nvme.entries = d->cfg.queue_entries;
	while (nvme.entries > NVME_CAP_MQES(nvme.cap) + 1)
		nvme.entries /= 2;
	if (nvme.entries < 2 ||
	    nvme_queue_bytes(nvme.entries, nvme.entries, nvme.entries) > d->cfg.queue_bytes) {
		rf_log("%s: queues of %u entries need %llu bytes of queue memory", d->label,
		       nvme.entries,
		       (unsigned long long)nvme_queue_bytes(nvme.entries, nvme.entries,
							    nvme.entries));
		return -EINVAL;
	}
	/* CAP.DSTRD is the device's word: it must not lead us out of the one page of
	 * doorbells that is ours. */
	if (nvme_cq_doorbell(0, nvme.dstrd) + 4 > NVME_REG_DBS + RF_PAGE) {
		rf_log("%s: doorbells of stride 2^%u bytes cannot be given to a driver", d->label,
		       2 + nvme.dstrd);
		return -EINVAL;
	}
	d->doorbell.bar = 0;
	d->doorbell.submit = sq_db;
	d->doorbell.complete = nvme_cq_doorbell(QID, nvme.dstrd);
	return doorbell_open(d);
}

/* A controller may refuse what 1.3 and 1.4 added, whatever version it claims. */
static int identify_names(struct rf_device *d, void *to)
{
	int status = reg32(d, NVME_REG_VS) < NVME_VS(1, 3) ?
			     0 :
			     identify_try(d, NVME_CNS_NAMES, nvme.nsid, to);

	if (status == NVME_SC_INVALID_NAMESPACE)
		return absent(d);
	return status < 0 ? nvme_failed(d, "identify", status)
	       : status   ? 0
			  : nvme_check_names(d, nvme.nsid, to);
}

static int identify_limits(struct rf_device *d, void *to)
{
	int status =
		reg32(d, NVME_REG_VS) < NVME_VS(1, 4) ? 0 : identify_try(d, NVME_CNS_LIMITS, 0, to);

	if (status > 0)
		memset(to, 0, RF_PAGE);
	return status < 0 ? nvme_failed(d, "identify", status) : 0;
}

static int identify_namespace(struct rf_device *d, const struct nvme_id_ctrl *ctrl)
{
	static struct nvme_id_limits limits;
	static struct nvme_id_ns ns;
	static unsigned char names[RF_PAGE];
	int err, status;

	if ((err = identify_names(d, names)) || (err = identify_limits(d, &limits)))
		return err;
	status = identify_try(d, NVME_CNS_NAMESPACE, nvme.nsid, &ns);
	if (status == NVME_SC_INVALID_NAMESPACE || (!status && !ns.nsze && !ns.ncap))
		return absent(d);
	return status ? nvme_failed(d, "identify", status) :
			nvme_describe(d, nvme.nsid, ctrl, &ns, &limits, &nvme.flags);
}

static int nvme_identify(struct rf_device *d)
{
	static struct nvme_id_ctrl ctrl;
	int err, status;

	if ((err = bar_open_regs(d, &nvme.regs, 0, 0)) ||
	    (err = bar_open_regs(d, &nvme.doorbells, 0, NVME_REG_DBS)))
		return err;
	nvme.cap = reg64(d, NVME_REG_CAP);
	nvme.dstrd = NVME_CAP_DSTRD(nvme.cap);
	nvme.nsid = d->cfg.nsid ? d->cfg.nsid : 1;
	if (!nvme_present(d))
		return -ENODEV;
	set32(d, NVME_REG_CC, reg32(d, NVME_REG_CC) & ~NVME_CC_EN);
	if ((err = wait_csts(d, NVME_CSTS_RDY, 0)) || (err = check_controller(d)) ||
	    (err = controller_enable(d)))
		return err;
	if ((status = identify_try(d, NVME_CNS_CONTROLLER, 0, &ctrl)))
		return nvme_failed(d, "identify", status);
	if ((err = nvme_check_ctrl(d, &ctrl)) || (err = identify_namespace(d, &ctrl)))
		return err;
	d->template.param[NVME_PARAM_ENTRIES] = NVME_ENTRIES(nvme.entries, nvme.entries);
	d->template.param[NVME_PARAM_CQ_DISTANCE] = 4u << nvme.dstrd;
	d->template.param[NVME_PARAM_NSID] = nvme.nsid;
	d->template.param[NVME_PARAM_FLAGS] = nvme.flags;
	set32(d, NVME_REG_CC, reg32(d, NVME_REG_CC) & ~NVME_CC_EN);
	return wait_csts(d, NVME_CSTS_RDY, 0);
}

/* 3.6.1: the controller writes its cache back before it says done. */
static bool nvme_shutdown(struct rf_device *d)
{
	if (!nvme_present(d) || !(reg32(d, NVME_REG_CC) & NVME_CC_EN))
		return false;
	set32(d, NVME_REG_CC, (reg32(d, NVME_REG_CC) & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL);
	bool done = !wait_csts(d, 3u << 2, NVME_CSTS_SHST_DONE << 2);
	set32(d, NVME_REG_CC, reg32(d, NVME_REG_CC) & ~NVME_CC_EN);
	(void)wait_csts(d, NVME_CSTS_RDY, 0);
	return done;
}

const struct rf_admin_ops rf_admin_nvme = {
	.identify = nvme_identify,
	.enable = nvme_enable,
	.queue_make = nvme_queue_make,
	.quiet = nvme_quiet,
	.shutdown = nvme_shutdown,
	.present = nvme_present,
	.changed = nvme_changed,
};
