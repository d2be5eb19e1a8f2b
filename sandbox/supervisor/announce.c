/* SPDX-License-Identifier: MIT */
/*
 * announce.c - what a person waits for, in one line: a device that can be used, and one that can be
 * used again.
 *
 * Room:   sandbox/supervisor, no privilege.
 */
#include "log.h"
#include "supervisor.h"

void dev_ready(const struct dev *d)
{
	const struct rf_config_device *cfg = d->cfg;

	switch (cfg->export_kind) {
	case RF_EXPORT_NBD:
		rf_log("%s: ready: nbd+unix:///?socket=%s", cfg->name, cfg->listen);
		break;
	case RF_EXPORT_TAP:
		rf_log("%s: ready: interface %s, which is yours to give an address and set up",
		       cfg->name, cfg->listen);
		break;
	case RF_EXPORT_LWIP:
		rf_log("%s: ready: its stack has no interface of the kernel's", cfg->name);
		break;
	case RF_EXPORT_LWIP_DISK:
		rf_log("%s: ready: served in the stack of %s", cfg->name, cfg->stack);
		break;
	case RF_EXPORT_FORMAT:
		rf_log("%s: its disk is being formatted", cfg->name);
		break;
	default:
		rf_log("%s: ready: served by %s", cfg->name, cfg->program);
	}
}

void dev_recovered(struct dev *d, uint32_t queue)
{
	uint32_t *replaced = &d->queue[queue].replaced, now = d->r.queue[queue].generation;
	const struct rf_recovery_device *r = &d->device->log[*replaced % RF_STATS_LOG];
	const struct rf_recovery_service *v = &d->service->log[*replaced % RF_STATS_LOG];

	if (!*replaced || now <= *replaced)
		return;
	bool timed = r->generation == *replaced && r->enabled_ns > r->detect_ns;
	unsigned long long us = timed ? (r->enabled_ns - r->detect_ns) / 1000 : 0;

	if (!timed)
		rf_log_peer("%s: driver %u runs in its place", d->cfg->name, now);
	else if (d->cfg->policy.device.service == RF_SERVICE_NET || v->generation != *replaced)
		rf_log_peer("%s: driver %u runs in its place after %llu.%llu ms", d->cfg->name,
			    now, us / 1000, us / 100 % 10);
	else
		rf_log_peer("%s: driver %u runs in its place after %llu.%llu ms, with %u of its "
			    "requests",
			    d->cfg->name, now, us / 1000, us / 100 % 10, v->reissued);
	*replaced = 0;
}
