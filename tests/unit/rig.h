/* SPDX-License-Identifier: MIT */
/*
 * rig.h - what an export finds around it, without any device: fds, arena, rings, and
 * a RAM disk that answers as an honest driver does.
 *
 * Room:   tests/unit. Plays the device process and the driver; the export is either
 *         linked into the test or executed as the program that is shipped.
 */
#ifndef RF_TEST_RIG_H
#define RF_TEST_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "boot.h"
#include "device_config.h"
#include "export.h"
#include "export_config.h"
#include "packet.h"
#include "stats.h"

/* Enough for either service, and for a disk with all queues. */
#define RIG_RINGS (2 * RF_MAX_QUEUES * RF_BLK_CHAN_BYTES)
_Static_assert(RIG_RINGS >= 2 * RF_NET_CHAN_BYTES, "enough for either");
#define RIG_PARK 64 /* fds of the test itself lie above the export's */

struct rig {
	struct rf_export_config  *config;
	unsigned char            *data, *rings;
	struct rf_stats_service  *stats;
	struct rf_blk_info        info;
	struct rf_net_info        net;
	struct rf_identity        disk;
	int                       fd[RF_EXPORT_FDS]; /* the export's, by enum rf_export_fd */
	int                       control;           /* our end */
	uint32_t                  generation, half;
};

static inline void rig_must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "# rig: %s: %s\n", what, strerror(errno));
	abort();
}

static inline int rig_park(int fd)
{
	int parked = fcntl(fd, F_DUPFD_CLOEXEC, RIG_PARK);

	rig_must(parked >= 0, "dup");
	close(fd);
	return parked;
}

static inline void *rig_memfd(int *fd, size_t bytes)
{
	*fd = rig_park(memfd_create("rig", MFD_CLOEXEC));
	rig_must(!ftruncate(*fd, (off_t)bytes), "ftruncate");
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
	rig_must(at != MAP_FAILED, "mmap");
	return at;
}

/* The socket between device process and export. */
static inline void rig_connect(struct rig *r)
{
	int pair[2];

	rig_must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	r->control = rig_park(pair[0]);
	r->fd[RF_EXPORT_FD_CONTROL] = rig_park(pair[1]);
}

static inline void rig_open(struct rig *r, uint64_t arena_bytes)
{
	memset(r, 0, sizeof(*r));
	r->config = rig_memfd(&r->fd[RF_EXPORT_FD_CONFIG], 4096);
	r->data = rig_memfd(&r->fd[RF_EXPORT_FD_DATA], arena_bytes);
	r->rings = rig_memfd(&r->fd[RF_EXPORT_FD_RINGS], RIG_RINGS);
	munmap(rig_memfd(&r->fd[RF_EXPORT_FD_TABLE], 4096), 4096);
	r->stats = rig_memfd(&r->fd[RF_EXPORT_FD_STATS], RF_STATS_BYTES);
	rig_connect(r);
	for (int i = RF_EXPORT_FD_KICK; i <= RF_EXPORT_FD_WAKE1; i++)
		r->fd[i] = rig_park(eventfd(0, EFD_CLOEXEC));
	r->fd[RF_EXPORT_FD_LISTEN] = rig_park(open("/dev/null", O_RDWR | O_CLOEXEC));
	*r->config = (struct rf_export_config){ .queues = 1, .arena_bytes = arena_bytes,
						.name = "disk" };
	r->info = (struct rf_blk_info){ .size = 64 << 20, .block_size = 512,
					.max_transfer = 1 << 20, .max_discard = 1 << 30,
					.features = RF_BLK_HAS_FLUSH | RF_BLK_HAS_DISCARD |
						    RF_BLK_HAS_ZERO | RF_BLK_HAS_FUA };
}

static inline void rig_close(struct rig *r)
{
	munmap(r->data, r->config->arena_bytes);
	munmap(r->config, 4096);
	munmap(r->rings, RIG_RINGS);
	munmap(r->stats, RF_STATS_BYTES);
	for (int i = RF_EXPORT_FD_CONTROL; i < RF_EXPORT_FDS; i++)
		close(r->fd[i]);
	close(r->control);
}

