/* SPDX-License-Identifier: MIT */
/*
 * finish.c - what only the whole configuration shows: lines that are missing, that do not go
 * together, or that two devices cannot both have; and more memory than there is.
 *
 * Room:   sandbox/config. See read.h.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config_fetch.h"
#include "log.h"
#include "read.h"

/* A device, and where it begins: FILE:LINE. */
struct place {
	char text[RF_CONFIG_PATH + 16];
};

static struct place place_of(const char *file, int line)
{
	struct place p;

	snprintf(p.text, sizeof(p.text), "%s:%d", file, line);
	return p;
}

static int mistake(const struct place *p, const struct rf_config_device *d, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int mistake(const struct place *p, const struct rf_config_device *d, const char *fmt, ...)
{
	char what[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	rf_log("%s: device %s %s", p->text, d->name, what);
	return -EINVAL;
}

/* ---- one device ------------------------------------------------------------------- */

static int finish_policy(const struct place *p, const struct rf_config *c,
			 struct rf_config_device *d)
{
	char path[600];

	if (!d->policy_file[0])
		return mistake(p, d, "has no 'policy' line");
	if (strchr(d->policy_file, '/'))
		snprintf(path, sizeof(path), "%s", d->policy_file);
	else
		snprintf(path, sizeof(path), "%s/%s.policy", c->policy_dir, d->policy_file);
	return rf_policy_read(path, &d->policy) ? -EINVAL : 0;
}

static int finish_backend(const struct place *p, struct rf_config_device *d)
{
	enum rf_backend needed = d->policy.device.backend;

	if (d->pci[0] && d->socket[0])
		return mistake(p, d, "has both a 'pci' and a 'socket' line: keep one");
	if (needed != RF_BACKEND_NONE && !d->pci[0] && !d->socket[0])
		return mistake(p, d,
			       "has neither a 'pci' nor a 'socket' line: its policy needs one");
	if (needed != RF_BACKEND_NONE && d->socket[0])
		d->policy.device.backend = RF_BACKEND_VFIO_USER;
	return 0;
}

static bool limited(const struct rf_limits *l)
{
	return l->requests.rate || l->bytes.rate;
}

static int finish_limits(const struct place *p, const struct rf_config_device *d)
{
	bool nbd = d->export_kind == RF_EXPORT_NBD || d->export_kind == RF_EXPORT_LWIP_DISK;

	if (nbd || (!limited(&d->limit) && !limited(&d->client_limit)))
		return 0;
	return mistake(p, d, "has a 'limit' or 'client-limit', which is for a disk served as NBD: "
			     "by 'export nbd', or 'export lwip NAME'");
}

static int finish_export(const struct place *p, struct rf_config_device *d)
{
	bool net = d->policy.device.service == RF_SERVICE_NET;
	uint32_t control = d->policy.device.admin;

	if (d->export_kind == RF_EXPORT_NONE)
		return mistake(p, d, "has no 'export' line");
	if (net && d->export_kind == RF_EXPORT_PROGRAM)
		d->export_kind = RF_EXPORT_NET_PROGRAM;
	if (net != (d->export_kind >= RF_EXPORT_TAP))
		return mistake(p, d,
			       net ? "has a net driver: it is exported as tap, lwip or program" :
				     "has no net driver: only a net driver is exported as tap, or "
				     "as lwip without a name");
	if (d->integrity_disk && rf_config_integrity_finish(p->text, d, net))
		return -EINVAL;
	if (d->promiscuous && !net)
		return mistake(p, d, "has no net driver: 'promiscuous' is for a net driver");
	if (d->name_space[0] && control != RF_ADMIN_NVME)
		return mistake(p, d, "has a 'namespace', which is for NVMe ('control nvme' of its "
				     "policy)");
	if (d->promiscuous)
		d->policy.device.flags |= RF_DEVICE_PROMISCUOUS;
	if (d->mtu && ((control != RF_ADMIN_E1000E && control != RF_ADMIN_IGB) ||
		       d->export_kind != RF_EXPORT_TAP))
		return mistake(
			p, d,
			"has an 'mtu', which is for an e1000e or igb exported as a tap: other "
			"interfaces have their device's");
	d->policy.device.mtu = d->mtu;
	return 0;
}

static bool in_stack(const struct rf_config_device *d)
{
	return d->export_kind == RF_EXPORT_LWIP || d->export_kind == RF_EXPORT_LWIP_DISK;
}

/* How many queues it is to have. */
static int finish_queues(const struct place *p, const struct rf_config *c,
			 struct rf_config_device *d)
{
	uint32_t most = d->policy.queues, want = d->queues ? d->queues : 1;

	if (want == RF_QUEUES_AUTO)
		want = c->processors < most ? c->processors : most;
	if (want > 1 && in_stack(d))
		return mistake(p, d, "is served in a stack, where it has one queue: leave out "
				     "'queues'");
	if (want > most && d->queues_demand)
		return mistake(p, d, "demands %u queues, and its policy allows %u", want, most);
	if (want > most)
		rf_log("%s: device %s has %u queues, not %u: its policy allows no more", p->text,
		       d->name, most, want);
	d->policy.device.queues = want < most ? want : most;
	d->policy.device.queues_least = d->queues_demand ? want : 1;
	return 0;
}

static int finish_device(const struct place *p, const struct rf_config *c,
			 struct rf_config_device *d)
{
	int err = finish_policy(p, c, d);

	if (!err)
		err = finish_backend(p, d);
	if (!err)
		err = finish_export(p, d);
	if (!err)
		err = finish_limits(p, d);
	if (!err)
		err = finish_queues(p, c, d);
	if (!d->image[0])
		snprintf(d->image, sizeof(d->image), "%s/%s", c->driver_dir, d->policy.driver);
	if (d->arena)
		d->policy.device.arena_bytes = d->arena;
	return err;
}

/* ---- two devices -------------------------------------------------------------------- */

static bool set_and_same(const char *a, const char *b)
{
	return a[0] && !strcmp(a, b);
}

/* What only one of the two can have; NULL: nothing. */
static const char *exclusive(const struct rf_config_device *a, const struct rf_config_device *b)
{
	bool named = a->export_kind == RF_EXPORT_NBD || a->export_kind == RF_EXPORT_TAP;

	return set_and_same(a->pci, b->pci)       ? a->pci :
	       set_and_same(a->socket, b->socket) ? a->socket :
	       named && a->export_kind == b->export_kind && set_and_same(a->listen, b->listen) ?
						    a->listen :
						    NULL;
}

static int devices_apart(const struct place *p, const struct rf_config *c, int i, const int *line)
{
	for (int j = 0; j < i; j++) {
		const char *what = exclusive(&c->device[i], &c->device[j]);

		if (what)
			return mistake(p, &c->device[i],
				       "has %s, as device %s of line %d does: only one can", what,
				       c->device[j].name, line[j]);
	}
	return 0;
}

/* ---- memory ---------------------------------------------------------------------------- */

static int memory_enough(const char *file, const struct rf_config *c)
{
	uint64_t need = 0;

	for (int i = 0; i < c->count; i++)
		need += c->device[i].policy.device.arena_bytes +
			rf_queue_memory(&c->device[i].policy.device);
	if (need <= rf_config_memory())
		return 0;
	rf_log("%s: its devices need %llu MiB for 'arena' and 'queue-memory', and this machine has "
	       "%llu MiB "
	       "of memory",
	       file, (unsigned long long)need >> 20, (unsigned long long)rf_config_memory() >> 20);
	return -EINVAL;
}

int rf_config_finish(const char *file, struct rf_config *c, const int *line)
{
	int err = 0;

	for (int i = 0; !err && i < c->count; i++) {
		struct place p = place_of(file, line[i]);

		err = finish_device(&p, c, &c->device[i]);
		if (!err)
			err = devices_apart(&p, c, i, line);
	}
	if (!err)
		err = rf_config_lwip_finish(file, c);
	return err ? err : memory_enough(file, c);
}
