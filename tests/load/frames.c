/* SPDX-License-Identifier: MIT */
/*
 * frames.c - rf-netload: a load generator for interfaces: a program of `export program`, which
 * knows nothing of ringfence but the public header of libringfence.
 *
 * Room:   tests/load.
 * Output: one JSON line a round.
 * Words:  behind its path in the configuration, KEY=VALUE:
 *           mode=forward|generate  send what is received | send frames of its own (forward)
 *           batch=N       most frames a turn, 1 to 32                               (32)
 *           frames=N      of a round: forwarded, or received                        (1000000)
 *           rounds=N                                                                (1)
 *           size=BYTES    of frames of its own, without FCS                         (60)
 *           prime=N       forward: frames sent first, to go round a loop            (0)
 *           window=N      generate: most frames sent and not yet received; 0: any   (0)
 *           marks=0|1     load_mark.h around a round                                (0)
 * Exit:   0 when all rounds are done or the device process is gone, 70 after one line.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "load_mark.h"
#include "ringfence.h"
#include "say.h"

#define BATCH_MAX   32u
#define CLOCK_EVERY 64u

const char load_name[] = "rf-netload";

struct netload {
	struct rf_net *net;
	bool           generate, marks;
	uint32_t       batch, size, window;
	uint64_t       frames, rounds, prime;

	struct rf_net_frame own; /* the frame of its own, in a buffer that stays ours */
	uint64_t       sent, received, empty_polls, sleeps;
	struct rf_housekeeping housekeeping;
};

/* ---- arguments ---------------------------------------------------------------- */

static bool netload_number(const char *word, const char *key, uint64_t *out)
{
	size_t length = strlen(key);
	char  *end;

	if (strncmp(word, key, length) || word[length] != '=')
		return false;
	*out = strtoull(word + length + 1, &end, 10);
	return end != word + length + 1 && !*end;
}

static int parse(struct netload *l, const char *text)
{
	uint64_t batch = 32, size = 60, window = 0, marks = 0;
	char copy[256], *save, *word;

	l->frames = 1000000;
	l->rounds = 1;
	snprintf(copy, sizeof(copy), "%s", text);
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (!strcmp(word, "mode=generate"))
			l->generate = true;
		else if (strcmp(word, "mode=forward") && !netload_number(word, "batch", &batch) &&
			 !netload_number(word, "frames", &l->frames) &&
			 !netload_number(word, "rounds", &l->rounds) &&
			 !netload_number(word, "size", &size) &&
			 !netload_number(word, "prime", &l->prime) &&
			 !netload_number(word, "window", &window) &&
			 !netload_number(word, "marks", &marks)) {
			load_say("bench: '%s' is not known", word);
			return -EINVAL;
		}
	}
	if (!batch || batch > BATCH_MAX || size < 14 || size > 65535 || window > UINT32_MAX) {
		load_say("bench: batch is 1 to %u, size 14 or more", BATCH_MAX);
		return -EINVAL;
	}
	l->batch = (uint32_t)batch;
	l->size = (uint32_t)size;
	l->window = (uint32_t)window;
	l->marks = marks != 0;
	return 0;
}

/* ---- waiting ------------------------------------------------------------------- */

static void netload_control(struct netload *l)
{
	int err = rf_net_control(l->net);

	if (err == -EPIPE)
		exit(0);
	if (err)
		load_die("ends: control socket: %s", strerror(-err));
}

static void netload_sleep_once(struct netload *l)
{
	struct pollfd p[] = { { .fd = rf_net_kick_fd(l->net), .events = POLLIN },
			      { .fd = rf_net_control_fd(l->net), .events = POLLIN } };

	if (!rf_net_sleep(l->net, true))
		return;
	l->sleeps++;
	int n = load_wait(p, 2, rf_net_patience(l->net));
	if (n < 0 && errno != EINTR)
		load_die("poll: %s", strerror(errno));
	rf_net_wake(l->net, n > 0 && p[0].revents);
	if (n > 0 && p[1].revents)
		netload_control(l);
	if (!n)
		rf_net_tick(l->net);
}

/* ---- the loops that are measured --------------------------------------------------- */

/* Frames forwarded. What finds no room is dropped: its buffers go back. */
static unsigned turn_forward(struct netload *l)
{
	struct rf_net_frame frames[BATCH_MAX];
	unsigned n = rf_net_rx(l->net, frames, l->batch);

	if (!n)
		return 0;
	unsigned sent = rf_net_forward(l->net, frames, n);
	if (sent < n)
		rf_net_rx_done(l->net, frames + sent, n - sent);
	rf_net_push(l->net);
	l->received += n;
	l->sent += sent;
	return n;
}

static unsigned turn_generate(struct netload *l)
{
	struct rf_net_frame frames[BATCH_MAX];
	unsigned n = rf_net_rx(l->net, frames, l->batch), sent = 0;

	if (n)
		rf_net_rx_done(l->net, frames, n);
	l->received += n;
	if (!l->window || l->sent - l->received < l->window)
		sent = rf_net_inject(l->net, &l->own, l->batch);
	l->sent += sent;
	if (n | sent)
		rf_net_push(l->net);
	return n | sent;
}

