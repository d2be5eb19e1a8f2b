/* SPDX-License-Identifier: MIT */
/*
 * nvme_queues.c - I/O queue pairs of an NVMe controller: made, and taken away while the
 * controller goes on.
 *
 * Room:   sandbox/device/admin. Base Specification 2.0: 5.4 and 5.5 (create), 5.6 and 5.7
 *         (delete), 5.27.1.5 (number of queues).
 * Quiet:  Delete I/O Submission Queue completes when every command of that queue was completed or
 *         aborted (5.7), and a completed command touches no memory. Delete I/O Completion Queue
 *         succeeds only if no submission queue is left on it (5.6), and creating queues of the
 *         same number only if there are none: four answers, each with an id of its own, say
 *         the same. What the device says, it says; see RECOVERY.md for what a lie costs.
 */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "nvme_command.h"

#define QID(queue) ((queue) + 1u)

int nvme_queue_make(struct rf_device *d, unsigned queue, unsigned half)
{
	uint64_t base = d->queues_iova + queue_memory_at(d, queue, half);
	int vector = irq_vector(d, queue, half);
	int status;

	if (vector < 0)
		return nvme_failed(d, "interrupt", vector);
	struct nvme_sqe cq = { .opc = NVME_ADMIN_CREATE_CQ,
			       .prp1 = base + nvme_queue_cq(nvme.entries),
			       .cdw10 = NVME_QUEUE_CDW10(QID(queue), nvme.entries),
			       .cdw11 = NVME_CQ_CDW11((uint32_t)vector) };
	if ((status = nvme_admin(d, &cq, NULL)))
		return nvme_failed(d, "create completion queue", status);
	struct nvme_sqe sq = { .opc = NVME_ADMIN_CREATE_SQ, .prp1 = base,
			       .cdw10 = NVME_QUEUE_CDW10(QID(queue), nvme.entries),
			       .cdw11 = NVME_SQ_CDW11(QID(queue)) };
	if ((status = nvme_admin(d, &sq, NULL)))
		return nvme_failed(d, "create submission queue", status);
	return 0;
}

/* Both numbers are one less than what they say, submission queues in the lower half. */
int nvme_queues_ask(struct rf_device *d)
{
	uint32_t ask = d->queue_count - 1, got = 0;
	struct nvme_sqe cmd = { .opc = NVME_ADMIN_SET_FEATURES,
				.cdw10 = NVME_FEAT_NUMBER_OF_QUEUES,
				.cdw11 = ask | ask << 16 };
	int status = nvme_admin(d, &cmd, &got);

	if (status)
		return nvme_failed(d, "set number of queues", status);
	uint32_t granted = ((got & 0xffff) < got >> 16 ? got & 0xffff : got >> 16) + 1;
	if (granted >= d->queue_count)
		return 0;
	rf_log("%s: grants %u queues of the %u it is asked for%s", d->label, granted,
	       d->queue_count, nvme.granted ? ", and granted them before" : "");
	if (nvme.granted)
		return -EIO;
	d->queue_count = granted;
	return 0;
}

/* Both deletions within ns. 0, or as nvme_admin_within(). */
static int delete_pair(struct rf_device *d, unsigned queue, uint64_t ns, const char **what)
{
	struct nvme_sqe sq = { .opc = NVME_ADMIN_DELETE_SQ, .cdw10 = QID(queue) };
	struct nvme_sqe cq = { .opc = NVME_ADMIN_DELETE_CQ, .cdw10 = QID(queue) };
	uint64_t end = rf_now_ns() + ns;
	int status;

	*what = "delete submission queue";
	if ((status = nvme_admin_within(d, &sq, NULL, ns)))
		return status;
	*what = "delete completion queue";
	uint64_t now = rf_now_ns();
	return nvme_admin_within(d, &cq, NULL, now < end ? end - now : 0);
}

int nvme_queue_delete(struct rf_device *d, unsigned queue, uint64_t ns)
{
	const char *what;

	return delete_pair(d, queue, ns, &what);
}

int nvme_queue_drop(struct rf_device *d, unsigned queue)
{
	const char *what;
	int status = delete_pair(d, queue, d->cfg.queue_reset_ms * 1000000ull, &what);

	if (!status)
		return 0;
	nvme.delete_failed = true;
	rf_log("%s: %s: %s; resetting the controller", d->label, what, nvme_status_text(status));
	return status < 0 ? status : -EIO;
}

/* Nothing is under way: a quarter of the time has to do. */
void nvme_queues_check(struct rf_device *d)
{
	uint64_t ns = d->cfg.queue_reset_ms * 250000ull;
	const char *what = "make a queue pair";
	int status;

	nvme.granted = true;
	d->queue_reset = false;
	if (!d->cfg.queue_reset_ms)
		return;
	if (!(status = nvme_queue_make(d, 0, 0)))
		status = delete_pair(d, 0, ns, &what);
	d->queue_reset = !status;
	if (status)
		rf_log("%s: does not pass the check of queues (%s: %s): a dead driver will have "
		       "the whole controller reset",
		       d->label, what, nvme_status_text(status));
}
