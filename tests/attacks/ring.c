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

#include "rig.h"
#include "served.h"

#define SERVED     "build/attacks/served"
#define SERVED_LAX "build/attacks/served-lax"
#define ARENA      (4u << 20)
#define WANTED     400u

extern bool attack_quick;

/* What a row of the table wants to see. */
enum expect { EXPECT_REPORT = 1, EXPECT_STALL = 2, EXPECT_SERVED = 3, EXPECT_EITHER = 4 };
#define ARG(expect, without) ((uint64_t)(expect) << 32 | (without))

struct scene {
	struct rig rig;
	struct target t;
	struct served_page *page;
	pid_t served;
	int served_status;
	bool served_ended;
	uint32_t heard; /* RF_SVC_VIOLATION or RF_SVC_STALL */
	uint32_t lie;
};

static void scene_open(struct scene *s, const char *image, unsigned without, uint64_t stall_ns)
{
	memset(s, 0, sizeof(*s));
	rig_open(&s->rig, ARENA);
	s->rig.config->stall_ns = stall_ns;
	s->page = (void *)((char *)s->rig.config + SERVED_PAGE_OFFSET);
	s->page->without = without;
	s->page->wanted = WANTED;
	target_init(&s->t, image);
	s->served = fork();
	MUST(s->served >= 0);
	if (!s->served) {
		rig_install(&s->rig);
		/* It would tell of every lie, as it should. */
		dup2(open("/dev/null", O_WRONLY), 2);
		execl(without ? SERVED_LAX : SERVED, "served", (char *)NULL);
		_exit(98);
	}
}

/* The driver gets the export's memory and eventfds in place of its own. */
static void scene_join(struct scene *s)
{
	struct launching *l = &s->t.l;
	const struct {
		int *own;
		int theirs;
	} swap[] = {
	    {&l->chan_fd, s->rig.fd[RF_EXPORT_FD_RINGS]},
	    {&l->arena_fd, s->rig.fd[RF_EXPORT_FD_DATA]},
	    {&l->wake, s->rig.fd[RF_EXPORT_FD_WAKE0]},
	    {&l->kick, s->rig.fd[RF_EXPORT_FD_KICK]},
	};

	for (size_t i = 0; i < 4; i++) {
		close(*swap[i].own);
		*swap[i].own = fcntl(swap[i].theirs, F_DUPFD_CLOEXEC, 100);
		MUST(*swap[i].own >= 0);
	}
	fcntl(s->rig.fd[RF_EXPORT_FD_KICK], F_SETFL, O_NONBLOCK);
	l->boot->generation = l->boot->go = l->spec.generation = 1;
	l->boot->blk = s->rig.info;
	l->boot->tsc_hz = 0;
	l->boot->spin_cycles = 0;
	rig_first_up(&s->rig);
}

/* Looks once at everybody. */
static void scene_look(struct scene *s, int ms)
{
	struct rf_svc_msg msg;
	uint32_t type = rig_hear(&s->rig, &msg, ms);

	if ((type == RF_SVC_VIOLATION || type == RF_SVC_STALL) && !s->heard) {
		s->heard = type;
		s->lie = msg.value;
	}
	target_look(&s->t);
	if (!s->served_ended && waitpid(s->served, &s->served_status, WNOHANG) == s->served)
		s->served_ended = true;
}

static void scene_close(struct scene *s)
{
	if (!s->served_ended)
		kill(s->served, SIGKILL), waitpid(s->served, NULL, 0);
	target_end(&s->t);
	rig_close(&s->rig);
}

static bool wrong(const struct scene *s)
{
	return s->page->doubled || s->page->impossible || s->page->completed > WANTED;
}

static enum outcome scene_judge(const struct scene *s, enum expect expect, char *what)
{
	static const char *const lies[] = {"-",      "index",  "tag",  "generation",
					   "status", "buffer", "frame"};

	if (s->served_ended) {
		snprintf(what, WHAT, "the export died (status %#x)", (unsigned)s->served_status);
		return THROUGH;
	}
	if (wrong(s)) {
		snprintf(what, WHAT, "%llu answers for %u requests, %llu twice, %llu impossible",
			 (unsigned long long)s->page->completed, WANTED,
			 (unsigned long long)s->page->doubled,
			 (unsigned long long)s->page->impossible);
		return THROUGH;
	}
	if (s->heard) {
		snprintf(what, WHAT,
			 s->heard == RF_SVC_STALL ? "reported: does not answer"
						  : "reported: lied about %s",
			 s->lie < 7 ? lies[s->lie] : "?");
		return expect == EXPECT_SERVED ? BROKEN : STOPPED;
	}
	if (s->page->finished) {
		snprintf(what, WHAT, "%llu requests answered, none twice",
			 (unsigned long long)s->page->completed);
		/* The lie was among the answers. */
		return expect == EXPECT_SERVED || expect == EXPECT_EITHER ? STOPPED : THROUGH;
	}
	snprintf(what, WHAT, "nobody noticed; %llu of %u requests answered",
		 (unsigned long long)s->page->completed, WANTED);
	return THROUGH;
}

