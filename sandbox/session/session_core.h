/* SPDX-License-Identifier: MIT */
/*
 * session_core.h - the life of a queue's drivers, as the engine that they work for sees it.
 *
 * Room:   sandbox/session, trusted; the one place for what disks and interfaces share.
 * Use:    an engine has a struct rf_session for each queue of its device, and a table of what is
 *         its own: how a queue's rings are drained, what was in flight, how a half is filled. The
 *         session knows the messages of the device process, the order of a recovery, and when a
 *         driver is kicked or reported; it knows no request and no frame. Messages about the
 *         device as a whole (INFO, GONE, PING, LINK) go to all sessions, or by way of that of
 *         queue 0 to the engine.
 * States: by message of the device process (enum rf_svc_type); any other one is refused.
 *           NONE              UP: attach, fill, up           -> UP
 *           PREPARED          UP: up                         -> UP
 *           LIED              UP: the kill was asked for     -> LIED
 *           all but GONE      DOWN: drain, collect, attach, fill; PREPARED is sent
 *                                                            -> PREPARED
 *           all but UP, GONE  QUIESCED: quiesced             -> as it was
 *           all but GONE      GONE: gone                     -> GONE
 *           GONE              INFO: back, if the engine can  -> LIED, until DOWN
 *         An impossible answer of a driver that is alive (rf_session_proto_error()) -> LIED.
 * Trust:  the device process is ours; what it says must fit all the same, or the export ends.
 */
#ifndef RF_SESSION_H
#define RF_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "export.h"
#include "export_config.h"
#include "lived.h"
#include "stats.h"
#include "hang_watch.h"

enum rf_driver_state {
	RF_DRIVER_NONE,     /* none was seen yet */
	RF_DRIVER_FAULTY,   /* its rings are not looked at any more */
	RF_DRIVER_GONE,     /* there will be none */
	/* from here on it is alive */
	RF_DRIVER_PREPARED, /* its half is filled; it may or may not run */
	RF_DRIVER_UP,
};

/* rf_session.gate; an engine has further bits of its own, from RF_GATE_OWN on */
#define RF_GATE_DRIVER 0x1u /* no driver is up, or it broke the protocol */
#define RF_GATE_OWN    0x2u

struct rf_session;

/* What the watch looks at. */
struct rf_session_work {
	bool     waiting;   /* there is work the driver should do */
	bool     look;      /* if it is kicked in vain, the device process looks at the device */
	uint64_t progress;  /* any count of work done */
	uint64_t heartbeat; /* the driver's heartbeat, read after `now` */
	uint64_t nudge_ns;
};

struct rf_session_ops {
	size_t chan_bytes; /* of the channel of one queue in one half */
	/* The session of queue i, below config.queues, of the device whose queue 0 has that
	 * session. NULL: there is no other one. */
	struct rf_session *(*queue)(struct rf_session *, uint32_t i);
	/* The device process described the device, perhaps once more. 0; -EPROTO: that cannot be;
	 * -ESTALE, after a line in the log: it is another one than before. */
	int (*info)(struct rf_session *, const struct rf_svc_msg *);
	/* All that a dead driver had published, which is true: it had it before it died. Records;
	 * *bad set: what follows is none. */
	uint32_t (*drain)(struct rf_session *, enum rf_proto_error *bad);
	/* Nothing is in flight any more: what was goes into the log. True: the device's next
	 * answer ends this recovery. */
	bool (*collect)(struct rf_session *, struct rf_recovery_service *log);
	/* Uses the rings of the half it has now, which are empty. */
	void (*attach)(struct rf_session *);
	/* Puts there, and publishes, what the driver of this half is to find. */
	void (*fill)(struct rf_session *);
	/* The dead one's half, for the crash report: what lies there is copied as it is. */
	void (*capture)(struct rf_session *, uint32_t generation, uint32_t half);
	/* The device is silent: memory of the dead is ours again. */
	void (*quiesced)(struct rf_session *, bool cache_lost);
	/* It runs: new work flows. What was published before it did has kicked nobody. */
	void (*up)(struct rf_session *);
	/* The device, all of whose sessions are in this state by now. */
	void (*gone)(struct rf_session *);
	/* May be NULL. A device that was gone is back. 0: goes on, or the error of control. */
	int (*back)(struct rf_session *, const struct rf_svc_msg *);
	/* May be NULL. RF_SVC_LINK. 0 or -EPROTO. */
	int (*link)(struct rf_session *, const struct rf_svc_msg *);
	/* A driver is up: does it move, and does its device? */
	void (*look)(struct rf_session *, uint64_t now);
	/* Counters, to where others read them. */
	void (*publish)(struct rf_session *);
};

