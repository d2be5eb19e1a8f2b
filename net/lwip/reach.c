/* SPDX-License-Identifier: MIT */
/* reach.c - connects to an address or a name through the stack. Room: net/lwip, trusted. */
#include <errno.h>

#include "join.h"
#include "lwip/dns.h"

void join_connect(struct join *j, const ip_addr_t *to)
{
	j->state = JOIN_CONNECT;
	struct stream *s = stream_connect(to, j->port, NULL, NULL);
	if (s)
		join_stream(j, s);
	else
		join_fail(j, -EHOSTUNREACH);
}

static void resolved(const char *name, const ip_addr_t *address, void *arg)
{
	struct join *j = join_of((uint32_t)(uintptr_t)arg);

	(void)name;
	if (!j || j->state != JOIN_RESOLVE)
		return;
	if (address)
		join_connect(j, address);
	else
		join_fail(j, -ENOENT);
}

void join_resolve(struct join *j, const char *name)
{
	ip_addr_t address;

	j->state = JOIN_RESOLVE;
	err_t err = dns_gethostbyname_addrtype(name, &address, resolved, (void *)(uintptr_t)j->id,
					       LWIP_DNS_ADDRTYPE_IPV4_IPV6);
	if (err == ERR_OK)
		join_connect(j, &address);
	else if (err != ERR_INPROGRESS)
		join_fail(j, err == ERR_MEM ? -EAGAIN : -ENOENT);
}
