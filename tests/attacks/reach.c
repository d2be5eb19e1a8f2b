/* SPDX-License-Identifier: MIT */
/* reach.c - attacks on what else is in the host: files, sockets, processes, descriptors. See
 * attack.h. Room: tests/attacks. */
#include "attack.h"

#include <netinet/in.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#define SHM_KEY 0x5246
#define MADE    "/tmp/ringfence-was-here"

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
	enum outcome o = attack_go(a, mode, &t, what);
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
	enum outcome o = attack_go(a, mode, &t, what);
	neighbour_end(pid);
	return o;
}

/* ---- looking in: the attacker is a process of the same user, the driver the victim. */
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

		if (!geteuid() && (setgid(ATTACK_UID) || setuid(ATTACK_UID)))
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

#define SEC OFF(SECCOMP)

const struct attack attacks_reach[] = {
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
    {.name = "trace a process of its user",
     .image = "evil_ptrace",
     .wall = RF_WALL_PID_NS,
     .others = SEC | OFF(LANDLOCK),
     .run = attack_signal},
    {.name = "trace a process it can name",
     .image = "evil_ptrace",
     .wall = RF_WALL_LANDLOCK,
     .others = SEC | OFF(PID_NS),
     .run = attack_signal},
    {.name = "change its root directory",
     .image = "evil_chroot",
     .wall = RF_WALL_NO_CAPS,
     .others = SEC | OFF(UID)},
    {.name = "mount",
     .image = "evil_mount",
     .wall = RF_WALL_NO_CAPS,
     .others = SEC | OFF(UID) | OFF(LANDLOCK)},
    {.name = "make a descriptor", .image = "evil_dup", .wall = RF_WALL_NOFILE, .others = SEC},
    {.name = "let a file grow",
     .image = "evil_file",
     .wall = RF_WALL_FSIZE,
     .others = SEC | OFF(NOFILE)},
    {.name = "be read by a process of its user",
     .image = "evil_spin",
     .wall = RF_WALL_DUMPABLE,
     .run = attack_peek},
    {.name = "use descriptors left open", .image = "evil_fds", .wall = RF_WALL_FDS, .others = SEC},
    {0},
};
