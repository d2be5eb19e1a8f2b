/* SPDX-License-Identifier: MIT */
/*
 * mark.h - tell the instruction counter (count.c) that the guest is here.
 *
 * A mark is one eight-byte no-op, nopl 0x52464dKK(%rax,%rax,1), where KK is the mark's
 * id: on any other machine, and without the plugin, it does nothing. Needs no privilege
 * and no system call, so it may stand anywhere.
 */
#ifndef RF_BENCH_MARK_H
#define RF_BENCH_MARK_H

#define RF_MARK_BEGIN 0x31
#define RF_MARK_END   0x32

/* id: a constant, 0 to 255 */
#define RF_MARK(id) \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, %c0, 0x4d, 0x46, 0x52" \
			 : \
			 : "i"(id) \
			 : "memory")

#endif
