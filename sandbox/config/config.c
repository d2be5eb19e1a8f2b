/* SPDX-License-Identifier: MIT */
/* config.c - reads the configuration file. See read.h. Room: sandbox/config. */
#include "read.h"

#include <errno.h>
#include <net/if.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "pci_address.h"

static int copy(struct rf_words *w, char *to, size_t room)
{
	if (w->count != 2 || strlen(w->word[1]) >= room)
		return rf_words_error(w, "%s takes one word of at most %zu characters", w->word[0],
				      room - 1);
	strcpy(to, w->word[1]);
	return 0;
}

static int yes_no(struct rf_words *w, bool *out)
{
	if (w->count != 2 || (strcmp(w->word[1], "yes") && strcmp(w->word[1], "no")))
		return rf_words_error(w, "%s is yes or no", w->word[0]);
	*out = w->word[1][0] == 'y';
	return 0;
}

/* By name; getpwnam() would open the file by itself. */
static bool user_find(const char *name, uint32_t *uid)
{
	int fd = rf_words_open("/etc/passwd");
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	const struct passwd *user = NULL;

	while (f && (user = fgetpwent(f)) && strcmp(user->pw_name, name))
		;
	if (user)
		*uid = user->pw_uid;
	if (f)
		fclose(f);
	return user;
}

/* export tap NAME [owner USER] */
static int export_tap(struct rf_config_device *d, struct rf_words *w)
{
	const char *name = w->count > 2 ? w->word[2] : "";
	uint64_t uid = 0;

	if ((w->count != 3 && w->count != 5) || (w->count == 5 && strcmp(w->word[3], "owner")))
		return rf_words_error(w,
				      "write as 'export tap rf0' or 'export tap rf0 owner alice'");
	if (strlen(name) >= IFNAMSIZ || strpbrk(name, "/%:\"\\") || name[0] == '.')
		return rf_words_error(w, "export tap: '%s' is not a name an interface can have",
				      name);
	d->owner = ~0u;
	if (w->count == 5) {
		if (!user_find(w->word[4], &d->owner) &&
		    (rf_parse_number(w->word[4], &uid) || uid >= ~0u))
			return rf_words_error(w, "export tap: no user '%s' is known", w->word[4]);
		if (d->owner == ~0u)
			d->owner = (uint32_t)uid;
	}
	strcpy(d->listen, name);
	d->export_kind = RF_EXPORT_TAP;
	return 0;
}

/* export program PATH [output FILE] [WORD...] */
static int export_program(struct rf_config_device *d, struct rf_words *w)
{
	bool output = w->count >= 5 && !strcmp(w->word[3], "output");
	const char *path = w->count > 2 ? w->word[2] : "", *file = output ? w->word[4] : "";

	if (path[0] != '/' || (output && file[0] != '/'))
		return rf_words_error(w, "write as 'export program /path/of/program' or 'export "
					 "program /path/of/program output /path/of/file WORD ...'");
	if (strlen(path) >= sizeof(d->program) || strlen(file) >= sizeof(d->listen))
		return rf_words_error(w, "export program: a path is too long: at most %zu "
					 "characters for the program, %zu for its output",
				      sizeof(d->program) - 1, sizeof(d->listen) - 1);
	strcpy(d->program, path);
	strcpy(d->listen, file);
	d->export_kind = RF_EXPORT_PROGRAM;
	for (int i = output ? 5 : 3; i < w->count; i++) {
		size_t used = strlen(d->words);

		if (used + strlen(w->word[i]) + 2 > sizeof(d->words))
			return rf_words_error(w, "export program: its words have more than %zu "
						 "characters", sizeof(d->words) - 1);
		snprintf(d->words + used, sizeof(d->words) - used, "%s%s", used ? " " : "",
			 w->word[i]);
	}
	return 0;
}

/* export nbd PATH | export program ... | export tap ... | export lwip ... */
static int key_export(struct rf_config_device *d, struct rf_words *w)
{
	if (w->count >= 2 && !strcmp(w->word[1], "tap"))
		return export_tap(d, w);
	if (w->count >= 2 && !strcmp(w->word[1], "lwip"))
		return rf_config_export_lwip(d, w);
	if (w->count >= 2 && !strcmp(w->word[1], "program"))
		return export_program(d, w);
	if (w->count != 3 || strcmp(w->word[1], "nbd"))
		return rf_words_error(w, "write as 'export nbd /path/of/socket'");
	if (w->word[2][0] != '/' || strlen(w->word[2]) >= sizeof(d->listen))
		return rf_words_error(
			w, "export: '%s' must be an absolute path of at most %zu characters",
			w->word[2], sizeof(d->listen) - 1);
	strcpy(d->listen, w->word[2]);
	d->export_kind = RF_EXPORT_NBD;
	return 0;
}

