/* SPDX-License-Identifier: MIT */
/*
 * nvme.c - I/O queue pairs of an NVMe controller.
 *
 * Room:   drivers, untrusted.
 * Device: any NVMe controller; section numbers are those of the NVM Express Base
 *         Specification 2.0 ("Base") and the NVM Command Set 1.0 ("NVM").
 * Given:  the doorbell page and one queue pair that exists already. Registers and
 *         admin queue are the device process's: nothing here can reach them.
 * Layout: queue memory as nvme_queue_*() of hw/nvme.h say. A request's slot is
 *         its command identifier, and owns one page for its PRP list.
 */
#include "rt_blk.h"
#include "nvme.h"

#define PRPS_PER_PAGE (NVME_PAGE / 8)
/* The phase tag in an entry's last dword. */
#define NVME_CQE_NEW  0x10000u
/* Off the path of small reads and writes: not inlined into it. */
#define NVME_SLOW __attribute__((noinline))

struct nvme_queue {
	struct nvme_sqe       *sq;
	const struct nvme_cqe *cq, *cq_head, *cq_end;
	uint32_t *sq_doorbell, *cq_doorbell;
	struct rf_doorbell bell;
	uint32_t  sq_mask, sq_tail, sq_rung; /* rung: what the doorbell last said */
	uint32_t  cq_phase; /* of new entries, where their last dword has it */
	uint32_t  block_shift;
	struct {
		uint64_t words;         /* operation, flags and length as the request has them */
		uint32_t opcode, cdw12; /* what the command says for them */
	} last; /* short read or write: the next one is mostly like it */
	uint32_t  flags;      /* NVME_FLAG_* */
	uint64_t  arena_iova;
	char     *lists;      /* one page a slot: PRP list, or the range of a discard */
	uint64_t  lists_iova;
};

/* ---- starting ----------------------------------------------------------------- */

static bool entries_valid(uint32_t entries)
{
	return entries >= 2 && !(entries & (entries - 1));
}

/*
 * The path that counts: a read or write without flags, of one page at most. True: it is one, and
 * q->last is what its command says.
 */
static inline bool nvme_short(struct nvme_queue *q, uint64_t words, uint32_t what, uint32_t length)
{
	/* Length 0 wraps round and is refused on the other path. */
	if (what - RF_BLK_READ > RF_BLK_WRITE - RF_BLK_READ || length - 1 >= NVME_PAGE)
		return false;
	_Static_assert((RF_BLK_READ ^ NVME_CMD_READ) == (RF_BLK_WRITE ^ NVME_CMD_WRITE),
		       "one operation turns both into opcodes");
	q->last.words = words;
	q->last.opcode = what ^ RF_BLK_READ ^ NVME_CMD_READ;
	q->last.cdw12 = (length >> q->block_shift) - 1;
	return true;
}

/* Operation, flags and length in one, for comparing. */
static inline uint64_t nvme_words(const struct rf_blk_req *req)
{
	uint64_t words;

	_Static_assert(offsetof(struct rf_blk_req, op) + 8 == offsetof(struct rf_blk_req, offset),
		       "they are one word");
	memcpy(&words, &req->op, sizeof(words));
	return words;
}

static unsigned nvme_start(void *dev, const struct rf_boot *boot, unsigned queue)
{
	const struct rf_boot_queue *b = &boot->queue[queue];
	struct nvme_queue *q = dev;
	uint32_t sq_entries = b->param[NVME_PARAM_ENTRIES] & 0xffff;
	uint32_t cq_entries = b->param[NVME_PARAM_ENTRIES] >> 16 & 0xffff;
	uint64_t lists = nvme_queue_lists(sq_entries, cq_entries);
	uint64_t slots = b->mem_bytes < lists ? 0 : (b->mem_bytes - lists) / NVME_PAGE;

	if (!entries_valid(sq_entries) || !entries_valid(cq_entries) ||
	    (boot->blk.block_size != 512 && boot->blk.block_size != 4096))
		rf_exit(RF_DRIVER_EXIT_BOOT);
	q->sq = (struct nvme_sqe *)(uintptr_t)b->mem;
	q->cq = (const struct nvme_cqe *)(uintptr_t)(b->mem + nvme_queue_cq(sq_entries));
	q->lists = (char *)(uintptr_t)(b->mem + lists);
	q->lists_iova = b->mem_iova + lists;
	q->sq_doorbell = (uint32_t *)(uintptr_t)b->regs;
	q->cq_doorbell = (uint32_t *)(uintptr_t)(b->regs + b->param[NVME_PARAM_CQ_DISTANCE]);
	q->bell = rf_doorbell(boot, queue);
	q->sq_mask = sq_entries - 1;
	q->cq_head = q->cq;
	q->cq_end = q->cq + cq_entries;
	q->cq_phase = NVME_CQE_NEW; /* Base 3.3.3.2: memory is zeroed, the first pass posts ones */
	q->block_shift = (uint32_t)__builtin_ctz(boot->blk.block_size);
	struct rf_blk_req first = { .op = RF_BLK_READ, .length = NVME_PAGE };
	(void)nvme_short(q, nvme_words(&first), first.op, first.length);
	q->flags = (uint32_t)b->param[NVME_PARAM_FLAGS];
	q->arena_iova = boot->arena_iova;
	/* Every command is for the same namespace: written once. */
	for (uint32_t i = 0; i < sq_entries; i++)
		q->sq[i].nsid = (uint32_t)b->param[NVME_PARAM_NSID];
	/* Base 3.3.1.2: a queue with all entries used but one is full. */
	if (slots > q->sq_mask)
		slots = q->sq_mask;
	if (slots > cq_entries - 1)
		slots = cq_entries - 1;
	return slots > RF_BLK_DEPTH ? RF_BLK_DEPTH : (unsigned)slots;
}

