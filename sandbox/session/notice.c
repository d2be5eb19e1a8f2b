/* SPDX-License-Identifier: MIT */
/* notice.c - see notice.h. Room: sandbox/session, trusted. */
#include "notice.h"

/* Deaths so long ago that the log has lost them are not told. */
static bool notice_down(struct rf_notices *told, const struct rf_notice_now *now,
			struct rf_notice *out)
{
	const uint32_t kept = RF_STATS_LOG / now->step * now->step;

	if (now->generation - told->generation > kept)
		told->generation = now->generation - kept;
	while (told->generation != now->generation) {
		uint32_t dead = told->generation;

		told->generation = rf_number_next(dead, now->step);
		const struct rf_recovery_service *log = &now->log[dead % RF_STATS_LOG];

		if (log->generation != dead || log->down_ns < told->since_ns)
			continue;
		*out = (struct rf_notice){ .type = RF_NOTICE_DOWN, .generation = dead,
					   .count = now->frames ? log->inflight : log->reissued };
		/* The first of several that died before one came up is what clients waited for. */
		if (told->up || !told->down_ns)
			told->down_ns = log->down_ns;
		told->up = false;
		return true;
	}
	return false;
}

static bool notice_up(struct rf_notices *told, const struct rf_notice_now *now,
		      struct rf_notice *out)
{
	if (told->up || !now->up)
		return false;
	*out = (struct rf_notice){ .type = RF_NOTICE_UP, .generation = now->generation,
				   .ns = told->down_ns ? now->now_ns - told->down_ns : 0 };
	told->up = true;
	told->down_ns = 0;
	return out->ns != 0; /* the first driver follows nobody */
}

bool rf_notice_next(struct rf_notices *told, const struct rf_notice_now *now,
		    struct rf_notice *out)
{
	if (notice_down(told, now, out))
		return true;
	if (told->losses != now->losses) {
		told->losses++;
		*out = (struct rf_notice){ .type = RF_NOTICE_CACHE_LOST,
					   .generation = now->generation };
		return true;
	}
	if (now->gone != told->gone) {
		told->gone = now->gone;
		told->up = false;
		*out = (struct rf_notice){ .type = RF_NOTICE_GONE, .generation = now->generation };
		if (now->gone)
			return true;
	}
	return notice_up(told, now, out);
}
