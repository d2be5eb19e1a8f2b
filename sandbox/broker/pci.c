/* SPDX-License-Identifier: MIT */
/* pci.c - see pci.h. Room: sandbox/broker, root behind a list. */
#include "pci.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "broker.h"
#include "holders.h"
#include "log.h"
#include "pci_address.h"
#include "sysfs.h"

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

static int write_attr(const char *address, const char *attr, const char *text)
{
	char path[RF_SYSFS_PATH];

	rf_sysfs_path(path, PCI "devices/%s/%s", address, attr);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int err = fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
	if (fd >= 0)
		close(fd);
	return err;
}

/* Last component of a link in the device's folder: its driver or its group. */
static void read_link(const char *address, const char *attr, char *name, size_t room)
{
	char path[RF_SYSFS_PATH];

	rf_sysfs_path(path, PCI "devices/%s/%s", address, attr);
	rf_sysfs_link(path, name, room);
}

static uint32_t read_hex(const char *address, const char *attr)
{
	char path[RF_SYSFS_PATH], text[32];

	rf_sysfs_path(path, PCI "devices/%s/%s", address, attr);
	return rf_sysfs_read(path, text, sizeof(text)) ? ~0u : (uint32_t)strtoul(text, NULL, 16);
}

static int check_match(const struct rf_config_device *d)
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
	snprintf(m->names + used, sizeof(m->names) - used, "%s%s (%s)", used ? ", " : "", name,
		 driver);
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
	char path[RF_SYSFS_PATH];

	if ((*group = rf_pci_group(address)) < 0) {
		rf_log("%s has no IOMMU group: this machine has no IOMMU, or its kernel was "
		       "started "
		       "without it (intel_iommu=on or amd_iommu=on)",
		       address);
		return RF_EXIT_NO_IOMMU;
	}
	rf_sysfs_path(path, "/sys/kernel/iommu_groups/%d/devices", *group);
	rf_sysfs_each(path, member, &m);
	if (!m.names[0])
		return 0;
	rf_log("group %d of %s is not viable: unbind %s first, the IOMMU cannot tell them apart",
	       *group, address, m.names);
	return RF_EXIT_NOT_VIABLE;
}

/* ---- taking and giving back ------------------------------------------------ */

/* What a device was found with: a line DRIVER/OVERRIDE in RUN_DIR/restore/ADDRESS, without the
 * slash where there was no override. */
struct found {
	char driver[64];   /* "": none was bound */
	char override[64];
};

static void restore_path(const struct rf_config *c, const char *address, char path[RF_SYSFS_PATH])
{
	snprintf(path, RF_SYSFS_PATH, "%s/restore/%s", c->run_dir, address);
}

static int found_keep(const struct rf_config *c, const char *address)
{
	char path[RF_SYSFS_PATH], text[sizeof(struct found) + 1];
	struct found f;

	read_link(address, "driver", f.driver, sizeof(f.driver));
	rf_sysfs_path(path, PCI "devices/%s/driver_override", address);
	rf_sysfs_read(path, f.override, sizeof(f.override));
	bool none = !f.override[0] || !strcmp(f.override, "(null)");
	snprintf(text, sizeof(text), none ? "%s" : "%s/%s", f.driver, f.override);
	restore_path(c, address, path);
	int err = write_text(path, text);
	if (err)
		rf_log("cannot write %s: %s", path, strerror(-err));
	return err ? RF_EXIT_SYSTEM : 0;
}

/* False: it was not taken. */
static bool found_read(const char *path, struct found *f)
{
	char text[sizeof(*f)];

	if (rf_sysfs_read(path, text, sizeof(text)))
		return false;
	size_t n = strcspn(text, "/");
	snprintf(f->driver, sizeof(f->driver), "%.*s", (int)n, text);
	snprintf(f->override, sizeof(f->override), "%s", text[n] ? text + n + 1 : "");
	return true;
}

static int pci_probe(const char *address)
{
	char path[RF_SYSFS_PATH];

	rf_sysfs_path(path, PCI "drivers_probe");
	return write_text(path, address);
}

static int bind_vfio(const struct rf_config_device *d)
{
	char driver[64];
	int err = write_attr(d->pci, "driver_override", "vfio-pci");

	read_link(d->pci, "driver", driver, sizeof(driver));
	if (!err && driver[0])
		err = write_attr(d->pci, "driver/unbind", d->pci);
	if (!err)
		err = pci_probe(d->pci);
	read_link(d->pci, "driver", driver, sizeof(driver));
	if (!err && !strcmp(driver, "vfio-pci"))
		return 0;
	rf_log("cannot bind %s to vfio-pci: %s", d->pci,
	       err ? strerror(-err) : "it did not take the device; is the module vfio-pci loaded?");
	return err ? RF_EXIT_SYSTEM : RF_EXIT_NO_IOMMU;
}

