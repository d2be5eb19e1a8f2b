/* SPDX-License-Identifier: MIT */
/*
 * info.c - the disk, as the device process describes it.
 *
 * Room:   sandbox/blk, trusted.
 */
#include <errno.h>
#include <string.h>

#include "core.h"

/* No length that passes is longer than disk or arena: saves the fast path two checks. */
static uint32_t limit(uint64_t bytes, uint64_t most)
{
	return (uint32_t)(bytes < most ? bytes : most);
}

static void limits_set(struct rf_blk *s)
{
	s->limit[RF_BLK_READ] = limit(limit(s->info.max_transfer, s->info.size), s->arena_bytes);
	if (!(s->info.features & RF_BLK_READ_ONLY)) {
		s->limit[RF_BLK_WRITE] = s->limit[RF_BLK_READ];
		if (s->info.features & RF_BLK_HAS_DISCARD)
			s->limit[RF_BLK_DISCARD] = limit(s->info.max_discard, s->info.size);
		if (s->info.features & RF_BLK_HAS_ZERO)
			s->limit[RF_BLK_ZERO] = limit(s->info.max_discard, s->info.size);
	}
}

static int limits_changed(const struct rf_blk *s, const struct rf_blk_info *now)
{
	const struct rf_blk_info *was = &s->info;
	bool same = was->size == now->size && was->block_size == now->block_size;

	rf_log("this disk had %llu bytes in blocks of %u, and has %llu in blocks of %u now%s: its "
	       "clients have to connect again",
	       (unsigned long long)was->size, was->block_size, (unsigned long long)now->size,
	       now->block_size, same ? ", with other limits or features" : "");
	return -ESTALE;
}

/* The device was opened anew since. It may not be what was promised to clients; and another disk
 * the supervisor has refused before we are told, so that this is a second look. -ESTALE, after
 * one line in the log. */
static int disk_again(const struct rf_blk *s, const struct rf_blk_info *now,
		      const struct rf_identity *disk)
{
	if (!rf_identity_same(&s->table->head.disk, disk)) {
		rf_log("this was disk %s, and is %s now: its clients have to connect again",
		       rf_identity_text(&s->table->head.disk), rf_identity_text(disk));
		return -ESTALE;
	}
	return memcmp(now, &s->info, sizeof(*now)) ? limits_changed(s, now) : 0;
}

int rf_disk_info(struct rf_session *session, const struct rf_svc_msg *msg)
{
	struct rf_blk *s = rf_blk_of(session);
	struct rf_blk_info in = msg->info;
	uint32_t block = in.block_size;

	if (block < 512 || block > RF_ARENA_UNIT || block & (block - 1) || !in.size ||
	    in.size % block || in.size > INT64_MAX || in.max_transfer < RF_ARENA_UNIT ||
	    in.max_transfer % RF_ARENA_UNIT || !rf_identity_valid(&msg->disk))
		return -EPROTO;
	if (in.max_transfer > RF_ARENA_MAX)
		in.max_transfer = RF_ARENA_MAX;
	if (session->config.flags & RF_EXPORT_READ_ONLY)
		in.features |= RF_BLK_READ_ONLY;
	in.max_discard -= in.max_discard % block;
	if (!in.max_discard)
		in.features &= ~(RF_BLK_HAS_DISCARD | RF_BLK_HAS_ZERO);
	int err = s->filter->ops->disk(s->filter, &in);
	if (err)
		return err;
	if (session->known)
		return disk_again(s, &in, &msg->disk);
	s->info = in;
	session->known = true;
	s->size = in.size;
	s->block_mask = block - 1;
	limits_set(s);
	rf_routes_set(s);
	rf_disk_known(s, &msg->disk);
	return 0;
}

int rf_disk_back(struct rf_session *session, const struct rf_svc_msg *msg)
{
	struct rf_blk *s = rf_blk_of(session);
	int err = s->filter->ops->back(s->filter);

	if (!err)
		err = rf_disk_info(session, msg);
	if (!err)
		limits_set(s);
	return err;
}
