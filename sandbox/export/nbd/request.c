/* SPDX-License-Identifier: MIT */
/*
 * request.c - transmission: requests in, parts to the block service.
 *
 * Room:   sandbox/export/nbd, trusted.
 * Flush:  covers the writes acknowledged to any connection, because all of them go
 *         through one table to one disk: hence NBD_FLAG_CAN_MULTI_CONN.
 */
#include <string.h>

#include "nbd.h"

uint16_t nbd_transmission_flags(const struct nbd_conn *c)
{
	uint32_t has = c->server->info->features;
	uint16_t flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_CAN_MULTI_CONN;

	if (c->structured)
		flags |= NBD_FLAG_SEND_DF;
	if (has & RF_BLK_READ_ONLY || c->export->read_only)
		return flags | NBD_FLAG_READ_ONLY;
	flags |= NBD_FLAG_SEND_FUA;
	if (has & RF_BLK_HAS_DISCARD)
		flags |= NBD_FLAG_SEND_TRIM;
	if (has & RF_BLK_HAS_ZERO)
		flags |= NBD_FLAG_SEND_WRITE_ZEROES;
	return flags;
}

/* A discard is a hint: it is cut to the blocks that it covers wholly. */
static void keep_whole_blocks(struct nbd_cmd *cmd, uint32_t block)
{
	uint64_t from = (cmd->offset + block - 1) & -(uint64_t)block;
	uint64_t to = (cmd->offset + cmd->length) & -(uint64_t)block;

	cmd->offset = from;
	cmd->length = to > from ? (uint32_t)(to - from) : 0;
}

/* Translates a request into one of the service; an NBD error if it cannot be done. */
static int translate(const struct nbd_conn *c, struct nbd_cmd *cmd, uint16_t flags)
{
	const struct rf_blk_info *info = c->server->info;
	uint16_t allowed = NBD_CMD_FLAG_FUA; /* allowed with any command, says the protocol */
	uint32_t needs = 0;

	switch (cmd->type) {
	case NBD_CMD_READ:
		cmd->op = RF_BLK_READ;
		cmd->one_piece = !c->structured || flags & NBD_CMD_FLAG_DF;
		allowed |= c->structured ? NBD_CMD_FLAG_DF : 0;
		break;
	case NBD_CMD_WRITE:
		cmd->op = RF_BLK_WRITE;
		break;
	case NBD_CMD_FLUSH:
		cmd->op = RF_BLK_FLUSH;
		return flags & ~allowed || cmd->length || cmd->offset ? NBD_EINVAL : 0;
	case NBD_CMD_TRIM:
		cmd->op = RF_BLK_DISCARD;
		needs = RF_BLK_HAS_DISCARD;
		break;
	case NBD_CMD_WRITE_ZEROES:
		cmd->op = RF_BLK_ZERO;
		needs = RF_BLK_HAS_ZERO;
		allowed |= NBD_CMD_FLAG_NO_HOLE;
		break;
	default:
		return NBD_EINVAL;
	}
	if (flags & ~allowed)
		return NBD_EINVAL;
	if (cmd->op != RF_BLK_READ && (info->features & RF_BLK_READ_ONLY || c->export->read_only))
		return NBD_EPERM;
	/* A command or flag that was not offered is unknown to this server. */
	if ((info->features & needs) != needs)
		return NBD_EINVAL;
	if (!cmd->length)
		return NBD_EINVAL;
	if (cmd->offset > c->export->size || cmd->length > c->export->size - cmd->offset)
		return cmd->op == RF_BLK_WRITE || cmd->op == RF_BLK_ZERO ? NBD_ENOSPC : NBD_EINVAL;
	if (cmd->op <= RF_BLK_WRITE && cmd->length > NBD_MAX_BYTES)
		return NBD_EINVAL;
	if (!c->server->edges && (cmd->offset | cmd->length) & (info->block_size - 1))
		return NBD_EINVAL; /* its arena had no room for them */
	if (cmd->op == RF_BLK_DISCARD)
		keep_whole_blocks(cmd, info->block_size);
	if (flags & NBD_CMD_FLAG_NO_HOLE)
		cmd->io_flags |= RF_BLK_NO_UNMAP;
	if (flags & NBD_CMD_FLAG_FUA && cmd->op != RF_BLK_READ) {
		if (cmd->op == RF_BLK_WRITE && info->features & RF_BLK_HAS_FUA)
			cmd->io_flags |= RF_BLK_FUA;
		else
			cmd->flush_after = info->features & RF_BLK_HAS_FLUSH;
	}
	return 0;
}

