/* SPDX-License-Identifier: MIT */
/*
 * nvme_queue.c - submission and completion queues: doorbells, fetching, completing.
 *
 * Room:   tests/models. Base 3.3 (queues), PCIe Transport 1.0, 3.1.2 (doorbells).
 * Batch:  a pass takes what each queue holds, then raises one interrupt for each
 *         completion queue that got something. Nothing waits for more to come.
 */
#include <string.h>

#include "nvme_model.h"

#define BATCH 64u /* commands of one queue in one pass: others get their turn */

static _Atomic uint32_t *bell(struct nvme *n, uint32_t offset)
{
	return (void *)(n->bells + (offset - NVME_REG_DBS));
}

static void resolve_sq(struct nvme *n, struct sq *q)
{
	q->memory = server_dma_at(n->server, q->iova, q->entries * sizeof(*q->memory), false);
}

static void resolve_cq(struct nvme *n, struct cq *q)
{
	q->memory = server_dma_at(n->server, q->iova, q->entries * sizeof(*q->memory), true);
}

void queue_open_sq(struct nvme *n, unsigned qid, unsigned cqid, uint64_t iova, unsigned entries)
{
	struct sq *q = &n->sq[qid];

	*q = (struct sq){ .on = true,
			  .id = (uint16_t)qid,
			  .cqid = (uint16_t)cqid,
			  .entries = (uint16_t)entries,
			  .iova = iova,
			  .bell = bell(n, nvme_sq_doorbell(qid, n->dstrd)) };
	atomic_store(q->bell, 0);
	n->cq[cqid].users++;
	n->active[n->active_count++] = (uint16_t)qid;
	resolve_sq(n, q);
}

void queue_open_cq(struct nvme *n, unsigned qid, uint64_t iova, unsigned entries, bool irq,
		   unsigned vector)
{
	struct cq *q = &n->cq[qid];

	*q = (struct cq){ .on = true,
			  .irq = irq,
			  .phase = true,
			  .id = (uint16_t)qid,
			  .vector = (uint16_t)vector,
			  .entries = (uint16_t)entries,
			  .iova = iova,
			  .bell = bell(n, nvme_cq_doorbell(qid, n->dstrd)) };
	atomic_store(q->bell, 0);
	resolve_cq(n, q);
}

void queue_close_sq(struct nvme *n, unsigned qid, uint64_t early_us)
{
	n->sq[qid].on = false;
	n->cq[n->sq[qid].cqid].users--;
	for (unsigned i = 0; i < n->active_count; i++)
		if (n->active[i] == qid)
			n->active[i--] = n->active[--n->active_count];
	for (unsigned i = 0; i < n->delayed_count; i++) {
		if (n->delayed[i].sqid != qid || n->delayed[i].orphan)
			continue;
		if (early_us && !n->delayed[i].executed) {
			n->delayed[i].orphan = true;
			n->delayed[i].due = server_now() + early_us * 1000;
		} else {
			n->delayed[i--] = n->delayed[--n->delayed_count];
		}
	}
}

void queue_close_all(struct nvme *n)
{
	for (unsigned i = 0; i <= n->queues; i++) {
		n->sq[i].on = n->cq[i].on = false;
		n->cq[i].users = 0;
	}
	n->active_count = n->delayed_count = n->held_count = 0;
	slow_forget_deletes(n);
	memset(n->bells, 0, n->bells_bytes);
}

/* ---- completing ------------------------------------------------------------------------ */

static uint16_t next(uint16_t index, uint16_t entries)
{
	return (uint16_t)(index + 1 == entries ? 0 : index + 1);
}

bool queue_full(struct cq *q)
{
	uint32_t head;

	if (next(q->tail, q->entries) != q->head)
		return false;
	head = atomic_load_explicit(q->bell, memory_order_acquire);
	/* Base 3.3.1.3: a head outside what was posted is an invalid doorbell write. */
	if (head >= q->entries || (head + q->entries - q->head) % q->entries >
					  (unsigned)(q->tail + q->entries - q->head) % q->entries) {
		NVME_COUNT(NC_BAD_DOORBELLS);
		return true;
	}
	q->head = (uint16_t)head;
	return next(q->tail, q->entries) == q->head;
}

/* Queue memory that does not arrive as it was sent. */
static void turn_bit(struct nvme *n, unsigned which, void *entry, unsigned bits)
{
	if (!nvme_fires(n, which))
		return;
	uint64_t bit = fault_arg(&nvme_faults[which], 0) % bits;
	((unsigned char *)entry)[bit / 8] ^= (unsigned char)(1u << bit % 8);
}

static void post(struct nvme *n, struct cq *q, const struct nvme_cqe *e)
{
	if (!q->memory) {
		(void)server_dma_write(n->server, q->iova + q->tail * sizeof(*e), e, sizeof(*e));
		return;
	}
	/* The last dword has the phase tag: it is seen last. */
	uint32_t words[4];
	_Atomic uint32_t *at = (void *)&q->memory[q->tail];
	memcpy(words, e, sizeof(words));
	for (unsigned i = 0; i < 3; i++)
		atomic_store_explicit(at + i, words[i], memory_order_relaxed);
	atomic_store_explicit(at + 3, words[3], memory_order_release);
}

