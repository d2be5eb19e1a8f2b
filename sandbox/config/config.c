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

static bool pci_address(const char *s)
{
	unsigned domain, bus, slot, fn;
	int used = 0;

	return strlen(s) == 12 && sscanf(s, "%4x:%2x:%2x.%1x%n", &domain, &bus, &slot, &fn, &used) == 4 &&
	       used == 12;
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
static int export_tap(struct rf_device *d, struct rf_words *w)
{
	const char *name = w->count > 2 ? w->word[2] : "";
	uint64_t uid;

	if ((w->count != 3 && w->count != 5) || (w->count == 5 && strcmp(w->word[3], "owner")))
		return rf_words_error(w, "write as 'export tap rf0' or 'export tap rf0 owner alice'");
	if (strlen(name) >= IFNAMSIZ || strpbrk(name, "/%:\"\\") || name[0] == '.')
		return rf_words_error(w, "export tap: '%s' is not a name an interface can have", name);
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

/* export nbd PATH | export load FILE ARGUMENT... | export tap ... | export lwip ... */
static int key_export(struct rf_device *d, struct rf_words *w)
{
	bool load = w->count >= 3 && !strcmp(w->word[1], "load");

	if (w->count >= 2 && !strcmp(w->word[1], "tap"))
		return export_tap(d, w);
	if (w->count >= 2 && !strcmp(w->word[1], "lwip"))
		return rf_config_export_lwip(d, w);
	if (!load && (w->count != 3 || strcmp(w->word[1], "nbd")))
		return rf_words_error(w, "write as 'export nbd /path/of/socket'");
	if (w->word[2][0] != '/' || strlen(w->word[2]) >= sizeof(d->listen))
		return rf_words_error(w, "export: '%s' must be an absolute path of at most %zu characters",
				      w->word[2], sizeof(d->listen) - 1);
	strcpy(d->listen, w->word[2]);
	d->export_kind = load ? RF_EXPORT_LOAD : RF_EXPORT_NBD;
	for (int i = 3; load && i < w->count; i++) {
		size_t used = strlen(d->load);
		if (used + strlen(w->word[i]) + 2 > sizeof(d->load))
			return rf_words_error(w, "export load: arguments too long");
		snprintf(d->load + used, sizeof(d->load) - used, "%s%s", used ? " " : "", w->word[i]);
	}
	return 0;
}

static int key_integrity(struct rf_device *d, struct rf_words *w)
{
	if (w->count >= 3 && !strcmp(w->word[1], "disk"))
		return rf_config_integrity(d, w);
	d->integrity = w->count == 2 && !strcmp(w->word[1], "memory");
	if (!d->integrity && (w->count != 2 || strcmp(w->word[1], "no")))
		return rf_words_error(w, "integrity is 'memory', 'disk KEYFILE' or 'no'");
	return 0;
}

static int device_key(struct rf_device *d, struct rf_words *w)
{
	const char *key = w->word[0];

	if (!strcmp(key, "policy"))
		return copy(w, d->policy_file, sizeof(d->policy_file));
	if (!strcmp(key, "image"))
		return copy(w, d->image, sizeof(d->image));
	if (!strcmp(key, "export"))
		return key_export(d, w);
	if (!strcmp(key, "force"))
		return yes_no(w, &d->force);
	if (!strcmp(key, "read-only"))
		return yes_no(w, &d->read_only);
	if (!strcmp(key, "promiscuous"))
		return yes_no(w, &d->promiscuous);
	if (!strcmp(key, "integrity"))
		return key_integrity(d, w);
	if (!strcmp(key, "unsafe-no-reissue"))
		return yes_no(w, &d->no_reissue);
	if (!strcmp(key, "unsafe-reuse-early"))
		return yes_no(w, &d->reuse_early);
	if (!strcmp(key, "unsafe-admin-writable"))
		return yes_no(w, &d->admin_writable);
	if (!strcmp(key, "arena")) {
		if (w->count != 2 || rf_parse_number(w->word[1], &d->arena) || d->arena % (2u << 20))
			return rf_words_error(w, "arena takes a size that is a multiple of 2M");
		return 0;
	}
	if (!strcmp(key, "pci")) {
		if (w->count != 2 || !pci_address(w->word[1]))
			return rf_words_error(w, "pci takes an address such as 0000:01:00.0");
		strcpy(d->pci, w->word[1]);
		return 0;
	}
	if (!strcmp(key, "socket")) {
		if (w->count == 2 && w->word[1][0] != '/')
			return rf_words_error(w, "socket takes an absolute path");
		return copy(w, d->socket, sizeof(d->socket));
	}
	int err = rf_config_lwip_key(d, w);
	return err == -ENOENT ? rf_words_error(w, "unknown key '%s'", key) : err;
}

static int new_device(struct rf_config *c, struct rf_words *w)
{
	if (c->count == RF_MAX_DEVICES)
		return rf_words_error(w, "more than %d devices", RF_MAX_DEVICES);
	for (int i = 0; i < c->count && w->count == 2; i++)
		if (!strcmp(c->device[i].name, w->word[1]))
			return rf_words_error(w, "device '%s' stands twice", w->word[1]);
	if (w->count == 2 && strpbrk(w->word[1], "/.\"\\"))
		return rf_words_error(w, "a device name has no '/', '.', '\"' or '\\'");
	rf_lwip_config_init(&c->device[c->count].lwip);
	return copy(w, c->device[c->count++].name, RF_NAME - 16);
}

static int line(struct rf_words *w, void *arg)
{
	struct rf_config *c = arg;
	const char *key = w->word[0];

	if (!strcmp(key, "device"))
		return new_device(c, w);
	if (c->count)
		return device_key(&c->device[c->count - 1], w);
	if (!strcmp(key, "run-dir"))
		return copy(w, c->run_dir, sizeof(c->run_dir) - 32);
	if (!strcmp(key, "program-dir"))
		return copy(w, c->program_dir, sizeof(c->program_dir) - 32);
	if (!strcmp(key, "unsafe-launcher"))
		return copy(w, c->launcher, sizeof(c->launcher));
	if (!strcmp(key, "driver-dir"))
		return copy(w, c->driver_dir, sizeof(c->driver_dir));
	if (!strcmp(key, "policy-dir"))
		return copy(w, c->policy_dir, sizeof(c->policy_dir));
	return rf_words_error(w, "unknown key '%s' (keys of a device come after its 'device NAME' line)",
			      key);
}

static int finish(const char *file, struct rf_config *c, struct rf_device *d)
{
	char path[600];

	if (!d->policy_file[0]) {
		rf_log("%s: device %s has no 'policy' line", file, d->name);
		return -EINVAL;
	}
	if (strchr(d->policy_file, '/'))
		snprintf(path, sizeof(path), "%s", d->policy_file);
	else
		snprintf(path, sizeof(path), "%s/%s.policy", c->policy_dir, d->policy_file);
	int err = rf_policy_read(path, &d->policy);
	if (err)
		return -EINVAL;
	if (d->policy.device.backend != RF_BACKEND_NONE && !d->pci[0] == !d->socket[0]) {
		rf_log("%s: device %s needs either a 'pci' or a 'socket' line", file, d->name);
		return -EINVAL;
	}
	if (d->policy.device.backend != RF_BACKEND_NONE && d->socket[0])
		d->policy.device.backend = RF_BACKEND_VFIO_USER;
	if (d->export_kind == RF_EXPORT_NONE) {
		rf_log("%s: device %s has no 'export' line", file, d->name);
		return -EINVAL;
	}
	bool net = d->policy.device.service == RF_SERVICE_NET;
	if (net && d->export_kind == RF_EXPORT_LOAD)
		d->export_kind = RF_EXPORT_NETLOAD;
	if (net != (d->export_kind >= RF_EXPORT_TAP)) {
		rf_log("%s: device %s: %s", file, d->name, net ?
		       "a net driver is exported as tap or load or lwip" :
		       "only a net driver is exported as tap or as lwip without a device");
		return -EINVAL;
	}
	if (d->ward && rf_config_integrity_finish(file, d, net))
		return -EINVAL;
	if (d->promiscuous && !net) {
		rf_log("%s: device %s: 'promiscuous' is for a net driver", file, d->name);
		return -EINVAL;
	}
	if (d->promiscuous)
		d->policy.device.flags |= RF_DEVICE_PROMISCUOUS;
	if (!d->image[0])
		snprintf(d->image, sizeof(d->image), "%.200s/%s", c->driver_dir, d->policy.driver);
	if (d->arena)
		d->policy.device.arena_bytes = d->arena;
	return 0;
}

int rf_config_read(const char *file, struct rf_config *c)
{
	int err = rf_words_read(file, line, c);

	if (err && err != -EINVAL)
		rf_log("%s: cannot read the configuration: %s", file, strerror(-err));
	for (int i = 0; !err && i < c->count; i++)
		err = finish(file, c, &c->device[i]);
	if (!err)
		err = rf_config_lwip_finish(file, c);
	if (!err && !c->count) {
		rf_log("%s: no 'device' line, so there is nothing to run", file);
		err = -EINVAL;
	}
	return err;
}
