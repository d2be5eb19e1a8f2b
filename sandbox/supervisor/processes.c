/* SPDX-License-Identifier: MIT */
/*
 * processes.c - the processes of one device: started with exactly what they need, killed by
 * name, known by name again when they end.
 *
 * Room:   sandbox/supervisor, no privilege. The keeper is the one that does it.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "device_msg.h"
#include "export_config.h"
#include "launch.h"
#include "log.h"
#include "supervisor.h"

/* ---- names ----------------------------------------------------------------------- */

void process_name(char *name, const struct dev *d, const char *what)
{
	snprintf(name, RF_KEEP_NAME, "%s.%s", d->cfg->name, what);
}

struct dev *dev_of(struct sup *s, const char *process, const char **what)
{
	for (int i = 0; i < s->count; i++) {
		size_t len = strlen(s->dev[i].cfg->name);

		if (strncmp(process, s->dev[i].cfg->name, len) || process[len] != '.')
			continue;
		*what = process + len + 1;
		return &s->dev[i];
	}
	return NULL;
}

bool dev_alive(const struct dev *d)
{
	return d->r.device_pid || d->r.export_pid || d->r.stack.dial_pid || dev_any_driver(d);
}

/* ---- death ----------------------------------------------------------------------- */

void dev_kill(struct sup *s, struct dev *d, const char *what)
{
	char name[RF_KEEP_NAME];

	process_name(name, d, what);
	(void)keep_kill(s, name); /* -ENOENT: it is already dead */
}

void dev_kill_driver(struct sup *s, struct dev *d, uint32_t generation)
{
	char what[32];

	snprintf(what, sizeof(what), "driver.%u", generation);
	dev_kill(s, d, what);
}

void dev_kill_drivers(struct sup *s, struct dev *d)
{
	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++)
		for (int half = 0; half < 2; half++)
			if (d->r.queue[i].driver_pid[half])
				dev_kill_driver(s, d, d->r.queue[i].generation_of[half]);
}

/* ---- start ------------------------------------------------------------------------ */

struct rf_keep_spawn dev_spawn_as(const struct sup *s, const struct dev *d, int role,
				  const char *program)
{
	const struct rf_device_config *c = &d->cfg->policy.device;
	uint32_t uid = dev_uid(s, d, (uint32_t)role);
	struct rf_keep_spawn spawn = { .uid = uid, .gid = uid, .nofile = 256,
				       .fence = RF_FENCE_ROOT };

	/* The kernel counts pages pinned for the device and pages locked against swapping
	 * separately. */
	spawn.memlock = 2 * (c->arena_bytes + rf_queue_memory(c) + RF_ADMIN_BYTES) + (16u << 20);
	if (d->cfg->integrity_disk)
		spawn.memlock += RF_EXPORT_INTEGRITY_DISK_BYTES;
	snprintf(spawn.argv0, sizeof(spawn.argv0), "%s", program);
	return spawn;
}

int dev_spawn(struct sup *s, struct dev *d, const char *what, struct rf_keep_spawn *spawn, int *fds,
	      int count, pid_t *pid, int *pidfd)
{
	char name[RF_KEEP_NAME];

	process_name(name, d, what);
	record_write(s);
	int err = keep_spawn(s, name, spawn, fds, count, pid, pidfd);
	if (err)
		rf_log("%s: cannot start: %s", name, strerror(-err));
	return err;
}

void hand(struct child_fds *h, int fd, int target)
{
	h->spawn.target[h->count] = target;
	h->fds[h->count++] = fd;
}

void hand_first(struct child_fds *h, const struct sup *s, int program)
{
	hand(h, program, -1);
	hand(h, s->null, 0);
	hand(h, s->null, 1);
	hand(h, 2, 2);
}

/* One of the device's fds, or /dev/null where it has none. */
static void hand_held(struct child_fds *h, const struct sup *s, const struct dev *d,
		      enum dev_fd held, int target)
{
	hand(h, d->fd[held] >= 0 ? d->fd[held] : s->null, target);
}

/* Wake-ups of queue 1 and more, those that there are, from number `base` on. */
static void hand_more_wakes(struct child_fds *h, const struct dev *d, int base)
{
	for (int i = 0; i < DEV_FDS - FD_MORE_WAKES; i++)
		if (d->fd[FD_MORE_WAKES + i] >= 0)
			hand(h, d->fd[FD_MORE_WAKES + i], base + i);
}

void hand_export(struct child_fds *h, const struct sup *s, const struct dev *d, int base)
{
#define HAND(name, held) hand_held(h, s, d, FD_##held, base + RF_EXPORT_FD_##name);
	RF_EXPORT_FD_LIST(HAND)
#undef HAND
	hand_more_wakes(h, d, base + RF_EXPORT_FD_MORE_WAKES);
}

