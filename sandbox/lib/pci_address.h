/* SPDX-License-Identifier: MIT */
/*
 * pci_address.h - DOMAIN:BUS:SLOT.FUNCTION, in the form the kernel names its folder in /sys by.
 *
 * Room: sandbox/lib. Used by who reads the configuration and by who believes it.
 */
#ifndef RF_PCI_ADDRESS_H
#define RF_PCI_ADDRESS_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define RF_PCI_ADDRESS 17 /* bytes; domains of up to eight digits: VMD's and some hypervisors' */

/* From `least` to `most` hexadecimal digits, and `end` behind them. NULL: something else. */
static inline const char *rf_pci_digits(const char *at, size_t least, size_t most, char end,
					uint32_t *out)
{
	static const char hex[] = "0123456789abcdef0123456789ABCDEF";
	const char *from = at;

	for (*out = 0; *at && strchr(hex, *at); at++) {
		if ((size_t)(at - from) == most)
			return NULL;
		*out = *out << 4 | ((uint32_t)(strchr(hex, *at) - hex) & 15);
	}
	return (size_t)(at - from) >= least && *at == end ? at + 1 : NULL;
}

/* 0, the address in lower case and at least four digits of domain; or -EINVAL. */
static inline int rf_pci_address(const char *text, char canonical[RF_PCI_ADDRESS])
{
	uint32_t domain, bus, slot, function;
	const char *from = text;

	if (!(text = rf_pci_digits(text, 4, 8, ':', &domain)) ||
	    !(text = rf_pci_digits(text, 2, 2, ':', &bus)) ||
	    !(text = rf_pci_digits(text, 2, 2, '.', &slot)) ||
	    !rf_pci_digits(text, 1, 1, '\0', &function) || slot > 31 || function > 7 ||
	    (from[0] == '0' && from[4] != ':'))
		return -EINVAL;
	snprintf(canonical, RF_PCI_ADDRESS, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return 0;
}

#endif
