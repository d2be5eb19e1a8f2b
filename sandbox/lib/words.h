/* SPDX-License-Identifier: MIT */
/*
 * words.h - the one syntax of configuration and policy files.
 *
 *   key word word ...   # comment
 *
 * Room:   sandbox/lib, trusted. Files come from the operator, not from drivers;
 *         a mistake in one still ends in one line "file:line: what is wrong".
 */
#ifndef RF_WORDS_H
#define RF_WORDS_H

#include <stddef.h>
#include <stdint.h>

#define RF_WORDS_MAX 16

struct rf_words {
	const char *file;
	int         line;
	int         count;             /* words on this line, at least 1 */
	char       *word[RF_WORDS_MAX];
	char        text[1024];
};

/*
 * Calls fn for every line with words in it; stops at its first non-zero return and
 * hands that back. -ENOENT and the like if the file cannot be read, -EINVAL after a
 * line in the log if a line is too long, has too many words or a control character.
 */
int rf_words_read(const char *file, int (*fn)(struct rf_words *, void *), void *arg);

/* Keys that stand in a part of a file already, with their lines. */
struct rf_words_seen {
	size_t count;
	struct { char key[24]; int line; } at[64];
};
/* -EINVAL after a line in the log if this line's key is one of them; else it is from now on. */
int rf_words_once(const struct rf_words *, struct rf_words_seen *);

/* How a file is opened: fd or -errno. Who may open nothing asks for it here. */
extern int (*rf_words_open)(const char *path);

/* Logs "file:line: ..." and returns -EINVAL. */
int rf_words_error(const struct rf_words *, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Numbers: decimal or 0x hexadecimal, with K, M or G (binary). 0, or -EINVAL. */
int rf_parse_number(const char *word, uint64_t *out);
/* Times: number with ns, us, ms or s. 0, or -EINVAL. */
int rf_parse_time(const char *word, uint64_t *ns);

#endif
