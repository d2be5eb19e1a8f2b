/* SPDX-License-Identifier: MIT */
/* process.c - attacks on the process walls. See attack.h. Room: tests/attacks. */
#include "attack.h"

#include <linux/audit.h>
#include <netinet/in.h>
#include <sys/ipc.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "deaths.h"

#define UID       2000100000u
#define SHM_KEY   0x5246
#define WHOAMI    "/tmp/ringfence-whoami"
#define MADE      "/tmp/ringfence-was-here"
#define X32       0x40000000u
#define LAST_CALL 480u /* none of the three tables goes further */

extern bool attack_quick;

static enum outcome not_shown(char *what, const char *why)
{
	snprintf(what, WHAT, "%s", why);
	return NOT_SHOWN;
}

/* Spawned with these parameters, waited for, judged. */
static enum outcome go(const struct attack *a, enum mode mode, struct target *t, char *what)
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

/* ---- lures: what an attack would find in the host ------------------------------------ */

static int lure_abstract(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = "\0ringfence-lure"};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0 && !bind(fd, (struct sockaddr *)&at, 17) && !listen(fd, 4));
	return fd;
}

static int lure_tcp(uint64_t *port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0 && !bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 4) &&
	     !getsockname(fd, (struct sockaddr *)&at, &bytes));
	*port = at.sin_port;
	return fd;
}

/* A process of the driver's own user, for signals and for looking in. */
static pid_t neighbour(void)
{
	pid_t pid = fork();

	MUST(pid >= 0);
	if (!pid) {
		if (!geteuid() && (setgid(UID) || setuid(UID)))
			_exit(1);
		for (;;)
			pause();
	}
	return pid;
}

static void neighbour_end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static enum outcome attack_lure(const struct attack *a, enum mode mode, char *what)
{
	struct target t;
	int abstract = lure_abstract(), tcp;
	int shm = shmget(SHM_KEY, 4096, IPC_CREAT | 0666);

	target_init(&t, a->image);
	tcp = lure_tcp(&t.param[0]);
	if (strstr(a->image, "shm"))
		t.param[0] = SHM_KEY;
	unlink(MADE);
	enum outcome o = go(a, mode, &t, what);
	unlink(MADE);
	if (shm >= 0)
		shmctl(shm, IPC_RMID, NULL);
	close(abstract);
	close(tcp);
	return o;
}

static enum outcome attack_signal(const struct attack *a, enum mode mode, char *what)
{
	struct target t;
	pid_t pid = neighbour();

	target_init(&t, a->image);
	t.param[0] = (uint64_t)pid;
	usleep(2000); /* until it has changed its user; without it the attack only fails */
	enum outcome o = go(a, mode, &t, what);
	neighbour_end(pid);
	return o;
}

/* ---- descriptors and shared memory ------------------------------------------------------ */

#define ARENA_FD (RF_LAUNCH_FD_WINDOW + 2)

static enum outcome attack_seals(const struct attack *a, enum mode mode, char *what)
{
	struct target t;

	target_init(&t, a->image);
	t.param[0] = ARENA_FD;
	/* As resources.c does it. */
	if (mode != CONTROL)
		MUST(!fcntl(t.l.arena_fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL));
	return go(a, mode, &t, what);
}

/* The other half of the rings begins where the window ends. */
static enum outcome attack_below(const struct attack *a, enum mode mode, char *what)
{
	struct target t;

	target_init(&t, a->image);
	t.param[0] = a->arg;
	MUST(!ftruncate(t.l.chan_fd, 2 * LAUNCH_CHAN_BYTES));
	if (mode == CONTROL)
		t.l.spec.windows[1].bytes *= 2; /* a window too large */
	return go(a, mode, &t, what);
}

static enum outcome attack_payload(const struct attack *a, enum mode mode, char *what)
{
	struct target t;

	target_init(&t, a->image);
	if (mode != CONTROL) {
		/* `payload none`: window 2 is queue memory then, and the arena is not there. */
		t.l.spec.windows[2] = t.l.spec.windows[3];
		t.l.spec.window_count = 3;
		t.l.spec.fixups[1] = t.l.spec.fixups[2];
		t.l.spec.fixups[1].window = 2;
		t.l.spec.fixup_count = 2;
	}
	return go(a, mode, &t, what);
}

/* ---- cores, and looking in ----------------------------------------------------------------- */

static enum outcome attack_core(const struct attack *a, enum mode mode, char *what)
{
	struct rlimit all;
	struct target t;

