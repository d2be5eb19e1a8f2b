/* SPDX-License-Identifier: MIT */
/*
 * image.h - a driver's ELF image: what may be run, and how it gets into memory.
 *
 * Room:   sandbox/launch, trusted.
 * Trust:  none in the image's bytes, except that they no longer change (sealed
 *         memfd). rf_image_check() reads all that is ever used of the headers;
 *         rf_image_map() only follows what it found.
 */
#ifndef RF_IMAGE_H
#define RF_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define RF_IMAGE_MAX_BYTES    (16u << 20) /* of the file, and of its memory */
#define RF_IMAGE_MAX_SEGMENTS 8u
#define RF_IMAGE_MAX_TLS      65536u

/* One PT_LOAD. Addresses count from the image's base, which is page 0. */
struct rf_image_segment {
	uint64_t vaddr, memsz;
	uint64_t offset, filesz;
	int      prot; /* PROT_*, never both PROT_WRITE and PROT_EXEC */
};

struct rf_image {
	unsigned segment_count;
	struct rf_image_segment segment[RF_IMAGE_MAX_SEGMENTS]; /* ascending */
	uint64_t span;  /* bytes from base to the end of the last page */
	uint64_t entry;
	uint64_t relro, relro_end;            /* whole pages; equal: none */
	uint64_t tls, tls_filesz, tls_memsz;  /* initial image and size */
	uint64_t tls_align;                   /* power of two, at least 1 */
	uint64_t rela, rela_bytes;            /* Elf64_Rela table, file offset */
	uint64_t relr, relr_bytes;            /* RELR table, file offset */
};

/* Fills *img from the whole file. NULL, or what is wrong with it. */
const char *rf_image_check(struct rf_image *img, const unsigned char *file, size_t bytes);

/*
 * Maps the segments of `fd`, whose content is `file`, at `base` (img->span bytes
 * of reserved address space), relocates them and applies RELRO. 0 or -errno.
 */
int rf_image_map(const struct rf_image *img, int fd, const unsigned char *file, char *base);

#endif
