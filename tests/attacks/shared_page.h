/* SPDX-License-Identifier: MIT */
/*
 * shared_page.h - what the harness and the export under attack share: a page.
 *
 * Room:   tests/attacks.
 */
#ifndef SERVED_H
#define SERVED_H

#include <stdint.h>

#define SERVED_PAGE_OFFSET 2048 /* in the memfd of rf_export_config */

/* Checks of the service that a control leaves out. */
enum {
	WITHOUT_INDEX = 1,
	WITHOUT_GENERATION = 2,
	WITHOUT_TAG = 4,
	WITHOUT_STATUS = 8,
	WITHOUT_COPY = 16,  /* looks at the record, then reads it again */
	WITHOUT_OWN = 32,   /* knows its requests by what the ring says of them */
	WITHOUT_GLUE = 128, /* takes glued frames of any device */
	WITHOUT_COUNT = 64, /* asks the driver's index whether there is room for a request */
};

struct served_page {
	uint32_t without, wanted; /* from the harness: checks left out; requests to make */
	volatile uint64_t completed;
	volatile uint64_t doubled;    /* done() for what was not in flight */
	volatile uint64_t impossible; /* done() with a status no driver may give */
	volatile uint64_t finished;
};

#endif
