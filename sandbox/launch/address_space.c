/* SPDX-License-Identifier: MIT */
/* address_space.c - see address_space.h. Room: sandbox/launch, trusted. */
#include "address_space.h"

#include <errno.h>
#include <linux/mman.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "boot.h"
#include "launch_log.h"
#include "walls.h"

#define PAGE    4096ull
#define HUGE    (2ull << 20)
#define LOWEST  (1ull << 36)
#define AT_ONCE (64ull << 10) /* bytes of a window that are mapped before the driver starts */
#define CHOICES (1ull << 24) /* in steps of 2 MiB: up to 32 TiB above LOWEST */
#define TRIES   16
/* x86-64 ABI, thread-local storage variant II: FS points at the end of the block,
 * where a pointer to itself stands; gcc keeps the stack canary at FS + 0x28. */
#define TCB_BYTES     64u
#define CANARY_OFFSET 0x28u

static uint64_t page_up(uint64_t x)
{
	return (x + PAGE - 1) & ~(PAGE - 1);
}

static void random_get(void *to, size_t bytes)
{
	if (getrandom(to, bytes, 0) != (ssize_t)bytes)
		rf_launch_die(RF_LAUNCH_SYSTEM, "no random numbers: %s", strerror(errno));
}

/* Puts one region behind what is laid out so far, a hole of 1 to 16 pages before
 * it. Large ones go on huge page boundaries. */
static void region_place(struct rf_region *r, uint64_t bytes, uint64_t *end)
{
	unsigned char gap;

	random_get(&gap, sizeof(gap));
	*end += PAGE * (1 + gap % 16);
	if (bytes >= HUGE)
		*end = (*end + HUGE - 1) & ~(HUGE - 1);
	*r = (struct rf_region){ .at = *end, .bytes = bytes };
	*end += bytes;
}

static uint64_t reservation_make(uint64_t bytes)
{
	for (int i = 0; i < TRIES; i++) {
		uint64_t at;

		random_get(&at, sizeof(at));
		at = LOWEST + at % CHOICES * HUGE;
		if (mmap((void *)(uintptr_t)at, bytes, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1,
			 0) != MAP_FAILED)
			return at;
		if (errno != EEXIST)
			break;
	}
	rf_launch_die(RF_LAUNCH_SYSTEM, "no %llu bytes of address space: %s",
		      (unsigned long long)bytes, strerror(errno));
}

void rf_address_space_reserve(struct rf_address_space *s, const struct rf_launch *spec,
			      const struct rf_image *img)
{
	uint64_t end = 0, base;

	memset(s, 0, sizeof(*s));
	s->window_count = spec->window_count;
	/* TLS alignment is at most a page: one page more is always enough. */
	region_place(&s->image, img->span, &end);
	region_place(&s->tls, page_up(img->tls_memsz + img->tls_align + TCB_BYTES), &end);
	region_place(&s->stack, RF_STACK_BYTES, &end);
	for (unsigned i = 0; i < spec->window_count; i++)
		region_place(&s->window[i], spec->windows[i].bytes, &end);
	base = reservation_make(end + PAGE);
	s->image.at += base;
	s->tls.at += base;
	s->stack.at += base;
	for (unsigned i = 0; i < spec->window_count; i++)
		s->window[i].at += base;
}

/* Private memory of the driver, resident from the start if the limit allows. */
static char *private_map(const struct rf_region *r, int prot)
{
	char *at = mmap((void *)(uintptr_t)r->at, r->bytes, prot,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, -1, 0);

	if (at == MAP_FAILED)
		rf_launch_die(RF_LAUNCH_SYSTEM, "no memory for stack or TLS: %s", strerror(errno));
	return at;
}

void rf_address_space_map_stack(struct rf_address_space *s)
{
	private_map(&s->stack, PROT_READ | PROT_WRITE);
}

