/* SPDX-License-Identifier: MIT */
/* names.c - names for numbers, and what a stack says. See crash_report.h. Room: sandbox/crash. */
#include <string.h>

#include "crash.h"
#include "crash_report.h"

#define RIP 16 /* in struct user_regs_struct */

const char *const register_names[RF_DEATH_REGS] = {
	"r15",    "r14", "r13", "r12",     "rbp",     "rbx", "r11",      "r10", "r9",
	"r8",     "rax", "rcx", "rdx",     "rsi",     "rdi", "orig_rax", "rip", "cs",
	"eflags", "rsp", "ss",  "fs_base", "gs_base", "ds",  "es",       "fs",  "gs",
};

const char *device_register(const struct rf_death *d, uint32_t offset)
{
	static const struct { const char *driver; uint32_t offset; const char *name; } known[] = {
		{"nvme", 0x14, "CC"}, {"nvme", 0x1c, "CSTS"},
		{"e1000e", 0x0, "CTRL"}, {"e1000e", 0x8, "STATUS"}, {"igb", 0x0, "CTRL"},
		{"igb", 0x8, "STATUS"},
	};

	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (!strcmp(known[i].driver, d->driver) && known[i].offset == offset)
			return known[i].name;
	return "";
}

const char *reset_name(uint32_t method)
{
	static const char *const names[] = {
		[RF_RESET_NONE] = "none", [RF_RESET_QUEUE] = "queue", [RF_RESET_SOFT] = "soft",
		[RF_RESET_FUNCTION] = "function",
		[RF_RESET_HOT] = "bus",
	};

	return method <= RF_RESET_HOT ? names[method] : "unknown";
}

const char *request_name(uint8_t op)
{
	static const char *const names[] = {
		[RF_BLK_READ] = "read", [RF_BLK_WRITE] = "write", [RF_BLK_FLUSH] = "flush",
		[RF_BLK_DISCARD] = "discard", [RF_BLK_ZERO] = "zero",
	};

	return op < sizeof(names) / sizeof(names[0]) && names[op] ? names[op] : "unknown";
}

unsigned backtrace(const struct findings *f, uint64_t *offsets)
{
	const struct rf_death *d = f->death;
	unsigned n = 0;

	if (!d->image || !d->regs[RIP])
		return 0;
	offsets[n++] = d->regs[RIP] - d->image;
	/* There are no frame pointers: every stack word that looks like a return address is
	 * taken for one. */
	for (uint32_t i = 0; i < d->stack_words && i < RF_DEATH_STACK && n < CRASH_FRAMES; i++) {
		uint64_t offset = d->stack[i] - d->image;

		if (offset < d->image_bytes && image_returns(&f->image, offset))
			offsets[n++] = offset;
	}
	return n;
}
