/* SPDX-License-Identifier: MIT */
/*
 * nvme_admin.c - the admin plane of an NVMe controller: registers and admin queue.
 *
 * Room:   sandbox/device/admin. NVM Express Base Specification 2.0: 3.5.1 (initialisation),
 *         3.6 (shutdown), 5 (admin commands).
 * Trust:  identify data is the device's word: copied out and range-checked. Commands and
 *         their completions: nvme_command.h.
 */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "device.h"
#include "log.h"
#include "nvme.h"
#include "nvme_command.h"
#include "nvme_describe.h"
#include "nvme_namespace.h"
#include "pause.h"

#define CC_DEFINED    0x00fffff1u /* 3.1.3.5: bits that hold what was written */
#define AQA_DEFINED   0x0fff0fffu
#define ONES_NS       10000000000ull

/* Registers that read all ones: is that the end? Some controllers cannot be read while they are
 * reset. `*since` is 0 before the first time. */
static bool gone_for_good(struct rf_device *d, uint64_t *since)
{
	uint64_t now = rf_now_ns();

	if (!*since)
		*since = now;
	return now - *since > ONES_NS || (d->backend->alive && !d->backend->alive(d));
}

/* Waits for CSTS & mask == value. CAP.TO says how long a controller may take. */
static int wait_csts(struct rf_device *d, uint32_t mask, uint32_t value)
{
	uint64_t deadline = rf_now_ns() + d->reset_ms * 1000000ull, ones = 0;
	unsigned wait = DEVICE_PAUSE_NS;

	for (;;) {
		uint32_t csts = nvme_reg32(d, NVME_REG_CSTS);
		if (csts == ~0u && gone_for_good(d, &ones)) {
			rf_log("%s: registers read all ones: the device is gone", d->label);
			return -ENODEV;
		}
		if (csts != ~0u && (csts & mask) == value) {
			nvme.csts = csts;
			return 0;
		}
		if (csts != ~0u && csts & NVME_CSTS_CFS && mask == NVME_CSTS_RDY && value) {
			rf_log("%s: controller fatal status (CSTS %#x)", d->label, csts);
			return -EIO;
		}
		if (rf_now_ns() > deadline) {
			rf_log("%s: CSTS stays %#x, wanted %#x", d->label, csts, value);
			return -ETIMEDOUT;
		}
		device_pause(&wait);
	}
}

/* 3.5.1 steps 2 to 7; the controller is disabled and idle. */
static int controller_enable(struct rf_device *d)
{
	nvme_admin_clear(d);
	nvme.delete_failed = false;
	if (config_bus_master(d, true))
		return -EIO;
	nvme_set32(d, NVME_REG_AQA, NVME_AQA(ADMIN_ENTRIES, ADMIN_ENTRIES));
	nvme_set64(d, NVME_REG_ASQ, d->admin_iova + PAGE_ASQ * RF_PAGE);
	nvme_set64(d, NVME_REG_ACQ, d->admin_iova + PAGE_ACQ * RF_PAGE);
	/* With 110b a controller says which command set a namespace has. */
	uint32_t css =
		NVME_CAP_CSS(nvme.cap) & NVME_CAP_CSS_ALL ? NVME_CC_CSS_ALL : NVME_CC_CSS_NVM;
	nvme.cc = NVME_CC_EN | css | NVME_CC_MPS(0) | NVME_CC_IOSQES(6) | NVME_CC_IOCQES(4);
	nvme_set32(d, NVME_REG_CC, nvme.cc);
	return wait_csts(d, NVME_CSTS_RDY, NVME_CSTS_RDY);
}

static bool admin_queue_changed(struct rf_device *d)
{
	uint64_t asq = d->admin_iova + PAGE_ASQ * RF_PAGE, acq = d->admin_iova + PAGE_ACQ * RF_PAGE;

	uint32_t aqa = NVME_AQA(ADMIN_ENTRIES, ADMIN_ENTRIES);

	return (nvme_reg32(d, NVME_REG_AQA) ^ aqa) & AQA_DEFINED ||
	       nvme_reg64(d, NVME_REG_ASQ) >> 12 != asq >> 12 ||
	       nvme_reg64(d, NVME_REG_ACQ) >> 12 != acq >> 12;
}

/* 3.7.2: a controller level reset clears CC.EN and CSTS.RDY; where more than the controller
 * was reset, AQA, ASQ and ACQ too. A subsystem reset shows in CSTS.NSSRO. */
