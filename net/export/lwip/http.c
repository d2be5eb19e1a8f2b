/* SPDX-License-Identifier: MIT */
/*
 * http.c - HTTP/1.1 (RFC 9112), as little of it as a status page needs: one request a
 * connection, no body, an answer of known length.
 *
 * Room:   net/export/lwip, trusted.
 * Trust:  none in clients: a request that is not understood gets an error and the end.
 */
#include "http.h"

#include <stdio.h>
#include <string.h>

#include "join_table.h"
#include "stack.h"

#define PAGES    8u
#define IN_BYTES 2048u
#define OUT_BYTES 65536u
#define LIMIT_NS 10000000000ull

struct page {
	struct stream  *stream; /* NULL: free */
	struct service *service;
	uint64_t until;
	bool     answered;
	uint32_t in_len, out_at, out_len;
	char     in[IN_BYTES + 1], out[OUT_BYTES];
};

static struct page pages[PAGES];
static const struct status *status;
static char body[OUT_BYTES - 512];

void http_init(const struct status *st)
{
	status = st;
}

static void end(struct page *p, bool reset)
{
	struct stream *s = p->stream;

	p->stream = NULL;
	p->service->active--;
	if (reset)
		stream_abort(s);
	else
		stream_close(s);
}

/* Of an answer to HEAD only the headers are sent (RFC 9110, 9.3.2), whatever the answer. */
static bool asked_for_head(const struct page *p)
{
	return !strncmp(p->in, "HEAD ", 5);
}

/* `more`: further headers, each with its end of line. */
static void http_answer(struct page *p, const char *code, const char *more, const char *type,
			const char *text, size_t length)
{
	int n = snprintf(p->out, sizeof(p->out),
			 "HTTP/1.1 %s\r\n%sContent-Type: %s\r\nContent-Length: %zu\r\n"
			 "Connection: close\r\nCache-Control: no-store\r\n\r\n",
			 code, more, type, length);

	if (!asked_for_head(p)) {
		memcpy(p->out + n, text, length);
		n += (int)length;
	}
	p->out_len = (uint32_t)n;
	p->answered = true;
}

static void http_refuse(struct page *p, const char *code, const char *more)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "%s\n", code);

	http_answer(p, code, more, "text/plain", text, (size_t)n);
}

static void http_complain(struct page *p, const char *code)
{
	http_refuse(p, code, "");
}

/* p->in: a request line and headers, ended by an empty line. Headers do not matter here. */
static void http_request(struct page *p)
{
	bool head = asked_for_head(p);
	const char *path = p->in + (head ? 5 : 4);
	size_t length = strcspn(path, " ?\r\n");
	const char *version = path + strcspn(path, " \r\n");

	if (!head && strncmp(p->in, "GET ", 4)) {
		http_refuse(p, "405 Method Not Allowed",
			    "Allow: GET, HEAD\r\n"); /* RFC 9110, 15.5.6 */
	} else if (strncmp(version, " HTTP/1.", 8)) {
		http_complain(p, "400 Bad Request");
	} else if (length == 1 && path[0] == '/') {
		http_answer(p, "200 OK", "", "text/html; charset=utf-8", body,
			    status_page(status, body, sizeof(body)));
	} else if (length == 8 && !strncmp(path, "/metrics", 8)) {
		http_answer(p, "200 OK", "",
			    "application/openmetrics-text; version=1.0.0; charset=utf-8", body,
			    status_metrics(status, body, sizeof(body)));
	} else {
		http_complain(p, "404 Not Found");
	}
}

static void http_receive(struct page *p)
{
	struct iovec piece[2];
	int n = stream_peek(p->stream, piece);

	for (int i = 0; i < n; i++) {
		size_t take = piece[i].iov_len, room = p->answered ? take : IN_BYTES - p->in_len;

		if (take > room)
			take = room;
		if (!p->answered)
			memcpy(p->in + p->in_len, piece[i].iov_base, take);
		p->in_len += p->answered ? 0 : (uint32_t)take;
		stream_consume(p->stream, take);
	}
	p->in[p->in_len] = '\0';
	if (p->answered)
		return;
	if (memchr(p->in, '\0', p->in_len))
		http_complain(p, "400 Bad Request");
	else if (strstr(p->in, "\r\n\r\n") || strstr(p->in, "\n\n"))
		http_request(p);
	else if (p->in_len == IN_BYTES)
		http_complain(p, "431 Request Header Fields Too Large");
}

static void http_event(struct stream *s, void *owner)
{
	struct page *p = owner;

	if (s->error) {
		end(p, true);
		return;
	}
	http_receive(p);
	while (p->out_at < p->out_len) {
		size_t n = stream_write(s, p->out + p->out_at, p->out_len - p->out_at);

		if (!n)
			return;
		p->out_at += (uint32_t)n;
	}
	/* A close with bytes unread would be a reset, and the answer might be lost by it. */
	if (p->answered || stream_at_end(s)) {
		http_receive(p);
		end(p, false);
	}
}

static bool http_fair(const struct stream *s)
{
	uint32_t taken = 0, same = 0;

	for (const struct page *p = pages; p < pages + PAGES; p++) {
		taken += p->stream != NULL;
		same += p->stream && stream_same_peer(p->stream, s);
	}
	return stream_share(same, PAGES - taken);
}

bool http_accept(struct stream *s, void *arg)
{
	struct service *service = arg;

	for (struct page *p = pages; http_fair(s) && p < pages + PAGES; p++) {
		if (p->stream)
			continue;
		memset(p, 0, offsetof(struct page, in));
		p->stream = s;
		p->service = service;
		p->until = stack_now_ns() + LIMIT_NS;
		s->event = http_event;
		s->owner = p;
		service->accepted++;
		service->active++;
		return true;
	}
	service->failed++;
	return false;
}

void http_tick(uint64_t now)
{
	for (struct page *p = pages; p < pages + PAGES; p++)
		if (p->stream && now > p->until)
			end(p, true);
}
