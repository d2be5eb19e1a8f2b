/* SPDX-License-Identifier: MIT */
/*
 * link.c - is the cable of an adapter in? Looked at while its driver runs, because the
 * registers that say so are not in a driver's reach; the export hears of changes.
 *
 * Room:   sandbox/device/core.
 * Reset:  an adapter that reset itself receives nothing more, and a driver that only receives
 *         waits for nothing: so it is looked for here, too (left.c).
 * Trust:  the device's word, which harms nobody but its own traffic.
 * Resets: one of the driver's successors must not look like a cable that was pulled. A link
 *         counts as down after DOWN_NS without it, as up at once.
 */
#include "clock.h"
#include "device.h"
#include "export.h"
#include "log.h"

#define LOOK_NS 200000000u
#define DOWN_NS 1000000000u

static bool link_watched(const struct rf_device *d)
{
	return d->admin_ops && d->admin_ops->link && any_driver_up(d) && !d->given_up &&
	       !d->stopping;
}

uint64_t link_next_ns(const struct rf_device *d)
{
	return link_watched(d) ? d->link_look_ns : 0;
}

static void link_changed(struct rf_device *d, enum rf_net_link link)
{
	rf_log(link == RF_NET_LINK_UP ? "%s: the link is up" :
					"%s: the link is down: is the cable in?",
	       d->label);
	d->net.link = link;
	notify_export(d, RF_SVC_LINK, d->queue[0].generation, 0, link);
}

bool link_look(struct rf_device *d)
{
	uint64_t now = rf_now_ns();

	if (!link_watched(d) || now < d->link_look_ns)
		return false;
	d->link_look_ns = now + LOOK_NS;
	enum rf_net_link link = d->admin_ops->link(d);
	if (link != RF_NET_LINK_DOWN || d->net.link == RF_NET_LINK_DOWN)
		d->link_down_ns = 0;
	else if (!d->link_down_ns)
		d->link_down_ns = now;
	if ((link == RF_NET_LINK_UP && d->net.link != RF_NET_LINK_UP) ||
	    (d->link_down_ns && now - d->link_down_ns >= DOWN_NS))
		link_changed(d, link);
	return !(d->cfg.flags & RF_DEVICE_NO_LOOK);
}

/* Forgets what was seen of the link, when a driver died or its successor starts. */
void link_forget(struct rf_device *d)
{
	d->link_down_ns = 0;
	d->link_look_ns = rf_now_ns() + LOOK_NS;
}
