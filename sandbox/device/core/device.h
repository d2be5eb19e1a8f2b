/* SPDX-License-Identifier: MIT */
/*
 * device.h - one device: its fds, registers, generations.
 *
 * Room:   sandbox/device/core, trusted, unprivileged; one process a device.
 * Trust:  the device is not believed: every value read of it is checked before it
 *         is used as a size, an index or a time. Drivers are not even read.
 */
#ifndef RF_DEVICE_H
#define RF_DEVICE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blk_types.h"
#include "block.h"
#include "boot.h"
#include "device_config.h"
#include "device_msg.h"
#include "driver_number.h"
#include "identity.h"
#include "launch.h"
#include "net.h"
#include "net_types.h"
#include "stats.h"

struct rf_bar {
	uint64_t bytes; /* 0: not there */
	uint64_t offset; /* VFIO: in the device fd */
	bool     mappable;
};

/* Registers of this process: mapped, or reached through the back end. */
struct rf_regs {
	volatile uint8_t *map; /* NULL: through the back end */
	uint32_t bar;
	uint64_t offset;
};

/* How a driver rings its doorbells; see README.md for the choice. */
enum rf_doorbell_mode {
	RF_DOORBELL_NONE,   /* nothing but what the policy maps */
	RF_DOORBELL_PAGE,   /* the device's own page */
	RF_DOORBELL_ASLEEP, /* a page of memory, and an eventfd for when the device sleeps */
	RF_DOORBELL_SHADOW, /* the same without a word that says so: always an eventfd */
	RF_DOORBELL_PROXY,  /* a page of ours; this process passes on what is rung */
};

#define RF_DOORBELL_BYTES (256u << 10)

/* The admin plane says which doorbells its driver has, doorbell_open() how. */
struct rf_doorbells {
	uint32_t bar;
	/* offsets in the BAR, queue 0's: of submissions, of completions taken; */
	uint64_t submit, complete;
	uint32_t queues, step;     /* of so many queues (0: one), each so many bytes on */
	/* virtio: 16 bits, and any store rings: `submit` that of queue 0, */
	bool     edge;
	uint32_t last_queue;       /* `complete` that of this one, which may be queue 0 again */
	enum rf_doorbell_mode mode;
	uint64_t page;             /* offset in the BAR of the whole pages that hold both, */
	uint64_t bytes;            /* at most RF_DOORBELL_BYTES */
	int      fd;               /* what the driver maps of them: `bytes` at `at` */
	uint64_t at;
	uint64_t regs;             /* offset of `submit` in that */
	/* the driver's RF_FD_DEVICE if it is the device's own, else -1 */
	int      event;
	uint64_t asleep;           /* offset of the word in that, or in the page below; ~0: none */
	/* the word's page where it is another one, read-only; -1: it is not */
	int      sleep_fd;
	uint64_t sleep_at;
};

/* The admin plane's, and one of each half of each queue. */
#define RF_MAX_VECTORS (1u + 2u * RF_MAX_QUEUES)

struct rf_irq {
	uint32_t index;     /* VFIO_PCI_*_IRQ_INDEX */
	uint32_t vectors;   /* in use */
	/* vector 1 + 2 * queue + half belongs to that half for good; else 1 + queue is its
	 * running half's, or 0 if there is one vector */
	bool     each_half;
	bool     intx;
	bool     off;       /* a storm: given up until the device was reset */
};

/* What the last look at the interrupts saw. */
struct rf_irq_storm {
	uint64_t look_ns; /* when to look next */
	uint64_t at_ns, taken, completed;
	uint64_t drivers; /* changes with the drivers that run */
};

/* A process in one of the two halves. */
enum slot_state { SLOT_EMPTY, SLOT_WANTED, SLOT_STANDBY, SLOT_RUNNING, SLOT_ENDING };
struct rf_slot {
	enum slot_state state;
	uint32_t generation;
	int      pidfd; /* -1: none */
	uint64_t spawned_ns;
};

