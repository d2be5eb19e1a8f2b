/* SPDX-License-Identifier: MIT */
/*
 * config_check.c - see config_check.h. Room: sandbox/proto.
 *
 * Trust: rf-config is ours, but it read text; what it hands over must not be able to take
 *        over whoever has the privileges.
 */
#include <net/if.h>
#include <string.h>

#include "config_check.h"
#include "export_config.h"
#include "pci_address.h"
#include "walls.h"

#define TEXT(member)  (text_good(member, sizeof(member)))
#define NAMED(member) (TEXT(member) && (member)[0])
#define FOLDER(member, room) (NAMED(member) && (member)[0] == '/' && strlen(member) < (room))

/* It ends, and nothing in it does more to a log or a terminal than to be seen. */
static bool text_good(const char *text, size_t room)
{
	if (!memchr(text, 0, room))
		return false;
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127)
			return false;
	return true;
}

/* One component of a path, and a string in JSON. */
static bool plain(const char *text, size_t room)
{
	return text_good(text, room) && text[0] && text[0] != '.' && !strpbrk(text, "/\"\\ ");
}
#define PLAIN(member) (plain(member, sizeof(member)))

/* Any byte may lie there, and reading it as a bool would be undefined. */
static bool truth(const bool *b)
{
	return *(const unsigned char *)b <= 1;
}

static bool check_address(const char *pci)
{
	char canonical[RF_PCI_ADDRESS];

	return !pci[0] || (!rf_pci_address(pci, canonical) && !strcmp(pci, canonical));
}

/* What the kernel takes for the name of an interface, `%` for a number of its choice left out. */
bool rf_interface_good(const char *name)
{
	return name[0] && strlen(name) < IFNAMSIZ && strcmp(name, ".") && strcmp(name, "..") &&
	       !strpbrk(name, "/:% \t\n\r\v\f");
}

/* What it is depends on who uses it. */
static bool listens(const struct rf_config_device *d)
{
	switch (d->export_kind) {
	case RF_EXPORT_NBD:
		return d->listen[0] == '/';
	case RF_EXPORT_PROGRAM:
	case RF_EXPORT_NET_PROGRAM:
		return d->program[0] == '/' && (!d->listen[0] || d->listen[0] == '/');
	case RF_EXPORT_TAP:
		return rf_interface_good(d->listen);
	default:
		return !d->listen[0];
	}
}

static bool strings(const struct rf_config_device *d)
{
	struct rf_namespace ignored;

	return PLAIN(d->name) && strlen(d->name) < RF_NAME - 16 && !strchr(d->name, '.') &&
	       NAMED(d->policy_file) && NAMED(d->image) && TEXT(d->listen) && TEXT(d->program) &&
	       TEXT(d->words) &&
	       TEXT(d->lwip_key) && TEXT(d->stack) && TEXT(d->socket) && TEXT(d->pci) &&
	       TEXT(d->name_space) && !rf_namespace_parse(d->name_space, &ignored) &&
	       PLAIN(d->policy.driver) && PLAIN(d->policy.device.filter) && check_address(d->pci) &&
	       (!d->socket[0] || d->socket[0] == '/') && listens(d);
}

static bool network(const struct rf_lwip_addr *a)
{
	return !a->family || (a->family == 4 && a->bits <= 32) ||
	       (a->family == 6 && a->bits <= 128);
}

static bool check_place(const struct rf_lwip_place *p)
{
	return p->kind <= RF_LWIP_TCP && p->any <= 1 && TEXT(p->name) && network(&p->address) &&
	       (p->kind != RF_LWIP_UNIX || p->name[0] == '/') &&
	       (p->kind != RF_LWIP_TCP || (p->port && !p->name[0]));
}

static bool stack_service(const struct rf_lwip_service *s)
{
	bool ok = s->job >= RF_LWIP_FORWARD && s->job <= RF_LWIP_DISK && s->read_only <= 1 &&
		  s->partition <= 128 && s->allow_count <= RF_LWIP_ALLOWS &&
		  check_place(&s->listen) && check_place(&s->target) && TEXT(s->device) &&
		  s->disk < RF_LWIP_DISKS;

	for (uint32_t i = 0; ok && i < s->allow_count; i++)
		ok = network(&s->allow[i]);
	return ok;
}

static bool check_stack(const struct rf_config *c, const struct rf_config_device *d)
{
	const struct rf_lwip_config *l = &d->lwip;
	bool ok = l->count <= RF_LWIP_SERVICES && l->disks <= RF_LWIP_DISKS && l->dns_count <= 2 &&
		  !(l->flags & ~RF_LWIP_TRUST_CHECKSUM) && l->mode4 <= RF_LWIP_AUTO &&
		  l->mode6 <= RF_LWIP_AUTO && l->bits4 <= 32 && l->bits6 <= 128 &&
		  network(&l->dns[0]) && network(&l->dns[1]) && TEXT(l->hostname) &&
		  d->stack_index >= 0 && d->stack_index < c->count + c->gone;

	for (uint32_t i = 0; ok && i < l->count; i++)
		ok = stack_service(&l->service[i]);
	for (uint32_t i = 0; ok && i < l->disks; i++)
		ok = d->disk[i] >= 0 && d->disk[i] < c->count + c->gone &&
		     c->device[d->disk[i]].export_kind == RF_EXPORT_LWIP_DISK;
	return ok;
}

