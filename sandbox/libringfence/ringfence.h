/* SPDX-License-Identifier: MIT */
/*
 * ringfence.h - a disk or a network interface behind a driver that nobody believes, for a
 * program of one's own.
 *
 * Room:   sandbox/libringfence, trusted, unprivileged. Public: this header and the three that it
 *         includes are all that a program sees. They compile alone, as C11 and as C++.
 * Start:  ringfence starts the program by `export program` of ringfence.conf(5) and hands it
 *         the rings of one device by number; rf_blk_open() or rf_net_open() finds them.
 * Errors: int functions return 0 or more, or -errno. A mistake of the caller's is an error
 *         number; what a driver gets wrong never reaches the caller: it is replaced.
 * Thread: one thread a handle. No call blocks but rf_blk_wait() and rf_net_wait(); callbacks
 *         run inside rf_blk_poll(), rf_blk_control() and rf_blk_wait(), and may submit.
 * Memory: all of it is taken by open. rf_program_lock() comes after it, and after what the
 *         program allocates itself.
 * Data:   what lies in the arena was written by a device, and may change while it does: copy
 *         it out before a check whose result is relied on.
 * Death:  a driver that dies is replaced, and what a disk was asked for is reissued: the caller
 *         sees latency. Frames that the dead one had not reported as sent are lost and
 *         counted. Notices tell of both, to whoever asks for them.
 */
#ifndef RINGFENCE_H
#define RINGFENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blk_types.h"
#include "housekeeping.h"
#include "net_types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header; rf_abi() is that of the library linked. They differ: compile again. A new
 * number comes with any change to a struct, a constant, or what a function means. */
#define RINGFENCE_ABI 2u
uint32_t rf_abi(void);

/* ---- the program ------------------------------------------------------------------ */

/* Goes before each line that the library writes to the log, which is stderr. Kept, not copied. */
void rf_program_name(const char *name);
/* From here on only the system calls of policy/syscalls/export-program.list, with Landlock, no
 * new memory that executes, and all memory locked. Call it before the first request. 0, or
 * -errno after one line in the log. */
int rf_program_lock(void);

/* ---- notices ------------------------------------------------------------------------ */

enum rf_notice_type {
	RF_NOTICE_DOWN = 1,   /* driver `generation` is dead; `count` requests were reissued, or
	                         frames lost */
	RF_NOTICE_UP,         /* driver `generation` runs, `ns` after the death */
	RF_NOTICE_CACHE_LOST, /* disk: writes that were answered and not flushed may be gone; the
	                         next flush fails with EIO, once for each loss */
	RF_NOTICE_GONE,       /* the device does not come back: all requests fail with EIO */
};

struct rf_notice {
	uint32_t type;       /* enum rf_notice_type */
	uint32_t generation;
	uint32_t count;
	uint32_t reserved;
	uint64_t ns;
};

/* ---- disks ---------------------------------------------------------------------------- */

struct rf_blk; /* opaque */

/* Requests that wait inside, for a place in the table, for a driver or for one that they
 * overlap: those of one client, and all. */
struct rf_waits {
	uint32_t  own;
	uint32_t *all;
};

/*
 * One request. The caller owns the memory, and lends it from a rf_blk_submit() that returned 0
 * until done() is called. Offset and length are bytes and multiples of the block size, at most
 * max_transfer (read, write) or max_discard (discard, zero). The data of a write must not change
 * in between. Set what is not used to 0.
 */
struct rf_io {
	uint8_t  op;    /* enum rf_blk_op */
	uint8_t  flags; /* RF_BLK_FUA, RF_BLK_NO_UNMAP */
	/* any number: requests with the same one go to the same queue of the device, and so to
	 * the same driver, while that has one and room; order is kept over all queues */
	uint16_t queue;
	uint32_t length;
	uint64_t offset;
	uint64_t arena; /* read, write: place out of rf_blk_alloc() */
	void   (*done)(struct rf_io *, int status); /* 0 or -errno; may submit again */
	struct rf_io    *next;  /* the library's, while it has the request */
	struct rf_waits *waits; /* NULL, or counts the request while it waits */
	bool             internal; /* the library's: false */
	uint64_t         since;    /* the library's: when it was taken, if it is timed */
};

