/* SPDX-License-Identifier: MIT */
/* slots.c - see slots.h. Room: sandbox/keeper, two capabilities. */
#include "slots.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CHUNK 16384u /* bytes that are mapped at a time */

/* ---- memory ------------------------------------------------------------------- */

/* The free ones of a kind are a list, by their first bytes. */
static bool pool_fill(void **free_list, size_t bytes)
{
	char *chunk = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (chunk == MAP_FAILED)
		return false;
	for (size_t at = 0; at + bytes <= CHUNK; at += bytes) {
		*(void **)(chunk + at) = *free_list;
		*free_list = chunk + at;
	}
	return true;
}

static void *pool_take(void **free_list, size_t bytes)
{
	if (!*free_list && !pool_fill(free_list, bytes))
		return NULL;
	void *p = *free_list;

	*free_list = *(void **)p;
	memset(p, 0, bytes);
	return p;
}

static void pool_give(void **free_list, void *p)
{
	*(void **)p = *free_list;
	*free_list = p;
}

/* ---- by name, by pid ------------------------------------------------------------ */

static unsigned bucket_of(const char *name)
{
	uint32_t h = 0x811c9dc5;

	for (; *name; name++)
		h = (h ^ (unsigned char)*name) * 0x01000193;
	return (h ^ h >> 16) % SLOT_BUCKETS;
}

struct slot *slot_find(const struct slots *t, const char *name)
{
	struct slot *s = t->by_name[bucket_of(name)];

	while (s && strcmp(s->name, name))
		s = s->name_next;
	return s;
}

struct slot *slot_of(const struct slots *t, pid_t pid)
{
	struct slot *s = t->by_pid[(unsigned)pid % SLOT_BUCKETS];

	while (s && s->pid != pid)
		s = s->pid_next;
	return s;
}

struct slot *slot_new(struct slots *t, const char *name)
{
	struct slot *s = t->count < RF_KEEP_SLOTS ? pool_take(&t->free_slots, sizeof(*s)) : NULL;

	if (!s)
		return NULL;
	struct slot **bucket = &t->by_name[bucket_of(name)];

	snprintf(s->name, sizeof(s->name), "%s", name);
	s->fd = -1;
	s->name_next = *bucket;
	*bucket = s;
	t->count++;
	return s;
}

static void name_remove(struct slots *t, struct slot *s)
{
	struct slot **at = &t->by_name[bucket_of(s->name)];

	while (*at != s)
		at = &(*at)->name_next;
	*at = s->name_next;
}

static void pid_remove(struct slots *t, struct slot *s)
{
	struct slot **at = &t->by_pid[(unsigned)s->pid % SLOT_BUCKETS];

	while (*at != s)
		at = &(*at)->pid_next;
	*at = s->pid_next;
}

/* ---- processes --------------------------------------------------------------------- */

static void list_append(struct slots *t, struct slot *s)
{
	s->before = t->last;
	s->behind = NULL;
	*(t->last ? &t->last->behind : &t->first) = s;
	t->last = s;
}

static void list_remove(struct slots *t, struct slot *s)
{
	*(s->before ? &s->before->behind : &t->first) = s->behind;
	*(s->behind ? &s->behind->before : &t->last) = s->before;
}

int slot_process(struct slots *t, struct slot *s)
{
	struct slot **bucket = &t->by_pid[(unsigned)s->run.pid % SLOT_BUCKETS];

	if (s->run.report >= 0 &&
	    !(s->exit_info = pool_take(&t->free_infos, sizeof(*s->exit_info))))
		return -ENOMEM;
	s->pid = s->run.pid;
	s->fd = s->run.pidfd;
	s->number = ++t->number;
	s->pid_next = *bucket;
	*bucket = s;
	list_append(t, s);
	return 0;
}

void slot_dead(struct slots *t, struct slot *s)
{
	pid_remove(t, s);
	s->dead = true;
	t->untold++;
}

void slot_told(struct slots *t, struct slot *s, bool told)
{
	if (!s->dead || told == s->told)
		return;
	t->told += told ? 1u : -1u;
	t->untold += told ? -1u : 1u;
	s->told = told;
}

void slot_free(struct slots *t, struct slot *s)
{
	slot_told(t, s, false);
	t->untold -= s->dead;
	if (s->fd >= 0)
		close(s->fd);
	if (s->pid) {
		if (!s->dead)
			pid_remove(t, s);
		list_remove(t, s);
	}
	if (s->exit_info)
		pool_give(&t->free_infos, s->exit_info);
	name_remove(t, s);
	pool_give(&t->free_slots, s);
	t->count--;
}

void slots_drop(struct slots *t, const char *prefix)
{
	const size_t bytes = strlen(prefix);

	for (unsigned i = 0; i < SLOT_BUCKETS; i++)
		for (struct slot *s = t->by_name[i], *next; s; s = next) {
			next = s->name_next;
			if (!s->pid && !strncmp(s->name, prefix, bytes))
				slot_free(t, s);
		}
}
