/* SPDX-License-Identifier: MIT */
/* disk.c - see disk.h. Room: net/export/lwip, trusted. */
#include "disk.h"
#include "export_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "stack.h"
#include "stats.h"

#define TABLE_BYTES 262144u /* at the disk's start, in which its partition table must lie */

static unsigned char table_bytes[TABLE_BYTES];

/* ---- NBD over streams ---------------------------------------------------------------------- */

static ssize_t disk_receive(struct nbd_conn *c, struct iovec *iov, int pieces)
{
	struct stream *s = c->stream;
	struct iovec have[2];
	size_t total = 0;

	for (int i = 0; i < pieces; i++) {
		uint8_t *to = iov[i].iov_base;
		size_t left = iov[i].iov_len;

		while (left && stream_peek(s, have)) {
			size_t n = have[0].iov_len < left ? have[0].iov_len : left;

			memcpy(to, have[0].iov_base, n);
			stream_consume(s, n);
			to += n;
			left -= n;
			total += n;
		}
	}
	((struct disk_export *)c->export)->service->to_host += total;
	if (total || stream_at_end(s))
		return (ssize_t)total;
	return s->error ? s->error : -EAGAIN;
}

static ssize_t send_pieces(struct nbd_conn *c, struct iovec *iov, int pieces)
{
	struct stream *s = c->stream;
	size_t total = 0;

	if (s->error)
		return s->error;
	for (int i = 0; i < pieces; i++) {
		size_t n = stream_write(s, iov[i].iov_base, iov[i].iov_len);

		total += n;
		if (n < iov[i].iov_len)
			break;
	}
	((struct disk_export *)c->export)->service->to_stack += total;
	return total ? (ssize_t)total : -EAGAIN;
}

/* A stream reports changes only: what is there already is asked for once more. */
static void watch_stream(struct nbd_conn *c, bool in, bool out)
{
	struct stream *s = c->stream;

	if (in && (stream_readable(s) || s->finished || s->error))
		stream_note(s);
	if (out && s->error)
		stream_note(s);
}

static void close_stream(struct nbd_conn *c)
{
	struct stream *s = c->stream;

	((struct disk_export *)c->export)->service->active--;
	c->stream = NULL;
	stream_close(s);
}

static uint32_t stream_sent(const struct nbd_conn *c)
{
	return stream_place(c->stream);
}

static bool stream_arrived(const struct nbd_conn *c, uint32_t place)
{
	return stream_reached(c->stream, place);
}

static const struct nbd_transport over_stream = {
	.receive = disk_receive,
	.send = send_pieces,
	.watch = watch_stream,
	.close = close_stream,
	.sent = stream_sent,
	.arrived = stream_arrived,
};

static void disk_event(struct stream *s, void *owner)
{
	struct nbd_conn *c = owner;

	nbd_conn_event(c, stream_readable(s) || s->finished, c->blocked && stream_room(s),
		       s->error);
}

/* Names the peer that shares are counted by: an address, or the 64 bits of IPv6 that one host
 * may have to itself. */
static void name_peer(const struct stream *s, char *to, size_t room)
{
	ip_addr_t peer = s->pcb->remote_ip;
	bool six = IP_IS_V6_VAL(peer);

	if (six)
		ip_2_ip6(&peer)->addr[2] = ip_2_ip6(&peer)->addr[3] = 0;
	snprintf(to, room, "%s%s", ipaddr_ntoa(&peer), six ? "/64" : "");
}

static void table_look(struct lwip_disk *d);