/* Once, with one parameter. */
static enum outcome ring_once(const struct attack *a, enum mode mode, uint64_t param, char *what)
{
	enum expect expect = (enum expect)(a->arg >> 32);
	unsigned without = mode == CONTROL ? (uint32_t)a->arg
			   : mode == ALONE ? (uint32_t)a->others
					   : 0;
	struct scene s;

	/* What a lie leaves unanswered is noticed by its age. */
	bool stall = mode != CONTROL && (expect == EXPECT_STALL || expect == EXPECT_REPORT);
	scene_open(&s, a->image, without, stall ? 300000000 : 0);
	s.t.param[0] = param;
	scene_join(&s);
	MUST(!target_spawn(&s.t, 0));
	int ms = expect >= EXPECT_SERVED ? 10000 : expect == EXPECT_STALL ? 1500 : 3000;
	/* A control that shows nothing is not waited for as long. */
	for (int i = 0; i < (mode == CONTROL && ms > 1500 ? 1500 : ms); i++) {
		scene_look(&s, 1);
		if (s.heard || s.served_ended || wrong(&s) || s.page->finished)
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

static enum outcome sweep(const struct attack *a, enum mode mode, const uint64_t *params,
			  unsigned count, char *what)
{
	enum outcome o = STOPPED;
	unsigned tried = 0;

	/* One that gets through is enough for a control. */
	for (unsigned i = 0; i < count && o != (mode == CONTROL ? THROUGH : BROKEN); i++) {
		o = ring_once(a, mode, params[i], what);
		tried++;
		if (mode != CONTROL && o != STOPPED)
			return o;
	}
	if (mode != CONTROL) {
		char said[WHAT];

		memcpy(said, what, WHAT);
		snprintf(what, WHAT, "%u tries, all stopped; the last: %.120s", tried, said);
	}
	return o;
}

#define SWEEP(name, ...)                                                                           \
	static enum outcome name(const struct attack *a, enum mode mode, char *what)               \
	{                                                                                          \
		static const uint64_t params[] = {__VA_ARGS__};                                    \
		return sweep(a, mode, params, sizeof(params) / sizeof(params[0]), what);           \
	}

SWEEP(tail_ahead, 1, 2, 16, 100, 254, 255, 256, 257, 511, 512, 1024, 4096, 65535, 65536, 1 << 20,
      1 << 24, 0x7ffffffe, 0x7fffffff, 0x80000000)
SWEEP(tail_back, -1ull, -2ull, -3ull, -16ull, -255ull, -256ull, -257ull, -65536ull, -(1ull << 24),
      -0x7fffffffull)
SWEEP(heads, 1, 2, 255, 256, 257, 65536, 0x7fffffff, 0x80000000, -1ull, -2ull, -256ull)
SWEEP(tags, 0xffff, 0x80ff, 0x8000, 0, 1, 0x7fff, 0xffffffff, 0x18001, 0x8100, 0xff00, 0x80000000)
SWEEP(statuses, 1, 5, 0x7fffffff, 0x80000000, 0xffffffff - 3 /* -EINTR+.. */, -11ull, -22ull - 4096,
      -4095ull, -4096ull, -200ull)

SWEEP(again, 1, 2, 3, 4, 5, 6, 7, 8) /* a race: it need not be won at once */

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
	scene_open(&s, NULL, 0, 0);
	s.t.l.image_fd = launching_image("build/drivers/null_blk");
	scene_join(&s);
	MUST(!target_spawn(&s.t, 0));
	for (int i = 0; i < 20000; i++) {
		scene_look(&s, 1);
		target_look(&bad);
		if (s.heard || s.served_ended || wrong(&s) || s.page->finished)
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
			*(volatile uint32_t *)((char *)ring->records + i * sizeof(struct rf_blk_resp) + field) ^= mask;
}

static enum outcome flip_once(const struct attack *a, enum mode mode, size_t field, uint32_t mask, char *what)
{
	struct scene s;

	scene_open(&s, NULL, mode == CONTROL ? WITHOUT_COPY : 0, mode == CONTROL ? 0 : 300000000);
	s.t.l.image_fd = launching_image("build/drivers/null_blk");
	scene_join(&s);
	pid_t pid = flipper(&s, field, mask);
	MUST(!target_spawn(&s.t, 0));
	for (int i = 0; i < 5000; i++) {
		scene_look(&s, 1);
		if (s.heard || s.served_ended || wrong(&s) || s.page->finished)
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
