/* SPDX-License-Identifier: MIT */
/*
 * policy_keys.h - how the keys of a policy are read.
 *
 * Room:   sandbox/config.
 */
#ifndef RF_POLICY_KEYS_H
#define RF_POLICY_KEYS_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "read.h"
#include "words.h"

struct policy_key {
	const char *name;
	int (*read)(struct rf_policy *, struct rf_words *);
	int  words; /* at most */
	bool again; /* several lines add up */
};

/* Ends with a name of NULL. */
extern const struct policy_key policy_device_keys[];

/* Word `index` of a line. 0, or -EINVAL after a line in the log. */
int policy_number(struct rf_words *, int index, uint64_t *out);
int policy_time(struct rf_words *, int index, uint64_t *out);
/* The only word behind the key, which has room for RF_NAME bytes. */
int policy_name(struct rf_words *, char *to);
/* Its index in `names`, which ends with NULL; -EINVAL after a line in the log. */
int policy_choice(struct rf_words *, int index, const char *const *names);
/* The second of two names sets the bit. */
int policy_flag(struct rf_words *, const char *const *names, uint32_t bit, uint32_t *flags);

#endif
