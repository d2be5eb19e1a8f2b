/* SPDX-License-Identifier: MIT */
/*
 * hang_watch.h - does the driver still move? What an export sees of that, and whom it tells.
 *
 * Room:   sandbox/session, trusted; used by rf_session_watch().
 * Trust:  the heartbeat is the driver's own word. One that beats and does no work is found
 *         by the age of its requests, whatever it beats.
 * Order:  work is waited for and none gets done for `nudge`: the driver is kicked, which
 *         costs an honest one a look at its device's queue, and finds an interrupt that was
 *         lost. If its heartbeat then stands still, RF_SVC_UNRESPONSIVE goes to the supervisor by
 *         way of the device process, again and again as long as it stands. Whether it hangs
 *         or is only not let run is decided there, by what the kernel says (hang_detector.c).
 * Slow:   an honest driver of a slow device is kicked in vain. The time until the next
 *         kick doubles up to RF_HANG_SLOWEST, so that waiting costs next to nothing.
 */
#ifndef RF_HANG_WATCH_H
#define RF_HANG_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#define RF_HANG_TURN_MS    5 /* an export looks this often while work is waited for, */
#define RF_HANG_CONFIRM_MS 2 /* and this often once it kicked: each look is a sample there */
#define RF_HANG_CONFIRM_NS 2000000u
#define RF_HANG_SLOWEST 16u      /* longest time between kicks, in nudges */

struct rf_hang_watch {
	uint64_t progress;  /* as last seen */
	uint64_t since;     /* no progress, or no kick, since */
	uint64_t reported;  /* last UNRESPONSIVE, or the kick before the first */
	uint64_t heartbeat; /* heartbeat when it was kicked */
	uint32_t factor;    /* of nudge, until the next kick; 0: not watching yet */
	uint32_t episode;   /* counts kicks: two UNRESPONSIVEs of one number belong together */
	bool     kicked;    /* and has not moved since, as far as is known */
	uint64_t nudges;    /* kicks in all */
	uint64_t helped;    /* of these, followed by progress within a nudge's time */
	bool     asked;     /* the last kick may still turn out to have helped */
	uint64_t asked_ns;
	uint64_t looked;   /* when it was looked at last, */
	uint64_t seen;     /* and its heartbeat then */
	uint64_t alive[2]; /* it beat after this time, and before that after that one */
};

enum rf_hang_state { RF_HANG_FINE, RF_HANG_KICK, RF_HANG_UNRESPONSIVE };

static inline void rf_hang_watch_reset(struct rf_hang_watch *w)
{
	w->factor = 0;
	w->kicked = w->asked = false;
	w->alive[0] = w->alive[1] = 0;
}

/*
 * `now` was read before `heartbeat`, so that UNRESPONSIVE means: not moved from the kick to `now`.
 * `waiting`: there is work the driver should do. `progress`: any count of work done.
 */
static inline enum rf_hang_state rf_hang_watch_look(struct rf_hang_watch *w, uint64_t now,
						    uint64_t nudge, bool waiting, uint64_t progress,
						    uint64_t heartbeat)
{
	bool moved = progress != w->progress;

	if (heartbeat != w->seen) {
		w->alive[1] = w->alive[0];
		w->alive[0] = w->looked;
	}
	w->seen = heartbeat;
	w->looked = now;
	if (moved && w->asked && now - w->asked_ns < nudge)
		w->helped++;
	if (!waiting || moved || !w->factor) {
		w->progress = progress;
		w->since = now;
		w->factor = 1;
		w->kicked = w->asked = false;
		return RF_HANG_FINE;
	}
	if (!w->kicked) {
		if (now - w->since < nudge * w->factor)
			return RF_HANG_FINE;
		w->kicked = w->asked = true;
		w->heartbeat = heartbeat;
		w->reported = w->asked_ns = now;
		w->episode++;
		w->nudges++;
		return RF_HANG_KICK;
	}
	if (heartbeat != w->heartbeat) {
		w->kicked = false;
		w->since = now;
		if (w->factor < RF_HANG_SLOWEST)
			w->factor *= 2;
		return RF_HANG_FINE;
	}
	/* Its first turn is its start: code and pages it never touched, all its own time. */
	if (!heartbeat && now - w->asked_ns < nudge * RF_HANG_SLOWEST)
		return RF_HANG_FINE;
	if (now - w->reported < RF_HANG_CONFIRM_NS)
		return RF_HANG_FINE;
	w->reported = now;
	return RF_HANG_UNRESPONSIVE;
}

/* Milliseconds an export may sleep while work is waited for. */
static inline int rf_hang_watch_turn(const struct rf_hang_watch *w)
{
	return w->kicked ? RF_HANG_CONFIRM_MS : RF_HANG_TURN_MS;
}

/*
 * Did it have its chance after `then`? Only a driver that looked at its device's queue
 * since, all through one turn, can be blamed for what it did not answer until then. One
 * that gets no processor for seconds has not; one that hangs is UNRESPONSIVE.
 */
static inline bool rf_hang_watch_alive_since(const struct rf_hang_watch *w, uint64_t then)
{
	return w->alive[1] >= then;
}

#endif
