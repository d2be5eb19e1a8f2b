/* SPDX-License-Identifier: MIT */
/*
 * partition.c - where a partition lies: GPT (UEFI 2.10, 5.3), else MBR.
 *
 * Room:   sandbox/export/nbd, trusted.
 * Trust:  the table comes from the disk, through a driver: none. It is a copy of our own,
 *         and a number out of it is used only after it was found to lie on the disk.
 */
#include <errno.h>
#include <string.h>

#include "nbd.h"

#define MBR_TABLE    446u
#define MBR_ENTRY    16u
#define MBR_GPT      0xee /* type of the entry that protects a GPT */
#define GPT_MAGIC    0x5452415020494645ull /* "EFI PART" */
#define GPT_HEADER   92u
#define GPT_ENTRY    128u

static uint32_t le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t le64(const unsigned char *p)
{
	return le32(p) | (uint64_t)le32(p + 4) << 32;
}

/* CRC-32 as UEFI wants it; `hole` bytes from `skip` on count as zeroes. */
static uint32_t crc32(const unsigned char *p, size_t length, size_t skip, size_t hole)
{
	uint32_t crc = ~0u;

	for (size_t i = 0; i < length; i++) {
		crc ^= i >= skip && i < skip + hole ? 0 : p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}

static int partition_fail(const char **why, const char *text, int err)
{
	*why = text;
	return err;
}

/* Takes [first, first + count), in blocks, if it lies on the disk. */
static int partition_take(const struct rf_blk_info *disk, uint64_t first, uint64_t count,
			  uint64_t *to_first, uint64_t *to_size, const char **why)
{
	uint64_t blocks = disk->size / disk->block_size;

	if (!first || !count || first >= blocks || count > blocks - first)
		return partition_fail(why, "the partition does not lie on the disk", -EPROTO);
	*to_first = first * disk->block_size;
	*to_size = count * disk->block_size;
	return 0;
}

static int gpt(const unsigned char *data, size_t length, const struct rf_blk_info *disk,
	       unsigned number, uint64_t *first, uint64_t *size, const char **why)
{
	static const unsigned char unused[16];
	const unsigned char *header = data + disk->block_size;
	uint32_t bytes = le32(header + 12), entries = le32(header + 80), each = le32(header + 84);
	uint64_t at = le64(header + 72);

	if (bytes < GPT_HEADER || bytes > disk->block_size ||
	    crc32(header, bytes, 16, 4) != le32(header + 16))
		return partition_fail(why, "the GPT header is damaged", -EPROTO);
	if (each < GPT_ENTRY || each > 4096 || each % 8 || !entries || entries > 1024)
		return partition_fail(why, "the GPT header has impossible sizes", -EPROTO);
	if (at < 2 || at > length / disk->block_size ||
	    (uint64_t)entries * each > length - at * disk->block_size)
		return partition_fail(why, "the GPT's entries are not at the beginning of the disk",
				     -EPROTO);
	const unsigned char *table = data + at * disk->block_size;
	if (crc32(table, (size_t)entries * each, 0, 0) != le32(header + 88))
		return partition_fail(why, "the GPT's entries are damaged", -EPROTO);
	const unsigned char *entry = table + (size_t)(number - 1) * each;
	if (number > entries || !memcmp(entry, unused, sizeof(unused)))
		return partition_fail(why, "the GPT has no such partition", -ENOENT);
	uint64_t begin = le64(entry + 32), last = le64(entry + 40);
	if (last < begin)
		return partition_fail(why, "the partition ends before it begins", -EPROTO);
	return partition_take(disk, begin, last - begin + 1, first, size, why);
}

int nbd_partition_find(const unsigned char *data, size_t length, const struct rf_blk_info *disk,
		       unsigned number, uint64_t *first, uint64_t *size, const char **why)
{
	if (!number || length < 2 * (size_t)disk->block_size || data[510] != 0x55 ||
	    data[511] != 0xaa)
		return partition_fail(why, "the disk has no partition table", -ENOENT);
	bool protected = false;
	for (unsigned i = 0; i < 4; i++)
		protected |= data[MBR_TABLE + i * MBR_ENTRY + 4] == MBR_GPT;
	if (protected && le64(data + disk->block_size) == GPT_MAGIC)
		return gpt(data, length, disk, number, first, size, why);
	if (protected)
		return partition_fail(why, "the MBR announces a GPT that is not there", -EPROTO);
	if (number > 4)
		return partition_fail(why, "of an MBR the partitions 1 to 4 can be had", -ENOENT);
	const unsigned char *entry = data + MBR_TABLE + (number - 1) * MBR_ENTRY;
	if (!entry[4] || !le32(entry + 12))
		return partition_fail(why, "the MBR has no such partition", -ENOENT);
	return partition_take(disk, le32(entry + 8), le32(entry + 12), first, size, why);
}
