/* SPDX-License-Identifier: MIT */
/*
 * zygote.c - the process that starts all others: see zygote.h. Room: sandbox/zygote, root.
 *
 * Why:    what a driver is born into (namespaces, users, control groups) takes system calls that
 *         a filter hands down to every child: so no list is around this process.
 */
#include "zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "log.h"
#include "privilege.h"
#include "reload.h"
#include "spawn.h"

static bool ends(const char *text, size_t room)
{
	return memchr(text, '\0', room) != NULL;
}

/* Checks an order: the keeper cannot have anything run as root, nor touch a control group that
 * is not ringfence's. */
static int order_check(const struct rf_zygote_order *o, int count)
{
	const struct rf_keep_spawn *s = &o->spawn;

	if (count < 1 || s->fence > RF_FENCE_DRIVER || !ends(s->group, sizeof(s->group)) ||
	    !ends(s->argv0, sizeof(s->argv0)) || strchr(s->group, '/') || s->group[0] == '.' ||
	    (s->fence == RF_FENCE_DRIVER && !s->group[0]))
		return -EINVAL;
	if (!geteuid() && (s->uid - RF_UID_BASE >= RF_UIDS || s->gid - RF_UID_BASE >= RF_UIDS))
		return -EPERM;
	return 0;
}

/* Starts a supervisor or a broker. uid ~0: it stays root. sockets[1]: a supervisor's, to its
 * broker. */
static int own(const char *verb, uint32_t uid, int program, int config, const int *sockets,
	       int count, struct rf_spawned *run)
{
	struct rf_keep_spawn spawn = { .fence = RF_FENCE_OWN, .uid = uid, .gid = uid,
				       .argv0 = "ringfence",
				       .target = { -1, RF_OWN_FD_ABOVE, RF_OWN_FD_CONFIG,
						   RF_OWN_FD_BROKER } };
	const int fds[] = { program, sockets[0], config, sockets[1] };

	strcpy(spawn.group, verb);
	return rf_spawn(&spawn, fds, 2 + count, run);
}

struct own_programs {
	int supervisor, broker;
};

static int program_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		rf_die(RF_EXIT_SYSTEM,
		       errno == ENOENT ?
			       "there is no program %s: does 'program-dir' name the folder "
			       "of the rf-* programs?" :
			       "cannot open %s: %s",
		       path, strerror(errno));
	(void)rf_pages_hold(fd);
	return fd;
}

static void finish(const struct rf_zygote_order *o)
{
	const struct rf_config *c = o->give_back ? rf_config_map(rf_zygote_config) : NULL;

	rf_spawn_finish();
	if (c)
		rf_pci_give_back_all(c);
}

/* The program of supervisors: beside the others, where it was when all began. */
static int supervisor_open(void)
{
	const struct rf_config *c = rf_config_map(rf_zygote_config);
	char path[300];

	if (c)
		snprintf(path, sizeof(path), "%s/rf-supervisor", c->program_dir);
	else
		rf_die(RF_EXIT_BUG, "the configuration is damaged");
	return program_open(path);
}

/* 0 or -errno; a process that was started is *run. */
static int obey(const struct rf_zygote_order *o, const int *fds, int count,
		const struct own_programs *p, struct rf_spawned *run)
{
	int err;

	switch (o->type) {
	case RF_ZYGOTE_SUPERVISE:
		return count != 2 ? -EINVAL :
			own("supervise", RF_UID_BASE + RF_UID_SUPERVISOR, p->supervisor,
			    rf_zygote_config, fds, 2, run);
	case RF_ZYGOTE_OPEN:
		/* The first of a pair: so both have the same one. */
		rf_reload_take();
		return count != 1 ? -EINVAL :
			own("open", ~0u, p->broker, rf_zygote_config, fds, 1, run);
	case RF_ZYGOTE_LOAD:
		return rf_reload_begin(count ? fds[0] : -1, run);
	case RF_ZYGOTE_RUN:
		return (err = order_check(o, count)) ? err : rf_spawn(&o->spawn, fds, count, run);
	default:
		return -EINVAL;
	}
}

static _Noreturn void zygote_obey(int keeper)
{
	const struct own_programs programs = { .supervisor = supervisor_open(),
					       .broker = program_open("/proc/self/exe") };
	int fds[RF_PACKET_FDS], count;
	struct rf_zygote_order o;

	while (rf_packet_recv(keeper, &o, sizeof(o), fds, &count, 0) == sizeof(o)) {
		struct rf_spawned run = { .pidfd = -1, .report = -1 };
		struct rf_zygote_done d = { 0 };

		if (o.type == RF_ZYGOTE_FINISH) {
			finish(&o);
			_exit(0);
		}
		d.error = obey(&o, fds, count, &programs, &run);
		d.pid = run.pid;
		const int give[] = { run.pidfd, run.report };
		(void)rf_packet_send(keeper, &d, sizeof(d), give,
				     d.error ? 0 : 1 + (run.report >= 0));
		rf_close_all(fds, count);
		for (int i = 0; i < 2; i++)
			if (give[i] >= 0)
				close(give[i]);
	}
	_exit(RF_EXIT_BUG);
}

void rf_zygote_main(int keeper)
{
	/* A fork inherits neither. */
	rf_memory_hold();
	rf_spawn_prepare();
	rf_realtime();
	rf_spawn_for_parent(true);
	zygote_obey(keeper);
}
