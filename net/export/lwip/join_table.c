/* SPDX-License-Identifier: MIT */
/* join_table.c - see join_table.h. Room: net/export/lwip, trusted. */
#include "join_table.h"

#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "now.h"

static struct join joins[JOINS];
static uint32_t free_joins = JOINS;

bool join_available(const struct service *service)
{
	return stream_share(service->active, free_joins);
}

/* Is there room for one more of this client? Its share is smaller than the service's, or the
 * service's first client could have all of that. */
bool join_fair(const struct service *service, const uint8_t peer[16])
{
	uint32_t has = 0;

	for (const struct join *j = joins; j < joins + JOINS; j++)
		has += j->state != JOIN_FREE && j->service == service && !memcmp(j->peer, peer, 16);
	return has < 2 * free_joins;
}

struct join *join_take(struct service *service, stream_event *changed)
{
	for (uint32_t i = 0; i < JOINS; i++) {
		struct join *j = &joins[i];

		if (j->state != JOIN_FREE)
			continue;
		uint32_t id = (j->id & ~(JOINS - 1)) + JOINS + i;
		memset(j, 0, offsetof(struct join, out));
		j->host.fd = -1;
		j->id = id;
		j->service = service;
		j->changed = changed;
		j->until = stack_now_ns() + JOIN_SETUP_NS;
		service->active++;
		free_joins--;
		return j;
	}
	return NULL;
}
_Static_assert((JOINS & (JOINS - 1)) == 0, "an id is index and count in one number");

struct join *join_of(uint32_t id)
{
	struct join *j = &joins[id % JOINS];

	return j->state != JOIN_FREE && j->id == id ? j : NULL;
}

struct join *join_after(const struct join *j)
{
	for (struct join *next = j ? joins + (j - joins) + 1 : joins; next < joins + JOINS; next++)
		if (next->state != JOIN_FREE)
			return next;
	return NULL;
}

void join_stream(struct join *j, struct stream *s)
{
	j->stream = s;
	s->owner = j;
	s->event = j->changed;
}

/* reset: the end that is left gets a reset instead of an orderly end. */
void join_drop(struct join *j, bool reset)
{
	RF_BUG_ON(j->state == JOIN_FREE);
	if (reset && j->host.fd >= 0) {
		/* A close with no time to linger is a reset; on a UNIX socket it is a close. */
		struct linger now = { .l_onoff = 1 };

		(void)setsockopt(j->host.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	}
	loop_close(&j->host);
	if (j->stream && reset)
		stream_abort(j->stream);
	else if (j->stream)
		stream_close(j->stream);
	j->stream = NULL;
	j->state = JOIN_FREE;
	j->service->active--;
	free_joins++;
}
