/* SPDX-License-Identifier: MIT */
/*
 * proto.h - numbers and shapes of the NBD protocol, spelled as its document does.
 *
 * Room:   sandbox/export/nbd, trusted. Everything on the wire is big-endian.
 */
#ifndef RF_NBD_PROTO_H
#define RF_NBD_PROTO_H

#include <stdint.h>
#include <string.h>

#define NBD_MAGIC            0x4e42444d41474943ull
#define NBD_OPTS_MAGIC       0x49484156454f5054ull
#define NBD_REP_MAGIC        0x0003e889045565a9ull
#define NBD_REQUEST_MAGIC    0x25609513u
#define NBD_SIMPLE_MAGIC     0x67446698u
#define NBD_STRUCTURED_MAGIC 0x668e33efu

#define NBD_FLAG_FIXED_NEWSTYLE 0x1u
#define NBD_FLAG_NO_ZEROES      0x2u

enum nbd_opt {
	NBD_OPT_EXPORT_NAME = 1,
	NBD_OPT_ABORT = 2,
	NBD_OPT_LIST = 3,
	NBD_OPT_INFO = 6,
	NBD_OPT_GO = 7,
	NBD_OPT_STRUCTURED_REPLY = 8,
};

#define NBD_REP_ACK          1u
#define NBD_REP_SERVER       2u
#define NBD_REP_INFO         3u
#define NBD_REP_ERR_UNSUP    0x80000001u
#define NBD_REP_ERR_POLICY   0x80000002u
#define NBD_REP_ERR_INVALID  0x80000003u
#define NBD_REP_ERR_UNKNOWN  0x80000006u
#define NBD_REP_ERR_TOO_BIG  0x80000009u

enum nbd_info {
	NBD_INFO_EXPORT = 0,
	NBD_INFO_NAME = 1,
	NBD_INFO_DESCRIPTION = 2,
	NBD_INFO_BLOCK_SIZE = 3,
};

#define NBD_FLAG_HAS_FLAGS         0x001u
#define NBD_FLAG_READ_ONLY         0x002u
#define NBD_FLAG_SEND_FLUSH        0x004u
#define NBD_FLAG_SEND_FUA          0x008u
#define NBD_FLAG_SEND_TRIM         0x020u
#define NBD_FLAG_SEND_WRITE_ZEROES 0x040u
#define NBD_FLAG_SEND_DF           0x080u
#define NBD_FLAG_CAN_MULTI_CONN    0x100u

enum nbd_cmd_type {
	NBD_CMD_READ = 0,
	NBD_CMD_WRITE = 1,
	NBD_CMD_DISC = 2,
	NBD_CMD_FLUSH = 3,
	NBD_CMD_TRIM = 4,
	NBD_CMD_WRITE_ZEROES = 6,
};

#define NBD_CMD_FLAG_FUA       0x01u
#define NBD_CMD_FLAG_NO_HOLE   0x02u
#define NBD_CMD_FLAG_DF        0x04u
#define NBD_CMD_FLAG_FAST_ZERO 0x10u /* not offered */

#define NBD_REPLY_FLAG_DONE        0x1u
#define NBD_REPLY_TYPE_OFFSET_DATA 1u
#define NBD_REPLY_TYPE_ERROR       0x8001u

enum nbd_errno {
	NBD_EPERM = 1,
	NBD_EIO = 5,
	NBD_EINVAL = 22,
	NBD_ENOSPC = 28,
	NBD_ENOTSUP = 95,
};

/* Bytes on the wire. */
#define NBD_REQUEST_BYTES 28u
#define NBD_OPTION_BYTES  16u /* magic, option, length */
#define NBD_SIMPLE_BYTES  16u
#define NBD_CHUNK_BYTES   20u

static inline uint16_t be16_get(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static inline uint32_t be32_get(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t be64_get(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

/* Each stores and returns the place behind it. */
static inline unsigned char *be16_put(unsigned char *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	return (unsigned char *)memcpy(p, &v, sizeof(v)) + sizeof(v);
}

static inline unsigned char *be32_put(unsigned char *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	return (unsigned char *)memcpy(p, &v, sizeof(v)) + sizeof(v);
}

static inline unsigned char *be64_put(unsigned char *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	return (unsigned char *)memcpy(p, &v, sizeof(v)) + sizeof(v);
}

#endif
