/* SPDX-License-Identifier: MIT */
/*
 * served.c - the smallest export there is: the block service, and requests of its own whose
 * answers it counts. The other side of every attack on the ring.
 *
 * Room:   tests/attacks. Linked with the service as it is shipped, or with one whose
 *         checks ask rf_without first (rf-served-lax).
 */
#include "shared_page.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "service.h"

#define DEPTH 16

unsigned rf_without;

static struct request {
	struct rf_io io; /* first */
	int pending;
} requests[DEPTH];

static struct served_page *page;

static void done(struct rf_io *io, int status)
{
	struct request *r = (struct request *)io;

	if (r < requests || r >= requests + DEPTH || !r->pending)
		page->doubled++;
	else
		r->pending = 0;
	if (status && !rf_blk_status_valid(status))
		page->impossible++;
	page->completed++;
}

static void feed(struct rf_blk *s, uint32_t *made)
{
	for (int i = 0; i < DEPTH && *made < page->wanted; i++) {
		struct request *r = &requests[i];

		if (r->pending)
			continue;
		r->io = (struct rf_io){.op = RF_BLK_READ,
				       .length = 4096,
				       .offset = 4096u * (*made % 1024),
				       .arena = 4096u * (unsigned)i,
				       .done = done};
		r->pending = 1;
		if (rf_blk_submit(s, &r->io))
			rf_die(70, "a good request was refused");
		++*made;
	}
	rf_blk_push(s);
}

int main(void)
{
	struct rf_blk *s;
	uint32_t made = 0;
	unsigned turns = 0;

	rf_log_name = "served";
	char *config = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, RF_EXPORT_FD_CONFIG, 0);
	if (config == MAP_FAILED || rf_blk_open(&s))
		return 70;
	page = (void *)(config + SERVED_PAGE_OFFSET);
	rf_without = page->without;
	for (;;) {
		int err = rf_blk_control(s);

		if (err == -EPIPE)
			return 0;
		if (rf_blk_info(s))
			feed(s, &made);
		for (int i = 0; i < 256; i++)
			rf_blk_poll(s);
		page->finished = page->completed >= page->wanted;
		if (++turns % 64 == 0)
			rf_blk_tick(s);
		nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	}
}
