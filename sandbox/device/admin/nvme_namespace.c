/* SPDX-License-Identifier: MIT */
/*
 * nvme_namespace.c - the namespace that is served: found by its number or by a name, and looked
 * at again at each recovery.
 *
 * Room:   sandbox/device/admin. Base Specification 2.0: 5.17.2.2 (list of active namespaces),
 *         5.17.2.3 (identification descriptors); NVM Command Set 1.0: 4.1.5.1 (Identify).
 * Trust:  names, lists and sizes are the device's word. A list that does not rise or end is an
 *         error, not a loop.
 */
#include "nvme_namespace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "nvme_command.h"

#define MOST_LOOKED_AT 4096u /* namespaces of one controller */

/* A page of Identify, copied out. 0, the NVMe status, or -errno; nothing is logged. */
int nvme_identify_try(struct rf_device *d, uint32_t cns, uint32_t nsid, void *to)
{
	struct nvme_sqe cmd = { .opc = NVME_ADMIN_IDENTIFY, .nsid = nsid, .cdw10 = cns,
				.prp1 = d->admin_iova + PAGE_IDENTIFY * RF_PAGE };
	int status = nvme_admin(d, &cmd, NULL);

	if (!status)
		memcpy(to, (char *)d->admin + PAGE_IDENTIFY * RF_PAGE, RF_PAGE);
	return status;
}

/* ---- which one -------------------------------------------------------------------------- */

static const struct { const char *word; uint8_t type, bytes; } names[] = {
	[RF_NAMESPACE_EUI64] = { "EUI-64", NVME_NIDT_EUI64, 8 },
	[RF_NAMESPACE_NGUID] = { "NGUID", NVME_NIDT_NGUID, 16 },
	[RF_NAMESPACE_UUID] = { "UUID", NVME_NIDT_UUID, 16 },
};

const uint8_t *nvme_name_of(const uint8_t *page, uint8_t type, uint8_t bytes)
{
	/* Type, length, two bytes, the name; type 0 is the end. */
	for (uint32_t at = 0; at + 4u + bytes <= RF_PAGE && page[at]; at += 4u + page[at + 1])
		if (page[at] == type && page[at + 1] == bytes)
			return page + at + 4;
	return NULL;
}

/* Is it called so? 1, 0, or -errno after a line. */
static int is_called(struct rf_device *d, uint32_t nsid)
{
	static uint8_t page[RF_PAGE];
	const struct rf_namespace *w = &d->cfg.name_space;
	const uint8_t *name = NULL;
	int status = NVME_SC_INVALID_FIELD;

	if (nvme_reg32(d, NVME_REG_VS) >= NVME_VS(1, 3))
		status = nvme_identify_try(d, NVME_CNS_NAMES, nsid, page);
	if (!status)
		name = nvme_name_of(page, names[w->kind].type, names[w->kind].bytes);
	/* The two older names stand in Identify Namespace as well, and there alone before 1.3. */
	if (status >= 0 && !name && w->kind != RF_NAMESPACE_UUID) {
		const struct nvme_id_ns *ns = (void *)page;

		status = nvme_identify_try(d, NVME_CNS_NAMESPACE, nsid, page);
		if (!status)
			name = w->kind == RF_NAMESPACE_NGUID ? ns->nguid : ns->eui64;
	}
	if (status < 0)
		return nvme_failed(d, "identify", status);
	return name && !memcmp(name, w->name, names[w->kind].bytes);
}

static void name_text(const struct rf_namespace *w, char *to, size_t room)
{
	size_t used = (size_t)snprintf(to, room, "%s ", names[w->kind].word);

	for (unsigned i = 0; i < names[w->kind].bytes && used < room; i++) {
		bool dash = w->kind == RF_NAMESPACE_UUID && (i == 4 || i == 6 || i == 8 || i == 10);
		used += (size_t)snprintf(to + used, room - used, "%s%02x", dash ? "-" : "",
					 w->name[i]);
	}
}