/* Compiled for each kind of turn. */
static inline __attribute__((always_inline)) void netload_run(struct netload *l,
							      unsigned (*turn)(struct netload *))
{
	const uint64_t goal = l->received + l->frames;
	const uint64_t budget = rf_net_spin_ns(l->net);
	uint64_t until = 0;

	for (unsigned empty = 0; l->received < goal;) {
		bool worked = turn(l);

		if (rf_housekeeping_due(&l->housekeeping, worked ? RF_TURN_BATCH : RF_TURN_EMPTY)) {
			netload_control(l);
			rf_net_tick(l->net);
		}
		if (worked) {
			empty = 0;
			until = 0;
			continue;
		}
		l->empty_polls++;
		__builtin_ia32_pause();
		/* Frames under way give their buffers back only if somebody asks. */
		if (!(++empty % CLOCK_EVERY))
			(void)rf_net_tx_room(l->net, RF_NET_DEPTH);
		rf_net_push(l->net);
		if (budget == UINT64_MAX)
			continue;
		if (empty % CLOCK_EVERY && rf_net_up(l->net))
			continue;
		uint64_t now = load_now_ns();
		if (!until)
			until = now + budget;
		else if (now >= until)
			netload_sleep_once(l);
	}
}

/* ---- rounds ------------------------------------------------------------------------- */

static void netload_prepare(struct netload *l)
{
	const struct rf_net_info *info = rf_net_info(l->net);
	uint32_t at = rf_net_tx_alloc(l->net);

	if (!at || l->size > info->mtu + 18u)
		load_die("bench: frames of %u bytes do not fit an MTU of %u", l->size,
		       info->mtu);
	/* To itself, of a type for local experiments (IEEE 802, 0x88b5). */
	unsigned char *frame = rf_net_at(l->net, at);
	memset(frame, 0, l->size);
	memcpy(frame, info->mac, 6);
	memcpy(frame + 6, info->mac, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	l->own = (struct rf_net_frame){ .at = at, .length = (uint16_t)l->size };
}

/* Drops frames until none came for a second. Whether there were any. */
static bool drained(struct netload *l)
{
	const uint64_t second = 1000000000;
	struct rf_net_frame frames[BATCH_MAX];
	uint64_t until = load_now_ns() + second;
	bool any = false;

	while (load_now_ns() < until) {
		unsigned n = rf_net_rx(l->net, frames, BATCH_MAX);

		__builtin_ia32_pause();
		if (n) {
			rf_net_rx_done(l->net, frames, n);
			any = true;
			until = load_now_ns() + second;
		}
		rf_net_push(l->net);
		netload_control(l);
		rf_net_tick(l->net);
	}
	return any;
}

/*
 * One that is lost on the cable goes round no more. QEMU's igb says that its link is up
 * before it takes frames: none is put under way before one has come back.
 */
static void prime(struct netload *l)
{
	if (l->generate || !l->prime)
		return;
	do {
		rf_net_inject(l->net, &l->own, 1);
		rf_net_push(l->net);
	} while (!drained(l));
	while (l->prime) {
		l->prime -= rf_net_inject(l->net, &l->own, l->prime > 32 ? 32 : (unsigned)l->prime);
		rf_net_push(l->net);
		netload_control(l);
	}
}

static void netload_report(const struct netload *l, uint64_t round, const struct netload *before,
			   uint64_t elapsed)
{
	struct rf_net_counters c;
	char line[512];

	rf_net_counters(l->net, &c);
	int n = snprintf(
		line, sizeof(line),
		"{\"mode\":\"%s\",\"batch\":%u,\"size\":%u,\"round\":%llu,\"received\":%llu,"
		"\"sent\":%llu,\"elapsed_ns\":%llu,\"empty_polls\":%llu,\"sleeps\":%llu,"
		"\"lost_tx\":%llu,\"rx_bad\":%llu}\n",
		l->generate ? "generate" : "forward", l->batch, l->size, (unsigned long long)round,
		(unsigned long long)(l->received - before->received),
		(unsigned long long)(l->sent - before->sent), (unsigned long long)elapsed,
		(unsigned long long)(l->empty_polls - before->empty_polls),
		(unsigned long long)(l->sleeps - before->sleeps), (unsigned long long)c.lost_tx,
		(unsigned long long)c.rx_bad);

	if (write(STDOUT_FILENO, line, (size_t)n) != n)
		load_die("cannot write the result: %s", strerror(errno));
}

int main(void)
{
	static struct netload l;

	rf_program_name(load_name);
	if (rf_net_open(&l.net) || parse(&l, rf_net_words(l.net)) || rf_program_lock())
		load_die("cannot start");
	while (!rf_net_info(l.net) || !rf_net_up(l.net)) {
		struct pollfd p = { .fd = rf_net_control_fd(l.net), .events = POLLIN };

		if (load_wait(&p, 1, -1) < 0 && errno != EINTR)
			load_die("poll: %s", strerror(errno));
		netload_control(&l);
	}
	netload_prepare(&l);
	prime(&l);
	for (uint64_t round = 1; round <= l.rounds; round++) {
		struct netload before = l;
		uint64_t begin = load_now_ns();

		if (l.marks)
			rf_mark_begin();
		if (l.generate)
			netload_run(&l, turn_generate);
		else
			netload_run(&l, turn_forward);
		if (l.marks)
			rf_mark_end();
		rf_net_tick(l.net);
		netload_report(&l, round, &before, load_now_ns() - begin);
	}
	return 0;
}
