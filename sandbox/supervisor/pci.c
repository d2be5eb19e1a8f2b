/* SPDX-License-Identifier: MIT */
/* pci.c - see pci.h. Room: sandbox/supervisor, privileged. */
#include "pci.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"

#define PCI "/sys/bus/pci/"

static int write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ssize_t n = fd < 0 ? -1 : write(fd, text, strlen(text));
	int err = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err;
}

static int read_text(const char *path, char *text, size_t room)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, room - 1);
	int err = n < 0 ? -errno : 0;

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return err;
}

static int write_attr(const char *address, const char *attr, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), PCI "devices/%s/%s", address, attr);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

/* Last component of a link in the device's folder: its driver or its group. */
static void read_link(const char *address, const char *attr, char *name, size_t room)
{
	char path[256], target[256];

	snprintf(path, sizeof(path), PCI "devices/%s/%s", address, attr);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = '\0';
	const char *slash = strrchr(target, '/');
	snprintf(name, room, "%s", slash ? slash + 1 : target);
}

static uint32_t read_hex(const char *address, const char *attr)
{
	char path[256], text[32];

	snprintf(path, sizeof(path), PCI "devices/%s/%s", address, attr);
	return read_text(path, text, sizeof(text)) ? ~0u : (uint32_t)strtoul(text, NULL, 16);
}

static int check_match(const struct rf_device *d)
{
	const struct rf_policy *p = &d->policy;
	uint32_t class = read_hex(d->pci, "class"), vendor = read_hex(d->pci, "vendor");
	uint32_t device = read_hex(d->pci, "device");

	if ((p->match_class == ~0u || p->match_class == class) &&
	    (p->match_vendor == ~0u || p->match_vendor == vendor) &&
	    (p->match_device == ~0u || p->match_device == device))
		return 0;
	rf_log("%s is a device %04x:%04x of class %06x, which the policy of driver %s is not for",
	       d->pci, vendor, device, class, p->driver);
	return RF_EXIT_NO_DEVICE;
}

/* Calls fn for every entry of a folder; stops at its first non-zero return. */
static int each_entry(const char *path, int (*fn)(const char *name, void *arg), void *arg)
{
	/* As the kernel writes it; opendir() would allocate. */
	char buf[4096] __attribute__((aligned(8)));
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err = 0;
	long n = 0;

	while (dir >= 0 && !err && (n = syscall(SYS_getdents64, dir, buf, sizeof(buf))) > 0)
		for (struct dirent *e = (void *)buf; !err && (char *)e < buf + n;
		     e = (void *)((char *)e + e->d_reclen))
			if (e->d_name[0] != '.')
				err = fn(e->d_name, arg);
	if (dir >= 0)
		close(dir);
	return err;
}

/* ---- in use? -------------------------------------------------------------- */

/* An exclusive open fails while the disk or a part of it is mounted, swapped to or
 * claimed by another driver. */
static int disk_in_use(const char *name, void *arg)
{
	const char *address = arg;
	char path[300];

	snprintf(path, sizeof(path), "/sys/class/block/%s", name);
	char real[512];
	if (!realpath(path, real) || !strstr(real, address))
		return 0;
	snprintf(path, sizeof(path), "/dev/%s", name);
	int fd = open(path, O_RDONLY | O_EXCL | O_CLOEXEC);
	int err = fd < 0 ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (err != EBUSY)
		return 0;
	rf_log("%s is in use: disk %s is mounted or claimed; unmount it, or say 'force yes'", address,
	       path);
	return RF_EXIT_IN_USE;
}

static int interface_up(const char *name, void *arg)
{
	const char *address = arg;
	char path[600], text[32];

	snprintf(path, sizeof(path), PCI "devices/%s/net/%s/flags", address, name);
	if (read_text(path, text, sizeof(text)) || !(strtoul(text, NULL, 16) & 1))
		return 0;
	rf_log("%s is in use: interface %s is up; take it down, or say 'force yes'", address, name);
	return RF_EXIT_IN_USE;
}

static int check_in_use(const char *address)
{
	char path[256];
	int err = each_entry("/sys/class/block", disk_in_use, (void *)address);

	snprintf(path, sizeof(path), PCI "devices/%s/net", address);
	return err ? err : each_entry(path, interface_up, (void *)address);
}

/* ---- its group ------------------------------------------------------------ */

struct members {
	const char *own;
	char names[512]; /* of those in the way */
};

