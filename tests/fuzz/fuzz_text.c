/* SPDX-License-Identifier: MIT */
/*
 * fuzz_text.c - configuration and policy files with any bytes in them. What rf-config makes of a
 * file that it finds good, root believes: it is of the right form, and stands in that file.
 *
 * Room:   tests/fuzz. Input: one byte that says which of the two it is, then the file.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/lib/log.c"
#include "sandbox/lib/walls.c"
#include "sandbox/lib/words.c"
#include "sandbox/proto/config.c"
#include "sandbox/config/lwip_words.c"
#include "sandbox/config/config.c"
#include "sandbox/config/config_lwip.c"
#include "sandbox/config/integrity.c"
#include "sandbox/config/limits.c"
#include "sandbox/zygote/config_load.h"
#include "sandbox/zygote/config_stated.h"
#include "sandbox/config/policy.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each with the defaults it has in the program, and a policy that needs no device. */
static void configuration(const char *path, const uint8_t *text, size_t bytes)
{
	static struct rf_config defaults;
	const struct rf_config_text said = { (const char *)text, bytes, path, &defaults };
	const int room = rf_config_devices(&said);
	struct rf_config *config = calloc(1, rf_config_bytes(room + 1));

	if (!config || rf_config_defaults(&defaults))
		abort();
	strcpy(defaults.policy_dir, "/proc/self/cwd/policy");
	*config = defaults;
	config->room = room ? room : 1;
	const char *wrong = NULL;
	if (!rf_config_read(path, config)) {
		wrong = config->count > room ? "more devices than it has lines of" :
					       rf_config_wrong(config);
		if (!wrong)
			wrong = rf_config_unstated(&said, config);
	}
	free(config);
	if (!wrong)
		return;
	fprintf(stderr, "root would not believe it: %s\n", wrong);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rf_policy policy;
	char path[64];

	if (!size)
		return 0;
	int fd = memfd_create("text", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data + 1, size - 1) != (ssize_t)size - 1)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (data[0] & 1)
		configuration(path, data + 1, size - 1);
	else
		(void)rf_policy_read(path, &policy);
	close(fd);
	return 0;
}