/* For the supervisor, which takes no messages just now (notify.c). */
#define RF_UNSENT_MAX (6u * RF_MAX_QUEUES + 10u)
struct rf_unsent {
	struct rf_dev_msg msg[RF_UNSENT_MAX];
	unsigned count;
};

/* One queue of the device: its drivers, one after the other. */
struct rf_queue {
	uint32_t index;
	struct rf_boot   *boot[2];
	int               spec_fd[2]; /* the launcher's page of each half, */
	struct rf_launch *spec[2];    /* mapped */
	struct rf_slot    slot[2];
	uint32_t generation;        /* running, or the last that ran */
	uint32_t next;              /* generation that comes next */
	bool     down;              /* between a death and the successor's start */
	bool     quiet;             /* meanwhile: the device does nothing for it any more */
	bool     ready;             /* its queue pair is there and waits for a driver */
	uint64_t downs;             /* drivers that ran and died */
	uint32_t kill_requested;    /* generation the supervisor was asked to kill, */
	enum rf_kill kill_reason;   /* and why */
	uint64_t want_ns;           /* when to ask for the next standby; 0: not waiting */
	bool     want_unsent;       /* a WANT the supervisor had no room for */
	bool     await_export;      /* DOWN was sent and not yet answered by PREPARED */
	struct rf_recovery_device recovery;
};

struct rf_admin_ops;
struct rf_backend_ops;
struct rf_vfio_user;

/* What this process left the device as, and expects to find it as (left.c). */
enum rf_left {
	RF_LEFT_UNKNOWN, /* as a harder reset made it, or not touched yet */
	RF_LEFT_QUIET,   /* soft reset, confirmed */
	RF_LEFT_ENABLED, /* at work; queue pairs of drivers that died may be missing */
};

/* What resets of a device are known not to do (quirks.c). */
#define RF_QUIRK_QUEUES_FIRST      1u /* NVMe: queues have to be deleted before CC.EN is cleared */
#define RF_QUIRK_NO_FUNCTION_RESET 2u /* neither FLR nor power management: the bus only */
#define RF_QUIRK_NO_QUEUE_RESET    4u /* virtio: what a queue that is reset had under way goes on */

struct rf_quirk {
	uint16_t    vendor, device;
	uint32_t    subsystem; /* vendor, and device above it; 0: any */
	uint32_t    flags;
	const char *what; /* for the log */
};

struct rf_device {
	struct rf_device_config cfg;
	const char *label;          /* of log lines: its address, or its name */
	const struct rf_backend_ops *backend; /* NULL: none */
	int      vfio;              /* VFIO: device fd */
	bool     hot_reset_ok;      /* VFIO: all functions of its bus are in its group */
	struct rf_vfio_user *user;  /* vfio-user: the connection */
	struct rf_bar bar[6];
	uint64_t config_offset;     /* of config space in the device fd */
	uint32_t config_size;       /* 256 or 4096 */
	uint8_t  config[4096];      /* snapshot */
	uint32_t quirks;            /* RF_QUIRK_* */
	uint64_t msix_table, msix_table_end, msix_pba, msix_pba_end; /* in their BARs */
	uint32_t msix_table_bar, msix_pba_bar;
	struct rf_irq irq;
	int      error_event, gone_event; /* ERR and REQ interrupts of the back end, -1: none */

	uint64_t iova;              /* of the data arena; queues and admin pages follow */
	uint64_t queues_iova, admin_iova;
	void    *data, *queues, *admin;
	struct rf_stats_device *stats;

	const struct rf_admin_ops *admin_ops;
	struct rf_blk_info info;    /* block service */
	struct rf_net_info net;     /* net service */
	struct rf_identity disk;    /* block service: which it is */
	struct rf_boot_queue template; /* what is the same for each queue's driver */
	struct rf_doorbells doorbell;

