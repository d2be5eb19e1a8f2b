/* SPDX-License-Identifier: MIT */
/*
 * nvme_model.h - an NVMe controller in software: what its files share.
 *
 * Room:   tests/models. NVM Express Base Specification 1.4 ("Base"), as 2.0 numbers it
 *         where drivers/hw/nvme.h names a section.
 * Trust:  none in the client. Queue entries are copied once, PRPs are checked by the DMA
 *         door of the server, doorbells by range.
 */
#ifndef NVME_MODEL_H
#define NVME_MODEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "nvme.h"
#include "record.h"
#include "server.h"

#define MAX_QUEUES   64u   /* I/O queue pairs */
#define MAX_ENTRIES  4096u /* CAP.MQES */
#define MAX_DELAYED  8192u
#define MDTS_DEFAULT (1u << 20)
#define HELD_EVENTS  4u    /* asynchronous event requests kept */

/* ---- the data: nvme_store.c ------------------------------------------------------ */

struct store {
	unsigned char *memory; /* NULL: in the file */
	int      fd;
	uint64_t bytes;
	uint32_t block;        /* 512 or 4096 */
	bool     cached;       /* volatile write cache: unflushed writes die in a power cut */
	unsigned kept_percent; /* of the unflushed blocks survive it all the same */
	struct fault_set chance; /* which */
	uint32_t *undo_of;     /* by block: 1 + place in undo, 0: stable */
	uint64_t *undo_block;
	unsigned char *undo;   /* what stable storage still holds of these blocks */
	uint32_t undo_count, undo_room;
	struct record_head *record; /* NULL: nothing is written down */
};

int  store_open(struct store *, const char *file); /* NULL: memory */
void store_close(struct store *);
/* 0 or -EIO. Offsets in bytes, inside the store. */
int  store_read(struct store *, uint64_t offset, void *to, uint64_t bytes);
int  store_write(struct store *, uint64_t offset, const void *from, uint64_t bytes);
int  store_zero(struct store *, uint64_t offset, uint64_t bytes);
int  store_flush(struct store *);
int  store_settle(struct store *, uint64_t offset, uint64_t bytes); /* FUA of what was written */
uint64_t store_power_cut(struct store *); /* blocks lost */

/* nvme_record.c */
int  record_open(struct store *, const char *file);
void record_add(struct store *, uint64_t kind, uint64_t offset, const void *data, uint64_t bytes);

/* ---- what is odd about it: nvme_odd.c ------------------------------------------------ */

#define ODD_PATCHES 16u
enum odd_page { ODD_CTRL, ODD_NS, ODD_LIMITS, ODD_PAGES };
struct odd_patch { uint8_t which, byte; uint16_t at; };
struct odd {
	uint8_t  css, csi;  /* css 0: NVM */
	uint32_t nsid;      /* 0: 1 */
	unsigned patches;
	struct odd_patch patch[ODD_PATCHES];
};

int  odd_option(struct odd *, const char *key, const char *value); /* -ENOENT: no such option */
/* Changes bytes of a page. False: there are none to change. */
bool odd_patch(const struct odd *, enum odd_page, unsigned char *page);

/* ---- its namespaces: nvme_namespace.c --------------------------------------------------- */

#define MAX_SPACES 8u
struct name_space {
	uint32_t id, block;
	uint64_t offset, bytes; /* in the store */
	bool     attached;
	unsigned names;         /* bit t: it has one of type t (NIDT) */
	uint8_t  eui64[8], nguid[16], uuid[16];
};

/* ---- the controller ---------------------------------------------------------------- */

struct sq {
	bool     on;
	uint16_t id, cqid, entries, head, tail;
	uint64_t iova;
	const struct nvme_sqe *memory; /* NULL: reached by messages */
	_Atomic uint32_t *bell;
};

struct cq {
	bool     on, irq, raise, phase;
	uint16_t id, vector, entries, head, tail, users;
	uint64_t iova;
	struct nvme_cqe *memory;
	_Atomic uint32_t *bell;
};

/* What the faults do to the command at hand. */
struct twist {
	bool     stale, corrupt, lost;
	uint64_t at_most;   /* bytes moved; ~0: all */
	uint64_t lba_shift; /* added to the LBA */
	bool     bad_cid, bad_phase;
	uint16_t cid;
};

struct delayed {
	struct nvme_sqe cmd;
	uint16_t sqid;
	bool     orphan;   /* its queue is gone, and nobody hears of it: delete-early */
	uint64_t due;
	struct twist twist;
	bool     executed; /* with this status, and to be answered */
	uint32_t status;
};

enum {
	N_READY_NEVER,
	N_CFS,
	N_HANG,
	N_SLOW,
	N_GONE,
	N_BAD_CID,
	N_BAD_PHASE,
	N_SHORT,
	N_STALE,
	N_CORRUPT,
	N_MISREAD,
	N_MISWRITE,
	N_LOST,
	N_FLUSH_LIE,
	N_TORN,
	N_DMA_OUTSIDE,
	N_POISON,
	N_POISON_HANG,
	N_IO_ERROR,
	N_BAD_DOORBELL,
	N_SQE_BIT,
	N_CQE_BIT,
	N_ADMIN_LOST,
	N_ADMIN_ERROR,
	N_DELETE_NEVER,
	N_DELETE_ERROR,
	N_DELETE_RESETS,
	N_DELETE_CFS,
	N_DELETE_GONE,
	N_DELETE_EARLY,
	N_CREATE_ERROR,
	NVME_FAULTS
};
enum {
	NC_READS,
	NC_WRITES,
	NC_FLUSHES,
	NC_DISCARDS,
	NC_ZEROES,
	NC_ADMIN,
	NC_COMPLETIONS,
	NC_BAD_DOORBELLS,
	NC_POWER_CUTS,
	NC_ENABLES,
	NC_DELETES,
	NC_LATE,
	NC_DELAYED,
	NVME_COUNTERS
};

