/* SPDX-License-Identifier: MIT */
/*
 * policy_words.c - words of a policy's lines as numbers, times, names and choices.
 *
 * Room:   sandbox/config.
 */
#include <string.h>

#include "policy_keys.h"

#define DAY_NS (86400ull * 1000000000u)

int policy_number(struct rf_words *w, int index, uint64_t *out)
{
	if (index >= w->count || rf_parse_number(w->word[index], out))
		return rf_words_error(w, "%s: word %d must be a number", w->word[0], index + 1);
	return 0;
}

int policy_time(struct rf_words *w, int index, uint64_t *out)
{
	if (index >= w->count || rf_parse_time(w->word[index], out))
		return rf_words_error(w, "%s: word %d must be a time such as 10ms", w->word[0],
				      index + 1);
	/* Sums and multiples of it fit into 64 bits, whoever makes them. */
	if (*out > DAY_NS)
		return rf_words_error(w, "%s: word %d is more than a day (86400s)", w->word[0],
				      index + 1);
	return 0;
}

int policy_name(struct rf_words *w, char *to)
{
	if (w->count != 2 || strlen(w->word[1]) >= RF_NAME || !rf_config_name_good(w->word[1]))
		return rf_words_error(
			w, "%s takes one name of at most %d letters, digits or signs, without '/'",
			w->word[0], RF_NAME - 1);
	strcpy(to, w->word[1]);
	return 0;
}

int policy_choice(struct rf_words *w, int index, const char *const *names)
{
	for (int i = 0; index < w->count && names[i]; i++)
		if (!strcmp(w->word[index], names[i]))
			return i;
	return rf_words_error(w, "%s: '%s' is not known; this word is one of %s, %s ...",
			      w->word[0], index < w->count ? w->word[index] : "(nothing)", names[0],
			      names[1]);
}

int policy_flag(struct rf_words *w, const char *const *names, uint32_t bit, uint32_t *flags)
{
	int n = policy_choice(w, 1, names);

	if (n == 1)
		*flags |= bit;
	return n < 0 ? n : 0;
}
