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

/* What a client may say, and how. Others than these are not ours to judge. */
static const struct {
	const char    *path;
	enum json_kind kind;
	uint64_t       least; /* of a number */
} known[] = {
	{ "capabilities", JSON_OBJECT, 0 },
	{ "capabilities.max_msg_fds", JSON_NUMBER, 0 },
	{ "capabilities.max_data_xfer_size", JSON_NUMBER, 1 },
	{ "capabilities.max_dma_maps", JSON_NUMBER, 1 },
	{ "capabilities.pgsizes", JSON_NUMBER, 1 },
	{ "capabilities.write_multiple", JSON_BOOL, 0 },
	{ "capabilities.migration", JSON_OBJECT, 0 },
	{ "capabilities.migration.pgsize", JSON_NUMBER, 1 },
	{ "capabilities.migration.max_bitmap_size", JSON_NUMBER, 1 },
	{ "capabilities.twin_socket", JSON_OBJECT, 0 },
	{ "capabilities.twin_socket.supported", JSON_BOOL, 0 },
	{ "capabilities.ringfence", JSON_OBJECT, 0 },
	{ "capabilities.ringfence.doorbell_sleep", JSON_BOOL, 0 },
	{ "capabilities.ringfence.doorbell_shadow", JSON_BOOL, 0 },
};

/* The first that is there and is not what it must be, or NULL. */
static const char *wrong_capability(const char *json)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		enum json_kind kind = json_kind(json, known[i].path);
		uint64_t n;

		if (kind != JSON_NONE && kind != known[i].kind)
			return known[i].path;
		if (kind == JSON_NUMBER &&
		    (!json_number(json, known[i].path, &n) || n < known[i].least))
			return known[i].path;
	}
	return NULL;
}

static void limits(struct session *c, const char *json)
{
	uint64_t n;

	if (json_number(json, "capabilities.max_data_xfer_size", &n) && n < c->max_data)
		c->max_data = (uint32_t)n;
	if (json_number(json, "capabilities.max_msg_fds", &n))
		c->max_fds = n < RF_VU_MAX_FDS ? (uint32_t)n : RF_VU_MAX_FDS;
}

/* Sets up a socket for our own commands if the client offers to. Its end, or -1. */
static int twin_open(struct server *s, const char *json)
{
	int pair[2];

	if (!s->twin || !s->session.max_fds ||
	    !json_bool(json, "capabilities.twin_socket.supported") ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	s->session.twin = pair[0];
	return pair[1];
}

/* Appends one if the client proposed it: an answer is a part of the proposal. */
static void put(char *out, size_t room, const char *json, const char *name, const char *value)
{
	char path[64];
	size_t used = strlen(out);

	snprintf(path, sizeof(path), "capabilities.%s", name);
	if (json_kind(json, path) != JSON_NONE)
		snprintf(out + used, room - used, "%s\"%s\":%s", out[used - 1] == '{' ? "" : ",",
			 name, value);
}

static void put_number(char *out, size_t room, const char *json, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	put(out, room, json, name, text);
}

/* Our own, as far as they were proposed. */
static void put_ours(struct server *s, char *out, size_t room, const char *json)
{
	char text[128] = "{";
	size_t n = 1;

	if (s->session.doorbell_sleep)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "\"doorbell_sleep\":{\"region\":%u,\"asleep\":%u}",
				      s->share.bar, s->share.asleep);
	if (s->share.memory && s->doorbells == DOORBELLS_SHADOW && s->session.max_fds > 1 &&
	    json_bool(json, "capabilities.ringfence.doorbell_shadow"))
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s\"doorbell_shadow\":true",
				      n > 1 ? "," : "");
	if (n == 1)
		return;
	snprintf(text + n, sizeof(text) - n, "}");
	put(out, room, json, "ringfence", text);
}

/* Bytes, with the NUL. */
static uint32_t capabilities(struct server *s, char *out, size_t room, const char *json, bool twin)
{
	snprintf(out, room, "{\"capabilities\":{");
	put_number(out, room, json, "max_msg_fds", MAX_FDS);
	put_number(out, room, json, "max_data_xfer_size", RF_VU_MAX_DATA);
	put_number(out, room, json, "max_dma_maps", MAX_MAPS);
	put_number(out, room, json, "pgsizes", RF_VU_DEFAULT_PGSIZE);
	if (s->session.write_multiple)
		put(out, room, json, "write_multiple", "true");
	if (twin)
		put(out, room, json, "twin_socket", "{\"supported\":true,\"fd_index\":0}");
	put_ours(s, out, room, json);
	strcat(out, "}}");
	if (s->as_qemu)
		snprintf(out, room,
			 "{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":%u}}",
			 RF_VU_MAX_DATA);
	return (uint32_t)strlen(out) + 1;
}

/* The capabilities of the version message, or NULL after a refusal. */
static const char *proposal(struct server *s, struct message *m, uint32_t bytes)
{
	const char *json = (const char *)m->body + sizeof(struct rf_vu_version), *wrong;
	char why[96];

	if (!bytes)
		return "{}";
	if (bytes > RF_VU_MAX_JSON || json[bytes - 1] || !json_valid_object(json)) {
		refuse(s, m, EINVAL, "its capabilities are not JSON with a NUL at the end");
		return NULL;
	}
	if (!(wrong = wrong_capability(json)))
		return json;
	snprintf(why, sizeof(why), "%s is not what it must be", wrong);
	refuse(s, m, EINVAL, why);
	return NULL;
}

void version_answer(struct server *s, struct message *m)
{
	struct session *c = &s->session;
	uint32_t bytes = m->header.size - (uint32_t)sizeof(m->header);
	const uint16_t minor = s->as_qemu ? 1 : RF_VU_MINOR;
	struct rf_vu_version v;
	char answer[512];

	if (m->header.command != RF_VU_VERSION || m->header.flags & RF_VU_NO_REPLY ||
	    bytes < sizeof(v) || m->fds) {
		refuse(s, m, EINVAL, "its first message is not a version");
		return;
	}
	memcpy(&v, m->body, sizeof(v));
	if (v.major != RF_VU_MAJOR) {
		refuse(s, m, EINVAL, "it speaks another major version");
		return;
	}
	const char *json = proposal(s, m, bytes - (uint32_t)sizeof(v));
	if (!json)
		return;
	limits(c, json);
	c->minor = v.minor = v.minor < minor ? v.minor : minor;
	c->write_multiple = json_bool(json, "capabilities.write_multiple");
	c->doorbell_sleep = s->share.memory && s->doorbells == DOORBELLS_MMAP && c->max_fds &&
			    json_bool(json, "capabilities.ringfence.doorbell_sleep");
	int twin = twin_open(s, json);
	uint32_t length = capabilities(s, answer, sizeof(answer), json, twin >= 0);
	c->greeted = true;
	count(s, C_CLIENTS);
	reply_send(s, &m->header, 0, &v, sizeof(v), answer, length, &twin, twin >= 0 ? 1 : 0);
	if (twin >= 0)
		close(twin);
	rf_log("client: version %u.%u%s%s", v.major, v.minor,
	       c->doorbell_sleep ? ", doorbells by memory" : "",
	       c->twin >= 0 ? ", twin socket" : "");
}