	int service;                /* socket of the export that lives */
	uint32_t queue_count;       /* that are used: at most cfg.queues */
	struct rf_queue queue[RF_MAX_QUEUES];
	bool     enabled;           /* the admin plane enabled it since the last reset */
	bool     reset;             /* it is to be reset as a whole, once no driver runs */
	/* in which it says that a soft reset is over; 0: as the policy says */
	uint32_t reset_ms;
	bool     queue_reset;       /* it passed the check of its admin plane: see queue_drop */
	uint32_t resets;            /* since all queues had a driver, for want of a queue pair */
	enum rf_left left;
	bool     changed;           /* it was found to be otherwise since: */
	/* its configuration space, too: all of that is to be set up anew */
	bool     header_changed;
	bool     bus_master;        /* as it was set last */
	uint32_t left_header[9];    /* configuration space from PCI_COMMAND on, at start (left.c) */
	bool     given_up, stopping;
	bool     refused;           /* it is another disk than it has to be */
	int      failed;            /* what the supervisor was told when it was given up */
	bool     export_knows;      /* INFO was sent to this export */
	struct rf_unsent unsent;
	struct rf_irq_storm storm;
	uint64_t link_look_ns;      /* net: when to look at the link again */
	/* net: since when it is seen down and nobody was told; 0: not so */
	uint64_t link_down_ns;
};

/* The admin plane of one kind of device (design: privileged commands stay here). */
struct rf_admin_ops {
	/* First bring-up: fills info or net, template, doorbell; makes queue_count less where the
	 * device has fewer. 0, or -errno after a line. */
	int (*identify)(struct rf_device *);
	/* After a reset, when no driver runs: the device enabled; where queue_make is NULL, with
	 * its one queue of this half. A device that takes queues only then has all of them, each
	 * in the half of its next driver, whose memory is cleared. */
	int (*enable)(struct rf_device *, unsigned half);
	/*
	 * Takes a dead driver's queue pair from a device that goes on; the device is as
	 * RF_LEFT_ENABLED says. 0: it says that nothing of that pair is under way any more, which
	 * a device that had reset itself could not. -errno after a line: it is to be reset. NULL:
	 * there is no such way.
	 */
	int (*queue_drop)(struct rf_device *, unsigned queue);
	/* Makes a queue pair in this half, on a device that is enabled. 0, or -errno after a line,
	 * -ESTALE: a reset would not help, it is not what its drivers were told it is. NULL: the
	 * device has one queue, which enable() makes. */
	int (*queue_make)(struct rf_device *, unsigned queue, unsigned half);
	/* Before the soft reset: what the device may be told while it still listens. */
	void (*quiet)(struct rf_device *);
	/* Behind the soft reset: a mark in the device that a reset of its own would take away.
	 * NULL: its registers show that without one. */
	void (*mark)(struct rf_device *);
	/* Orderly end. True: the device says that its cache is written back. */
	bool (*shutdown)(struct rf_device *);
	/* Is there still a device behind the registers? */
	bool (*present)(struct rf_device *);
	/* What is not as d->left says, in words for the log; NULL: everything is. The device
	 * may be in any state. */
	const char *(*changed)(struct rf_device *);
	/* RF_NET_LINK_NONE: no telling. NULL: it is no adapter. */
	enum rf_net_link (*link)(struct rf_device *);
};
extern const struct rf_admin_ops rf_admin_nvme, rf_admin_e1000e, rf_admin_igb,
	rf_admin_virtio_net, rf_admin_virtio_blk;