/* ---- submitting --------------------------------------------------------------- */

/* Base 3.3.3.1: one entry. Fields not written here are zero from the start. */
static inline void nvme_put(struct nvme_queue *q, uint32_t opcode, uint32_t slot, uint64_t prp1,
			    uint64_t prp2, uint64_t slba, uint32_t cdw12)
{
	struct nvme_sqe *sqe = &q->sq[q->sq_tail];

	sqe->prp1 = prp1;
	sqe->prp2 = prp2;
	sqe->slba = slba;
	sqe->cdw12 = cdw12;
	sqe->cdw0 = opcode | slot << 16;
	q->sq_tail = (q->sq_tail + 1) & q->sq_mask;
}

/* Base 4.1.1: PRP2, and where it is needed the list of all pages but the first. The
 * payload starts on a page. */
static uint64_t nvme_prp2(struct nvme_queue *q, uint32_t slot, uint64_t prp1, uint32_t length)
{
	uint64_t *list = (uint64_t *)(q->lists + (size_t)slot * NVME_PAGE);
	uint32_t  count = (length - 1) / NVME_PAGE;

	if (count <= 1)
		return count ? prp1 + NVME_PAGE : 0;
	for (uint32_t i = 0; i < count; i++)
		list[i] = prp1 + (uint64_t)(i + 1) * NVME_PAGE;
	return q->lists_iova + (uint64_t)slot * NVME_PAGE;
}

/* NVM 3.2.4, 3.2.6: read and write of any length, FUA. */
static NVME_SLOW int nvme_rw(struct nvme_queue *q, unsigned slot, const struct rf_blk_req *req)
{
	uint64_t prp1 = q->arena_iova + req->arena;
	uint32_t nlb = (req->length >> q->block_shift) - 1;
	uint32_t fua = req->flags & RF_BLK_FUA ? NVME_RW_FUA : 0;

	if (nlb >= NVME_RW_MAX_BLOCKS || req->length > PRPS_PER_PAGE * NVME_PAGE)
		return -EINVAL;
	nvme_put(q, req->op == RF_BLK_READ ? NVME_CMD_READ : NVME_CMD_WRITE, slot, prp1,
		 nvme_prp2(q, slot, prp1, req->length), req->offset >> q->block_shift, nlb | fua);
	return 0;
}

/* NVM 3.2.3: one range, deallocated. The slot's page holds it. */
static NVME_SLOW int nvme_discard(struct nvme_queue *q, unsigned slot, const struct rf_blk_req *req)
{
	struct nvme_dsm_range range = {
		.nlb = req->length >> q->block_shift,
		.slba = req->offset >> q->block_shift,
	};

	if (!(q->flags & NVME_FLAG_DSM))
		return -EOPNOTSUPP;
	if (!range.nlb)
		return -EINVAL;
	memcpy(q->lists + (size_t)slot * NVME_PAGE, &range, sizeof(range));
	nvme_put(q, NVME_CMD_DSM, slot, q->lists_iova + (uint64_t)slot * NVME_PAGE, 0,
		 (uint64_t)NVME_DSM_AD << 32, 0);
	return 0;
}

/* NVM 3.2.8: the range reads as zeroes afterwards, deallocated if that is allowed. */
static NVME_SLOW int nvme_zero(struct nvme_queue *q, unsigned slot, const struct rf_blk_req *req)
{
	bool     deac = (q->flags & NVME_FLAG_DEAC) && !(req->flags & RF_BLK_NO_UNMAP);
	uint32_t nlb = (req->length >> q->block_shift) - 1;
	uint32_t fua = req->flags & RF_BLK_FUA ? NVME_RW_FUA : 0;

	if (!(q->flags & NVME_FLAG_WRITEZEROES))
		return -EOPNOTSUPP;
	if (nlb >= NVME_RW_MAX_BLOCKS)
		return -EINVAL;
	nvme_put(q, NVME_CMD_WRITE_ZEROES, slot, 0, 0, req->offset >> q->block_shift,
		 nlb | fua | (deac ? NVME_WZ_DEAC : 0));
	return 0;
}

