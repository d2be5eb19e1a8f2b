/* SPDX-License-Identifier: MIT */
/* spec.c - see spec.h. Room: sandbox/launch, trusted. */
#include "spec.h"

#include <stddef.h>
#include <string.h>

#include "boot.h"

#define WINDOW_MAX (1ull << 36) /* 64 GiB: more is a mistake */

static const char *window_check(const struct rf_launch *spec, const struct rf_launch_window *w)
{
	if (w->fd >= spec->fd_count)
		return "a window of an fd that is not there";
	if (w->flags & ~(RF_WINDOW_WRITE | RF_WINDOW_BOOT))
		return "a window with unknown flags";
	if (!w->bytes || w->bytes % RF_PAGE || w->bytes > WINDOW_MAX)
		return "a window that is not a number of pages";
	if (w->offset % RF_PAGE || w->offset > INT64_MAX - w->bytes)
		return "a window at an impossible offset";
	if ((w->flags & RF_WINDOW_BOOT) && (w->flags & RF_WINDOW_WRITE))
		return "a boot window the driver could write";
	return NULL;
}

/* Fixups fill in addresses only: nothing before the first one may change. */
static const char *fixup_check(const struct rf_launch *spec, const struct rf_launch_fixup *f)
{
	if (f->window >= spec->window_count)
		return "a fixup of a window that is not there";
	if (f->boot_offset % 8 || f->boot_offset < offsetof(struct rf_boot, arena) ||
	    f->boot_offset > sizeof(struct rf_boot) - 8)
		return "a fixup outside the addresses of the boot record";
	if (f->add >= spec->windows[f->window].bytes)
		return "a fixup that points behind its window";
	return NULL;
}

static const char *counts_check(const struct rf_launch *spec)
{
	if (spec->magic != RF_LAUNCH_MAGIC || spec->version != RF_LAUNCH_VERSION)
		return "not a launch page of this version";
	if (spec->flags & ~RF_LAUNCH_DEVICE)
		return "unknown flags";
	if (!memchr(spec->filter, 0, sizeof(spec->filter)))
		return "a system call list without an end to its name";
	if (!spec->generation)
		return "generation 0, which no driver has";
	if (spec->fd_count > RF_LAUNCH_MAX_FDS || spec->window_count > RF_LAUNCH_MAX_WINDOWS ||
	    spec->fixup_count > RF_LAUNCH_MAX_FIXUPS)
		return "more fds, windows or fixups than there can be";
	return NULL;
}

const char *rf_spec_check(const struct rf_launch *spec)
{
	const char *wrong = counts_check(spec);
	unsigned    boots = 0;

	for (unsigned i = 0; !wrong && i < spec->window_count; i++) {
		wrong = window_check(spec, &spec->windows[i]);
		boots += !!(spec->windows[i].flags & RF_WINDOW_BOOT);
	}
	for (unsigned i = 0; !wrong && i < spec->fixup_count; i++)
		wrong = fixup_check(spec, &spec->fixups[i]);
	if (!wrong && boots != 1)
		wrong = "not exactly one boot window";
	return wrong;
}