int dev_start_device(struct sup *s, struct dev *d)
{
	struct child_fds h = { .spawn = dev_spawn_as(s, d, 0, "rf-device") };

	/* Not with a device server, which could keep a real-time process busy for ever. */
	h.spawn.realtime = d->cfg->policy.device.backend != RF_BACKEND_VFIO_USER;
	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++)
		d->r.queue[i].downs = 0;
	hand_first(&h, s, s->rf_device);
#define HAND(name, held) hand_held(&h, s, d, FD_##held, RF_DEVICE_FD_##name);
	RF_DEVICE_FD_LIST(HAND)
#undef HAND
	hand_more_wakes(&h, d, RF_DEVICE_FD_MORE_WAKES);
	return dev_spawn(s, d, "device", &h.spawn, h.fds, h.count, &d->r.device_pid, NULL);
}

int dev_lend(struct sup *s, struct dev *d)
{
	struct rf_dev_msg hello = { .type = RF_DEV_EXPORT };
	int err = 0;

	if (d->r.lent && !(err = dev_new_service_socket(s, d)))
		err = rf_packet_offer(d->fd[FD_SUP_OURS], &hello, sizeof(hello),
				      &d->fd[FD_SVC_DEVICE], 1);
	d->r.lent = true;
	return err;
}

/* What the operator's own program is called. */
static const char *own_name(const char *path)
{
	return strrchr(path, '/') + 1;
}

int dev_export(struct sup *s, struct dev *d)
{
	enum rf_export_kind kind = d->cfg->export_kind;
	bool own = rf_export_own(kind);
	struct child_fds h = { .spawn = dev_spawn_as(s, d, 1, own ? own_name(d->cfg->program) :
								 rf_export_programs[kind]) };

	d->r.export_due_ns = 0;
	if (kind == RF_EXPORT_NONE)
		return 0;
	int err = dev_lend(s, d);
	if (err)
		return err;
	hand_first(&h, s, own ? d->fd[FD_PROGRAM] : s->export[kind]);
	if (own)
		hand_held(&h, s, d, FD_LISTEN, STDOUT_FILENO);
	hand_export(&h, s, d, 0);
	return dev_spawn(s, d, "export", &h.spawn, h.fds, h.count, &d->r.export_pid, NULL);
}

/* A control group for each queue's drivers, so that each has limits of its own. */
static void group_name(struct rf_keep_spawn *spawn, const struct dev *d, uint32_t queue)
{
	if (queue)
		snprintf(spawn->group, sizeof(spawn->group), "%s.%u", d->cfg->name, queue);
	else
		snprintf(spawn->group, sizeof(spawn->group), "%s", d->cfg->name);
}

/* The launcher, which becomes the driver of the generation that is wanted. */
int dev_start_driver(struct sup *s, struct dev *d, uint32_t queue, int *pidfd)
{
	const struct wanted_driver *w = &d->queue[queue].want;
	struct queue_record *q = &d->r.queue[queue];
	uint32_t half = dev_half_of(d, w->generation);
	int role = 2 + (int)(2 * queue + half);
	struct child_fds h = { .spawn = dev_spawn_as(s, d, role, "rf-launch") };
	bool last = w->device_fd == RF_WANT_LAST_FD && w->count > 1;
	char what[32];

	h.spawn.fence = RF_FENCE_DRIVER;
	h.spawn.demand = d->cfg->policy.demand;
	group_name(&h.spawn, d, queue);
	hand(&h, s->launcher, -1);
	hand(&h, d->fd[dev_wake(queue, half)], RF_FD_WAKE);
	hand(&h, d->fd[FD_KICK], RF_FD_KICK);
	hand(&h,
	     last         ? w->fds[w->count - 1] :
	     w->device_fd ? d->fd[FD_DEVICE] :
			    s->null,
	     RF_FD_DEVICE);
	hand(&h, w->fds[0], RF_LAUNCH_FD_SPEC);
	hand(&h, d->fd[FD_IMAGE], RF_LAUNCH_FD_IMAGE);
	hand(&h, 2, RF_LAUNCH_FD_LOG);
	for (int i = 1; i < w->count - last; i++)
		hand(&h, w->fds[i], RF_LAUNCH_FD_WINDOW + i - 1);
	q->generation_of[half] = h.spawn.generation = w->generation;
	dev_fd_name(h.spawn.notify, d, FD_SUP_OURS);
	snprintf(what, sizeof(what), "driver.%u", w->generation);
	return dev_spawn(s, d, what, &h.spawn, h.fds, h.count, &q->driver_pid[half], pidfd);
}
