/* SPDX-License-Identifier: MIT */
/* holders.c - see holders.h. Room: sandbox/broker, root behind a list. */
#include "holders.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "log.h"
#include "broker.h"
#include "sysfs.h"

#define DEPTH 8 /* dm on MD on dm ...: more than anybody stacks */

struct search {
	const char *address;
	bool        last;               /* a disk that is open now is in use */
	char        top[RF_SYSFS_PATH]; /* the device's folder */
	int (*disk)(struct search *, const char *name); /* called for each disk */
};

/* A disk, and who uses it, in words. */
struct disk {
	const char *name;
	char        number[32]; /* MAJOR:MINOR */
	char        node[80];   /* /dev/NAME */
	char        who[400];
	int         depth;
};

static int in_use(const struct search *s, const char *what, const char *name, const char *who)
{
	rf_log("%s is in use: %s %s is %s; free it first, or say 'force yes'", s->address, what,
	       name, who);
	return RF_EXIT_IN_USE;
}

/* ---- which disks ------------------------------------------------------------- */

struct subsystem {
	const struct search *search;
	const char *folder;
};

static int leads_there(const char *entry, void *arg)
{
	const struct subsystem *sub = arg;
	char path[RF_SYSFS_PATH];

	snprintf(path, sizeof(path), "%.500s/%.90s", sub->folder, entry);
	return rf_sysfs_below(path, sub->search->top);
}

/* With multipath a disk lies in its subsystem, which has a link to each controller. */
static bool in_subsystem(const struct search *s, const char *disk)
{
	static const char parent[] = "/virtual/nvme-subsystem/";
	char real[PATH_MAX];
	char *at = realpath(disk, real) ? strstr(real, parent) : NULL;

	if (!at || !(at = strchr(at + strlen(parent), '/')))
		return false;
	*at = '\0';
	return rf_sysfs_each(real, leads_there, &(struct subsystem){ s, real });
}

static int of_device(const char *name, void *arg)
{
	struct search *s = arg;
	char path[RF_SYSFS_PATH];

	rf_sysfs_path(path, "/sys/class/block/%.100s", name);
	return rf_sysfs_below(path, s->top) || in_subsystem(s, path) ? s->disk(s, name) : 0;
}

static int each_disk(struct search *s, int (*disk)(struct search *, const char *name))
{
	char path[RF_SYSFS_PATH];

	s->disk = disk;
	rf_sysfs_path(path, "/sys/class/block");
	return rf_sysfs_each(path, of_device, s);
}

static void disk_describe(struct disk *d, const char *name)
{
	char path[RF_SYSFS_PATH];

	d->name = name;
	rf_sysfs_path(path, "/sys/class/block/%.100s/dev", name);
	rf_sysfs_read(path, d->number, sizeof(d->number));
	snprintf(d->node, sizeof(d->node), "/dev/%.70s", name);
	for (char *c = d->node; (c = strchr(c, '!')); )
		*c = '/'; /* as the kernel spells it */
}

/* ---- what stands on a disk ------------------------------------------------------ */

