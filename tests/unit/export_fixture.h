/* SPDX-License-Identifier: MIT */
/*
 * export_fixture.h - an export program as it is shipped, with a RAM disk behind it whose
 * driver dies again and again.
 *
 * Room:   tests/unit. One thread plays device process and driver: it takes requests,
 *         answers them in random order, and dies after so many of them, leaving some
 *         executed and unanswered, some not executed at all.
 */
#ifndef RF_TEST_EXPORTED_H
#define RF_TEST_EXPORTED_H

#include <pthread.h>
#include <signal.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "rig.h"

#ifndef EXPORT_ARENA
#define EXPORT_ARENA (16u << 20)
#endif

struct exported {
	struct rig       rig;
	struct ram       ram;
	pid_t            pid;
	pthread_t        thread;
	_Atomic int      stop;
	_Atomic int      hold;      /* answer nothing while set */
	_Atomic int      die_now;   /* once */
	_Atomic int      lose_cache; /* with the next death */
	_Atomic uint32_t die_after; /* requests a driver lives; 0: for ever */
	_Atomic uint32_t deaths, taken;
	_Atomic uint64_t awaited; /* offset of a read */
	_Atomic uint32_t answered, before_awaited; /* requests; so many when that read came */
	_Atomic uint64_t flushes, fua;
	_Atomic uint32_t fail_sector; /* reads of this sector fail with EIO; 0: none */
	int              output;    /* LISTEN is stdout, as `export program` has it */
	uint32_t         random;
	char             dir[64], socket[96], log[96];
};

static inline uint32_t exported_random(struct exported *e)
{
	return e->random = e->random * 1664525 + 1013904223;
}

static inline void exported_kick(struct exported *e)
{
	static const uint64_t one = 1;

	if (rf_ring_peer_asleep(&e->ram.resp))
		rig_must(write(e->rig.fd[RF_EXPORT_FD_KICK], &one, 8) == 8, "kick");
}

static inline int32_t exported_execute(struct exported *e, const struct rf_blk_req *req)
{
	uint64_t bad = (uint64_t)e->fail_sector * 512;

	if (req->op == RF_BLK_FLUSH)
		e->flushes++;
	e->fua += req->op == RF_BLK_WRITE && req->flags & RF_BLK_FUA;
	if (bad && req->op == RF_BLK_READ && req->offset <= bad && bad < req->offset + req->length)
		return -EIO;
	return ram_execute(&e->ram, req);
}

/* One driver's life. False: it was told to stop, true: it died. */
static inline bool exported_live(struct exported *e)
{
	struct rf_blk_req hand[RF_BLK_DEPTH];
	uint32_t n = 0, served = 0;
	int wake = e->rig.fd[e->rig.half ? RF_EXPORT_FD_WAKE1 : RF_EXPORT_FD_WAKE0];

	while (!e->stop) {
		bool fresh = false;

		if (e->die_now) {
			e->die_now = 0;
			return true;
		}
		while (n < RF_BLK_DEPTH && ram_take(&e->ram, &hand[n])) {
			n++;
			fresh = true;
			e->taken++;
			if (hand[n - 1].op == RF_BLK_READ && hand[n - 1].offset == e->awaited)
				e->before_awaited = e->answered;
			if (e->die_after && ++served >= e->die_after) {
				for (uint32_t i = 0; i < n; i += 2)
					exported_execute(e, &hand[i]);
				return true;
			}
		}
		if (n && !e->hold && (!fresh || n > 16)) {
			uint32_t pick = exported_random(e) % n;

			ram_answer(&e->ram, &hand[pick], exported_execute(e, &hand[pick]));
			hand[pick] = hand[--n];
			e->answered++;
			exported_kick(e);
			continue;
		}
		if (fresh || (n && !e->hold))
			continue;
		rf_ring_arm(&e->ram.req);
		if (!rf_ring_ready(&e->ram.req)) {
			struct pollfd p = { .fd = wake, .events = POLLIN };
			uint64_t count;

			if (poll(&p, 1, 20) > 0)
				rig_must(read(wake, &count, 8) == 8, "wake");
		}
		rf_ring_disarm(&e->ram.req);
	}
	return false;
}

