/* SPDX-License-Identifier: MIT */
/*
 * igb_admin.c - the admin plane of an Intel 82576: all registers but those of the rings.
 *
 * Room:   sandbox/device/admin. Intel 82576 datasheet, revision 2.63; the steps are those of its
 *         section 4.5, "Software Initialization Sequence".
 * Trust:  see intel_admin.h.
 */
#include <errno.h>
#include <string.h>

#include "clock.h"
#include "igb.h"
#include "intel_admin.h"
#include "log.h"

/* A PHY that has no link by then is told to negotiate, since it may have been switched off. */
#define LINK_LOST_NS 5000000000ull

static struct intel_nic nic;
static uint64_t link_missed_ns; /* since when the link is missing; 0: it was up at the last look */

static void igb_set(struct rf_device *d, uint32_t at, uint32_t value)
{
	intel_set(d, &nic, at, value);
}

static bool igb_present(struct rf_device *d)
{
	return intel_present(d, &nic);
}

/* Receive initialization. The tail may be moved only once the queue is enabled. */
static int igb_setup_receive(struct rf_device *d, uint64_t ring)
{
	intel_filters(d, &nic);
	igb_set(d, IGB_RDBAL, (uint32_t)ring);
	igb_set(d, IGB_RDBAH, (uint32_t)(ring >> 32));
	igb_set(d, IGB_RDLEN, nic.entries * IGB_DESC_BYTES);
	igb_set(d, IGB_SRRCTL,
		IGB_SRRCTL_BSIZEPKT(d->net.rx_buffer / 1024) | IGB_SRRCTL_DESCTYPE_ADV |
			IGB_SRRCTL_DROP_EN);
	igb_set(d, IGB_RDH, 0);
	igb_set(d, IGB_RXDCTL, IGB_RXDCTL_ENABLE | IGB_DCTL_WTHRESH(1));
	int err = intel_wait(d, &nic, IGB_RXDCTL, IGB_RXDCTL_ENABLE, IGB_RXDCTL_ENABLE, 100);
	igb_set(d, IGB_RDT, 0);
	igb_set(d, IGB_RLPML, d->net.mtu + 22u);
	intel_receive(d, &nic, INTEL_RCTL_BSIZE2048);
	return err;
}

/* Transmit initialization. */
static int igb_setup_transmit(struct rf_device *d, uint64_t ring)
{
	igb_set(d, IGB_TDBAL, (uint32_t)ring);
	igb_set(d, IGB_TDBAH, (uint32_t)(ring >> 32));
	igb_set(d, IGB_TDLEN, nic.entries * IGB_DESC_BYTES);
	igb_set(d, IGB_TDH, 0);
	igb_set(d, IGB_TXDCTL, IGB_TXDCTL_ENABLE | IGB_DCTL_WTHRESH(1));
	int err = intel_wait(d, &nic, IGB_TXDCTL, IGB_TXDCTL_ENABLE, IGB_TXDCTL_ENABLE, 100);
	igb_set(d, IGB_TDT, 0);
	igb_set(d, INTEL_TIPG, INTEL_TIPG_COPPER);
	igb_set(d, INTEL_TCTL,
		INTEL_TCTL_EN | INTEL_TCTL_PSP | INTEL_TCTL_CT(15) | INTEL_TCTL_COLD(0x3f));
	return err;
}

/*
 * MSI-X (7.3). Both queues have one vector. Its cause clears itself when it is sent (EIAC)
 * and is never masked (EIAM = 0), so that the driver needs no interrupt register.
 */
static int igb_setup_interrupts(struct rf_device *d, unsigned half)
{
	int vector = irq_vector(d, 0, half);
	uint64_t us = d->cfg.moderation_ns / 1000;

	if (vector < 0) {
		rf_log("%s: interrupt: %s", d->label, strerror(-vector));
		return vector;
	}
	igb_set(d, IGB_GPIE, IGB_GPIE_NSICR | IGB_GPIE_MULTIPLE_MSIX | IGB_GPIE_PBA);
	igb_set(d, IGB_IVAR0, IGB_IVAR_RXQ0((uint32_t)vector) | IGB_IVAR_TXQ0((uint32_t)vector));
	igb_set(d, IGB_EITR((uint32_t)vector),
		IGB_EITR_INTERVAL(us > IGB_EITR_MAX_US ? IGB_EITR_MAX_US : us));
	igb_set(d, IGB_EIAM, 0);
	igb_set(d, IGB_EIAC, 1u << vector);
	/* A driver that never sleeps needs no interrupts. */
	if (d->cfg.spin_ns != UINT64_MAX)
		igb_set(d, IGB_EIMS, 1u << vector);
	return 0;
}

/* One access to a register of the PHY (8.2.4, MDIC). */
static int phy_access(struct rf_device *d, uint32_t access, uint32_t *result)
{
	igb_set(d, IGB_MDIC, access);
	int err = intel_wait(d, &nic, IGB_MDIC, IGB_MDIC_READY, IGB_MDIC_READY, 10);
	*result = err ? 0 : intel_get(d, &nic, IGB_MDIC);
	return err ? err : *result & IGB_MDIC_ERROR ? -EIO : 0;
}

