/* SPDX-License-Identifier: MIT */
/* life.c - attacks by how a process lives and ends: children, cores, orphans, exit codes. See
 * attack.h. Room: tests/attacks. */
#include "attack.h"

#include <sys/resource.h>
#include <sys/syscall.h>

#include "deaths.h"

#define WHOAMI "/tmp/ringfence-whoami"

/* ---- cores, and looking in ----------------------------------------------------------------- */

static enum outcome attack_core(const struct attack *a, enum mode mode, char *what)
{
	struct rlimit all;
	struct target t;

	getrlimit(RLIMIT_CORE, &all);
	if (mode == CONTROL && !all.rlim_max)
		return attack_not_shown(what, "this machine allows no core files");
	all.rlim_cur = all.rlim_max;
	setrlimit(RLIMIT_CORE, &all);
	mkdir("/tmp/ringfence-cores", 0777);
	chmod("/tmp/ringfence-cores", 0777);
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	target_init(&t, a->image);
	/* Where a core file would be put. */
	t.program = open(mode == SHIPPED ? "build/bin/rf-launch" :
					   "build/lax/bin/unfenced/rf-launch",
			 O_RDONLY | O_CLOEXEC);
	MUST(here >= 0 && !chdir("/tmp/ringfence-cores"));
	int err = target_spawn(&t, attack_off(a, mode));
	MUST(!err && !fchdir(here));
	target_wait(&t, 5000);
	enum outcome o = target_judge(&t, what);
	if (t.ended && WIFSIGNALED(t.status) && WCOREDUMP(t.status)) {
		snprintf(what, WHAT, "left a core file");
		o = THROUGH;
	}
	target_end(&t);
	close(here);
	unlink("/tmp/ringfence-cores/core");
	rmdir("/tmp/ringfence-cores");
	all.rlim_cur = 0; /* exports that crash in a control leave none */
	setrlimit(RLIMIT_CORE, &all);
	return o;
}

/* ---- what becomes of it, and of its exit code -------------------------------------- */

static _Noreturn void keeper_play(const struct attack *a, enum mode mode, int say)
{
	struct target t;

	target_init(&t, "evil_spin");
	if (target_spawn(&t, attack_off(a, mode)))
		_exit(1);
	while (t.page->stage != EVIL_BEGAN) {
		target_look(&t);
		usleep(500);
	}
	(void)!write(say, &t.run.pid, sizeof(t.run.pid));
	for (;;)
		pause();
}

static enum outcome attack_orphan(const struct attack *a, enum mode mode, char *what)
{
	int pipes[2];
	pid_t driver = 0;

	MUST(!pipe2(pipes, O_CLOEXEC));
	pid_t keeper = fork();
	if (!keeper)
		keeper_play(a, mode, pipes[1]);
	MUST(read(pipes[0], &driver, sizeof(driver)) == sizeof(driver));
	int pidfd = (int)syscall(434 /* pidfd_open */, driver, 0);
	MUST(pidfd >= 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	neighbour_end(keeper);
	bool ended = poll(&p, 1, 1500) == 1;
	if (!ended)
		syscall(424 /* pidfd_send_signal */, pidfd, SIGKILL, NULL, 0);
	close(pidfd);
	close(pipes[0]);
	close(pipes[1]);
	snprintf(what, WHAT, ended ? "ended with the keeper" : "outlived the keeper");
	return ended ? STOPPED : THROUGH;
}

static enum outcome attack_exit(const struct attack *a, enum mode mode, char *what)
{
	struct target t;

	target_init(&t, a->image);
	MUST(!target_spawn(&t, 0));
	target_wait(&t, 5000);
	rf_spawn_walls(&t.run);
	struct rf_keep_msg m = {.status = t.status, .walls = t.run.walls};
	/* The control: a supervisor that has only the exit code to go by. */
	if (mode == CONTROL)
		m.walls.locked = 0;
	bool believed = !rf_death_ran(&m);
	bool code = t.ended && WIFEXITED(t.status) && WEXITSTATUS(t.status) == RF_LAUNCH_BAD_IMAGE;
	target_end(&t);
	(void)a;
	snprintf(what, WHAT, "code 121 %s",
		 believed ? "taken for the launcher's" : "known for the driver's own");
	return !code ? BROKEN : believed ? THROUGH : STOPPED;
}

static enum outcome attack_suid(const struct attack *a, enum mode mode, char *what)
{
	struct target t;
	size_t bytes;
	unsigned char *file = launching_file("build/attacks/whoami", &bytes);
	int fd = open(WHOAMI, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);

	MUST(fd >= 0 && write(fd, file, bytes) == (ssize_t)bytes && !fchmod(fd, 04755));
	close(fd);
	free(file);
	target_init(&t, a->image);
	MUST(!target_spawn(&t, attack_off(a, mode)));
	target_wait(&t, 5000);
	enum outcome o = target_judge(&t, what);
	if (t.ended && WIFEXITED(t.status) && WEXITSTATUS(t.status) == 1) {
		snprintf(what, WHAT, "ran it, without becoming root");
		o = STOPPED;
	}
	target_end(&t);
	unlink(WHOAMI);
	return o;
}

#define SEC OFF(SECCOMP)

const struct attack attacks_life[] = {
    {.name = "stop itself",
     .image = "evil_stop",
     .wall = RF_WALL_PID_NS,
     .others = SEC | OFF(SEIZED)},
    {.name = "stop itself, as any process may",
     .image = "evil_stop",
     .wall = RF_WALL_SEIZED,
     .others = SEC | OFF(PID_NS)},
    {.name = "execute a program that becomes root",
     .image = "evil_suid",
     .wall = RF_WALL_NO_NEW_PRIVS,
     .run = attack_suid,
     .others = SEC | OFF(ROOT) | OFF(LANDLOCK) | OFF(NOFILE) | OFF(AS) | OFF(STACK) | OFF(NPROC)},
    {.name = "fork",
     .image = "evil_fork",
     .wall = RF_WALL_NPROC,
     .others = SEC | OFF(AS) | OFF(CGROUP),
     .quick = true},
    {.name = "start a thread",
     .image = "evil_thread",
     .wall = RF_WALL_NPROC,
     .others = SEC | OFF(AS) | OFF(CGROUP)},
    {.name = "leave a core file",
     .image = "evil_core",
     .wall = RF_WALL_CORE,
     .run = attack_core,
     .others = OFF(DUMPABLE) | OFF(SEIZED) | OFF(ROOT) | OFF(MOUNT_NS) | OFF(LANDLOCK) |
	       OFF(FSIZE) | OFF(NOFILE)},
    {.name = "leave a core file, were one allowed",
     .image = "evil_core",
     .wall = RF_WALL_DUMPABLE,
     .run = attack_core,
     .others = OFF(CORE) | OFF(SEIZED) | OFF(ROOT) | OFF(MOUNT_NS) | OFF(LANDLOCK) | OFF(FSIZE) |
	       OFF(NOFILE)},
    {.name = "outlive the keeper",
     .image = "evil_spin",
     .wall = RF_WALL_ORPHAN,
     .others = OFF(SEIZED),
     .run = attack_orphan,
     .quick = true},
    {.name = "outlive the keeper, deaf to its parent's death",
     .image = "evil_spin",
     .wall = RF_WALL_SEIZED,
     .others = OFF(ORPHAN),
     .run = attack_orphan},
    {.name = "end with the launcher's exit code",
     .image = "evil_exit",
     .wall = -1,
     .stops = "launcher's report",
     .run = attack_exit},
    {0},
};
