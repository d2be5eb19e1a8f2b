/* SPDX-License-Identifier: MIT */
/*
 * model_served.h - a model behind the vfio-user server, and whether it still serves: what the
 * tests of that server share.
 *
 * Room:   tests/unit. The server runs the NVMe model in a process of its own under ASan and
 *         UBSan: whatever they find is its exit code.
 */
#ifndef RF_UNIT_MODEL_SERVED_H
#define RF_UNIT_MODEL_SERVED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>

#include "model_client.h"

int model_main(int argc, char **argv);

#define TRIGGER_EVENTFD (RF_VU_SET_DATA_EVENTFD | RF_VU_SET_ACTION_TRIGGER)
#define RW (RF_VU_DMA_READABLE | RF_VU_DMA_WRITEABLE)

static inline int start(void **state)
{
	struct modelled *m = calloc(1, sizeof(*m));

	model_start(m, model_main, NULL);
	*state = m;
	return 0;
}

static inline int start_impatient(void **state)
{
	struct modelled *m = calloc(1, sizeof(*m));

	model_start(m, model_main, (const char *const[]){ "--handshake", "200", NULL });
	*state = m;
	return 0;
}

static inline int start_wide(void **state)
{
	struct modelled *m = calloc(1, sizeof(*m));

	model_start(m, model_main, (const char *const[]){ "--queues", "20", NULL });
	*state = m;
	return 0;
}

static inline int stop(void **state)
{
	int code = model_stop(*state);

	free(*state);
	if (code)
		print_message("# the model ended with %d\n", code);
	return code;
}

static inline int memory_file(uint64_t bytes)
{
	int fd = memfd_create("dma", MFD_CLOEXEC);

	must(fd >= 0 && !ftruncate(fd, (off_t)bytes), "memfd");
	return fd;
}

static inline void assert_serves(struct modelled *m)
{
	struct client c = client_greeted(m, PLAIN_JSON);

	assert_true(client_alive(&c));
	close(c.fd);
}

/* The server's answer is an error or the end of the connection, then it hangs up. */
static inline void assert_refused(struct client *c, int result)
{
	char byte;
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	assert_true(result < 0 && result != -ETIMEDOUT);
	assert_int_equal(poll(&p, 1, CLIENT_WAIT_MS), 1);
	assert_true(read(c->fd, &byte, 1) <= 0);
	close(c->fd);
}

static inline unsigned open_fds(const struct modelled *m)
{
	char path[64];
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", m->pid);
	DIR *d = opendir(path);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#endif
