/* SPDX-License-Identifier: MIT */
/*
 * nvme_admin.c - admin commands: those our admin plane uses and those that Linux's driver
 * cannot do without.
 *
 * Room:   tests/models. Base 5 (admin commands).
 */
#include <stdio.h>
#include <string.h>

#include "nvme_model.h"

#define SC_INVALID_LOG   0x109u
#define SC_AER_LIMIT     0x105u
#define SC_CQ_IN_USE     0x10cu /* invalid queue deletion */

enum {
	FEAT_ARBITRATION = 0x01,
	FEAT_POWER = 0x02,
	FEAT_TEMPERATURE = 0x04,
	FEAT_ERROR_RECOVERY = 0x05,
	FEAT_COALESCING = 0x08,
	FEAT_VECTOR = 0x09,
	FEAT_ATOMICITY = 0x0a,
	FEAT_ASYNC_EVENT = 0x0b,
};

/* ---- queues ------------------------------------------------------------------------- */

static uint32_t create_cq(struct nvme *n, const struct nvme_sqe *cmd)
{
	unsigned qid = cmd->cdw10 & 0xffff, entries = (cmd->cdw10 >> 16) + 1,
		 vector = cmd->cdw11 >> 16;

	if (!qid || qid > n->queues || n->cq[qid].on)
		return NVME_SC_INVALID_QUEUE_ID;
	if (entries < 2 || entries > MAX_ENTRIES)
		return NVME_SC_INVALID_QUEUE_SIZE;
	if (vector > n->queues)
		return NVME_SC_INVALID_VECTOR;
	if (!(cmd->cdw11 & NVME_QUEUE_PC) || cmd->prp1 % NVME_PAGE || (n->cc >> 20 & 15) != 4)
		return NVME_SC_INVALID_FIELD;
	queue_open_cq(n, qid, cmd->prp1, entries, cmd->cdw11 & NVME_QUEUE_IEN, vector);
	return 0;
}

static uint32_t create_sq(struct nvme *n, const struct nvme_sqe *cmd)
{
	unsigned qid = cmd->cdw10 & 0xffff, entries = (cmd->cdw10 >> 16) + 1,
		 cqid = cmd->cdw11 >> 16;

	if (!qid || qid > n->queues || n->sq[qid].on)
		return NVME_SC_INVALID_QUEUE_ID;
	if (!cqid || cqid > n->queues || !n->cq[cqid].on)
		return NVME_SC_CQ_INVALID;
	if (entries < 2 || entries > MAX_ENTRIES)
		return NVME_SC_INVALID_QUEUE_SIZE;
	if (!(cmd->cdw11 & NVME_QUEUE_PC) || cmd->prp1 % NVME_PAGE || (n->cc >> 16 & 15) != 6)
		return NVME_SC_INVALID_FIELD;
	queue_open_sq(n, qid, cqid, cmd->prp1, entries);
	return 0;
}

static uint32_t delete_sq(struct nvme *n, unsigned qid)
{
	if (!qid || qid > n->queues || !n->sq[qid].on)
		return NVME_SC_INVALID_QUEUE_ID;
	queue_close_sq(n, qid,
		       nvme_fires(n, N_DELETE_EARLY) ?
			       fault_arg(&nvme_faults[N_DELETE_EARLY], 20000) :
			       0);
	NVME_COUNT(NC_DELETES);
	return 0;
}

static uint32_t delete_cq(struct nvme *n, unsigned qid)
{
	if (!qid || qid > n->queues || !n->cq[qid].on)
		return NVME_SC_INVALID_QUEUE_ID;
	if (n->cq[qid].users)
		return SC_CQ_IN_USE;
	n->cq[qid].on = false;
	return 0;
}

uint32_t admin_delete(struct nvme *n, const struct nvme_sqe *cmd)
{
	unsigned qid = cmd->cdw10 & 0xffff;

	return cmd->opc == NVME_ADMIN_DELETE_SQ ? delete_sq(n, qid) : delete_cq(n, qid);
}

/* What the faults make of a deletion; STATUS_NEVER: there is no answer. 0: it is done. */
static uint32_t delete_faults(struct nvme *n, const struct nvme_sqe *cmd)
{
	if (cmd->opc == NVME_ADMIN_DELETE_SQ && nvme_fires(n, N_DELETE_RESETS)) {
		nvme_reset_itself(n);
		return STATUS_NEVER;
	}
	if (cmd->opc == NVME_ADMIN_DELETE_SQ && nvme_fires(n, N_DELETE_GONE)) {
		n->gone = true;
		return STATUS_NEVER;
	}
	if (cmd->opc == NVME_ADMIN_DELETE_SQ && nvme_fires(n, N_DELETE_CFS)) {
		n->csts |= NVME_CSTS_CFS;
		return STATUS_NEVER;
	}
	if (nvme_fires(n, N_DELETE_NEVER))
		return STATUS_NEVER;
	if (nvme_fires(n, N_DELETE_ERROR))
		return (uint32_t)fault_arg(&nvme_faults[N_DELETE_ERROR], NVME_SC_INTERNAL_ERROR);
	return 0;
}

