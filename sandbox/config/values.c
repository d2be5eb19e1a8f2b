/* SPDX-License-Identifier: MIT */
/*
 * values.c - values that a configuration and a policy may both name.
 *
 * Room:   sandbox/config. See read.h.
 */
#include <stdio.h>
#include <string.h>

#include "read.h"

uint64_t rf_config_memory(void)
{
	static uint64_t total;
	unsigned long long kib;
	char text[200];
	int fd = total ? -1 : rf_words_open("/proc/meminfo");
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	while (f && !total && fgets(text, sizeof(text), f))
		if (sscanf(text, "MemTotal: %llu kB", &kib) == 1)
			total = kib << 10;
	if (f)
		fclose(f);
	return total ? total : UINT64_MAX;
}

int rf_config_arena(struct rf_words *w, uint64_t *bytes)
{
	if (w->count != 2 || rf_parse_number(w->word[1], bytes) || !*bytes || *bytes % (2u << 20))
		return rf_words_error(w, "arena takes a size such as 64M: a multiple of 2M");
	if (*bytes > RF_ARENA_MOST)
		return rf_words_error(w, "arena %s: at most %lluG", w->word[1],
				      RF_ARENA_MOST >> 30);
	if (*bytes > rf_config_memory())
		return rf_words_error(w, "arena %s: this machine has %llu MiB of memory",
				      w->word[1], (unsigned long long)rf_config_memory() >> 20);
	return 0;
}

/* It becomes part of names of processes and files, of log lines and of JSON. */
bool rf_config_name_good(const char *name)
{
	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~' || strchr("/\"\\", *c))
			return false;
	return name[0] && name[0] != '.';
}
