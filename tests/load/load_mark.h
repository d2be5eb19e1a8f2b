/* SPDX-License-Identifier: MIT */
/*
 * load_mark.h - instructions that do nothing, for who counts instructions to see.
 *
 * Room:   tests/load.
 * Bytes:  0f 1f 84 00 and four of magic: nopl MAGIC(%rax,%rax,1), a no-op with a
 *         displacement no compiler writes. A counter looks for these eight bytes.
 */
#ifndef RF_MARK_H
#define RF_MARK_H

#define RF_MARK_BEGIN_MAGIC 0x52464d31 /* "RFM1" */
#define RF_MARK_END_MAGIC   0x52464d32

static inline void rf_mark_begin(void)
{
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00\n\t.long 0x52464d31" : : : "memory");
}

static inline void rf_mark_end(void)
{
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00\n\t.long 0x52464d32" : : : "memory");
}

#endif