static int key_integrity(struct rf_config_device *d, struct rf_words *w)
{
	if (w->count >= 3 && !strcmp(w->word[1], "disk"))
		return rf_config_integrity(d, w);
	d->integrity = w->count == 2 && !strcmp(w->word[1], "memory");
	if (!d->integrity && (w->count != 2 || strcmp(w->word[1], "no")))
		return rf_words_error(w, "integrity is 'memory', 'disk KEYFILE' or 'no'");
	return 0;
}

/* ---- keys of a device ----------------------------------------------------------- */

static int key_policy(struct rf_config_device *d, struct rf_words *w)
{
	return copy(w, d->policy_file, sizeof(d->policy_file));
}

static int key_image(struct rf_config_device *d, struct rf_words *w)
{
	return copy(w, d->image, sizeof(d->image));
}

static int key_force(struct rf_config_device *d, struct rf_words *w)
{
	return yes_no(w, &d->force);
}

static int key_read_only(struct rf_config_device *d, struct rf_words *w)
{
	return yes_no(w, &d->read_only);
}

static int key_promiscuous(struct rf_config_device *d, struct rf_words *w)
{
	return yes_no(w, &d->promiscuous);
}

/* 9000: with header, tag and FCS these are the 9022 bytes that the 82574 and 82576 take. */
static int key_mtu(struct rf_config_device *d, struct rf_words *w)
{
	uint64_t mtu;

	if (w->count != 2 || rf_parse_number(w->word[1], &mtu) || mtu < 576 || mtu > 9000)
		return rf_words_error(w, "mtu takes a number from 576 to 9000");
	d->mtu = (uint32_t)mtu;
	return 0;
}

static int config_key_arena(struct rf_config_device *d, struct rf_words *w)
{
	return rf_config_arena(w, &d->arena);
}

static int key_limit(struct rf_config_device *d, struct rf_words *w)
{
	return rf_config_limit(&d->limit, w);
}

static int key_client_limit(struct rf_config_device *d, struct rf_words *w)
{
	return rf_config_limit(&d->client_limit, w);
}

/* queues N [demand] | queues auto */
static int config_key_queues(struct rf_config_device *d, struct rf_words *w)
{
	uint64_t n;

	d->queues_demand = w->count == 3 && !strcmp(w->word[2], "demand");
	if (w->count == 2 && !strcmp(w->word[1], "auto")) {
		d->queues = RF_QUEUES_AUTO;
		return 0;
	}
	if (w->count != 2 + d->queues_demand || rf_parse_number(w->word[1], &n) || !n ||
	    n > RF_MAX_QUEUES)
		return rf_words_error(w, "queues takes a number from 1 to %u, and perhaps "
					 "'demand', or 'auto'", RF_MAX_QUEUES);
	d->queues = (uint32_t)n;
	return 0;
}

static int key_pci(struct rf_config_device *d, struct rf_words *w)
{
	if (w->count != 2 || rf_pci_address(w->word[1], d->pci))
		return rf_words_error(
			w, "pci takes an address as lspci -D prints it, such as 0000:01:00.0");
	return 0;
}

static int key_socket(struct rf_config_device *d, struct rf_words *w)
{
	if (w->count == 2 && w->word[1][0] != '/')
		return rf_words_error(w, "socket takes an absolute path");
	return copy(w, d->socket, sizeof(d->socket));
}

static int key_namespace(struct rf_config_device *d, struct rf_words *w)
{
	struct rf_namespace ignored;

	if (w->count != 2 || !*w->word[1] || rf_namespace_parse(w->word[1], &ignored))
		return rf_words_error(w, "namespace takes a number from 1, or a name in "
					 "hexadecimal digits: EUI-64 (16), NGUID (32) or UUID "
					 "(8-4-4-4-12)");
	return copy(w, d->name_space, sizeof(d->name_space));
}

