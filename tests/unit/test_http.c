/* SPDX-License-Identifier: MIT */
/*
 * test_http.c - what the status page answers to each kind of request (RFC 9110, RFC 9112).
 *
 * Room:   tests/unit. http.c over streams of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "log.h"
#include "net/export/lwip/http.c"

#include "tests/unit/lwip_streams.h"

const char *rf_log_name = "test";

uint64_t stack_now_ns(void)
{
	return 0;
}

size_t status_page(const struct status *st, char *to, size_t room)
{
	(void)st;
	return (size_t)snprintf(to, room, "<p>a page\n");
}

size_t status_metrics(const struct status *st, char *to, size_t room)
{
	(void)st;
	return (size_t)snprintf(to, room, "metric 1\n");
}

_Noreturn void rf_die(int code, const char *fmt, ...)
{
	(void)fmt;
	abort();
	exit(code);
}

/* The whole answer to these bytes. */
static const char *answered(const char *bytes)
{
	static struct service service;
	struct stream *s = stream_fresh();

	s->connected = true;
	stream_takes = sizeof(stream_out);
	assert_true(http_accept(s, &service));
	stream_feed((const uint8_t *)bytes, strlen(bytes));
	s->event(s, s->owner);
	assert_false(stream_open);
	stream_out[stream_out_length] = '\0';
	return stream_out;
}

static void assert_answer(const char *bytes, const char *code, bool with_body, const char *header)
{
	const char *all = answered(bytes), *body_at = strstr(all, "\r\n\r\n");

	assert_non_null(body_at);
	assert_memory_equal(all, code, strlen(code));
	size_t told = strtoul(strstr(all, "Content-Length: ") + 16, NULL, 10);
	assert_true(told > 0); /* HEAD says what GET would */
	assert_int_equal(strlen(body_at + 4), with_body ? told : 0);
	if (header)
		assert_non_null(strstr(all, header));
	else
		assert_null(strstr(all, "Allow:"));
}

static void head_has_no_body_whatever_the_answer(void **state)
{
	char longest[2100];

	(void)state;
	assert_answer("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", true, NULL);
	assert_answer("HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 200 ", false, NULL);
	assert_answer("GET /metrics?x HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", true, NULL);
	assert_answer("HEAD /metrics HTTP/1.0\r\n\r\n", "HTTP/1.1 200 ", false, NULL);
	assert_answer("GET /none HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", true, NULL);
	assert_answer("HEAD /none HTTP/1.1\r\n\r\n", "HTTP/1.1 404 ", false, NULL);
	assert_answer("GET / HTTP/2.0\r\n\r\n", "HTTP/1.1 400 ", true, NULL);
	assert_answer("HEAD / HTTP/2.0\r\n\r\n", "HTTP/1.1 400 ", false, NULL);
	memset(longest, 'x', sizeof(longest));
	longest[2048] = '\0';
	memcpy(longest, "HEAD /", 6);
	assert_answer(longest, "HTTP/1.1 431 ", false, NULL);
	memcpy(longest, "GET  /", 6);
	assert_answer(longest, "HTTP/1.1 431 ", true, NULL);
}

static void another_method_is_told_which_there_are(void **state)
{
	static const char *const others[] = { "POST",  "PUT",   "DELETE", "OPTIONS",
					      "PATCH", "TRACE", "HEADS",  "get" };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char bytes[100];

		snprintf(bytes, sizeof(bytes), "%s / HTTP/1.1\r\nHost: x\r\n\r\n", others[i]);
		assert_answer(bytes, "HTTP/1.1 405 ", true, "\r\nAllow: GET, HEAD\r\n");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_has_no_body_whatever_the_answer),
		cmocka_unit_test(another_method_is_told_which_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
