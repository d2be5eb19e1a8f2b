/* SPDX-License-Identifier: MIT */
/*
 * ring.c - attacks on the service through the memory it shares with a driver. See attack.h.
 *
 * Room:   tests/attacks. Plays the device process between a hostile driver, under the
 *         shipped launcher, and an export (served.c) with the shipped service.
 * Judged: the driver is reported (a violation or a stall), or every request is answered
 *         once and with a status that can be. In a control the same checks are left out.
 */
#include "attack.h"

#include <time.h>

#include "scene.h"

#define SERVED     "build/attacks/served"
#define SERVED_LAX "build/attacks/served-lax"

extern bool attack_quick;

/* Once, with one parameter. */
static enum outcome ring_once(const struct attack *a, enum mode mode, uint64_t param, char *what)
{
	enum expect expect = (enum expect)(a->arg >> 32);
	unsigned without = mode == CONTROL ? (uint32_t)a->arg
			   : mode == ALONE ? (uint32_t)a->others
					   : 0;
	struct scene s;

	/* What a protocol error leaves unanswered is noticed by its age. */
	bool stall = mode != CONTROL && (expect == EXPECT_STALL || expect == EXPECT_REPORT);
	scene_open(&s, without ? SERVED_LAX : SERVED, a->image, without, stall ? 300000000 : 0);
	s.t.param[0] = param;
	scene_join(&s);
	MUST(!target_spawn(&s.t, 0));
	int ms = expect >= EXPECT_SERVED ? 10000 : expect == EXPECT_STALL ? 1500 : 3000;
	/* A control that shows nothing is not waited for as long. */
	for (int i = 0; i < (mode == CONTROL && ms > 1500 ? 1500 : ms); i++) {
		scene_look(&s, 1);
		if (s.heard || s.served_ended || scene_wrong(&s) || s.page->finished)
			break;
	}
	/* What it said last is on its way. */
	scene_look(&s, 20);
	enum outcome o = scene_judge(&s, expect, what);
	scene_close(&s);
	return o;
}

static enum outcome attack_ring(const struct attack *a, enum mode mode, char *what)
{
	return ring_once(a, mode, 2000000, what); /* evil_slow: cycles */
}

SWEEP(tail_ahead, ring_once, 1, 2, 16, 100, 254, 255, 256, 257, 511, 512, 1024, 4096, 65535, 65536,
      1 << 20, 1 << 24, 0x7ffffffe, 0x7fffffff, 0x80000000)
SWEEP(tail_back, ring_once, -1ull, -2ull, -3ull, -16ull, -255ull, -256ull, -257ull, -65536ull,
      -(1ull << 24), -0x7fffffffull)
SWEEP(heads, ring_once, 1, 2, 255, 256, 257, 65536, 0x7fffffff, 0x80000000, -1ull, -2ull, -256ull)
SWEEP(tags, ring_once, 0xffff, 0x80ff, 0x8000, 0, 1, 0x7fff, 0xffffffff, 0x18001, 0x8100, 0xff00,
      0x80000000)
SWEEP(statuses, ring_once, 1, 5, 0x7fffffff, 0x80000000, 0xffffffff - 3 /* -EINTR+.. */, -11ull,
      -22ull - 4096, -4095ull, -4096ull, -200ull)

SWEEP(again, ring_once, 1, 2, 3, 4, 5, 6, 7, 8) /* a race: it need not be won at once */

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* A bomb takes its time to go off. */
static void bomb_wait(struct target *bad)
{
	for (int i = 0; i < 60000 && !bad->ended && bad->page->stage <= EVIL_BEGAN; i++) {
		target_look(bad);
		usleep(1000);
	}
}

/* A neighbour misbehaves; an honest driver's export must lose nothing. A bomb's control got
 * through if the export was SLOWER times as slow as with the control group. */
#define SLOWER 3
static enum outcome attack_sibling(const struct attack *a, enum mode mode, char *what)
{
	static uint64_t took[MODES]; /* the modes of one row, one after the other */
	struct scene s;
	struct target bad;

