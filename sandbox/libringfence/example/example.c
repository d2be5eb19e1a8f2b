/* SPDX-License-Identifier: MIT */
/*
 * example.c - writes to a disk, reads it back and compares, until its driver has been replaced
 * as often as the word behind the program's path says. All that was on the disk is lost.
 *
 * Room:   sandbox/libringfence/example; sees ringfence.h only, as anybody's program does.
 * Build:  musl-gcc -static -o example example.c $(pkg-config --cflags --libs --static ringfence)
 * Start:  in a configuration, see ringfence.conf(5):
 *           export program /path/of/example output /path/of/file 3
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <ringfence.h>

#define SLOTS 16u   /* requests at a time, each on places of its own */
#define BYTES 4096u /* of a request */

struct slot {
	struct rf_io io; /* first: done() gets its address */
	uint64_t     serial;
};

static struct rf_blk *disk;
static struct slot    slots[SLOTS];
static uint64_t       serial, blocks, compared, wrong;
static unsigned       pending; /* requests without an answer */
static bool           ending;

static void must(int err, const char *what)
{
	if (err >= 0)
		return;
	if (err == -EPIPE) /* ringfence ends the device */
		exit(0);
	dprintf(STDERR_FILENO, "example: %s: %s\n", what, strerror(-err));
	exit(EXIT_FAILURE);
}

/* Each block says where it lies and which write it is of. */
static void fill(uint64_t *at, uint64_t offset, uint64_t number)
{
	for (uint32_t i = 0; i < BYTES / sizeof(*at); i++)
		at[i] = (offset ^ number << 40) * 0x9e3779b97f4a7c15u + i;
}

static bool same(const uint64_t *at, uint64_t offset, uint64_t number)
{
	uint64_t expected[BYTES / sizeof(*at)];

	fill(expected, offset, number);
	return !memcmp(at, expected, BYTES);
}

static void done(struct rf_io *io, int status);

static void submit(struct slot *slot, uint8_t op)
{
	slot->io.op = op;
	slot->io.length = BYTES;
	slot->io.done = done;
	must(rf_blk_submit(disk, &slot->io), "a request is refused");
	pending++;
}

static void next_write(struct slot *slot)
{
	uint64_t index = (uint64_t)(slot - slots);

	if (ending)
		return;
	slot->serial = ++serial;
	slot->io.offset = (index + serial % (blocks / SLOTS) * SLOTS) % blocks * BYTES;
	fill(rf_blk_at(disk, slot->io.arena), slot->io.offset, slot->serial);
	submit(slot, RF_BLK_WRITE);
}

/* A write was answered, or a read: whatever happened to drivers meanwhile. */
static void done(struct rf_io *io, int status)
{
	struct slot *slot = (struct slot *)io;
	void *data = rf_blk_at(disk, io->arena);

	pending--;
	must(status, "a request failed");
	if (io->op == RF_BLK_WRITE) {
		memset(data, 0, BYTES);
		submit(slot, RF_BLK_READ);
		return;
	}
	compared++;
	wrong += !same(data, io->offset, slot->serial);
	next_write(slot);
}

/* Takes the news. Number of recoveries in it. */
static unsigned recoveries(void)
{
	struct rf_notice n;
	unsigned up = 0;

	while (rf_blk_notice(disk, &n)) {
		if (n.type == RF_NOTICE_DOWN)
			dprintf(STDOUT_FILENO, "driver %u died: %u requests are reissued\n",
				n.generation, n.count);
		else if (n.type == RF_NOTICE_UP)
			dprintf(STDOUT_FILENO, "driver %u runs, %llu us later\n", n.generation,
				(unsigned long long)n.ns / 1000);
		else if (n.type == RF_NOTICE_CACHE_LOST)
			dprintf(STDOUT_FILENO, "what was not flushed may be lost\n");
		else
			dprintf(STDOUT_FILENO, "the device is gone\n");
		up += n.type == RF_NOTICE_UP;
	}
	return up;
}

int main(void)
{
	rf_program_name("example");
	must(rf_abi() == RINGFENCE_ABI ? 0 : -EINVAL, "compiled for another library");
	must(rf_blk_open(&disk), "cannot open the disk");
	while (!rf_blk_info(disk))
		must(rf_blk_wait(disk, -1), "no disk");
	blocks = rf_blk_info(disk)->size / BYTES;
	must(blocks >= SLOTS ? 0 : -ENOSPC, "the disk is too small");
	for (unsigned i = 0; i < SLOTS; i++)
		must(rf_blk_alloc(disk, BYTES, &slots[i].io.arena), "no buffer");
	must(rf_program_lock(), "cannot lock itself");

	unsigned goal = (unsigned)atoi(rf_blk_words(disk)), seen = 0;
	for (unsigned i = 0; i < SLOTS; i++)
		next_write(&slots[i]);
	dprintf(STDOUT_FILENO, "%s: begins\n", rf_blk_name(disk));
	while (seen < goal) {
		must(rf_blk_wait(disk, -1), "the disk");
		seen += recoveries();
	}
	ending = true;
	while (pending)
		must(rf_blk_wait(disk, -1), "the disk");
	dprintf(STDOUT_FILENO, "%llu blocks compared, %llu wrong\n",
		(unsigned long long)compared, (unsigned long long)wrong);
	return wrong != 0;
}
