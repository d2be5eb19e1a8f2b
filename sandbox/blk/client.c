/* SPDX-License-Identifier: MIT */
/*
 * client.c - what a program asks of its disk besides requests: its words, descriptors, notices,
 * counters, and a loop.
 *
 * Room:   sandbox/blk, trusted.
 */
#include <errno.h>

#include "clock.h"
#include "core.h"
#include "service.h"
#include "wait.h"

#define TURN_NS (RF_HANG_TURN_MS * 1000000ull)

const char *rf_blk_name(const struct rf_blk *s)
{
	return s->queue[0].session.config.name;
}

const char *rf_blk_words(const struct rf_blk *s)
{
	return s->queue[0].session.config.words;
}

uint64_t rf_blk_spin_ns(const struct rf_blk *s)
{
	return s->queue[0].session.config.spin_ns;
}

uint32_t rf_blk_generation(const struct rf_blk *s)
{
	return s->queue[0].session.generation;
}

int rf_blk_control_fd(const struct rf_blk *s)
{
	return rf_session_fd(&s->queue[0].session, RF_EXPORT_FD_CONTROL);
}

int rf_blk_kick_fd(const struct rf_blk *s)
{
	return rf_session_fd(&s->queue[0].session, RF_EXPORT_FD_KICK);
}

bool rf_blk_notice(struct rf_blk *s, struct rf_notice *out)
{
	RF_EACH_QUEUE(q, s) {
		/* What is about the disk is told with queue 0's. */
		bool first = q == s->queue;
		const struct rf_notice_now now = {
			.generation = q->session.generation, .step = s->queues,
			.losses = first ? rf_blk_losses(s) : q->notices.losses,
			.up = q->session.state == RF_DRIVER_UP,
			.gone = first ? rf_blk_gone(s) : q->notices.gone,
			.now_ns = rf_now_ns(), .log = q->session.stats->log,
		};

		if (rf_notice_next(&q->notices, &now, out))
			return true;
	}
	return false;
}

void rf_blk_counters(struct rf_blk *s, struct rf_blk_counters *out)
{
	const struct rf_counts *c = &s->count;

	*out = (struct rf_blk_counters){
		.submitted = rf_submitted(s), .failed = c->failed,
		.bytes_written = c->bytes_written, .held_back = c->held_back,
	};
	RF_EACH_QUEUE(q, s) {
		out->completed += q->count.completed;
		out->bytes_read += q->count.bytes_read;
		out->reissued += q->count.reissued;
	}
}

int rf_blk_wait(struct rf_blk *s, int ms)
{
	struct pollfd p[] = { { .fd = rf_blk_kick_fd(s), .events = POLLIN },
			      { .fd = rf_blk_control_fd(s), .events = POLLIN } };
	int patience = rf_blk_patience(s);

	if (ms >= 0 && (patience < 0 || ms < patience))
		patience = ms;
	/* A driver that polls for ever wakes nobody. */
	if (!rf_blk_sleep(s) ||
	    (rf_blk_up(s) && rf_blk_spin_ns(s) == UINT64_MAX && rf_blk_inflight(s)))
		patience = 0;
	int n = rf_wait_fds(p, 2, patience);
	if (n < 0 && errno != EINTR)
		return -errno;
	rf_blk_wake(s, n > 0 && p[0].revents);
	int err = n > 0 && p[1].revents ? rf_blk_control(s) : 0;
	if (err)
		return err;
	n = rf_blk_poll(s);
	/* A driver that kicks for ever and does no work is to be found, too. */
	if (rf_now_ns() - s->ticked_ns >= TURN_NS) {
		s->ticked_ns = rf_now_ns();
		rf_blk_tick(s);
	}
	return n;
}
