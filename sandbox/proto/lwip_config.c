/* SPDX-License-Identifier: MIT */
/*
 * lwip_config.c - what follows from a stack's lines: see lwip_config.h.
 *
 * Room:   sandbox/proto, trusted.
 */
#include "lwip_config.h"

#include <string.h>

bool rf_lwip_on_host(const struct rf_lwip_service *s)
{
	return s->listen.kind == RF_LWIP_UNIX || s->listen.kind == RF_LWIP_TCP;
}

bool rf_lwip_dials(const struct rf_lwip_config *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		if (c->service[i].target.kind == RF_LWIP_UNIX ||
		    c->service[i].target.kind == RF_LWIP_TCP)
			return true;
	return false;
}

static bool lwip_config_inside(const struct rf_lwip_addr *net, uint8_t family, const uint8_t *bytes)
{
	uint8_t whole = net->bits / 8, rest = net->bits % 8;

	return net->family == family && !memcmp(net->bytes, bytes, whole) &&
	       (!rest || !((net->bytes[whole] ^ bytes[whole]) >> (8 - rest)));
}

bool rf_lwip_allowed(const struct rf_lwip_service *s, uint8_t family, const uint8_t *bytes)
{
	static const struct rf_lwip_addr loopback[] = {
		{ .family = 4, .bits = 8, .bytes = { 127 } },
		{ .family = 6, .bits = 128, .bytes = { [15] = 1 } },
	};
	/* ::ffff:a.b.c.d is a.b.c.d on a socket that takes both. */
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (family == 6 && !memcmp(bytes, mapped, 12)) {
		family = 4;
		bytes += 12;
	}
	for (uint32_t i = 0; i < s->allow_count; i++)
		if (lwip_config_inside(&s->allow[i], family, bytes))
			return true;
	if (s->allow_count || !rf_lwip_on_host(s))
		return false;
	return lwip_config_inside(&loopback[0], family, bytes) ||
	       lwip_config_inside(&loopback[1], family, bytes);
}
