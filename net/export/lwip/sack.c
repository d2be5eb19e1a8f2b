/* SPDX-License-Identifier: MIT */
/*
 * sack.c - see sack.h.
 *
 * Room:   net/export/lwip, trusted.
 * Trust:  none in what a peer says has arrived: at the worst its own connection gets less.
 * Rules:  A segment is lost if three behind it have arrived (RFC 6675), or one that was sent a
 *         quarter of a round trip after it (RFC 8985, without its timer). So one that is lost
 *         twice is found, too. What has left the network, arrived or lost, makes room in the
 *         congestion window for others. A tail that stays unacknowledged for two round trips is
 *         asked after by its last segment (RFC 8985, 7), before a timeout. A timeout believes
 *         nothing that was said before (RFC 2018, 8).
 */
#include "sack.h"

#include <stdbool.h>

#include "lwip/priv/tcp_priv.h"

#include "hooks.h"
#include "now.h"

#define MS(n)      ((n) * 1000000u >> 10)
#define DUPLICATES 3u
#define SLACK      MS(2u)  /* of a clock that is read once a turn */
#define DELAYED    MS(50u) /* a lone segment's acknowledgement may be held back so long */

static struct sack_count count;
static uint32_t look_at; /* earliest time somebody may want something */
static bool looking;

static uint32_t now(void)
{
	return (uint32_t)(stack_now_ns() >> 10);
}

