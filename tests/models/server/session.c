/* SPDX-License-Identifier: MIT */
/*
 * session.c - one client: from connect to disconnect, and who handles which command.
 *
 * Room:   tests/models/server.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "log.h"

void session_open(struct server *s, int fd)
{
	struct session *c = &s->session;

	c->fd = fd;
	c->twin = -1;
	c->greeted = c->doorbell_sleep = c->write_multiple = false;
	c->since = server_now();
	c->max_data = RF_VU_MAX_DATA;
	c->max_fds = RF_VU_DEFAULT_FDS;
	c->next_id = 1;
	s->closing = false;
}

void session_close(struct server *s, const char *why)
{
	struct session *c = &s->session;

	if (c->fd < 0)
		return;
	if (c->greeted)
		rf_log("client gone: %s", why);
	else {
		count(s, C_BAD_HANDSHAKES);
		rf_log("no handshake: %s; waiting for the next client", why);
	}
	message_drop(&c->in);
	for (unsigned i = 0; i < c->postponed_count; i++) {
		message_drop(c->postponed[i]);
		free(c->postponed[i]);
	}
	c->postponed_count = 0;
	close(c->fd);
	if (c->twin >= 0)
		close(c->twin);
	c->fd = c->twin = -1;
	s->closing = false;
	irq_unwire(s);
	dma_unmap_all(s);
	if (c->greeted && !s->keep_state)
		device_reset(s, RESET_CLIENT);
	c->greeted = false;
}

static void device_info(struct server *s, struct message *m)
{
	struct rf_vu_device_info info = {
		.argsz = sizeof(info), .flags = RF_VU_DEVICE_RESETS | RF_VU_DEVICE_PCI,
		.num_regions = RF_VU_PCI_REGIONS, .num_irqs = RF_VU_PCI_IRQS,
	};
	uint32_t argsz;

	if (m->header.size != sizeof(m->header) + sizeof(info)) {
		reply_send(s, &m->header, EINVAL, NULL, 0, NULL, 0, NULL, 0);
		return;
	}
	memcpy(&argsz, m->body, sizeof(argsz));
	if (argsz < sizeof(info))
		reply_send(s, &m->header, EINVAL, NULL, 0, NULL, 0, NULL, 0);
	else
		reply_send(s, &m->header, 0, &info, sizeof(info), NULL, 0, NULL, 0);
}

static void device_was_reset(struct server *s, struct message *m)
{
	if (m->header.size != sizeof(m->header)) {
		reply_send(s, &m->header, EINVAL, NULL, 0, NULL, 0, NULL, 0);
		return;
	}
	device_reset(s, RESET_DEVICE);
	reply_send(s, &m->header, 0, NULL, 0, NULL, 0, NULL, 0);
}

/* No feature (all of them are about migration) is offered, so probing says no as well. */
static void unsupported(struct server *s, struct message *m)
{
	reply_send(s, &m->header, ENOTSUP, NULL, 0, NULL, 0, NULL, 0);
}

static void (*const handlers[RF_VU_COMMANDS])(struct server *, struct message *) = {
	[RF_VU_DMA_MAP] = dma_map,
	[RF_VU_DMA_UNMAP] = dma_unmap,
	[RF_VU_DEVICE_GET_INFO] = device_info,
	[RF_VU_GET_REGION_INFO] = region_info,
	[RF_VU_GET_REGION_IO_FDS] = region_io_fds,
	[RF_VU_GET_IRQ_INFO] = irq_info,
	[RF_VU_SET_IRQS] = irq_set,
	[RF_VU_REGION_READ] = region_read,
	[RF_VU_REGION_WRITE] = region_write,
	[RF_VU_DEVICE_RESET] = device_was_reset,
	[RF_VU_REGION_WRITE_MULTI] = region_write_multi,
	[RF_VU_DEVICE_FEATURE] = unsupported,
	[RF_VU_MIG_DATA_READ] = unsupported,
	[RF_VU_MIG_DATA_WRITE] = unsupported,
};

static void dispatch(struct server *s, struct message *m)
{
	uint16_t command = m->header.command;

	count(s, C_MESSAGES);
	if ((m->header.flags & RF_VU_TYPE_MASK) != RF_VU_TYPE_COMMAND) {
		/* A reply nobody waits for: late, or made up. Its bytes are off the socket. */
		count(s, C_BAD_MESSAGES);
		return;
	}
	if (!s->session.greeted) {
		version_answer(s, m);
		return;
	}
	if (s->as_qemu && (command == RF_VU_DEVICE_FEATURE || command == RF_VU_GET_REGION_IO_FDS)) {
		count(s, C_BAD_MESSAGES);
		s->closing = true;
		return;
	}
	if (m->too_many_fds || (m->fds && command != RF_VU_DMA_MAP && command != RF_VU_SET_IRQS)) {
		count(s, C_BAD_MESSAGES);
		reply_send(s, &m->header, EINVAL, NULL, 0, NULL, 0, NULL, 0);
		return;
	}
	if (command < RF_VU_COMMANDS && handlers[command]) {
		handlers[command](s, m);
		return;
	}
	count(s, C_BAD_MESSAGES);
	reply_send(s, &m->header, command == RF_VU_VERSION ? EINVAL : ENOTSUP, NULL, 0, NULL, 0,
		   NULL, 0);
}

/* The handler's copy of session.in, whose place is then free for what comes while it waits. */
static void take(struct session *c, struct message *to)
{
	memcpy(to, &c->in, sizeof(to->header) + c->in.header.size - sizeof(to->header));
	to->have = c->in.have;
	to->fds = c->in.fds;
	to->too_many_fds = c->in.too_many_fds;
	memcpy(to->fd, c->in.fd, sizeof(to->fd));
	c->in.have = 0;
	c->in.fds = 0;
	c->in.too_many_fds = false;
}

int session_postpone(struct server *s)
{
	struct session *c = &s->session;
	struct message *copy = c->postponed_count < MAX_POSTPONED ? malloc(sizeof(*copy)) : NULL;

	if (!copy)
		return -ENOBUFS;
	take(c, copy);
	c->postponed[c->postponed_count++] = copy;
	return 0;
}

void session_postponed(struct server *s)
{
	struct session *c = &s->session;

	while (c->postponed_count && !s->closing) {
		struct message *m = c->postponed[0];
		memmove(c->postponed, c->postponed + 1, --c->postponed_count * sizeof(m));
		dispatch(s, m);
		message_drop(m);
		free(m);
	}
}

void session_readable(struct server *s)
{
	static struct message m;

	/* A client that floods must not starve the device: so many, then the loop goes on. */
	for (unsigned i = 0; i < 64 && !s->closing; i++) {
		int got = message_receive(s->session.fd, &s->session.in);
		if (!got)
			return;
		if (got < 0) {
			if (got == -EPROTO)
				count(s, C_BAD_MESSAGES);
			session_close(s, got == -EPIPE ? "it hung up" :
							 "a message of an impossible size");
			return;
		}
		take(&s->session, &m);
		dispatch(s, &m);
		message_drop(&m);
		session_postponed(s);
		if (s->session.fd < 0)
			return;
	}
	if (s->closing)
		session_close(s, s->session.greeted ? "closed by this end" :
						      "it could not be answered");
}