/* It begins: a write with its payload. */
static enum nbd_step begin(struct nbd_conn *c)
{
	c->state = c->cmd->op == RF_BLK_WRITE ? NBD_PAYLOAD : NBD_START;
	return NBD_GO_ON;
}

static enum nbd_step step_limited(struct nbd_conn *c)
{
	return nbd_limit_waits(c) ? NBD_THROTTLED : begin(c);
}

static void leave(struct nbd_conn *c, enum nbd_state next)
{
	struct nbd_cmd *cmd = c->cmd;

	c->cmd = NULL;
	c->state = next;
	nbd_cmd_check(cmd);
	nbd_cmd_put(cmd);
}

static enum nbd_step step_refuse(struct nbd_conn *c, int error)
{
	struct nbd_cmd *cmd = c->cmd;
	bool payload = cmd->type == NBD_CMD_WRITE && cmd->length;

	if (payload && cmd->length > NBD_MAX_BYTES) {
		nbd_conn_close(c, "wants to write %u bytes at once", cmd->length);
		return NBD_ENDED;
	}
	c->skip = payload ? cmd->length : 0;
	nbd_reply_error(cmd, error);
	c->cmd = NULL;
	c->state = payload ? NBD_DRAIN : NBD_REQUEST;
	nbd_cmd_put(cmd);
	return NBD_GO_ON;
}

static enum nbd_step step_request(struct nbd_conn *c)
{
	const unsigned char *p = c->in + c->in_at;

	if (c->in_len < NBD_REQUEST_BYTES)
		return NBD_MORE;
	if (be32_get(p) != NBD_REQUEST_MAGIC) {
		nbd_conn_close(c, "sent something that is no NBD request (0x%08x)", be32_get(p));
		return NBD_ENDED;
	}
	if (be16_get(p + 6) == NBD_CMD_DISC) {
		nbd_conn_finish(c);
		return NBD_ENDED;
	}
	struct nbd_cmd *cmd = nbd_cmd_new(c);
	if (!cmd)
		return NBD_THROTTLED;
	c->cmd = cmd;
	cmd->type = be16_get(p + 6);
	memcpy(&cmd->handle, p + 8, 8);
	cmd->offset = be64_get(p + 16);
	cmd->length = be32_get(p + 24);
	c->in_at += NBD_REQUEST_BYTES;
	c->in_len -= NBD_REQUEST_BYTES;
	c->wrote = cmd->type == NBD_CMD_WRITE;

	int error = translate(c, cmd, be16_get(p + 4));
	if (error)
		return step_refuse(c, error);
	if (nbd_limit_admits(cmd))
		return begin(c);
	c->state = NBD_LIMITED;
	return NBD_THROTTLED;
}

/* Client's bytes of the next part: it begins or ends within a block only where the command does. */
static uint32_t part_limit(const struct nbd_server *srv, const struct nbd_cmd *cmd)
{
	uint32_t left = cmd->length - cmd->started;
	uint32_t most = srv->info->max_discard;

	if (cmd->op <= RF_BLK_WRITE) {
		most = srv->info->max_transfer;
		if (most > NBD_PART_BYTES)
			most = NBD_PART_BYTES;
		most -= (uint32_t)(cmd->offset + cmd->started) & (srv->info->block_size - 1);
	}
	return left < most ? left : most;
}

static enum nbd_step start_flush(struct nbd_conn *c)
{
	if (nbd_conn_crowds(c))
		return NBD_THROTTLED;
	/* Without a volatile cache there is nothing to flush. */
	c->cmd->flush_after = c->server->info->features & RF_BLK_HAS_FLUSH;
	leave(c, NBD_REQUEST);
	return NBD_GO_ON;
}

/* No arena is left for the next part. A reply in one piece is gathered as a whole, beside those
 * of other commands. If its connection holds nothing else, there will never be more room: the
 * reply is then sent as it comes, and the connection takes no other request meanwhile. */