static int device_key(struct rf_config_device *d, struct rf_words *w)
{
	static const struct {
		const char *name;
		int (*fn)(struct rf_config_device *, struct rf_words *);
	} keys[] = {
		{ "policy", key_policy }, { "image", key_image }, { "export", key_export },
		{ "force", key_force }, { "read-only", key_read_only },
		{ "promiscuous", key_promiscuous }, { "mtu", key_mtu },
		{ "integrity", key_integrity }, { "arena", config_key_arena },
		{ "queues", config_key_queues }, { "pci", key_pci }, { "socket", key_socket },
		{ "namespace", key_namespace },
		{ "limit", key_limit }, { "client-limit", key_client_limit },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (!strcmp(w->word[0], keys[i].name))
			return keys[i].fn(d, w);
	return rf_config_lwip_key(d, w);
}

/* ---- lines ------------------------------------------------------------------------- */

struct reading {
	struct rf_config *config;
	struct rf_words_seen seen;      /* keys of this device, or of the part before the first */
	int line[RF_MAX_DEVICES];       /* where each device begins */
};

/* Of a file without limit: these lines add up. */
static bool may_repeat(const char *key)
{
	static const char *const adding[] = { "forward", "socks",  "status",
						"disk",    "limit",  "client-limit" };

	for (size_t i = 0; i < sizeof(adding) / sizeof(adding[0]); i++)
		if (!strcmp(key, adding[i]))
			return true;
	return false;
}

static int new_device(struct reading *r, struct rf_words *w)
{
	struct rf_config *c = r->config;

	if (c->count == c->room)
		return rf_words_error(w, "more than %d devices: run the others by a ringfence of "
					 "their own, with another run-dir", RF_MAX_DEVICES);
	if (w->count != 2 || strlen(w->word[1]) >= RF_NAME - 16 || strchr(w->word[1], '.') ||
	    !rf_config_name_good(w->word[1]))
		return rf_words_error(w,
				      "write as 'device NAME': 1 to %d letters, digits or signs, "
				      "but no '/', '.', '\"' or '\\'",
				      RF_NAME - 17);
	for (int i = 0; i < c->count; i++)
		if (!strcmp(c->device[i].name, w->word[1]))
			return rf_words_error(w, "device '%s' is defined twice (first in line %d)",
					      w->word[1], r->line[i]);
	rf_lwip_config_init(&c->device[c->count].lwip);
	r->seen.count = 0;
	r->line[c->count] = w->line;
	return copy(w, c->device[c->count++].name, RF_NAME - 16);
}

/* Keys before the first device, and where their values go. */
static const struct {
	const char *name;
	size_t at, room;
} globals[] = {
	/* Names of files in these folders follow: that much of the room is theirs. */
	{ "run-dir", offsetof(struct rf_config, run_dir), RF_RUN_DIR },
	{ "program-dir", offsetof(struct rf_config, program_dir), RF_CONFIG_FOLDER },
	{ "driver-dir", offsetof(struct rf_config, driver_dir), RF_CONFIG_FOLDER },
	{ "policy-dir", offsetof(struct rf_config, policy_dir), RF_CONFIG_FOLDER },
};

/* -1: no key of the part before the first device. */
static int global_find(const char *key)
{
	for (int i = 0; i < (int)(sizeof(globals) / sizeof(globals[0])); i++)
		if (!strcmp(key, globals[i].name))
			return i;
	return -1;
}

static int global_key(struct rf_config *c, struct rf_words *w)
{
	int i = global_find(w->word[0]);

	if (i < 0)
		return -ENOENT;
	if (w->count == 2 && w->word[1][0] != '/')
		return rf_words_error(w, "%s takes an absolute path", w->word[0]);
	return copy(w, (char *)c + globals[i].at, globals[i].room);
}

static int config_line(struct rf_words *w, void *arg)
{
	struct reading *r = arg;
	struct rf_config *c = r->config;
	const char *key = w->word[0];

	if (!strcmp(key, "device"))
		return new_device(r, w);
	int err = may_repeat(key) ? 0 : rf_words_once(w, &r->seen);
	if (!err)
		err = c->count ? device_key(&c->device[c->count - 1], w) : global_key(c, w);
	if (err != -ENOENT)
		return err;
	if (global_find(key) >= 0)
		return rf_words_error(
			w, "'%s' is for all devices: it must stand before the first 'device' line",
			key);
	return rf_words_error(
		w,
		c->count ? "unknown key '%s'" :
			   "unknown key '%s' (keys of a device come after its 'device NAME' line)",
		key);
}

int rf_config_read(const char *file, struct rf_config *c)
{
	struct reading r = { .config = c };
	int err = rf_words_read(file, config_line, &r);

	if (err && err != -EINVAL)
		rf_log("%s: cannot read the configuration: %s", file, strerror(-err));
	if (!err && !c->count) {
		rf_log("%s: no 'device' line, so there is nothing to run", file);
		err = -EINVAL;
	}
	return err ? err : rf_config_finish(file, c, r.line);
}
