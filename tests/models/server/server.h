/* SPDX-License-Identifier: MIT */
/*
 * server.h - serves one PCI device model to one vfio-user client at a time.
 *
 * Room:   tests/models/server. The server half of the protocol (sandbox/proto/vfio_user.h) and
 *         what every PCI device has: config space, interrupts, access to client memory.
 * Trust:  none in the client: any byte, any size, any fd, any moment to leave. A model
 *         sees only accesses inside its regions, but any offset, width and value there.
 * Thread: one. The server calls the model; nothing of it may block.
 *
 * A model is a struct model and a `main` of one line:
 *
 *   int main(int argc, char **argv) { return server_main(argc, argv, &my_model); }
 *
 * Life: open() once; then for each client reset(RESET_CLIENT), accesses and polls, and
 * reset() again whenever the client asks in one of PCI's ways. close() at the end.
 */
#ifndef MODEL_SERVER_H
#define MODEL_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "fault.h"

struct server;

/* ---- the device, as PCI sees it ------------------------------------------------- */

struct model_bar {
	uint32_t bytes;     /* power of two, at least 16; 0: not there */
	bool     wide;      /* 64-bit: takes the next BAR's register too */
	bool     io;        /* I/O ports */
};

struct model_pci {
	uint16_t vendor, device, subvendor, subdevice;
	uint32_t class_code; /* 0xccsspp: 0x010802 is NVMe */
	uint8_t  revision;
	struct model_bar bar[6];
	uint16_t msix_vectors; /* 0: none. Table and PBA are served by the server: */
	uint8_t  msix_bar;
	uint32_t msix_table, msix_pba; /* offsets in that BAR, multiples of 8 */
	uint8_t  msi_vectors;  /* 0, 1, 2, 4, ... 32 */
	bool     intx;         /* INTA */
	bool     flr;          /* function level reset in the PCIe capability */
	bool     no_pcie, no_pm; /* leave these capabilities out */
};

enum model_reset {
	RESET_POWER,  /* at the start and by the control socket */
	RESET_CLIENT, /* a client came (unless --keep-state) */
	RESET_DEVICE, /* DEVICE_RESET */
	RESET_FLR,
	RESET_PM,     /* D3hot to D0 */
};

struct model_counter {
	const char *name;
	uint64_t    value;
};

/* ---- what a model is -------------------------------------------------------------- */

struct model {
	const char *name;  /* "nvme" */
	const char *usage; /* its own options, lines for --help */

	/* One option "--KEY VALUE" not known to the server. 0, or -EINVAL after a line in
	 * the log; -ENOENT: not ours. NULL: has none. */
	int (*option)(const char *key, const char *value);
	/* After all options: allocates, and fills *pci. The model's own struct, or NULL
	 * after a line in the log. It is passed as `dev` below. */
	void *(*open)(struct server *, struct model_pci *pci);
	void (*close)(void *dev); /* may be NULL */

	/* Back to power-on state. Config space and interrupt wiring are the server's: with
	 * RESET_CLIENT, DEVICE, FLR and PM it has reset config space and MSI-X already. */
	void (*reset)(void *dev, enum model_reset why);

	/* Registers of a BAR, inside it. MSI-X table and PBA do not come here, nor do shared
	 * pages (below). 0, or -errno for an error reply. `bytes` is 1 to 32 KiB, naturally
	 * aligned only if the client is polite. */
	int (*read)(void *dev, unsigned bar, uint64_t offset, void *to, uint32_t bytes);
	int (*write)(void *dev, unsigned bar, uint64_t offset, const void *from, uint32_t bytes);
	/* A write over the socket fell into a shared page; it is stored there already. May be
	 * NULL: poll() looks anyway. */
	void (*rung)(void *dev, unsigned bar, uint64_t offset, uint32_t bytes);

	/* Looks for work (doorbells, timers, frames) and does it. True if there was any. It is
	 * called after every message, on every wake-up, and again and again for the budget. */
	bool (*poll)(void *dev);
	/* CLOCK_MONOTONIC nanoseconds at which poll() must be called at the latest even if
	 * nothing happens; 0: never. May be NULL. */
	uint64_t (*deadline)(void *dev);
	/* Is the device switched on, so that a plain mapped doorbell may ring at any time?
	 * NULL: always. Only asked with --doorbells plain-mmap. */
	bool (*live)(void *dev);
	/* A line of the control socket that the server does not know, split into words. 0, or
	 * -errno; `out` takes lines for the asker. -ENOENT: unknown. May be NULL. */
	int (*control)(void *dev, int count, char **word, FILE *out);

	/* Faults and counters of the model, by index of its own enums. */
	struct fault         *faults;
	unsigned              fault_count;
	struct model_counter *counters;
	unsigned              counter_count;
};

/* Parses the command line, serves until SIGTERM or SIGINT. An exit code. */
int server_main(int argc, char **argv, const struct model *);

/* ---- client memory ------------------------------------------------------------------ */

/*
 * All refuse (and count as dma_refused) what is not wholly inside maps of the client with
 * the permission needed, and all of it while Bus Master is off: -EFAULT. -EIO: the client
 * left, or did not answer a DMA_READ or DMA_WRITE in time.
 */
int server_dma_read(struct server *, uint64_t iova, void *to, uint64_t bytes);
int server_dma_write(struct server *, uint64_t iova, const void *from, uint64_t bytes);

/*
 * The memory itself where the client gave an fd for it: NULL if [iova, iova + bytes) is not
 * inside one such map, without counting it: use the calls above then, they decide. Valid
 * until server_dma_epoch() changes. The client may write it at any time: read a field once.
 */
void *server_dma_at(struct server *, uint64_t iova, uint64_t bytes, bool write);
uint64_t server_dma_epoch(const struct server *);

/* ---- interrupts ----------------------------------------------------------------------- */

/*
 * A message: by MSI-X if the client wired it, else MSI (vector modulo those enabled), else
 * one pulse of INTx if the model has no level of its own. Delivered if the vector has an
 * eventfd: MSI-X Enable and the mask bit a table entry is born with are not asked for,
 * because clients exist (QEMU's) that keep them from the server. What the client masked
 * itself (function mask while enabled; an entry written unmasked and then masked) is held
 * back in the PBA until unmasked. Subject to the irq faults.
 */
void server_irq(struct server *, unsigned vector);
/* Level of INTA; the eventfd is written on a rising edge, and on unmask while high. */
void server_intx(struct server *, bool high);
/* Does the client have any vector of MSI-X (of MSI) wired? Else drive INTx. */
bool server_has_msix(const struct server *);
bool server_has_msi(const struct server *);

/* ---- pages the client may map ----------------------------------------------------------- */

/*
 * Makes pages of a BAR shared memory, offered for mmap as --doorbells says: whole pages, at
 * most one run a BAR, from open() only. Reads and writes over the socket go to the same
 * bytes. `asleep`: offset in the BAR of a 32-bit word in this run that no register uses.
 * The memory, or NULL after a line in the log.
 */
void *server_share(struct server *, unsigned bar, uint32_t offset, uint32_t bytes, uint32_t asleep);

/* ---- helpers ------------------------------------------------------------------------------ */

uint64_t server_now(void); /* CLOCK_MONOTONIC, ns */
uint64_t server_random(struct server *); /* seeded by --seed: replayable */
struct fault_set *server_faults(struct server *);
/* Wakes up the loop when fd is readable and then calls poll(); for a model's own fds (a
 * TAP, a socket). At most 4. 0 or -ENOSPC. server_unwatch takes it off again. */
int  server_watch(struct server *, int fd);
void server_unwatch(struct server *, int fd);

#endif