/* What a back end does for a device; errors are -errno unless it says "exit code". */
struct rf_backend_ops {
	const char *list; /* system calls this process needs afterwards */
	/* Connection, regions, configuration space, bus mastering. Exit code after a line. */
	int (*open)(struct rf_device *);
	/* First address >= from, 2 MiB aligned, with `bytes` the device can reach; 0: none. */
	uint64_t (*pick_iova)(struct rf_device *, uint64_t from, uint64_t bytes);
	/* Exit code after a line. The memory is that of fd at offset, mapped at p. */
	int (*map_dma)(struct rf_device *, int fd, uint64_t offset, void *p, uint64_t iova,
		       uint64_t bytes, bool writable);
	int (*config_read)(struct rf_device *, uint32_t at, void *to, uint32_t bytes);
	int (*config_write)(struct rf_device *, uint32_t at, const void *from, uint32_t bytes);
	/* Access inside the BAR, 1, 2, 4 or 8 bytes. A write may be posted: its failure is
	 * seen by what is read later. */
	int (*bar_read)(struct rf_device *, uint32_t bar, uint64_t offset, void *to,
			uint32_t bytes);
	int (*bar_write)(struct rf_device *, uint32_t bar, uint64_t offset, const void *from,
			 uint32_t bytes);
	/* What to map for whole pages of a BAR: an fd and the offset in it, or -1. */
	int (*bar_fd)(struct rf_device *, uint32_t bar, uint64_t offset, uint64_t bytes,
		      uint64_t *at);
	/* Interrupts: indices, actions and counts are those of linux/vfio.h; RF_MAX_VECTORS at most
	 * in one call. */
	uint32_t (*irq_count)(struct rf_device *, uint32_t index);
	int (*set_irqs)(struct rf_device *, uint32_t index, uint32_t action, uint32_t start,
			const int32_t *fds, uint32_t count);
	/* VFIO_PCI_ERR_IRQ_INDEX and VFIO_PCI_REQ_IRQ_INDEX say that the device goes. */
	bool gone_irqs;
	/* Its interrupts are the kernel's to count: see irq_storm.c. */
	bool irqs_counted;
	/* After the interrupts are wired: what else the device needs to send them. */
	int (*irqs_on)(struct rf_device *);
	/* Is there anybody to reset it? NULL: always. */
	bool (*alive)(const struct rf_device *);
	int (*reset)(struct rf_device *);
	int (*hot_reset)(struct rf_device *);
	/* A mode other than the device's own page, NULL: there is none. Exit code. */
	int (*doorbell)(struct rf_device *);
	/* Before a driver of this queue's next generation starts: nothing of the last one's is
	 * rung. */
	void (*doorbell_clear)(struct rf_device *, uint32_t queue);
	/* Fds the main loop waits for, and what to do then; NULL: none. -errno: the device
	 * is gone, after a line. */
	unsigned (*poll_fds)(struct rf_device *, struct pollfd *);
	int (*on_poll)(struct rf_device *, const struct pollfd *, unsigned count);
};
#define RF_BACKEND_FDS 4u /* most of poll_fds() */
extern const struct rf_backend_ops rf_backend_vfio, rf_backend_vfio_user;

/* bar.c - the same for every back end. */
/* Whole pages of a BAR that a driver may have: mappable, none of the MSI-X table. */
bool bar_window_ok(struct rf_device *, uint32_t bar, uint64_t offset, uint64_t bytes);
/* Registers of one page for this process. -errno after a line. */
int  bar_open_regs(struct rf_device *, struct rf_regs *, uint32_t bar, uint64_t offset);
/* All ones if the device is gone. */
uint32_t reg_read32(struct rf_device *, const struct rf_regs *, uint32_t at);
void reg_write32(struct rf_device *, const struct rf_regs *, uint32_t at, uint32_t value);
/* Reset steps; checked against the BAR. */
int  bar_read(struct rf_device *, uint32_t bar, uint64_t offset, void *to, uint32_t bytes);
int  bar_write(struct rf_device *, uint32_t bar, uint64_t offset, const void *from, uint32_t bytes);

/* dma.c - the whole DMA map of the device, made once. Exit code after a line. */
int  dma_map_all(struct rf_device *);

