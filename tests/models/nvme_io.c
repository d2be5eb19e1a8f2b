/* SPDX-License-Identifier: MIT */
/*
 * nvme_io.c - I/O commands, and data by PRPs: from the store straight into client memory
 * and back.
 *
 * Room:   tests/models. NVM Command Set 1.0, 3.2; Base 4.1.1 (PRPs).
 */
#include <string.h>

#include "nvme_model.h"

#define SC_PRP_OFFSET 0x013u
#define PER_PAGE      (NVME_PAGE / 8)

/* ---- PRPs --------------------------------------------------------------------------- */

struct prp {
	struct nvme *n;
	uint64_t first, second, left;
	uint64_t list;    /* address of the next entry; 0: not in a list */
	uint64_t cached;  /* page whose entries are in `entries`; ~0: none */
	uint64_t entries[PER_PAGE];
	bool     started;
};

static void prp_start(struct prp *p, struct nvme *n, const struct nvme_sqe *cmd, uint64_t bytes)
{
	p->n = n;
	p->first = cmd->prp1;
	p->second = cmd->prp2;
	p->left = bytes;
	p->list = 0;
	p->cached = ~0ull;
	p->started = false;
}

/* The entry at p->list. Each is read once: the client may change it behind us. */
static uint32_t list_entry(struct prp *p, uint64_t *entry)
{
	const uint64_t *direct = server_dma_at(p->n->server, p->list, 8, false);

	if (direct) {
		*entry = *(const volatile uint64_t *)direct;
		return 0;
	}
	uint64_t page = p->list & ~(uint64_t)(NVME_PAGE - 1);
	if (page != p->cached) {
		if (server_dma_read(p->n->server, p->list, p->entries + p->list % NVME_PAGE / 8,
				    NVME_PAGE - p->list % NVME_PAGE))
			return NVME_SC_DATA_TRANSFER_ERROR;
		p->cached = page;
	}
	*entry = p->entries[p->list % NVME_PAGE / 8];
	return 0;
}

/* Where the next bytes go. A status. */
static uint32_t prp_next(struct prp *p, uint64_t *iova, uint64_t *bytes)
{
	uint32_t status;

	if (!p->started) {
		p->started = true;
		*iova = p->first;
		*bytes = NVME_PAGE - p->first % NVME_PAGE;
		if (p->first % 4)
			return SC_PRP_OFFSET;
		if (*bytes > p->left)
			*bytes = p->left;
		p->left -= *bytes;
		if (p->left > NVME_PAGE)
			p->list = p->second;
		return p->list % 8 ? SC_PRP_OFFSET : 0;
	}
	if (!p->list)
		*iova = p->second;
	else {
		if ((status = list_entry(p, iova)))
			return status;
		/* The last entry of a list page leads on to the next, if there is more. */
		if (p->list % NVME_PAGE == NVME_PAGE - 8 && p->left > NVME_PAGE) {
			if (*iova % NVME_PAGE)
				return SC_PRP_OFFSET;
			p->list = *iova;
			p->cached = ~0ull;
			if ((status = list_entry(p, iova)))
				return status;
		}
		p->list += 8;
	}
	if (*iova % NVME_PAGE)
		return SC_PRP_OFFSET;
	*bytes = p->left < NVME_PAGE ? p->left : NVME_PAGE;
	p->left -= *bytes;
	return 0;
}

uint32_t prp_copy(struct nvme *n, const struct nvme_sqe *cmd, void *data, uint64_t bytes,
		  bool to_client)
{
	unsigned char *at = data;
	struct prp p;
	uint64_t iova, some;
	uint32_t status;

	prp_start(&p, n, cmd, bytes);
	while (p.left) {
		if ((status = prp_next(&p, &iova, &some)))
			return status;
		if (to_client ? server_dma_write(n->server, iova, at, some) :
				server_dma_read(n->server, iova, at, some))
			return NVME_SC_DATA_TRANSFER_ERROR;
		at += some;
	}
	return 0;
}

/* ---- data of reads and writes --------------------------------------------------------- */

/* One run of client memory. Straight where it is mapped here, else through a buffer. */
static uint32_t move(struct nvme *n, uint64_t offset, uint64_t iova, uint64_t bytes, bool read)
{
	static unsigned char bounce[NVME_PAGE];
	void *memory = server_dma_at(n->server, iova, bytes, read);

	if (memory) {
		if (read ? store_read(&n->store, offset, memory, bytes) :
			   store_write(&n->store, offset, memory, bytes))
			return read ? NVME_SC_UNRECOVERED_READ : NVME_SC_WRITE_FAULT;
		return 0;
	}
	while (bytes) {
		uint64_t some = bytes < sizeof(bounce) ? bytes : sizeof(bounce);
		if (read && store_read(&n->store, offset, bounce, some))
			return NVME_SC_UNRECOVERED_READ;
		if (read ? server_dma_write(n->server, iova, bounce, some) :
			   server_dma_read(n->server, iova, bounce, some))
			return NVME_SC_DATA_TRANSFER_ERROR;
		if (!read && store_write(&n->store, offset, bounce, some))
			return NVME_SC_WRITE_FAULT;
		offset += some;
		iova += some;
		bytes -= some;
	}
	return 0;
}

