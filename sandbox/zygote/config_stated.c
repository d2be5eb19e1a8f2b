/* SPDX-License-Identifier: MIT */
/* config_stated.c - see config_stated.h. Room: sandbox/zygote, root. */
#include "config_fetch.h"
#include "config_stated.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* As in words.h: what separates words. */
static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

struct cursor {
	const char *at, *end; /* of the rest of a line */
};

/* The next word of a line; false: there is none. */
static bool word_next(struct cursor *c, const char **word, size_t *bytes)
{
	while (c->at < c->end && blank(*c->at))
		c->at++;
	*word = c->at;
	while (c->at < c->end && !blank(*c->at))
		c->at++;
	*bytes = (size_t)(c->at - *word);
	return *bytes;
}

/* The next line without its comment; false: there is none. */
static bool line_next(const struct rf_config_text *s, size_t *offset, struct cursor *line)
{
	const char *from = s->text + *offset, *newline;

	if (*offset >= s->bytes)
		return false;
	newline = memchr(from, '\n', s->bytes - *offset);
	line->at = from;
	line->end = newline ? newline : s->text + s->bytes;
	*offset = (size_t)(line->end - s->text) + 1;
	const char *comment = memchr(from, '#', (size_t)(line->end - from));
	if (comment)
		line->end = comment;
	return true;
}

static bool is(const char *word, size_t bytes, const char *wanted)
{
	return bytes == strlen(wanted) && !memcmp(word, wanted, bytes);
}

/* An address may be written in capitals or not. */
static bool is_address(const char *word, size_t bytes, const char *wanted)
{
	return bytes == strlen(wanted) && !strncasecmp(word, wanted, bytes);
}

static bool begins(struct cursor line, const char *const *words)
{
	bool address = !strcmp(words[0], "pci");
	const char *word;
	size_t bytes;

	for (; *words; words++)
		if (!word_next(&line, &word, &bytes) ||
		    !(address ? is_address(word, bytes, *words) : is(word, bytes, *words)))
			return false;
	return true;
}

static bool contains(struct cursor line, const char *wanted)
{
	const char *word;
	size_t bytes;

	while (word_next(&line, &word, &bytes))
		if (is(word, bytes, wanted))
			return true;
	return false;
}

/* Does a line of this part of the file begin with these words? Without words: does it contain
 * `any`? */
static bool said(const struct rf_config_text *s, const char *const *words, const char *any)
{
	struct cursor line;
	size_t offset = 0;

	while (line_next(s, &offset, &line))
		if (words ? begins(line, words) : contains(line, any))
			return true;
	return false;
}

#define SAID(part, ...) said(part, (const char *const[]){ __VA_ARGS__, NULL }, NULL)

static bool is_device(struct cursor line)
{
	return begins(line, (const char *const[]){ "device", NULL });
}

/* The part of the file that begins at *offset and ends before a line of another device, where
 * *offset is then. */
static struct rf_config_text part_next(const struct rf_config_text *s, size_t *offset, bool head)
{
	size_t from = *offset < s->bytes ? *offset : s->bytes, end = from, next = from;
	struct rf_config_text part = { .text = s->text + from, .file = s->file,
				       .defaults = s->defaults };
	struct cursor line;

	while (line_next(s, &next, &line) && ((!head && end == from) || !is_device(line)))
		end = next;
	*offset = end;
	part.bytes = (end < s->bytes ? end : s->bytes) - from;
	return part;
}

int rf_config_devices(const struct rf_config_text *s)
{
	struct cursor line;
	size_t offset = 0;
	int devices = 0;

	while (devices < RF_MAX_DEVICES && line_next(s, &offset, &line))
		devices += is_device(line);
	return devices;
}

/* ---- what root acts on ----------------------------------------------------------------- */

static bool said_folder(const struct rf_config_text *head, const char *key, const char *now,
			const char *by_default)
{
	return !strcmp(now, by_default) || SAID(head, key, now);
}

static bool said_image(const struct rf_config_text *s, const struct rf_config *c,
		       const struct rf_config_device *d)
{
	char path[sizeof(c->driver_dir) + RF_NAME + 1];

	snprintf(path, sizeof(path), "%s/%s", c->driver_dir, d->policy.driver);
	return !strcmp(d->image, path) || SAID(s, "image", d->image);
}

