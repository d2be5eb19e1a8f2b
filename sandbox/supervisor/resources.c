/* SPDX-License-Identifier: MIT */
/*
 * resources.c - memory, sockets, eventfds and VFIO nodes of one device.
 *
 * Room:   sandbox/supervisor, no privilege. Everything is made here, before any
 *         process of the device runs, and is only handed on afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export_config.h"
#include "log.h"
#include "boot.h"
#include "privilege.h"
#include "supervisor.h"

static const char *const fd_names[DEV_FDS] = {
	[FD_CONTAINER] = "container", [FD_GROUP] = "group", [FD_DATA] = "data",
	[FD_QUEUES] = "queues", [FD_ADMIN] = "admin", [FD_RINGS] = "rings", [FD_BOOT] = "boot",
	[FD_STATS] = "stats", [FD_TABLE] = "table", [FD_WAKE0] = "wake0", [FD_WAKE1] = "wake1",
	[FD_KICK] = "kick", [FD_DEVICE] = "device", [FD_IMAGE] = "image", [FD_LISTEN] = "listen",
	[FD_SUP_OURS] = "sup", [FD_SUP_THEIRS] = "sup-device", [FD_SVC_DEVICE] = "svc-device",
	[FD_SVC_EXPORT] = "svc-export", [FD_CONFIG] = "config",
	[FD_EXPORT_CONFIG] = "export-config",
	[FD_INTERRUPTS] = "interrupts", [FD_PROGRAM] = "program",
};

/* Sealed memory, of fixed size, so that no access to a mapping of it faults. */
static int sealed_memory(const char *name, uint64_t bytes, unsigned flags)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | flags);

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)bytes) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) {
		int err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/*
 * The data arena: 2 MiB pages if the host has enough of them free, else 4 KiB ones. A device
 * server gets the latter: it has the fd and may punch holes, and whoever touches a hole where
 * the host has no large page left dies of SIGBUS.
 */
static int arena_memory(const struct rf_device_config *c)
{
	uint64_t bytes = c->arena_bytes;
	int fd = c->backend == RF_BACKEND_VFIO_USER ? -1 :
		 sealed_memory("rf-data", bytes, MFD_HUGETLB | (unsigned)MAP_HUGE_2MB);

	if (fd >= 0) {
		void *p = mmap(NULL, bytes, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
		if (p != MAP_FAILED) {
			munmap(p, bytes);
			return fd;
		}
		close(fd);
	}
	return sealed_memory("rf-data", bytes, 0);
}

static int sealed_copy(const char *name, const void *data, size_t bytes)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (write(fd, data, bytes) != (ssize_t)bytes ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)) {
		close(fd);
		return -EIO;
	}
	return fd;
}

#define IMAGE_MAX (16u << 20)
static int open_image(struct sup *s, struct dev *d)
{
	struct stat st;
	int fd, code = open_one(s, d, RF_OPEN_IMAGE, &fd);

	if (code)
		return code;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > (off_t)IMAGE_MAX ||
	    st.st_size < 64) {
		rf_log("%s: driver image %s: not a file of 64 bytes to 16 MiB", d->cfg->name,
		       d->cfg->image);
		close(fd);
		return RF_EXIT_IMAGE;
	}
	void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return RF_EXIT_SYSTEM;
	if (memcmp(p, "\177ELF", 4)) {
		rf_log("%s: driver image %s is not an ELF file", d->cfg->name, d->cfg->image);
		munmap(p, (size_t)st.st_size);
		return RF_EXIT_IMAGE;
	}
	d->fd[FD_IMAGE] = sealed_copy(d->cfg->policy.driver, p, (size_t)st.st_size);
	munmap(p, (size_t)st.st_size);
	if (d->fd[FD_IMAGE] < 0)
		return RF_EXIT_SYSTEM;
	d->image = rf_pages_hold(d->fd[FD_IMAGE]);
	return 0;
}