/* Adds to d->who. */
static void who_add(struct disk *d, const char *what, const char *name)
{
	size_t used = strlen(d->who);

	snprintf(d->who + used, sizeof(d->who) - used, "%s %.200s", what, name);
	for (char *c = d->who; *c; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
}

/* proc_pid_mountinfo(5): ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG...] - TYPE SOURCE ...
 * A file system of several disks has no number of theirs, but its source is one of them. */
static int mount_line(char *line, void *arg)
{
	struct disk *d = arg;
	char *save, *word[5] = { NULL };
	const char *dash = strstr(line, " - "), *type = dash ? dash + 3 : "";
	size_t n = strlen(d->node);

	const char *source = strchr(type, ' ');
	bool same = source && !strncmp(source + 1, d->node, n) && source[1 + n] == ' ';
	word[0] = strtok_r(line, " ", &save);
	for (int i = 1; i < 5 && word[i - 1]; i++)
		word[i] = strtok_r(NULL, " ", &save);
	if (!word[4] || (!same && strcmp(word[2], d->number)))
		return 0;
	who_add(d, "mounted at", word[4]);
	return 1;
}

static int swap_line(char *line, void *arg)
{
	struct disk *d = arg;
	size_t n = strlen(d->node);

	if (strncmp(line, d->node, n) || (line[n] != ' ' && line[n] != '\t'))
		return 0;
	who_add(d, "used as", "swap");
	return 1;
}

static int who_in_table(struct disk *d, const char *file, int (*line)(char *line, void *arg))
{
	char path[RF_SYSFS_PATH];

	rf_sysfs_path(path, "%s", file);
	return rf_sysfs_lines(path, line, d);
}

static int loop_on(const char *name, void *arg)
{
	struct disk *d = arg;
	char path[RF_SYSFS_PATH], file[200];

	rf_sysfs_path(path, "/sys/class/block/%.100s/loop/backing_file", name);
	if (rf_sysfs_read(path, file, sizeof(file)) || strcmp(file, d->node))
		return 0;
	who_add(d, "behind", name);
	return 1;
}

struct target {
	struct disk *disk;
	const char *folder;
};

/* Kernel targets open a disk without claiming it: nvmet's configfs says so. */
static int nvmet_space(const char *name, void *arg)
{
	struct target *up = arg;
	char path[RF_SYSFS_PATH], file[200];

	snprintf(path, sizeof(path), "%.400s/%.30s/device_path", up->folder, name);
	if (rf_sysfs_read(path, file, sizeof(file)) || strcmp(file, up->disk->node))
		return 0;
	snprintf(path, sizeof(path), "%.400s/%.30s/enable", up->folder, name);
	if (rf_sysfs_read(path, file, sizeof(file)) || file[0] != '1')
		return 0;
	who_add(up->disk, "served by", "nvmet");
	return 1;
}

static int nvmet_system(const char *name, void *arg)
{
	char path[RF_SYSFS_PATH];
	struct target down = { arg, path };

	rf_sysfs_path(path, "/sys/kernel/config/nvmet/subsystems/%.230s/namespaces", name);
	return rf_sysfs_each(path, nvmet_space, &down);
}

static int disk_user_find(struct disk *d);

static int holder_look(const char *name, void *arg)
{
	struct disk *d = arg, upper = { .depth = d->depth + 1 };
	char path[RF_SYSFS_PATH], dm[100], title[200];

	rf_sysfs_path(path, "/sys/class/block/%.100s/dm/name", name);
	bool named = !rf_sysfs_read(path, dm, sizeof(dm));
	snprintf(title, sizeof(title), named ? "%.60s (%s)" : "%.60s", name, dm);
	who_add(d, "part of", title);
	disk_describe(&upper, name);
	if (d->depth < DEPTH && disk_user_find(&upper))
		who_add(d, ", which is", upper.who);
	return 1;
}

/* 1: d->who says by whom. */
static int disk_user_find(struct disk *d)
{
	char path[RF_SYSFS_PATH];

	/* In our own mount namespace, and in that of the host, which may be another one. */
	if (who_in_table(d, "/proc/self/mountinfo", mount_line) ||
	    who_in_table(d, "/proc/1/mountinfo", mount_line) ||
	    who_in_table(d, "/proc/swaps", swap_line))
		return 1;
	rf_sysfs_path(path, "/sys/class/block/%.100s/holders", d->name);
	if (rf_sysfs_each(path, holder_look, d))
		return 1;
	rf_sysfs_path(path, "/sys/class/block");
	if (rf_sysfs_each(path, loop_on, d))
		return 1;
	rf_sysfs_path(path, "/sys/kernel/config/nvmet/subsystems");
	return rf_sysfs_each(path, nvmet_system, d);
}

static int disk_used(struct search *s, const char *name)
{
	struct disk d = { 0 };

	disk_describe(&d, name);
	return disk_user_find(&d) ? in_use(s, "disk", d.node, d.who) : 0;
}

/* ---- who claims a disk -------------------------------------------------------------- */

/* Is it one path's part of a multipath disk, which cannot be opened itself? */
static bool hidden(const char *name)
{
	char path[RF_SYSFS_PATH], text[8];

	rf_sysfs_path(path, "/sys/class/block/%.100s/hidden", name);
	return !rf_sysfs_read(path, text, sizeof(text)) && text[0] == '1';
}

/* -EBUSY: somebody claims it or a part of it, as mounts do in any namespace, swap, and programs
 * that ask to be alone. -ESTALE: the node is of another device. */
static int claim_try(const char *node, const char *number, int *hold)
{
	int fd = open(node, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	char own[32] = "";
	struct stat st;

	if (fd < 0)
		return -errno;
	if (!fstat(fd, &st) && S_ISBLK(st.st_mode))
		snprintf(own, sizeof(own), "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	bool stale = strcmp(own, number);
	if (stale || !hold)
		close(fd);
	else
		*hold = fd;
	return stale ? -ESTALE : 0;
}

static int (*claim)(const char *node, const char *number, int *hold) = claim_try;

/* Claims a disk and its partitions. hold: keeps the descriptors, and so the claims. */
static int disk_claim(struct search *s, const char *name, int *hold)
{
	struct disk d = { 0 };

	disk_describe(&d, name);
	int err = hidden(name) ? 0 : claim(d.node, d.number, hold);
	if (err == -EBUSY)
		return in_use(s, "disk", d.node,
			      "claimed by a program, or by a mount that is not in sight");
	if (!err || err == -ENXIO || err == -ENODEV || err == -ENOMEDIUM)
		return 0;
	if (!s->last) /* a disk that was found just now has no node yet */
		return RF_OPEN_LATER;
	rf_log("%s: nobody knows whether its disk %s is in use: %s; say 'force yes' if it is not",
	       s->address, d.node, strerror(-err));
	return RF_EXIT_SYSTEM;
}

static int disk_claimed(struct search *s, const char *name)
{
	return disk_claim(s, name, NULL);
}

/*
 * While we claim a disk or partition nobody else can mount or claim it. The claims are held from
 * the last check until the kernel's driver has released the disk, so that no mount comes in
 * between.
 */
#define HELD_MOST 64
static int held[HELD_MOST];
static unsigned held_count;

static int disk_hold(struct search *s, const char *name)
{
	char path[RF_SYSFS_PATH], text[16];
	int fd = -1;

	rf_sysfs_path(path, "/sys/class/block/%.100s/partition", name);
	if (!rf_sysfs_read(path, text, sizeof(text)) || held_count == HELD_MOST)
		return 0; /* its disk is held */
	int err = disk_claim(s, name, &fd);
	if (fd >= 0)
		held[held_count++] = fd;
	return err;
}

void rf_holders_release(void)
{
	while (held_count)
		close(held[--held_count]);
}

/* ---- who has a disk open -------------------------------------------------------------- */

struct opened {
	const struct disk *disk;
	const char *pid;
};

static int fd_is_disk(const char *fd, void *arg)
{
	struct opened *o = arg;
	char path[RF_SYSFS_PATH], target[100];

	rf_sysfs_path(path, "/proc/%.20s/fd/%.20s", o->pid, fd);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	return !strcmp(target, o->disk->node);
}

static int opened_by(const char *name, void *arg)
{
	struct disk *d = arg;
	struct opened o = { d, name };
	char path[RF_SYSFS_PATH], comm[32];

	if (name[0] < '1' || name[0] > '9')
		return 0;
	rf_sysfs_path(path, "/proc/%.20s/fd", name);
	if (!rf_sysfs_each(path, fd_is_disk, &o))
		return 0;
	rf_sysfs_path(path, "/proc/%.20s/comm", name);
	rf_sysfs_read(path, comm, sizeof(comm));
	who_add(d, "open in process", name);
	snprintf(d->who + strlen(d->who), sizeof(d->who) - strlen(d->who), " (%s)", comm);
	return 1;
}

/* Does a program have the disk open? One that only looks what is on it, such as those of udev,
 * is soon done. */
static int disk_opened(struct search *s, const char *name)
{
	char path[RF_SYSFS_PATH];
	struct disk d = { 0 };

	rf_sysfs_path(path, "/proc");
	disk_describe(&d, name);
	if (!rf_sysfs_each(path, opened_by, &d))
		return 0;
	return s->last ? in_use(s, "disk", d.node, d.who) : RF_OPEN_LATER;
}

/* ---- interfaces ---------------------------------------------------------------------- */

static int upper_name(const char *entry, void *arg)
{
	if (strncmp(entry, "upper_", 6))
		return 0;
	snprintf(arg, 40, "%.30s", entry + 6);
	return 1;
}

/* The default route is that of destination 0 and mask 0: proc_net(5). */
static int default_route(char *line, void *arg)
{
	char *save, *word[8] = { strtok_r(line, "\t ", &save) };

	for (int i = 1; i < 8 && word[i - 1]; i++)
		word[i] = strtok_r(NULL, "\t ", &save);
	return word[7] && !strcmp(word[0], arg) && !strcmp(word[1], "00000000") &&
	       !strcmp(word[7], "00000000");
}

static int interface_look(const char *name, void *arg)
{
	struct search *s = arg;
	char path[RF_SYSFS_PATH], text[40] = "", who[80];

	rf_sysfs_path(path, "/sys/class/net/%.100s", name);
	if (!rf_sysfs_below(path, s->top))
		return 0;
	if (!rf_sysfs_each(path, upper_name, text)) {
		rf_sysfs_path(path, "/sys/class/net/%.100s/master", name);
		rf_sysfs_link(path, text, sizeof(text));
	}
	snprintf(who, sizeof(who), "part of %s", text);
	if (text[0])
		return in_use(s, "interface", name, who);
	rf_sysfs_path(path, "/sys/class/net/%.100s/flags", name);
	if (rf_sysfs_read(path, text, sizeof(text)) || !(strtoul(text, NULL, 16) & 1))
		return 0;
	rf_sysfs_path(path, "/proc/self/net/route");
	bool routes = rf_sysfs_lines(path, default_route, (void *)name);
	return in_use(s, "interface", name, routes ? "up and has the default route" : "up");
}

static int first_entry(const char *name, void *arg)
{
	(void)name;
	(void)arg;
	return 1;
}

/* An interface is below a folder `net`, and is not shown to other network namespaces. */
static int moved_away(const char *folder, const struct search *s)
{
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	close(fd);
	if (rf_sysfs_each(folder, first_entry, NULL))
		return 0;
	rf_log("%s is in use: its interface is in another network namespace; bring it back first, "
	       "or say "
	       "'force yes'",
	       s->address);
	return RF_EXIT_IN_USE;
}

/* A virtio device has its interface in a folder one level below. */
static int virtio_child(const char *name, void *arg)
{
	const struct search *s = arg;
	char path[RF_SYSFS_PATH];

	snprintf(path, sizeof(path), "%.400s/%.100s/net", s->top, name);
	return strncmp(name, "virtio", 6) ? 0 : moved_away(path, s);
}

static int interfaces_look(struct search *s)
{
	char path[RF_SYSFS_PATH];
	int err;

	rf_sysfs_path(path, "/sys/class/net");
	if ((err = rf_sysfs_each(path, interface_look, s)))
		return err;
	snprintf(path, sizeof(path), "%.500s/net", s->top);
	return (err = moved_away(path, s)) ? err : rf_sysfs_each(s->top, virtio_child, s);
}

/* ---- all of it ------------------------------------------------------------------------- */

static int virtual_functions_look(const struct search *s)
{
	char path[RF_SYSFS_PATH], text[16];

	snprintf(path, sizeof(path), "%.500s/sriov_numvfs", s->top);
	if (rf_sysfs_read(path, text, sizeof(text)) || !strtoul(text, NULL, 10))
		return 0;
	rf_log("%s is in use: it has %s virtual functions, which would go with its driver; remove "
	       "them, or say "
	       "'force yes'",
	       s->address, text);
	return RF_EXIT_IN_USE;
}

int rf_holders_check(const char *pci_address, bool last)
{
	struct search s = { .address = pci_address, .last = last };
	int err;

	rf_sysfs_path(s.top, "/sys/bus/pci/devices/%.40s", pci_address);
	/* Holders with a name come first, for the log line. */
	if ((err = each_disk(&s, disk_used)) || (err = each_disk(&s, disk_claimed)) ||
	    (err = each_disk(&s, disk_opened)) || (err = interfaces_look(&s)))
		return err;
	if (!(err = virtual_functions_look(&s)) && (err = each_disk(&s, disk_hold)))
		rf_holders_release();
	return err;
}