static void negotiate(struct rf_device *d)
{
	uint32_t ignored;

	if (phy_access(d, IGB_MDIC_WRITE(IGB_PHY_CONTROL, IGB_PHY_AUTONEG), &ignored))
		rf_log("%s: its PHY does not answer", d->label);
}

/* The bit latches a lost link: the second reading gives the present state. */
static bool phy_has_link(struct rf_device *d)
{
	uint32_t status;

	return !phy_access(d, IGB_MDIC_READ(IGB_PHY_STATUS), &status) &&
	       !phy_access(d, IGB_MDIC_READ(IGB_PHY_STATUS), &status) && status & IGB_PHY_LINK;
}

/*
 * Sets the link up. The PHY keeps its link over CTRL.RST. A PHY that lost its link negotiates by
 * itself, and would start over if told to. It is told only where it reports a link that the MAC
 * does not know.
 */
static void link_up(struct rf_device *d)
{
	intel_link_up(d, &nic, 0);
	link_missed_ns = 0;
	if (intel_wait(d, &nic, INTEL_STATUS, INTEL_STATUS_LU, INTEL_STATUS_LU, 5) &&
	    phy_has_link(d))
		negotiate(d);
}

static int reset(struct rf_device *d)
{
	igb_set(d, IGB_EIMC, ~0u);
	return intel_reset(d, &nic);
}

static int igb_enable(struct rf_device *d, unsigned half)
{
	uint64_t base = d->queues_iova + queue_memory_at(d, 0, half);
	int err = reset(d);

	if (err)
		return err;
	if (config_bus_master(d, true))
		return -EIO;
	link_up(d);
	if ((err = igb_setup_receive(d, base)) ||
	    (err = igb_setup_transmit(d, base + (uint64_t)nic.entries * IGB_DESC_BYTES))) {
		rf_log("%s: its queues cannot be enabled: %s", d->label, strerror(-err));
		return err;
	}
	err = igb_setup_interrupts(d, half);
	intel_enabled(d, &nic);
	return err;
}

/* Stops fetching and receiving; the reset recipe does the rest. */
static void igb_quiet(struct rf_device *d)
{
	if (!igb_present(d))
		return;
	igb_set(d, IGB_EIMC, ~0u);
	intel_silence(d, &nic);
}

static int igb_check_rings(struct rf_device *d)
{
	nic.entries =
		d->cfg.queue_entries > IGB_MAX_ENTRIES ? IGB_MAX_ENTRIES : d->cfg.queue_entries;
	if (nic.entries >= IGB_MIN_ENTRIES && igb_queue_bytes(nic.entries) <= d->cfg.queue_bytes)
		return 0;
	rf_log("%s: rings of %u entries (at least %u) need %llu bytes of queue memory", d->label,
	       nic.entries, IGB_MIN_ENTRIES, (unsigned long long)igb_queue_bytes(nic.entries));
	return -EINVAL;
}

static int igb_identify(struct rf_device *d)
{
	static const uint32_t pages[] = { 0, 0x1000, 0x5000, 0xc000, 0xe000 };
	int err;

	if ((err = igb_check_rings(d)) || (err = intel_open(d, &nic, pages, 5)) || (err = reset(d)))
		return err;
	link_up(d);
	/* Who has no link by then is told so. */
	(void)intel_wait(d, &nic, INTEL_STATUS, INTEL_STATUS_LU, INTEL_STATUS_LU, 4000);
	if ((err = intel_describe(d, &nic)))
		return err;
	d->template.param[IGB_PARAM_ENTRIES] = nic.entries;
	d->doorbell.bar = 0;
	d->doorbell.submit = IGB_RDT;
	d->doorbell.complete = IGB_TDT;
	return doorbell_open(d);
}

static bool igb_shutdown(struct rf_device *d)
{
	if (igb_present(d))
		(void)reset(d);
	return false;
}

static enum rf_net_link igb_link(struct rf_device *d)
{
	enum rf_net_link link = intel_link(d, &nic);
	uint64_t now = rf_now_ns();

	if (link != RF_NET_LINK_DOWN) {
		link_missed_ns = 0;
	} else if (!link_missed_ns) {
		link_missed_ns = now;
	} else if (now - link_missed_ns >= LINK_LOST_NS) {
		negotiate(d);
		link_missed_ns = now;
	}
	return link;
}

static const char *igb_changed(struct rf_device *d)
{
	return intel_changed(d, &nic);
}

const struct rf_admin_ops rf_admin_igb = {
	.identify = igb_identify,
	.enable = igb_enable,
	.quiet = igb_quiet,
	.shutdown = igb_shutdown,
	.present = igb_present,
	.changed = igb_changed,
	.link = igb_link,
};