struct rf_session {
	/* every request, every frame */
	enum rf_driver_state state;
	uint32_t             gate;
	uint32_t             generation, half;
	bool                 awaiting;   /* rf_session_first_io() is to be called */

	/* the driver */
	bool                 was_up;     /* this generation: it may have seen its ring */
	bool                 stalled;    /* this generation: reported */
	uint32_t             await_from; /* first generation whose first_io_ns is awaited */
	struct rf_hang_watch watch;
	struct rf_lived      lived;      /* for an engine that waits for its device */
	/* to the device process, which did not read; type 0: none */
	struct rf_svc_msg    unsent;
	struct {
		uint64_t violations, stalls, nudges, nudges_helped; /* nudges: of predecessors */
	} count;

	/* the device; of queue 0's session, but for arena_ours */
	uint32_t             used;       /* queues that have drivers; 0: not known yet */
	bool                 known;      /* the device process described it; in each session */
	bool                 arena_ours; /* no driver of a predecessor's uses it */
	bool                 dropped;    /* GONE for good, by its own export */

	/* set-up */
	uint32_t                     queue;
	int                          fds_up; /* its fds are those of enum rf_export_fd plus this */
	const struct rf_session_ops *ops;
	struct rf_export_config      config;
	unsigned char               *data;
	unsigned char               *rings;
	struct rf_stats_service     *stats;
};

/* Of the device that has this session for its queue 0. */
static inline struct rf_session *rf_session_of(struct rf_session *first, uint32_t queue)
{
	return queue ? first->ops->queue(first, queue) : first;
}

static inline bool rf_session_alive(const struct rf_session *s)
{
	return s->state >= RF_DRIVER_PREPARED;
}

static inline int rf_session_fd(const struct rf_session *s, enum rf_export_fd fd)
{
	return (int)fd + s->fds_up;
}

/* Its queue's channel in one half. */
void *rf_session_chan(const struct rf_session *, uint32_t half);

/* Before the lock, in this order: reads the configuration; maps arena, rings and counters. 0, or
 * -errno after one line in the log. */
int rf_session_open(struct rf_session *, const struct rf_session_ops *, int fds_up);
int rf_session_map(struct rf_session *);
/* Of queue `i`, with the set-up of queue 0's session. */
void rf_session_share(struct rf_session *, const struct rf_session *first, uint32_t i);

/* What follows, up to rf_session_tick(), is of queue 0's session, for the device. */
/* Takes the messages that are there. 0, or the error after which an export ends: -EPIPE, -EPROTO,
 * -ESTALE, or what the table's functions said. */
int rf_session_control(struct rf_session *);
/* The export gives the device up: GONE for good. */
void rf_session_drop(struct rf_session *);
/* Publishes what sessions count, all queues together; and takes it over as a dead predecessor left
 * it. */
void rf_session_publish(struct rf_session *);
void rf_session_adopt(struct rf_session *);

/* Each tick: tells again, looks, publishes. */
void rf_session_tick(struct rf_session *);
/* Is the driver kicked, or reported? For look() of the table. */
void rf_session_watch(struct rf_session *, uint64_t now, const struct rf_session_work *);

/* To the device process. */
void rf_session_notify(struct rf_session *, enum rf_svc_type, uint32_t value);
/* The driver gave an answer that cannot be: its rings are not looked at any more. */
void rf_session_proto_error(struct rf_session *, enum rf_proto_error);
/* A dead one had given that answer last. */
void rf_session_left_behind(struct rf_session *, enum rf_proto_error);
/* Its device does not answer any more, which was logged. */
void rf_session_stalled(struct rf_session *);
/* Wakes the driver. */
void rf_session_kick(struct rf_session *);
/* Reads the wake-ups of the export empty. */
void rf_session_woken(const struct rf_session *);
/* The device answered: recoveries that waited for that are over. */
void rf_session_first_io(struct rf_session *);

/* steps.c: driver `dead` has a successor that runs; and the device answered it. */
void rf_steps_up(struct rf_session *, uint32_t dead);
void rf_steps_first_io(struct rf_session *, uint32_t dead, uint64_t now);

#endif
