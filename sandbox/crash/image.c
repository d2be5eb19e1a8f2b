/* SPDX-License-Identifier: MIT */
/*
 * image.c - symbols and build id out of a driver's image. See crash_report.h.
 *
 * Room:   sandbox/crash, trusted. The file is anybody's: every offset is checked before use,
 *         and no look takes longer than the largest honest image would.
 */
#include <elf.h>
#include <stdio.h>
#include <string.h>

#include "crash_report.h"

#define SECTIONS 128u   /* most that are looked at; our images have 30 */
#define SYMBOLS  65536u /* the same of the first symbol table; our images have under 1,000 */

/* A copy of the record at `offset`; false: it is not all there. */
static bool record(const struct image *i, uint64_t offset, void *to, size_t bytes)
{
	if (offset > i->bytes || bytes > i->bytes - offset)
		return false;
	memcpy(to, i->at + offset, bytes);
	return true;
}

static bool section(const struct image *i, uint32_t n, Elf64_Shdr *s)
{
	Elf64_Ehdr h;

	return n < SECTIONS && record(i, 0, &h, sizeof(h)) && !memcmp(h.e_ident, ELFMAG, SELFMAG) &&
	       n < h.e_shnum && record(i, h.e_shoff + (uint64_t)n * sizeof(*s), s, sizeof(*s));
}

static void symbol_name(const struct image *i, const Elf64_Shdr *symbols, uint32_t name, char *to,
			size_t room)
{
	Elf64_Shdr strings;
	char c;

	to[0] = 0;
	if (!section(i, symbols->sh_link, &strings))
		return;
	for (size_t n = 0; n + 1 < room && record(i, strings.sh_offset + name + n, &c, 1) &&
			   c > ' ' && c < 127 && c != '"' && c != '\\';
	     n++) {
		to[n] = c;
		to[n + 1] = 0;
	}
}

static bool symbol_table(const struct image *i, Elf64_Shdr *s)
{
	for (uint32_t n = 0; section(i, n, s); n++)
		if (s->sh_type == SHT_SYMTAB)
			return true;
	return false;
}

/* The function that holds `offset`. */
static bool function_at(const struct image *i, const Elf64_Shdr *table, uint64_t offset,
			Elf64_Sym *sym)
{
	uint64_t count = table->sh_size / sizeof(*sym);

	for (uint64_t n = 0; n < count && n < SYMBOLS; n++) {
		if (!record(i, table->sh_offset + n * sizeof(*sym), sym, sizeof(*sym)))
			return false;
		if (ELF64_ST_TYPE(sym->st_info) == STT_FUNC && offset >= sym->st_value &&
		    offset - sym->st_value < sym->st_size)
			return true;
	}
	return false;
}

void image_symbol(const struct image *i, uint64_t offset, char *name, size_t room)
{
	Elf64_Shdr table;
	Elf64_Sym sym;
	char function[64];

	name[0] = 0;
	if (!symbol_table(i, &table) || !function_at(i, &table, offset, &sym))
		return;
	symbol_name(i, &table, sym.st_name, function, sizeof(function));
	snprintf(name, room, "%s+%#llx", function, (unsigned long long)(offset - sym.st_value));
}

bool image_returns(const struct image *i, uint64_t offset)
{
	Elf64_Shdr s;
	unsigned char near[5];

	/* In images that we build, addresses and file offsets of the code are the same. */
	for (uint32_t n = 0; section(i, n, &s); n++)
		if (s.sh_flags & SHF_EXECINSTR && s.sh_addr == s.sh_offset &&
		    offset >= s.sh_addr + sizeof(near) && offset - s.sh_addr <= s.sh_size &&
		    record(i, offset - sizeof(near), near, sizeof(near)))
			return near[0] == 0xe8 || (near[3] == 0xff && (near[4] & 0x38) == 0x10);
	return false;
}

void image_build_id(const struct image *i, char *text, size_t room)
{
	Elf64_Shdr s;
	Elf64_Nhdr note;
	unsigned char id[20];

	text[0] = 0;
	for (uint32_t n = 0; section(i, n, &s); n++)
		if (s.sh_type == SHT_NOTE && record(i, s.sh_offset, &note, sizeof(note)) &&
		    note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
		    note.n_descsz == sizeof(id) &&
		    record(i, s.sh_offset + sizeof(note) + 4, id, sizeof(id)))
			for (unsigned b = 0; b < sizeof(id) && 2 * b + 2 < room; b++)
				snprintf(text + 2 * b, 3, "%02x", id[b]);
}