static uint32_t delete_queue(struct nvme *n, const struct nvme_sqe *cmd)
{
	uint32_t status = delete_faults(n, cmd);

	if (status)
		return status;
	return slow_delete(n, cmd) ? STATUS_NEVER : admin_delete(n, cmd);
}

static uint32_t create_queue(struct nvme *n, const struct nvme_sqe *cmd)
{
	if (nvme_fires(n, N_CREATE_ERROR))
		return (uint32_t)fault_arg(&nvme_faults[N_CREATE_ERROR],
					   NVME_SC_INVALID_QUEUE_ID);
	return cmd->opc == NVME_ADMIN_CREATE_CQ ? create_cq(n, cmd) : create_sq(n, cmd);
}

/* ---- identify -------------------------------------------------------------------------- */

static void padded(char *to, size_t room, const char *text)
{
	memset(to, ' ', room);
	memcpy(to, text, strlen(text));
}

static void controller(const struct nvme *n, unsigned char *page)
{
	struct nvme_id_ctrl *c = (void *)page;

	c->vid = 0x1b36;
	c->ssvid = 0x1b36;
	padded(c->sn, sizeof(c->sn), n->serial);
	padded(c->mn, sizeof(c->mn), "ringfence NVMe model");
	padded(c->fr, sizeof(c->fr), "1");
	c->mdts = (uint8_t)__builtin_ctz(n->mdts / NVME_PAGE);
	c->cntlid = 1;
	c->ver = 0x00010400;
	uint32_t resume_us = (n->slow.ready_ms ? n->slow.ready_ms : 1) * 1000;
	memcpy(page + 84, &resume_us, 4); /* RTD3R, RTD3E */
	memcpy(page + 88, &resume_us, 4);
	page[258] = 3;                 /* ACL: aborts at a time, 0's based */
	page[259] = HELD_EVENTS - 1;   /* AERL */
	page[260] = 0x03;              /* FRMW: one slot, read-only */
	page[262] = 0;                 /* ELPE: one error log entry */
	page[111] = 1;                 /* CNTRLTYPE: I/O controller */
	page[266] = 0x57;              /* WCTEMP 343 K */
	page[267] = 0x01;
	page[268] = 0x61;              /* CCTEMP 353 K */
	page[269] = 0x01;
	c->sqes = 0x66;
	c->cqes = 0x44;
	c->nn = space_last(n);
	c->oncs = NVME_ONCS_DSM | NVME_ONCS_WRITEZEROES;
	c->vwc = n->store.cached || !n->store.memory ? NVME_VWC_PRESENT : 0;
	snprintf((char *)page + 768, 256,
		 "nqn.2014-08.org.nvmexpress:uuid:72696e67-6665-6e63-652d-6d6f64656c31");
}

/* An id that is allowed and not in use is a namespace of zeroes: Base 5.17.2.1. */
static uint32_t identify_namespace(struct nvme *n, uint32_t nsid, unsigned char *page)
{
	const struct name_space *s = space_attached(n, nsid);

	if (!nsid || nsid > space_last(n))
		return NVME_SC_INVALID_NAMESPACE;
	if (!s)
		return 0;
	space_identify(s, page);
	(void)odd_patch(&n->odd, ODD_NS, page);
	return 0;
}

static uint32_t identify(struct nvme *n, const struct nvme_sqe *cmd)
{
	static unsigned char page[NVME_PAGE];
	const struct name_space *s;
	uint32_t status;

	memset(page, 0, sizeof(page));
	switch (cmd->cdw10 & 0xff) {
	case NVME_CNS_NAMESPACE:
		if ((status = identify_namespace(n, cmd->nsid, page)))
			return status;
		break;
	case NVME_CNS_CONTROLLER:
		controller(n, page);
		(void)odd_patch(&n->odd, ODD_CTRL, page);
		break;
	case NVME_CNS_LIMITS:
		if (!odd_patch(&n->odd, ODD_LIMITS, page))
			return NVME_SC_INVALID_FIELD;
		break;
	case NVME_CNS_ACTIVE_NS:
		if (cmd->nsid >= 0xfffffffe)
			return NVME_SC_INVALID_NAMESPACE;
		space_list(n, cmd->nsid, (void *)page);
		break;
	case NVME_CNS_NAMES:
		if (!(s = space_attached(n, cmd->nsid)))
			return NVME_SC_INVALID_NAMESPACE;
		space_descriptors(n, s, page);
		break;
	default:
		return NVME_SC_INVALID_FIELD;
	}
	return prp_copy(n, cmd, page, sizeof(page), true);
}

/* ---- features, logs ----------------------------------------------------------------------- */

static bool feature_known(const struct nvme *n, unsigned id)
{
	switch (id) {
	case NVME_FEAT_VOLATILE_WRITE_CACHE:
		return n->store.cached || !n->store.memory;
	case FEAT_ARBITRATION: case FEAT_POWER: case FEAT_TEMPERATURE: case FEAT_ERROR_RECOVERY:
	case FEAT_COALESCING: case FEAT_VECTOR: case FEAT_ATOMICITY: case FEAT_ASYNC_EVENT:
	case NVME_FEAT_NUMBER_OF_QUEUES:
		return true;
	default:
		return false;
	}
}

