/* SPDX-License-Identifier: MIT */
/* args.c - see load.h. Room: tests/load. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "load.h"

static const char *const modes[] = {
	[LOAD_RANDREAD] = "randread", [LOAD_SEQREAD] = "seqread",
	[LOAD_RANDWRITE] = "randwrite", [LOAD_RANDRW] = "randrw",
};

const char *load_mode_name(enum load_mode mode)
{
	return modes[mode];
}

static int load_number(const char *text, uint64_t *out)
{
	static const char units[] = "KMG";
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;
	unsigned shift = unit ? 10u * (unsigned)(unit - units + 1) : 0;

	if (text[0] < '0' || text[0] > '9' || errno || (*end && (!unit || end[1])) ||
	    *out > UINT64_MAX >> shift)
		return -EINVAL;
	*out <<= shift;
	return 0;
}

static int parse_mode(const char *value, struct load_args *a)
{
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strcmp(value, modes[i])) {
			a->mode = (enum load_mode)i;
			return 0;
		}
	return -EINVAL;
}

static int parse_word(char *word, struct load_args *a)
{
	char *value = strchr(word, '=');
	uint64_t n;

	if (!value)
		return -EINVAL;
	*value++ = '\0';
	if (!strcmp(word, "mode"))
		return parse_mode(value, a);
	if (load_number(value, &n))
		return -EINVAL;
	if (!strcmp(word, "bs"))
		a->bs = (uint32_t)n;
	else if (!strcmp(word, "qd"))
		a->qd = (uint32_t)n;
	else if (!strcmp(word, "rounds"))
		a->rounds = (uint32_t)n;
	else if (!strcmp(word, "requests"))
		a->requests = n;
	else if (!strcmp(word, "span"))
		a->span = n;
	else if (!strcmp(word, "seed"))
		a->seed = n;
	else if (!strcmp(word, "verify"))
		a->verify = n != 0;
	else if (!strcmp(word, "queues"))
		a->queues = (uint32_t)n;
	else if (!strcmp(word, "marks"))
		a->marks = n != 0;
	else if (!strcmp(word, "pin"))
		a->pin = (int)n;
	else
		return -EINVAL;
	return 0;
}

int load_parse(const char *text, struct load_args *a)
{
	char copy[256], *save, *word;

	*a = (struct load_args){ .bs = 4096, .qd = 32, .rounds = 1, .requests = 100000,
				 .seed = 1, .pin = -1 };
	strncpy(copy, text, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (parse_word(word, a)) {
			/* The '=' became the end of the word. */
			load_say("bench: \"%s\" in \"%s\" is not understood", word, text);
			return -EINVAL;
		}
	}
	if (!a->qd || a->qd > LOAD_QD_MAX || !a->requests || !a->rounds || !a->bs) {
		load_say("bench: qd is 1 to %u, requests, rounds and bs at least 1", LOAD_QD_MAX);
		return -EINVAL;
	}
	return 0;
}