static bool said_listener(const struct rf_config_text *s, const struct rf_config_device *d)
{
	switch (d->export_kind) {
	case RF_EXPORT_NBD:
		return SAID(s, "export", "nbd", d->listen);
	case RF_EXPORT_PROGRAM:
	case RF_EXPORT_NET_PROGRAM:
		return d->listen[0] ?
			       SAID(s, "export", "program", d->program, "output", d->listen) :
			       SAID(s, "export", "program", d->program);
	case RF_EXPORT_TAP:
		return SAID(s, "export", "tap", d->listen) &&
		       (d->owner == ~0u || SAID(s, "export", "tap", d->listen, "owner"));
	case RF_EXPORT_FORMAT: /* only the command does */
		return false;
	default:
		return true;
	}
}

static bool said_stack(const struct rf_config_text *s, const struct rf_config_device *d)
{
	for (uint32_t n = 0; n < d->lwip.count; n++) {
		const struct rf_lwip_place *p = &d->lwip.service[n].listen;
		char word[5 + sizeof(p->name)];

		snprintf(word, sizeof(word), "unix:%s", p->name);
		if (p->kind == RF_LWIP_UNIX && !said(s, NULL, word))
			return false;
	}
	return true;
}

/* What in this device does not stand in its part of the file; NULL: nothing. */
static const char *device_unstated(const struct rf_config_text *s, const struct rf_config *c,
				   const struct rf_config_device *d)
{
	if (!SAID(s, "device", d->name))
		return "the name of a device";
	if ((d->pci[0] && !SAID(s, "pci", d->pci)) || (d->force && !SAID(s, "force", "yes")))
		return "a PCI device, or its use by force";
	if (d->socket[0] && !SAID(s, "socket", d->socket))
		return "the socket of a device server";
	if (d->name_space[0] && !SAID(s, "namespace", d->name_space))
		return "a namespace";
	if (!said_image(s, c, d))
		return "a driver image";
	if (!said_listener(s, d) || !said_stack(s, d))
		return "an export's file, socket, interface or owner";
	return NULL;
}

const char *rf_config_unstated(const struct rf_config_text *s, const struct rf_config *c)
{
	const struct rf_config *by_default = s->defaults;
	size_t offset = 0;
	const struct rf_config_text head = part_next(s, &offset, true);
	const char *unsaid = NULL;

	if (!said_folder(&head, "run-dir", c->run_dir, by_default->run_dir) ||
	    !said_folder(&head, "program-dir", c->program_dir, by_default->program_dir) ||
	    !said_folder(&head, "driver-dir", c->driver_dir, by_default->driver_dir) ||
	    !said_folder(&head, "policy-dir", c->policy_dir, by_default->policy_dir))
		return "a directory";
	for (int i = 0; i < c->count && !unsaid; i++) {
		const struct rf_config_text part = part_next(s, &offset, false);

		unsaid = device_unstated(&part, c, &c->device[i]);
	}
	return unsaid;
}

/* ---- what is read for rf-config ------------------------------------------------------------ */

static bool said_policy(const struct rf_config_text *s, const char *path)
{
	static const char suffix[] = ".policy";
	size_t offset = 0;
	const struct rf_config_text head = part_next(s, &offset, true);
	const char *slash = strrchr(path, '/');
	char dir[RF_CONFIG_PATH], name[RF_CONFIG_PATH];

	if (!slash || strlen(path) >= RF_CONFIG_PATH || strlen(slash) <= sizeof(suffix) ||
	    strcmp(path + strlen(path) - strlen(suffix), suffix))
		return false;
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path), path);
	snprintf(name, sizeof(name), "%.*s", (int)(strlen(slash) - sizeof(suffix)), slash + 1);
	return said_folder(&head, "policy-dir", dir, s->defaults->policy_dir) &&
	       said(s, NULL, name);
}

bool rf_config_names_file(const struct rf_config_text *s, const char *path)
{
	return !strcmp(path, "/etc/passwd") || !strcmp(path, "/proc/meminfo") ||
	       said(s, NULL, path) || said_policy(s, path);
}
