/* SPDX-License-Identifier: MIT */
/*
 * ticks.c - see ticks.h. Room: net/export/lwip, trusted.
 *
 * Late:  A tick that comes late because this process was not let run is not made up for, or a
 *        timeout would be over before the acknowledgements that wait have been read. Ticks that
 *        nobody needed are: times of idle connections are differences of their number.
 */
#include "ticks.h"

#include <stdbool.h>

#include "lwip/priv/tcp_priv.h"
#include "lwip/sys.h"

static uint32_t last;         /* ms: of the tick before */
static uint32_t fast, slow;   /* ticks since the start; every second of the fast ones is slow */
static bool     resting;      /* no connection needed the ticks that have passed */

/* lwIP starts its own timer here. None is needed: ticks_timeout() asks the connections. */
void tcp_timer_needed(void)
{
}

void ticks_run(void)
{
	uint32_t past = (sys_now() - last) / TCP_FAST_INTERVAL;

	if (!past)
		return;
	fast += resting ? past : 1;
	last = resting ? last + past * TCP_FAST_INTERVAL : sys_now();
	resting = false;
	tcp_fasttmr();
	if (fast / 2 == slow)
		return;
	tcp_ticks += fast / 2 - slow - 1; /* tcp_slowtmr() counts one */
	slow = fast / 2;
	tcp_slowtmr();
}

/* Does the connection have something in flight, or to send? */
static bool busy(const struct tcp_pcb *pcb)
{
	return pcb->state < ESTABLISHED || pcb->unsent || pcb->unacked || pcb->ooseq ||
	       pcb->refused_data || pcb->rtime >= 0 || pcb->persist_backoff ||
	       pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW | TF_CLOSEPEND);
}

/* Milliseconds without a segment after which an idle connection needs a tick; 0: none. */
static uint32_t rest_limit(const struct tcp_pcb *pcb)
{
	if (pcb->state == TIME_WAIT)
		return 2 * TCP_MSL;
	if (pcb->state == FIN_WAIT_2)
		return pcb->flags & TF_RXCLOSED ? TCP_FIN_WAIT_TIMEOUT : 0;
	if (!(pcb->so_options & SOF_KEEPALIVE))
		return 0;
	return pcb->keep_idle + pcb->keep_cnt_sent * pcb->keep_intvl;
}

static void earliest(uint32_t *ms, const struct tcp_pcb *pcb)
{
	uint32_t most = rest_limit(pcb), so_far = (tcp_ticks - pcb->tmr) * TCP_SLOW_INTERVAL;
	uint32_t left = most > so_far ? most - so_far : 0;

	/* lwIP acts only when it is more. */
	if (most && left + TCP_SLOW_INTERVAL < *ms)
		*ms = left + TCP_SLOW_INTERVAL;
}

uint32_t ticks_timeout(void)
{
	uint32_t ms = UINT32_MAX, since = sys_now() - last;

	resting = false;
	for (const struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next) {
		if (busy(pcb))
			return since < TCP_FAST_INTERVAL ? TCP_FAST_INTERVAL - since : 0;
		earliest(&ms, pcb);
	}
	for (const struct tcp_pcb *pcb = tcp_tw_pcbs; pcb; pcb = pcb->next)
		earliest(&ms, pcb);
	resting = true;
	return ms;
}