/* doorbell.c - chooses the mode of doorbell.submit and .complete. -errno after a line. */
int  doorbell_open(struct rf_device *);

/* interrupts.c - exit code after a line; and again after a reset that may have undone it. */
int  irq_open(struct rf_device *);
int  irq_rewire(struct rf_device *);
/* The vector a queue interrupts on in this half; wires it if halves share one. -errno. */
int  irq_vector(struct rf_device *, uint32_t queue, unsigned half);
/* Gives all vectors up, at once, and gets them back. The second: -errno after a line. */
void irq_off(struct rf_device *);
int  irq_back(struct rf_device *);

/* pci_bringup.c - what kernel VFIO does by itself: addresses and decoding of the BARs,
 * MSI and MSI-X. -errno after a line. */
int  pci_bringup(struct rf_device *);
int  pci_msi_on(struct rf_device *);

/* config_space.c; the first three return an exit code after a line. */
int  config_snapshot(struct rf_device *);
int  config_match(struct rf_device *); /* is it what the policy is for? */
int  config_fenced(const struct rf_device *); /* can the IOMMU hold it? */
int  config_bus_master(struct rf_device *, bool on);
int  config_wait_idle(struct rf_device *);
void config_find_msix(struct rf_device *);
uint32_t config_word(const struct rf_device *, uint32_t at); /* of the snapshot */
/* A capability's offset; 0: none, or one whose first `bytes` are not all in the first 256. */
uint32_t config_find(const struct rf_device *, uint8_t id, uint32_t bytes);

/* identity.c: which disk it is. Adds words; a string or a number of the device's, between words of
 * ours: nothing, and false, if it is blank. */
