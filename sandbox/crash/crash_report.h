/* SPDX-License-Identifier: MIT */
/*
 * crash_report.h - rf-crash writes a bundle for each driver that died: what its files share.
 *
 * Room:   sandbox/crash, trusted, unprivileged, locked. Holds one directory.
 * Trust:  none in what a driver left: numbers are printed, the image's symbols are looked up
 *         within its bounds, text of the kernel's log is escaped.
 * Memory: all of it is static: nothing is allocated behind the lock.
 */
#ifndef RF_CRASH_REPORT_H
#define RF_CRASH_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture.h"
#include "crash.h"
#include "stats.h"

#define CRASH_BUNDLES 64u     /* most that are kept; each is two files */
#define CRASH_BYTES    32768u /* most of one file */
#define CRASH_LINES    16u    /* of the kernel's log */

/* Text in a buffer, cut where it does not fit. */
struct text {
	char   at[CRASH_BYTES];
	size_t used;
};
void text_add(struct text *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string, quotes and all. */
void text_add_string(struct text *, const char *);

/* ---- image.c: the dead driver's file, mapped ------------------------------------------ */
struct image {
	const unsigned char *at;
	size_t bytes;
};
/* "function+0x12" of an offset in the image, "" if nothing is known of it. */
void image_symbol(const struct image *, uint64_t offset, char *name, size_t room);
/* Is there a call right before this offset? */
bool image_returns(const struct image *, uint64_t offset);
/* In hexadecimal, "" if it has none. */
void image_build_id(const struct image *, char *text, size_t room);

/* ---- what is known of one death --------------------------------------------------------- */
struct findings {
	const struct rf_death *death;
	struct image image;
	/* NULL: not told, or told of another generation. */
	const struct rf_capture_service  *service; /* of a block driver */
	const struct rf_capture_net      *net;
	const struct rf_capture_device   *device;
	const struct rf_recovery_service *reissue;
	const struct rf_recovery_device  *recovery;
	const char (*kernel)[256];
	unsigned kernel_lines;
};
/* json.c, report.c: the same for a program and for a person. */
void bundle_json(struct text *, const struct findings *);
void bundle_report(struct text *, const struct findings *);

/* Return addresses among the words of a stack, the instruction pointer first. Number of them. */
#define CRASH_FRAMES 16u
unsigned backtrace(const struct findings *, uint64_t *offsets);

/* Index of the first record of a ring's tail that there is. */
static inline uint32_t tail_start(uint32_t tail)
{
	return tail < RF_CAPTURE_TAIL ? 0 : tail - RF_CAPTURE_TAIL;
}

extern const char *const register_names[RF_DEATH_REGS];
/* What the specification calls a device's register; "" if it is not known here. */
const char *device_register(const struct rf_death *, uint32_t offset);
const char *reset_name(uint32_t method);
const char *request_name(uint8_t op);

#endif
