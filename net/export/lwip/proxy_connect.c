/* SPDX-License-Identifier: MIT */
/* proxy_connect.c - see reach.h. Room: net/export/lwip, trusted. */
#include "reach.h"

#include <errno.h>
#include <string.h>

#include "lwip/dns.h"
#include "now.h"
#include "socks.h"
#include "stack.h"

void proxy_fail(struct proxy *j, int err)
{
	j->service->failed++;
	if (j->socks && !socks_answer(j, err))
		return;
	proxy_drop(j, !j->socks);
}

static void reach_address(struct proxy *j, const ip_addr_t *to)
{
	int err = j->port ? stack_reaches(to) : -EINVAL;

	j->state = PROXY_CONNECT;
	struct stream *s = err ? NULL : stream_connect(to, j->port, NULL, NULL);
	if (s)
		proxy_stream(j, s);
	else
		proxy_next(j, err ? err : -EHOSTUNREACH);
}

static void proxy_resolved(const char *name, const ip_addr_t *address, void *arg)
{
	struct proxy *j = proxy_of((uint32_t)(uintptr_t)arg);

	(void)name;
	if (!j || j->state != PROXY_RESOLVE)
		return;
	if (address)
		reach_address(j, address);
	else
		proxy_next(j, -ENOENT);
}

static void look_up(struct proxy *j)
{
	ip_addr_t address;

	j->state = PROXY_RESOLVE;
	err_t err = dns_gethostbyname_addrtype(
		j->name, &address, proxy_resolved, (void *)(uintptr_t)j->id,
		j->second ? LWIP_DNS_ADDRTYPE_IPV6 : LWIP_DNS_ADDRTYPE_IPV4);
	if (err == ERR_OK)
		reach_address(j, &address);
	else if (err != ERR_INPROGRESS)
		proxy_next(j, err == ERR_MEM ? -EAGAIN : -ENOENT);
}

/* Can a server know this name? Its labels have 1 to 63 visible characters (RFC 1035, 2.3.4). */
static bool possible(const char *name)
{
	size_t label = 0, length = strlen(name);

	if (!length || length > 253)
		return false;
	for (size_t i = 0; i < length; i++) {
		unsigned char c = (unsigned char)name[i];

		label = c == '.' ? 0 : label + 1;
		if (c <= ' ' || c >= 127 || label > 63 || (c == '.' && (!i || name[i - 1] == '.')))
			return false;
	}
	return true;
}

static void reach_name(struct proxy *j, const char *name)
{
	if (!possible(name)) {
		proxy_fail(j, -ENOENT);
		return;
	}
	strcpy(j->name, name);
	j->next_try = stack_now_ns() + PROXY_TRY_NS;
	look_up(j);
}

void proxy_reach(struct proxy *j, const char *name, const struct rf_lwip_addr *to)
{
	ip_addr_t address;

	if (name[0]) {
		reach_name(j, name);
		return;
	}
	stack_address(&address, to);
	reach_address(j, &address);
}

/* Reports the first of the two errors, unless that says that there is no such address. */
void proxy_next(struct proxy *j, int err)
{
	bool asked = j->state == PROXY_RESOLVE && err == -ETIMEDOUT;

	if (!j->name[0] || j->second || asked) {
		proxy_fail(j, j->why && err == -ENOENT ? j->why : err);
		return;
	}
	j->second = true;
	j->why = err == -ENOENT ? 0 : err;
	if (j->stream)
		stream_abort(j->stream);
	j->stream = NULL;
	look_up(j);
}
