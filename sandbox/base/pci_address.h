/* SPDX-License-Identifier: MIT */
/*
 * pci_address.h - DOMAIN:BUS:SLOT.FUNCTION, in the form the kernel names its folder in /sys by.
 *
 * Room: sandbox/base. Used by who reads the configuration and by who believes it.
 */
#ifndef RF_PCI_ADDRESS_H
#define RF_PCI_ADDRESS_H

#define RF_PCI_ADDRESS 17 /* bytes; domains of up to eight digits: VMD's and some hypervisors' */

/* 0, the address in lower case and at least four digits of domain; or -EINVAL. */
int rf_pci_address(const char *text, char canonical[RF_PCI_ADDRESS]);

#endif
