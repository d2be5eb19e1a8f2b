/* SPDX-License-Identifier: MIT */
/*
 * holders.h - who uses what hangs on a PCI device: its disks and interfaces.
 *
 * Room:   sandbox/broker, root behind a list. Reads /sys and /proc, and opens disks only to
 *         ask the kernel whether they are claimed.
 * Finds:  disks below the device, and those of an NVMe subsystem that one of its controllers is
 *         part of; on them mounts, swap, device-mapper, MD, bcache and loop devices, and what
 *         stands on these; NVMe targets; claims of anybody else; processes that have a disk open.
 *         Interfaces below the device that are up, or part of another one, or in another network
 *         namespace. Virtual functions.
 */
#ifndef RF_HOLDERS_H
#define RF_HOLDERS_H

#include <stdbool.h>

/* 0; RF_EXIT_IN_USE after a line that names the holder; RF_EXIT_SYSTEM after a line: the kernel
 * does not say. Not last: RF_OPEN_LATER of a disk that a program has open, for most such programs
 * only look, and where the kernel does not say, as of a disk that it has found just now. */
int rf_holders_check(const char *pci_address, bool last);
/* Releases the claims that rf_holders_check() took when it returned 0. Call it when the kernel's
 * driver has released the device. */
void rf_holders_release(void);

#endif