	target_init(&bad, a->image);
	bad.group = "bad";
	MUST(!target_spawn(&bad, attack_off(a, mode)));
	if (a->grouped)
		bomb_wait(&bad);
	uint64_t start = now_us();
	scene_open(&s, SERVED, NULL, 0, 0);
	s.t.l.image_fd = launching_image("build/drivers/null_blk");
	scene_join(&s);
	MUST(!target_spawn(&s.t, 0));
	for (int i = 0; i < 20000; i++) {
		scene_look(&s, 1);
		target_look(&bad);
		if (s.heard || s.served_ended || scene_wrong(&s) || s.page->finished)
			break;
	}
	enum outcome o = scene_judge(&s, EXPECT_SERVED, what);
	took[mode] = now_us() - start;
	bool began = bad.page->stage != EVIL_NOT_BEGUN;
	scene_close(&s);
	target_end(&bad);
	if (mode == CONTROL && began && o == STOPPED) {
		snprintf(what, WHAT, "%llu ms for the requests, %llu with the wall",
			 (unsigned long long)took[CONTROL] / 1000,
			 (unsigned long long)took[ALONE] / 1000);
		return took[CONTROL] > SLOWER * took[ALONE] ? THROUGH : STOPPED;
	}
	return began ? o : BROKEN;
}

/*
 * Somebody beside the driver changes one field of every answer, there and back, all the time:
 * what a second processor could do to a service that looks twice.
 */
static pid_t flipper(const struct scene *s, size_t field, uint32_t mask)
{
	struct rf_blk_chan *chan = (void *)s->rig.rings;
	struct rf_ring *ring = (void *)chan->resp.bytes;
	pid_t pid = fork();

	MUST(pid >= 0);
	if (pid)
		return pid;
	for (;;)
		for (uint32_t i = 0; i < RF_BLK_DEPTH; i++)
			*(volatile uint32_t *)((char *)ring->records +
					       i * sizeof(struct rf_blk_resp) + field) ^= mask;
}

static enum outcome flip_once(const struct attack *a, enum mode mode, size_t field, uint32_t mask,
			      char *what)
{
	struct scene s;

	scene_open(&s, mode == CONTROL ? SERVED_LAX : SERVED, NULL,
		   mode == CONTROL ? WITHOUT_COPY : 0, mode == CONTROL ? 0 : 300000000);
	s.t.l.image_fd = launching_image("build/drivers/null_blk");
	scene_join(&s);
	pid_t pid = flipper(&s, field, mask);
	MUST(!target_spawn(&s.t, 0));
	for (int i = 0; i < 5000; i++) {
		scene_look(&s, 1);
		if (s.heard || s.served_ended || scene_wrong(&s) || s.page->finished)
			break;
	}
	(void)a;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	enum outcome o = scene_judge(&s, EXPECT_EITHER, what);
	scene_close(&s);
	return o;
}

static enum outcome attack_flip(const struct attack *a, enum mode mode, char *what)
{
	static const struct {
		size_t field;
		uint32_t mask;
	} flips[] = {{offsetof(struct rf_blk_resp, tag), 0x80},
		     {offsetof(struct rf_blk_resp, tag), 1},
		     {offsetof(struct rf_blk_resp, generation), 1},
		     {offsetof(struct rf_blk_resp, status), 0x7fff},
		     {offsetof(struct rf_blk_resp, reserved), ~0u}};
	unsigned tried = 0;

	for (unsigned round = 0; round < (mode == CONTROL ? 20u : 1u); round++)
		for (unsigned i = 0; i < sizeof(flips) / sizeof(flips[0]); i++, tried++) {
			enum outcome o = flip_once(a, mode, flips[i].field, flips[i].mask, what);
			if (o != STOPPED)
				return o;
		}
	snprintf(what, WHAT, "%u tries, each reported or served", tried);
	return STOPPED;
}

