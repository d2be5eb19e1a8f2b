/* SPDX-License-Identifier: MIT */
/* latency.c - see latency.h. Room: sandbox/blk, trusted. */
#include "latency.h"

#include "clock.h"
#include "stats.h"

#define RATE_AFTER_NS 1000000u    /* the first one is taken over so long, */
#define RATE_OVER_NS  1000000000u /* later ones over this: a sleep of the machine spoils one */

/* xorshift64 (Marsaglia 2003): any state but 0. */
static uint32_t latency_draw(struct rf_latency *l)
{
	uint64_t x = l->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	l->random = x;
	return 1 + (uint32_t)((x >> 32) * (2 * RF_LATENCY_ONE_IN - 1) >> 32);
}

static void latency_next(struct rf_latency *l)
{
	l->untimed = latency_draw(l);
	l->at += l->untimed;
}

void rf_latency_begin(struct rf_latency *l, struct rf_io *io)
{
	io->since = l->rate ? __builtin_ia32_rdtsc() : 0;
	latency_next(l);
}

void rf_latency_end(const struct rf_latency *l, const struct rf_io *io, struct rf_histogram *kinds)
{
	static const uint8_t class[] = { [RF_BLK_READ] = RF_LATENCY_READ,
					 [RF_BLK_WRITE] = RF_LATENCY_WRITE,
					 [RF_BLK_FLUSH] = RF_LATENCY_FLUSH,
					 [RF_BLK_DISCARD] = RF_LATENCY_OTHER,
					 [RF_BLK_ZERO] = RF_LATENCY_OTHER };
	uint64_t now = __builtin_ia32_rdtsc();

	if (!io->since || now < io->since) /* another processor's counter may be a little behind */
		return;
	rf_histogram_add(&kinds[class[io->op]],
			 (uint64_t)((unsigned __int128)(now - io->since) * l->rate >> 32));
}

void rf_latency_open(struct rf_latency *l, uint64_t submitted)
{
	l->tsc = __builtin_ia32_rdtsc();
	l->ns = rf_now_ns();
	l->random = l->tsc | 1;
	l->at = submitted;
	latency_next(l);
}

void rf_latency_tick(struct rf_latency *l, uint64_t now)
{
	uint64_t tsc = __builtin_ia32_rdtsc(), ns = now - l->ns;

	if (ns < RATE_AFTER_NS)
		return;
	if (tsc > l->tsc && (!l->rate || ns >= RATE_OVER_NS))
		l->rate = (uint64_t)((double)ns * 4294967296.0 / (double)(tsc - l->tsc));
	if (ns < RATE_OVER_NS && tsc > l->tsc)
		return;
	l->tsc = tsc;
	l->ns = now;
}
