/* SPDX-License-Identifier: MIT */
/*
 * test_image.c - what the launcher takes for a driver image and what it does not:
 * one small good image, and each rule broken in turn; then every byte of real ones.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "launch_fixture.h"
#include "sandbox/launch/image.c"

/* A small image: headers, one page of code, one of data with a dynamic section, a
 * RELA and a RELR table and two pages of bss. */
struct sample {
	union {
		struct {
			Elf64_Ehdr eh;
			Elf64_Phdr ph[6]; /* text, data, dynamic, relro, tls, stack */
		};
		unsigned char page0[4096];
	};
	union {
		struct {
			Elf64_Dyn  dyn[8];
			Elf64_Rela rela[2];
			uint64_t   relr[4];
			uint64_t   word[128];
		};
		unsigned char page1[4096];
	};
};

#define DATA        4096u
#define DATA_BYTES  (3 * 4096u)
#define AT(field)   offsetof(struct sample, field)
#define PH_TEXT     0
#define PH_DATA     1
#define PH_DYN      2
#define PH_RELRO    3
#define PH_TLS      4
#define PH_STACK    5

static void sample_make(struct sample *s)
{
	memset(s, 0, sizeof(*s));
	memcpy(s->eh.e_ident, ELFMAG, SELFMAG);
	s->eh.e_ident[EI_CLASS] = ELFCLASS64;
	s->eh.e_ident[EI_DATA] = ELFDATA2LSB;
	s->eh.e_ident[EI_VERSION] = EV_CURRENT;
	s->eh.e_version = EV_CURRENT;
	s->eh.e_type = ET_DYN;
	s->eh.e_machine = EM_X86_64;
	s->eh.e_ehsize = sizeof(Elf64_Ehdr);
	s->eh.e_phentsize = sizeof(Elf64_Phdr);
	s->eh.e_phoff = AT(ph);
	s->eh.e_phnum = 6;
	s->eh.e_entry = 2048;
	s->ph[PH_TEXT] = (Elf64_Phdr){ PT_LOAD, PF_R | PF_X, 0, 0, 0, 4096, 4096, 4096 };
	s->ph[PH_DATA] =
		(Elf64_Phdr){ PT_LOAD, PF_R | PF_W, DATA, DATA, DATA, 4096, DATA_BYTES, 4096 };
	s->ph[PH_DYN] = (Elf64_Phdr){ PT_DYNAMIC, PF_R | PF_W, DATA, DATA, DATA, sizeof(s->dyn),
				      sizeof(s->dyn), 8 };
	s->ph[PH_RELRO] = (Elf64_Phdr){ PT_GNU_RELRO, PF_R, DATA, DATA, DATA, 4096, 4096, 1 };
	s->ph[PH_TLS] =
		(Elf64_Phdr){ PT_TLS, PF_R, DATA + 1024, DATA + 1024, DATA + 1024, 16, 64, 32 };
	s->ph[PH_STACK] = (Elf64_Phdr){ PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16 };
	s->dyn[0] = (Elf64_Dyn){ DT_RELA, { AT(rela) } };
	s->dyn[1] = (Elf64_Dyn){ DT_RELASZ, { sizeof(s->rela) } };
	s->dyn[2] = (Elf64_Dyn){ DT_RELAENT, { sizeof(Elf64_Rela) } };
	s->dyn[3] = (Elf64_Dyn){ DT_RELR, { AT(relr) } };
	s->dyn[4] = (Elf64_Dyn){ DT_RELRSZ, { sizeof(s->relr) } };
	s->dyn[5] = (Elf64_Dyn){ DT_RELRENT, { 8 } };
	s->dyn[6] = (Elf64_Dyn){ DT_FLAGS, { DF_BIND_NOW } };
	s->rela[0] = (Elf64_Rela){ AT(word[0]), R_X86_64_RELATIVE, 2048 };
	s->rela[1] = (Elf64_Rela){ DATA + DATA_BYTES - 8, R_X86_64_RELATIVE, 0 }; /* in bss */
	/* word[1]; of the 63 behind it the 1st and the 3rd; of the next 63 the 2nd */
	s->relr[0] = AT(word[1]);
	s->relr[1] = 1 | 1 << 1 | 1 << 3;
	s->relr[2] = 1 | 1 << 2;
	s->relr[3] = AT(word[40]);
	s->word[1] = 100;
	s->word[2] = 200;
	s->word[4] = 4096 + DATA_BYTES; /* one past the end may be pointed at */
}

