/* SPDX-License-Identifier: MIT */
/*
 * integrity.c - 'integrity disk KEYFILE'.
 *
 * Room:   sandbox/config. The key is read here and goes to the export alone, in sealed memory.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export_config.h"
#include "log.h"
#include "read.h"

static int key_take(int fd, struct rf_config_device *d, struct rf_words *w)
{
	const char *file = w->word[2];
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return rf_words_error(w, "integrity: %s is no file", file);
	if (st.st_mode & 077)
		return rf_words_error(
			w, "integrity: %s may be used by others than its owner: chmod 600", file);
	if (st.st_size != sizeof(d->integrity_key) ||
	    read(fd, d->integrity_key, sizeof(d->integrity_key)) != sizeof(d->integrity_key))
		return rf_words_error(
			w, "integrity: %s must be %zu bytes of key: head -c %zu /dev/urandom", file,
			sizeof(d->integrity_key), sizeof(d->integrity_key));
	return 0;
}

int rf_config_integrity(struct rf_config_device *d, struct rf_words *w)
{
	d->integrity = false;
	d->integrity_disk = RF_EXPORT_INTEGRITY_DISK;
	if (w->count > 3)
		return rf_words_error(
			w, "behind the key file of 'integrity disk' stands nothing; the disk is "
			   "formatted by 'ringfence format'");
	int fd = rf_words_open(w->word[2]);
	if (fd < 0)
		return rf_words_error(w, "integrity: cannot read %s: %s", w->word[2],
				      strerror(-fd));
	int err = key_take(fd, d, w);
	close(fd);
	return err;
}

int rf_config_integrity_finish(const char *file, const struct rf_config_device *d, bool net)
{
	if (net)
		rf_log("%s: device %s: 'integrity' is for disks", file, d->name);
	return net ? -EINVAL : 0;
}