/* Puts the export's fds at their fixed numbers, in this process. */
static inline void rig_install(const struct rig *r)
{
	for (int i = RF_EXPORT_FD_CONTROL; i < RF_EXPORT_FDS; i++)
		rig_must(dup2(r->fd[i], i) == i, "dup2");
}

static inline void rig_send(struct rig *r, enum rf_svc_type type, uint32_t value)
{
	struct rf_svc_msg msg = { .type = type, .generation = r->generation, .half = r->half,
				  .value = value, .queues = r->config->queues, .info = r->info,
				  .net = r->net,
				  .disk = r->disk };

	rig_must(!rf_packet_send(r->control, &msg, sizeof(msg), NULL, 0), "send to export");
}

/* The driver of the current generation is dead. Moves on to its successor's. */
static inline void rig_down(struct rig *r)
{
	r->half ^= 1;
	rig_send(r, RF_SVC_DOWN, 0);
	r->generation++;
}

static inline void rig_quiesced(struct rig *r, uint32_t lost)
{
	r->generation--;
	rig_send(r, RF_SVC_QUIESCED, lost);
	r->generation++;
}

static inline void rig_first_up(struct rig *r)
{
	r->generation = 1;
	rig_send(r, RF_SVC_INFO, 0);
	rig_send(r, RF_SVC_UP, 0);
}

/* A message of the export, waiting for it at most `ms`. Type, or 0: none came. */
static inline uint32_t rig_hear(struct rig *r, struct rf_svc_msg *msg, int ms)
{
	struct pollfd p = { .fd = r->control, .events = POLLIN };
	int fds[RF_PACKET_FDS], count;

	int got;
	do /* the alarm of bounded.h may come at any time */
		got = poll(&p, 1, ms);
	while (got < 0 && errno == EINTR);
	if (got <= 0)
		return 0;
	int n = rf_packet_recv(r->control, msg, sizeof(*msg), fds, &count, MSG_DONTWAIT);
	return n == sizeof(*msg) ? msg->type : 0;
}

/* ---- the driver's end ------------------------------------------------------ */

struct ram {
	struct rf_ring_end req, resp;
	uint32_t           generation;
	unsigned char     *disk, *arena;
	uint64_t           size, arena_bytes;
};

static inline void ram_attach(struct ram *d, const struct rig *r)
{
	struct rf_blk_chan *chan = (void *)(r->rings + r->half * RF_BLK_CHAN_BYTES);

	rf_ring_attach(&d->req, chan->req.bytes, RF_BLK_DEPTH);
	rf_ring_attach(&d->resp, chan->resp.bytes, RF_BLK_DEPTH);
	d->generation = r->generation;
	d->arena = r->data;
	d->arena_bytes = r->config->arena_bytes;
}

static inline bool ram_take(struct ram *d, struct rf_blk_req *req)
{
	int ready = rf_ring_ready(&d->req);

	rig_must(ready >= 0, "request ring");
	if (!ready)
		return false;
	rf_ring_take(&d->req, req, sizeof(*req));
	rf_ring_release(&d->req);
	return true;
}

static inline void ram_say(struct ram *d, uint32_t tag, uint32_t generation, int32_t status)
{
	struct rf_blk_resp resp = { .tag = tag, .generation = generation, .status = status };

	rf_ring_put(&d->resp, &resp, sizeof(resp));
	rf_ring_publish(&d->resp);
}

static inline void ram_answer(struct ram *d, const struct rf_blk_req *req, int32_t status)
{
	ram_say(d, req->tag, d->generation, status);
}

static inline int32_t ram_execute(struct ram *d, const struct rf_blk_req *req)
{
	bool payload = req->op == RF_BLK_READ || req->op == RF_BLK_WRITE;

	if (req->op == RF_BLK_FLUSH)
		return 0;
	if (req->offset > d->size || req->length > d->size - req->offset ||
	    (payload && (req->arena % 4096 || req->arena > d->arena_bytes ||
			 req->length > d->arena_bytes - req->arena)))
		return -EINVAL;
	if (req->op == RF_BLK_READ)
		memcpy(d->arena + req->arena, d->disk + req->offset, req->length);
	else if (req->op == RF_BLK_WRITE)
		memcpy(d->disk + req->offset, d->arena + req->arena, req->length);
	else
		memset(d->disk + req->offset, 0, req->length);
	return 0;
}

#endif
