/* SPDX-License-Identifier: MIT */
/*
 * device.h - one device: its fds, registers, generations.
 *
 * Room:   sandbox/device, trusted, unprivileged; one process a device.
 * Trust:  the device is not believed: every value read of it is checked before it
 *         is used as a size, an index or a time. Drivers are not even read.
 */
#ifndef RF_DEVICE_H
#define RF_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "boot.h"
#include "control.h"
#include "device_config.h"
#include "launch.h"
#include "stats.h"

struct rf_bar {
	uint64_t bytes, offset; /* of the VFIO region; bytes 0: not there */
	bool     mappable;
};

struct rf_irq {
	uint32_t index;     /* VFIO_PCI_*_IRQ_INDEX */
	uint32_t vectors;   /* in use */
	bool     each_half; /* vector 1 + half belongs to that half for good */
	bool     intx;
};

/* A process in one of the two halves. */
enum slot_state { SLOT_EMPTY, SLOT_WANTED, SLOT_STANDBY, SLOT_RUNNING };
struct rf_slot {
	enum slot_state state;
	uint32_t generation;
	int      pidfd; /* -1: none */
	uint64_t spawned_ns;
};

struct rf_control_ops;

struct rf_device {
	struct rf_device_config cfg;
	int      vfio;              /* device fd, -1 without back end */
	struct rf_bar bar[6];
	uint64_t config_offset;     /* of config space in the device fd */
	uint32_t config_size;       /* 256 or 4096 */
	uint8_t  config[4096];      /* snapshot */
	uint64_t msix_table, msix_table_end, msix_pba, msix_pba_end; /* in their BARs */
	uint32_t msix_table_bar, msix_pba_bar;
	struct rf_irq irq;
	int      gone_event;        /* VFIO's ERR and REQ interrupts, -1: none */

	uint64_t iova;              /* of the data arena; queues and admin pages follow */
	uint64_t queues_iova, admin_iova;
	void    *data, *queues, *admin;
	struct rf_boot *boot[2];
	struct rf_stats_device *stats;

	const struct rf_control_ops *control;
	struct rf_blk_info info;    /* block service */
	struct rf_net_info net;     /* net service */
	struct rf_boot_queue queue; /* template for queue 0: regs is an offset in its BAR */
	uint32_t doorbell_bar;
	uint64_t doorbell_page, doorbell_bytes; /* window of registers for the driver */

	struct rf_slot slot[2];
	uint32_t generation;        /* running, or the last that ran */
	uint32_t next;              /* generation that comes next */
	bool     down;              /* between a death and the successor's start */
	bool     ready;             /* controller enabled, waits for a driver */
	bool     given_up, stopping;
	uint64_t want_ns;           /* when to ask for the next standby; 0: not waiting */
	bool     await_export;      /* DOWN was sent and not yet answered by PREPARED */
	bool     export_knows;      /* INFO was sent to this export */
	struct rf_recovery_device recovery;
};

/* The control half of one kind of device (design: privileged commands stay here). */
struct rf_control_ops {
	/* First bring-up: fills info or net, queue, doorbell_*. 0, or -errno after a line. */
	int (*identify)(struct rf_device *);
	/* After a quiesce: device enabled, queues of this half created. */
	int (*enable)(struct rf_device *, unsigned half);
	/* Before the soft reset: what the device may be told while it still listens. */
	void (*quiet)(struct rf_device *);
	/* Orderly end: caches written back. */
	void (*shutdown)(struct rf_device *);
	/* Is there still a device behind the registers? */
	bool (*present)(struct rf_device *);
};
extern const struct rf_control_ops rf_control_nvme;

/* vfio.c - 0 or an enum rf_exit code after one line in the log. */
int  vfio_open(struct rf_device *);
int  vfio_map_dma(struct rf_device *);
/* Maps part of a BAR for this process; NULL after a line. Refuses MSI-X pages. */
void *vfio_map_bar(struct rf_device *, uint32_t bar, uint64_t offset, uint64_t bytes);
bool vfio_window_ok(const struct rf_device *, uint32_t bar, uint64_t offset, uint64_t bytes);
int  vfio_read(struct rf_device *, uint32_t bar, uint64_t offset, void *to, uint32_t bytes);
int  vfio_write(struct rf_device *, uint32_t bar, uint64_t offset, const void *from, uint32_t bytes);
int  vfio_reset(struct rf_device *);
int  vfio_hot_reset(struct rf_device *);
int  vfio_open_irq(struct rf_device *);
/* The vector a half's queue interrupts on; wires it if halves share one. -errno. */
int  vfio_irq_vector(struct rf_device *, unsigned half);

/* config_space.c */
int  config_snapshot(struct rf_device *);
int  config_bus_master(struct rf_device *, bool on);
int  config_wait_idle(struct rf_device *);
uint32_t config_find(const struct rf_device *, uint8_t id); /* capability offset, 0: none */

/* quiesce.c: rule 5. Method that worked, or -EIO: the device cannot be silenced. */
int  device_quiesce(struct rf_device *);

/* generation.c */
int  generation_open(struct rf_device *);
void generation_want(struct rf_device *);
void generation_driver(struct rf_device *, uint32_t generation, int pidfd);
void generation_died(struct rf_device *, unsigned half);
void generation_start(struct rf_device *);
void generation_export(struct rf_device *);
void generation_prepared(struct rf_device *, uint32_t generation);
void generation_gone(struct rf_device *, int code);

uint64_t now_ns(void);
void tell_supervisor(struct rf_device *, uint32_t type, uint32_t generation, uint32_t value);
void tell_export(struct rf_device *, uint32_t type, uint32_t generation, unsigned half, uint32_t value);

#endif
