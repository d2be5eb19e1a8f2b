/* SPDX-License-Identifier: MIT */
/*
 * intel_nic.c - what the admin planes of Intel's 82574 and 82576 have in common.
 *
 * Room:   sandbox/device/admin.
 * Trust:  what the registers say is the device's word: the address is checked before
 *         anybody uses it, and every wait has an end.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "intel_admin.h"
#include "log.h"
#include "wait.h"

int intel_open(struct rf_device *d, struct intel_nic *nic, const uint32_t *pages, unsigned count)
{
	int err;

	for (unsigned i = 0; i < count; i++) {
		RF_BUG_ON(pages[i] / RF_PAGE >= INTEL_PAGES);
		err = bar_open_regs(d, &nic->page[pages[i] / RF_PAGE], 0, pages[i]);
		if (err)
			return err;
	}
	if (intel_present(d, nic))
		return 0;
	rf_log("%s: registers read all ones: the device is gone", d->label);
	return -ENODEV;
}

uint32_t intel_get(struct rf_device *d, const struct intel_nic *nic, uint32_t at)
{
	return reg_read32(d, &nic->page[at / RF_PAGE], at % RF_PAGE);
}

void intel_set(struct rf_device *d, const struct intel_nic *nic, uint32_t at, uint32_t value)
{
	reg_write32(d, &nic->page[at / RF_PAGE], at % RF_PAGE, value);
}

bool intel_present(struct rf_device *d, const struct intel_nic *nic)
{
	return intel_get(d, nic, INTEL_STATUS) != ~0u;
}

int intel_wait(struct rf_device *d, const struct intel_nic *nic, uint32_t at, uint32_t mask,
	       uint32_t value, unsigned ms)
{
	uint64_t deadline = rf_now_ns() + ms * 1000000ull;

	for (;;) {
		uint32_t now = intel_get(d, nic, at);
		if (now == ~0u)
			return -ENODEV;
		if ((now & mask) == value)
			return 0;
		if (rf_now_ns() > deadline)
			return -ETIMEDOUT;
		rf_sleep_ns(20000);
	}
}

void intel_silence(struct rf_device *d, const struct intel_nic *nic)
{
	intel_set(d, nic, INTEL_IMC, ~0u);
	intel_set(d, nic, INTEL_RCTL, 0);
	intel_set(d, nic, INTEL_TCTL, INTEL_TCTL_PSP);
}

int intel_reset(struct rf_device *d, const struct intel_nic *nic)
{
	intel_silence(d, nic);
	intel_set(d, nic, INTEL_CTRL,
		  intel_get(d, nic, INTEL_CTRL) | INTEL_CTRL_GIO_MASTER_DISABLE);
	/* A device whose requests do not end in time is reset anyway. */
	(void)intel_wait(d, nic, INTEL_STATUS, INTEL_STATUS_GIO_MASTER_ENABLE, 0, 100);
	intel_set(d, nic, INTEL_CTRL, intel_get(d, nic, INTEL_CTRL) | INTEL_CTRL_RST);
	rf_sleep_ns(1000000);
	int err = intel_wait(d, nic, INTEL_CTRL, INTEL_CTRL_RST, 0, 1000);
	if (err) {
		rf_log("%s: the reset does not end: %s", d->label, strerror(-err));
		return err;
	}
	intel_set(d, nic, INTEL_IMC, ~0u);
	(void)intel_get(d, nic, INTEL_ICR);
	return 0;
}

void intel_link_up(struct rf_device *d, const struct intel_nic *nic, uint32_t bits)
{
	uint32_t ctrl = intel_get(d, nic, INTEL_CTRL) & ~INTEL_CTRL_GIO_MASTER_DISABLE;

	intel_set(d, nic, INTEL_CTRL, ctrl | INTEL_CTRL_SLU | INTEL_CTRL_VME | bits);
	intel_set(d, nic, INTEL_VET, 0x8100);
}

enum rf_net_link intel_link(struct rf_device *d, const struct intel_nic *nic)
{
	uint32_t status = intel_get(d, nic, INTEL_STATUS);