static const char *check(const struct sample *s)
{
	struct rf_image img;

	return rf_image_check(&img, (const unsigned char *)s, sizeof(*s));
}

#define ACCEPTS(change)                                                                 \
	do {                                                                            \
		struct sample s;                                                        \
		sample_make(&s);                                                        \
		change;                                                                 \
		assert_null(check(&s));                                                 \
	} while (0)

#define REJECTS(change, says)                                                           \
	do {                                                                            \
		struct sample s;                                                        \
		sample_make(&s);                                                        \
		change;                                                                 \
		const char *wrong = check(&s);                                          \
		assert_non_null(wrong);                                                 \
		if (!strstr(wrong, says))                                               \
			assert_string_equal(wrong, says);                               \
	} while (0)

static void good_images_are_taken(void **state)
{
	(void)state;
	ACCEPTS((void)0);
	ACCEPTS(s.ph[PH_RELRO].p_memsz = 100);
	ACCEPTS(s.ph[PH_TLS].p_type = PT_NULL);
	ACCEPTS(s.rela[0].r_info = R_X86_64_NONE);
	ACCEPTS(s.rela[0].r_addend = 4096 + DATA_BYTES);
	ACCEPTS(s.ph[PH_DATA].p_memsz = RF_IMAGE_MAX_BYTES - DATA);
}

static void headers_that_lie_are_refused(void **state)
{
	(void)state;
	REJECTS(s.eh.e_ident[0] = 0, "not an ELF");
	REJECTS(s.eh.e_ident[EI_CLASS] = ELFCLASS32, "64-bit");
	REJECTS(s.eh.e_ident[EI_DATA] = ELFDATA2MSB, "little-endian");
	REJECTS(s.eh.e_machine = EM_386, "x86-64");
	REJECTS(s.eh.e_type = ET_EXEC, "static-pie");
	REJECTS(s.eh.e_phentsize = 32, "unknown size");
	REJECTS(s.eh.e_phnum = 0, "no program headers");
	REJECTS(s.eh.e_phnum = 17, "too many");
	REJECTS(s.eh.e_phnum = 0xffff, "too many");
	REJECTS(s.eh.e_phoff = sizeof(s) - 56, "outside the file");
	REJECTS(s.eh.e_phoff = UINT64_MAX - 55, "outside the file");
	REJECTS(s.eh.e_phoff = 65, "outside the file");
	REJECTS(s.eh.e_entry = DATA, "entry");
	REJECTS(s.eh.e_entry = 4096 + DATA_BYTES, "entry");
	REJECTS(s.eh.e_entry = UINT64_MAX, "entry");
	REJECTS(s.ph[PH_TEXT].p_type = PT_NULL, "page 0");
}