/* VFIO charges pinned memory to the limit of the process that maps it. */
static int check_memlock(const struct rf_config_device *cfg)
{
	const struct rf_device_config *c = &cfg->policy.device;
	uint64_t need = c->arena_bytes + rf_queue_memory(c) + RF_ADMIN_BYTES + (1u << 20);
	struct rlimit r;

	if (c->backend != RF_BACKEND_VFIO || getrlimit(RLIMIT_MEMLOCK, &r) || r.rlim_max >= need)
		return 0;
	r.rlim_cur = r.rlim_max = need;
	if (!setrlimit(RLIMIT_MEMLOCK, &r))
		return 0;
	getrlimit(RLIMIT_MEMLOCK, &r);
	rf_log("%s: the arena needs a locked-memory limit of %llu KiB, and it is %llu KiB: raise "
	       "it (ulimit -l %llu) or make the arena smaller",
	       cfg->name, (unsigned long long)need >> 10, (unsigned long long)r.rlim_max >> 10,
	       (unsigned long long)need >> 10);
	return RF_EXIT_MEMLOCK;
}

/* Whose group it is: devices of one group can write to each other's memory, so two
 * drivers in it would share a fence. */
static const struct dev *group_owner(const struct sup *s, int group)
{
	for (int i = 0; i < s->count; i++)
		if (s->dev[i].fd[FD_GROUP] >= 0 && s->dev[i].r.group == group)
			return &s->dev[i];
	return NULL;
}

static int open_vfio(struct sup *s, struct dev *d, bool last)
{
	int fds[RF_OPEN_FDS], group = -1;
	int code = open_take(s, d, last, &group);
	const struct dev *owner = code ? NULL : group_owner(s, group);

	if (owner) {
		rf_log("%s: IOMMU group %d is %s's as a whole, and the IOMMU cannot tell %s from "
		       "%s: configure one of the two only",
		       d->cfg->name, group, owner->cfg->name, d->cfg->pci, owner->cfg->pci);
		return RF_EXIT_NOT_VIABLE;
	}
	if (code || (code = open_two(s, d, RF_OPEN_VFIO, fds)))
		return code;
	d->fd[FD_CONTAINER] = fds[0];
	d->fd[FD_GROUP] = fds[1];
	d->r.group = group;
	/* The kernel's text, for the device process. We are in /proc. */
	if (d->fd[FD_INTERRUPTS] < 0)
		d->fd[FD_INTERRUPTS] = open("interrupts", O_RDONLY | O_CLOEXEC);
	return 0;
}

static int open_listener(struct sup *s, struct dev *d)
{
	if (d->cfg->export_kind == RF_EXPORT_LWIP)
		return stack_start(s, d);
	return open_one(s, d, RF_OPEN_LISTENER, &d->fd[FD_LISTEN]);
}

static int open_own_program(struct sup *s, struct dev *d)
{
	return rf_export_own(d->cfg->export_kind) ?
		       open_one(s, d, RF_OPEN_EXPORT, &d->fd[FD_PROGRAM]) :
		       0;
}

/* What the device process is told. */
static int open_config(struct dev *d)
{
	const struct rf_config_device *cfg = d->cfg;
	struct rf_device_config c = cfg->policy.device;

	strcpy(c.name, cfg->name);
	strcpy(c.pci, cfg->pci);
	c.match_class = cfg->policy.match_class;
	c.match_vendor = cfg->policy.match_vendor;
	c.match_device = cfg->policy.match_device;
	c.revived = d->r.last_wanted;
	c.disk = d->r.disk;
	/* Its form was checked with the record (config_check.h). */
	if (rf_namespace_parse(cfg->name_space, &c.name_space))
		return -EINVAL;
	if (cfg->read_only)
		c.flags |= RF_DEVICE_READ_ONLY;
	if (!cfg->policy.nudge_ns)
		c.flags |= RF_DEVICE_NO_LOOK;
	d->fd[FD_CONFIG] = sealed_copy("rf-config", &c, sizeof(c));
	return d->fd[FD_CONFIG] < 0 ? -EIO : 0;
}

