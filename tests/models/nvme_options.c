/* SPDX-License-Identifier: MIT */
/*
 * nvme_options.c - the command line of the NVMe model.
 *
 * Room:   tests/models.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "nvme_model.h"

const char nvme_usage[] =
	"  --size BYTES       of the disk in memory (K, M, G); with --file makes it that long "
	"(64M)\n"
	"  --file PATH        the disk is this file\n"
	"  --record PATH      write down every change, in order (record.h)\n"
	"  --block 512|4096   (512)\n"
	"  --serial TEXT      serial number, up to 20 characters (ringfence-model)\n"
	"  --nguid TEXT       the namespace's name, up to 16 characters; \"\": it has none "
	"(ringfence-model1)\n"
	"  --queues N         I/O queue pairs, 1 to 64 (8)\n"
	"  --dstrd N          doorbells 4 << N bytes apart (0)\n"
	"  --mdts BYTES       most a command may move: a power of two, 8K to 1M (1M)\n"
	"  --delay-us MIN[-MAX]   every I/O command takes so long, by chance in between (0)\n"
	"  --ready-ms N       CSTS.RDY follows CC.EN so much later, both ways (0)\n"
	"  --delete-ms N      a queue is deleted in such a time (0)\n"
	"  --ones-while-resetting yes|no   registers read all ones while CSTS.RDY is behind CC.EN "
	"(no)\n"
	"  --reorder SEED     I/O commands are done in any order, by chance out of this seed\n"
	"  --cache none|volatile|lossy|fragile   what is not flushed is lost by `power-cut`; "
	"lossy: by\n"
	"                     any reset of the function and by a new client, too; fragile: by "
	"CC.EN = 0, too\n"
	"  --cache-keeps N    percent of the unflushed blocks survive that, by chance (0)\n"
	"  --css BITS         CAP.CSS (1; 0x40: all command sets; 0x80: none)\n"
	"  --csi N            the namespace's command set, told in its descriptors (2: zoned)\n"
	"  --nsid N           the namespace is this one (1)\n"
	"  --namespaces SPEC  several, each with an equal part of the disk: "
	"NSID[,uuid=U][,nguid=N][,eui64=E]\n"
	"                     by rising NSID, up to 8, ':' between two\n"
	"  --id-ctrl AT=BYTE  byte AT of Identify Controller; up to 16 times, as the next two\n"
	"  --id-ns AT=BYTE    of Identify Namespace\n"
	"  --id-limits AT=BYTE    of Identify Controller for the NVM command set, which is refused "
	"else\n"
	"  control: `power-cut` loses the volatile cache and resets the controller; `namespace "
	"NSID\n"
	"           attach|detach|format 512|4096`, as another host of the drive might do\n";

static bool number(const char *text, uint64_t *value, char **end)
{
	*value = strtoull(text, end, 0);
	switch (**end) {
	case 'G':
		*value <<= 10; /* fall through */
	case 'M':
		*value <<= 10; /* fall through */
	case 'K':
		*value <<= 10;
		++*end;
	}
	return *text >= '0' && *text <= '9';
}

static bool set_text(const char *value, size_t most, const char **to)
{
	*to = value;
	return strlen(value) <= most;
}

static bool set_cache(struct nvme *n, const char *value)
{
	n->fragile = !strcmp(value, "fragile");
	n->lossy = n->fragile || !strcmp(value, "lossy");
	n->store.cached = n->lossy || !strcmp(value, "volatile");
	return n->store.cached || !strcmp(value, "none");
}

static bool set_ones(struct nvme *n, const char *value)
{
	n->slow.ones = !strcmp(value, "yes");
	return n->slow.ones || !strcmp(value, "no");
}

static bool set_delay(struct nvme *n, const char *value)
{
	char *end;

	if (!number(value, &n->delay_min_us, &end))
		return false;
	n->delay_max_us = n->delay_min_us;
	if (*end == '-' && !number(end + 1, &n->delay_max_us, &end))
		return false;
	return !*end && n->delay_min_us <= n->delay_max_us && n->delay_max_us <= 60000000;
}

enum { OPT_SIZE, OPT_BLOCK, OPT_QUEUES, OPT_DSTRD, OPT_MDTS, OPT_REORDER, OPT_KEEPS, OPT_READY,
       OPT_DELETE, OPT_COUNT };
static const char *const numeric[OPT_COUNT] = { "size",        "block",    "queues",
						"dstrd",       "mdts",     "reorder",
						"cache-keeps", "ready-ms", "delete-ms" };

static bool set_number(struct nvme *n, unsigned which, uint64_t value)
{
	switch (which) {
	case OPT_SIZE:
		n->store.bytes = value;
		return value;
	case OPT_BLOCK:
		n->store.block = (uint32_t)value;
		return value == 512 || value == 4096;
	case OPT_QUEUES:
		n->queues = (unsigned)value;
		return value >= 1 && value <= MAX_QUEUES;
	case OPT_DSTRD:
		n->dstrd = (unsigned)value;
		return value <= 10;
	case OPT_MDTS:
		n->mdts = (uint32_t)value;
		/* One page cannot be said: MDTS 0 means no limit. */
		return value >= 2 * NVME_PAGE && value <= MDTS_DEFAULT && !(value & (value - 1));
	case OPT_REORDER:
		n->reorder = true;
		fault_seed(&n->order, value);
		return true;
	case OPT_READY:
		n->slow.ready_ms = (uint32_t)value;
		return value <= 127000; /* CAP.TO */
	case OPT_DELETE:
		n->slow.delete_ms = (uint32_t)value;
		return value <= 127000;
	default:
		n->store.kept_percent = (unsigned)value;
		return value <= 100;
	}
}

/* 0, or -ENOENT: no such option; -EINVAL. */
static int set(struct nvme *n, const char *key, const char *value)
{
	uint64_t v;
	char *end;

	if (!strcmp(key, "file"))
		n->file = value;
	else if (!strcmp(key, "record"))
		n->record = value;
	else if (!strcmp(key, "serial"))
		return set_text(value, 20, &n->serial) ? 0 : -EINVAL;
	else if (!strcmp(key, "nguid"))
		return set_text(value, 16, &n->nguid) ? 0 : -EINVAL;
	else if (!strcmp(key, "namespaces"))
		return space_option(n, value) ? 0 : -EINVAL;
	else if (!strcmp(key, "cache"))
		return set_cache(n, value) ? 0 : -EINVAL;
	else if (!strcmp(key, "ones-while-resetting"))
		return set_ones(n, value) ? 0 : -EINVAL;
	else if (!strcmp(key, "delay-us"))
		return set_delay(n, value) ? 0 : -EINVAL;
	else {
		unsigned which = 0;
		while (which < OPT_COUNT && strcmp(key, numeric[which]))
			which++;
		if (which == OPT_COUNT)
			return odd_option(&n->odd, key, value);
		return number(value, &v, &end) && !*end && set_number(n, which, v) ? 0 : -EINVAL;
	}
	return 0;
}

int nvme_option(struct nvme *n, const char *key, const char *value)
{
	int err = set(n, key, value);

	if (err == -EINVAL)
		rf_log("--%s %s: not possible, see --help", key, value);
	return err;
}