static void segments_that_open_the_fence_are_refused(void **state)
{
	(void)state;
	REJECTS(s.ph[PH_STACK].p_type = PT_INTERP, "interpreter");
	REJECTS(s.ph[PH_STACK].p_flags |= PF_X, "executable stack");
	REJECTS(s.ph[PH_TEXT].p_flags |= PF_W, "writable and executable");
	REJECTS(s.ph[PH_DATA].p_flags |= PF_X, "writable and executable");
	REJECTS(s.ph[PH_TEXT].p_flags = PF_X, "not readable");
	REJECTS(s.ph[PH_TEXT].p_flags |= 8, "unknown flags");
	REJECTS(s.ph[PH_DATA].p_vaddr = 0, "overlap");
	REJECTS(s.ph[PH_TEXT].p_memsz = 4097, "larger than its bytes");
	REJECTS((s.ph[PH_TEXT].p_filesz++, s.ph[PH_TEXT].p_memsz++), "overlap");
	REJECTS(s.ph[PH_DATA].p_vaddr += 8, "page-aligned");
	REJECTS(s.ph[PH_DATA].p_offset += 8, "not all in the file");
	REJECTS(s.ph[PH_DATA].p_align = 8, "page-aligned");
	REJECTS(s.ph[PH_DATA].p_align = 0, "page-aligned");
	REJECTS(s.ph[PH_DATA].p_filesz = 4097, "not all in the file");
	REJECTS(s.ph[PH_DATA].p_filesz = UINT64_MAX, "not all in the file");
	REJECTS(s.ph[PH_DATA].p_memsz = 100, "not all in the file");
	REJECTS(s.ph[PH_DATA].p_memsz = RF_IMAGE_MAX_BYTES - DATA + 1, "size limit");
	REJECTS(s.ph[PH_DATA].p_memsz = UINT64_MAX, "size limit");
	REJECTS(s.ph[PH_DATA].p_vaddr = UINT64_MAX - 4095, "size limit");
	REJECTS(s.ph[PH_TEXT].p_vaddr = s.ph[PH_TEXT].p_offset = 4096, "page 0");
}

static void tls_and_relro_stay_inside(void **state)
{
	(void)state;
	REJECTS(s.ph[PH_TLS].p_memsz = RF_IMAGE_MAX_TLS + 1, "TLS segment above");
	REJECTS(s.ph[PH_TLS].p_filesz = 65, "TLS segment above");
	REJECTS(s.ph[PH_TLS].p_align = 8192, "alignment");
	REJECTS(s.ph[PH_TLS].p_align = 24, "alignment");
	REJECTS(s.ph[PH_TLS].p_vaddr += 8, "alignment");
	REJECTS(s.ph[PH_TLS].p_vaddr = DATA + 4096, "outside the image"); /* in bss */
	REJECTS(s.ph[PH_TLS].p_vaddr = 1ull << 40, "outside the image");
	REJECTS(s.ph[PH_STACK] = s.ph[PH_TLS], "two TLS");
	REJECTS(s.ph[PH_RELRO].p_vaddr = 0, "RELRO");
	REJECTS(s.ph[PH_RELRO].p_memsz = DATA_BYTES + 1, "RELRO");
	REJECTS(s.ph[PH_RELRO].p_memsz = UINT64_MAX, "RELRO");
	REJECTS(s.ph[PH_STACK] = s.ph[PH_RELRO], "two RELRO");
	REJECTS(s.ph[PH_STACK] = s.ph[PH_DYN], "two dynamic");
}

static void dynamic_images_are_refused(void **state)
{
	(void)state;
	REJECTS(s.dyn[6].d_tag = DT_NEEDED, "shared library");
	REJECTS(s.dyn[6].d_tag = DT_TEXTREL, "code relocated");
	REJECTS(s.dyn[6].d_un.d_val = DF_TEXTREL, "code relocated");
	REJECTS(s.dyn[6].d_tag = DT_REL, "another kind");
	REJECTS(s.dyn[6].d_tag = DT_JMPREL, "another kind");
	REJECTS(s.dyn[6].d_tag = DT_INIT_ARRAY, "constructors");
	REJECTS(s.dyn[6].d_tag = DT_INIT, "constructors");
	REJECTS(s.dyn[7].d_tag = DT_DEBUG, "without an end");
	REJECTS(s.ph[PH_DYN].p_vaddr = DATA + 4096, "outside the image");
	REJECTS(s.ph[PH_DYN].p_filesz = 65 * sizeof(Elf64_Dyn), "too long");
	REJECTS(s.ph[PH_DYN].p_filesz = 0, "without an end");
}

