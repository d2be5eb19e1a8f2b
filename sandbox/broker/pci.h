/* SPDX-License-Identifier: MIT */
/*
 * pci.h - a PCI device in sysfs: found, checked, lent to VFIO, given back.
 *
 * Room:   sandbox/broker, root behind a list. Reads what the kernel says of a device,
 *         never the device itself.
 * Errors: functions return 0 or an enum rf_exit_code after one line in the log.
 */
#ifndef RF_PCI_H
#define RF_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/*
 * Takes the device for VFIO: checks that it exists, fits the policy, has an IOMMU
 * group that is viable, is not in use (unless `force`), then binds it to vfio-pci.
 * What it was bound to is written to RUN_DIR/restore/ADDRESS first, so that a
 * successor can give it back after any crash. *group: number of its group. Not the last
 * try: RF_OPEN_LATER if a program has its disk open (holders.h), or the kernel's driver is not done
 * with bringing it up.
 */
int rf_pci_take(const struct rf_config *, const struct rf_config_device *, bool last, int *group);

/* Number of its IOMMU group. */
int rf_pci_group(const char *address);

/* Gives the device back to the driver it had. Also for one that was taken only
 * half-way, or by a predecessor. Says nothing if there is nothing to give back. */
void rf_pci_give_back(const struct rf_config *, const char *address);

#endif