static int open_export_config(struct dev *d)
{
	const struct rf_config_device *cfg = d->cfg;
	const struct rf_device_config *c = &cfg->policy.device;
	struct rf_export_config e = { .service = c->service, .queues = c->queues,
				      .arena_bytes = c->arena_bytes,
				      .spin_ns = cfg->policy.spin_ns,
				      .stall_ns = cfg->policy.stall_ns,
				      .slow_ns = cfg->policy.slow_stall_ns,
				      .nudge_ns = cfg->policy.nudge_ns };

	if (cfg->read_only)
		e.flags |= RF_EXPORT_READ_ONLY;
	if (cfg->integrity)
		e.flags |= RF_EXPORT_INTEGRITY_MEMORY;
	e.flags |= cfg->integrity_disk;
	e.limit = cfg->limit;
	e.client_limit = cfg->client_limit;
	memcpy(e.integrity_key, cfg->integrity_key, sizeof(e.integrity_key));
	snprintf(e.name, sizeof(e.name), "%s", cfg->name);
	snprintf(e.words, sizeof(e.words), "%s", cfg->words);
	d->fd[FD_EXPORT_CONFIG] = sealed_copy("rf-export-config", &e, sizeof(e));
	return d->fd[FD_EXPORT_CONFIG] < 0 ? -EIO : 0;
}

static int socket_pair(struct dev *d, enum dev_fd a, enum dev_fd b)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	d->fd[a] = pair[0];
	d->fd[b] = pair[1];
	return 0;
}

static int map_stats(struct dev *d)
{
	void *p = mmap(NULL, RF_STATS_BYTES, PROT_READ, MAP_SHARED, d->fd[FD_STATS], 0);

	if (p == MAP_FAILED)
		return -errno;
	d->service = p;
	d->device = (void *)((char *)p + RF_STATS_DEVICE);
	return 0;
}

/*
 * The in-flight table holds what clients were promised, and outlives all processes of the device, a
 * start from nothing included. A device that is opened anew may have lost its cache, unless the
 * last process that had it saw the cache written back. This count tells the next export.
 */
static int pass_losses_on(struct dev *d)
{
	struct rf_stats_device *p = mmap(NULL, RF_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
					 d->fd[FD_STATS], RF_STATS_DEVICE);

	if ((void *)p == MAP_FAILED)
		return -errno;
	p->losses = d->r.losses;
	munmap(p, RF_PAGE);
	return 0;
}

static void note_losses(struct sup *s, struct dev *d)
{
	if (!d->device)
		return;
	d->r.losses = d->device->losses + !d->device->written_back;
	record_write(s);
}

static int open_memory(struct dev *d)
{
	const struct rf_device_config *c = &d->cfg->policy.device;
	const struct { enum dev_fd fd; uint64_t bytes; } plain[] = {
		{ FD_QUEUES, rf_queue_memory(c) },
		{ FD_ADMIN, RF_ADMIN_BYTES },
		{ FD_RINGS, 2ull * c->queues * rf_chan_bytes(c->service) },
		{ FD_BOOT, 2ull * c->queues * RF_PAGE },
		{ FD_STATS, RF_STATS_BYTES },
		{ FD_TABLE, RF_TABLE_BYTES },
	};

	if ((d->fd[FD_DATA] = arena_memory(c)) < 0)
		return d->fd[FD_DATA];
	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++) {
		char name[32];
		if (d->fd[plain[i].fd] >= 0)
			continue; /* the table */
		snprintf(name, sizeof(name), "rf-%s", fd_names[plain[i].fd]);
		int fd = sealed_memory(name, plain[i].bytes, 0);
		if (fd < 0)
			return fd;
		d->fd[plain[i].fd] = fd;
	}
	for (int i = FD_WAKE0; i <= FD_DEVICE; i++)
		if ((d->fd[i] = eventfd(0, EFD_CLOEXEC)) < 0)
			return -errno;
	for (uint32_t i = 0; i < 2 * (c->queues - 1); i++)
		if ((d->fd[FD_MORE_WAKES + i] = eventfd(0, EFD_CLOEXEC)) < 0)
			return -errno;
	/* The export polls its eventfd among others, so it must not block in read. */
	fcntl(d->fd[FD_KICK], F_SETFL, O_NONBLOCK);
	int err = pass_losses_on(d);
	return err ? err : map_stats(d);
}

