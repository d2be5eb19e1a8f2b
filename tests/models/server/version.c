/* SPDX-License-Identifier: MIT */
/*
 * version.c - the handshake: protocol version and capabilities of both ends.
 *
 * Room:   tests/models/server.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"
#include "log.h"

static void refuse(struct server *s, struct message *m, int error, const char *why)
{
	reply_send(s, &m->header, error, NULL, 0, NULL, 0, NULL, 0);
	session_close(s, why);
}

static void limits(struct session *c, const char *json)
{
	uint64_t n;

	if (json_number(json, "capabilities.max_data_xfer_size", &n) && n < c->max_data)
		c->max_data = n < 64 ? 64 : (uint32_t)n;
}

/* Sets up a socket for our own commands if the client offers to. Its end, or -1. */
static int twin_open(struct server *s, const char *json)
{
	int pair[2];

	if (!s->twin || !json_bool(json, "capabilities.twin_socket.supported") ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	s->session.twin = pair[0];
	return pair[1];
}

static int capabilities(struct server *s, char *out, size_t room, bool twin)
{
	int n = snprintf(out, room,
			 "{\"capabilities\":{\"max_msg_fds\":%u,\"max_data_xfer_size\":%u,\"max_dma_maps\":%u,"
			 "\"pgsizes\":%u,\"write_multiple\":true", MAX_FDS, RF_VU_MAX_DATA, MAX_MAPS,
			 RF_VU_DEFAULT_PGSIZE);
	if (twin)
		n += snprintf(out + n, room - (size_t)n, ",\"twin_socket\":{\"supported\":true,\"fd_index\":0}");
	if (s->session.doorbell_sleep)
		n += snprintf(out + n, room - (size_t)n,
			      ",\"ringfence\":{\"doorbell_sleep\":{\"region\":%u,\"asleep\":%u}}", s->share.bar,
			      s->share.asleep);
	n += snprintf(out + n, room - (size_t)n, "}}");
	return n + 1;
}

void version_answer(struct server *s, struct message *m)
{
	struct session *c = &s->session;
	uint32_t bytes = m->header.size - (uint32_t)sizeof(m->header);
	struct rf_vu_version v;
	const char *json = "{}";
	char answer[512];

	if (m->header.command != RF_VU_VERSION || m->header.flags & RF_VU_NO_REPLY || bytes < sizeof(v)) {
		refuse(s, m, EINVAL, "its first message is not a version");
		return;
	}
	memcpy(&v, m->body, sizeof(v));
	if (v.major != RF_VU_MAJOR) {
		refuse(s, m, EINVAL, "it speaks another major version");
		return;
	}
	if (bytes > sizeof(v)) {
		json = (const char *)m->body + sizeof(v);
		if (bytes - sizeof(v) > RF_VU_MAX_JSON || m->body[bytes - 1] || !json_valid_object(json)) {
			refuse(s, m, EINVAL, "its capabilities are not JSON with a NUL at the end");
			return;
		}
	}
	limits(c, json);
	c->minor = v.minor = v.minor < RF_VU_MINOR ? v.minor : RF_VU_MINOR;
	c->doorbell_sleep = s->share.memory && s->doorbells == DOORBELLS_MMAP &&
			    json_bool(json, "capabilities.ringfence.doorbell_sleep");
	int twin = twin_open(s, json);
	int length = capabilities(s, answer, sizeof(answer), twin >= 0);
	c->greeted = true;
	count(s, C_CLIENTS);
	reply_send(s, &m->header, 0, &v, sizeof(v), answer, (uint32_t)length, &twin, twin >= 0 ? 1 : 0);
	if (twin >= 0)
		close(twin);
	rf_log("client: version %u.%u%s%s", v.major, v.minor, c->doorbell_sleep ? ", doorbells by memory" : "",
	       c->twin >= 0 ? ", twin socket" : "");
}