static void relocations_stay_inside(void **state)
{
	const char *target = "own writable data", *value = "points out";

	(void)state;
	REJECTS(s.rela[0].r_info = ELF64_R_INFO(0, R_X86_64_64), "not relative");
	REJECTS(s.rela[0].r_info = ELF64_R_INFO(1, R_X86_64_RELATIVE), "not relative");
	REJECTS(s.rela[0].r_info = ELF64_R_INFO(0, R_X86_64_IRELATIVE), "not relative");
	REJECTS(s.rela[0].r_offset = 2048, target); /* code */
	REJECTS(s.rela[0].r_offset = DATA - 4, target);
	REJECTS(s.rela[0].r_offset += 4, target);
	REJECTS(s.rela[1].r_offset += 4, target);
	REJECTS(s.rela[1].r_offset += 8, target);
	REJECTS(s.rela[0].r_offset = UINT64_MAX - 7, target);
	REJECTS(s.rela[0].r_addend = 4097 + DATA_BYTES, value);
	REJECTS(s.rela[0].r_addend = -1, value);
	REJECTS(s.dyn[0].d_un.d_ptr = 8192, "relocations outside");
	REJECTS(s.dyn[0].d_un.d_ptr = UINT64_MAX, "relocations outside");
	REJECTS(s.dyn[1].d_un.d_val = 24 * 1000, "relocations outside");
	REJECTS(s.dyn[1].d_un.d_val = UINT64_MAX - UINT64_MAX % 24, "relocations outside");
	REJECTS(s.dyn[1].d_un.d_val = 25, "unknown size");
	REJECTS(s.dyn[2].d_un.d_val = 16, "unknown size");
	REJECTS(s.relr[0] = 2048, target);
	REJECTS(s.relr[0] = 1, "starts with a bitmap");
	REJECTS(s.relr[0] = UINT64_MAX - 7, target);
	REJECTS(s.relr[3] = DATA + DATA_BYTES, target);
	REJECTS((s.relr[0] = DATA + DATA_BYTES - 8, s.relr[1] = 3), target); /* next is out */
	REJECTS(s.word[4]++, value);
	REJECTS(s.word[1] = UINT64_MAX, value);
	REJECTS(s.dyn[3].d_un.d_ptr = 8190, "relocations outside");
	REJECTS(s.dyn[4].d_un.d_val = 8192, "relocations outside");
	REJECTS(s.dyn[4].d_un.d_val = 12, "unknown size");
}

static uint64_t word_at(const char *base, size_t at)
{
	uint64_t value;

	memcpy(&value, base + at, 8);
	return value;
}

static void mapping_relocates_and_protects(void **state)
{
	struct sample   s;
	struct rf_image img;

	(void)state;
	sample_make(&s);
	s.word[50] = 0xabcd;
	int   fd = launching_bytes("rf-image", &s, sizeof(s));
	assert_null(rf_image_check(&img, (unsigned char *)&s, sizeof(s)));
	assert_int_equal(img.span, 4096 + DATA_BYTES);
	char *base = mmap(NULL, img.span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(rf_image_map(&img, fd, (unsigned char *)&s, base), 0);
	uint64_t at = (uint64_t)(uintptr_t)base;
	assert_int_equal(word_at(base, AT(word[0])), at + 2048);
	assert_int_equal(word_at(base, AT(word[1])), at + 100);
	assert_int_equal(word_at(base, AT(word[2])), at + 200);
	assert_int_equal(word_at(base, AT(word[3])), 0);
	assert_int_equal(word_at(base, AT(word[4])), at + img.span);
	assert_int_equal(word_at(base, AT(word[40])), at);
	assert_int_equal(word_at(base, AT(word[64])), 0);
	assert_int_equal(word_at(base, AT(word[65])), 0);
	assert_int_equal(word_at(base, AT(word[66])), at);
	assert_int_equal(word_at(base, AT(word[50])), 0xabcd);
	assert_int_equal(word_at(base, DATA + DATA_BYTES - 8), at);
	/* RELRO: the kernel itself refuses to write there, and nowhere else. */
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(zero, base + DATA, 8), -1);
	assert_int_equal(read(zero, base, 8), -1);
	assert_int_equal(read(zero, base + DATA + 4096, 8), 8);
	close(zero);
	munmap(base, img.span);
	close(fd);
}

