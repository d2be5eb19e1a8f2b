/* SPDX-License-Identifier: MIT */
/* format.c - see format.h. Room: sandbox/export/format, trusted. */
#include "format.h"

#include <errno.h>
#include <string.h>

#include "exit_code.h"
#include "log.h"
#include "service.h"
#include "disk_layout.h"

#define ROOM (32u * DISK_PAGE) /* of the arena */

struct run {
	struct rf_io            io; /* first */
	const struct rf_format *order;
	struct disk_geometry    g;
	uint64_t                disk; /* bytes in all */
	uint64_t                key[2];
	uint64_t                arena;
	uint32_t                most, losses;
	bool                    cached, answered;
	int                     status;
};

/* ---- one request after the other --------------------------------------------------------- */

static void format_answered(struct rf_io *io, int status)
{
	struct run *r = (struct run *)io;

	r->answered = true;
	r->status = status;
}

/* 0, or -errno of the disk. */
static int format_request(struct run *r, uint8_t op, uint64_t at, uint64_t arena, uint32_t bytes)
{
	r->io = (struct rf_io){
	    .op = op, .length = bytes, .offset = at, .arena = arena, .done = format_answered};
	r->answered = false;
	int err = rf_blk_submit(r->order->service, &r->io);
	while (!err && !r->answered)
		r->order->turn(r->order->with);
	return err ? err : r->status;
}

static unsigned char *buffer(struct run *r)
{
	return rf_blk_at(r->order->service, r->arena);
}

/* All of the buffer's first `bytes`, in parts that the disk takes. */
static int transfer(struct run *r, uint8_t op, uint64_t at, uint32_t bytes)
{
	int err = 0;

	for (uint32_t over = 0; !err && over < bytes; over += r->most)
		err = format_request(r, op, at + over, r->arena + over,
				     bytes - over < r->most ? bytes - over : r->most);
	return err;
}

/* What was written is on stable media. -EAGAIN: the device forgot some of it. */
static int settled(struct run *r)
{
	int err = r->cached ? format_request(r, RF_BLK_FLUSH, 0, 0, 0) : 0;

	return err ? err : rf_blk_losses(r->order->service) != r->losses ? -EAGAIN : 0;
}

/* ---- the area ---------------------------------------------------------------------------- */

static int write_no_supers(struct run *r)
{
	memset(buffer(r), 0, 2 * DISK_PAGE);
	int err = transfer(r, RF_BLK_WRITE, r->g.super_at, 2 * DISK_PAGE);
	return err ? err : settled(r);
}

static int write_table(struct run *r)
{
	int err = 0;

	for (uint64_t page = 0, count; !err && page < r->g.table_pages; page += count) {
		count = r->g.table_pages - page < ROOM / DISK_PAGE ? r->g.table_pages - page
								   : ROOM / DISK_PAGE;
		memset(buffer(r), 0, ROOM);
		for (uint64_t i = 0; i < count; i++)
			table_page_seal(r->key, &r->g, buffer(r) + i * DISK_PAGE, page + i, 1);
		err = transfer(r, RF_BLK_WRITE, r->g.table_at + page * DISK_PAGE,
			       (uint32_t)count * DISK_PAGE);
	}
	return err ? err : settled(r);
}

static int write_super(struct run *r)
{
	struct superblock super = { .magic = SUPER_MAGIC, .version = SUPER_VERSION,
				    .block = r->g.block, .disk = r->disk,
				    .volume = r->order->volume, .number = 2, .journal = 1,
				    .flags = r->order->adopt ? SUPER_ADOPTED : 0 };

	superblock_seal(r->order->key, &super);
	memset(buffer(r), 0, 2 * DISK_PAGE);
	memcpy(buffer(r), &super, sizeof(super));
	int err = transfer(r, RF_BLK_WRITE, r->g.super_at, 2 * DISK_PAGE);
	return err ? err : settled(r);
}

static int write_area(struct run *r)
{
	int err;

	do {
		r->losses = rf_blk_losses(r->order->service);
		err = write_no_supers(r);
		if (!err)
			err = write_table(r);
		if (!err)
			err = write_super(r);
	} while (err == -EAGAIN);
	return err;
}

/* An area of any key counts. 0 or 1, or -errno. */
static int area_there(struct run *r)
{
	int err = transfer(r, RF_BLK_READ, r->g.super_at, 2 * DISK_PAGE), there = 0;

	for (uint32_t i = 0; i < 2; i++) {
		struct superblock s;

		memcpy(&s, buffer(r) + i * DISK_PAGE, sizeof(s));
		there |= superblock_look(r->order->key, &s, r->disk, r->g.block) != SUPER_NONE;
	}
	return err ? err : there;
}

/* ---- all of it --------------------------------------------------------------------------- */

static bool format_prepare(struct run *r, const struct rf_blk_info *info)
{
	char why[LAYOUT_LIMITS];

	if (info->features & RF_BLK_READ_ONLY) {
		rf_log("not formatted: this disk is write-protected");
		return false;
	}
	if (!layout_geometry(&r->g, info->size, info->block_size)) {
		layout_limits(why, info->size, info->block_size);
		rf_log("not formatted: %s", why);
		return false;
	}
	r->disk = info->size;
	r->cached = info->features & RF_BLK_HAS_FLUSH;
	r->most = info->max_transfer < ROOM ? info->max_transfer : ROOM;
	layout_key(r->key, r->order->key, r->order->volume);
	int err = rf_blk_alloc(r->order->service, ROOM, &r->arena);
	if (err)
		rf_log("not formatted: no room in the arena: %s", strerror(-err));
	return !err;
}

static void log_what_was_made(const struct run *r)
{
	rf_log("formatted: %llu MiB for clients, %s; %llu MiB at the end are kept for checksums",
	       (unsigned long long)(r->g.table_at >> 20), r->order->adopt ?
	       "with what was in them" : "which read as zeroes",
	       (unsigned long long)((r->disk - r->g.table_at) >> 20));
}

int rf_format(const struct rf_format *order)
{
	struct run r = { .order = order };

	rf_blk_reports_losses(order->service); /* losses are looked for here */
	if (!format_prepare(&r, rf_blk_info(order->service)))
		return RF_EXIT_INTEGRITY;
	int there = area_there(&r);
	if (there > 0 && !order->again) {
		rf_log("not formatted: this disk has a checksum area already. '--reformat' loses "
		       "all that is on it");
		return RF_EXIT_INTEGRITY;
	}
	int err = there < 0 ? there : write_area(&r);
	if (err) {
		rf_log("not formatted: the disk answers %s", strerror(-err));
		return RF_EXIT_INTEGRITY;
	}
	log_what_was_made(&r);
	return RF_EXIT_FORMATTED;
}
