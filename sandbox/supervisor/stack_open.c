/* SPDX-License-Identifier: MIT */
/*
 * stack_open.c - which devices share a stack, and the fds that it needs and nobody else.
 *
 * Room:   sandbox/supervisor, no privilege.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"
#include "supervisor.h"

static int config_memory(const struct rf_lwip_config *c)
{
	int fd = memfd_create("rf-lwip-config", MFD_CLOEXEC);

	if (fd >= 0 && write(fd, c, sizeof(*c)) == sizeof(*c))
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

int stack_start(struct sup *s, struct dev *d)
{
	const struct rf_lwip_config *c = &d->cfg->lwip;
	int code = 0;

	d->r.stack = (struct stack){ .open = true, .config = config_memory(c) };
	memset(d->r.stack.listen, -1, sizeof(d->r.stack.listen));
	if (d->r.stack.config < 0) {
		rf_log("%s: no memory for the configuration of its stack: %s", d->cfg->name,
		       strerror(errno));
		return RF_EXIT_SYSTEM;
	}
	for (uint32_t i = 0; i < c->count && !code; i++)
		if (rf_lwip_on_host(&c->service[i]))
			code = open_service(s, d, RF_OPEN_STACK, i, &d->r.stack.listen[i]);
	return code;
}

void stack_keep(struct sup *s, struct dev *d)
{
	char name[RF_KEEP_NAME];

	snprintf(name, sizeof(name), "%s/stack", d->cfg->name);
	(void)keep_store(s, name, d->r.stack.config);
	for (uint32_t i = 0; i < d->cfg->lwip.count; i++) {
		snprintf(name, sizeof(name), "%s/stack.%u", d->cfg->name, i);
		if (d->r.stack.listen[i] >= 0)
			(void)keep_store(s, name, d->r.stack.listen[i]);
	}
}

void stack_find(struct sup *s, struct dev *d)
{
	char name[RF_KEEP_NAME];

	snprintf(name, sizeof(name), "%s/stack", d->cfg->name);
	d->r.stack.config = keep_retrieve(s, name);
	d->r.stack.open = d->r.stack.config >= 0;
	for (uint32_t i = 0; i < RF_LWIP_SERVICES; i++) {
		snprintf(name, sizeof(name), "%s/stack.%u", d->cfg->name, i);
		d->r.stack.listen[i] =
			d->r.stack.open && i < d->cfg->lwip.count ? keep_retrieve(s, name) : -1;
	}
}

void stack_close(struct sup *s, struct dev *d)
{
	int none;

	if (!d->r.stack.open)
		return;
	for (uint32_t i = 0; i < d->cfg->lwip.count; i++)
		if (d->r.stack.listen[i] >= 0) {
			close(d->r.stack.listen[i]);
			(void)open_service(s, d, RF_OPEN_STACK_VANISH, i, &none);
		}
	if (d->r.stack.config >= 0)
		close(d->r.stack.config);
	d->r.stack = (struct stack){ 0 };
}

struct dev *stack_of(struct sup *s, const struct dev *d)
{
	if (d->cfg->export_kind == RF_EXPORT_LWIP)
		return &s->dev[d - s->dev];
	return d->cfg->export_kind == RF_EXPORT_LWIP_DISK ? dev_entry(s, d->cfg->stack_index) :
							    NULL;
}