static bool later(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static void look_by(uint32_t at)
{
	if (!looking || later(look_at, at))
		look_at = at;
	looking = true;
}

static uint32_t first_of(const struct tcp_seg *seg)
{
	return lwip_ntohl(seg->tcphdr->seqno);
}

/* ---- what was sent -------------------------------------------------------------------------- */

void rf_lwip_seg_sent(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	uint32_t t = now();

	seg->sent = pcb->news = t;
	/* Arrival times of earlier segments mean nothing to a new flight. */
	if (!pcb->unacked)
		pcb->newest = t - 1;
	look_by(t + 2 * pcb->srtt + SLACK);
}

/* An acknowledgement so soon after a retransmission is that of the first copy. */
static void arrived(struct tcp_pcb *pcb, const struct tcp_seg *seg, uint32_t t)
{
	bool again = seg->flags & TF_SEG_AGAIN;

	if (again && t - seg->sent < pcb->srtt / 2)
		return;
	if (later(seg->sent, pcb->newest))
		pcb->newest = seg->sent;
	if (!again)
		pcb->srtt = pcb->srtt ? pcb->srtt - pcb->srtt / 8 + (t - seg->sent) / 8 :
			    t - seg->sent;
}

void rf_lwip_seg_acked(struct tcp_pcb *pcb, const struct tcp_seg *seg)
{
	if (!(seg->flags & TF_SEG_ARRIVED))
		arrived(pcb, seg, now());
}

void rf_lwip_timed_out(struct tcp_pcb *pcb)
{
	count.timeouts++;
	for (struct tcp_seg *seg = pcb->unacked; seg; seg = seg->next)
		seg->flags = (uint8_t)((seg->flags & ~(TF_SEG_ARRIVED | TF_SEG_LOST)) |
				       TF_SEG_AGAIN);
	pcb->gone = 0;
	pcb->probing = 0;
}

/* ---- what is lost --------------------------------------------------------------------------- */

static bool covered(const struct tcp_pcb *pcb, const struct tcp_seg *seg,
		    const struct tcp_sack_range *r, int n)
{
	uint32_t from = first_of(seg), to = from + TCP_TCPLEN(seg);

	for (int i = 0; i < n; i++)
		if (TCP_SEQ_LEQ(pcb->lastack, r[i].left) && TCP_SEQ_LEQ(r[i].right, pcb->snd_nxt) &&
		    TCP_SEQ_LEQ(r[i].left, from) && TCP_SEQ_LEQ(to, r[i].right))
			return true;
	return false;
}

/* Segments that have arrived behind a gap. */
static uint32_t note_arrived(struct tcp_pcb *pcb, const struct tcp_sack_range *r, int n)
{
	uint32_t all = 0, t = now();

	for (struct tcp_seg *seg = pcb->unacked; seg; seg = seg->next) {
		if (n && !(seg->flags & TF_SEG_ARRIVED) && covered(pcb, seg, r, n)) {
			arrived(pcb, seg, t);
			seg->flags = (uint8_t)((seg->flags & ~TF_SEG_LOST) | TF_SEG_ARRIVED);
		}
		all += (seg->flags & TF_SEG_ARRIVED) != 0;
	}
	return all;
}

/* While all is retransmitted after a timeout, the number of segments behind this one means
 * nothing. */
static bool is_lost(const struct tcp_pcb *pcb, const struct tcp_seg *seg, uint32_t behind)
{
	bool again = seg->flags & TF_SEG_AGAIN;

	return (!again && behind >= DUPLICATES) ||
	       later(pcb->newest, seg->sent + pcb->srtt / 4 + SLACK / 2);
}

/* Marks lost segments, and counts those that are no longer in flight. True: one is lost and not
 * sent again. */
static bool sack_judge(struct tcp_pcb *pcb, uint32_t behind)
{
	bool lost = false;

	pcb->gone = 0;
	for (struct tcp_seg *seg = pcb->unacked; seg; seg = seg->next) {
		if (seg->flags & TF_SEG_ARRIVED)
			behind--;
		else if (is_lost(pcb, seg, behind))
			seg->flags |= TF_SEG_LOST;
		if (seg->flags & (TF_SEG_ARRIVED | TF_SEG_LOST))
			pcb->gone += seg->len;
		lost |= (seg->flags & TF_SEG_LOST) != 0;
	}
	return lost;
}

static void halve(struct tcp_pcb *pcb)
{
	uint32_t half = LWIP_MIN(LWIP_MIN(pcb->cwnd, pcb->snd_wnd), TCP_SND_BUF) / 2;

	pcb->ssthresh = LWIP_MAX(half, 2u * pcb->mss);
	pcb->cwnd = pcb->ssthresh;
	pcb->bytes_acked = 0;
}

static bool again(struct tcp_pcb *pcb, struct tcp_seg *seg)
{
	if (tcp_rexmit_seg(pcb, seg) != ERR_OK) {
		look_by(now() + SLACK);
		return false;
	}
	if (seg->flags & TF_SEG_LOST)
		pcb->gone -= seg->len;
	seg->flags = (uint8_t)((seg->flags & ~TF_SEG_LOST) | TF_SEG_AGAIN);
	return true;
}

/* Sends the first lost segment at once, others as far as the congestion window allows. */
static void send_lost(struct tcp_pcb *pcb, bool first)
{
	for (struct tcp_seg *seg = pcb->unacked; seg; seg = seg->next) {
		if (!(seg->flags & TF_SEG_LOST))
			continue;
		if (!first && pcb->snd_nxt - pcb->lastack - pcb->gone + seg->len > pcb->cwnd)
			return;
		if (!again(pcb, seg))
			return;
		count.again++;
		first = false;
	}
}

static void sack_recover(struct tcp_pcb *pcb)
{
	bool begins = !(pcb->flags & (TF_INFR | TF_RTO));

	if (begins) {
		halve(pcb);
		pcb->recover = pcb->snd_nxt;
		tcp_set_flags(pcb, TF_INFR);
		pcb->rtime = 0;
	}
	send_lost(pcb, begins);
}

/* ---- a tail that was asked after (RFC 8985, 7.4) -------------------------------------------- */

/* A tail loss that its probe repaired is seen only here; it is congestion too. */
static void probe_answered(struct tcp_pcb *pcb, const struct tcp_sack_range *r, int n,
			   bool progress)
{
	if (pcb->flags & TF_INFR || (n && TCP_SEQ_LEQ(r[0].right, pcb->lastack))) {
		pcb->probing = 0; /* found lost otherwise; or both copies have arrived */
	} else if (TCP_SEQ_GT(pcb->lastack, pcb->probe_end)) {
		pcb->probing = 0;
		halve(pcb);
	} else if (pcb->lastack == pcb->probe_end && !progress) {
		pcb->probing = 0;
	}
}

void rf_lwip_ack(struct tcp_pcb *pcb, const struct tcp_sack_range *r, int n, bool progress)
{
	bool calm = !(pcb->flags & (TF_INFR | TF_RTO));

	if (pcb->probing)
		probe_answered(pcb, r, n, progress);
	if (!pcb->unacked) {
		pcb->gone = 0;
		return;
	}
	if (progress || n) {
		pcb->news = now();
		look_by(pcb->news + 2 * pcb->srtt + SLACK);
	}
	if (calm && !n && !pcb->gone) {
		if (pcb->dupacks < DUPLICATES)
			return;
		pcb->unacked->flags |= TF_SEG_LOST; /* the peer reports no more than this */
	}
	if (sack_judge(pcb, note_arrived(pcb, r, n)))
		sack_recover(pcb);
}

static bool probed(struct tcp_pcb *pcb)
{
	struct tcp_seg *last = pcb->unacked;

	while (last->next)
		last = last->next;
	if (last->flags & TF_SEG_ARRIVED || !again(pcb, last))
		return false;
	pcb->probing = 1;
	pcb->probe_end = pcb->snd_nxt;
	pcb->rtime = 0;
	count.probes++;
	return true;
}

static void look_after(struct tcp_pcb *pcb, uint32_t t)
{
	bool lone = pcb->unacked && !pcb->unacked->next;
	uint32_t due = pcb->news + 2 * pcb->srtt + (lone ? DELAYED : SLACK);

	if (!(pcb->flags & TF_SACK) || !pcb->unacked || pcb->state < ESTABLISHED)
		return;
	if (pcb->flags & (TF_INFR | TF_RTO))
		send_lost(pcb, false);
	else if (!pcb->srtt || pcb->probing || pcb->nrtx)
		return;
	else if (later(due, t))
		look_by(due);
	else
		probed(pcb);
}

void sack_tick(void)
{
	uint32_t t = now();

	if (!looking || later(look_at, t))
		return;
	looking = false;
	for (struct tcp_pcb *pcb = tcp_active_pcbs; pcb; pcb = pcb->next)
		look_after(pcb, t);
}

uint32_t sack_timeout(void)
{
	int32_t left = (int32_t)(look_at - now());

	if (!looking)
		return UINT32_MAX;
	return left <= 0 ? 0 : (uint32_t)left / MS(1u) + 1;
}

const struct sack_count *sack_counts(void)
{
	return &count;
}
