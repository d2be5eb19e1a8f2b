/* SPDX-License-Identifier: MIT */
/* words.c - see words.h. Room: sandbox/lib, trusted. */
#include "words.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

static int split(struct rf_words *w)
{
	char *save = NULL;

	w->count = 0;
	w->text[strcspn(w->text, "#\n")] = '\0';
	for (char *p = strtok_r(w->text, " \t\r", &save); p; p = strtok_r(NULL, " \t\r", &save)) {
		if (w->count == RF_WORDS_MAX)
			return rf_words_error(w, "more than %d words", RF_WORDS_MAX);
		w->word[w->count++] = p;
	}
	return 0;
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int (*rf_words_open)(const char *path) = open_file;

/* Control characters are refused: with them a file would say something else than it shows. */
static int byte_add(struct rf_words *w, size_t *used, int c)
{
	if ((c < ' ' && c != '\t' && c != '\r') || c == 127)
		return rf_words_error(w, "byte 0x%02x is a control character: remove it", c);
	if (*used == sizeof(w->text) - 2)
		return rf_words_error(w, "longer than %zu characters", sizeof(w->text) - 2);
	w->text[(*used)++] = (char)c;
	return 0;
}

/* False: there is no line any more, or *err says why not. */
static bool line_read(struct rf_words *w, FILE *f, int *err)
{
	size_t used = 0;
	int c = EOF;

	w->line++;
	while (!*err && (c = getc(f)) != EOF && c != '\n')
		*err = byte_add(w, &used, c);
	if (ferror(f))
		*err = -errno;
	w->text[used] = '\0';
	return !*err && (c != EOF || used);
}

int rf_words_read(const char *file, int (*fn)(struct rf_words *, void *), void *arg)
{
	struct rf_words w = { .file = file };
	int fd = rf_words_open(file), err = 0;
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f)
		return fd < 0 ? fd : -errno;
	while (!err && line_read(&w, f, &err))
		if (!(err = split(&w)) && w.count)
			err = fn(&w, arg);
	fclose(f);
	return err;
}

int rf_words_once(const struct rf_words *w, struct rf_words_seen *seen)
{
	const char *key = w->word[0];
	size_t i = 0;

	while (i < seen->count && strcmp(seen->at[i].key, key))
		i++;
	if (i < seen->count)
		return rf_words_error(w, "'%s' was said in line %d already: keep one", key,
				      seen->at[i].line);
	if (i < sizeof(seen->at) / sizeof(seen->at[0]) && strlen(key) < sizeof(seen->at[0].key)) {
		strcpy(seen->at[i].key, key);
		seen->at[i].line = w->line;
		seen->count++;
	}
	return 0;
}

int rf_words_error(const struct rf_words *w, const char *fmt, ...)
{
	char what[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	rf_log("%s:%d: %s", w->file, w->line, what);
	return -EINVAL;
}

static int words_number(const char *word, char **end, uint64_t *out)
{
	if (*word < '0' || *word > '9')
		return -EINVAL;
	errno = 0;
	/* Not base 0: 010 is ten to a person. */
	*out = strtoull(word, end, !strncmp(word, "0x", 2) ? 16 : 10);
	return errno ? -EINVAL : 0;
}

static int scaled(uint64_t value, uint64_t factor, uint64_t *out)
{
	return __builtin_mul_overflow(value, factor, out) ? -EINVAL : 0;
}

int rf_parse_number(const char *word, uint64_t *out)
{
	char *end;
	uint64_t n;

	if (words_number(word, &end, &n))
		return -EINVAL;
	if (!*end) {
		*out = n;
		return 0;
	}
	static const char units[] = "KMG";
	const char *at = strchr(units, *end);
	if (!at || end[1])
		return -EINVAL;
	return scaled(n, 1ull << (10 * (at - units + 1)), out);
}

int rf_parse_time(const char *word, uint64_t *ns)
{
	static const struct { const char *unit; uint64_t ns; } units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
	};
	char *end;
	uint64_t n;

	if (words_number(word, &end, &n))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(end, units[i].unit))
			return scaled(n, units[i].ns, ns);
	return -EINVAL;
}