/* Finds and maps what ringfence handed over. 0, or -errno after one line in the log. */
int rf_blk_open(struct rf_blk **out);
/* `device` of the configuration; the words behind the program's path, one blank apart; how long
 * to look for answers before sleeping, ~0: for ever. */
const char *rf_blk_name(const struct rf_blk *);
const char *rf_blk_words(const struct rf_blk *);
uint64_t    rf_blk_spin_ns(const struct rf_blk *);

/* The disk, or NULL as long as it is not known, or may still write what a dead predecessor of
 * this program had asked for. It stays the same. */
const struct rf_blk_info *rf_blk_info(const struct rf_blk *);
/* Does a driver run, so that looking again at once may find an answer? */
bool     rf_blk_up(const struct rf_blk *);
bool     rf_blk_gone(const struct rf_blk *);
/* Of the driver that runs, or comes next; of the first one, where a disk has several queues. */
uint32_t rf_blk_generation(const struct rf_blk *);
uint32_t rf_blk_inflight(const struct rf_blk *);   /* requests that have an entry in the table */

/* Room in the arena: whole pages of 4 KiB, contiguous, at most 1 MiB. -ENOMEM: try again after
 * a done(). The pointer is the program's own view of it. */
int   rf_blk_alloc(struct rf_blk *, uint32_t length, uint64_t *arena);
void  rf_blk_free(struct rf_blk *, uint64_t arena, uint32_t length);
void *rf_blk_at(struct rf_blk *, uint64_t arena);

/*
 * Takes the request: 0. -EINVAL: outside the disk, or not in its units; -EROFS; -EOPNOTSUPP;
 * -EIO: the device is gone. Then done() is not called. A request waits inside while it overlaps
 * an older discard, zero or write, while 256 others of each queue are under way, or while no
 * driver runs.
 */
int rf_blk_submit(struct rf_blk *, struct rf_io *);
/* Once a batch: the driver sees what was submitted, and is kicked if it sleeps. */
void rf_blk_push(struct rf_blk *);
/* Takes answers, calls done(). Their number. */
int rf_blk_poll(struct rf_blk *);

/* The loop for whoever needs no other: pushes, sleeps until there is an answer or news, at most
 * `ms` (-1: no limit), and polls. Number of answers, or what rf_blk_control() returned. */
int rf_blk_wait(struct rf_blk *, int ms);

/* For a loop of one's own: two descriptors to wait on for reading. The first is for
 * rf_blk_control(), the second means that there are answers: rf_blk_wake(). */
int rf_blk_control_fd(const struct rf_blk *);
int rf_blk_kick_fd(const struct rf_blk *);
/* Call when the control descriptor is readable. -EPIPE: ringfence ends the device; -EPROTO: it
 * said what cannot be; -ESTALE: the disk is another one than before. A program ends on each. */
int rf_blk_control(struct rf_blk *);
/* Before blocking: pushes, and asks the driver for kicks. False: there is work, do not block. */
bool rf_blk_sleep(struct rf_blk *);
/* After blocking; `kicked`: the kick descriptor was readable. */
void rf_blk_wake(struct rf_blk *, bool kicked);
/* Looks whether the driver moves, and at the age of requests. Call it after each sleep that
 * rf_blk_patience() bounded, and every 5 ms while there is no time to sleep. */
void rf_blk_tick(struct rf_blk *);
/* Most milliseconds to sleep; -1: nothing is in flight, an event will tell. */
int rf_blk_patience(const struct rf_blk *);

/* The next thing that happened to the driver or the disk; false: nothing more. Ask after
 * rf_blk_control() or rf_blk_wait(). Nothing is lost if nobody asks. */
bool rf_blk_notice(struct rf_blk *, struct rf_notice *);

/* Since the device was started, over deaths of drivers and of this program. */
struct rf_blk_counters {
	uint64_t submitted, completed, failed; /* requests */
	uint64_t bytes_read, bytes_written;
	uint64_t reissued;  /* to the successor of a dead driver */
	uint64_t held_back; /* because they overlapped an older one */
};
void rf_blk_counters(struct rf_blk *, struct rf_blk_counters *);

/* ---- interfaces -------------------------------------------------------------------------- */

