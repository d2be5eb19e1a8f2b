/* SPDX-License-Identifier: MIT */
/*
 * checksum.c - the Internet checksum (RFC 1071) for lwIP, 64 bits at a time.
 *
 * Room:   net/export/lwip, trusted.
 * Why:    added up by lwIP's own C, checksums are 70 % of what a segment costs. The carry
 *         of a 64-bit sum wraps around as that of a 16-bit one does, because 65535
 *         divides 2^64 - 1; so one add-with-carry takes eight bytes.
 *         They are not left to the device, although a segment of 1,460 bytes would then
 *         cost 3,390 instructions instead of 4,036 (both ends together, the receiver
 *         trusting its device; valgrind's lackey; before what the pseudo header's sum and
 *         the driver's descriptors take of that): a sum made while copying also covers the
 *         way through arena and device, where nobody else would notice a changed byte.
 * Trust:  rf_checksum_copy() sums what it stored, not what it read: the source may be
 *         memory that somebody else writes.
 * Order:  the sum of the words as they lie in memory, not inverted: what lwIP wants.
 */
#include <stddef.h>
#include <string.h>

#include "arch/cc.h"

#define BLOCK 64u

static inline uint64_t checksum_add(uint64_t sum, uint64_t word)
{
	uint64_t out;

	return __builtin_add_overflow(sum, word, &out) ? out + 1 : out;
}

static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* Sum of fewer than BLOCK bytes; a last odd one is the first of a word. */
static uint64_t tail(const unsigned char *p, size_t length, uint64_t sum)
{
	uint64_t word;

	for (; length >= 8; length -= 8, p += 8) {
		memcpy(&word, p, 8);
		sum = checksum_add(sum, word);
	}
	/* 7 bytes at most: with what is left of a word, no carry gets lost. */
	uint64_t last = 0;
	uint32_t four;
	uint16_t two;
	if (length & 4) {
		memcpy(&four, p, 4);
		last += four;
		p += 4;
	}
	if (length & 2) {
		memcpy(&two, p, 2);
		last += two;
		p += 2;
	}
	if (length & 1)
		last += *p;
	return checksum_add(sum, last);
}

uint16_t rf_checksum(const void *data, int length)
{
	const unsigned char *p = data;
	size_t blocks = (size_t)length / BLOCK;
	uint64_t sum = 0;

	if (blocks)
		__asm__("1:	addq	0(%[p]), %[sum]\n"
			"	adcq	8(%[p]), %[sum]\n"
			"	adcq	16(%[p]), %[sum]\n"
			"	adcq	24(%[p]), %[sum]\n"
			"	adcq	32(%[p]), %[sum]\n"
			"	adcq	40(%[p]), %[sum]\n"
			"	adcq	48(%[p]), %[sum]\n"
			"	adcq	56(%[p]), %[sum]\n"
			"	adcq	$0, %[sum]\n"
			"	addq	$64, %[p]\n"
			"	decq	%[blocks]\n"
			"	jnz	1b\n"
			: [sum] "+r"(sum), [p] "+r"(p), [blocks] "+r"(blocks)
			:
			: "cc", "memory");
	return fold(tail(p, (size_t)length % BLOCK, sum));
}

uint16_t rf_checksum_copy(void *to, const void *from, uint16_t length)
{
	unsigned char *out = to;
	const unsigned char *in = from;
	size_t blocks = length / BLOCK;
	uint64_t sum = 0;

	if (blocks)
		__asm__("1:	movups	0(%[in]), %%xmm0\n"
			"	movups	16(%[in]), %%xmm1\n"
			"	movups	32(%[in]), %%xmm2\n"
			"	movups	48(%[in]), %%xmm3\n"
			"	movups	%%xmm0, 0(%[out])\n"
			"	movups	%%xmm1, 16(%[out])\n"
			"	movups	%%xmm2, 32(%[out])\n"
			"	movups	%%xmm3, 48(%[out])\n"
			"	addq	0(%[out]), %[sum]\n"
			"	adcq	8(%[out]), %[sum]\n"
			"	adcq	16(%[out]), %[sum]\n"
			"	adcq	24(%[out]), %[sum]\n"
			"	adcq	32(%[out]), %[sum]\n"
			"	adcq	40(%[out]), %[sum]\n"
			"	adcq	48(%[out]), %[sum]\n"
			"	adcq	56(%[out]), %[sum]\n"
			"	adcq	$0, %[sum]\n"
			"	addq	$64, %[in]\n"
			"	addq	$64, %[out]\n"
			"	decq	%[blocks]\n"
			"	jnz	1b\n"
			: [sum] "+r"(sum), [in] "+r"(in), [out] "+r"(out), [blocks] "+r"(blocks)
			:
			: "cc", "memory", "xmm0", "xmm1", "xmm2", "xmm3");
	memcpy(out, in, length % BLOCK);
	return fold(tail(out, length % BLOCK, sum));
}