/* bss starts in mid-page: what the file has behind it must not be seen. */
static void bss_in_the_last_file_page_is_zero(void **state)
{
	struct sample   s;
	struct rf_image img;

	(void)state;
	sample_make(&s);
	s.ph[PH_DATA].p_filesz = AT(word[50]) - DATA;
	s.ph[PH_RELRO].p_type = PT_NULL;
	s.ph[PH_TLS].p_type = PT_NULL;
	s.word[49] = 0x1111;
	s.word[50] = 0x2222;
	int   fd = launching_bytes("rf-image", &s, sizeof(s));
	assert_null(rf_image_check(&img, (unsigned char *)&s, sizeof(s)));
	char *base = mmap(NULL, img.span, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(rf_image_map(&img, fd, (unsigned char *)&s, base), 0);
	assert_int_equal(word_at(base, AT(word[49])), 0x1111);
	assert_int_equal(word_at(base, AT(word[50])), 0);
	munmap(base, img.span);
	close(fd);
}

/* Whatever is taken must keep the promises, whichever byte was changed. */
static void promises_check(const struct rf_image *img)
{
	const struct rf_image_segment *text = segment_of(img, img->entry, 1);
	uint64_t end = 0;

	assert_true(text && text->prot & PROT_EXEC);
	assert_true(img->span <= RF_IMAGE_MAX_BYTES);
	for (unsigned i = 0; i < img->segment_count; i++) {
		const struct rf_image_segment *s = &img->segment[i];

		assert_true((s->prot & (PROT_WRITE | PROT_EXEC)) != (PROT_WRITE | PROT_EXEC));
		assert_true(PAGE_DOWN(s->vaddr) >= end);
		end = PAGE_UP(s->vaddr + s->memsz);
	}
	assert_true(end == img->span && img->relro <= img->relro_end && img->relro_end <= end);
}

static void every_byte_of_real_images(void **state)
{
	static const char *const paths[] = { "build/drivers/null_blk", "build/fault/probe" };
	static const unsigned char flips[] = { 0x01, 0x80, 0xff };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		size_t          bytes;
		unsigned char  *file = launching_file(paths[i], &bytes);
		struct rf_image img;

		assert_null(rf_image_check(&img, file, bytes));
		promises_check(&img);
		size_t end = bytes < 16384 ? bytes : 16384;
		for (size_t at = 0; at < end; at++) {
			for (size_t f = 0; f < sizeof(flips); f++) {
				file[at] ^= flips[f];
				if (!rf_image_check(&img, file, bytes))
					promises_check(&img);
				file[at] ^= flips[f];
			}
		}
		/* Cut short at any byte: ASan sees a read behind the end. */
		for (size_t cut = 0; cut < end; cut += 7) {
			unsigned char *part = malloc(cut ? cut : 1);

			memcpy(part, file, cut);
			if (!rf_image_check(&img, part, cut))
				promises_check(&img);
			free(part);
		}
		free(file);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_images_are_taken),
		cmocka_unit_test(headers_that_lie_are_refused),
		cmocka_unit_test(segments_that_open_the_fence_are_refused),
		cmocka_unit_test(tls_and_relro_stay_inside),
		cmocka_unit_test(dynamic_images_are_refused),
		cmocka_unit_test(relocations_stay_inside),
		cmocka_unit_test(mapping_relocates_and_protects),
		cmocka_unit_test(bss_in_the_last_file_page_is_zero),
		cmocka_unit_test(every_byte_of_real_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