static bool step(const struct rf_reset_step *s)
{
	return s->poll <= 1 && s->bar <= 5 && (s->bytes == 1 || s->bytes == 2 || s->bytes == 4) &&
	       s->offset <= INT64_MAX && s->offset % s->bytes == 0;
}

static bool window(const struct rf_reg_window *w)
{
	return w->bar <= 5 && w->write <= 1 && w->bytes && w->bytes % 4096 == 0 &&
	       w->offset % 4096 == 0 && w->offset <= INT64_MAX && w->bytes <= INT64_MAX;
}

#define FLAGS \
	(RF_DEVICE_BUSMASTER_OFF | RF_DEVICE_CACHE_LOST | RF_DEVICE_PAYLOAD | \
	 RF_DEVICE_PROMISCUOUS | RF_DEVICE_NO_STANDBY)

static bool numbers(const struct rf_device_config *p)
{
	bool ok = p->backend <= RF_BACKEND_VFIO_USER && p->admin < RF_ADMINS &&
		  p->service <= RF_SERVICE_NET && p->queues >= 1 && p->queues <= RF_MAX_QUEUES &&
		  p->queues_least <= p->queues &&
		  (p->queues == 1 || rf_admin_has_queues(p->admin)) && p->queue_entries >= 2 &&
		  p->queue_entries <= 4096 && !(p->queue_entries & (p->queue_entries - 1)) &&
		  p->arena_bytes && p->arena_bytes % (2u << 20) == 0 &&
		  p->arena_bytes <= RF_ARENA_MOST && p->queue_bytes && p->queue_bytes % 4096 == 0 &&
		  p->queue_bytes <= RF_QUEUE_MEMORY_MOST && p->step_count <= RF_MAX_STEPS &&
		  p->window_count <= RF_MAX_WINDOWS &&
		  p->queue_reset_ms <= RF_QUEUE_RESET_MOST_MS &&
		  (!p->mtu || (p->mtu >= 576 && p->mtu <= 9000)) && !(p->flags & ~FLAGS) &&
		  p->name_space.kind == RF_NAMESPACE_FIRST &&
		  !(p->interrupts & ~(RF_IRQ_MSIX | RF_IRQ_MSI | RF_IRQ_INTX));

	for (uint32_t i = 0; ok && i < p->step_count; i++)
		ok = step(&p->step[i]);
	for (uint32_t i = 0; ok && i < p->window_count; i++)
		ok = window(&p->window[i]);
	return ok;
}

static bool choices(const struct rf_config_device *d)
{
	return (unsigned)d->export_kind < RF_EXPORT_KINDS && d->export_kind != RF_EXPORT_NONE &&
	       truth(&d->force) && truth(&d->read_only) && truth(&d->promiscuous) &&
	       truth(&d->integrity);
}

/* An export counts tokens by it, in signed 64 bits. */
static bool check_rate(const struct rf_rate *r)
{
	return r->rate <= RF_RATE_MOST && r->burst <= RF_RATE_MOST && !r->rate == !r->burst;
}

static bool check_limits(const struct rf_limits *l)
{
	return check_rate(&l->requests) && check_rate(&l->bytes);
}

/* What reaches a device is one of the two, and nothing without a back end. */
static bool reached(const struct rf_config_device *d)
{
	uint32_t backend = d->policy.device.backend;

	return backend == RF_BACKEND_NONE ||
	       (backend == RF_BACKEND_VFIO ? d->pci[0] : d->socket[0]);
}

const char *rf_config_wrong(const struct rf_config *c)
{
	if (c->count < 1 || c->count > RF_MAX_DEVICES || c->gone < 0 || c->gone > RF_MAX_DEVICES)
		return "the number of devices";
	if (!FOLDER(c->run_dir, RF_RUN_DIR) || !FOLDER(c->program_dir, RF_CONFIG_FOLDER) ||
	    !FOLDER(c->driver_dir, RF_CONFIG_FOLDER) || !FOLDER(c->policy_dir, RF_CONFIG_FOLDER) ||
	    c->uid_base != RF_UID_BASE)
		return "a directory, or a user";
	for (int i = 0; i < c->count + c->gone; i++) {
		const struct rf_config_device *d = &c->device[i];

		if (!choices(d))
			return "a choice";
		if (!check_limits(&d->limit) || !check_limits(&d->client_limit))
			return "a limit";
		if (!strings(d))
			return "a name";
		const bool format = d->export_kind == RF_EXPORT_FORMAT;

		if (d->integrity_disk & ~(format ? RF_EXPORT_FORMAT_ADOPT | RF_EXPORT_FORMAT_AGAIN :
						   RF_EXPORT_INTEGRITY_DISK))
			return "an order to format";
		if (!check_stack(c, d))
			return "a stack";
		if (!numbers(&d->policy.device) || d->policy.demand >> RF_WALLS ||
		    !d->policy.deaths || !reached(d))
			return "a policy";
	}
	return NULL;
}
