/* SPDX-License-Identifier: MIT */
/* image.c - see image.h. Room: sandbox/launch, trusted; its input is not. */
#include "image.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

#include "walls.h"

#define PAGE           4096ull
#define PAGE_DOWN(x)   ((x) & ~(PAGE - 1))
#define PAGE_UP(x)     PAGE_DOWN((x) + PAGE - 1)
#define MAX_PHDRS      16u
#define MAX_DYN        64u

#ifndef DT_RELR
#define DT_RELRSZ  35
#define DT_RELR    36
#define DT_RELRENT 37
#endif

/* [at, at + len) within [start, start + bytes); none of the sums can wrap. */
static bool within(uint64_t at, uint64_t len, uint64_t start, uint64_t bytes)
{
	return at >= start && len <= bytes && at - start <= bytes - len;
}

static const char *header_check(const Elf64_Ehdr *h, size_t bytes)
{
	if (memcmp(h->e_ident, ELFMAG, SELFMAG))
		return "not an ELF file";
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_ident[EI_VERSION] != EV_CURRENT || h->e_version != EV_CURRENT)
		return "not a 64-bit little-endian ELF file";
	if (h->e_machine != EM_X86_64)
		return "not for x86-64";
	if (h->e_type != ET_DYN)
		return "not position-independent (link it with -static-pie)";
	if (h->e_ehsize != sizeof(*h) || h->e_phentsize != sizeof(Elf64_Phdr))
		return "program headers of an unknown size";
	if (!h->e_phnum || h->e_phnum > MAX_PHDRS)
		return "no program headers, or too many";
	if (!within(h->e_phoff, h->e_phnum * sizeof(Elf64_Phdr), 0, bytes) || h->e_phoff % 8)
		return "program headers outside the file";
	return NULL;
}

