/* SPDX-License-Identifier: MIT */
/*
 * image.c - hostile ELF files, each an honest image with one thing changed. See attack.h.
 *
 * Room:   tests/attacks. The control is a launcher whose image checks are taken out
 *         (`unchecked` of tests/lax): the file gets through if its code runs, or if the launcher is
 *         corrupted by it.
 */
#include "attack.h"

#include <elf.h>

struct elf {
	unsigned char *bytes;
	size_t count;
	Elf64_Ehdr *head;
	Elf64_Phdr *ph;
};

static Elf64_Phdr *phdr(struct elf *e, uint32_t type, uint32_t flags)
{
	for (int i = 0; i < e->head->e_phnum; i++)
		if (e->ph[i].p_type == type && (e->ph[i].p_flags & flags) == flags)
			return &e->ph[i];
	MUST(!"the honest image has such a header");
	return NULL;
}

/* The first of its relocations. */
static Elf64_Rela *rela(struct elf *e)
{
	Elf64_Phdr *p = phdr(e, PT_DYNAMIC, 0);
	uint64_t at = 0;

	for (Elf64_Dyn *d = (void *)(e->bytes + p->p_offset); d->d_tag; d++)
		if (d->d_tag == DT_RELA)
			at = d->d_un.d_ptr;
	MUST(at);
	/* Read-only data: file offset and address are the same in its segment. */
	for (int i = 0; i < e->head->e_phnum; i++)
		if (e->ph[i].p_type == PT_LOAD && at - e->ph[i].p_vaddr < e->ph[i].p_filesz)
			return (void *)(e->bytes + e->ph[i].p_offset + (at - e->ph[i].p_vaddr));
	MUST(!"relocations are in a segment");
	return NULL;
}

static void make_wx(struct elf *e)
{
	phdr(e, PT_LOAD, PF_X)->p_flags |= PF_W;
}
static void make_overlap(struct elf *e)
{
	phdr(e, PT_LOAD, PF_W)->p_vaddr -= 2 * 4096;
}
static void make_huge(struct elf *e)
{
	phdr(e, PT_LOAD, PF_W)->p_memsz = 24 << 20;
}
static void make_beyond(struct elf *e)
{
	Elf64_Phdr *p = phdr(e, PT_LOAD, PF_W);

	p->p_offset = 1 << 20;
	p->p_vaddr = (p->p_vaddr & ~4095ull) + (p->p_offset & 4095);
}
static void make_wrap(struct elf *e)
{
	Elf64_Phdr *p = phdr(e, PT_LOAD, PF_W);

	p->p_vaddr = -4096ull;
	p->p_memsz = 8192;
}
static void make_target(struct elf *e)
{
	rela(e)->r_offset = 0x3fffff000;
}
static void make_text(struct elf *e)
{
	rela(e)->r_offset = phdr(e, PT_LOAD, PF_X)->p_vaddr;
}
static void make_addend(struct elf *e)
{
	rela(e)->r_addend = 1ll << 40;
}
static void make_symbol(struct elf *e)
{
	rela(e)->r_info = ELF64_R_INFO(1, R_X86_64_64);
}
static void make_interp(struct elf *e)
{
	phdr(e, PT_GNU_STACK, 0)->p_type = PT_INTERP;
}
static void make_entry(struct elf *e)
{
	e->head->e_entry = 0x7ffffff000;
}
static void make_entry_data(struct elf *e)
{
	e->head->e_entry = phdr(e, PT_LOAD, PF_W)->p_vaddr;
}
static void make_stack(struct elf *e)
{
	phdr(e, PT_GNU_STACK, 0)->p_flags |= PF_X;
}
static void make_phoff(struct elf *e)
{
	e->head->e_phoff = 1ull << 30;
}
static void make_phnum(struct elf *e)
{
	e->head->e_phnum = 0xffff;
}
static void make_exec(struct elf *e)
{
	e->head->e_type = ET_EXEC;
}
static void make_shift(struct elf *e)
{
	phdr(e, PT_LOAD, PF_X)->p_offset += 8;
}
static void make_tls(struct elf *e)
{
	phdr(e, PT_TLS, 0)->p_filesz = phdr(e, PT_TLS, 0)->p_memsz = 4 << 20;
}
static void make_relro(struct elf *e)
{
	phdr(e, PT_GNU_RELRO, 0)->p_vaddr = 1ull << 33;
}
static void make_dynamic(struct elf *e)
{
	Elf64_Phdr *p = phdr(e, PT_DYNAMIC, 0);

	p->p_offset = p->p_vaddr = 1 << 24;
}
static void make_cut(struct elf *e)
{
	e->count = 4096;
}
static void make_foreign(struct elf *e)
{
	e->head->e_machine = EM_AARCH64;
}

