/* SPDX-License-Identifier: MIT */
/*
 * disk.h - a disk of this process, and the NBD server in front of it, on the stack's TCP.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 * Path:   from the NIC's ring to the disk's ring in one process: no hop between.
 */
#ifndef RF_LWIP_DISK_H
#define RF_LWIP_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "join_table.h"
#include "lwip_config.h"
#include "nbd.h"
#include "ringfence.h"
#include "service.h"

/* One `disk` line: the same disk may have several. */
struct disk_export {
	struct nbd_export export; /* first */
	struct service   *service;
	bool              known;  /* size and place are; until then nobody is let in */
};

struct lwip_disk {
	struct nbd_server  nbd;
	struct rf_blk *service;
	struct loop_watch       control, kick;
	uint32_t           count;
	struct disk_export exports[RF_LWIP_SERVICES];
	struct rf_io       probe; /* reads the partition table */
	bool               wants_table, probing;
};

/* Maps the fds of disk number `index`. Dies with a line if they are not right. */
void disk_open(struct lwip_disk *, uint32_t index);
/* Listens for one `disk` line. 0, or -errno. */
int  disk_listen(struct lwip_disk *, struct service *, const ip_addr_t *at,
		 bool (*allow)(const ip_addr_t *, void *));
/* As the configuration file calls it; "" before the first disk_listen(). */
static inline const char *disk_name(const struct lwip_disk *d)
{
	return d->count ? d->exports[0].export.name : "";
}
/* Number of completions. */
int  disk_work(struct lwip_disk *);
void disk_tick(struct lwip_disk *);
/* The same as rf_blk_sleep() and rf_blk_wake(). */
bool disk_sleep(struct lwip_disk *);
void disk_wake(struct lwip_disk *);
int  disk_patience(const struct lwip_disk *); /* as rf_blk_patience() */
uint64_t disk_spin_ns(const struct lwip_disk *);

#endif
