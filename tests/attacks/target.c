/* SPDX-License-Identifier: MIT */
/* target.c - see attack.h. Room: tests/attacks. */
#include "attack.h"

#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <time.h>

#include "deaths.h"

#define SHIPPED_LAUNCHER "build/bin/rf-launch"
#define TEST_LAUNCHER    "build/lax/bin/unfenced/rf-launch"

extern uint64_t rf_walls_off;

uint64_t attack_off(const struct attack *a, enum mode mode)
{
	uint64_t off = mode == SHIPPED ? 0 : a->others;

	return mode == CONTROL && a->wall >= 0 ? off | RF_WALL_BIT(a->wall) : off;
}

/* launch_fixture.h's windows, plus queue memory to tell on. */
void target_init(struct target *t, const char *image)
{
	char path[128];
	struct rf_launch *spec = &t->l.spec;

	memset(t, 0, sizeof(*t));
	snprintf(path, sizeof(path), "build/fault/%s", image ? image : "");
	launching_init(&t->l, image ? path : NULL);
	t->page_fd = launching_memfd("rf-queues", RF_PAGE, (void **)&t->page);
	spec->windows[3] =
	    (struct rf_launch_window){.fd = 3, .flags = RF_WINDOW_WRITE, .bytes = RF_PAGE};
	spec->fd_count = spec->window_count = 4;
	launching_fixup(&t->l, 3, offsetof(struct rf_boot, queue[0].mem));
	t->run.pid = 0;
	t->run.report = t->run.pidfd = t->program = -1;
}

int target_spawn(struct target *t, uint64_t off)
{
	struct launching *l = &t->l;
	struct rf_keep_spawn spawn = {.uid = ATTACK_UID,
				      .gid = ATTACK_UID,
				      .memlock = 64 << 20,
				      .nofile = 256,
				      .fence = RF_FENCE_DRIVER,
				      .argv0 = "rf-launch",
				      .target = {-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9}};
	snprintf(spawn.group, sizeof(spawn.group), "%s", t->group ? t->group : "attack");
	static uint64_t prepared = 1; /* no set of walls looks like this */

	if (t->program < 0)
		t->program = open(off ? TEST_LAUNCHER : SHIPPED_LAUNCHER, O_RDONLY | O_CLOEXEC);
	MUST(t->program >= 0);
	if (off != prepared) {
		rf_walls_off = off;
		rf_spawn_finish();
		rf_spawn_prepare();
		prepared = off;
	}
	memcpy(l->boot->queue[0].param, t->param, sizeof(t->param));
	l->spec_fd = launching_bytes("rf-spec", &l->spec, sizeof(l->spec));
	const int fds[] = {t->program, l->wake,    l->kick,    l->log_w,    l->spec_fd, l->image_fd,
			   l->log_w,   l->boot_fd, l->chan_fd, l->arena_fd, t->page_fd};
	int err = rf_spawn(&spawn, fds, 11, &t->run);
	if (!err)
		rf_spawn_seize(&t->run);
	close(l->log_w);
	l->log_w = -1;
	fcntl(l->log_r, F_SETFL, O_NONBLOCK);
	return err;
}