void identity_words(struct rf_device *, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
bool identity_string(struct rf_device *, const char *before, const char *from, size_t bytes,
		     const char *behind);
bool identity_number(struct rf_device *, const char *before, const uint8_t *from, size_t bytes);
/* A disk that has told no name is known by its kind and its size. */
void identity_complete(struct rf_device *);
/* Is it another one than it has to be? */
bool identity_other(const struct rf_device *);

/* link.c: when to look next, 0: not at all; the look; a driver comes or goes. */
uint64_t link_next_ns(const struct rf_device *);
bool link_look(struct rf_device *); /* true: is the device as it was left? */
void link_forget(struct rf_device *);

/* irq_storm.c: the same of interrupts; a driver starts. True: there are too many, and all were
 * switched off: its drivers are to be killed. */
uint64_t storm_next_ns(const struct rf_device *);
bool storm_look(struct rf_device *);
void storm_forget(struct rf_device *);

/* quirks.c: by PCI id; NULL: none is known. The second fills in d->quirks from d->config. */
const struct rf_quirk *rf_quirk_find(uint16_t vendor, uint16_t device, uint32_t subsystem);
void quirks_look(struct rf_device *d);

/* left.c: has the device changed without our doing? Then whatever its cache held may be gone:
 * a line is logged. The first notes what BARs and command are like once all is set up. */
void left_note_header(struct rf_device *);
void left_as(struct rf_device *, enum rf_left);
bool left_changed(struct rf_device *);

/* quiesce.c: rule 5. The first takes a queue pair of a dead driver from the device, which is not
 * reset: RF_RESET_QUEUE, or -errno: that does not go. The second: the method that worked, or -EIO:
 * the device cannot be silenced. */
int  device_drop_queue(struct rf_device *, const struct rf_queue *);
int  device_quiesce(struct rf_device *);
/* For the bundle of that dead driver: registers, before they change. */
void quiesce_capture(struct rf_device *, uint32_t generation);

/* plan.c: what the driver of a generation is given. The fds are the device's own, in the order
 * of the launcher's windows. */
struct driver_plan {
	struct rf_launch spec;
	int fds[RF_LAUNCH_MAX_FDS];
};
void plan_make(struct rf_device *, const struct rf_queue *, struct driver_plan *,
	       uint32_t generation);
void plan_boot(struct rf_device *, const struct rf_queue *, uint32_t generation);
/* What it has as RF_FD_DEVICE. */
enum rf_want_fd plan_device_fd(const struct rf_device *);

/* Queue memory of this queue in this half: where in it, in bytes. */
static inline uint64_t queue_memory_at(const struct rf_device *d, uint32_t queue, unsigned half)
{
	return ((uint64_t)half * d->cfg.queues + queue) * d->cfg.queue_bytes;
}

/* Does any driver run? */
static inline bool any_driver_up(const struct rf_device *d)
{
	for (uint32_t i = 0; i < d->queue_count; i++)
		if (!d->queue[i].down)
			return true;
	return false;
}

static inline unsigned driver_half(const struct rf_device *d, uint32_t generation)
{
	return rf_number_half(generation, d->cfg.queues);
}

/* queue.c: the queue of that driver, NULL: none that is used; its export is told that the driver is
 * dead; the supervisor is asked for the death of the driver that runs. */
struct rf_queue *driver_queue(struct rf_device *, uint32_t generation);
void queue_notify_down(struct rf_device *, struct rf_queue *);
void queue_request_kill(struct rf_device *, struct rf_queue *, enum rf_kill why);

/* generation.c: the drivers of one queue. */
void generation_open(struct rf_device *);
void generation_want(struct rf_device *, struct rf_queue *);
void generation_driver(struct rf_device *, uint32_t generation, int pidfd);
/* ended_ns: the keeper saw that then. */
void generation_ending(struct rf_device *, uint32_t generation, uint64_t ended_ns);
void generation_died(struct rf_device *, struct rf_queue *, unsigned half);
void generation_start(struct rf_device *, struct rf_queue *);
void generation_start_all(struct rf_device *);
void generation_prepared(struct rf_device *, uint32_t generation);
/* Another supervisor: it is told what the one before it may not have heard or done. */
void generation_adopted(struct rf_device *, uint32_t asked);

/* recovery.c: what happens to the device, by a death or from outside, for one queue or for all. */
/* This queue's driver executes nothing more: the device is made quiet for this queue, or, once
 * all drivers are dead, as a whole. True: as a whole, so that each queue may be started again. */
bool recovery_quiet(struct rf_device *, struct rf_queue *);
/* Has the device, which is enabled if it is not, the queue pair of this half? */
enum rf_enabled {
	RF_ENABLED,
	RF_ENABLED_NOT,   /* what follows from that was done */
	RF_ENABLED_AGAIN, /* and it was reset as a whole: each queue may be started again */
};
enum rf_enabled recovery_enable(struct rf_device *, struct rf_queue *, unsigned half);
/* A driver runs. */
void recovery_up(struct rf_device *);
/* Its drivers get nothing done: is that the device's doing? */
void recovery_look(struct rf_device *);
/* Its interrupts were switched off. */
void recovery_storm(struct rf_device *);
void recovery_export(struct rf_device *);
void recovery_revived(struct rf_device *);
void recovery_gone(struct rf_device *, int code);

/* notify.c: nobody is waited for. */
void notify_supervisor(struct rf_device *, uint32_t type, uint32_t generation, uint32_t value);
/* False: it is asked for later, when notify_flush() says so, if that is still wanted then. */
bool notify_want(struct rf_device *, struct rf_queue *, const struct rf_dev_msg *, const int *fds,
		 int count);
void notify_unresponsive(struct rf_device *, const struct rf_dev_msg *); /* may be lost */
/* Is there something that waits for room? There is some: */
bool notify_pending(const struct rf_device *);
bool notify_flush(struct rf_device *); /* true: now a WANT has room */
/* Another supervisor, to which all is said anew. */
void notify_discard(struct rf_device *);
void notify_export(struct rf_device *, uint32_t type, uint32_t generation, unsigned half,
		   uint32_t value);

#endif
