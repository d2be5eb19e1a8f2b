/* SPDX-License-Identifier: MIT */
/*
 * cc.h - what lwIP wants to know of the compiler and of us.
 *
 * Room:   net/export/lwip/arch. Included by lwIP through lwip/arch.h.
 * Bugs:   lwIP's assertions stay in: one that fails ends the process with a line, as our
 *         own RF_BUG_ON does.
 */
#ifndef RF_LWIP_CC_H
#define RF_LWIP_CC_H

#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>

_Noreturn void rf_lwip_assert(const char *what, const char *file, int line);
uint32_t rf_lwip_random(void);
uint16_t rf_checksum(const void *data, int length);
uint16_t rf_checksum_copy(void *to, const void *from, uint16_t length);

#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x) rf_lwip_assert(x, __FILE__, __LINE__)
#define LWIP_RAND()             rf_lwip_random()
#define LWIP_DONT_PROVIDE_BYTEORDER_FUNCTIONS
#define lwip_htons(x)           __builtin_bswap16(x)
#define lwip_htonl(x)           __builtin_bswap32(x)
#define LWIP_NO_CTYPE_H         0
#define LWIP_TIMEVAL_PRIVATE    0

#endif
