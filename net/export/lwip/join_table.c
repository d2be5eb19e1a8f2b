/* SPDX-License-Identifier: MIT */
/* proxy_table.c - see proxy_table.h. Room: net/export/lwip, trusted. */
#include "join_table.h"

#include <string.h>
#include <sys/socket.h>

#include "log.h"
#include "now.h"

static struct proxy proxies[PROXIES];
static uint32_t free_proxies = PROXIES;

bool proxy_available(const struct service *service)
{
	return stream_share(service->active, free_proxies);
}

/* Is there room for one more of this client? Its share is smaller than the service's, or the
 * service's first client could have all of that. */
bool proxy_fair(const struct service *service, const uint8_t peer[16])
{
	uint32_t has = 0;

	for (const struct proxy *j = proxies; j < proxies + PROXIES; j++)
		has += j->state != PROXY_FREE && j->service == service &&
		       !memcmp(j->peer, peer, 16);
	return has < 2 * free_proxies;
}

struct proxy *proxy_take(struct service *service, stream_event *changed)
{
	for (uint32_t i = 0; i < PROXIES; i++) {
		struct proxy *j = &proxies[i];

		if (j->state != PROXY_FREE)
			continue;
		uint32_t id = (j->id & ~(PROXIES - 1)) + PROXIES + i;
		memset(j, 0, offsetof(struct proxy, out));
		j->host.fd = -1;
		j->id = id;
		j->service = service;
		j->changed = changed;
		j->until = stack_now_ns() + PROXY_SETUP_NS;
		service->active++;
		free_proxies--;
		return j;
	}
	return NULL;
}
_Static_assert((PROXIES & (PROXIES - 1)) == 0, "an id is index and count in one number");

struct proxy *proxy_of(uint32_t id)
{
	struct proxy *j = &proxies[id % PROXIES];

	return j->state != PROXY_FREE && j->id == id ? j : NULL;
}

struct proxy *proxy_after(const struct proxy *j)
{
	for (struct proxy *next = j ? proxies + (j - proxies) + 1 : proxies;
	     next < proxies + PROXIES; next++)
		if (next->state != PROXY_FREE)
			return next;
	return NULL;
}

void proxy_stream(struct proxy *j, struct stream *s)
{
	j->stream = s;
	s->owner = j;
	s->event = j->changed;
}

/* reset: the end that is left gets a reset instead of an orderly end. */
void proxy_drop(struct proxy *j, bool reset)
{
	RF_BUG_ON(j->state == PROXY_FREE);
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
	j->state = PROXY_FREE;
	j->service->active--;
	free_proxies++;
}