void target_look(struct target *t)
{
	int status;

	while (!t->ended && waitpid(t->run.pid, &status, WNOHANG | __WALL | WUNTRACED) > 0) {
		if (!WIFSTOPPED(status)) {
			t->ended = true;
			t->status = t->exit_info.seen & RF_SEEN_SIGNAL && WIFSIGNALED(status)
					? t->exit_info.signal
					: status;
			break;
		}
		t->stopped |= WSTOPSIG(status) == SIGSTOP && status >> 16 == 128;
		if (rf_wall_wanted(RF_WALL_SEIZED))
			rf_trace_stop(t->run.pid, status, &t->exit_info);
		else
			t->stopped |= WSTOPSIG(status) == SIGSTOP;
	}
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void rest(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
}

void target_wait(struct target *t, int ms)
{
	uint64_t until = now_ms() + (uint64_t)ms;

	for (target_look(t); !t->ended && !t->stopped; target_look(t)) {
		if (now_ms() > until)
			break;
		rest();
	}
	if (!t->ended && !t->stopped)
		snprintf(t->log, sizeof(t->log), "(did not end)");
}

void target_end(struct target *t)
{
	if (t->run.pid > 0 && !t->ended) {
		kill(t->run.pid, SIGKILL);
		while (!t->ended) {
			target_look(t);
			if (!t->ended)
				rest();
		}
	}
	rf_spawn_walls(&t->run);
	if (t->run.report >= 0)
		close(t->run.report);
	if (t->run.pidfd >= 0)
		close(t->run.pidfd);
	if (t->program >= 0)
		close(t->program);
	munmap(t->page, RF_PAGE);
	close(t->page_fd);
	launching_end(&t->l);
}

/* What came of it, in words. Reads the log and the kicks. */
enum outcome target_judge(struct target *t, char *what)
{
	struct rf_keep_msg m = {.status = t->status, .exit_info = t->exit_info};
	ssize_t got = read(t->l.log_r, t->log, sizeof(t->log) - 1);

	t->kicks = launching_kicks(&t->l, 0);
	rf_spawn_walls(&t->run);
	m.walls = t->run.walls;
	if (t->page->stage == EVIL_THROUGH || t->kicks) {
		snprintf(what, WHAT, "got through (%lld)", (long long)t->page->value);
		return THROUGH;
	}
	if (t->page->stage == EVIL_REFUSED) {
		snprintf(what, WHAT, "refused: %s", strerror((int)-t->page->value));
		return STOPPED;
	}
	if (!t->ended) {
		snprintf(what, WHAT, "%s",
			 t->stopped ? "stopped itself" : "neither ended nor did anything");
		return t->stopped ? THROUGH : BROKEN;
	}
	if (WIFSIGNALED(t->status)) {
		rf_death_words(&m, what, WHAT);
		return STOPPED;
	}
	if (!m.walls.locked && WIFEXITED(t->status) &&
	    WEXITSTATUS(t->status) >= RF_LAUNCH_BAD_SPEC) {
		if (got > 0)
			t->log[got] = 0;
		t->log[strcspn(t->log, "\n")] = 0;
		snprintf(what, WHAT, "refused by the launcher: %.150s", t->log);
		return STOPPED;
	}
	snprintf(what, WHAT, "ended with code %d and did nothing", WEXITSTATUS(t->status));
	return BROKEN;
}

enum outcome attack_process(const struct attack *a, enum mode mode, char *what)
{
	struct target t;

	target_init(&t, a->image);
	t.param[0] = a->arg;
	int err = target_spawn(&t, attack_off(a, mode));
	if (err) {
		snprintf(what, WHAT, "cannot spawn: %s", strerror(-err));
		target_end(&t);
		return BROKEN;
	}
	target_wait(&t, a->grouped ? 60000 : 5000); /* a bomb takes its time */
	enum outcome o = target_judge(&t, what);
	target_end(&t);
	return o;
}

enum outcome attack_not_shown(char *what, const char *why)
{
	snprintf(what, WHAT, "%s", why);
	return NOT_SHOWN;
}

/* Spawned with these parameters, waited for, judged. */
enum outcome attack_go(const struct attack *a, enum mode mode, struct target *t, char *what)
{
	int err = target_spawn(t, attack_off(a, mode));

	if (err)
		snprintf(what, WHAT, "cannot spawn: %s", strerror(-err));
	else
		target_wait(t, 5000);
	enum outcome o = err ? BROKEN : target_judge(t, what);
	target_end(t);
	return o;
}

/* A process of the driver's own user, for signals and for looking in. */
pid_t neighbour(void)
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid) {
		if (!geteuid() && (setgid(ATTACK_UID) || setuid(ATTACK_UID)))
			_exit(1);
		prctl(PR_SET_DUMPABLE, 1); /* as a process that never was root is */
		for (;;)
			pause();
	}
	return pid;
}

void neighbour_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
