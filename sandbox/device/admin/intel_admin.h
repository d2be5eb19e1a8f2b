/* SPDX-License-Identifier: MIT */
/*
 * intel_admin.h - what the admin planes of Intel's 82574 and 82576 have in common.
 *
 * Room:   sandbox/device/admin. Registers are named by their offset in BAR 0.
 * Link:   read at bring-up and, by link.c, ever after. The PHY is left as the reset finds it:
 *         CTRL.RST does not touch it, so that the link stays up over a driver's death.
 * Filter: frames to the adapter's own address, all broadcasts and all multicasts. Nobody
 *         here knows which groups the interface has joined, and IPv6 needs its own. Frames
 *         to other stations besides with RF_DEVICE_PROMISCUOUS.
 */
#ifndef RF_INTEL_ADMIN_H
#define RF_INTEL_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "device.h"
#include "intel_nic.h"
#include "net.h"
#include "net_types.h"

#define INTEL_PAGES 16u

struct intel_nic {
	struct rf_regs page[INTEL_PAGES]; /* the pages that intel_open() was given */
	uint32_t       entries;           /* of each ring */
	uint32_t       rctl, tctl;        /* as the last enable left them */
};

/* Makes the pages that begin at these offsets reachable. -errno after a line. */
int intel_open(struct rf_device *, struct intel_nic *, const uint32_t *pages, unsigned count);

uint32_t intel_get(struct rf_device *, const struct intel_nic *, uint32_t at);
void     intel_set(struct rf_device *, const struct intel_nic *, uint32_t at, uint32_t value);
bool     intel_present(struct rf_device *, const struct intel_nic *);

/* Waits until (register & mask) == value: 0; -ETIMEDOUT after `ms`, -ENODEV if the device is
 * gone. */
int intel_wait(struct rf_device *, const struct intel_nic *, uint32_t at, uint32_t mask,
	       uint32_t value, unsigned ms);

/* Switches interrupts, reception and transmission off. */
void intel_silence(struct rf_device *, const struct intel_nic *);
/* Waits for the device's own requests to end, then resets it, with interrupts off. -errno after
 * a line. */
int intel_reset(struct rf_device *, const struct intel_nic *);
/* Has the link follow the PHY and tags stripped; sets `bits` of CTRL too. */
void intel_link_up(struct rf_device *, const struct intel_nic *, uint32_t bits);
/* STATUS.LU. */
enum rf_net_link intel_link(struct rf_device *, const struct intel_nic *);
/* Filters: its own address, and what RCTL lets in; one queue; checksums checked. */
void intel_filters(struct rf_device *, const struct intel_nic *);
/* Reception begins, into one buffer of d->net.rx_buffer bytes a frame, which `buffers`, bits of
 * RCTL, says to a device that is told there. */
void intel_receive(struct rf_device *, const struct intel_nic *, uint32_t buffers);
/* All is enabled: what intel_changed(), which is rf_admin_ops.changed, compares. No driver has
 * these registers. */
void intel_enabled(struct rf_device *, struct intel_nic *);
const char *intel_changed(struct rf_device *, const struct intel_nic *);
/* Fills d->net: the address the reset loaded from the NVM, the link. -errno after a line. */
int intel_describe(struct rf_device *, const struct intel_nic *);

#endif
