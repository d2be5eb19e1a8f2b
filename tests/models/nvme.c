/* SPDX-License-Identifier: MIT */
/*
 * nvme.c - the NVMe model: registers, resets, options.
 *
 * Room:   tests/models. Base 3.1.3 (registers), 3.5 (enable), 3.6 (shutdown), 3.7 (reset).
 * BAR 0:  registers, doorbells (shared, whole pages), MSI-X table and PBA on pages of
 *         their own behind them. The sleep word is the last of the doorbell pages.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nvme_model.h"

struct model_counter nvme_counters[NVME_COUNTERS] = {
	[NC_READS] = { "reads", 0 }, [NC_WRITES] = { "writes", 0 }, [NC_FLUSHES] = { "flushes", 0 },
	[NC_DISCARDS] = { "discards", 0 }, [NC_ZEROES] = { "zeroes", 0 },
	[NC_ADMIN] = { "admin_commands", 0 },
	[NC_COMPLETIONS] = { "completions", 0 }, [NC_BAD_DOORBELLS] = { "bad_doorbells", 0 },
	[NC_POWER_CUTS] = { "power_cuts", 0 }, [NC_ENABLES] = { "enables", 0 },
	[NC_DELETES] = { "queues_deleted", 0 }, [NC_LATE] = { "late_commands", 0 },
	[NC_DELAYED] = { "commands_delayed", 0 },
};

static struct nvme  nvme;

/* ---- registers -------------------------------------------------------------------- */

static uint64_t cap(const struct nvme *n)
{
	/* MQES; contiguous queues only (CQR); TO 2 s, or more; NVM command set; 4 KiB pages only */
	uint64_t to = n->slow.ready_ms / 500 + 1;

	to = to < 4 ? 4 : to < 255 ? to : 255;
	return (MAX_ENTRIES - 1) | 1u << 16 | to << 24 | (uint64_t)n->dstrd << 32 |
	       (uint64_t)(n->odd.css ? n->odd.css : NVME_CAP_CSS_NVM) << 37;
}

static int nvme_read(void *dev, unsigned bar, uint64_t offset, void *to, uint32_t bytes)
{
	struct nvme *n = dev;
	struct {
		uint64_t cap;
		uint32_t vs, intms, intmc, cc, rest, csts, nssr, aqa;
		uint64_t asq, acq;
	} r = { .cap = cap(n), .vs = 0x00010400, .intms = n->intms, .intmc = n->intms, .cc = n->cc,
		.csts = n->csts, .aqa = n->aqa, .asq = n->asq, .acq = n->acq };

	(void)bar;
	_Static_assert(offsetof(__typeof__(r), asq) == NVME_REG_ASQ,
		       "laid out as the registers are");
	if (nvme_fires(n, N_GONE))
		n->gone = true;
	bool ones = n->gone || slow_unreadable(n);
	memset(to, ones ? 0xff : 0, bytes);
	if (!ones && offset < sizeof(r))
		memcpy(to, (char *)&r + offset,
		       bytes < sizeof(r) - offset ? bytes : sizeof(r) - offset);
	return 0;
}

static void enable(struct nvme *n)
{
	unsigned sq = (n->aqa & 0xfff) + 1, cq = (n->aqa >> 16 & 0xfff) + 1;

	n->csts &= ~(NVME_CSTS_CFS | 3u << 2);
	NVME_COUNT(NC_ENABLES);
	if (nvme_fires(n, N_READY_NEVER))
		return;
	/* 3.5.1: CSS and MPS as CAP has them, queues on pages, at least two entries. */
	bool all = (n->cc & 7u << 4) == NVME_CC_CSS_ALL && n->odd.css & NVME_CAP_CSS_ALL;
	if ((n->cc >> 4 & 7 && !all) || n->cc >> 7 & 15 || n->asq % NVME_PAGE ||
	    n->acq % NVME_PAGE || sq < 2 || cq < 2) {
		n->csts |= NVME_CSTS_CFS;
		return;
	}
	queue_open_cq(n, 0, n->acq, cq, true, 0);
	queue_open_sq(n, 0, 0, n->asq, sq);
	slow_ready(n);
}

/* 3.7.2: a controller reset ends all queues, and what is in flight with them. */
static void disable(struct nvme *n)
{
	if (n->fragile)
		(void)store_power_cut(&n->store);
	queue_close_all(n);
	n->csts &= ~(NVME_CSTS_CFS | 3u << 2);
	slow_ready(n);
	n->hung = false;
	n->intms = 0;
	memset(n->feature, 0, sizeof(n->feature));
	n->feature[NVME_FEAT_VOLATILE_WRITE_CACHE] = 1;
	server_intx(n->server, false);
}

static void set_cc(struct nvme *n, uint32_t value)
{
	uint32_t changed = n->cc ^ value;

	n->cc = value;
	if (changed & NVME_CC_EN) {
		if (value & NVME_CC_EN)
			enable(n);
		else
			disable(n);
	}
	if (changed & NVME_CC_SHN_MASK && value & NVME_CC_SHN_MASK) {
		(void)store_flush(&n->store);
		n->csts = (n->csts & ~(3u << 2)) | NVME_CSTS_SHST_DONE << 2;
	}
}

