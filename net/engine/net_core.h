/* SPDX-License-Identifier: MIT */
/*
 * net_core.h - what the files of the net service share; exports see net_service.h only.
 *
 * Room:   net/engine, trusted.
 * Buffer: a receive buffer is FREE (of a half that has no driver), POSTED (the driver's),
 *         or HELD (the export's, or under way as a frame that is forwarded).
 *         A send buffer is on the stack of free ones, the export's, in tx_slot[], or in
 *         quarantine: its driver is dead, and the device perhaps still reads it.
 */
#ifndef RF_NET_CORE_H
#define RF_NET_CORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot.h"
#include "export.h"
#include "export_config.h"
#include "log.h"
#include "net.h"
#include "net_service.h"
#include "net_types.h"
#include "notice.h"
#include "ring.h"
#include "session_core.h"

enum rf_net_buffer { RF_BUFFER_FREE, RF_BUFFER_POSTED, RF_BUFFER_HELD };

#define RF_NET_TX_BUFFERS 2048u
#define RF_TX_MORE  0x80000000u /* tx_slot[]: the frame goes on */
#define RF_TX_KEPT  0x40000000u /* tx_slot[]: the buffer stays its owner's */
#define RF_TX_AT    0x3fffffffu

struct rf_net {
	/* every frame; `own` of rx is ours, the ring only mirrors it */
	struct rf_ring_end   rx;
	uint32_t            *free_ring;       /* rx_free */
	struct rf_net_frame *tx_ring;
	struct rf_net_chan  *chan;
	struct rf_ring      *free_shared, *tx_shared;
	uint32_t             free_own, free_seen; /* put; published */
	uint32_t             tx_own, tx_seen, tx_done; /* put; published; given back */
	uint32_t             rx_base;         /* of this half, units */
	uint32_t             rx_shift;        /* log2 of a buffer in units */
	uint32_t             rx_count, rx_buffer;
	uint32_t             frame_max;       /* without segmentation */
	uint32_t             plain_max;       /* received in one buffer */
	uint32_t             tx_base, tx_buffer;
	uint8_t             *buffer;          /* this half's enum rf_net_buffer, by index */
	uint32_t             tx_free_count;
	struct rf_net_count {
		uint64_t rx_frames, rx_bytes, rx_bad, tx_frames, tx_bytes, tx_done, tx_refused;
		uint64_t lost_tx;
	} count;
	struct rf_session    session;         /* is the driver alive? */
	uint32_t             tx_slot[RF_NET_DEPTH]; /* what is in the ring: at | RF_TX_* */
	uint32_t             tx_free[RF_NET_TX_BUFFERS];

	/* frames of several parts */
	uint32_t             chain_count;
	bool                 chain_whole;     /* complete, but there was no room for it */
	struct rf_net_frame  chain[RF_NET_PARTS];

	/* frames of the dead, whole ones */
	uint32_t             stash_head, stash_tail;
	struct rf_net_frame  stash[2 * RF_NET_DEPTH];
	uint32_t             quarantine_count;
	/* of two deaths, if it was never quiet between */
	uint32_t             quarantine[RF_NET_TX_BUFFERS];

	/* the driver */
	uint32_t             sent_then;       /* tx_done, and since when it stands still */
	uint64_t             sent_ns;         /* with frames under way; 0: there were none */
	uint64_t             sent_lived_ns;   /* and by the other clock */
	uint32_t             link;
	uint64_t             rx_dropped, rx_dropped_before; /* this driver's; of all before it */

	/* set-up */
	struct rf_net_info       info;
	struct rf_notices        notices;
	uint64_t                 ticked_ns; /* by rf_net_wait() */
	uint8_t                  buffers[2][RF_NET_DEPTH];
};

static inline struct rf_net *rf_net_of(struct rf_session *session)
{
	return (struct rf_net *)((char *)session - offsetof(struct rf_net, session));
}

#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

/* send.c: slots that came back. Their number; a protocol error is reported. */
unsigned rf_net_reap(struct rf_net *);
/* The same of a dead driver, whose lie is not. */
void rf_net_reap_dead(struct rf_net *, enum rf_proto_error *bad);

/* receive.c: moves what a dead driver had received to the stash. Records; *bad set: the rest is
 * none. */
uint32_t rf_net_drain(struct rf_net *, enum rf_proto_error *bad);
/* Of a frame in several parts, drops those there are: its driver is dead. */
void rf_net_unchain(struct rf_net *);

/* info.c: what the device process says of the interface, and of its cable. */
int rf_interface_info(struct rf_session *, const struct rf_svc_msg *);
int rf_interface_link(struct rf_session *, const struct rf_svc_msg *);

/* recover.c */
extern const struct rf_session_ops rf_net_session;

/* ages.c: does the driver move, and are frames sent? */
void rf_frames_look(struct rf_session *, uint64_t now);

/* stats.c */
void rf_net_publish(struct rf_net *);
void rf_net_adopt(struct rf_net *);

#endif
