/* SPDX-License-Identifier: MIT */
/* lax_tcp.c - lwIP without our patches tells nobody of segments and ticks for itself: in the place
 * of net/export/lwip/sack.c and ticks.c. Room: tests/lax. */
#include "sack.h"
#include "ticks.h"

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

void ticks_run(void)
{
}

uint32_t ticks_timeout(void)
{
	return UINT32_MAX;
}