static NVME_SLOW int nvme_submit_slow(struct nvme_queue *q, unsigned slot,
				      const struct rf_blk_req *req)
{
	switch (req->op) {
	case RF_BLK_READ:
	case RF_BLK_WRITE:
		return nvme_rw(q, slot, req);
	case RF_BLK_FLUSH:
		nvme_put(q, NVME_CMD_FLUSH, slot, 0, 0, 0, 0);
		return 0;
	case RF_BLK_DISCARD:
		return nvme_discard(q, slot, req);
	case RF_BLK_ZERO:
		return nvme_zero(q, slot, req);
	}
	return -EOPNOTSUPP;
}

static inline int nvme_submit(void *dev, unsigned slot, const struct rf_blk_req *req)
{
	struct nvme_queue *q = dev;
	uint64_t words = nvme_words(req);

	/* What is equal to one that was looked at needs no look of its own. */
	if (RF_UNLIKELY(words != q->last.words) &&
	    !nvme_short(q, words, req->op | (uint32_t)req->flags << 8, req->length))
		return nvme_submit_slow(q, slot, req);
	nvme_put(q, q->last.opcode, slot, q->arena_iova + req->arena, 0,
		 req->offset >> q->block_shift, q->last.cdw12);
	return 0;
}

/* A doorbell that says what it said before is an error to the controller. */
static inline void nvme_commit(void *dev)
{
	struct nvme_queue *q = dev;

	if (q->sq_rung == q->sq_tail)
		return;
	q->sq_rung = q->sq_tail;
	rf_mmio_write32(q->sq_doorbell, q->sq_tail);
	rf_doorbell_kick(&q->bell, RF_ASLEEP);
}

/* ---- completing --------------------------------------------------------------- */

/* Base 3.3.3.2.1 and NVM 2.2.x: status type and code to the errnos a driver may give. */
static NVME_SLOW int nvme_status(uint32_t status)
{
	switch (status) {
	case NVME_SC_SUCCESS:
		return 0;
	case NVME_SC_INVALID_OPCODE:
		return -EOPNOTSUPP;
	case NVME_SC_INVALID_FIELD:
	case NVME_SC_LBA_OUT_OF_RANGE:
	case NVME_SC_CONFLICTING_ATTR:
	case NVME_SC_SIZE_LIMIT_EXCEEDED:
		return -EINVAL;
	case NVME_SC_NS_WRITE_PROTECTED:
	case NVME_SC_WRITE_TO_RO_RANGE:
	case NVME_SC_ACCESS_DENIED:
		return -EPERM;
	case NVME_SC_CAPACITY_EXCEEDED:
		return -ENOSPC;
	case NVME_SC_GUARD_CHECK:
	case NVME_SC_APPTAG_CHECK:
	case NVME_SC_REFTAG_CHECK:
		return -EILSEQ;
	}
	return -EIO;
}

/* Base 3.3.3.2: command identifier, phase tag and status are one dword. */
static inline uint32_t nvme_cqe_look(const struct nvme_queue *q)
{
	return __atomic_load_n((const uint32_t *)(const void *)&q->cq_head->cid, __ATOMIC_ACQUIRE);
}

static inline bool nvme_pending(void *dev)
{
	const struct nvme_queue *q = dev;

	return !((nvme_cqe_look(q) ^ q->cq_phase) & NVME_CQE_NEW);
}

static inline bool nvme_poll(void *dev, unsigned *slot, int *status)
{
	struct nvme_queue *q = dev;
	uint32_t dword3 = nvme_cqe_look(q);

	/* A new entry that says success is its command identifier and the phase, nothing else. */
	*slot = dword3 ^ q->cq_phase;
	*status = 0;
	if (RF_UNLIKELY(*slot >= RF_BLK_DEPTH)) {
		if (*slot & NVME_CQE_NEW)
			return false;
		*slot = dword3 & 0xffff;
		*status = nvme_status(NVME_CQE_STATUS(dword3 >> 16));
	}
	if (++q->cq_head == q->cq_end) {
		q->cq_head = q->cq;
		q->cq_phase ^= NVME_CQE_NEW;
	}
	return true;
}

static inline void nvme_done(void *dev)
{
	struct nvme_queue *q = dev;

	rf_mmio_write32(q->cq_doorbell, (uint32_t)(q->cq_head - q->cq));
	rf_doorbell_kick(&q->bell, RF_ASLEEP_BLOCKED);
}

static const struct rf_blk_driver nvme_driver = {
	.start = nvme_start,
	.submit = nvme_submit,
	.commit = nvme_commit,
	.poll = nvme_poll,
	.done = nvme_done,
	.pending = nvme_pending,
};

RF_BLK_DRIVER(nvme_driver, struct nvme_queue)
