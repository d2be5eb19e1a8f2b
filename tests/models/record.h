/* SPDX-License-Identifier: MIT */
/*
 * record.h - all that ever changed on a model's disk, in order: what a power cut at any
 * moment may have left of it can be worked out afterwards.
 *
 * Room:   tests/models; read by tests/promise.
 * Shape:  one file, mapped by both: struct record_head, then records, each followed by its
 *         data. `end` moves on when a record is complete, and before the command that made
 *         it completes. So who reads `end` after an answer has a place in the file that
 *         everything the answer tells of lies before.
 */
#ifndef MODEL_RECORD_H
#define MODEL_RECORD_H

#include <stdatomic.h>
#include <stdint.h>

#define RECORD_MAGIC 0x316472636572666dull

struct record_head {
	uint64_t magic;
	uint64_t disk_bytes;
	uint32_t block; /* what a power cut leaves whole: AWUPF of one block */
	uint32_t reserved;
	_Atomic uint64_t end; /* bytes of the file in use */
};
#define RECORD_FIRST 4096u

enum record_kind {
	RECORD_WRITE = 1, /* into the cache; `bytes` of data follow */
	RECORD_ZERO,      /* likewise, of zeroes: none follow */
	RECORD_SETTLE,    /* what was written to this range is stable (FUA) */
	RECORD_FLUSH,     /* all that was written is stable */
};

struct record {
	uint64_t kind; /* enum record_kind */
	uint64_t offset, bytes;
};

#endif