/* What takes its time: nvme_slow.c. */
#define SLOW_DELETES 4u
struct slow {
	uint32_t ready_ms, delete_ms; /* options */
	bool     ones;                /* registers read all ones while it gets ready, or unready */
	uint64_t ready_due;           /* CSTS.RDY changes then; 0: it does not */
	struct nvme_sqe deleting[SLOW_DELETES];
	uint64_t delete_due[SLOW_DELETES];
	unsigned deletes;             /* under way */
};

struct nvme {
	struct server *server;
	const char    *file, *record; /* options: NULL: memory; no record */
	const char    *serial, *nguid; /* their names; nguid "": the namespace has none */
	struct store   store;
	struct odd     odd;
	struct slow    slow;
	struct name_space space[MAX_SPACES]; /* by rising id */
	unsigned       spaces;
	unsigned queues, dstrd, table, bar_bytes;
	unsigned char *bells; /* shared page(s) of the doorbells */
	uint32_t bells_bytes;

	uint32_t cc, csts, aqa, intms;
	uint64_t asq, acq;
	bool     gone, hung;

	struct sq sq[MAX_QUEUES + 1];
	struct cq cq[MAX_QUEUES + 1];
	uint16_t  active[MAX_QUEUES + 1]; /* submission queues that are on */
	unsigned  active_count;
	uint64_t  epoch;

	uint32_t  mdts;         /* bytes a command may move */
	uint64_t  delay_min_us, delay_max_us;
	bool      reorder;
	bool      lossy;        /* every reset of the function drops the cache */
	bool      fragile;      /* so does CC.EN = 0 */
	struct fault_set order; /* chance of delays and order */
	struct delayed *delayed;
	unsigned  delayed_count;
	uint16_t  held[HELD_EVENTS];
	unsigned  held_count;
	uint32_t  feature[32];
	uint32_t  sq_granted, cq_granted;
	struct twist twist;
};

extern struct fault         nvme_faults[NVME_FAULTS];
extern struct model_counter nvme_counters[NVME_COUNTERS];
#define NVME_COUNT(which) (nvme_counters[which].value++)

static inline bool nvme_fires(struct nvme *n, unsigned which)
{
	return fault_fires(server_faults(n->server), &nvme_faults[which]);
}

/* nvme_queue.c */
void queue_open_sq(struct nvme *, unsigned qid, unsigned cqid, uint64_t iova, unsigned entries);
void queue_open_cq(struct nvme *, unsigned qid, uint64_t iova, unsigned entries, bool irq,
		   unsigned vector);
/* `early_us`: its commands go on, and end that much later, unanswered; 0: they end now. */
void queue_close_sq(struct nvme *, unsigned qid, uint64_t early_us);
void queue_close_all(struct nvme *);
bool queue_full(struct cq *);
void queue_complete(struct nvme *, struct sq *, uint16_t cid, uint32_t status, uint32_t dw0);
bool queue_poll(struct nvme *);
void queue_rung(struct nvme *); /* a doorbell came over the socket */

/* nvme_order.c: true: the command is done later, with the twist it has now. */
bool order_later(struct nvme *, const struct sq *, const struct nvme_sqe *, uint64_t us);
/* if the options say so */
bool order_held(struct nvme *, const struct sq *, const struct nvme_sqe *);
bool order_run(struct nvme *); /* finishes what is due; true: something was */
uint64_t order_deadline(const struct nvme *); /* 0: none */

/* nvme_namespace.c */
bool space_option(struct nvme *, const char *text);
void space_open(struct nvme *); /* after the store */
const struct name_space *space_attached(struct nvme *, uint32_t id); /* NULL: none */
uint32_t space_last(const struct nvme *); /* the highest id there may be */
void space_list(struct nvme *, uint32_t above, uint32_t *list);
void space_identify(const struct name_space *, unsigned char *page);
void space_descriptors(const struct nvme *, const struct name_space *, unsigned char *page);
int  space_control(struct nvme *, int count, char **word);

/* nvme_slow.c */
/* After CC.EN changed: CSTS.RDY follows, at once or later. */
void slow_ready(struct nvme *);
bool slow_unreadable(const struct nvme *);
/* True: this deletion is answered later. */
bool slow_delete(struct nvme *, const struct nvme_sqe *);
bool slow_run(struct nvme *); /* true: something was due */
void slow_forget_deletes(struct nvme *);
uint64_t slow_deadline(const struct nvme *); /* 0: none */

/* nvme_options.c */
extern const char nvme_usage[];
int nvme_option(struct nvme *, const char *key, const char *value);

/* nvme.c: as a controller does that resets itself: nothing is left but its configuration space. */
void nvme_reset_itself(struct nvme *);

/* nvme_admin.c: NEVER: no completion now. */
#define STATUS_NEVER 0xffffu
uint32_t admin_delete(struct nvme *, const struct nvme_sqe *);
uint32_t admin_execute(struct nvme *, const struct nvme_sqe *, uint32_t *dw0);

/* nvme_io.c */
uint32_t io_execute(struct nvme *, const struct nvme_sqe *);
/* Data of a command by its PRPs, out of or into a buffer of ours. A status. */
uint32_t prp_copy(struct nvme *, const struct nvme_sqe *, void *data, uint64_t bytes,
		  bool to_client);

/* nvme_faults.c: what the armed faults do to an I/O command. True: it is not executed now. */
bool nvme_twisted(struct nvme *, struct sq *, const struct nvme_sqe *);

#endif
