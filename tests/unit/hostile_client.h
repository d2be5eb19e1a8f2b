/* SPDX-License-Identifier: MIT */
/*
 * hostile_client.h - an export under ASan, and whether it is still well.
 *
 * Room:   tests/unit. For clients that mean no good.
 */
#ifndef RF_UNIT_RUDE_H
#define RF_UNIT_RUDE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/lib/packet.c"

#define NBD   "build/tests/rf-nbd-asan"
#define HASTY "build/tests/rf-nbd-hasty" /* clients get 3 s to get on */
#define DISK (8u << 20)

#include <sys/stat.h>

#include "nbd_bytes.h"

static struct exported *served_by(const char *program)
{
	struct exported *e = calloc(1, sizeof(*e));

	exported_init(e, DISK);
	for (uint32_t i = 0; i < DISK; i += 4)
		memcpy(e->ram.disk + i, &i, 4);
	exported_serve(e, program);
	return e;
}

static struct exported *served(void)
{
	return served_by(NBD);
}

/* A polite client is served, whatever the others did; then the program ends well, which
 * under ASan says that nothing leaked and nothing was touched that should not be. */
static void still_well(struct exported *e, const char *complaint)
{
	unsigned char data[4096];
	char command[256];
	int fd = transmission(e, false);

	put_request(fd, 0, NBD_CMD_READ, 77, 4096, 4096);
	assert_int_equal(simple(fd, 77), 0);
	get(fd, data, sizeof(data));
	assert_memory_equal(data, e->ram.disk + 4096, sizeof(data));
	close(fd);
	if (complaint) {
		snprintf(command, sizeof(command),
			 "grep -q '%s' %s || { sed 's/^/# /' %s; exit 1; }", complaint, e->log,
			 e->log);
		assert_int_equal(system(command), 0);
	}
	assert_int_equal(exported_end(e), 0);
	free(e);
}

#endif