/* Turns one bit of what was read: the data of a bad cable or cell. */
static void corrupt(struct nvme *n, uint64_t iova)
{
	unsigned char byte;

	if (server_dma_read(n->server, iova, &byte, 1))
		return;
	byte ^= 0x10;
	(void)server_dma_write(n->server, iova, &byte, 1);
}

/* All of a command's data; neighbouring pages are moved as one. */
static uint32_t transfer(struct nvme *n, const struct nvme_sqe *cmd, uint64_t offset,
			 uint64_t bytes, bool read)
{
	struct prp p;
	uint64_t iova, some, from = 0, run = 0;
	uint32_t status = 0;

	if (n->twist.at_most < bytes)
		bytes = n->twist.at_most;
	prp_start(&p, n, cmd, bytes);
	while (p.left) {
		if ((status = prp_next(&p, &iova, &some)))
			return status;
		if (run && from + run == iova) {
			run += some;
			continue;
		}
		if (run && (status = move(n, offset, from, run, read)))
			return status;
		offset += run;
		from = iova;
		run = some;
	}
	if (run)
		status = move(n, offset, from, run, read);
	if (n->twist.corrupt && read && !status)
		corrupt(n, cmd->prp1);
	return status;
}

/* Bytes of the command on the disk. A status. */
static uint32_t range(const struct name_space *s, uint64_t slba, uint64_t blocks,
		      uint64_t *offset, uint64_t *bytes)
{
	uint64_t total = s->bytes / s->block;

	if (slba >= total || blocks > total - slba)
		return NVME_SC_LBA_OUT_OF_RANGE;
	*offset = s->offset + slba * s->block;
	*bytes = blocks * s->block;
	return 0;
}

static uint32_t read_write(struct nvme *n, const struct name_space *s,
			   const struct nvme_sqe *cmd, bool read)
{
	uint64_t offset, bytes, slba = cmd->slba + n->twist.lba_shift;
	uint32_t status = range(s, cmd->slba, (cmd->cdw12 & 0xffff) + 1ull, &offset, &bytes);

	if (status)
		return status;
	if (bytes > n->mdts)
		return NVME_SC_INVALID_FIELD;
	NVME_COUNT(read ? NC_READS : NC_WRITES);
	/* A misdirected command at the end of the disk is turned the other way. */
	if (n->twist.lba_shift && range(s, slba, (cmd->cdw12 & 0xffff) + 1ull, &offset, &bytes))
		offset -= offset >= s->offset + s->block ? s->block : 0;
	if (n->twist.stale || n->twist.lost)
		return 0;
	status = transfer(n, cmd, offset, bytes, read);
	if (!status && !read && cmd->cdw12 & NVME_RW_FUA && store_settle(&n->store, offset, bytes))
		status = NVME_SC_WRITE_FAULT;
	return status;
}

static uint32_t zeroes(struct nvme *n, const struct name_space *s, const struct nvme_sqe *cmd)
{
	uint64_t offset, bytes;
	uint32_t status = range(s, cmd->slba, (cmd->cdw12 & 0xffff) + 1ull, &offset, &bytes);

	if (status)
		return status;
	NVME_COUNT(NC_ZEROES);
	if (n->twist.lost)
		return 0;
	if (store_zero(&n->store, offset, bytes) ||
	    (cmd->cdw12 & NVME_RW_FUA && store_settle(&n->store, offset, bytes)))
		return NVME_SC_WRITE_FAULT;
	return 0;
}

static uint32_t discard(struct nvme *n, const struct name_space *s, const struct nvme_sqe *cmd)
{
	static struct nvme_dsm_range r[256];
	uint32_t count = (cmd->cdw10 & 0xff) + 1, status;
	uint64_t offset, bytes;

	if ((status = prp_copy(n, cmd, r, count * sizeof(*r), false)))
		return status;
	for (uint32_t i = 0; i < count; i++)
		if (r[i].nlb && (status = range(s, r[i].slba, r[i].nlb, &offset, &bytes)))
			return status;
	NVME_COUNT(NC_DISCARDS);
	if (!(cmd->cdw11 & NVME_DSM_AD) || n->twist.lost)
		return 0;
	for (uint32_t i = 0; i < count; i++)
		if (r[i].nlb && !range(s, r[i].slba, r[i].nlb, &offset, &bytes) &&
		    store_zero(&n->store, offset, bytes))
			return NVME_SC_WRITE_FAULT;
	return 0;
}

uint32_t io_execute(struct nvme *n, const struct nvme_sqe *cmd)
{
	if (cmd->flags)
		return NVME_SC_INVALID_FIELD; /* neither fused commands nor SGLs */
	const struct name_space *s = space_attached(n, cmd->nsid);
	if (!s && !(cmd->nsid == ~0u && cmd->opc == NVME_CMD_FLUSH))
		return NVME_SC_INVALID_NAMESPACE;
	switch (cmd->opc) {
	case NVME_CMD_READ:
		return read_write(n, s, cmd, true);
	case NVME_CMD_WRITE:
		return read_write(n, s, cmd, false);
	case NVME_CMD_FLUSH:
		NVME_COUNT(NC_FLUSHES);
		return n->twist.lost || !store_flush(&n->store) ? 0 : NVME_SC_WRITE_FAULT;
	case NVME_CMD_WRITE_ZEROES:
		return zeroes(n, s, cmd);
	case NVME_CMD_DSM:
		return discard(n, s, cmd);
	default:
		return NVME_SC_INVALID_OPCODE;
	}
}