static bool accept_client(struct stream *s, void *arg)
{
	struct service *service = arg;
	struct lwip_disk *d = service->disk;
	struct disk_export *e = d->exports;
	char peer[NBD_PEER];

	while (e->service != service)
		e++;
	if (!e->known)
		table_look(d); /* so that the next client finds it */
	if (!e->known || !d->nbd.info || rf_blk_gone(d->service) ||
	    !nbd_slot_possible(&d->nbd)) {
		service->failed++;
		return false;
	}
	name_peer(s, peer, sizeof(peer));
	struct nbd_conn *c = nbd_conn_slot(&d->nbd, peer);
	service->accepted++;
	service->active++;
	s->event = disk_event;
	s->owner = c;
	c->transport = &over_stream;
	c->stream = s;
	nbd_conn_open(c, &e->export);
	return true;
}

/* ---- what is exported ------------------------------------------------------------------------ */

static void locate(struct disk_export *e, const struct rf_blk_info *info, size_t length)
{
	unsigned number = e->service->config->partition;
	const char *why = NULL;

	if (number && nbd_partition_find(table_bytes, length, info, number, &e->export.first,
					 &e->export.size, &why)) {
		rf_log_peer("disk %s, partition %u: %s; it is not exported", e->export.name, number,
			    why);
		return;
	}
	if (!number)
		e->export.size = info->size;
	e->known = true;
}

static void table_read(struct rf_io *io, int status)
{
	struct lwip_disk *d = (struct lwip_disk *)((char *)io - offsetof(struct lwip_disk, probe));

	d->probing = false;
	/* The driver and the device can still write there: a copy is judged. */
	memcpy(table_bytes, rf_blk_at(d->service, io->arena), io->length);
	rf_blk_free(d->service, io->arena, io->length);
	if (status) {
		rf_log_peer("disk %s: its partition table cannot be read: %s; the next client of a "
			    "partition has it read again",
			    d->exports[0].export.name, strerror(-status));
		return;
	}
	for (uint32_t i = 0; i < d->count; i++)
		if (d->exports[i].service->config->partition && !d->exports[i].known)
			locate(&d->exports[i], d->nbd.info, io->length);
}

/* Reads the partition table again: it may have become readable, or have got the partition that
 * is asked for. */
static void table_look(struct lwip_disk *d)
{
	const struct rf_blk_info *info = d->nbd.info;
	uint64_t length = TABLE_BYTES;

	if (d->probing || !info || rf_blk_gone(d->service))
		return;
	if (length > info->max_transfer)
		length = info->max_transfer;
	if (length > info->size)
		length = info->size;
	length -= length % info->block_size;
	d->probe =
		(struct rf_io){ .op = RF_BLK_READ, .length = (uint32_t)length, .done = table_read };
	while (length && rf_blk_alloc(d->service, (uint32_t)length, &d->probe.arena))
		length = length / 2 & -(uint64_t)info->block_size;
	if (!length) {
		rf_log_peer("disk %s: no room to read its partition table; the next client of a "
			    "partition "
			    "has it read again",
			    d->exports[0].export.name);
		return;
	}
	d->probe.length = (uint32_t)length;
	d->probing = true;
	int err = rf_blk_submit(d->service, &d->probe);
	if (err)
		table_read(&d->probe, err);
}

static void disk_learn(struct lwip_disk *d)
{
	for (uint32_t i = 0; i < d->count; i++)
		if (!d->exports[i].service->config->partition)
			locate(&d->exports[i], d->nbd.info, 0);
	if (!d->wants_table)
		return;
	d->wants_table = false;
	table_look(d);
}

/* Looks whether the disk can be served now. */
static void disk_look(struct lwip_disk *d)
{
	if (d->nbd.info)
		return;
	nbd_server_info(&d->nbd);
	if (d->nbd.info)
		disk_learn(d);
}

/* Gives up one disk; the others of this process go on. */
static void drop(struct lwip_disk *d, const char *why, const char *more)
{
	rf_log("disk %s is served no more, others are: %s (%s); look at the device, then restart "
	       "it",
	       disk_name(d), why, more);
	rf_blk_drop(d->service);
}

