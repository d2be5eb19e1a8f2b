/* SPDX-License-Identifier: MIT */
/*
 * format.c - asks before a disk is formatted. See show.h.
 *
 * Room:   sandbox/cli. Nothing was opened yet: only the words of the command are known.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exit_code.h"
#include "show.h"

static const char what_format[] =
	"All that is on it is lost: afterwards it reads as zeroes.\n"
	"A disk that has a checksum area already is left as it is.\n";
static const char what_adopt[] =
    "What lies on it stays, and is believed until it is written; only what lies at its end, where\n"
    "the checksums go (4 MiB, and 0.4 to 3.2 % of the disk), is lost.\n"
    "A disk that has a checksum area already is left as it is.\n";
static const char what_reformat[] =
	"All that is on it is lost, also a checksum area and what it protects, whatever its key:\n"
	"afterwards it reads as zeroes.\n";

/* The device's name, and nothing else, is a yes. */
static bool yes(const char *device)
{
	char line[128];

	fprintf(stderr, "Type the name of the device to go on: ");
	if (!fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\n")] = '\0';
	return !strcmp(line, device);
}

static const char *what_happens(const char *how)
{
	return !strcmp(how, "adopt")      ? what_adopt
	       : !strcmp(how, "reformat") ? what_reformat
					  : what_format;
}

int client_format(const char *file, const char *device, int count, char **options, const char **how)
{
	bool sure = false;

	*how = "format";
	for (int i = 0; i < count; i++) {
		if (!strcmp(options[i], "--yes"))
			sure = true;
		else if ((!strcmp(options[i], "--adopt") || !strcmp(options[i], "--reformat")) &&
			 **how == 'f')
			*how = options[i] + 2;
		else
			return RF_EXIT_USAGE;
	}
	if (sure)
		return 0;
	fprintf(stderr, "This makes a checksum area on the disk that %s calls %s.\n%s", file,
		device, what_happens(*how));
	if (!isatty(0)) {
		fprintf(stderr, "ringfence: nobody can be asked here, and nothing was done: --yes "
				"goes on without\n");
		return RF_EXIT_FAILED;
	}
	if (yes(device))
		return 0;
	fprintf(stderr, "ringfence: nothing was done\n");
	return RF_EXIT_FAILED;
}
