/* SPDX-License-Identifier: MIT */
/* fault.c - see fault.h. Room: tests/models/server. */
#include "fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void fault_seed(struct fault_set *set, uint64_t seed)
{
	set->random = seed * 2 + 1;
}

/* splitmix64: every state is a good one. */
uint64_t fault_random(struct fault_set *set)
{
	uint64_t x = set->random += 0x9e3779b97f4a7c15u;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

bool fault_fires_slow(struct fault_set *set, struct fault *f)
{
	if (f->after) {
		f->after--;
		return false;
	}
	if (f->one_in > 1 && fault_random(set) % f->one_in)
		return false;
	if (f->left != FAULT_FOREVER && !--f->left)
		set->armed--;
	f->fired++;
	return true;
}

static struct fault *find(struct fault_set *set, const char *name)
{
	for (unsigned t = 0; t < 2; t++)
		for (unsigned i = 0; i < set->count[t]; i++)
			if (!strcmp(set->table[t][i].name, name))
				return &set->table[t][i];
	return NULL;
}

static int number(const char *word, uint64_t *out)
{
	char *end;

	if (*word < '0' || *word > '9')
		return -EINVAL;
	errno = 0;
	*out = strtoull(word, &end, 0);
	return *end || errno || *out == UINT64_MAX ? -EINVAL : 0;
}

int fault_arm(struct fault_set *set, int count, char **word)
{
	struct fault *f = count ? find(set, word[0]) : NULL;
	uint64_t after = 0, left = 1, arg = FAULT_NO_ARG, one_in = 1;

	if (!f)
		return -ENOENT;
	if (count % 2 == 0)
		return -EINVAL;
	for (int i = 1; i < count; i += 2) {
		uint64_t *to = !strcmp(word[i], "after")  ? &after :
			       !strcmp(word[i], "count")  ? &left :
			       !strcmp(word[i], "arg")    ? &arg :
			       !strcmp(word[i], "one-in") ? &one_in :
							    NULL;
		if (!to)
			return -EINVAL;
		if (to == &left && !strcmp(word[i + 1], "forever"))
			left = FAULT_FOREVER;
		else if (number(word[i + 1], to))
			return -EINVAL;
	}
	if (!left || !one_in)
		return -EINVAL;
	if (!f->left)
		set->armed++;
	f->after = after;
	f->left = left;
	f->arg = arg;
	f->one_in = one_in;
	return 0;
}

int fault_arm_text(struct fault_set *set, const char *text)
{
	char  copy[256], *word[16];
	int   words = 0;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	strcpy(copy, text);
	for (char *p = strtok(copy, ",="); p && words < 16; p = strtok(NULL, ",="))
		word[words++] = p;
	return fault_arm(set, words, word);
}

static void disarm(struct fault_set *set, struct fault *f)
{
	if (f->left)
		set->armed--;
	f->left = 0;
}

int fault_clear(struct fault_set *set, const char *name)
{
	if (name) {
		struct fault *f = find(set, name);
		if (!f)
			return -ENOENT;
		disarm(set, f);
		return 0;
	}
	for (unsigned t = 0; t < 2; t++)
		for (unsigned i = 0; i < set->count[t]; i++)
			disarm(set, &set->table[t][i]);
	return 0;
}

void fault_list(const struct fault_set *set, FILE *out)
{
	for (unsigned t = 0; t < 2; t++)
		for (unsigned i = 0; i < set->count[t]; i++) {
			const struct fault *f = &set->table[t][i];
			fprintf(out, "%-18s %s", f->name, f->what);
			if (f->left == FAULT_FOREVER)
				fprintf(out, " [armed, forever, after %llu]",
					(unsigned long long)f->after);
			else if (f->left)
				fprintf(out, " [armed, %llu left, after %llu]",
					(unsigned long long)f->left, (unsigned long long)f->after);
			fputc('\n', out);
		}
}
