/* SPDX-License-Identifier: MIT */
/*
 * handshake.c - fixed newstyle negotiation.
 *
 * Room:   sandbox/export/nbd, trusted.
 * Trust:  every length out of an option is checked against what really came.
 */
#include <string.h>

#include "log.h"
#include "nbd.h"

static const char description[] = "a disk behind a fenced driver";

static unsigned char *out_at(struct nbd_conn *c)
{
	return c->out + c->out_len;
}

static void out_to(struct nbd_conn *c, const unsigned char *end)
{
	c->out_len = (uint32_t)(end - c->out);
	nbd_conn_has_output(c);
}

void nbd_greet(struct nbd_conn *c)
{
	unsigned char *p = be64_put(out_at(c), NBD_MAGIC);

	p = be64_put(p, NBD_OPTS_MAGIC);
	out_to(c, be16_put(p, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES));
	c->state = NBD_HELLO;
}

/* Header of an option reply with `length` bytes to follow; returns where they go. */
static unsigned char *option_reply(struct nbd_conn *c, uint32_t type, uint32_t length)
{
	unsigned char *p = be64_put(out_at(c), NBD_REP_MAGIC);

	p = be32_put(p, c->option);
	p = be32_put(p, type);
	p = be32_put(p, length);
	out_to(c, p + length);
	return p;
}

static void transmission(struct nbd_conn *c)
{
	c->state = NBD_REQUEST;
	nbd_losses_join(c);
}

static bool name_known(const struct nbd_conn *c, const unsigned char *name, uint32_t length)
{
	const char *ours = c->export->name;

	return !length || (length == strlen(ours) && !memcmp(name, ours, length));
}

/* Is the client refused? Then it is told why, if its option has an answer. */
static bool handshake_refused(struct nbd_conn *c)
{
	char why[160];
	size_t length = nbd_conn_refused(c, why, sizeof(why));

	if (length && c->option == NBD_OPT_GO) {
		memcpy(option_reply(c, NBD_REP_ERR_POLICY, (uint32_t)length), why, length);
		rf_log_peer("client %llu is refused: %s", (unsigned long long)c->id, why);
	} else if (length) {
		nbd_conn_close(c, "is refused: %s", why);
	}
	return length;
}

static enum nbd_step opt_export_name(struct nbd_conn *c, const unsigned char *data, uint32_t length)
{
	if (!name_known(c, data, length)) {
		/* The protocol has no error reply here. */
		nbd_conn_close(c, "asked for an export that is not here");
		return NBD_ENDED;
	}
	if (handshake_refused(c))
		return NBD_ENDED;
	unsigned char *p = be64_put(out_at(c), c->export->size);
	p = be16_put(p, nbd_transmission_flags(c));
	if (!c->no_zeroes) {
		memset(p, 0, 124);
		p += 124;
	}
	out_to(c, p);
	transmission(c);
	return NBD_GO_ON;
}

static void opt_list(struct nbd_conn *c, uint32_t length)
{
	const char *name = c->export->name;
	uint32_t bytes = (uint32_t)strlen(name);

	if (length) {
		option_reply(c, NBD_REP_ERR_INVALID, 0);
		return;
	}
	unsigned char *p = option_reply(c, NBD_REP_SERVER, 4 + bytes);
	memcpy(be32_put(p, bytes), name, bytes);
	option_reply(c, NBD_REP_ACK, 0);
}

static void info_text(struct nbd_conn *c, uint16_t type, const char *text)
{
	uint32_t bytes = (uint32_t)strlen(text);
	unsigned char *p = be16_put(option_reply(c, NBD_REP_INFO, 2 + bytes), type);

	memcpy(p, text, bytes);
}

static void info_always(struct nbd_conn *c)
{
	const struct rf_blk_info *info = c->server->info;
	unsigned char *p = be16_put(option_reply(c, NBD_REP_INFO, 12), NBD_INFO_EXPORT);

	p = be64_put(p, c->export->size);
	be16_put(p, nbd_transmission_flags(c));
	p = be16_put(option_reply(c, NBD_REP_INFO, 14), NBD_INFO_BLOCK_SIZE);
	/* writes of less than a block are possible, but cost more: see edge.c */
	p = be32_put(p, 1);
	p = be32_put(p, info->block_size > 4096 ? info->block_size : 4096);
	be32_put(p, NBD_MAX_BYTES);
}