static uint32_t granted(uint32_t asked, uint32_t most)
{
	return asked < most ? asked : most - 1;
}

static uint32_t set_features(struct nvme *n, const struct nvme_sqe *cmd, uint32_t *dw0)
{
	unsigned id = cmd->cdw10 & 0xff;

	if (!feature_known(n, id))
		return NVME_SC_INVALID_FIELD;
	if (id == NVME_FEAT_NUMBER_OF_QUEUES) {
		if ((cmd->cdw11 & 0xffff) == 0xffff || cmd->cdw11 >> 16 == 0xffff)
			return NVME_SC_INVALID_FIELD;
		*dw0 = granted(cmd->cdw11 & 0xffff, n->queues) |
		       granted(cmd->cdw11 >> 16, n->queues) << 16;
		n->feature[id] = *dw0;
		return 0;
	}
	n->feature[id] = cmd->cdw11;
	/* Base 5.27.1.4: switching the cache off writes it back. */
	if (id == NVME_FEAT_VOLATILE_WRITE_CACHE && !(cmd->cdw11 & 1))
		return store_flush(&n->store) ? NVME_SC_WRITE_FAULT : 0;
	return 0;
}

static uint32_t get_features(struct nvme *n, const struct nvme_sqe *cmd, uint32_t *dw0)
{
	unsigned id = cmd->cdw10 & 0xff;

	if (!feature_known(n, id))
		return NVME_SC_INVALID_FIELD;
	*dw0 = n->feature[id];
	return 0;
}

static uint32_t get_log(struct nvme *n, const struct nvme_sqe *cmd)
{
	static unsigned char log[4096];
	uint64_t bytes = ((cmd->cdw10 >> 16) + (uint64_t)(cmd->cdw11 & 0xffff) * 65536 + 1) * 4;
	uint64_t offset = cmd->cdw12 | (uint64_t)cmd->cdw13 << 32;

	memset(log, 0, sizeof(log));
	switch (cmd->cdw10 & 0xff) {
	case 1: /* errors: none are kept */
	case 4: /* changed namespaces: never */
		break;
	case 2: /* SMART */
		log[1] = 0x36; /* 310 K */
		log[2] = 0x01;
		log[3] = 100;  /* spare, and its threshold */
		log[4] = 10;
		memcpy(log + 64, &nvme_counters[NC_READS].value, 8);
		memcpy(log + 80, &nvme_counters[NC_WRITES].value, 8);
		break;
	case 3: /* firmware slots */
		log[0] = 1;
		memcpy(log + 8, "1       ", 8);
		break;
	default:
		return SC_INVALID_LOG;
	}
	if (offset || bytes > sizeof(log))
		return NVME_SC_INVALID_FIELD;
	return prp_copy(n, cmd, log, bytes, true);
}

/* ---- the rest -------------------------------------------------------------- */

static uint32_t hold_event(struct nvme *n, const struct nvme_sqe *cmd)
{
	if (n->held_count == HELD_EVENTS)
		return SC_AER_LIMIT;
	n->held[n->held_count++] = cmd->cid;
	return STATUS_NEVER;
}

/* Base 5.1: dw0 bit 0 is set when the command was not aborted. */
static uint32_t abort_command(struct nvme *n, const struct nvme_sqe *cmd, uint32_t *dw0)
{
	unsigned sqid = cmd->cdw10 & 0xffff, cid = cmd->cdw10 >> 16;

	*dw0 = 1;
	for (unsigned i = 0; i < n->delayed_count; i++)
		if (n->delayed[i].sqid == sqid && n->delayed[i].cmd.cid == cid) {
			n->delayed[i] = n->delayed[--n->delayed_count];
			queue_complete(n, &n->sq[sqid], (uint16_t)cid, NVME_SC_ABORT_REQUESTED, 0);
			*dw0 = 0;
			break;
		}
	return 0;
}

uint32_t admin_execute(struct nvme *n, const struct nvme_sqe *cmd, uint32_t *dw0)
{
	if (cmd->flags)
		return NVME_SC_INVALID_FIELD;
	switch (cmd->opc) {
	case NVME_ADMIN_CREATE_CQ:
	case NVME_ADMIN_CREATE_SQ:
		return create_queue(n, cmd);
	case NVME_ADMIN_DELETE_SQ:
	case NVME_ADMIN_DELETE_CQ:
		return delete_queue(n, cmd);
	case NVME_ADMIN_IDENTIFY:
		return identify(n, cmd);
	case NVME_ADMIN_SET_FEATURES:
		return set_features(n, cmd, dw0);
	case NVME_ADMIN_GET_FEATURES:
		return get_features(n, cmd, dw0);
	case NVME_ADMIN_GET_LOG_PAGE:
		return get_log(n, cmd);
	case NVME_ADMIN_ASYNC_EVENT:
		return hold_event(n, cmd);
	case NVME_ADMIN_ABORT:
		return abort_command(n, cmd, dw0);
	default:
		return NVME_SC_INVALID_OPCODE;
	}
}
