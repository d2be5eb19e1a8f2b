/* SPDX-License-Identifier: MIT */
/*
 * bundle.c - crash bundles, listed and shown. See show.h. Room: sandbox/cli.
 *
 * Trust: none in a report: a driver's image gave names to what stands there. Nothing of it
 *        reaches the terminal but what can be printed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "show.h"

#define MOST 1024 /* rf-crash keeps far fewer */

/* NUMBER-DEVICE-GENERATION.txt, as in sandbox/crash. */
struct bundle {
	unsigned long number, generation;
	char          device[RF_NAME];
	char          file[64];
};

static bool bundle_named(struct bundle *b, const char *file)
{
	const char *device = strchr(file, '-'), *generation = strrchr(file, '-');
	size_t bytes = device ? (size_t)(generation - device) : 0;

	if (bytes < 2 || bytes > sizeof(b->device) || strlen(file) >= sizeof(b->file) ||
	    strlen(file) < 4 || strcmp(file + strlen(file) - 4, ".txt"))
		return false;
	*b = (struct bundle){ .number = strtoul(file, NULL, 10),
			      .generation = strtoul(generation + 1, NULL, 10) };
	memcpy(b->device, device + 1, bytes - 1);
	strcpy(b->file, file);
	return true;
}

static int older_first(const void *a, const void *b)
{
	unsigned long x = ((const struct bundle *)a)->number,
		      y = ((const struct bundle *)b)->number;

	return (x > y) - (x < y);
}

/* Those of one device, or of all ("") in *list. Their number, or -errno. */
static int bundles_find(int dir, const char *device, struct bundle *list)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), count = 0;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (!d)
		return -errno;
	while (count < MOST && (e = readdir(d)))
		if (bundle_named(&list[count], e->d_name) &&
		    (!*device || !strcmp(list[count].device, device)))
			count++;
	closedir(d);
	qsort(list, (size_t)count, sizeof(*list), older_first);
	return count;
}

static void put_printable(const char *text, size_t bytes, FILE *out)
{
	for (size_t i = 0; i < bytes; i++)
		fputc((text[i] >= ' ' && text[i] < 127) || text[i] == '\n' ? text[i] : '?', out);
}

static FILE *report_open(int dir, const struct bundle *b)
{
	int fd = openat(dir, b->file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode))
		return fdopen(fd, "r");
	if (fd >= 0)
		close(fd);
	return NULL; /* it was just removed, or is no regular file: a pipe would block us */
}

static void report_show(FILE *report, FILE *out)
{
	char part[4096];
	size_t n;

	while ((n = fread(part, 1, sizeof(part), report)))
		put_printable(part, n, out);
}

/* Number, when it was written, and the first line of the report: device, driver, how it died. */
static void line_show(FILE *report, const struct bundle *b, FILE *out)
{
	char when[32] = "", line[600] = "\n";
	struct stat st;
	struct tm tm;

	if (!fstat(fileno(report), &st) && localtime_r(&st.st_mtime, &tm))
		strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	(void)!fgets(line, sizeof(line), report);
	fprintf(out, "%6lu  %s  ", b->number, when);
	put_printable(line, strlen(line), out);
}

static int bundle_complain(const char *dir, const char *why)
{
	fprintf(stderr, "error: %s: %s\n", dir, why);
	return RF_EXIT_FAILED;
}

int client_bundle(const char *run_dir, const char *device, const char *number, FILE *out)
{
	static struct bundle list[MOST];
	char path[200], *end = "";
	unsigned long wanted = number ? strtoul(number, &end, 10) : 0;
	bool shown = !*device;

	snprintf(path, sizeof(path), "%.180s/bundles", run_dir);
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int count = dir < 0 ? -errno : bundles_find(dir, device, list);
	if (count < 0)
		return bundle_complain(path, strerror(-count));
	if (*end || (number && !wanted))
		return bundle_complain(path,
				       "a bundle is named by its number: see 'ringfence bundle'");
	for (int i = 0; i < count; i++) {
		bool last = i == count - 1;
		FILE *report;

		if (*device && (wanted ? list[i].number != wanted : !last))
			continue;
		report = report_open(dir, &list[i]);
		if (!report)
			continue;
		if (*device)
			report_show(report, out);
		else
			line_show(report, &list[i], out);
		fclose(report);
		shown = true;
	}
	close(dir);
	return shown ? RF_EXIT_OK : bundle_complain(path, "no such bundle: see 'ringfence bundle'");
}
