/* SPDX-License-Identifier: MIT */
/*
 * fuzz_image.c - a driver image with any bytes in it: checked, and if it passes mapped
 * and relocated as the launcher does.
 *
 * Room:   tests/fuzz. Input: the file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/launch/image.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Pages around the image that nobody may touch. */
#define MARGIN (1u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rf_image img;
	/* A copy of its exact size, so that the sanitizer sees a read past it. */
	unsigned char *file = malloc(size ? size : 1);

	memcpy(file, data, size);
	if (!rf_image_check(&img, file, size)) {
		int fd = memfd_create("image", MFD_CLOEXEC);
		char *room = mmap(NULL, img.span + 2 * MARGIN, PROT_NONE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (fd < 0 || room == MAP_FAILED || write(fd, file, size) != (ssize_t)size)
			abort();
		/* A segment that claims more than the file has would fault in the map. */
		(void)rf_image_map(&img, fd, file, room + MARGIN);
		munmap(room, img.span + 2 * MARGIN);
		close(fd);
	}
	free(file);
	return 0;
}