struct rf_net; /* opaque */

/* As for disks. */
int rf_net_open(struct rf_net **out);
const char *rf_net_name(const struct rf_net *);
const char *rf_net_words(const struct rf_net *);
uint64_t    rf_net_spin_ns(const struct rf_net *);

/* The interface with its MAC and MTU, or NULL as long as it is not known, or may still read what
 * a dead predecessor of this program had sent. */
const struct rf_net_info *rf_net_info(const struct rf_net *);
bool     rf_net_up(const struct rf_net *);
bool     rf_net_gone(const struct rf_net *);
uint32_t rf_net_generation(const struct rf_net *);
/* Is the cable in? Stays as it was while a driver is replaced. */
bool rf_net_carrier(const struct rf_net *);

/* The program's own view of a place in the arena, in units of RF_NET_UNIT. */
void *rf_net_at(const struct rf_net *, uint32_t at);

/*
 * Received frames, whole ones: all parts of a frame follow each other. Number of records, at
 * most `max`, which is RF_NET_PARTS or more. The records are copies, and what they say was
 * checked; the bytes are not. Buffers are the caller's until rf_net_rx_done(), over the death of
 * the driver, too.
 */
unsigned rf_net_rx(struct rf_net *, struct rf_net_frame *out, unsigned max);
void     rf_net_rx_done(struct rf_net *, const struct rf_net_frame *frames, unsigned n);

/* Records that rf_net_tx() takes for sure right now; looks for slots that came back if there
 * are fewer than `want`. */
unsigned rf_net_tx_room(struct rf_net *, unsigned want);
/* A buffer of rf_net_tx_bytes() bytes, or 0: none is free, ask again when slots came back. */
uint32_t rf_net_tx_alloc(struct rf_net *);
uint32_t rf_net_tx_bytes(const struct rf_net *);
/* A buffer that was not sent after all. */
void rf_net_tx_free(struct rf_net *, uint32_t at);
/*
 * Sends one record. Further parts of a frame only if RF_NET_HAS_SG, and there must be room
 * for all of them before the first. 0: the buffer is the library's again, when it is sent.
 * -EINVAL: the frame is none the device can send; still the caller's.
 */
int rf_net_tx(struct rf_net *, const struct rf_net_frame *frame);
/* Sends frames out of rf_net_rx() as they are, without a copy. Records taken: fewer if there is
 * no room; the rest is still the caller's. Only frames of one part. */
unsigned rf_net_forward(struct rf_net *, const struct rf_net_frame *frames, unsigned n);
/* The same bytes `n` times: sends a buffer of rf_net_tx_alloc() that stays the caller's, who
 * leaves it unchanged. Records taken. */
unsigned rf_net_inject(struct rf_net *, const struct rf_net_frame *frame, unsigned n);
/* Once a batch: the driver sees all of it, and is kicked if it sleeps. */
void rf_net_push(struct rf_net *);

/* As for disks. `tx`: wait for slots that come back, too. rf_net_wait() returns 0, or what
 * rf_net_control() returned. */
int  rf_net_wait(struct rf_net *, bool tx, int ms);
int  rf_net_control_fd(const struct rf_net *);
int  rf_net_kick_fd(const struct rf_net *);
int  rf_net_control(struct rf_net *);
bool rf_net_sleep(struct rf_net *, bool tx);
void rf_net_wake(struct rf_net *, bool kicked);
void rf_net_tick(struct rf_net *);
int  rf_net_patience(const struct rf_net *);
bool rf_net_notice(struct rf_net *, struct rf_notice *);

/* Since the device was started, over deaths of drivers and of this program. */
struct rf_net_counters {
	uint64_t rx_frames, rx_bytes;
	uint64_t rx_bad;     /* malformed, or longer than the MTU allows: dropped */
	uint64_t rx_dropped; /* by device or driver, as the driver tells */
	uint64_t tx_frames, tx_bytes; /* handed to a driver */
	uint64_t tx_done;    /* of these, reported as sent */
	uint64_t lost_tx;    /* of these, under way at a death */
	uint64_t tx_refused; /* -EINVAL */
};
void rf_net_counters(struct rf_net *, struct rf_net_counters *);

#ifdef __cplusplus
}
#endif

#endif
