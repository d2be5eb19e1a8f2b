/* SPDX-License-Identifier: MIT */
/*
 * test_takeover.c - an export may die between any two instructions: its successor promises
 * all that was promised.
 *
 * Room:   tests/unit. A child is the export; it is run one instruction at a time, and after
 *         every store that changed the in-flight table a successor is started on a copy of
 *         it and asked what it knows. See blk_fixture.h.
 */
#include <sched.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "blk_fixture.h"

/* What clients were told and the device did: the child's word for it, as it happens. */
struct truth {
	volatile bool at_risk; /* a write was acknowledged, and the device has not flushed it */
	volatile bool lost;    /* such a write is gone, and its client was not told */
	volatile bool calm;    /* neither, for some time: nothing may be reported */
};

struct stage {
	struct served *t;    /* the child's */
	struct truth  *truth;
	unsigned char *table; /* the parent's view of the child's table */
	unsigned char  seen[RF_TABLE_USED(1)];
	struct served  successor; /* what successors live in */
	unsigned       stores, wrong;
};

static struct stage stage;

static struct rf_stats_device *device_of(struct rig *r)
{
	return (void *)((char *)r->stats + RF_STATS_DEVICE);
}

/* ---- the successor ------------------------------------------------------------------ */

/* Would a client hear of a loss? Either its first flush fails anyhow, or the service's does. */
static bool tells(struct served *t)
{
	struct ask a;

	ask(t, &a, RF_BLK_FLUSH, 0, 0);
	struct rf_blk_req req = see(t);
	ram_answer(&t->ram, &req, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
	return a.status == -EIO || rf_blk_losses_reported(t->s) == RF_LOSSES_UNKNOWN;
}

static void succeed(struct stage *g, bool lose)
{
	struct served *t = &g->successor;
	int fd = t->rig.fd[RF_EXPORT_FD_TABLE];

	t->rig.half = 0;
	t->rig.generation = g->t->rig.generation;
	rig_must(pwrite(fd, g->seen, sizeof(g->seen), 0) == sizeof(g->seen), "pwrite");
	device_of(&t->rig)->losses = device_of(&g->t->rig)->losses;
	assert_int_equal(rf_blk_open(&t->s), 0);
	rig_send(&t->rig, RF_SVC_INFO, 0);
	served_down(t);
	if (lose)
		device_of(&t->rig)->losses++;
	rig_quiesced(&t->rig, lose);
	served_up(t);
	assert_int_equal(rf_blk_inflight(t->s), 0);
}

static void judge_store(struct stage *g)
{
	bool lost = g->truth->lost, at_risk = g->truth->at_risk, calm = g->truth->calm;

	g->stores++;
	succeed(g, false);
	bool told = tells(&g->successor);
	service_free(g->successor.s);
	g->wrong += (lost && !told) || (calm && told);
	if (!at_risk)
		return;
	succeed(g, true);
	g->wrong += !tells(&g->successor);
	service_free(g->successor.s);
}

/* ---- the export that dies ------------------------------------------------------------ */

static void acked(struct rf_io *io, int status)
{
	(void)io, (void)status;
	stage.truth->at_risk = true;
	stage.truth->calm = false;
}

static void flushed(struct rf_io *io, int status)
{
	(void)io;
	if (status)
		stage.truth->lost = false; /* now it is told */
}

static void one(struct served *t, uint8_t op, uint8_t flags, void (*done)(struct rf_io *, int))
{
	static struct rf_io io;

	io = (struct rf_io){
		.op = op, .flags = flags, .length = op == RF_BLK_FLUSH ? 0 : 4096, .done = done
	};
	assert_int_equal(rf_blk_submit(t->s, &io), 0);
	rf_blk_push(t->s);
	struct rf_blk_req req;
	assert_true(ram_take(&t->ram, &req));
	if (op == RF_BLK_FLUSH)
		stage.truth->at_risk = false;
	ram_answer(&t->ram, &req, 0);
	assert_int_equal(rf_blk_poll(t->s), 1);
}

static void unheard(struct rf_io *io, int status)
{
	(void)io, (void)status;
}

static void lose(struct served *t, bool heard)
{
	stage.truth->lost |= stage.truth->at_risk;
	stage.truth->at_risk = false;
	device_of(&t->rig)->losses++;
	served_down(t);
	rig_quiesced(&t->rig, heard);
	served_up(t);
}

static void reopen(struct served *t)
{
	const struct rf_session set_up = t->s->queue[0].session;

	memset(t->s, 0, offsetof(struct rf_blk, info));
	t->s->queues = 1;
	memset(t->s->queue, 0, sizeof(t->s->queue[0]));
	t->s->queue[0].disk = t->s;
	assert_int_equal(rf_session_open(&t->s->queue[0].session, set_up.ops, set_up.fds_up), 0);
	t->s->queue[0].session.data = set_up.data;
	t->s->queue[0].session.rings = set_up.rings;
	t->s->queue[0].session.stats = set_up.stats;
	t->s->queue[0].session.known = set_up.known;
	t->s->queue[0].session.arena_ours = set_up.arena_ours;
	t->s->queue_tail = &t->s->queue_head;
	rf_routes_set(t->s);
	rf_table_take_over(t->s);
}

static void life(struct served *t)
{
	stage.truth->calm = true;
	one(t, RF_BLK_READ, 0, unheard);
	one(t, RF_BLK_WRITE, RF_BLK_FUA, unheard);
	for (int i = 0; i < 2; i++)
		one(t, RF_BLK_WRITE, 0, acked);
	one(t, RF_BLK_FLUSH, 0, flushed);
	stage.truth->calm = true;
	one(t, RF_BLK_WRITE, 0, acked);
	lose(t, true);
	one(t, RF_BLK_FLUSH, 0, flushed); /* fails, and so tells */
	rf_blk_losses_all_reported(t->s);
	one(t, RF_BLK_FLUSH, 0, flushed);
	stage.truth->calm = true;
	one(t, RF_BLK_WRITE, 0, acked);
	lose(t, false); /* said to an export that died: the next one counts */
	reopen(t);
}

/* The wrong way to take a table over: everything anew, then what is to be kept. */
static void life_that_forgets_for_a_moment(struct served *t)
{
	one(t, RF_BLK_WRITE, 0, acked);
	uint32_t unflushed = t->s->table->head.unflushed;
	memset(&t->s->table->head, 0, sizeof(t->s->table->head));
	t->s->table->head.version = RF_TABLE_VERSION;
	t->s->table->head.magic = RF_TABLE_MAGIC;
	t->s->table->head.unflushed = unflushed;
}

/* ---- instruction by instruction ------------------------------------------------------- */

static bool stopped_by(pid_t child, int *signal)
{
	int status;

	rig_must(waitpid(child, &status, 0) == child, "waitpid");
	if (!WIFSTOPPED(status)) {
		assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
		return false;
	}
	*signal = WSTOPSIG(status);
	return true;
}

static void watch_steps(struct stage *g, pid_t child)
{
	int signal;

	while (stopped_by(child, &signal)) {
		assert_true(signal == SIGTRAP || signal == SIGSTOP);
		if (memcmp(g->seen, g->table, sizeof(g->seen))) {
			memcpy(g->seen, g->table, sizeof(g->seen));
			judge_store(g);
		}
		rig_must(!ptrace(PTRACE_SINGLESTEP, child, 0, 0), "singlestep");
	}
}

static void live(void (*what)(struct served *))
{
	struct stage *g = &stage;

	g->stores = g->wrong = 0;
	g->truth = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	g->t = served_new(0);
	g->table = mmap(NULL, RF_TABLE_USED(1), PROT_READ, MAP_SHARED,
			g->t->rig.fd[RF_EXPORT_FD_TABLE], 0);
	rig_must(g->table != MAP_FAILED, "mmap");
	memcpy(g->seen, g->table, sizeof(g->seen));
	/* They take turns: on one processor that costs a tenth. */
	cpu_set_t one_cpu;
	CPU_ZERO(&one_cpu);
	CPU_SET((size_t)sched_getcpu(), &one_cpu);
	sched_setaffinity(0, sizeof(one_cpu), &one_cpu);
	fflush(NULL);
	pid_t child = fork();
	if (!child) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		what(g->t);
		_exit(0);
	}
	/* Above all the numbers that the child has: both have a service of their own now. */
	rig_open(&g->successor.rig, ARENA);
	rig_must(!ftruncate(g->successor.rig.fd[RF_EXPORT_FD_TABLE], RF_TABLE_USED(1)),
		 "ftruncate");
	rig_install(&g->successor.rig);
	watch_steps(g, child);
	printf("# %u stores to the table, after %u of them a successor would not know\n", g->stores,
	       g->wrong);
	rig_close(&g->successor.rig);
	munmap(g->table, RF_TABLE_USED(1));
	munmap(g->truth, 4096);
	served_free(g->t);
}

static void every_store_leaves_a_table_that_keeps_all_promises(void **state)
{
	(void)state;
	live(life);
	assert_true(stage.stores > 100);
	assert_int_equal(stage.wrong, 0);
}

/* Control: the successor of one that died in the wrong moment would be seen to forget. */
static void a_table_that_forgets_for_a_moment_is_seen(void **state)
{
	(void)state;
	live(life_that_forgets_for_a_moment);
	assert_true(stage.wrong > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_store_leaves_a_table_that_keeps_all_promises),
		cmocka_unit_test(a_table_that_forgets_for_a_moment_is_seen),
	};

	/* The alarm of bounded.h would be one more stop. */
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
