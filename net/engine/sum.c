/* SPDX-License-Identifier: MIT */
/* sum.c - the Internet checksum in software, for devices that cannot. RFC 1071.
 * Room: net/engine, trusted. */
#include <string.h>

#include "net_service.h"

void rf_net_sum_fill(void *frame, uint32_t length, uint32_t csum_start, uint32_t csum_offset)
{
	unsigned char *at = (unsigned char *)frame + csum_start,
		      *end = (unsigned char *)frame + length;
	unsigned char *field = at + csum_offset;
	uint64_t sum = 0;
	uint16_t word = 0;

	/* The field holds the pseudo header's sum already: RFC 1071, 2(B), any byte order. */
	for (; at + 1 < end; at += 2) {
		memcpy(&word, at, 2);
		sum += word;
	}
	if (at < end) {
		word = 0;
		memcpy(&word, at, 1);
		sum += word;
	}
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	word = (uint16_t)~sum;
	/* RFC 768: 0 means that there is none. */
	if (!word)
		word = 0xffff;
	memcpy(field, &word, 2);
}
