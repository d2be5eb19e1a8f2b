/* SPDX-License-Identifier: MIT */
/* pci_address.c - see pci_address.h. Room: sandbox/base, trusted. */
#include "pci_address.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* From `least` to `most` hexadecimal digits, and `end` behind them. NULL: something else. */
static const char *digits(const char *at, size_t least, size_t most, char end, uint32_t *out)
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

int rf_pci_address(const char *text, char canonical[RF_PCI_ADDRESS])
{
	uint32_t domain, bus, slot, function;
	const char *from = text;

	if (!(text = digits(text, 4, 8, ':', &domain)) || !(text = digits(text, 2, 2, ':', &bus)) ||
	    !(text = digits(text, 2, 2, '.', &slot)) || !digits(text, 1, 1, '\0', &function) ||
	    slot > 31 || function > 7 || (from[0] == '0' && from[4] != ':'))
		return -EINVAL;
	snprintf(canonical, RF_PCI_ADDRESS, "%04x:%02x:%02x.%x", domain, bus, slot, function);
	return 0;
}
