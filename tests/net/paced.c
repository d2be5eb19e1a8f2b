/* SPDX-License-Identifier: MIT */
/*
 * paced.c - UDP datagrams both ways over a cable, at a steady pace, each with a number, the
 * generation of the run, and a checksum: what is lost, doubled, out of order, damaged or left
 * over from another run is counted exactly.
 *
 * Room:   tests/net.
 * Use:    paced FAR_PID RATE STOP_FILE [BYTES]
 *         RATE datagrams a second each way; of 48 to BYTES bytes (1400), or of exactly that many
 *         if it is negative. Sends until STOP_FILE is there, hears out what is under way, prints
 *         one JSON line.
 * UDP:    sent without UDP's own checksum, which would turn damage into loss.
 */
#include "ends.h"

#define MOST      (8u << 20) /* datagrams each way */
#define BYTES_MAX 1472
#define PORT      9009
#define MAGIC     0x72662d7061636564ull
#define QUIET_NS  700000000u /* nothing came for so long: nothing is under way */
#define LATE_MAX  64         /* datagrams sent at once after a time without a processor */

struct datagram {
	uint64_t magic, generation, number;
	uint32_t way, bytes;
	uint64_t sum; /* of all else */
	uint8_t  fill[];
};

struct way {
	int       from, to;
	struct sockaddr_in address;
	uint64_t  sent, refused; /* refused: by the sender's own kernel; no number was used */
	uint64_t  received, duplicated, reordered, corrupted, stale, lost;
	uint64_t  highest; /* number received; counts from 1 */
	uint8_t  *seen;
};

static struct way ways[2];
static uint64_t   generation;
static int        bytes_max = 1400;

/* ---- a datagram ---------------------------------------------------------------------- */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* FNV-1a, by whole words and the rest by bytes. */
static uint64_t sum_of(const struct datagram *d, uint32_t bytes)
{
	uint64_t h = 0xcbf29ce484222325ull ^ d->generation ^ mix(d->number) ^
		     (uint64_t)d->way << 32 ^ d->bytes;

	for (uint32_t i = 0; i < bytes - sizeof(*d); i++)
		h = (h ^ d->fill[i]) * 0x100000001b3ull;
	return mix(h ^ d->magic);
}

static uint32_t make(struct datagram *d, uint32_t way, uint64_t number)
{
	uint64_t x = mix(number ^ generation);
	uint32_t least = sizeof(*d) + 8;
	uint32_t bytes = bytes_max < 0 ? (uint32_t)-bytes_max :
					 least + (uint32_t)(x % ((uint32_t)bytes_max - least + 1));

	*d = (struct datagram){ .magic = MAGIC,
				.generation = generation,
				.number = number,
				.way = way,
				.bytes = bytes };
	for (uint32_t i = 0; i < bytes - sizeof(*d); i++)
		d->fill[i] = (uint8_t)(x >> (i & 7) * 8) + (uint8_t)i;
	d->sum = sum_of(d, bytes);
	return bytes;
}

/* ---- the two ends ---------------------------------------------------------------------- */

static void send_one(unsigned way)
{
	_Alignas(8) char buffer[BYTES_MAX];
	struct way *w = &ways[way];

	if (w->sent + 1 >= MOST)
		return;
	uint32_t bytes = make((void *)buffer, way, w->sent + 1);
	if (sendto(w->from, buffer, bytes, 0, (struct sockaddr *)&w->address, sizeof(w->address)) ==
	    (ssize_t)bytes)
		w->sent++;
	else
		w->refused++;
}

static void judge(struct way *w, unsigned way, const struct datagram *d, ssize_t got)
{
	if (got < (ssize_t)sizeof(*d) || d->magic != MAGIC || d->bytes != got ||
	    d->sum != sum_of(d, (uint32_t)got)) {
		w->corrupted++;
	} else if (d->generation != generation || d->way != way || !d->number ||
		   d->number > w->sent) {
		w->stale++;
	} else if (w->seen[d->number / 8] & 1u << d->number % 8) {
		w->duplicated++;
	} else {
		w->seen[d->number / 8] |= (uint8_t)(1u << d->number % 8);
		w->received++;
		w->reordered += d->number < w->highest;
		w->highest = d->number > w->highest ? d->number : w->highest;
	}
}