static inline void *exported_thread(void *arg)
{
	struct exported *e = arg;

	if (!e->rig.generation) {
		rig_first_up(&e->rig);
		ram_attach(&e->ram, &e->rig);
	} else {
		/* A new export: told of the disk, then of a death, so that it starts clean. */
		rig_send(&e->rig, RF_SVC_INFO, 0);
		e->die_now = 1;
	}
	while (exported_live(e)) {
		struct rf_svc_msg msg;

		rig_down(&e->rig);
		rig_must(rig_hear(&e->rig, &msg, 10000) == RF_SVC_PREPARED &&
			 msg.generation == e->rig.generation, "no answer to DOWN, or a complaint");
		rig_quiesced(&e->rig, (uint32_t)atomic_exchange(&e->lose_cache, 0));
		ram_attach(&e->ram, &e->rig);
		rig_send(&e->rig, RF_SVC_UP, 0);
		e->deaths++;
	}
	return NULL;
}

static inline int exported_listen(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	rig_must(fd >= 0 && !bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 64),
		 "listen");
	return rig_park(fd);
}

/* Sets everything up but the processes, so that a test may change the rig first. */
static inline void exported_init(struct exported *e, uint64_t disk_bytes)
{
	memset(e, 0, sizeof(*e));
	e->random = 1;
	snprintf(e->dir, sizeof(e->dir), "/tmp/rf-test-XXXXXX");
	rig_must(mkdtemp(e->dir) != NULL, "mkdtemp");
	snprintf(e->socket, sizeof(e->socket), "%s/socket", e->dir);
	snprintf(e->log, sizeof(e->log), "%s/log", e->dir);
	rig_open(&e->rig, EXPORT_ARENA);
	e->rig.info.size = disk_bytes;
	e->rig.config->spin_ns = 20000;
	e->ram.size = disk_bytes;
	e->ram.disk = mmap(NULL, disk_bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	rig_must(e->ram.disk != MAP_FAILED, "mmap");
}

static inline void exported_exec(struct exported *e, const char *program)
{
	e->pid = fork();
	rig_must(e->pid >= 0, "fork");
	if (e->pid)
		return;
	int log = open(e->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(log, 2);
	rig_install(&e->rig);
	if (e->output)
		dup2(RF_EXPORT_FD_LISTEN, STDOUT_FILENO);
	execl(program, program, (char *)NULL);
	_exit(127);
}

static inline void exported_start(struct exported *e, const char *program)
{
	exported_exec(e, program);
	rig_must(!pthread_create(&e->thread, NULL, exported_thread, e), "thread");
}

static inline void exported_serve(struct exported *e, const char *program)
{
	close(e->rig.fd[RF_EXPORT_FD_LISTEN]);
	e->rig.fd[RF_EXPORT_FD_LISTEN] = exported_listen(e->socket);
	exported_start(e, program);
}

/* Kills the export and starts another in its place, as the supervisor does. */
static inline void exported_replace(struct exported *e, const char *program)
{
	int status;

	rig_must(!kill(e->pid, SIGKILL) && waitpid(e->pid, &status, 0) == e->pid, "kill");
	e->stop = 1;
	pthread_join(e->thread, NULL);
	e->stop = 0;
	close(e->rig.control);
	close(e->rig.fd[RF_EXPORT_FD_CONTROL]);
	rig_connect(&e->rig);
	exported_start(e, program);
}

/* Ends driver and export; the export's wait status. */
static inline int exported_end(struct exported *e)
{
	int status;
	char command[128];

	e->stop = 1;
	pthread_join(e->thread, NULL);
	shutdown(e->rig.control, SHUT_RDWR);
	rig_must(waitpid(e->pid, &status, 0) == e->pid, "waitpid");
	munmap(e->ram.disk, e->ram.size);
	rig_close(&e->rig);
	snprintf(command, sizeof(command), "rm -rf %s", e->dir);
	rig_must(!system(command), "rm");
	return status;
}

#endif
