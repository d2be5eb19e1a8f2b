/* SPDX-License-Identifier: MIT */
/*
 * control.c - the control socket: one line in, some lines out, the last of them "ok" or
 * "error: ...".
 *
 *   fault NAME [after N] [count N|forever] [arg V] [one-in N]
 *   clear [NAME] | list | counters | reset | disconnect, and what the model knows
 *
 * Room:   tests/models/server. For the person or test that owns the device; not hostile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "internal.h"

void control_accept(struct server *s)
{
	int fd = accept4(s->control_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (unsigned i = 0; i < MAX_CONTROLS; i++)
		if (s->control[i].fd < 0) {
			s->control[i] = (struct control){ .fd = fd };
			return;
		}
	close(fd);
}

static void counters(const struct server *s, FILE *out)
{
	for (unsigned i = 0; i < SERVER_COUNTERS; i++)
		fprintf(out, "%s %llu\n", s->counter[i].name,
			(unsigned long long)s->counter[i].value);
	for (unsigned i = 0; i < s->model->counter_count; i++)
		fprintf(out, "%s %llu\n", s->model->counters[i].name,
			(unsigned long long)s->model->counters[i].value);
	for (unsigned t = 0; t < 2; t++)
		for (unsigned i = 0; i < s->faults.count[t]; i++)
			if (s->faults.table[t][i].fired)
				fprintf(out, "fault %s %llu\n", s->faults.table[t][i].name,
					(unsigned long long)s->faults.table[t][i].fired);
}

static int obey(struct server *s, int n, char **word, FILE *out)
{
	if (!n)
		return -EINVAL;
	if (!strcmp(word[0], "fault"))
		return fault_arm(&s->faults, n - 1, word + 1);
	if (!strcmp(word[0], "clear") && n <= 2)
		return fault_clear(&s->faults, n == 2 ? word[1] : NULL);
	if (!strcmp(word[0], "list") && n == 1)
		return fault_list(&s->faults, out), 0;
	if (!strcmp(word[0], "counters") && n == 1)
		return counters(s, out), 0;
	if (!strcmp(word[0], "reset") && n == 1)
		return device_reset(s, RESET_POWER), 0;
	if (!strcmp(word[0], "disconnect") && n == 1)
		return session_close(s, "told so by the control socket"), 0;
	return s->model->control ? s->model->control(s->dev, n, word, out) : -ENOENT;
}

static void answer(struct server *s, struct control *c)
{
	char  *word[16], *text = NULL;
	int    n = 0, err;
	size_t bytes;
	FILE  *out = open_memstream(&text, &bytes);

	if (!out)
		return;
	for (char *p = strtok(c->line, " \t\r"); p && n < 16; p = strtok(NULL, " \t\r"))
		word[n++] = p;
	err = obey(s, n, word, out);
	if (err)
		fprintf(out, "error: %s\n", err == -ENOENT ? "unknown name" : strerror(-err));
	else
		fprintf(out, "ok\n");
	fclose(out);
	(void)!send(c->fd, text, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(text);
}

void control_readable(struct server *s, struct control *c)
{
	ssize_t n = read(c->fd, c->line + c->used, sizeof(c->line) - 1 - c->used);
	char   *end;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0)
		c->used += (unsigned)n;
	if (n > 0 && (c->used < sizeof(c->line) - 1 || memchr(c->line, '\n', c->used))) {
		while ((end = memchr(c->line, '\n', c->used))) {
			unsigned length = (unsigned)(end - c->line) + 1;
			*end = '\0';
			answer(s, c);
			c->used -= length;
			memmove(c->line, end + 1, c->used);
		}
		return;
	}
	close(c->fd);
	c->fd = -1;
}
