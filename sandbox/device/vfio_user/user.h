/* SPDX-License-Identifier: MIT */
/*
 * user.h - one connection to a vfio-user server, inside the device process.
 *
 * Room:   sandbox/device/vfio_user.
 * Trust:  the server is as little trusted as a device: every reply is checked, every
 *         wait ends at a deadline. The first thing that cannot be makes the connection
 *         dead, in one line of the log; from then on every call fails with -ENODEV.
 */
#ifndef RF_USER_H
#define RF_USER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "boot.h"
#include "vfio_user.h"

#define USER_MAPS  8
#define USER_AREAS 16

/* Memory the server may address. */
struct user_map {
	uint64_t iova, bytes;
	char    *p;
	bool     writable;
};

struct user_region {
	uint64_t bytes, offset; /* offset: in fd */
	uint32_t flags;         /* RF_VU_REGION_* */
	int      fd;            /* -1: cannot be mapped */
	uint32_t areas;         /* 0: all of it */
	struct rf_vu_sparse_area area[USER_AREAS];
};

/* What version negotiation told of the other end. */
struct user_peer {
	uint64_t max_fds, max_data, max_maps, page_sizes;
	bool     sleeps;        /* RF doorbell_sleep: word `asleep` in region `region` */
	bool     shadows;       /* RF doorbell_shadow: GET_REGION_IO_FDS may have a shadow */
	uint64_t sleep_region, asleep;
};

struct rf_vfio_user {
	const char *label;      /* of log lines */
	int         sock, twin; /* twin: commands of the server's, -1: they come on sock */
	bool        dead, awaits_fds;
	uint16_t    id;         /* of the last request */
	uint64_t    within_ns;  /* how long an answer may take */
	struct user_peer   peer;
	uint32_t           device_flags, irqs;
	struct user_region region[RF_VU_PCI_REGIONS];
	struct user_map    map[USER_MAPS];
	uint32_t           maps;
	/* proxied doorbells */
	volatile uint8_t  *proxy;
	uint32_t           rung[RF_MAX_QUEUES][2];
	unsigned char      in[RF_VU_MAX_MESSAGE]; /* payload of the message that came last */
};

/* A request. Its payload in up to two parts, its answer where they say. */
struct user_call {
	uint16_t     command;
	const void  *head, *data;
	uint32_t     head_bytes, data_bytes;
	const int   *fds;
	int          fd_count;
	void        *reply;            /* payload of the answer */
	uint32_t     reply_min, reply_room;
	int         *reply_fds;        /* room for RF_VU_MAX_FDS, or NULL: none may come */
	int          reply_fd_count;
	uint64_t     within_ns;        /* 0: as usual */
};

/*
 * Sends the request and waits for its answer, serving what the server asks meanwhile.
 * Bytes of the answer's payload; -ENODEV: the connection is dead; else the server's own
 * refusal as -errno, -EREMOTEIO if it names none.
 */
int user_call(struct rf_vfio_user *, struct user_call *);
/* Sends it as posted: no answer, no error. -ENODEV: the connection is dead. */
int user_post(struct rf_vfio_user *, const struct user_call *);
/* The server sent something unasked, on sock or twin: one message of it is served. */
int user_serve(struct rf_vfio_user *, int sock);
/* Version and capabilities. Exit code after a line. */
int user_handshake(struct rf_vfio_user *);
/* The line, once, and the end of the connection. Always -ENODEV. */
int user_dead(struct rf_vfio_user *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* vfio_user_region.c */
int user_regions(struct rf_vfio_user *);
/* Can these bytes of a server's fd be mapped for good? A memfd that is sealed against
 * shrinking: whoever maps anything else waits for its file system, or faults when its end
 * is taken away. */
bool user_memory(int fd, uint64_t offset, uint64_t bytes);
/* Can these bytes of a region be mapped, and where in its fd? -1: no. */
int  user_region_fd(const struct user_region *, uint64_t offset, uint64_t bytes, uint64_t *at);

/* vfio_user_doorbell.c: for the table of vfio_user_device.c, see device.h. */
struct rf_device;
struct pollfd;
int  user_doorbell(struct rf_device *);
void user_doorbell_clear(struct rf_device *, uint32_t queue);
void user_doorbell_forward(struct rf_device *);

#endif
