/* SPDX-License-Identifier: MIT */
/*
 * fuzz_integrity.c - `integrity disk` over a disk that may answer anything.
 *
 * Room:   tests/fuzz. Input: a byte of options, then what is changed on a good disk: place
 *         (two bytes, in words of 8), then the word. With bit 0 the tag of what was changed
 *         is made right again, so that what lies behind it is reached.
 * Judged: no crash; of blocks that were written the contents or EIO, nothing else, unless tags
 *         were forged with the key.
 */
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/* The end of the process, and the log, are not to be those of the fuzzer. */
static jmp_buf ended;
static _Noreturn void end_here(int code);
static ssize_t write_here(int fd, const void *at, size_t bytes)
{
	return fd == 2 ? (ssize_t)bytes : write(fd, at, bytes);
}
#define _exit end_here
#define write write_here
#define JOURNAL_PAGES 32u
#include "tests/unit/blk_fixture.h"
#undef _exit
#undef write

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DISK = 320 * 4096, WRITTEN = 40 };
static unsigned char good[DISK], disk[DISK];
static struct disk_geometry g;
static const uint64_t key[2] = { 1, 2 };
static uint64_t work[2];

static void fail_unless(bool ok)
{
	if (!ok)
		abort();
}

/* The disk as a format leaves it, with WRITTEN blocks announced and there. */
static void make_good(void)
{
	struct superblock s = { .magic = SUPER_MAGIC,
				.version = SUPER_VERSION,
				.block = 512,
				.disk = DISK,
				.volume = 77,
				.number = 2,
				.journal = 1 };
	struct journal_page p = { .number = 1, .lines = WRITTEN };

	fail_unless(layout_geometry(&g, DISK, 512));
	layout_key(work, key, s.volume);
	for (uint64_t i = 0; i < g.table_pages; i++)
		table_page_seal(work, &g, good + g.table_at + i * DISK_PAGE, i, 1);
	for (uint64_t b = 0; b < WRITTEN; b++) {
		memset(good + b * 512, (int)b + 1, 512);
		p.line[b] = (struct journal_line){ b, block_tag(work, b, 1, good + b * 512, 512) };
	}
	journal_page_seal(work, &p);
	memcpy(good + g.journal_at + DISK_PAGE, &p, sizeof(p));
	superblock_seal(key, &s);
	memcpy(good + g.super_at, &s, sizeof(s));
}

static void mend(void)
{
	for (int i = 0; i < 2; i++)
		superblock_seal(key, (void *)(disk + g.super_at + i * DISK_PAGE));
	for (uint32_t i = 0; i < JOURNAL_PAGES; i++)
		journal_page_seal(work, (void *)(disk + g.journal_at + i * DISK_PAGE));
	for (uint64_t i = 0; i < g.table_pages; i++)
		table_page_seal(work, &g, disk + g.table_at + i * DISK_PAGE, i, 1);
}

static void spoil(const uint8_t *data, size_t size)
{
	const uint32_t words = (uint32_t)((DISK - g.table_at) / 8);

	for (; size >= 10; data += 10, size -= 10) {
		uint32_t at = (data[0] | (uint32_t)data[1] << 8) % (words + 512);

		/* The superblocks and the head of the journal get their share. */
		if (at < 512)
			memcpy(disk + g.super_at + at % 16 * 8 + (at & 256 ? DISK_PAGE : 0),
			       data + 2, 8);
		else
			memcpy(disk + g.table_at + (uint64_t)(at - 512) * 8, data + 2, 8);
	}
}

static void work_off(struct served *t)
{
	struct rf_blk_req r;

	for (;;) {
		rf_blk_push(t->s);
		if (!ram_take(&t->ram, &r))
			return;
		ram_answer(&t->ram, &r, ram_execute(&t->ram, &r));
		rf_blk_poll(t->s);
	}
}

static void end_here(int code)
{
	fail_unless(code == RF_EXIT_INTEGRITY);
	longjmp(ended, 1);
}

static int ask_for(struct served *t, uint8_t op, uint64_t block)
{
	struct ask a;

	fail_unless(!ask(t, &a, op, block * 512, 512));
	work_off(t);
	fail_unless(a.done == 1);
	return a.status;
}

static void use(struct served *t, bool mended)
{
	for (uint64_t b = 0; b < WRITTEN; b++) {
		const unsigned char *got = rf_blk_at(t->s, 0);
		int status = ask_for(t, RF_BLK_READ, b);

		fail_unless(mended || status == -EIO ||
			    (!status && (!memcmp(got, good + b * 512, 512) || all_zero(got, 512))));
	}
	memset(rf_blk_at(t->s, 0), 9, 512);
	ask_for(t, RF_BLK_WRITE, 3);
	ask_for(t, RF_BLK_FLUSH, 0);
	ask_for(t, RF_BLK_READ, 3);
	checkpoint_begin(disk_of(t->s));
	work_off(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct served *t;

	if (!size)
		return 0;
	if (!t)
		make_good();
	t = calloc(1, sizeof(*t));
	memcpy(disk, good, DISK);
	spoil(data + 1, size - 1);
	if (data[0] & 1)
		mend();
	rig_open(&t->rig, ARENA);
	t->rig.config->flags = RF_EXPORT_INTEGRITY_DISK | (data[0] & 2 ? RF_EXPORT_READ_ONLY : 0);
	memcpy(t->rig.config->integrity_key, key, sizeof(key));
	t->rig.info.size = DISK;
	t->ram.disk = disk;
	t->ram.size = DISK;
	rig_install(&t->rig);
	fail_unless(!rf_blk_open(&t->s));
	if (!setjmp(ended)) {
		rig_first_up(&t->rig);
		ram_attach(&t->ram, &t->rig);
		fail_unless(!rf_blk_control(t->s));
		work_off(t);
		fail_unless(rf_blk_info(t->s) != NULL);
		if (!(data[0] & 2))
			use(t, data[0] & 1);
	}
	service_free(t->s);
	rig_close(&t->rig);
	free(t);
	return 0;
}
