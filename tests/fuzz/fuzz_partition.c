/* SPDX-License-Identifier: MIT */
/*
 * fuzz_partition.c - the partition table of a disk that somebody else has written.
 *
 * Room:   tests/fuzz. Input: one byte of options, then the disk's first bytes. With bit 1
 *         checksums of a GPT are made right, so that what lies behind them is reached.
 * Judged: a partition that is found lies on the disk.
 */
#include <stdlib.h>

#include "sandbox/export/nbd/partition.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put32(unsigned char *p, uint32_t v)
{
	memcpy(p, &v, 4);
}

static void mend(unsigned char *disk, size_t length, uint32_t block)
{
	unsigned char *header = disk + block;
	uint64_t at = le64(header + 72), bytes = (uint64_t)le32(header + 80) * le32(header + 84);

	disk[510] = 0x55;
	disk[511] = 0xaa;
	disk[MBR_TABLE + 4] = MBR_GPT;
	memcpy(header, "EFI PART", 8);
	if (at < length / block && bytes <= length - at * block)
		put32(header + 88, crc32(disk + at * block, bytes, 0, 0));
	put32(header + 12, GPT_HEADER);
	put32(header + 16, crc32(header, GPT_HEADER, 16, 4));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rf_blk_info disk = { .size = 64 << 20 };
	uint64_t first, bytes;
	const char *why;

	if (size < 2)
		return 0;
	disk.block_size = data[0] & 1 ? 4096 : 512;
	/* of exactly that length: ASan sees one byte more */
	unsigned char *copy = malloc(size - 1);
	if (!copy)
		abort();
	memcpy(copy, data + 1, size - 1);
	if (data[0] & 2 && size - 1 >= 2 * disk.block_size)
		mend(copy, size - 1, disk.block_size);
	if (!nbd_partition_find(copy, size - 1, &disk, 1 + (data[0] >> 2), &first, &bytes, &why) &&
	    (!first || !bytes || first > disk.size || bytes > disk.size - first ||
	     (first | bytes) % disk.block_size))
		abort();
	free(copy);
	return 0;
}
