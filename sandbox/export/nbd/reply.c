/* SPDX-License-Identifier: MIT */
/*
 * reply.c - replies: headers, and payload straight from the arena, in a queue.
 *
 * Room:   sandbox/export/nbd, trusted.
 */
#include <errno.h>
#include <string.h>

#include "nbd.h"

int nbd_error_of(int err)
{
	switch (-err) {
	case 0:
		return 0;
	case EPERM:
	case EROFS:
		return NBD_EPERM;
	case EINVAL:
		return NBD_EINVAL;
	case ENOSPC:
		return NBD_ENOSPC;
	case EOPNOTSUPP:
		return NBD_ENOTSUP;
	default:
		return NBD_EIO;
	}
}

void nbd_conn_has_output(struct nbd_conn *c)
{
	if (c->has_output)
		return;
	c->has_output = true;
	c->output_next = c->server->output_list;
	c->server->output_list = c;
}

void nbd_reply_queue(struct nbd_conn *c, struct nbd_reply *r)
{
	if (!c->reply_head)
		c->took = c->server->now;
	r->next = NULL;
	r->cmd->refs++;
	*c->reply_tail = r;
	c->reply_tail = &r->next;
	nbd_conn_has_output(c);
}

static unsigned char *put_simple(unsigned char *p, const struct nbd_cmd *cmd, uint32_t error)
{
	p = be32_put(p, NBD_SIMPLE_MAGIC);
	p = be32_put(p, error);
	memcpy(p, &cmd->handle, 8);
	return p + 8;
}

static unsigned char *put_chunk(unsigned char *p, const struct nbd_cmd *cmd, uint16_t flags,
				uint16_t type, uint32_t length)
{
	p = be32_put(p, NBD_STRUCTURED_MAGIC);
	p = be16_put(p, flags);
	p = be16_put(p, type);
	memcpy(p, &cmd->handle, 8);
	return be32_put(p + 8, length);
}

static void send_status(struct nbd_cmd *cmd, uint32_t error)
{
	struct nbd_reply *r = &cmd->reply;
	unsigned char *p = r->head;

	r->cmd = cmd;
	if (cmd->type == NBD_CMD_READ && cmd->conn->structured) {
		p = put_chunk(p, cmd, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_ERROR, 6);
		p = be16_put(be32_put(p, error), 0); /* no message */
	} else {
		p = put_simple(p, cmd, error);
	}
	r->head_len = (uint8_t)(p - r->head);
	if (error)
		cmd->conn->server->errors++;
	nbd_reply_queue(cmd->conn, r);
}

void nbd_reply_error(struct nbd_cmd *cmd, int nbd_error)
{
	cmd->finished = true;
	send_status(cmd, (uint32_t)nbd_error);
}

void nbd_reply_done(struct nbd_cmd *cmd)
{
	/* A successful read was answered by its data. */
	if (cmd->op != RF_BLK_READ || cmd->error)
		send_status(cmd, (uint32_t)nbd_error_of(cmd->error));
}

void nbd_reply_data(struct nbd_part *part, bool last)
{
	struct nbd_cmd *cmd = part->cmd;
	struct nbd_reply *r = &part->reply;
	unsigned char *p = r->head;

	if (cmd->conn->structured && !cmd->one_piece) {
		p = put_chunk(p, cmd, last ? NBD_REPLY_FLAG_DONE : 0, NBD_REPLY_TYPE_OFFSET_DATA,
			      8 + part->payload);
		p = be64_put(p, part->io.offset + part->skip - cmd->conn->export->first);
	} else if (!cmd->header_sent && cmd->conn->structured) {
		p = put_chunk(p, cmd, NBD_REPLY_FLAG_DONE, NBD_REPLY_TYPE_OFFSET_DATA,
			      8 + cmd->length);
		p = be64_put(p, cmd->offset);
	} else if (!cmd->header_sent) {
		p = put_simple(p, cmd, 0);
	}
	cmd->header_sent = true;
	r->cmd = cmd;
	r->has_part = true;
	r->head_len = (uint8_t)(p - r->head);
	r->data = (char *)rf_blk_at(cmd->conn->server->service, part->io.arena) + part->skip;
	r->data_len = part->payload;
	nbd_reply_queue(cmd->conn, r);
}