void rf_address_space_map_tls(struct rf_address_space *s, const struct rf_image *img)
{
	char    *block = private_map(&s->tls, PROT_READ | PROT_WRITE);
	uint64_t size = (img->tls_memsz + img->tls_align - 1) & ~(img->tls_align - 1);
	uint64_t canary;

	/* The block's end is as aligned as the block; TCB_BYTES follow it. */
	s->thread = s->tls.at + s->tls.bytes - TCB_BYTES;
	s->thread &= ~((img->tls_align > 64 ? img->tls_align : 64) - 1);
	memcpy(block + (s->thread - size - s->tls.at),
	       (const char *)(uintptr_t)(s->image.at + img->tls), img->tls_filesz);
	memcpy(block + (s->thread - s->tls.at), &s->thread, sizeof(s->thread));
	random_get(&canary, sizeof(canary));
	canary &= ~0xffull; /* a zero byte first: no string ends with the canary */
	memcpy(block + (s->thread - s->tls.at) + CANARY_OFFSET, &canary, sizeof(canary));
	/* Without thread-local variables nothing writes here. */
	if (!img->tls_memsz && mprotect(block, s->tls.bytes, PROT_READ))
		rf_launch_die(RF_LAUNCH_SYSTEM, "cannot make the TLS block read-only: %s",
			      strerror(errno));
}

void rf_address_space_map_windows(struct rf_address_space *s, const struct rf_launch *spec)
{
	for (unsigned i = 0; i < spec->window_count; i++) {
		const struct rf_launch_window *w = &spec->windows[i];
		struct rf_region *r = &s->window[i];
		int   prot = PROT_READ | (w->flags ? PROT_WRITE : 0);
		void *at = mmap((void *)(uintptr_t)r->at, r->bytes, prot, MAP_SHARED | MAP_FIXED,
				RF_LAUNCH_FD_WINDOW + (int)w->fd, (off_t)w->offset);

		if (at == MAP_FAILED)
			rf_launch_die(RF_LAUNCH_SYSTEM, "cannot map window %u (fd %u): %s", i,
				      w->fd, strerror(errno));
		if (w->flags & RF_WINDOW_BOOT) {
			s->boot = at;
			s->boot_window = *r;
		}
	}
}

/* Makes a range's page table entries. The call fails for registers, which have theirs already. */
static void populate(uint64_t at, uint64_t bytes)
{
	(void)madvise((void *)(uintptr_t)at, bytes, MADV_POPULATE_READ);
}

void rf_address_space_hold(const struct rf_address_space *s)
{
	for (unsigned i = 0; i < s->window_count; i++) {
		const struct rf_region *r = &s->window[i];

		mlock2((void *)(uintptr_t)r->at, r->bytes, MLOCK_ONFAULT);
		populate(r->at, r->bytes < AT_ONCE ? r->bytes : AT_ONCE);
		/* One page in each 2 MiB is touched: its page table holds the entries of its
		 * neighbours too. */
		for (uint64_t at = HUGE; at < r->bytes; at += HUGE)
			populate(r->at + at, PAGE);
	}
}

void rf_address_space_seal(struct rf_address_space *s, const struct rf_launch *spec)
{
	if (s->boot->magic != RF_BOOT_MAGIC || s->boot->version != RF_BOOT_VERSION ||
	    s->boot->generation != spec->generation || s->boot->queue_count > RF_MAX_QUEUES)
		rf_launch_die(RF_LAUNCH_BAD_SPEC,
			      "bad boot record: not of this version or generation");
	for (unsigned i = 0; i < spec->fixup_count; i++) {
		const struct rf_launch_fixup *f = &spec->fixups[i];
		uint64_t address = s->window[f->window].at + f->add;

		memcpy((char *)s->boot + f->boot_offset, &address, sizeof(address));
	}
	if (mprotect((void *)(uintptr_t)s->boot_window.at, s->boot_window.bytes, PROT_READ))
		rf_launch_die(RF_LAUNCH_SYSTEM, "cannot make the boot record read-only: %s",
			      strerror(errno));
}
