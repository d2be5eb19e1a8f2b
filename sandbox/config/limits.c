/* SPDX-License-Identifier: MIT */
/*
 * limits.c - reads 'limit' and 'client-limit': how much may be asked for in a second.
 *
 * Room:   sandbox/config. See read.h; what the numbers do is in rate_limit.h.
 */
#include <errno.h>
#include <string.h>

#include "read.h"

/* LIMIT iops|bytes N [burst N] */
#define WRITE_AS \
	"write as '%s iops 5000', '%s bytes 100M' or '%s bytes 100M burst 200M': requests or " \
	"bytes a second"

static int limit_number(struct rf_words *w, const char *word, uint64_t *out)
{
	if (rf_parse_number(word, out) || *out > RF_RATE_MOST)
		return rf_words_error(w, "%s %s: '%s' is not a number from 1 to %lluG", w->word[0],
				      w->word[1], word, RF_RATE_MOST >> 30);
	return 0;
}

static int limit_rate(struct rf_words *w, bool bytes, uint64_t *out)
{
	if (limit_number(w, w->word[2], out))
		return -EINVAL;
	if (!*out)
		return rf_words_error(w, "%s %s 0 would let nothing pass; without the line there "
				      "is no limit", w->word[0], w->word[1]);
	if (bytes && *out < RF_BURST_BYTES)
		return rf_words_error(w, "%s bytes %s: at least %u, a block a second", w->word[0],
				      w->word[2], RF_BURST_BYTES);
	return 0;
}

/* Default: what comes in a tenth of a second. */
static int limit_burst(struct rf_words *w, uint64_t least, struct rf_rate *r)
{
	r->burst = (r->rate + 9) / 10;
	if (r->burst < least)
		r->burst = least;
	if (w->count != 5)
		return 0;
	if (limit_number(w, w->word[4], &r->burst))
		return -EINVAL;
	if (r->burst < least)
		return rf_words_error(w, "%s %s: burst %s is too small: at least %llu, %s",
				      w->word[0], w->word[1], w->word[4],
				      (unsigned long long)least,
				      least == RF_BURST_BYTES ? "a block" :
				      least == 1              ? "a request" :
								"a hundredth of the rate");
	return 0;
}

int rf_config_limit(struct rf_limits *l, struct rf_words *w)
{
	bool bytes = w->count > 1 && !strcmp(w->word[1], "bytes");
	struct rf_rate *r = bytes ? &l->bytes : &l->requests;

	if ((w->count != 3 && w->count != 5) || (!bytes && strcmp(w->word[1], "iops")) ||
	    (w->count == 5 && strcmp(w->word[3], "burst")))
		return rf_words_error(w, WRITE_AS, w->word[0], w->word[0], w->word[0]);
	if (r->rate)
		return rf_words_error(w, "'%s %s' stands here twice: keep one line", w->word[0],
				      w->word[1]);
	if (limit_rate(w, bytes, &r->rate))
		return -EINVAL;
	uint64_t least = RF_BURST_LEAST(r->rate);
	return limit_burst(w, bytes && least < RF_BURST_BYTES ? RF_BURST_BYTES : least, r);
}
