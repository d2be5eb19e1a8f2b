/* SPDX-License-Identifier: MIT */
/*
 * e1000e_admin.c - the admin plane of an Intel 82574: all registers but those of the
 * two rings.
 *
 * Room:   sandbox/device/admin. Intel 82574 datasheet, revision 3.4; the numbers of the steps
 *         are those of its section 4.6, "Software Initialization Sequence".
 * Trust:  see intel_admin.h.
 */
#include <errno.h>
#include <string.h>

#include "e1000e.h"
#include "intel_admin.h"
#include "log.h"

/* Nanoseconds of one unit of EITR. */
#define EITR_UNIT 256u

static struct intel_nic nic;

static void e1000e_set(struct rf_device *d, uint32_t at, uint32_t value)
{
	intel_set(d, &nic, at, value);
}

static bool e1000e_present(struct rf_device *d)
{
	return intel_present(d, &nic);
}

static uint32_t buffer_bits(uint32_t bytes)
{
	return bytes == 2048 ? INTEL_RCTL_BSIZE2048 : bytes == 4096 ? E1000E_RCTL_BSIZE4096 :
	       bytes == 8192 ? E1000E_RCTL_BSIZE8192 : E1000E_RCTL_BSIZE16384;
}

/* Step 5. Head and tail are 0: the ring is empty until the driver moves the tail. */
static void e1000e_setup_receive(struct rf_device *d, uint64_t ring)
{
	intel_filters(d, &nic);
	e1000e_set(d, E1000E_RDBAL, (uint32_t)ring);
	e1000e_set(d, E1000E_RDBAH, (uint32_t)(ring >> 32));
	e1000e_set(d, E1000E_RDLEN, nic.entries * (uint32_t)sizeof(struct e1000e_desc));
	e1000e_set(d, E1000E_RDH, 0);
	e1000e_set(d, E1000E_RDT, 0);
	/* Moderation is EITR's: no delay of write-backs, none of the old timers. */
	e1000e_set(d, E1000E_RDTR, 0);
	e1000e_set(d, E1000E_RADV, 0);
	e1000e_set(d, E1000E_RXDCTL, E1000E_RXDCTL_GRAN | E1000E_RXDCTL_WTHRESH(1));
	intel_receive(d, &nic, buffer_bits(d->net.rx_buffer));
}

/* Step 6. */
static void e1000e_setup_transmit(struct rf_device *d, uint64_t ring)
{
	e1000e_set(d, E1000E_TDBAL, (uint32_t)ring);
	e1000e_set(d, E1000E_TDBAH, (uint32_t)(ring >> 32));
	e1000e_set(d, E1000E_TDLEN, nic.entries * (uint32_t)sizeof(struct e1000e_desc));
	e1000e_set(d, E1000E_TDH, 0);
	e1000e_set(d, E1000E_TDT, 0);
	e1000e_set(d, E1000E_TIDV, 0);
	e1000e_set(d, E1000E_TADV, 0);
	e1000e_set(d, E1000E_TXDCTL,
		   E1000E_TXDCTL_GRAN | E1000E_TXDCTL_COUNT_DESC | E1000E_TXDCTL_WTHRESH(1));
	e1000e_set(d, INTEL_TIPG, INTEL_TIPG_COPPER);
	e1000e_set(d, INTEL_TCTL,
		   INTEL_TCTL_EN | INTEL_TCTL_PSP | INTEL_TCTL_CT(15) | INTEL_TCTL_COLD(0x3f));
}

/*
 * Step 7 (7.4: MSI-X). Both queues have one vector. Its causes clear themselves when it
 * is sent (EIAC) and are never masked (IAME with IAM = 0), so that the driver needs no
 * interrupt register.
 */