/* VFIO's rule: every member is bound to a VFIO driver, to pcieport, or to none. */
static int member(const char *name, void *arg)
{
	struct members *m = arg;
	char driver[64];
	size_t used = strlen(m->names);

	read_link(name, "driver", driver, sizeof(driver));
	if (!strcmp(name, m->own) || !driver[0] || !strcmp(driver, "pcieport") ||
	    !strncmp(driver, "vfio", 4) || !strcmp(driver, "pci-stub"))
		return 0;
	snprintf(m->names + used, sizeof(m->names) - used, "%s%s (%s)", used ? ", " : "", name, driver);
	return 0;
}

int rf_pci_group(const char *address)
{
	char number[32];

	read_link(address, "iommu_group", number, sizeof(number));
	return number[0] ? atoi(number) : -1;
}

static int check_group(const char *address, int *group)
{
	struct members m = { .own = address };
	char path[128];

	if ((*group = rf_pci_group(address)) < 0) {
		rf_log("%s has no IOMMU group: this machine has no IOMMU, or its kernel was started "
		       "without it (intel_iommu=on or amd_iommu=on)", address);
		return RF_EXIT_NO_IOMMU;
	}
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%d/devices", *group);
	each_entry(path, member, &m);
	if (!m.names[0])
		return 0;
	rf_log("group %d of %s is not viable: unbind %s first, the IOMMU cannot tell them apart",
	       *group, address, m.names);
	return RF_EXIT_NOT_VIABLE;
}

/* ---- taking and giving back ------------------------------------------------ */

static void restore_path(const struct rf_config *c, const char *address, char *path, size_t room)
{
	snprintf(path, room, "%s/restore/%s", c->run_dir, address);
}

static int bind_vfio(const struct rf_device *d)
{
	char driver[64];
	int err = write_attr(d->pci, "driver_override", "vfio-pci");

	read_link(d->pci, "driver", driver, sizeof(driver));
	if (!err && driver[0])
		err = write_attr(d->pci, "driver/unbind", d->pci);
	if (!err)
		err = write_text(PCI "drivers_probe", d->pci);
	read_link(d->pci, "driver", driver, sizeof(driver));
	if (!err && !strcmp(driver, "vfio-pci"))
		return 0;
	rf_log("cannot bind %s to vfio-pci: %s", d->pci,
	       err ? strerror(-err) : "it did not take the device; is the module vfio-pci loaded?");
	return err ? RF_EXIT_SYSTEM : RF_EXIT_NO_IOMMU;
}

int rf_pci_take(const struct rf_config *c, const struct rf_device *d, int *group)
{
	char path[256], driver[64];
	int err;

	snprintf(path, sizeof(path), PCI "devices/%s", d->pci);
	if (read_hex(d->pci, "vendor") == ~0u) {
		rf_log("there is no PCI device %s (see lspci -D for the addresses)", d->pci);
		return RF_EXIT_NO_DEVICE;
	}
	if ((err = check_match(d)) || (err = check_group(d->pci, group)) ||
	    (!d->force && (err = check_in_use(d->pci))))
		return err;
	read_link(d->pci, "driver", driver, sizeof(driver));
	if (!strcmp(driver, "vfio-pci"))
		return 0; /* somebody else bound it, so it stays bound */
	restore_path(c, d->pci, path, sizeof(path));
	if ((err = write_text(path, driver))) {
		rf_log("cannot write %s: %s", path, strerror(-err));
		return RF_EXIT_SYSTEM;
	}
	if ((err = bind_vfio(d)))
		rf_pci_give_back(c, d->pci);
	return err;
}

void rf_pci_give_back(const struct rf_config *c, const char *address)
{
	char path[256], driver[64], now[64];

	restore_path(c, address, path, sizeof(path));
	if (read_text(path, driver, sizeof(driver)))
		return;
	read_link(address, "driver", now, sizeof(now));
	int err = write_attr(address, "driver_override", "\n");
	if (!err && now[0] && strcmp(now, driver))
		err = write_attr(address, "driver/unbind", address);
	if (!err && driver[0] && strcmp(now, driver))
		err = write_text(PCI "drivers_probe", address);
	read_link(address, "driver", now, sizeof(now));
	if (err || strcmp(now, driver))
		rf_log("%s is not back with its driver '%s' (it has '%s'): %s", address, driver, now,
		       err ? strerror(-err) : "the kernel did not bind it");
	unlink(path);
}

static int give_back_one(const char *name, void *arg)
{
	rf_log("giving back %s, which a predecessor left taken", name);
	rf_pci_give_back(arg, name);
	return 0;
}

void rf_pci_give_back_all(const struct rf_config *c)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/restore", c->run_dir);
	each_entry(path, give_back_one, (void *)c);
}