static void set_register(struct nvme *n, uint64_t offset, uint32_t value)
{
	bool off = !(n->cc & NVME_CC_EN);

	switch (offset) {
	case NVME_REG_INTMS:
		n->intms |= value;
		break;
	case NVME_REG_INTMC:
		n->intms &= ~value;
		break;
	case NVME_REG_CC:
		set_cc(n, value);
		break;
	case NVME_REG_AQA:
		n->aqa = off ? value & 0x0fff0fff : n->aqa;
		break;
	case NVME_REG_ASQ:
		n->asq = off ? (n->asq & ~0xffffffffull) | value : n->asq;
		break;
	case NVME_REG_ASQ + 4:
		n->asq = off ? (n->asq & 0xffffffffull) | (uint64_t)value << 32 : n->asq;
		break;
	case NVME_REG_ACQ:
		n->acq = off ? (n->acq & ~0xffffffffull) | value : n->acq;
		break;
	case NVME_REG_ACQ + 4:
		n->acq = off ? (n->acq & 0xffffffffull) | (uint64_t)value << 32 : n->acq;
		break;
	}
}

static int nvme_write(void *dev, unsigned bar, uint64_t offset, const void *from, uint32_t bytes)
{
	struct nvme *n = dev;
	uint32_t value[2];

	(void)bar;
	if (n->gone || offset % 4 || (bytes != 4 && bytes != 8))
		return 0; /* 3.1.3: other widths have no defined result */
	memcpy(value, from, bytes);
	for (uint32_t i = 0; i < bytes / 4; i++)
		set_register(n, offset + 4 * i, value[i]);
	return 0;
}

/* ---- life ---------------------------------------------------------------------------- */

static void nvme_reset(void *dev, enum model_reset why)
{
	struct nvme *n = dev;

	(void)why;
	if (n->lossy)
		(void)store_power_cut(&n->store);
	n->gone = false;
	n->cc = n->aqa = 0;
	n->asq = n->acq = 0;
	disable(n);
	n->slow.ready_due = 0; /* it is ready for CC.EN */
	n->csts &= ~NVME_CSTS_RDY;
	n->twist = (struct twist){ .at_most = ~0ull };
}

void nvme_reset_itself(struct nvme *n)
{
	(void)store_power_cut(&n->store);
	nvme_reset(n, RESET_POWER);
}

static bool nvme_poll(void *dev)
{
	return queue_poll(dev);
}

static void nvme_rung(void *dev, unsigned bar, uint64_t offset, uint32_t bytes)
{
	(void)bar, (void)offset, (void)bytes;
	queue_rung(dev);
}

static bool nvme_live(void *dev)
{
	const struct nvme *n = dev;

	return n->csts & NVME_CSTS_RDY && !n->gone;
}

static uint64_t nvme_deadline(void *dev)
{
	uint64_t slow = slow_deadline(dev), order = order_deadline(dev);

	return !order || (slow && slow < order) ? slow : order;
}

static int nvme_control(void *dev, int count, char **word, FILE *out)
{
	struct nvme *n = dev;

	if (!strcmp(word[0], "namespace"))
		return space_control(n, count, word);
	if (strcmp(word[0], "power-cut") || count > 1)
		return -ENOENT;
	NVME_COUNT(NC_POWER_CUTS);
	fprintf(out, "lost %llu blocks\n", (unsigned long long)store_power_cut(&n->store));
	nvme_reset(n, RESET_POWER);
	return 0;
}

static int option(const char *key, const char *value)
{
	return nvme_option(&nvme, key, value);
}

static uint32_t pages(uint64_t bytes)
{
	return (uint32_t)((bytes + NVME_PAGE - 1) & ~(uint64_t)(NVME_PAGE - 1));
}

static void *nvme_open(struct server *s, struct model_pci *pci)
{
	struct nvme *n = &nvme;
	/* One word more than there are doorbells: the sleep word. */
	uint32_t bells = pages(nvme_cq_doorbell(n->queues, n->dstrd) + 8 - NVME_REG_DBS);
	uint32_t table = NVME_REG_DBS + bells, pba = table + pages((n->queues + 1) * 16u),
		 bar = 16384;

	n->server = s;
	n->delayed = calloc(MAX_DELAYED, sizeof(*n->delayed));
	if (!n->file && !n->store.bytes)
		n->store.bytes = 64u << 20;
	if (!n->delayed || store_open(&n->store, n->file) ||
	    (n->record && record_open(&n->store, n->record)))
		return NULL;
	space_open(n);
	while (bar < pba + NVME_PAGE)
		bar *= 2;
	n->bells_bytes = bells;
	n->bells = server_share(s, 0, NVME_REG_DBS, bells, NVME_REG_DBS + bells - 4);
	if (!n->bells)
		return NULL;
	*pci = (struct model_pci){
		.vendor = 0x1b36,
		.device = 0x0010,
		.subvendor = 0x1b36,
		.subdevice = 0x5246,
		.class_code = 0x010802,
		.revision = 2,
		.bar[0] = { .bytes = bar, .wide = true },
		.msix_vectors = (uint16_t)(n->queues + 1),
		.msix_bar = 0,
		.msix_table = table,
		.msix_pba = pba,
		.intx = true,
		.flr = true,
	};
	return n;
}

static void nvme_close(void *dev)
{
	struct nvme *n = dev;

	(void)store_flush(&n->store);
	store_close(&n->store);
	free(n->delayed);
}

static const struct model model = {
	.name = "nvme-model",
	.usage = nvme_usage,
	.option = option,
	.open = nvme_open,
	.close = nvme_close,
	.reset = nvme_reset,
	.read = nvme_read,
	.write = nvme_write,
	.rung = nvme_rung,
	.poll = nvme_poll,
	.deadline = nvme_deadline,
	.live = nvme_live,
	.control = nvme_control,
	.faults = nvme_faults,
	.fault_count = NVME_FAULTS,
	.counters = nvme_counters,
	.counter_count = NVME_COUNTERS,
};

int main(int argc, char **argv)
{
	nvme.store.block = 512;
	nvme.queues = 8;
	nvme.mdts = MDTS_DEFAULT;
	nvme.serial = "ringfence-model";
	nvme.nguid = "ringfence-model1";
	return server_main(argc, argv, &model);
}