/* ---- whether its driver has done with it --------------------------------------- */

struct controllers {
	const char *address;
	uint32_t    count;
	char        state[32]; /* of one that is not live */
};

static int controller_state(const char *name, void *arg)
{
	struct controllers *c = arg;
	char path[RF_SYSFS_PATH], state[sizeof(c->state)];

	rf_sysfs_path(path, PCI "devices/%s/nvme/%.60s/state", c->address, name);
	c->count++;
	if (!rf_sysfs_read(path, state, sizeof(state)) && strcmp(state, "live"))
		memcpy(c->state, state, sizeof(state));
	return 0;
}

/*
 * The kernel's NVMe driver brings a controller up, and puts down one that does not come up, in the
 * background. Taken from it meanwhile, it unbinds whoever has the device next: so a device is left
 * with it until it is done. Whatever `force` says, as it asks for no more than patience.
 */
static int check_settled(const struct rf_config_device *d, const char *driver, bool last)
{
	struct controllers c = { .address = d->pci };
	char path[RF_SYSFS_PATH];

	if (strcmp(driver, "nvme"))
		return 0;
	rf_sysfs_path(path, PCI "devices/%s/nvme", d->pci);
	rf_sysfs_each(path, controller_state, &c);
	if (c.count && !c.state[0])
		return 0;
	if (!last)
		return RF_OPEN_LATER;
	rf_log("%s is in use: its driver nvme is still at work on it (%s); try again, or unbind it",
	       d->pci, c.state[0] ? c.state : "new");
	return RF_EXIT_IN_USE;
}

static bool is_there(const char *address)
{
	return read_hex(address, "vendor") != ~0u;
}

int rf_pci_take(const struct rf_config *c, const struct rf_config_device *d, bool last, int *group)
{
	char driver[64];
	int err;

	if (!is_there(d->pci)) {
		rf_log("there is no PCI device %s (see lspci -D for the addresses)", d->pci);
		return RF_EXIT_NO_DEVICE;
	}
	if ((err = check_match(d)) || (err = check_group(d->pci, group)))
		return err;
	read_link(d->pci, "driver", driver, sizeof(driver));
	if (!strcmp(driver, "vfio-pci"))
		/* another program bound it to vfio-pci: it stays, since we know no other driver
		 * for it */
		return 0;
	if ((err = check_settled(d, driver, last)) ||
	    (!d->force && (err = rf_holders_check(d->pci, last))))
		return err;
	if (!(err = found_keep(c, d->pci)) && (err = bind_vfio(d)))
		rf_pci_give_back(c, d->pci);
	rf_holders_release();
	return err;
}

static void rebind(const char *address, const struct found *f)
{
	char now[64];

	read_link(address, "driver", now, sizeof(now));
	int err = write_attr(address, "driver_override", f->override[0] ? f->override : "\n");
	if (!err && now[0] && strcmp(now, f->driver))
		err = write_attr(address, "driver/unbind", address);
	if (!err && f->driver[0] && strcmp(now, f->driver))
		err = pci_probe(address);
	read_link(address, "driver", now, sizeof(now));
	if (!is_there(address))
		rf_log("%s is gone: it was not given back", address);
	else if (err || strcmp(now, f->driver))
		rf_log("%s is not back with its driver '%s' (it has '%s'): %s", address, f->driver,
		       now, err ? strerror(-err) : "the kernel did not bind it");
}

void rf_pci_give_back(const struct rf_config *c, const char *address)
{
	char path[RF_SYSFS_PATH];
	struct found f;

	restore_path(c, address, path);
	if (!found_read(path, &f))
		return;
	if (is_there(address))
		rebind(address, &f);
	else
		rf_log("%s is gone: there is nothing to give back", address);
	unlink(path);
}

static int give_back_one(const char *name, void *arg)
{
	char canonical[RF_PCI_ADDRESS];

	/* Only an address is accepted as a name here: it becomes part of a path in /sys. */
	if (rf_pci_address(name, canonical) || strcmp(name, canonical))
		return 0;
	rf_log("an earlier run ended without giving %s back: it returns to its driver", name);
	rf_pci_give_back(arg, name);
	return 0;
}

void rf_pci_give_back_all(const struct rf_config *c)
{
	char path[RF_SYSFS_PATH];

	snprintf(path, sizeof(path), "%s/restore", c->run_dir);
	rf_sysfs_each(path, give_back_one, (void *)c);
}
