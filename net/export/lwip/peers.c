/* SPDX-License-Identifier: MIT */
/* peers.c - see peers.h. Room: net/export/lwip, trusted. */
#include "peers.h"

#include <string.h>

#include "hooks.h"
#include "now.h"

static const struct rf_lwip_config *services_of;

void peers_open(const struct rf_lwip_config *c)
{
	services_of = c;
}

bool peers_allow(const struct rf_lwip_service *s, const ip_addr_t *peer)
{
	uint8_t bytes[16];
	bool six = IP_IS_V6(peer);

	memcpy(bytes,
	       six ? (const void *)ip_2_ip6(peer)->addr : (const void *)&ip_2_ip4(peer)->addr,
	       six ? 16 : 4);
	return rf_lwip_allowed(s, six ? 6 : 4, bytes);
}

/* A service without a list lets nobody in, which is a mistake that the log tells of. */
bool rf_lwip_hears(const ip_addr_t *host)
{
	for (uint32_t i = 0; services_of && i < services_of->count; i++) {
		const struct rf_lwip_service *s = &services_of->service[i];

		if (s->allow_count && !rf_lwip_on_host(s) && !peers_allow(s, host))
			return false;
	}
	return true;
}

#define ERROR_NS    100000000u /* ten a second (RFC 4443, 2.4 f), */
#define ERROR_BURST 10u        /* and so many at once */

bool rf_lwip_may_complain(const ip_addr_t *to)
{
	static uint64_t paid; /* until then, ns */
	uint64_t now = stack_now_ns();

	if (!rf_lwip_hears(to))
		return false;
	if (paid < now)
		paid = now;
	if (paid - now > (ERROR_BURST - 1) * ERROR_NS)
		return false;
	paid += ERROR_NS;
	return true;
}