const struct attack attacks_ring[] = {
    {.name = "index of answers ahead, all distances",
     .image = "evil_tail",
     .wall = -1,
     .stops = "index, tag",
     .run = tail_ahead,
     .arg = ARG(EXPECT_REPORT, WITHOUT_INDEX | WITHOUT_TAG | WITHOUT_GENERATION)},
    {.name = "index of answers back, all distances",
     .image = "evil_tail",
     .wall = -1,
     .stops = "index, tag",
     .run = tail_back,
     .arg = ARG(EXPECT_REPORT, WITHOUT_INDEX | WITHOUT_TAG | WITHOUT_GENERATION)},
    {.name = "index of requests taken, all distances",
     .image = "evil_head",
     .wall = -1,
     .stops = "never read",
     .run = heads,
     .arg = ARG(EXPECT_SERVED, WITHOUT_COUNT)},
    {.name = "tags nobody gave",
     .image = "evil_tag",
     .wall = -1,
     .stops = "tag check",
     .run = tags,
     .arg = ARG(EXPECT_REPORT, WITHOUT_TAG),
     .quick = true},
    {.name = "an answer given twice",
     .image = "evil_twice",
     .wall = -1,
     .stops = "tag check",
     .run = attack_ring,
     .arg = ARG(EXPECT_REPORT, WITHOUT_TAG)},
    {.name = "an answer before its request",
     .image = "evil_early",
     .wall = -1,
     .stops = "tag check",
     .run = attack_ring,
     .arg = ARG(EXPECT_REPORT, WITHOUT_TAG)},
    {.name = "more answers than requests",
     .image = "evil_flood",
     .wall = -1,
     .stops = "index, tag",
     .run = attack_ring,
     .arg = ARG(EXPECT_REPORT, WITHOUT_TAG | WITHOUT_INDEX)},
    {.name = "an answer under an older generation",
     .image = "evil_old",
     .wall = -1,
     .stops = "generation",
     .run = attack_ring,
     .arg = ARG(EXPECT_REPORT, WITHOUT_GENERATION)},
    {.name = "statuses no driver may give",
     .image = "evil_status",
     .wall = -1,
     .stops = "status check",
     .run = statuses,
     .arg = ARG(EXPECT_REPORT, WITHOUT_STATUS)},
    {.name = "fields that change while they are read",
     .image = "evil_flip",
     .wall = -1,
     .stops = "one fetch",
     .run = again,
     .arg = ARG(EXPECT_EITHER, WITHOUT_COPY)},
    {.name = "each field of an answer, by another processor",
     .image = "null_blk",
     .wall = -1,
     .stops = "one fetch",
     .run = attack_flip},
    {.name = "its own requests rewritten",
     .image = "evil_records",
     .wall = -1,
     .stops = "never read",
     .run = attack_ring,
     .arg = ARG(EXPECT_SERVED, WITHOUT_OWN)},
    {.name = "lies about who sleeps",
     .image = "evil_asleep",
     .wall = -1,
     .stops = "hints only",
     .run = attack_ring,
     .arg = ARG(EXPECT_SERVED, 0),
     .no_control = "there is nothing to take out: no decision depends on it"},
    {.name = "never answers, and beats its heart",
     .image = "evil_silent",
     .wall = -1,
     .stops = "stall",
     .run = attack_ring,
     .arg = ARG(EXPECT_STALL, 0),
     .quick = true},
    {.name = "answers as late as it can",
     .image = "evil_slow",
     .wall = -1,
     .stops = "(nothing is lost)",
     .run = attack_ring,
     .arg = ARG(EXPECT_SERVED, 0),
     .no_control = "slowness is not stopped, only survived"},
    {.name = "takes the processor: a neighbour's requests",
     .image = "evil_spin",
     .wall = -1,
     .stops = "processes apart",
     .run = attack_sibling,
     .no_control = "one thread a driver: there is no build with more"},
    {.name = "wakes without end: a neighbour's requests",
     .image = "evil_storm",
     .wall = -1,
     .stops = "processes apart",
     .run = attack_sibling,
     .no_control = "an eventfd counts, whoever writes to it"},
    {0},
};

#define NO_LIMITS (OFF(SECCOMP) | OFF(AS) | OFF(NPROC))

/* What only control groups are against, once the walls before them are gone. */
const struct attack attacks_bombs[] = {
    {.name = "fill the machine with processes",
     .image = "evil_forks",
     .wall = RF_WALL_CGROUP,
     .others = NO_LIMITS,
     .grouped = true},
    {.name = "fill the machine's memory",
     .image = "evil_hog",
     .wall = RF_WALL_CGROUP,
     .others = NO_LIMITS,
     .grouped = true},
    {.name = "processes and processor time: a neighbour's requests",
     .image = "evil_forks",
     .wall = RF_WALL_CGROUP,
     .others = NO_LIMITS,
     .run = attack_sibling,
     .grouped = true},
    {.name = "memory: a neighbour's requests",
     .image = "evil_hog",
     .wall = RF_WALL_CGROUP,
     .others = NO_LIMITS,
     .run = attack_sibling,
     .no_control = "a machine with memory to spare gives it to both",
     .grouped = true},
    {0},
};
