/* SPDX-License-Identifier: MIT */
/*
 * fetch_check.c - see fetch.h. Room: sandbox/supervisor, privileged.
 *
 * Trust: rf-config is ours, but it read text; what it hands over must not be able to take
 *        over whoever has the privileges.
 */
#include <string.h>

#include "control.h"
#include "fetch.h"
#include "walls.h"

#define TEXT(member)  (memchr(member, 0, sizeof(member)) != NULL)
#define NAMED(member) (TEXT(member) && (member)[0])
/* One component of a path. */
#define PLAIN(member) (NAMED(member) && !strchr(member, '/') && (member)[0] != '.')

/* Any byte may lie there, and reading it as a bool would be undefined. */
static bool truth(const bool *b)
{
	return *(const unsigned char *)b <= 1;
}

static bool strings(const struct rf_device *d)
{
	return PLAIN(d->name) && strlen(d->name) < RF_NAME - 16 && !strchr(d->name, '.') &&
	       NAMED(d->policy_file) && NAMED(d->image) && TEXT(d->listen) && TEXT(d->load) &&
	       TEXT(d->lwip_key) && TEXT(d->stack) && TEXT(d->socket) && TEXT(d->pci) &&
	       PLAIN(d->policy.driver) && PLAIN(d->policy.device.filter) &&
	       (!d->pci[0] || (strlen(d->pci) == 12 && strspn(d->pci, "0123456789abcdefABCDEF:.") == 12 &&
			       d->pci[4] == ':'));
}

static bool place(const struct rf_lwip_place *p)
{
	return p->kind <= RF_LWIP_TCP && TEXT(p->name);
}

static bool stack(const struct rf_config *c, const struct rf_device *d)
{
	const struct rf_lwip_config *l = &d->lwip;
	bool ok = l->count <= RF_LWIP_SERVICES && l->disks <= RF_LWIP_DISKS && l->dns_count <= 2 &&
		  TEXT(l->hostname) && d->stack_index >= 0 && d->stack_index < c->count;

	for (uint32_t i = 0; ok && i < l->count; i++) {
		const struct rf_lwip_service *s = &l->service[i];

		ok = s->job <= RF_LWIP_DISK && s->allow_count <= RF_LWIP_ALLOWS && place(&s->listen) &&
		     place(&s->target) && TEXT(s->device) && s->disk < RF_LWIP_DISKS;
	}
	for (uint32_t i = 0; ok && i < l->disks; i++)
		ok = d->disk[i] >= 0 && d->disk[i] < c->count &&
		     c->device[d->disk[i]].export_kind == RF_EXPORT_LWIP_DISK;
	return ok;
}

static bool numbers(const struct rf_device_config *p)
{
	bool ok = p->backend <= RF_BACKEND_VFIO_USER && p->control < RF_CONTROLS &&
		  p->service <= RF_SERVICE_NET && p->queues == 1 && p->queue_entries <= 4096 &&
		  p->arena_bytes && p->arena_bytes % (2u << 20) == 0 && p->arena_bytes <= 1ull << 40 &&
		  p->queue_bytes && p->queue_bytes % 4096 == 0 && p->queue_bytes <= 1ull << 32 &&
		  p->step_count <= RF_MAX_STEPS && p->window_count <= RF_MAX_WINDOWS;

	for (uint32_t i = 0; ok && i < p->step_count; i++)
		ok = p->step[i].bar <= 5 && p->step[i].bytes && p->step[i].bytes <= 4;
	for (uint32_t i = 0; ok && i < p->window_count; i++)
		ok = p->window[i].bar <= 5;
	return ok;
}

const char *rf_config_wrong(const struct rf_config *c)
{
	if (c->count < 1 || c->count > RF_MAX_DEVICES)
		return "the number of devices";
	if (!PLAIN(c->launcher) || !NAMED(c->run_dir) || !NAMED(c->program_dir) || !NAMED(c->driver_dir) ||
	    !NAMED(c->policy_dir) || c->uid_base != RF_UID_BASE)
		return "a directory, or a user";
	for (int i = 0; i < c->count; i++) {
		const struct rf_device *d = &c->device[i];

		if (!strings(d))
			return "a name";
		if ((unsigned)d->export_kind >= RF_EXPORT_KINDS || d->export_kind == RF_EXPORT_NONE ||
		    !truth(&d->force) || !truth(&d->read_only) || !truth(&d->integrity) ||
		    !truth(&d->no_reissue) || !truth(&d->reuse_early) || !truth(&d->admin_writable))
			return "a choice";
		if (d->ward & ~(RF_EXPORT_WARD | RF_EXPORT_WARD_FORMAT | RF_EXPORT_WARD_ADOPT | RF_EXPORT_WARD_AGAIN))
			return "an order to format";
		if (!stack(c, d))
			return "a stack";
		if (!numbers(&d->policy.device) || d->policy.demand >> RF_WALLS || !d->policy.deaths)
			return "a policy";
	}
	return NULL;
}
