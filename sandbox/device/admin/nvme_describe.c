/* SPDX-License-Identifier: MIT */
/*
 * nvme_describe.c - see nvme_describe.h.
 *
 * Room:   sandbox/device/admin.
 * Trust:  all of it is the device's word: range-checked, and no more than that.
 */
#include "nvme_describe.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

int nvme_check_cap(const struct rf_device *d, uint64_t cap)
{
	uint32_t css = NVME_CAP_CSS(cap);

	if (css & NVME_CAP_CSS_NVM && !NVME_CAP_MPSMIN(cap))
		return 0;
	if (NVME_CAP_MPSMIN(cap))
		rf_log("%s: its smallest page is %u KiB, and 4 KiB are needed (CAP.MPSMIN)",
		       d->label, 4u << NVME_CAP_MPSMIN(cap));
	else if (css & NVME_CAP_CSS_ADMIN)
		rf_log("%s: takes admin commands only (CAP.CSS %#x): there is no disk behind this "
		       "controller",
		       d->label, css);
	else
		rf_log("%s: lacks the NVM command set (CAP.CSS %#x): only disks with it are driven",
		       d->label, css);
	return -EOPNOTSUPP;
}

int nvme_check_ctrl(const struct rf_device *d, const struct nvme_id_ctrl *c)
{
	static const char *const types[] = { [2] = "a discovery", [3] = "an administrative" };
	uint32_t sq = c->sqes, cq = c->cqes;

	if (c->cntrltype == 2 || c->cntrltype == 3) {
		rf_log("%s: is %s controller (CNTRLTYPE), which has no disk", d->label,
		       types[c->cntrltype]);
		return -EOPNOTSUPP;
	}
	if ((sq & 15) <= 6 && sq >> 4 >= 6 && (cq & 15) <= 4 && cq >> 4 >= 4)
		return 0;
	rf_log("%s: its queue entries cannot be of 64 and 16 bytes (SQES %#x, CQES %#x): not "
	       "driven",
	       d->label, sq, cq);
	return -EOPNOTSUPP;
}

/* ---- Base 5.17.2.4: namespace identification descriptors ----------------------------------- */

static int refuse_csi(const struct rf_device *d, uint32_t nsid, unsigned csi)
{
	static const char *const sets[] = { [1] = "a key value store", [2] = "zoned",
					    [3] = "memory of a subsystem", [4] = "computational" };
	const char *what =
		csi < sizeof(sets) / sizeof(sets[0]) ? sets[csi] : "of a kind unknown here";

	rf_log("%s: namespace %u is %s (command set %u): only plain disks (NVM command set, 0) are "
	       "driven",
	       d->label, nsid, what, csi);
	return -EOPNOTSUPP;
}

int nvme_check_names(const struct rf_device *d, uint32_t nsid, const unsigned char *page)
{
	/* Type, length, two bytes, the name; type 0 is the end. */
	for (uint32_t at = 0; at + 4 < RF_PAGE && page[at]; at += 4u + page[at + 1])
		if (page[at] == NVME_NIDT_CSI && page[at + 4])
			return refuse_csi(d, nsid, page[at + 4]);
	return 0;
}

int nvme_absent(const struct rf_device *d, uint32_t nsid, const uint32_t *active)
{
	char list[64] = "";
	size_t used = 0;

	for (int i = 0; active && i < 4 && active[i]; i++)
		used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%u", i ? ", " : "",
					 active[i]);
	if (used)
		rf_log("%s: namespace %u is not there: this controller has %s%s; only %u is served",
		       d->label, nsid, list, active[4] ? " and more" : "", nsid);
	else
		rf_log("%s: namespace %u is not there: none is attached to this controller ('nvme "
		       "attach-ns' of "
		       "nvme-cli does that)",
		       d->label, nsid);
	return -EINVAL;
}

/* ---- NVM Command Set 4.1.5.1: the namespace -------------------------------------------------- */

/* The format in use. NULL, after a line: it is in none. */
static const struct nvme_lbaf *format_of(const struct rf_device *d, uint32_t nsid,
					 const struct nvme_id_ns *n)
{
	uint32_t index =
		n->nlbaf < 16 ? NVME_FLBAS_INDEX(n->flbas) : NVME_FLBAS_INDEX_WIDE(n->flbas);

	if (index <= n->nlbaf && index < 64 && n->lbaf[index].lbads >= 9 &&
	    n->lbaf[index].lbads < 32)
		return &n->lbaf[index];
	rf_log("%s: namespace %u says that it is in format %u, which it does not have: not driven",
	       d->label, nsid, index);
	return NULL;
}

