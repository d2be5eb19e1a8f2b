/* SPDX-License-Identifier: MIT */
/*
 * client.h - an NBD client that knows what every block must hold.
 *
 * Room:   tests/campaign. Trust: none in the answers: that is what is tested.
 * Blocks: address, generation, and a checksum's worth of bytes that follow from both:
 *         a lost, late, misplaced or torn block shows, and is told apart.
 * Chance: all of it comes from client_seed(), so that a fault's requests are those of its
 *         replay. A block has one request at a time.
 */
#ifndef CAMPAIGN_CLIENT_H
#define CAMPAIGN_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_BLOCK  4096u
#define CLIENT_BLOCKS 256u
#define CLIENT_DEPTH  16u
#define CLIENT_PIECE  32u /* blocks of one read of a sweep */

/* What a block held that was not what it should. */
enum wrong { WRONG_STALE, WRONG_ELSEWHERE, WRONG_TORN, WRONG_ZERO, WRONG_GARBAGE, WRONGS };
extern const char *const wrong_names[WRONGS];

struct client_slot {
	bool     busy;
	uint16_t type, flags;
	uint32_t block, count;
	uint64_t serial;
};

struct client {
	int      fd;
	uint64_t random, serial;
	uint64_t holds[CLIENT_BLOCKS]; /* serial of the last write, or one of the marks */
	bool     busy[CLIENT_BLOCKS];
	struct client_slot slot[CLIENT_DEPTH];
	unsigned inflight;
	uint64_t answers, verified, errors; /* since the start; blocks verified */
	uint64_t wrong[WRONGS], wrongs;
	size_t   in, out, out_done;
	unsigned char input[2 << 20], output[2 << 20];
};

/* Connects and negotiates. 0 or -errno. */
int  client_open(struct client *, const char *socket);
/* Once more, after the server hung up: what was not answered is not known. */
int  client_again(struct client *, const char *socket);
void client_close(struct client *);
void client_seed(struct client *, uint64_t seed);

/* Requests until CLIENT_DEPTH are in flight. */
void client_feed(struct client *);
/* Sends, waits for answers or for `other` (-1: none) to be readable, and takes what came.
 * 1: `other` is readable, 0: not (or ms are over), -errno: the server hung up or lied. */
int  client_turn(struct client *, int other, int ms);

/* Reads of all blocks whose contents are known, CLIENT_PIECE at a time; `next` starts at 0.
 * False: nothing was left to ask for. */
bool client_sweep(struct client *, uint32_t *next);

#endif