static void drop_refused(struct lwip_disk *d)
{
	if (rf_blk_refused(d->service) && !rf_blk_gone(d->service))
		drop(d, "it cannot be served as it is configured", "the line before says why");
}

static void disk_control(struct loop_watch *w)
{
	struct lwip_disk *d = (struct lwip_disk *)((char *)w - offsetof(struct lwip_disk, control));
	int err = rf_blk_control(d->service);

	if (err == -EPIPE)
		exit(0);
	if (err && !rf_blk_refused(d->service))
		drop(d, "its device process says what cannot be", strerror(-err));
	drop_refused(d);
	if (!err)
		disk_look(d);
}

static void disk_kicked(struct loop_watch *w)
{
	(void)w; /* to wake up was all */
}

void disk_open(struct lwip_disk *d, uint32_t index)
{
	int err = rf_blk_open_at(&d->service, RF_LWIP_DISK_FD(index));

	d->nbd.service = d->service;
	if (!err)
		err = nbd_pools_open(&d->nbd);
	if (err)
		rf_die(RF_EXIT_BUG, "cannot start disk %u: %s", index, strerror(-err));
	d->nbd.errors = rf_blk_stats(d->service)->client_errors;
	d->nbd.cut = rf_blk_stats(d->service)->clients_cut;
	d->control = (struct loop_watch){ .fd = RF_LWIP_DISK_FD(index) + RF_EXPORT_FD_CONTROL,
				     .call = disk_control };
	d->kick = (struct loop_watch){ .fd = RF_LWIP_DISK_FD(index) + RF_EXPORT_FD_KICK,
				  .call = disk_kicked };
	loop_want(&d->control, EPOLLIN);
	loop_want(&d->kick, EPOLLIN | EPOLLET);
}

int disk_listen(struct lwip_disk *d, struct service *s, const ip_addr_t *at,
		bool (*allow)(const ip_addr_t *, void *))
{
	struct disk_export *e = &d->exports[d->count];
	uint16_t port = s->config->listen.port;
	int err = stream_listen(at, port, allow, accept_client, s);

	if (err)
		return err;
	*e = (struct disk_export){ .service = s };
	e->export.name = s->config->device;
	e->export.read_only = s->config->read_only;
	s->disk = d;
	d->count++;
	d->wants_table |= s->config->partition != 0;
	rf_log("WARNING: NBD on lwip-tcp port %u (disk %s) is WITHOUT TLS: whoever is on the way "
	       "can "
	       "read and change all of it; allow networks you trust only",
	       port, e->export.name);
	if (d->nbd.info)
		disk_learn(d);
	return 0;
}

int disk_work(struct lwip_disk *d)
{
	d->nbd.now = stack_now_ns();
	bool knew = d->nbd.info;
	int done = nbd_server_work(&d->nbd);
	drop_refused(d);
	if (!knew && d->nbd.info)
		disk_learn(d);
	return done;
}

void disk_tick(struct lwip_disk *d)
{
	nbd_server_tick(&d->nbd);
	/* A stream that found all segments in use gets no event when some are free: it is looked
	 * at here. */
	for (uint32_t i = 0; i < NBD_SLOTS; i++)
		if (d->nbd.conns[i].stream && d->nbd.conns[i].blocked)
			stream_note(d->nbd.conns[i].stream);
}

bool disk_sleep(struct lwip_disk *d)
{
	return rf_blk_sleep(d->service);
}

void disk_wake(struct lwip_disk *d)
{
	rf_blk_wake(d->service, false);
}

int disk_patience(const struct lwip_disk *d)
{
	int ms = rf_blk_patience(d->service), limited = nbd_limits_patience(&d->nbd);

	return limited >= 0 && (ms < 0 || limited < ms) ? limited : ms;
}

uint64_t disk_spin_ns(const struct lwip_disk *d)
{
	return rf_blk_up(d->service) && rf_blk_inflight(d->service) ?
	       rf_blk_config(d->service)->spin_ns : 0;
}
