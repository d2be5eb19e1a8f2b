/* SPDX-License-Identifier: MIT */
/* lax_tcp.c - lwIP without our patches tells nobody of segments: nothing to do for net/export/lwip/sack.c.
 * Room: tests/attacks. */
#include "sack.h"

void sack_tick(void)
{
}

uint32_t sack_timeout(void)
{
	return UINT32_MAX;
}

const struct sack_count *sack_counts(void)
{
	static const struct sack_count none;

	return &none;
}