static enum nbd_step no_room(struct nbd_conn *c)
{
	if (c->cmd->one_piece && c->commands == 1)
		nbd_cmd_stream(c->cmd);
	return c->state == NBD_START ? NBD_THROTTLED : NBD_ENDED;
}

static struct nbd_part *next_part(struct nbd_cmd *cmd)
{
	uint32_t want = part_limit(cmd->conn->server, cmd);

	return cmd->op == RF_BLK_READ ? nbd_part_new(cmd, want) : nbd_part_plain(cmd, want);
}

/* Parts of a block at either end of a zeroing are written as zeroes. */
static struct nbd_part *zero_part(struct nbd_cmd *cmd)
{
	const struct nbd_server *srv = cmd->conn->server;
	uint32_t block = srv->info->block_size, left = cmd->length - cmd->started;
	uint32_t skip = (uint32_t)(cmd->offset + cmd->started) & (block - 1),
		 most = part_limit(srv, cmd);

	if (!skip && left >= block)
		return nbd_part_plain(cmd, most & ~(block - 1));
	struct nbd_part *part = nbd_part_new(cmd, left < block - skip ? left : block - skip);
	if (!part)
		return NULL;
	part->io.op = RF_BLK_WRITE;
	part->io.flags = 0;
	memset((char *)rf_blk_at(srv->service, part->io.arena) + skip, 0, part->payload);
	return part;
}

static enum nbd_step step_start(struct nbd_conn *c)
{
	struct nbd_cmd *cmd = c->cmd;

	if (cmd->op == RF_BLK_FLUSH)
		return start_flush(c);
	while (cmd->started < cmd->length) {
		if (nbd_conn_crowds(c))
			return NBD_THROTTLED;
		struct nbd_part *part = cmd->op == RF_BLK_ZERO ? zero_part(cmd) : next_part(cmd);
		if (!part)
			return no_room(c);
		if (part->payload == cmd->length)
			cmd->one_piece = false; /* nothing to be put together */
		cmd->started += part->payload;
		nbd_part_submit(part);
		if (c->state != NBD_START) /* it failed after half of it was sent */
			return NBD_ENDED;
	}
	/* No other reply may get in between. */
	if (cmd->streams && cmd->head)
		return NBD_THROTTLED;
	leave(c, NBD_REQUEST);
	return NBD_GO_ON;
}

static enum nbd_step step_payload(struct nbd_conn *c)
{
	struct nbd_cmd *cmd = c->cmd;

	while (cmd->started < cmd->length) {
		if (!c->part && !(c->part = nbd_part_new(cmd, part_limit(c->server, cmd))))
			return NBD_THROTTLED;
		struct nbd_part *part = c->part;
		uint32_t n = part->payload - c->filled;
		if (n > c->in_len)
			n = c->in_len;
		memcpy((char *)rf_blk_at(c->server->service, part->io.arena) + part->skip +
			       c->filled,
		       c->in + c->in_at, n);
		c->in_at += n;
		c->in_len -= n;
		c->filled += n;
		if (c->filled < part->payload)
			return NBD_MORE;
		if (nbd_conn_crowds(c))
			return NBD_THROTTLED;
		cmd->started += part->payload;
		c->part = NULL;
		c->filled = 0;
		nbd_part_submit(part);
	}
	leave(c, NBD_REQUEST);
	return NBD_GO_ON;
}

static enum nbd_step step_drain(struct nbd_conn *c)
{
	uint32_t n = c->in_len < c->skip ? c->in_len : c->skip;

	c->in_at += n;
	c->in_len -= n;
	c->skip -= n;
	if (c->skip)
		return NBD_MORE;
	c->state = NBD_REQUEST;
	return NBD_GO_ON;
}

enum nbd_step nbd_request(struct nbd_conn *c)
{
	switch (c->state) {
	case NBD_REQUEST:
		return step_request(c);
	case NBD_LIMITED:
		return step_limited(c);
	case NBD_START:
		return step_start(c);
	case NBD_PAYLOAD:
		return step_payload(c);
	default:
		return step_drain(c);
	}
}