/* dev_close() drops all names with the device's prefix; the table's name has another one, and
 * stays. */
void dev_fd_name(char *name, const struct dev *d, enum dev_fd i)
{
	if (i >= FD_MORE_WAKES)
		snprintf(name, RF_KEEP_NAME, "%s/wake%d", d->cfg->name,
			 2 + (int)(i - FD_MORE_WAKES));
	else
		snprintf(name, RF_KEEP_NAME, "%s%c%s", d->cfg->name, i == FD_TABLE ? '.' : '/',
			 fd_names[i]);
}

static int resources_keep(struct sup *s, struct dev *d, enum dev_fd i)
{
	char name[RF_KEEP_NAME];
	int err;

	dev_fd_name(name, d, i);
	if (d->fd[i] < 0 || !(err = keep_store(s, name, d->fd[i])))
		return 0;
	rf_log("%s: cannot store its descriptor %s with the keeper: %s", d->cfg->name, name,
	       strerror(-err));
	return RF_EXIT_SYSTEM;
}

int dev_new_service_socket(struct sup *s, struct dev *d)
{
	close(d->fd[FD_SVC_DEVICE]);
	close(d->fd[FD_SVC_EXPORT]);
	int err = socket_pair(d, FD_SVC_DEVICE, FD_SVC_EXPORT);

	return err                                                                          ? err
	       : resources_keep(s, d, FD_SVC_DEVICE) || resources_keep(s, d, FD_SVC_EXPORT) ? -EIO
											    : 0;
}

/*
 * Closes what a dead device process had of its device before the device is opened again. With the
 * last VFIO fd the kernel removes the IOMMU mappings and resets the function. A device server sees
 * its one client leave, and then accepts the next. Memory, eventfds and the socket to the export
 * stay.
 */
int dev_reopen(struct sup *s, struct dev *d)
{
	static const enum dev_fd fresh[] = { FD_CONTAINER, FD_GROUP, FD_SUP_OURS, FD_SUP_THEIRS,
					     FD_CONFIG };
	const unsigned count = sizeof(fresh) / sizeof(fresh[0]);
	enum rf_backend backend = d->cfg->policy.device.backend;
	int err = 0;

	for (unsigned i = 0; i < count; i++) {
		char name[RF_KEEP_NAME];

		dev_fd_name(name, d, fresh[i]);
		keep_delete(s, name);
		if (d->fd[fresh[i]] >= 0)
			close(d->fd[fresh[i]]);
		d->fd[fresh[i]] = -1;
	}
	if (open_config(d) || socket_pair(d, FD_SUP_OURS, FD_SUP_THEIRS))
		return RF_EXIT_SYSTEM;
	if (backend == RF_BACKEND_VFIO)
		err = open_vfio(s, d, true);
	else if (backend == RF_BACKEND_VFIO_USER)
		err = open_one(s, d, RF_OPEN_SERVER_AGAIN, &d->fd[FD_GROUP]);
	for (unsigned i = 0; i < count && !err; i++)
		err = resources_keep(s, d, fresh[i]);
	return err;
}