void queue_complete(struct nvme *n, struct sq *sq, uint16_t cid, uint32_t status, uint32_t dw0)
{
	struct cq *q = &n->cq[sq->cqid];
	bool phase = q->phase ^ n->twist.bad_phase;
	/* Failures that trying again will not mend say so (DNR). */
	uint32_t again =
		status && (status >> 8) < 2 && status != NVME_SC_ABORT_REQUESTED ? 1u << 15 : 0;
	struct nvme_cqe e = {
		.dw0 = dw0,
		.sqhd = sq->head,
		.sqid = sq->id,
		.cid = n->twist.bad_cid ? n->twist.cid : cid,
		.status = (uint16_t)((status & 0x7ff) << 1 | again | phase),
	};

	if (sq->id)
		turn_bit(n, N_CQE_BIT, &e, 128);
	post(n, q, &e);
	NVME_COUNT(NC_COMPLETIONS);
	q->tail = next(q->tail, q->entries);
	q->phase ^= !q->tail;
	q->raise = q->irq;
}

/* ---- fetching ---------------------------------------------------------------------------- */

static bool fetch(struct nvme *n, struct sq *q, struct nvme_sqe *cmd)
{
	if (q->memory) {
		memcpy(cmd, &q->memory[q->head], sizeof(*cmd));
		__asm__ volatile("" : : "r"(cmd) : "memory"); /* the copy is what is looked at */
	} else if (server_dma_read(n->server, q->iova + q->head * sizeof(*cmd), cmd,
				   sizeof(*cmd))) {
		n->csts |= NVME_CSTS_CFS;
		return false;
	}
	if (q->id)
		turn_bit(n, N_SQE_BIT, cmd, 512);
	q->head = next(q->head, q->entries);
	return true;
}

static const struct twist straight = { .at_most = ~0ull };

static void run_io(struct nvme *n, struct sq *q, const struct nvme_sqe *cmd)
{
	bool faults = server_faults(n->server)->armed;

	if (faults && nvme_twisted(n, q, cmd))
		goto straighten;
	if (!order_held(n, q, cmd))
		queue_complete(n, q, cmd->cid, io_execute(n, cmd), 0);
	if (!faults)
		return;
straighten:
	n->twist = straight;
}

static void run_admin(struct nvme *n, struct sq *q, const struct nvme_sqe *cmd)
{
	uint32_t dw0 = 0, status;

	NVME_COUNT(NC_ADMIN);
	if (nvme_fires(n, N_ADMIN_LOST))
		return;
	status = nvme_fires(n, N_ADMIN_ERROR) ?
			 (uint32_t)fault_arg(&nvme_faults[N_ADMIN_ERROR], NVME_SC_INTERNAL_ERROR) :
			 admin_execute(n, cmd, &dw0);
	if (status != STATUS_NEVER)
		queue_complete(n, q, cmd->cid, status, dw0);
}

static bool stopped(const struct nvme *n)
{
	return n->gone || n->hung || (n->csts & (NVME_CSTS_RDY | NVME_CSTS_CFS)) != NVME_CSTS_RDY;
}

static bool run_sq(struct nvme *n, struct sq *q)
{
	uint32_t tail = atomic_load_explicit(q->bell, memory_order_acquire);
	struct nvme_sqe cmd;
	unsigned done = 0;

	if (tail == q->head)
		return false;
	if (q->id && nvme_fires(n, N_BAD_DOORBELL))
		tail ^= (uint32_t)fault_arg(&nvme_faults[N_BAD_DOORBELL], 1);
	if (tail >= q->entries) {
		if (tail != q->tail)
			NVME_COUNT(NC_BAD_DOORBELLS);
		q->tail = (uint16_t)tail;
		return false;
	}
	while (q->head != tail && done < BATCH && !queue_full(&n->cq[q->cqid])) {
		if (!fetch(n, q, &cmd))
			break;
		done++;
		if (q->id)
			run_io(n, q, &cmd);
		else
			run_admin(n, q, &cmd);
		if (stopped(n) || !q->on)
			break;
	}
	return done != 0;
}

static void interrupts(struct nvme *n)
{
	bool messages = server_has_msix(n->server) || server_has_msi(n->server), high = false;

	for (unsigned i = 0; i < n->active_count; i++) {
		struct cq *q = &n->cq[n->sq[n->active[i]].cqid];
		if (!messages && q->irq) {
			uint32_t head = atomic_load_explicit(q->bell, memory_order_acquire);
			high |= head != q->tail && !(n->intms & 1);
		}
		if (q->raise && messages)
			server_irq(n->server, q->vector);
		q->raise = false;
	}
	if (!messages)
		server_intx(n->server, high);
}

void queue_rung(struct nvme *n)
{
	/* INTx falls with the last completion taken: before the client's next message. */
	if (!stopped(n) && !server_has_msix(n->server) && !server_has_msi(n->server))
		interrupts(n);
}

bool queue_poll(struct nvme *n)
{
	bool some = slow_run(n);

	if (stopped(n))
		return some;
	if (n->epoch != server_dma_epoch(n->server)) {
		n->epoch = server_dma_epoch(n->server);
		for (unsigned i = 0; i <= n->queues; i++) {
			if (n->sq[i].on)
				resolve_sq(n, &n->sq[i]);
			if (n->cq[i].on)
				resolve_cq(n, &n->cq[i]);
		}
	}
	for (unsigned i = 0; i < n->active_count; i++) {
		some |= run_sq(n, &n->sq[n->active[i]]);
		if (stopped(n))
			return true;
	}
	if (n->delayed_count)
		some |= order_run(n);
	if (some || (!server_has_msix(n->server) && n->active_count))
		interrupts(n);
	return some;
}
