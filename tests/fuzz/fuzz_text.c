/* SPDX-License-Identifier: MIT */
/*
 * fuzz_text.c - configuration and policy files with any bytes in them.
 *
 * Room:   tests/fuzz. Input: one byte that says which of the two it is, then the file.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/base/log.c"
#include "sandbox/base/walls.c"
#include "sandbox/base/words.c"
#include "sandbox/base/config.c"
#include "sandbox/config/lwip_words.c"
#include "sandbox/config/config.c"
#include "sandbox/config/config_lwip.c"
#include "sandbox/config/integrity.c"
#define copy policy_copy
#define line policy_line
#define finish policy_finish
#include "sandbox/config/policy.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rf_config config;
	static struct rf_policy policy;
	char path[64];

	if (!size)
		return 0;
	int fd = memfd_create("text", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)size - 1)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (data[0] & 1)
		(void)rf_config_read(path, &config);
	else
		(void)rf_policy_read(path, &policy);
	close(fd);
	return 0;
}