static int check_format(const struct rf_device *d, uint32_t nsid, const struct nvme_id_ns *n)
{
	const struct nvme_lbaf *f = format_of(d, nsid, n);

	if (!f)
		return -EINVAL;
	if (f->lbads != 9 && f->lbads != 12)
		rf_log("%s: namespace %u has blocks of %u bytes: only 512 and 4096 are driven "
		       "('nvme format' of "
		       "nvme-cli changes that, and loses what is on it)",
		       d->label, nsid, 1u << f->lbads);
	else if (f->ms || n->dps & 7)
		rf_log("%s: namespace %u has %u bytes of metadata a block%s: only blocks without "
		       "are driven ('nvme "
		       "format' of nvme-cli changes that, and loses what is on it)",
		       d->label, nsid, f->ms, n->dps & 7 ? ", with protection information" : "");
	else
		return 0;
	return -EOPNOTSUPP;
}

/* One limit serves discard and zero. */
static uint32_t most_discarded(const struct nvme_id_limits *l, uint32_t lbads)
{
	uint64_t most = (uint64_t)NVME_RW_MAX_BLOCKS << lbads;
	const uint64_t other[] = { (uint64_t)l->dmrsl << lbads,
				   l->dmsl < NVME_RW_MAX_BLOCKS ? l->dmsl << lbads : 0,
				   l->wzsl && l->wzsl < 16 ? (uint64_t)RF_PAGE << l->wzsl : 0 };

	for (unsigned i = 0; i < 3; i++)
		if (other[i] && other[i] < most)
			most = other[i];
	return (uint32_t)most;
}

static void describe_commands(struct rf_device *d, const struct nvme_id_ctrl *c,
			      const struct nvme_id_ns *n, uint32_t *flags)
{
	if (c->vwc & NVME_VWC_PRESENT)
		d->info.features |= RF_BLK_HAS_FLUSH;
	if (c->oncs & NVME_ONCS_DSM) {
		d->info.features |= RF_BLK_HAS_DISCARD;
		*flags |= NVME_FLAG_DSM;
	}
	if (c->oncs & NVME_ONCS_WRITEZEROES) {
		d->info.features |= RF_BLK_HAS_ZERO;
		*flags |= NVME_FLAG_WRITEZEROES;
	}
	if (n->dlfeat & NVME_DLFEAT_WRITE_ZEROES_DEAC &&
	    NVME_DLFEAT_READ(n->dlfeat) == NVME_DLFEAT_READ_ZEROES)
		*flags |= NVME_FLAG_DEAC;
	if (n->nsattr & NVME_NSATTR_WRITE_PROTECT || d->cfg.flags & RF_DEVICE_READ_ONLY)
		d->info.features |= RF_BLK_READ_ONLY;
}

/* Controllers of one subsystem have its serial number, and each namespace a name of its own. */
static void describe_identity(struct rf_device *d, const struct nvme_id_ctrl *c,
			      const struct nvme_id_ns *n)
{
	d->disk = (struct rf_identity){ 0 };
	if (identity_string(d, "S/N ", c->sn, sizeof(c->sn), ""))
		identity_string(d, " (", c->mn, sizeof(c->mn), ")");
	const char *join = rf_identity_known(&d->disk) ? ", " : "";
	char before[16];

	snprintf(before, sizeof(before), "%sNGUID ", join);
	if (identity_number(d, before, n->nguid, sizeof(n->nguid)))
		return;
	snprintf(before, sizeof(before), "%sEUI-64 ", join);
	identity_number(d, before, n->eui64, sizeof(n->eui64));
}

int nvme_describe(struct rf_device *d, uint32_t nsid, const struct nvme_id_ctrl *c,
		  const struct nvme_id_ns *n, const struct nvme_id_limits *limits, uint32_t *flags)
{
	int err = check_format(d, nsid, n);

	if (err)
		return err;
	uint32_t lbads = format_of(d, nsid, n)->lbads;
	if (!n->nsze || n->nsze > (uint64_t)INT64_MAX >> lbads) {
		rf_log("%s: namespace %u has an impossible size: %llu blocks", d->label, nsid,
		       (unsigned long long)n->nsze);
		return -EINVAL;
	}
	d->info = (struct rf_blk_info){
		.size = n->nsze << lbads, .block_size = 1u << lbads,
		.max_transfer = c->mdts && c->mdts < 8 ? RF_PAGE << c->mdts : 1u << 20,
		.max_discard = most_discarded(limits, lbads), .features = RF_BLK_HAS_FUA,
	};
	describe_commands(d, c, n, flags);
	describe_identity(d, c, n);
	return 0;
}