static void (*const makes[])(struct elf *) = {
    make_wx,    make_overlap, make_huge,   make_beyond,  make_wrap,  make_target,
    make_text,  make_addend,  make_symbol, make_interp,  make_entry, make_entry_data,
    make_stack, make_phoff,   make_phnum,  make_exec,    make_shift, make_tls,
    make_relro, make_dynamic, make_cut,    make_foreign,
};

/* What the launcher made of it. */
static enum outcome judge(struct target *t, char *what)
{
	rf_spawn_walls(&t->run);
	bool ran = t->run.walls.locked;

	if (!ran && t->ended && WIFSIGNALED(t->status)) {
		snprintf(what, WHAT, "the launcher died of signal %d", WTERMSIG(t->status));
		return THROUGH;
	}
	enum outcome o = target_judge(t, what);
	if (!ran)
		return o;
	if (o != THROUGH) {
		char said[WHAT];

		memcpy(said, what, WHAT);
		snprintf(what, WHAT, "was run; %.150s", said);
	}
	return THROUGH;
}

static enum outcome attack_image(const struct attack *a, enum mode mode, char *what)
{
	struct target t;
	struct elf e;

	e.bytes = launching_file("build/fault/probe", &e.count);
	e.head = (void *)e.bytes;
	e.ph = (void *)(e.bytes + e.head->e_phoff);
	makes[a->arg](&e);
	target_init(&t, NULL);
	t.l.image_fd = launching_bytes("rf-image", e.bytes, e.count);
	*(volatile uint64_t *)t.l.chan = 7;
	free(e.bytes);
	if (mode == CONTROL)
		t.program = open(LAX_LAUNCHER, O_RDONLY | O_CLOEXEC);
	MUST(!target_spawn(&t, attack_off(a, mode)));
	/* The honest part of it sleeps once it has looked round. */
	target_wait(&t, mode == CONTROL ? 500 : 3000);
	enum outcome o = judge(&t, what);
	target_end(&t);
	return o;
}

/* Checked, then changed: the file is not sealed. */
static enum outcome attack_unsealed(const struct attack *a, enum mode mode, char *what)
{
	struct target t;
	size_t bytes;
	unsigned char *file = launching_file("build/fault/probe", &bytes);

	target_init(&t, NULL);
	t.l.image_fd = launching_memfd("rf-image", 0, NULL);
	MUST(write(t.l.image_fd, file, bytes) == (ssize_t)bytes);
	free(file);
	*(volatile uint64_t *)t.l.chan = 7;
	if (mode == CONTROL)
		t.program = open(LAX_LAUNCHER, O_RDONLY | O_CLOEXEC);
	MUST(!target_spawn(&t, attack_off(a, mode)));
	target_wait(&t, mode == CONTROL ? 500 : 3000);
	enum outcome o = judge(&t, what);
	target_end(&t);
	return o;
}

#define CHECK .wall = -1, .stops = "image check", .run = attack_image

const struct attack attacks_image[] = {
    {.name = "a segment writable and executable",
     CHECK,
     .arg = 0,
     .others = OFF(MDWE),
     .quick = true},
    {.name = "segments that overlap", CHECK, .arg = 1},
    {.name = "a segment above the size limit", CHECK, .arg = 2},
    {.name = "a segment behind the end of the file", CHECK, .arg = 3},
    {.name = "a segment that wraps", CHECK, .arg = 4},
    {.name = "a relocation outside the image", CHECK, .arg = 5, .quick = true},
    {.name = "a relocation of code", CHECK, .arg = 6},
    {.name = "a relocation that points outside", CHECK, .arg = 7},
    {.name = "a relocation by symbol", CHECK, .arg = 8},
    {.name = "an interpreter", CHECK, .arg = 9, .quick = true},
    {.name = "an entry outside the image", CHECK, .arg = 10},
    {.name = "an entry in data", CHECK, .arg = 11},
    {.name = "an executable stack", CHECK, .arg = 12},
    {.name = "program headers outside the file", CHECK, .arg = 13},
    {.name = "65535 program headers", CHECK, .arg = 14},
    {.name = "a fixed address", CHECK, .arg = 15},
    {.name = "a segment off its page", CHECK, .arg = 16},
    {.name = "thread-local data of 4 MiB", CHECK, .arg = 17},
    {.name = "RELRO outside the image", CHECK, .arg = 18},
    {.name = "a dynamic section outside the image", CHECK, .arg = 19},
    {.name = "a file cut short", CHECK, .arg = 20},
    {.name = "another machine's code", CHECK, .arg = 21},
    {.name = "a file that can change after the check",
     .wall = -1,
     .stops = "sealed image",
     .run = attack_unsealed},
    {0},
};