static int open_own(struct dev *d)
{
	int err;

	if (d->fd[FD_SVC_EXPORT] >= 0)
		return 0; /* an earlier try made it */
	if ((err = open_memory(d)) || (err = open_config(d)) || (err = open_export_config(d)) ||
	    (err = socket_pair(d, FD_SUP_OURS, FD_SUP_THEIRS)) ||
	    (err = socket_pair(d, FD_SVC_DEVICE, FD_SVC_EXPORT))) {
		rf_log("%s: cannot make its memory and sockets: %s", d->cfg->name, strerror(-err));
		return RF_EXIT_SYSTEM;
	}
	return 0;
}

int dev_open(struct sup *s, struct dev *d)
{
	int err;

	for (int i = 0; i < DEV_FDS; i++)
		if (i != FD_TABLE)
			d->fd[i] = -1;
	if ((err = check_memlock(d->cfg)) || (err = open_image(s, d)) ||
	    (err = open_listener(s, d)) || (err = open_own_program(s, d)))
		return err;
	return dev_open_rest(s, d, false);
}

int dev_open_rest(struct sup *s, struct dev *d, bool last)
{
	enum rf_backend backend = d->cfg->policy.device.backend;
	int err = 0;

	if (backend == RF_BACKEND_VFIO && (err = open_vfio(s, d, last)))
		return err;
	if ((err = open_own(d)))
		return err;
	/* Last, since a server does not wait long for a client that sends nothing. */
	if (backend == RF_BACKEND_VFIO_USER && (err = open_server(s, d, last, &d->fd[FD_GROUP])))
		return err;
	for (int i = 0; i < DEV_FDS && !err; i++)
		err = resources_keep(s, d, i);
	if (!err && d->r.stack.open)
		stack_keep(s, d);
	return err;
}

int dev_listen_again(struct sup *s, struct dev *d)
{
	close(d->fd[FD_LISTEN]);
	d->fd[FD_LISTEN] = -1;
	int code = open_listener(s, d);

	if (!code)
		code = resources_keep(s, d, FD_LISTEN);
	return code ? code : open_interface(s, d);
}

int dev_find(struct sup *s, struct dev *d)
{
	for (int i = 0; i < DEV_FDS; i++) {
		char name[RF_KEEP_NAME];

		dev_fd_name(name, d, i);
		d->fd[i] = keep_retrieve(s, name);
		if (d->fd[i] < 0)
			d->fd[i] = -1;
	}
	stack_find(s, d);
	if (d->fd[FD_IMAGE] >= 0)
		d->image = rf_pages_hold(d->fd[FD_IMAGE]);
	return d->fd[FD_STATS] >= 0 && map_stats(d) ? RF_EXIT_SYSTEM : 0;
}

void dev_forget(struct sup *s, struct dev *d)
{
	char name[RF_KEEP_NAME];

	dev_fd_name(name, d, FD_TABLE);
	keep_delete(s, name);
	if (d->fd[FD_TABLE] >= 0)
		close(d->fd[FD_TABLE]);
	d->fd[FD_TABLE] = -1;
}

void dev_close(struct sup *s, struct dev *d)
{
	char prefix[RF_KEEP_NAME];

	note_losses(s, d);
	if (d->service)
		munmap((void *)d->service, RF_STATS_BYTES);
	d->service = NULL;
	d->device = NULL;
	rf_pages_drop(d->fd[FD_IMAGE], d->image);
	d->image = NULL;
	if (d->fd[FD_LISTEN] >= 0)
		(void)open_do(s, d, RF_OPEN_VANISH);
	stack_close(s, d);
	for (int i = 0; i < DEV_FDS; i++) {
		if (i == FD_TABLE)
			continue;
		if (d->fd[i] >= 0)
			close(d->fd[i]);
		d->fd[i] = -1;
	}
	snprintf(prefix, sizeof(prefix), "%s/", d->cfg->name);
	keep_delete(s, prefix);
	/* Unbinding waits for the last fd and mapping, so this comes last. */
	if (d->cfg->policy.device.backend == RF_BACKEND_VFIO)
		(void)open_do(s, d, RF_OPEN_GIVE_BACK);
}