static int e1000e_setup_interrupts(struct rf_device *d, unsigned half)
{
	const uint32_t causes = E1000E_IRQ_RXQ0 | E1000E_IRQ_TXQ0;
	uint64_t units = d->cfg.moderation_ns / EITR_UNIT;
	int vector = irq_vector(d, 0, half);

	if (vector < 0) {
		rf_log("%s: interrupt: %s", d->label, strerror(-vector));
		return vector;
	}
	e1000e_set(d, INTEL_CTRL_EXT,
		   intel_get(d, &nic, INTEL_CTRL_EXT) | E1000E_CTRL_EXT_IAME | E1000E_CTRL_EXT_PBA);
	e1000e_set(d, E1000E_IAM, 0);
	e1000e_set(d, E1000E_IVAR,
		   E1000E_IVAR_RXQ0((uint32_t)vector) | E1000E_IVAR_TXQ0((uint32_t)vector));
	e1000e_set(d, E1000E_EITR((uint32_t)vector), units > 0xffff ? 0xffff : (uint32_t)units);
	e1000e_set(d, E1000E_EIAC, causes);
	/* A driver that never sleeps needs no interrupts. */
	if (d->cfg.spin_ns != UINT64_MAX)
		e1000e_set(d, INTEL_IMS, causes);
	return 0;
}

/* Steps 1 and 2 are intel_reset(), 3 is the link; the hardware does 4 (statistics) itself. */
static int e1000e_enable(struct rf_device *d, unsigned half)
{
	uint64_t base = d->queues_iova + queue_memory_at(d, 0, half);
	int err = intel_reset(d, &nic);

	if (err)
		return err;
	if (config_bus_master(d, true))
		return -EIO;
	intel_link_up(d, &nic, INTEL_CTRL_ASDE);
	e1000e_setup_receive(d, base);
	e1000e_setup_transmit(d, base + e1000e_queue_tx(nic.entries));
	err = e1000e_setup_interrupts(d, half);
	intel_enabled(d, &nic);
	return err;
}

/* Stops fetching and receiving; the reset recipe does the rest. */
static void e1000e_quiet(struct rf_device *d)
{
	if (e1000e_present(d))
		intel_silence(d, &nic);
}

static int e1000e_check_rings(struct rf_device *d)
{
	uint32_t entries = d->cfg.queue_entries;
	uint64_t bytes = e1000e_queue_bytes(entries, entries);

	nic.entries = entries;
	if (entries >= E1000E_MIN_ENTRIES && bytes <= d->cfg.queue_bytes)
		return 0;
	rf_log("%s: rings of %u entries (at least %u) need %llu bytes of queue memory", d->label,
	       entries, E1000E_MIN_ENTRIES, (unsigned long long)bytes);
	return -EINVAL;
}

static int e1000e_identify(struct rf_device *d)
{
	static const uint32_t pages[] = { 0, 0x2000, 0x3000, 0x5000 };
	int err;

	if ((err = e1000e_check_rings(d)) || (err = intel_open(d, &nic, pages, 4)) ||
	    (err = intel_reset(d, &nic)))
		return err;
	intel_link_up(d, &nic, INTEL_CTRL_ASDE);
	if ((err = intel_describe(d, &nic)))
		return err;
	d->template.param[E1000E_PARAM_RX_ENTRIES] = nic.entries;
	d->template.param[E1000E_PARAM_TX_ENTRIES] = nic.entries;
	d->doorbell.bar = 0;
	d->doorbell.submit = E1000E_RDT;
	d->doorbell.complete = E1000E_TDT;
	return doorbell_open(d);
}

static bool e1000e_shutdown(struct rf_device *d)
{
	if (e1000e_present(d))
		(void)intel_reset(d, &nic);
	return false;
}

static enum rf_net_link e1000e_link(struct rf_device *d)
{
	return intel_link(d, &nic);
}

static const char *e1000e_changed(struct rf_device *d)
{
	return intel_changed(d, &nic);
}

const struct rf_admin_ops rf_admin_e1000e = {
	.identify = e1000e_identify,
	.enable = e1000e_enable,
	.quiet = e1000e_quiet,
	.shutdown = e1000e_shutdown,
	.present = e1000e_present,
	.changed = e1000e_changed,
	.link = e1000e_link,
};