/* PT_LOADs: whole pages, ascending, apart, never writable and executable. */
static const char *load_check(struct rf_image *img, const Elf64_Phdr *p, size_t bytes)
{
	struct rf_image_segment *s = &img->segment[img->segment_count];
	uint64_t end;

	if (!p->p_memsz)
		return NULL;
	if (img->segment_count == RF_IMAGE_MAX_SEGMENTS)
		return "too many segments";
	if (p->p_flags & ~(uint32_t)(PF_R | PF_W | PF_X) || !(p->p_flags & PF_R))
		return "a segment that is not readable, or has unknown flags";
	if ((p->p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
		return "a segment both writable and executable";
	if (!within(p->p_vaddr, p->p_memsz, 0, RF_IMAGE_MAX_BYTES))
		return "a segment above the size limit of 16 MiB";
	if (p->p_filesz > p->p_memsz || !within(p->p_offset, p->p_filesz, 0, bytes))
		return "a segment that is not all in the file";
	if (!(p->p_flags & PF_W) && p->p_filesz != p->p_memsz)
		return "a read-only segment larger than its bytes in the file";
	if (p->p_align % PAGE || !p->p_align || (p->p_vaddr - p->p_offset) % PAGE)
		return "a segment that is not page-aligned";
	if (!img->segment_count && PAGE_DOWN(p->p_vaddr))
		return "a first segment that is not at page 0";
	if (img->segment_count && PAGE_DOWN(p->p_vaddr) < img->span)
		return "segments that overlap or are out of order";
	end = p->p_vaddr + p->p_memsz;
	*s = (struct rf_image_segment){
		.vaddr = p->p_vaddr, .memsz = p->p_memsz,
		.offset = p->p_offset, .filesz = p->p_filesz,
		.prot = PROT_READ | (p->p_flags & PF_W ? PROT_WRITE : 0) |
			(p->p_flags & PF_X ? PROT_EXEC : 0),
	};
	img->span = PAGE_UP(end);
	img->segment_count++;
	return NULL;
}

/* The segment that wholly holds [at, at + len), or NULL. */
static const struct rf_image_segment *segment_of(const struct rf_image *img, uint64_t at,
						 uint64_t len)
{
	for (unsigned i = 0; i < img->segment_count; i++)
		if (within(at, len, img->segment[i].vaddr, img->segment[i].memsz))
			return &img->segment[i];
	return NULL;
}

/* File offset of [at, at + len) if the file holds all of it; else false. */
static bool file_offset(const struct rf_image *img, uint64_t at, uint64_t len, uint64_t *offset)
{
	const struct rf_image_segment *s = segment_of(img, at, len);

	if (!s || !within(at, len, s->vaddr, s->filesz))
		return false;
	*offset = s->offset + (at - s->vaddr);
	return true;
}

static const char *tls_check(struct rf_image *img, const Elf64_Phdr *p)
{
	uint64_t offset;

	if (img->tls_memsz)
		return "two TLS segments";
	if (p->p_memsz > RF_IMAGE_MAX_TLS || p->p_filesz > p->p_memsz)
		return "a TLS segment above the size limit of 64 KiB";
	if (p->p_align > PAGE || (p->p_align & (p->p_align - 1)) ||
	    (p->p_align && p->p_vaddr % p->p_align))
		return "a TLS segment of impossible alignment";
	if (p->p_filesz && !file_offset(img, p->p_vaddr, p->p_filesz, &offset))
		return "a TLS segment outside the image";
	img->tls = p->p_vaddr;
	img->tls_filesz = p->p_filesz;
	img->tls_memsz = p->p_memsz;
	img->tls_align = p->p_align ? p->p_align : 1;
	return NULL;
}

static const char *relro_check(struct rf_image *img, const Elf64_Phdr *p)
{
	const struct rf_image_segment *s;

	if (img->relro_end != img->relro)
		return "two RELRO segments";
	if (!p->p_memsz)
		return NULL;
	/* The linker may count padding up to the page's end that no section fills. */
	s = segment_of(img, p->p_vaddr, 1);
	if (!s || !(s->prot & PROT_WRITE) ||
	    !within(p->p_vaddr, p->p_memsz, s->vaddr, PAGE_UP(s->vaddr + s->memsz) - s->vaddr))
		return "a RELRO segment outside the writable segments";
	img->relro = PAGE_DOWN(p->p_vaddr);
	img->relro_end = PAGE_DOWN(p->p_vaddr + p->p_memsz);
	return NULL;
}

/* An 8-byte word that relocation may change: aligned, wholly in a writable segment. */
static bool target_valid(const struct rf_image *img, uint64_t at)
{
	const struct rf_image_segment *s = segment_of(img, at, 8);

	return s && (s->prot & PROT_WRITE) && at % 8 == 0;
}

static const char *rela_check(const struct rf_image *img, const unsigned char *file)
{
	for (uint64_t at = 0; at < img->rela_bytes; at += sizeof(Elf64_Rela)) {
		Elf64_Rela r;

		memcpy(&r, file + img->rela + at, sizeof(r));
		if (ELF64_R_TYPE(r.r_info) == R_X86_64_NONE)
			continue;
		if (r.r_info != ELF64_R_INFO(0, R_X86_64_RELATIVE))
			return "a relocation that is not relative";
		if (!target_valid(img, r.r_offset))
			return "a relocation of what is not its own writable data";
		if ((uint64_t)r.r_addend > img->span)
			return "a relocation that points out of the image";
	}
	return NULL;
}

/* What the file says is at `at`; bss reads as zero. The target is valid. */
static uint64_t word_in_file(const struct rf_image *img, const unsigned char *file, uint64_t at)
{
	uint64_t offset, value = 0;

	if (file_offset(img, at, 8, &offset))
		memcpy(&value, file + offset, 8);
	return value;
}

/*
 * Walks the RELR table: an even entry is the address of a word to relocate, an
 * odd one a bitmap of the 63 words behind the last. (gABI, "Relative Relocation
 * Table".) Checks when `base` is NULL, else applies.
 */
static const char *relr_walk(const struct rf_image *img, const unsigned char *file, char *base)
{
	uint64_t where = 0;
	bool     started = false;

	for (uint64_t at = 0; at < img->relr_bytes; at += 8) {
		uint64_t entry, bits = 1, step = 1;

		memcpy(&entry, file + img->relr + at, 8);
		if (entry & 1) {
			if (!started)
				return "a RELR table that starts with a bitmap";
			bits = entry >> 1;
			step = 63;
		} else {
			where = entry;
			started = true;
		}
		for (uint64_t i = 0; i < step; i++, bits >>= 1) {
			uint64_t target = where + i * 8;

			if (!(bits & 1))
				continue;
			if (!target_valid(img, target))
				return "a relocation of what is not its own writable data";
			uint64_t value = word_in_file(img, file, target);
			if (value > img->span)
				return "a relocation that points out of the image";
			if (base) {
				value += (uint64_t)(uintptr_t)base;
				memcpy(base + target, &value, 8);
			}
		}
		where += step * 8;
	}
	return NULL;
}

/* What of the dynamic section matters, by tag. */
struct dynamic {
	uint64_t rela, rela_bytes, rela_ent;
	uint64_t relr, relr_bytes, relr_ent;
};

static const char *dynamic_entry(struct dynamic *d, const Elf64_Dyn *e)
{
	switch (e->d_tag) {
	case DT_NEEDED:
		return "it needs a shared library";
	case DT_TEXTREL:
		return "it needs its code relocated";
	case DT_REL:
	case DT_JMPREL:
		return "a relocation table of another kind than RELA or RELR";
	case DT_INIT:
	case DT_INIT_ARRAY:
	case DT_PREINIT_ARRAY:
		return "it has constructors, which nothing would run";
	case DT_FLAGS:
		return e->d_un.d_val & DF_TEXTREL ? "it needs its code relocated" : NULL;
	case DT_RELA:
		d->rela = e->d_un.d_ptr;
		break;
	case DT_RELASZ:
		d->rela_bytes = e->d_un.d_val;
		break;
	case DT_RELAENT:
		d->rela_ent = e->d_un.d_val;
		break;
	case DT_RELR:
		d->relr = e->d_un.d_ptr;
		break;
	case DT_RELRSZ:
		d->relr_bytes = e->d_un.d_val;
		break;
	case DT_RELRENT:
		d->relr_ent = e->d_un.d_val;
		break;
	}
	return NULL;
}

static const char *dynamic_check(struct rf_image *img, const Elf64_Phdr *p,
				 const unsigned char *file)
{
	struct dynamic d = { .rela_ent = sizeof(Elf64_Rela), .relr_ent = 8 };
	const char    *wrong = NULL;
	uint64_t       offset;
	bool           ended = false;

	if (p->p_filesz / sizeof(Elf64_Dyn) > MAX_DYN || p->p_vaddr % 8 ||
	    !file_offset(img, p->p_vaddr, p->p_filesz, &offset))
		return "a dynamic section outside the image, or too long";
	for (uint64_t at = 0; !ended && at + sizeof(Elf64_Dyn) <= p->p_filesz;
	     at += sizeof(Elf64_Dyn)) {
		Elf64_Dyn e;

		memcpy(&e, file + offset + at, sizeof(e));
		ended = e.d_tag == DT_NULL;
		wrong = ended ? NULL : dynamic_entry(&d, &e);
		if (wrong)
			return wrong;
	}
	if (!ended)
		return "a dynamic section without an end";
	if (d.rela_ent != sizeof(Elf64_Rela) || d.rela_bytes % sizeof(Elf64_Rela) ||
	    d.relr_ent != 8 || d.relr_bytes % 8)
		return "relocations of an unknown size";
	if (d.rela_bytes && !file_offset(img, d.rela, d.rela_bytes, &img->rela))
		return "relocations outside the image";
	if (d.relr_bytes && !file_offset(img, d.relr, d.relr_bytes, &img->relr))
		return "relocations outside the image";
	img->rela_bytes = d.rela_bytes;
	img->relr_bytes = d.relr_bytes;
	wrong = rela_check(img, file);
	return wrong ? wrong : relr_walk(img, file, NULL);
}

static const char *phdrs_check(struct rf_image *img, const Elf64_Phdr *ph, unsigned count,
			       const unsigned char *file, size_t bytes)
{
	const char *wrong = NULL;
	bool        dynamic = false;

	for (unsigned i = 0; !wrong && i < count; i++) {
		if (ph[i].p_type == PT_INTERP)
			return "it asks for an interpreter, so it is not static";
		if (ph[i].p_type == PT_LOAD)
			wrong = load_check(img, &ph[i], bytes);
	}
	/* The rest refers to the segments, which are all known now. */
	for (unsigned i = 0; !wrong && i < count; i++) {
		if (ph[i].p_type == PT_TLS)
			wrong = tls_check(img, &ph[i]);
		else if (ph[i].p_type == PT_GNU_RELRO)
			wrong = relro_check(img, &ph[i]);
		else if (ph[i].p_type == PT_GNU_STACK && (ph[i].p_flags & PF_X))
			wrong = "it asks for an executable stack";
		else if (ph[i].p_type == PT_DYNAMIC && dynamic)
			wrong = "two dynamic sections";
		else if (ph[i].p_type == PT_DYNAMIC) {
			dynamic = true;
			wrong = dynamic_check(img, &ph[i], file);
		}
	}
	return wrong;
}

const char *rf_image_check(struct rf_image *img, const unsigned char *file, size_t bytes)
{
	const struct rf_image_segment *text;
	const char *wrong;
	Elf64_Ehdr  h;
	Elf64_Phdr  ph[MAX_PHDRS];

	*img = (struct rf_image){ .tls_align = 1 };
	if (bytes < sizeof(h))
		return "not an ELF file";
	if (bytes > RF_IMAGE_MAX_BYTES)
		return "a file above the size limit of 16 MiB";
	memcpy(&h, file, sizeof(h));
	wrong = header_check(&h, bytes);
	if (wrong)
		return wrong;
	memcpy(ph, file + h.e_phoff, h.e_phnum * sizeof(ph[0]));
	wrong = phdrs_check(img, ph, h.e_phnum, file, bytes);
	if (wrong)
		return wrong;
	text = segment_of(img, h.e_entry, 1);
	if (!text || !(text->prot & PROT_EXEC))
		return "its entry is not in an executable segment";
	img->entry = h.e_entry;
	return NULL;
}

/* ---- mapping ----------------------------------------------------------------- */

static int segment_map(const struct rf_image_segment *s, int fd, char *base)
{
	uint64_t start = PAGE_DOWN(s->vaddr);
	uint64_t file_end = s->filesz ? PAGE_UP(s->vaddr + s->filesz) : start;
	uint64_t end = PAGE_UP(s->vaddr + s->memsz);
	int      flags = MAP_PRIVATE | MAP_FIXED | MAP_POPULATE;

	if (s->filesz && mmap(base + start, file_end - start, s->prot, flags, fd,
			      (off_t)PAGE_DOWN(s->offset)) == MAP_FAILED)
		return -errno;
	if (end > file_end && mmap(base + file_end, end - file_end, s->prot,
				   flags | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return -errno;
	/* The last page shows what the file has behind the segment: bss is zero. */
	if (s->filesz && (s->prot & PROT_WRITE))
		memset(base + s->vaddr + s->filesz, 0, file_end - (s->vaddr + s->filesz));
	return 0;
}

int rf_image_map(const struct rf_image *img, int fd, const unsigned char *file, char *base)
{
	for (unsigned i = 0; i < img->segment_count; i++) {
		int rc = segment_map(&img->segment[i], fd, base);

		if (rc)
			return rc;
	}
	relr_walk(img, file, base);
	for (uint64_t at = 0; at < img->rela_bytes; at += sizeof(Elf64_Rela)) {
		Elf64_Rela r;

		memcpy(&r, file + img->rela + at, sizeof(r));
		if (ELF64_R_TYPE(r.r_info) == R_X86_64_NONE)
			continue;
		uint64_t value = (uint64_t)(uintptr_t)base + (uint64_t)r.r_addend;
		memcpy(base + r.r_offset, &value, 8);
	}
	if (img->relro_end > img->relro &&
	    mprotect(base + img->relro, img->relro_end - img->relro, PROT_READ))
		return -errno;
	return 0;
}
