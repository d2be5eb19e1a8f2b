/* SPDX-License-Identifier: MIT */
/*
 * integrity.c - 'integrity disk KEYFILE [format|adopt|reformat]'.
 *
 * Room:   sandbox/config. The key is read here and goes to the export alone, in sealed memory.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export.h"
#include "log.h"
#include "read.h"

static int key_take(int fd, struct rf_config_device *d, struct rf_words *w)
{
	const char *file = w->word[2];
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode))
		return rf_words_error(w, "integrity: %s is no file", file);
	if (st.st_mode & 077)
		return rf_words_error(w, "integrity: %s may be used by others than its owner: chmod 600", file);
	if (st.st_size != sizeof(d->integrity_key) ||
	    read(fd, d->integrity_key, sizeof(d->integrity_key)) != sizeof(d->integrity_key))
		return rf_words_error(w, "integrity: %s must be %zu bytes of key: head -c %zu /dev/urandom", file,
				      sizeof(d->integrity_key), sizeof(d->integrity_key));
	return 0;
}

int rf_config_integrity(struct rf_config_device *d, struct rf_words *w)
{
	static const struct { const char *word; uint32_t ward; } orders[] = {
		{ "format", RF_EXPORT_WARD_FORMAT },
		{ "adopt", RF_EXPORT_WARD_FORMAT | RF_EXPORT_WARD_ADOPT },
		{ "reformat", RF_EXPORT_WARD_FORMAT | RF_EXPORT_WARD_AGAIN },
	};

	d->integrity = false;
	d->ward = RF_EXPORT_WARD;
	for (size_t i = 0; w->count == 4 && i < sizeof(orders) / sizeof(orders[0]); i++)
		if (!strcmp(w->word[3], orders[i].word))
			d->ward |= orders[i].ward;
	if (w->count > 4 || (w->count == 4 && d->ward == RF_EXPORT_WARD))
		return rf_words_error(w, "behind the key file of 'integrity disk' stands nothing, 'format', 'adopt' "
				      "or 'reformat'");
	int fd = rf_words_open(w->word[2]);
	if (fd < 0)
		return rf_words_error(w, "integrity: cannot read %s: %s", w->word[2], strerror(-fd));
	int err = key_take(fd, d, w);
	close(fd);
	return err;
}

int rf_config_integrity_finish(const char *file, const struct rf_config_device *d, bool net)
{
	const char *wrong = NULL;

	if (net)
		wrong = "'integrity' is for disks";
	else if (d->ward & RF_EXPORT_WARD_FORMAT && d->read_only)
		wrong = "a disk that is 'read-only' cannot be formatted";
	else if (d->ward & RF_EXPORT_WARD_FORMAT && d->export_kind == RF_EXPORT_LWIP_DISK)
		wrong = "to be formatted it has to have 'export nbd'";
	if (wrong)
		rf_log("%s: device %s: %s", file, d->name, wrong);
	return wrong ? -EINVAL : 0;
}
