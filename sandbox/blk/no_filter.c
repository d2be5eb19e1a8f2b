/* SPDX-License-Identifier: MIT */
/* no_filter.c - the filter of a disk that has none. See blk_filter.h. Room: sandbox/blk, trusted.
 */
#include "blk_filter.h"

static int none_disk(struct rf_blk_filter *f, struct rf_blk_info *info)
{
	(void)f;
	(void)info;
	return 0;
}

static bool none_ready(const struct rf_blk_filter *f)
{
	(void)f;
	return true;
}

static void none_submit(struct rf_blk_filter *f, struct rf_io *io)
{
	rf_blk_pass(f->service, io);
}

static void none_event(struct rf_blk_filter *f)
{
	(void)f;
}

static int none_back(struct rf_blk_filter *f)
{
	(void)f;
	return 0;
}

static uint64_t none_caught(const struct rf_blk_filter *f)
{
	(void)f;
	return 0;
}

/* It lies in its service: nobody looks for it or opens it. */
const struct rf_blk_filter_ops rf_blk_no_filter = {
	.close = none_event, .disk = none_disk,
	.ready = none_ready, .submit = none_submit, .up = none_event, .lost = none_event,
	.gone = none_event, .back = none_back, .caught = none_caught,
};
