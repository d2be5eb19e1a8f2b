/* SPDX-License-Identifier: MIT */
/*
 * nvme_namespace.c - the namespaces of the controller: one, or as many as an option says, each a
 * part of the same store, with names of its own; they come, go and are formatted by order.
 *
 * Room:   tests/models. Base 5.17.2.1 (Identify Namespace), 5.17.2.3 (descriptors), 5.17.2.2
 *         (list of those attached).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "nvme_model.h"

enum { NIDT_EUI64 = 1, NIDT_NGUID, NIDT_UUID };

/* ---- the option ------------------------------------------------------------------------- */

/* Hexadecimal digits, with dashes or without, into exactly so many bytes. */
static bool hex(const char *text, size_t length, uint8_t *to, unsigned bytes)
{
	unsigned digits = 0;

	for (size_t i = 0; i < length; i++) {
		const char *all = "0123456789abcdefABCDEF", *c = strchr(all, text[i]);
		if (text[i] == '-')
			continue;
		if (!c || digits == 2 * bytes)
			return false;
		unsigned value = (unsigned)(c - all);
		value -= value > 15 ? 6 : 0;
		to[digits / 2] = (uint8_t)(digits % 2 ? to[digits / 2] | value : value << 4);
		digits++;
	}
	return digits == 2 * bytes;
}

static bool property(struct name_space *s, const char *text, size_t length)
{
	static const struct { const char *key; unsigned bytes, at, kind; } names[] = {
		{ "eui64=", 8, offsetof(struct name_space, eui64), NIDT_EUI64 },
		{ "nguid=", 16, offsetof(struct name_space, nguid), NIDT_NGUID },
		{ "uuid=", 16, offsetof(struct name_space, uuid), NIDT_UUID },
	};

	for (unsigned i = 0; i < 3; i++) {
		size_t key = strlen(names[i].key);
		if (length < key || strncmp(text, names[i].key, key))
			continue;
		s->names |= 1u << names[i].kind;
		return hex(text + key, length - key, (uint8_t *)s + names[i].at, names[i].bytes);
	}
	return false;
}

/* NSID[,uuid=U][,nguid=N][,eui64=E] */
static bool one(struct nvme *n, const char *text, size_t length)
{
	struct name_space *s = &n->space[n->spaces];
	char *end;

	if (n->spaces == MAX_SPACES)
		return false;
	s->id = (uint32_t)strtoul(text, &end, 10);
	s->attached = true;
	bool ok = s->id && s->id < 0xfffffffe && (!n->spaces || s->id > s[-1].id);
	const char *at = end;
	while (ok && at < text + length) {
		const char *comma = memchr(at + 1, ',', length - (size_t)(at + 1 - text));
		const char *next = comma ? comma : text + length;
		ok = *at == ',' && property(s, at + 1, (size_t)(next - at) - 1);
		at = next;
	}
	n->spaces++;
	return ok;
}

bool space_option(struct nvme *n, const char *text)
{
	n->spaces = 0;
	for (;;) {
		size_t length = strcspn(text, ":");
		if (!one(n, text, length))
			return false;
		if (!text[length])
			return true;
		text += length + 1;
	}
}

void space_open(struct nvme *n)
{
	if (!n->spaces) {
		struct name_space *s = &n->space[n->spaces++];
		s->id = n->odd.nsid ? n->odd.nsid : 1;
		s->attached = true;
		s->names = n->nguid[0] ? 1u << NIDT_NGUID : 0;
		memcpy(s->nguid, n->nguid, strlen(n->nguid));
	}
	uint64_t each = n->store.bytes / n->spaces / 4096 * 4096;
	for (unsigned i = 0; i < n->spaces; i++) {
		n->space[i].offset = i * each;
		n->space[i].bytes = n->spaces == 1 ? n->store.bytes : each;
		n->space[i].block = n->store.block;
	}
}

/* ---- what is asked ---------------------------------------------------------------------- */

static struct name_space *find(struct nvme *n, uint32_t id)
{
	for (unsigned i = 0; i < n->spaces; i++)
		if (n->space[i].id == id)
			return &n->space[i];
	return NULL;
}

const struct name_space *space_attached(struct nvme *n, uint32_t id)
{
	const struct name_space *s = find(n, id);

	return s && s->attached ? s : NULL;
}

uint32_t space_last(const struct nvme *n)
{
	return n->space[n->spaces - 1].id;
}

void space_list(struct nvme *n, uint32_t above, uint32_t *list)
{
	for (unsigned i = 0; i < n->spaces; i++)
		if (n->space[i].attached && n->space[i].id > above)
			*list++ = n->space[i].id;
}

void space_identify(const struct name_space *s, unsigned char *page)
{
	struct nvme_id_ns *ns = (void *)page;

	ns->nsze = ns->ncap = ns->nuse = s->bytes / s->block;
	ns->dlfeat = NVME_DLFEAT_READ_ZEROES | NVME_DLFEAT_WRITE_ZEROES_DEAC;
	ns->lbaf[0].lbads = (uint8_t)__builtin_ctz(s->block);
	memcpy(ns->nguid, s->nguid, sizeof(s->nguid));
	memcpy(ns->eui64, s->eui64, sizeof(s->eui64));
}

static unsigned char *descriptor(unsigned char *page, unsigned type, const void *name,
				 unsigned bytes)
{
	page[0] = (unsigned char)type;
	page[1] = (unsigned char)bytes;
	memcpy(page + 4, name, bytes);
	return page + 4 + bytes;
}

void space_descriptors(const struct nvme *n, const struct name_space *s, unsigned char *page)
{
	if (s->names & 1u << NIDT_EUI64)
		page = descriptor(page, NIDT_EUI64, s->eui64, sizeof(s->eui64));
	if (s->names & 1u << NIDT_NGUID)
		page = descriptor(page, NIDT_NGUID, s->nguid, sizeof(s->nguid));
	if (s->names & 1u << NIDT_UUID)
		page = descriptor(page, NIDT_UUID, s->uuid, sizeof(s->uuid));
	(void)descriptor(page, NVME_NIDT_CSI, &n->odd.csi, 1);
}

/* ---- orders: namespace N attach|detach|format BYTES --------------------------------------- */

int space_control(struct nvme *n, int count, char **word)
{
	struct name_space *s = count >= 3 ? find(n, (uint32_t)strtoul(word[1], NULL, 10)) : NULL;

	if (!s)
		return -EINVAL;
	if (!strcmp(word[2], "attach") || !strcmp(word[2], "detach")) {
		s->attached = word[2][0] == 'a';
		return 0;
	}
	uint32_t block = count == 4 ? (uint32_t)strtoul(word[3], NULL, 10) : 0;
	if (strcmp(word[2], "format") || (block != 512 && block != 4096))
		return -EINVAL;
	s->block = block;
	return store_zero(&n->store, s->offset, s->bytes);
}