static bool hear(unsigned way)
{
	_Alignas(8) char buffer[BYTES_MAX + 512];
	struct way *w = &ways[way];
	bool any = false;
	ssize_t got;

	while ((got = recv(w->to, buffer, sizeof(buffer), 0)) >= 0) {
		judge(w, way, (void *)buffer, got);
		any = true;
	}
	return any;
}

/* Waits for datagrams, not longer than until `until`. */
static bool turn(uint64_t until)
{
	struct pollfd p[2] = { { .fd = ways[0].to, .events = POLLIN },
			       { .fd = ways[1].to, .events = POLLIN } };
	uint64_t now = now_ns();
	struct timespec t = {
		.tv_nsec = until > now ? (long)(until - now < 10000000 ? until - now : 10000000) : 0
	};

	if (ppoll(p, 2, &t, NULL) <= 0)
		return false;
	return hear(0) | hear(1);
}

static void run(uint64_t interval, const char *stop)
{
	uint64_t next = now_ns(), now, heard;

	while (now = now_ns(), !told_to_stop(stop, now)) {
		for (int i = 0; next <= now && i < LATE_MAX; i++, next += interval) {
			send_one(0);
			send_one(1);
		}
		if (next <= now)
			next = now + interval;
		turn(next);
	}
	for (heard = now; now < heard + QUIET_NS; now = now_ns())
		if (turn(now + 10000000))
			heard = now;
}

/* ---- start and end ------------------------------------------------------------------------ */

static void open_ends(const char *far_pid)
{
	const int off = 1, room = 64 << 20;
	int fd[2];

	for (int end = NEAR; end <= FAR; end++) {
		fd[end] = end_socket(end, SOCK_DGRAM, PORT, far_pid);
		must(!setsockopt(fd[end], SOL_SOCKET, SO_NO_CHECK, &off, sizeof(off)),
		     "SO_NO_CHECK");
		if (setsockopt(fd[end], SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
			(void)setsockopt(fd[end], SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	}
	for (int way = 0; way < 2; way++) {
		ways[way] = (struct way){ .from = fd[way],
					  .to = fd[!way],
					  .address = end_address(!way, PORT),
					  .seen = calloc(MOST / 8 + 1, 1) };
		must(ways[way].seen, "memory");
	}
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "out", "in" };

	must(argc >= 4, "usage: paced FAR_PID RATE STOP_FILE [BYTES]");
	bytes_max = argc > 4 ? atoi(argv[4]) : bytes_max;
	must(atoi(argv[2]) > 0 && abs(bytes_max) <= BYTES_MAX && abs(bytes_max) >= 100,
	     "RATE or BYTES");
	generation = mix(now_ns() ^ (uint64_t)getpid() << 40);
	open_ends(argv[1]);
	run(1000000000u / (unsigned)atoi(argv[2]), argv[3]);
	printf("{");
	for (int way = 0; way < 2; way++) {
		struct way *w = &ways[way];

		w->lost = w->sent - w->received;
		printf("%s\"%s_sent\":%" PRIu64 ",\"%s_received\":%" PRIu64 ",\"%s_lost\":%" PRIu64
		       ",\"%s_duplicated\":%" PRIu64 ",\"%s_reordered\":%" PRIu64
		       ",\"%s_corrupted\":%" PRIu64 ",\"%s_stale\":%" PRIu64
		       ",\"%s_refused\":%" PRIu64,
		       way ? "," : "", names[way], w->sent, names[way], w->received, names[way],
		       w->lost, names[way], w->duplicated, names[way], w->reordered, names[way],
		       w->corrupted, names[way], w->stale, names[way], w->refused);
	}
	printf("}\n");
	return 0;
}