	if (status == ~0u)
		return RF_NET_LINK_NONE;
	return status & INTEL_STATUS_LU ? RF_NET_LINK_UP : RF_NET_LINK_DOWN;
}

void intel_filters(struct rf_device *d, const struct intel_nic *nic)
{
	for (unsigned i = 0; i < 128; i++)
		intel_set(d, nic, INTEL_MTA(i), 0);
	for (unsigned i = 1; i < 16; i++)
		intel_set(d, nic, INTEL_RAH(i), 0);
	intel_set(d, nic, INTEL_MRQC, 0);
	intel_set(d, nic, INTEL_RFCTL, 0);
	intel_set(d, nic, INTEL_RXCSUM, INTEL_RXCSUM_IPOFLD | INTEL_RXCSUM_TUOFLD);
}

void intel_receive(struct rf_device *d, const struct intel_nic *nic, uint32_t buffers)
{
	uint32_t others = d->cfg.flags & RF_DEVICE_PROMISCUOUS ? INTEL_RCTL_UPE : 0;
	uint32_t longer = d->net.mtu > 1500 ? INTEL_RCTL_LPE : 0;

	intel_set(d, nic, INTEL_RCTL, INTEL_RCTL_EN | INTEL_RCTL_MPE | INTEL_RCTL_BAM |
					      INTEL_RCTL_SECRC | others | longer | buffers);
}

/* A buffer takes the longest frame with a tag and FCS, so that no frame comes in parts. The
 * buffers take at most half of the arena. */
static void buffers_fit(struct rf_device *d)
{
	while (d->net.rx_buffer < d->net.mtu + 22u)
		d->net.rx_buffer *= 2;
	while (4ull * d->net.rx_count * d->net.rx_buffer > d->cfg.arena_bytes &&
	       d->net.rx_count > 64)
		d->net.rx_count /= 2;
}

void intel_enabled(struct rf_device *d, struct intel_nic *nic)
{
	nic->rctl = intel_get(d, nic, INTEL_RCTL);
	nic->tctl = intel_get(d, nic, INTEL_TCTL);
}

const char *intel_changed(struct rf_device *d, const struct intel_nic *nic)
{
	if (d->left != RF_LEFT_ENABLED)
		return NULL;
	if (!intel_present(d, nic))
		return "its registers read all ones";
	return intel_get(d, nic, INTEL_RCTL) != nic->rctl ?
		       "it receives otherwise or not at all (RCTL)" :
	       intel_get(d, nic, INTEL_TCTL) != nic->tctl ?
		       "it sends otherwise or not at all (TCTL)" :
		       NULL;
}

int intel_describe(struct rf_device *d, const struct intel_nic *nic)
{
	static const uint32_t speeds[] = { 10, 100, 1000, 1000 };
	uint32_t low = intel_get(d, nic, INTEL_RAL(0)), high = intel_get(d, nic, INTEL_RAH(0));
	uint32_t status = intel_get(d, nic, INTEL_STATUS);
	bool up = status & INTEL_STATUS_LU;

	d->net = (struct rf_net_info){
		.mtu = (uint16_t)(d->cfg.mtu ? d->cfg.mtu : 1500),
		.rx_buffer = 2048,
		.rx_count = RF_NET_DEPTH,
		.tx_max = 65535,
		.features = RF_NET_HAS_TX_CSUM | RF_NET_HAS_RX_CSUM | RF_NET_HAS_TSO4 |
			    RF_NET_HAS_TSO6 | RF_NET_HAS_VLAN | RF_NET_HAS_SG |
			    RF_NET_TSO_NO_LENGTH,
		.link = up ? RF_NET_LINK_UP : RF_NET_LINK_DOWN,
		.speed = up ? speeds[INTEL_STATUS_SPEED(status)] : 0,
	};
	buffers_fit(d);
	for (int i = 0; i < 6; i++)
		d->net.mac[i] = (uint8_t)(i < 4 ? low >> 8 * i : high >> 8 * (i - 4));
	if (!(high & INTEL_RAH_AV) || d->net.mac[0] & 1 || !(low | (high & 0xffff))) {
		rf_log("%s: its NVM holds no usable Ethernet address", d->label);
		return -EINVAL;
	}
	return 0;
}