/* The ids above `after` that are attached. 0, or -errno after a line. */
static int ns_list_read(struct rf_device *d, uint32_t after, uint32_t *list)
{
	int status = nvme_identify_try(d, NVME_CNS_ACTIVE_NS, after, list);

	if (status)
		return nvme_failed(d, "identify: list of namespaces", status);
	for (uint32_t i = 0; i < RF_PAGE / 4 && list[i]; i++) {
		if (list[i] > after && list[i] < 0xfffffffe) {
			after = list[i];
			continue;
		}
		rf_log("%s: its list of namespaces is none: %u stands behind %u", d->label, list[i],
		       after);
		return -EPROTO;
	}
	return 0;
}

/* Notes in *found one that is called so. -EINVAL after a line: it is the second. */
static int ns_look_at(struct rf_device *d, uint32_t nsid, const char *text, uint32_t *found)
{
	int called = is_called(d, nsid);

	if (called == 1 && *found) {
		rf_log("%s: namespaces %u and %u both have %s: which one is meant? Say its number",
		       d->label, *found, nsid, text);
		return -EINVAL;
	}
	if (called == 1)
		*found = nsid;
	return called < 0 ? called : 0;
}

/* The one of this name, in *found. -errno after a line: there is none, or two are called so. */
static int find_called(struct rf_device *d, uint32_t *found)
{
	static uint32_t list[RF_PAGE / 4];
	const uint32_t entries = RF_PAGE / 4;
	char text[64];
	uint32_t after = 0, looked = 0;
	int err;

	*found = 0;
	name_text(&d->cfg.name_space, text, sizeof(text));
	do {
		if ((err = ns_list_read(d, after, list)))
			return err;
		for (uint32_t i = 0; i < entries && list[i]; i++, looked++) {
			after = list[i];
			if ((err = ns_look_at(d, after, text, found)))
				return err;
		}
	} while (list[entries - 1] && looked < MOST_LOOKED_AT);
	if (*found)
		return 0;
	rf_log("%s: no namespace of this controller has %s ('nvme list' of nvme-cli shows those "
	       "that are there)",
	       d->label, text);
	return -EINVAL;
}

int nvme_namespace_find(struct rf_device *d)
{
	const struct rf_namespace *w = &d->cfg.name_space;
	int err;

	if (w->kind < RF_NAMESPACE_EUI64) {
		nvme.nsid = w->kind == RF_NAMESPACE_ID ? w->id : 1;
		return 0;
	}
	if ((err = find_called(d, &nvme.nsid)))
		return err;
	rf_log("%s: serves namespace %u", d->label, nvme.nsid);
	return 0;
}

/* ---- is it still the same? ------------------------------------------------------------- */

static struct nvme_id_ns known; /* as it was at start */

void nvme_namespace_note(const struct nvme_id_ns *ns)
{
	known = *ns;
}

/* NULL: all that a driver was told of it still holds. */
static const char *different(const struct nvme_id_ns *now)
{
	if (!now->nsze && !now->ncap)
		return "is not there any more: detached or deleted";
	if (memcmp(now->nguid, known.nguid, sizeof(known.nguid)) ||
	    memcmp(now->eui64, known.eui64, sizeof(known.eui64)))
		return "is another one now: its name has changed";
	if (now->flbas != known.flbas || memcmp(now->lbaf, known.lbaf, sizeof(known.lbaf)) ||
	    (now->dps ^ known.dps) & 7)
		return "was formatted: its blocks are others now";
	return now->nsze != known.nsze ? "has another size now" : NULL;
}

int nvme_namespace_same(struct rf_device *d)
{
	static struct nvme_id_ns now;
	int status = nvme_identify_try(d, NVME_CNS_NAMESPACE, nvme.nsid, &now);

	if (status == NVME_SC_INVALID_NAMESPACE)
		memset(&now, 0, sizeof(now));
	else if (status)
		return nvme_failed(d, "identify", status);
	const char *what = different(&now);
	if (!what)
		return 0;
	rf_log("%s: namespace %u %s: nothing more is written to it", d->label, nvme.nsid, what);
	return -ESTALE;
}