	getrlimit(RLIMIT_CORE, &all);
	if (mode == CONTROL && !all.rlim_max)
		return not_shown(what, "this machine allows no core files");
	all.rlim_cur = all.rlim_max;
	setrlimit(RLIMIT_CORE, &all);
	mkdir("/tmp/ringfence-cores", 0777);
	chmod("/tmp/ringfence-cores", 0777);
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	target_init(&t, a->image);
	/* Where a core file would be put. */
	t.program = open(mode == SHIPPED ? "build/bin/rf-launch" : "build/tests/rf-launch-unfenced",
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

/* The attacker is a process of the same user, the driver the victim. */
static enum outcome attack_peek(const struct attack *a, enum mode mode, char *what)
{
	struct target t;
	int pipes[2];
	long got = -1;

	target_init(&t, "evil_spin");
	MUST(!target_spawn(&t, attack_off(a, mode)) && !pipe2(pipes, O_CLOEXEC));
	for (int i = 0; i < 5000 && t.page->stage != EVIL_BEGAN; i++) {
		target_look(&t);
		usleep(1000);
	}
	rf_spawn_walls(&t.run);
	pid_t pid = fork();
	if (!pid) {
		char byte;
		struct iovec to = {&byte, 1}, from = {(void *)t.run.walls.image, 1};

		if (!geteuid() && (setgid(UID) || setuid(UID)))
			_exit(1);
		got = process_vm_readv(t.run.pid, &to, 1, &from, 1, 0);
		got = got < 0 ? -errno : got;
		(void)!write(pipes[1], &got, sizeof(got));
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	MUST(read(pipes[0], &got, sizeof(got)) == sizeof(got));
	close(pipes[0]);
	close(pipes[1]);
	target_end(&t);
	if (got > 0)
		snprintf(what, WHAT, "a neighbour read its memory");
	else
		snprintf(what, WHAT, "refused: %s", strerror((int)-got));
	return got > 0 ? THROUGH : STOPPED;
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

/* ---- every system call ---------------------------------------------------------- */

/*
 * uretprobe and uprobe, which Linux has since 6.11 and 6.18: such kernels let them past every
 * filter, and refuse whoever does not come from a trampoline that the kernel itself has made
 * for a probe: by SIGILL, or with ENXIO.
 */
static bool probe_call(const uint64_t *param)
{
	return !param[1] && (param[0] == 335 || param[0] == 336);
}

/* One call of evil_call: killed by the filter, and the record names it. */
static bool call_dies(const struct attack *a, enum mode mode, const uint64_t *param, char *what)
{
	struct target t;
	uint32_t arch = param[1] ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;

	target_init(&t, a->image);
	memcpy(t.param, param, sizeof(t.param));
	MUST(!target_spawn(&t, attack_off(a, mode)));
	target_wait(&t, 3000);
	const struct rf_verdict *v = &t.verdict;
	bool killed =
	    t.ended && WIFSIGNALED(t.status) &&
	    (WTERMSIG(t.status) == SIGSYS || (probe_call(param) && WTERMSIG(t.status) == SIGILL));
	bool named = v->seen & RF_SEEN_END && (uint64_t)v->call == param[0] && v->arch == arch;
	bool through = t.page->stage == EVIL_THROUGH;

	if (probe_call(param) && through && t.page->value == -ENXIO)
		killed = named = true;
	if (!killed || !named)
		snprintf(what, WHAT, "call %#llx entry %llu: %s", (unsigned long long)param[0],
			 (unsigned long long)param[1],
			 through  ? "came back"
			 : killed ? "killed, but the record names another"
				  : "not killed");
	target_end(&t);
	return killed && named;
}

/* arg: 0 x86-64, 1 x32, 2 i386. */
static enum outcome attack_sweep(const struct attack *a, enum mode mode, char *what)
{
	unsigned tried = 0;

	if (mode == CONTROL) {
		/* getpid, by each door */
		const uint64_t nr = a->arg == 2 ? 20 : a->arg == 1 ? X32 | 39 : 39;
		const uint64_t param[4] = {nr, a->arg == 2, 0, 0};
		struct target t;

		target_init(&t, a->image);
		memcpy(t.param, param, sizeof(param));
		enum outcome o = go(a, mode, &t, what);
		/* A kernel without this table says ENOSYS, or kills a process that comes so. */
		return o == THROUGH && strstr(what, "(-38)")
			   ? not_shown(what, "this kernel has no such entry")
			   : o;
	}
	for (unsigned later = 0; later < 2; later++)
		for (unsigned nr = 0; nr < LAST_CALL; nr += attack_quick ? 61 : 1) {
			uint64_t param[4] = {nr | (a->arg == 1 ? X32 : 0), a->arg == 2, later, 77};

			/* exit_group is allowed; read and write are with other arguments. */
			if (!a->arg && nr == 231)
				continue;
			if (!call_dies(a, mode, param, what))
				return BROKEN;
			tried++;
		}
	snprintf(what, WHAT, "%u tries, all killed and named", tried);
	return STOPPED;
}

static enum outcome attack_arguments(const struct attack *a, enum mode mode, char *what)
{
	static const uint64_t fds[] = {2,
				       3,
				       4,
				       5,
				       63,
				       255,
				       1023,
				       0x7fffffff,
				       0xffffffff,
				       1ull << 32,
				       (1ull << 32) + 1,
				       1ull << 63,
				       ~0ull};
	unsigned tried = 0;

	if (mode == CONTROL) {
		const uint64_t param[4] = {SYS_write, 0, 0, 1ull << 32};
		struct target t;

		target_init(&t, a->image);
		memcpy(t.param, param, sizeof(param));
		return go(a, mode, &t, what);
	}
	for (unsigned nr = SYS_read; nr <= SYS_write; nr++)
		for (unsigned i = 0; i <= sizeof(fds) / sizeof(fds[0]); i++) {
			uint64_t other = nr == SYS_read ? 1 : 0;
			uint64_t param[4] = {nr, 0, i & 1, i ? fds[i - 1] : other};

			if (!call_dies(a, mode, param, what))
				return BROKEN;
			tried++;
		}
	snprintf(what, WHAT, "%u tries, all killed and named", tried);
	return STOPPED;
}

/* ---- the table ---------------------------------------------------------------- */

#define SEC OFF(SECCOMP)

const struct attack attacks_process[] = {
    {.name = "every x86-64 system call, first and later",
     .image = "evil_call",
     .wall = RF_WALL_SECCOMP,
     .run = attack_sweep,
     .arg = 0,
     .quick = true},
    {.name = "every x32 system call, first and later",
     .image = "evil_call",
     .wall = RF_WALL_SECCOMP,
     .run = attack_sweep,
     .arg = 1,
     .quick = true},
    {.name = "every i386 system call, first and later",
     .image = "evil_call",
     .wall = RF_WALL_SECCOMP,
     .run = attack_sweep,
     .arg = 2,
     .quick = true},
    {.name = "allowed calls with other descriptors",
     .image = "evil_call",
     .wall = RF_WALL_SECCOMP,
     .run = attack_arguments,
     .quick = true},
    {.name = "enter by the vsyscall page", .image = "evil_vsyscall", .wall = RF_WALL_SECCOMP},
    {.name = "forge a signal frame", .image = "evil_sigreturn", .wall = RF_WALL_SECCOMP},
    {.name = "open a file of the host",
     .image = "evil_open",
     .wall = RF_WALL_ROOT,
     .others = SEC | OFF(LANDLOCK) | OFF(NOFILE),
     .run = attack_lure,
     .quick = true},
    {.name = "open a file of the host, with the root in reach",
     .image = "evil_open",
     .wall = RF_WALL_LANDLOCK,
     .others = SEC | OFF(ROOT) | OFF(NOFILE),
     .run = attack_lure,
     .quick = true},
    {.name = "make a file",
     .image = "evil_create",
     .wall = RF_WALL_ROOT,
     .others = SEC | OFF(LANDLOCK) | OFF(NOFILE),
     .run = attack_lure},
    {.name = "make a file, with the root in reach",
     .image = "evil_create",
     .wall = RF_WALL_LANDLOCK,
     .others = SEC | OFF(ROOT) | OFF(NOFILE),
     .run = attack_lure},
    {.name = "connect to an abstract socket",
     .image = "evil_abstract",
     .wall = RF_WALL_NET_NS,
     .others = SEC | OFF(LANDLOCK) | OFF(NOFILE),
     .run = attack_lure,
     .quick = true},
    {.name = "connect to an abstract socket of its network",
     .image = "evil_abstract",
     .wall = RF_WALL_LANDLOCK,
     .others = SEC | OFF(NET_NS) | OFF(NOFILE),
     .run = attack_lure},
    {.name = "connect to a TCP port",
     .image = "evil_tcp",
     .wall = RF_WALL_NET_NS,
     .others = SEC | OFF(LANDLOCK) | OFF(NOFILE),
     .run = attack_lure},
    {.name = "connect to a TCP port of its network",
     .image = "evil_tcp",
     .wall = RF_WALL_LANDLOCK,
     .others = SEC | OFF(NET_NS) | OFF(NOFILE),
     .run = attack_lure},
    {.name = "attach shared memory of the host",
     .image = "evil_shm",
     .wall = RF_WALL_IPC_NS,
     .others = SEC | OFF(AS),
     .run = attack_lure},
    {.name = "learn the host's name", .image = "evil_uname", .wall = RF_WALL_UTS_NS, .others = SEC},
    {.name = "signal a process of its user",
     .image = "evil_signal",
     .wall = RF_WALL_PID_NS,
     .others = SEC | OFF(LANDLOCK),
     .run = attack_signal,
     .quick = true},
    {.name = "signal a process it can name",
     .image = "evil_signal",
     .wall = RF_WALL_LANDLOCK,
     .others = SEC | OFF(PID_NS),
     .run = attack_signal},
    {.name = "stop itself",
     .image = "evil_stop",
     .wall = RF_WALL_PID_NS,
     .others = SEC | OFF(SEIZED)},
    {.name = "stop itself, as any process may",
     .image = "evil_stop",
     .wall = RF_WALL_SEIZED,
     .others = SEC | OFF(PID_NS)},
    {.name = "change its root directory",
     .image = "evil_chroot",
     .wall = RF_WALL_NO_CAPS,
     .others = SEC | OFF(UID)},
    {.name = "mount",
     .image = "evil_mount",
     .wall = RF_WALL_NO_CAPS,
     .others = SEC | OFF(UID) | OFF(LANDLOCK)},
    {.name = "execute a program that becomes root",
     .image = "evil_suid",
     .wall = RF_WALL_NO_NEW_PRIVS,
     .run = attack_suid,
     .others = SEC | OFF(ROOT) | OFF(LANDLOCK) | OFF(NOFILE) | OFF(AS) | OFF(STACK) | OFF(NPROC)},
    {.name = "a page both writable and executable",
     .image = "evil_mmap_wx",
     .wall = RF_WALL_MDWE,
     .others = SEC | OFF(AS),
     .quick = true},
    {.name = "execute data", .image = "evil_mprotect_x", .wall = RF_WALL_MDWE, .others = SEC},
    {.name = "change its code",
     .image = "evil_mprotect_text",
     .wall = RF_WALL_MDWE,
     .others = SEC | OFF(AS)},
    {.name = "two views of one memory",
     .image = "evil_two_views",
     .wall = RF_WALL_AS,
     .others = SEC | OFF(NOFILE) | OFF(FSIZE)},
    {.name = "make a descriptor", .image = "evil_dup", .wall = RF_WALL_NOFILE, .others = SEC},
    {.name = "fork",
     .image = "evil_fork",
     .wall = RF_WALL_NPROC,
     .others = SEC | OFF(AS) | OFF(CGROUP),
     .quick = true},
    {.name = "start a thread",
     .image = "evil_thread",
     .wall = RF_WALL_NPROC,
     .others = SEC | OFF(AS) | OFF(CGROUP)},
    {.name = "let a file grow",
     .image = "evil_file",
     .wall = RF_WALL_FSIZE,
     .others = SEC | OFF(NOFILE)},
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
    {.name = "be read by a process of its user",
     .image = "evil_spin",
     .wall = RF_WALL_DUMPABLE,
     .run = attack_peek},
    {.name = "lock memory", .image = "evil_mlock", .wall = RF_WALL_MEMLOCK, .others = SEC},
    {.name = "take memory",
     .image = "evil_memory",
     .wall = RF_WALL_AS,
     .others = SEC | OFF(CGROUP)},
    {.name = "use up its stack",
     .image = "evil_stack",
     .wall = -1,
     .stops = "hole below the stack",
     .no_control = "no build has a stack without holes"},
    {.name = "use descriptors left open", .image = "evil_fds", .wall = RF_WALL_FDS, .others = SEC},
    {.name = "shrink the arena",
     .image = "evil_resize",
     .wall = -1,
     .stops = "sealed memory",
     .others = SEC | OFF(FDS),
     .run = attack_seals,
     .quick = true},
    {.name = "seal the arena",
     .image = "evil_seal",
     .wall = -1,
     .stops = "sealed memory",
     .others = SEC | OFF(FDS),
     .run = attack_seals},
    {.name = "read the other half of the rings",
     .image = "evil_below",
     .wall = -1,
     .stops = "exact windows",
     .run = attack_below,
     .arg = 1},
    {.name = "read payload without leave",
     .image = "evil_arena",
     .wall = -1,
     .stops = "payload none",
     .run = attack_payload},
    {.name = "write to the boot record", .image = "evil_boot", .wall = RF_WALL_BOOT},
    {.name = "write to relocated constants", .image = "evil_relro", .wall = RF_WALL_RELRO},
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