static const char *nvme_changed(struct rf_device *d)
{
	if (d->left == RF_LEFT_QUIET) /* by CC.EN, which leaves the admin queue's registers */
		return admin_queue_changed(d) ?
			       "its admin queue is set up otherwise (AQA, ASQ, ACQ)" :
			       NULL;
	uint32_t cc = nvme_reg32(d, NVME_REG_CC), csts = nvme_reg32(d, NVME_REG_CSTS);
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

static int absent(struct rf_device *d)
{
	static uint32_t active[RF_PAGE / 4];
	int status = nvme_identify_try(d, NVME_CNS_ACTIVE_NS, 0, active);

	return nvme_absent(d, nvme.nsid, status ? NULL : active);
}

/* No driver is let near a namespace that is another one than it was described as. */
static int make_again(struct rf_device *d, unsigned queue, unsigned half)
{
	int err = nvme_namespace_same(d);

	return err ? err : nvme_queue_make(d, queue, half);
}

static int nvme_enable(struct rf_device *d, unsigned half)
{
	int err = controller_enable(d);

	(void)half; /* of no queue yet */
	return err ? err : nvme_queues_ask(d);
}

/*
 * Deletes dead drivers' queues before the controller is disabled (5.7, 5.6), where the controller
 * is known to need that. A controller that does not answer in time, or did not just now, is reset
 * at once.
 */
static void nvme_quiet(struct rf_device *d)
{
	if (!(d->quirks & RF_QUIRK_QUEUES_FIRST) || nvme.delete_failed)
		return;
	uint32_t csts = nvme_reg32(d, NVME_REG_CSTS);
	if (csts == ~0u || (csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) != NVME_CSTS_RDY)
		return;
	for (unsigned i = 0; i < d->queue_count; i++)
		if (nvme_queue_delete(d, i, 100000000u) < 0)
			return;
}

static int check_controller(struct rf_device *d)
{
	uint32_t sq_db = nvme_sq_doorbell(1, nvme.dstrd);

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
	d->doorbell.complete = nvme_cq_doorbell(1, nvme.dstrd);
	d->doorbell.queues = d->queue_count;
	d->doorbell.step = 8u << nvme.dstrd;
	return doorbell_open(d);
}

/* A controller may refuse what 1.3 and 1.4 added, whatever version it claims. */
static int identify_names(struct rf_device *d, void *to)
{
	int status = nvme_reg32(d, NVME_REG_VS) < NVME_VS(1, 3) ?
			     0 :
			     nvme_identify_try(d, NVME_CNS_NAMES, nvme.nsid, to);

	if (status == NVME_SC_INVALID_NAMESPACE)
		return absent(d);
	return status < 0 ? nvme_failed(d, "identify", status)
	       : status   ? 0
			  : nvme_check_names(d, nvme.nsid, to);
}

static int identify_limits(struct rf_device *d, void *to)
{
	int status = 0;

	if (nvme_reg32(d, NVME_REG_VS) >= NVME_VS(1, 4))
		status = nvme_identify_try(d, NVME_CNS_LIMITS, 0, to);

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
	status = nvme_identify_try(d, NVME_CNS_NAMESPACE, nvme.nsid, &ns);
	if (status == NVME_SC_INVALID_NAMESPACE || (!status && !ns.nsze && !ns.ncap))
		return absent(d);
	nvme_namespace_note(&ns);
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
	nvme.cap = nvme_reg64(d, NVME_REG_CAP);
	nvme.dstrd = NVME_CAP_DSTRD(nvme.cap);
	d->reset_ms = (NVME_CAP_TO(nvme.cap) + 1) * 500;
	nvme_admin_seed();
	if (!nvme_present(d))
		return -ENODEV;
	nvme_set32(d, NVME_REG_CC, nvme_reg32(d, NVME_REG_CC) & ~NVME_CC_EN);
	if ((err = wait_csts(d, NVME_CSTS_RDY, 0)) || (err = check_controller(d)) ||
	    (err = controller_enable(d)))
		return err;
	if ((status = nvme_identify_try(d, NVME_CNS_CONTROLLER, 0, &ctrl)))
		return nvme_failed(d, "identify", status);
	if ((err = nvme_check_ctrl(d, &ctrl)) || (err = nvme_namespace_find(d)) ||
	    (err = identify_namespace(d, &ctrl)))
		return err;
	if ((err = nvme_queues_ask(d)))
		return err;
	nvme_queues_check(d);
	d->template.param[NVME_PARAM_ENTRIES] = NVME_ENTRIES(nvme.entries, nvme.entries);
	d->template.param[NVME_PARAM_CQ_DISTANCE] = 4u << nvme.dstrd;
	d->template.param[NVME_PARAM_NSID] = nvme.nsid;
	d->template.param[NVME_PARAM_FLAGS] = nvme.flags;
	nvme_set32(d, NVME_REG_CC, nvme_reg32(d, NVME_REG_CC) & ~NVME_CC_EN);
	return wait_csts(d, NVME_CSTS_RDY, 0);
}

/* 3.6.1: the controller writes its cache back before it says done. */
static bool nvme_shutdown(struct rf_device *d)
{
	if (!nvme_present(d) || !(nvme_reg32(d, NVME_REG_CC) & NVME_CC_EN))
		return false;
	uint32_t cc = nvme_reg32(d, NVME_REG_CC) & ~NVME_CC_SHN_MASK;
	nvme_set32(d, NVME_REG_CC, cc | NVME_CC_SHN_NORMAL);
	bool done = !wait_csts(d, 3u << 2, NVME_CSTS_SHST_DONE << 2);
	nvme_set32(d, NVME_REG_CC, nvme_reg32(d, NVME_REG_CC) & ~NVME_CC_EN);
	(void)wait_csts(d, NVME_CSTS_RDY, 0);
	return done;
}

const struct rf_admin_ops rf_admin_nvme = {
	.identify = nvme_identify,
	.enable = nvme_enable,
	.quiet = nvme_quiet,
	.queue_drop = nvme_queue_drop,
	.queue_make = make_again,
	.shutdown = nvme_shutdown,
	.present = nvme_present,
	.changed = nvme_changed,
};
