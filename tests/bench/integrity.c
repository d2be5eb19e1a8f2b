/* SPDX-License-Identifier: MIT */
/*
 * integrity.c - user instructions of an export a 4 KiB request, without and with each kind of
 * `integrity`. Counted by single steps; one that repeats itself (rep movs) counts once.
 *
 * Room:   tests/bench. The service as it is shipped, in a child; the driver is a RAM disk with
 *         blocks of 4,096 bytes, whose own instructions do not count. Depth 32. Every table
 *         page is in memory; what a checkpoint costs is counted apart, a random write.
 * Out:    figures for bench-integrity.json, one a line.
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "core.h"
#include "device_config.h"
#include "format.h"
#include "rig.h"
#include "disk_state.h"

enum { DISK = 64 << 20, SPAN = 2048, DEPTH = 32, ARENA = 8 << 20, ROUNDS = 1, LINES = 64 };

static struct rig rig;
static struct ram ram;
static struct rf_blk *s;
static volatile uint32_t *counting; /* shared: the child's instructions are to be counted */
static unsigned answered;

static void done(struct rf_io *io, int status)
{
	(void)io;
	rig_must(!status, "a request");
	answered++;
}

/* Answers until nothing is left to be answered. */
static void drive(unsigned until)
{
	struct rf_blk_req hand[RF_BLK_DEPTH];

	do {
		unsigned n = 0;

		rf_blk_push(s);
		uint32_t was = *counting;
		*counting = 0;
		while (ram_take(&ram, &hand[n]))
			n++;
		for (unsigned i = 0; i < n; i++)
			ram_answer(&ram, &hand[i], ram_execute(&ram, &hand[i]));
		*counting = was;
		rf_blk_poll(s);
	} while (answered < until || rf_blk_inflight(s));
}

static uint64_t place(unsigned i)
{
	return i * 769u % SPAN * 4096ull;
}

static void requests(uint8_t op, unsigned count)
{
	static struct rf_io io[DEPTH];

	for (unsigned i = 0; i < count; i += DEPTH) {
		answered = 0;
		for (unsigned k = 0; k < DEPTH; k++) {
			io[k] = (struct rf_io){ .op = op, .length = 4096, .offset = place(i + k),
						.arena = ARENA / 2 + k * 4096u, .done = done };
			rig_must(!rf_blk_submit(s, &io[k]), "submit");
		}
		drive(DEPTH);
	}
}

static void service_starts(uint32_t flags)
{
	rig.config->flags = flags;
	rig_install(&rig);
	rig_must(!rf_blk_open(&s), "service");
	rig_first_up(&rig);
	rig_must(!rf_blk_control(s), "control");
	ram_attach(&ram, &rig);
	while (!rf_blk_info(s))
		drive(0);
}

static void child(uint32_t flags, int op)
{
	service_starts(flags);
	requests(RF_BLK_WRITE, SPAN);
	requests(RF_BLK_READ, SPAN);
	if (!op) {
		checkpoint_begin((struct disk_store *)s->filter);
		drive(0);
		requests(RF_BLK_WRITE, LINES);
	}
	raise(SIGSTOP);
	*counting = 1;
	if (op) {
		requests((uint8_t)op, ROUNDS * DEPTH);
	} else {
		checkpoint_begin((struct disk_store *)s->filter);
		drive(0);
	}
	*counting = 0;
	_exit(0);
}

static pid_t begin(uint32_t flags, int op, bool traced)
{
	rig_open(&rig, ARENA);
	rig.info.size = DISK;
	rig.info.block_size = 4096;
	pid_t pid = fork();

	if (pid)
		return pid;
	if (traced)
		ptrace(PTRACE_TRACEME, 0, 0, 0);
	child(flags, op);
	return 0;
}

static void turn(void *with)
{
	(void)with;
	drive(0);
}

static pid_t begin_format(void)
{
	struct rf_format order = { .volume = 77, .turn = turn };

	rig_open(&rig, ARENA);
	rig.info.size = DISK;
	rig.info.block_size = 4096;
	pid_t pid = fork();

	if (pid)
		return pid;
	service_starts(0);
	order.service = s;
	_exit(rf_format(&order));
}

static uint64_t steps(uint32_t flags, int op)
{
	pid_t pid = begin(flags, op, true);
	uint64_t count = 0, last = 0;
	int status;

	rig_must(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status), "child");
	while (!ptrace(PTRACE_SINGLESTEP, pid, 0, 0) && waitpid(pid, &status, 0) == pid &&
	       WIFSTOPPED(status)) {
		uint64_t at = (uint64_t)ptrace(PTRACE_PEEKUSER, pid,
					       offsetof(struct user_regs_struct, rip), 0);

		count += *counting && at != last;
		last = at;
	}
	rig_must(WIFEXITED(status) && !WEXITSTATUS(status), "child");
	rig_close(&rig);
	return count;
}

static void figure(const char *name, uint32_t flags, int op, unsigned requests_made)
{
	printf(",\"%s\":%llu\n", name, (unsigned long long)(steps(flags, op) / requests_made));
	fflush(stdout);
}

int main(void)
{
	const unsigned n = ROUNDS * DEPTH;
	int status;

	ram.disk = mmap(NULL, DISK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	counting = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ram.size = DISK;
	figure("instr_read_off", 0, RF_BLK_READ, n);
	figure("instr_write_off", 0, RF_BLK_WRITE, n);
	figure("instr_read_memory", RF_EXPORT_INTEGRITY_MEMORY, RF_BLK_READ, n);
	figure("instr_write_memory", RF_EXPORT_INTEGRITY_MEMORY, RF_BLK_WRITE, n);
	pid_t pid = begin_format();
	rig_must(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		 WEXITSTATUS(status) == RF_EXIT_FORMATTED, "format");
	rig_close(&rig);
	figure("instr_read_disk", RF_EXPORT_INTEGRITY_DISK, RF_BLK_READ, n);
	figure("instr_write_disk", RF_EXPORT_INTEGRITY_DISK, RF_BLK_WRITE, n);
	figure("instr_checkpoint_write", RF_EXPORT_INTEGRITY_DISK, 0, LINES);
	return 0;
}