/* INFO and GO: length of the name, the name, number of information requests, the requests. */
static void opt_info_go(struct nbd_conn *c, const unsigned char *data, uint32_t length)
{
	uint32_t name_len = length >= 6 ? be32_get(data) : 0;

	if (length < 6 || name_len > length - 6 ||
	    be16_get(data + 4 + name_len) * 2u != length - 6 - name_len) {
		option_reply(c, NBD_REP_ERR_INVALID, 0);
		return;
	}
	if (name_len > NBD_NAME_MAX) {
		option_reply(c, NBD_REP_ERR_TOO_BIG, 0);
		return;
	}
	if (!name_known(c, data + 4, name_len)) {
		option_reply(c, NBD_REP_ERR_UNKNOWN, 0);
		return;
	}
	if (c->option == NBD_OPT_GO && handshake_refused(c))
		return;
	const unsigned char *want = data + 6 + name_len;
	bool name = false, text = false;
	for (; want < data + length; want += 2) {
		name |= be16_get(want) == NBD_INFO_NAME;
		text |= be16_get(want) == NBD_INFO_DESCRIPTION;
	}
	info_always(c);
	if (name)
		info_text(c, NBD_INFO_NAME, c->export->name);
	if (text)
		info_text(c, NBD_INFO_DESCRIPTION, description);
	option_reply(c, NBD_REP_ACK, 0);
	if (c->option == NBD_OPT_GO)
		transmission(c);
}

static enum nbd_step option(struct nbd_conn *c, const unsigned char *data, uint32_t length)
{
	switch (c->option) {
	case NBD_OPT_EXPORT_NAME:
		return opt_export_name(c, data, length);
	case NBD_OPT_ABORT:
		option_reply(c, NBD_REP_ACK, 0);
		nbd_conn_finish(c);
		return NBD_ENDED;
	case NBD_OPT_LIST:
		opt_list(c, length);
		break;
	case NBD_OPT_INFO:
	case NBD_OPT_GO:
		opt_info_go(c, data, length);
		break;
	case NBD_OPT_STRUCTURED_REPLY:
		c->structured |= !length;
		option_reply(c, length ? NBD_REP_ERR_INVALID : NBD_REP_ACK, 0);
		break;
	default:
		option_reply(c, NBD_REP_ERR_UNSUP, 0);
	}
	return NBD_GO_ON;
}

static enum nbd_step hello(struct nbd_conn *c)
{
	if (c->in_len < 4)
		return NBD_MORE;
	uint32_t flags = be32_get(c->in + c->in_at);

	c->in_at += 4;
	c->in_len -= 4;
	if (flags & ~(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES)) {
		nbd_conn_close(c, "sent client flags 0x%x, which are not NBD", flags);
		return NBD_ENDED;
	}
	c->no_zeroes = flags & NBD_FLAG_NO_ZEROES;
	c->state = NBD_OPTION;
	return NBD_GO_ON;
}

static enum nbd_step option_head(struct nbd_conn *c)
{
	/* Answers are small; a client that reads none of them gets no more. */
	if (c->out_len > NBD_OUT_BYTES / 4)
		return NBD_THROTTLED;
	if (c->in_len < NBD_OPTION_BYTES)
		return NBD_MORE;
	const unsigned char *head = c->in + c->in_at;
	uint32_t length = be32_get(head + 12);

	if (be64_get(head) != NBD_OPTS_MAGIC || length > NBD_OPTION_MAX) {
		nbd_conn_close(c, "sent an option that is not NBD");
		return NBD_ENDED;
	}
	bool fits = length <= NBD_IN_BYTES - NBD_OPTION_BYTES;
	if (fits && c->in_len < NBD_OPTION_BYTES + length)
		return NBD_MORE;
	c->option = be32_get(head + 8);
	c->in_at += NBD_OPTION_BYTES;
	c->in_len -= NBD_OPTION_BYTES;
	if (!fits && c->option == NBD_OPT_EXPORT_NAME)
		return opt_export_name(c, NULL, NBD_IN_BYTES); /* no name of ours */
	if (!fits) {
		c->skip = length;
		c->state = NBD_SKIP;
		return NBD_GO_ON;
	}
	c->in_at += length;
	c->in_len -= length;
	return option(c, head + NBD_OPTION_BYTES, length);
}

/* Answers an option whose data were too long to be read: where data do not matter, as for a
 * shorter one; where there must be none, with an error. */
static enum nbd_step too_long(struct nbd_conn *c)
{
	if (c->option == NBD_OPT_INFO || c->option == NBD_OPT_GO) {
		option_reply(c, NBD_REP_ERR_TOO_BIG, 0);
		return NBD_GO_ON;
	}
	return option(c, NULL, NBD_IN_BYTES);
}

static enum nbd_step skip(struct nbd_conn *c)
{
	uint32_t n = c->in_len < c->skip ? c->in_len : c->skip;

	c->in_at += n;
	c->in_len -= n;
	c->skip -= n;
	if (c->skip)
		return NBD_MORE;
	c->state = NBD_OPTION;
	return too_long(c);
}

enum nbd_step nbd_handshake(struct nbd_conn *c)
{
	switch (c->state) {
	case NBD_HELLO:
		return hello(c);
	case NBD_SKIP:
		return skip(c);
	default:
		return option_head(c);
	}
}
