/* SPDX-License-Identifier: MIT */
/*
 * oracle.h - a client of one disk that knows, for every block, which contents are allowed:
 * what its files share. README.md has the rules and why each is sound.
 *
 * Room:   tests/oracle. Knows the server by NBD and by sandbox/blk/SEMANTICS.md only.
 * Thread: one, and a child that kills (chaos.c). They share struct hazards.
 * Time:   a counter that moves with every event this process sees: asked, answered.
 */
#ifndef ORACLE_H
#define ORACLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define NEVER     UINT64_MAX
#define CONNS     24u  /* at most; each is a client that outlives its connections */
#define DEPTH     32u  /* requests of a connection under way, at most */
#define MOST      524288u /* bytes of a request, at most */

enum kind { READ, WRITE, ZERO, TRIM, FLUSH, INITIAL };

/* ---- what may have been lost: main.c makes it, chaos.c writes it -------------------- */

/* A device may lose its cache between begun++ and ended++ of the same hazard. */
struct hazards {
	_Atomic uint64_t begun, ended;
	_Atomic uint64_t deaths, power_cuts, rounds;
	_Atomic uint64_t killed[16]; /* by enum victim */
	/* of `status`, at the last look: a device also loses unbidden */
	_Atomic uint64_t losses;
	_Atomic int      stop, stuck;
};

struct options {
	const char *socket, *control, *model_control, *model_pid, *device;
	uint64_t seconds, seed, block, blocks, conns, lazy, depth, patience, kills, cuts, queues;
	bool     until_violation;
	bool     cached;  /* the device has a volatile cache; else nothing is ever lost */
	bool     fragile; /* it goes with every driver, too */
};

/* ---- the book: book.c --------------------------------------------------------------- */

/* One change of one block. It takes effect once, between `asked` and `done`, or never. */
struct version {
	uint64_t id;        /* unique, growing; in every block of its data */
	uint64_t life;      /* connection it was asked on */
	uint64_t asked, done; /* done: no effect later than this */
	uint64_t acked;     /* NEVER: no answer */
	uint64_t calm;      /* hazard since which nothing was lost of it; 0: none */
	uint64_t beaten_by, beaten_at; /* a read saw this one over it */
	uint16_t client;
	uint8_t  kind;
	bool     sure;      /* it did take effect: answered, or read */
	bool     durable;   /* promised over power cuts, */
	uint64_t promised;  /* since this moment, */
	const char *by;     /* by this */
	bool     voided;    /* its client was told that it may be gone */
};

struct block {
	struct version *version;
	uint32_t count, room;
};

struct op {
	bool     busy;
	enum kind kind;
	bool     fua, whole; /* whole: one chunk only */
	uint64_t id, life, asked;
	uint64_t sent_from;  /* place of its data in the connection's stream */
	uint32_t block, blocks;
	uint64_t got;        /* bytes of the answer */
	uint32_t error;
	unsigned char *data; /* of a read in chunks */
	uint64_t since_ms;
	uint64_t calm;       /* hazard it was asked after; 0: during one */
};

struct book {
	const struct options *o;
	struct hazards *hazards;
	struct block   *block;
	uint64_t tick, serial, violations;
	uint64_t oldest_read; /* no read under way was asked before */
	uint64_t verified;    /* bytes */
	bool (*lost)(const struct options *, struct hazards *); /* chaos_lost(), or NULL */
};

void book_open(struct book *, const struct options *, struct hazards *);
uint64_t book_now(struct book *); /* a new moment */
void book_asked(struct book *, struct op *, unsigned client);
void book_answered(struct book *, const struct op *);
/* The connection broke when these blocks of a write, and those behind, were not sent yet. */
void book_unsent(struct book *, const struct op *, uint32_t from);
/* What was asked on lives before this one has no effect after `moment`. */
void book_ended(struct book *, uint64_t life, uint64_t moment);
/* All data of a read. False: a violation, which is said. */
bool book_read(struct book *, const struct op *, const unsigned char *data);
/* A flush asked at that moment went well; one failed. */
void book_flushed(struct book *, unsigned client, uint64_t asked);
void book_void(struct book *, unsigned client);
/* The last hazard, 0: one is under way. Was there none since, whether it is known here or not? */
uint64_t book_stamp(const struct book *);
bool book_calm(const struct book *, uint64_t since);
/* The contents of a block of a write. */
void block_fill(const struct book *, void *data, uint32_t block, uint64_t id);
void violation(struct book *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- connections: conn.c ------------------------------------------------------------ */

enum phase { DOWN, GREETING, OPTIONS, UP, HALF }; /* HALF: nothing more is sent */

struct conn {
	unsigned number;
	enum phase phase;
	int      fd;
	bool     structured, go, df_offered;
	bool     sole;        /* all others were dead when it came up, the anchor among them */
	uint64_t life, dialled, up_at; /* up_at: moment of the handshake */
	uint64_t redial_ms, pause_ms;
	uint64_t dropped_at;  /* the server hung up then while the anchor lived; 0: no */
	uint64_t dropped_life;
	struct op op[DEPTH];
	unsigned busy, depth;
	unsigned flushes, flush_failed; /* under way; failed since there was none */
	uint64_t flush_asked;           /* latest good one since there was none */
	/* the last flush that failed: moment; hazard it was asked after, 0: there was one since */
	uint64_t told_at, told_calm;
	unsigned told_cut;              /* changes under way then: each may be news once more */
	unsigned char *in, *out;
	size_t   in_len, out_at, out_len;
	uint64_t sent, queued; /* bytes of this connection's stream */
};

struct figures {
	uint64_t operations, reads, writes, zeroes, trims, flushes, fua, flushes_failed;
	uint64_t reconnects, vanished, half_closed, pauses;
};

struct load {
	struct book  book;
	struct options o;
	struct conn  conn[CONNS];
	struct figures count;
	uint64_t chance, lives;
	bool     anchor_broke; /* conn[0] was hung up on since the last known end */
	bool     drain;        /* ask nothing more */
	uint64_t last_ms;      /* of any answer */
};

#define IN_ROOM  (2 * MOST + 65536u)
#define OUT_ROOM (4 * MOST)

void conn_dial(struct load *, struct conn *);
void conn_turn(struct load *, struct conn *, short revents);
void conn_put(struct load *, struct conn *, struct op *);
/* The connection is no more. `ours`: we closed it, and the server may still do what it got. */
void conn_broken(struct load *, struct conn *, bool ours);
void conn_flush_out(struct load *, struct conn *);

/* ---- what is asked: load.c ---------------------------------------------------------- */

void load_open(struct load *, const struct options *, struct hazards *);
/* False: nothing is answered any more, which is said. */
bool load_turn(struct load *);
/* All answers are taken, then the whole disk is flushed and read. */
bool load_settle(struct load *);
void load_answered(struct load *, struct conn *, struct op *, uint32_t error);
uint64_t load_chance(struct load *, uint64_t below);
uint64_t now_ms(void);

/* ---- deaths: chaos.c ---------------------------------------------------------------- */

/* DRIVER + i: that of queue i. */
#define QUEUES 8u
enum victim { EXPORT, DEVICE, SUPERVISOR, MODEL, DRIVER, VICTIMS = DRIVER + QUEUES };

/* In a child of its own, until hazards->stop. */
_Noreturn void chaos_run(const struct options *, struct hazards *);
/* Was a cache lost that no hazard here explains? It is one from now on. */
bool chaos_lost(const struct options *, struct hazards *);
/* A line to the model's control socket. False: no answer. */
bool model_told(const char *control, const char *line);

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
