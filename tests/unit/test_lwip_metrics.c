/* SPDX-License-Identifier: MIT */
/*
 * test_lwip_metrics.c - /metrics of rf-lwip: histograms of its disks by the rules of OpenMetrics
 * 1.0, and all of it on the page, with every disk and service there can be and the largest numbers.
 *
 * Room:   tests/unit. status.c without a stack that runs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/proto/histogram.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/lib/words.c"
#include "net/export/lwip/now.c"
#include "net/export/lwip/stack.c"
#include "net/export/lwip/status.c"
#include "net/export/lwip/http.c"
#include "tests/unit/lwip_streams.h"

static struct rf_lwip_service lines[RF_LWIP_SERVICES];
static struct service all[RF_LWIP_SERVICES];
static struct link wire = { .mtu = 1500, .known = true, .up = true };
static struct stack stack = { .link = &wire };
static struct lwip_disk disks[RF_LWIP_DISKS];
static struct rf_stats_service counts[RF_LWIP_DISKS];
static struct status shown = { .stack = &stack, .services = all, .disks = disks };

struct rf_stats_service *rf_blk_stats(struct rf_blk *s)
{
	return (struct rf_stats_service *)s;
}

/* No segment comes here. */
err_t rf_lwip_segment(struct tcp_pcb *pcb, const struct tcp_hdr *h)
{
	(void)pcb;
	(void)h;
	return ERR_VAL;
}

static void open_disk(uint32_t i, const char *name)
{
	disks[i].count = 1;
	disks[i].exports[0].export.name = name;
	disks[i].service = (struct rf_blk *)&counts[i];
	shown.disk_count = i + 1;
}

/* The value of a line, or -1. */
static double value_of(const char *line)
{
	const char *at = strstr(body, line);

	return at && at[strlen(line)] == ' ' ? atof(at + strlen(line)) : -1;
}

#define READS "rf_lwip_disk_request_seconds"

static void a_histogram_is_cumulative_and_ends_with_inf(void **state)
{
	double last = 0;

	(void)state;
	open_disk(0, "disk0");
	rf_histogram_add(&counts[0].latency[RF_LATENCY_READ], 500);
	rf_histogram_add(&counts[0].latency[RF_LATENCY_READ], 1023);
	rf_histogram_add(&counts[0].latency[RF_LATENCY_READ], 1024);
	rf_histogram_add(&counts[0].latency[RF_LATENCY_READ], 60000000000);
	rf_histogram_add(&counts[0].step[RF_STEP_WHOLE], 480000);
	status_metrics(&shown, body, sizeof(body));
	assert_non_null(strstr(body, "# TYPE " READS " histogram\n"));
	assert_true(value_of(READS "_bucket{disk=\"disk0\",op=\"read\",le=\"0.000001023\"}") == 2);
	assert_true(value_of(READS "_bucket{disk=\"disk0\",op=\"read\",le=\"0.000002047\"}") == 3);
	assert_true(value_of(READS "_bucket{disk=\"disk0\",op=\"read\",le=\"+Inf\"}") == 4);
	assert_true(value_of(READS "_count{disk=\"disk0\",op=\"read\"}") == 4);
	double sum = value_of(READS "_sum{disk=\"disk0\",op=\"read\"}");
	assert_true(sum > 60.0000025 && sum < 60.0000026);
	assert_true(value_of(READS "_count{disk=\"disk0\",op=\"flush\"}") == 0);
	const char *const whole =
		"rf_lwip_disk_recovery_seconds_count{disk=\"disk0\",step=\"whole\"}";
	assert_true(value_of(whole) == 1);
	const char *const read = READS "_bucket{disk=\"disk0\",op=\"read\"";
	for (const char *at = body; (at = strstr(at, read)); at++) {
		double now = atof(strchr(at, '}') + 1);

		assert_true(now >= last);
		last = now;
	}
	assert_true(last == 4);
}

/* The end of the page is there, so that nobody takes half of it for all. */
static void the_largest_page_has_its_end(void **state)
{
	(void)state;
	memset(counts, 0xff, sizeof(counts));
	open_disk(0, "abcdefghijklmno");
	open_disk(1, "abcdefghijklmnp");
	for (int i = 0; i < RF_LWIP_SERVICES; i++) {
		lines[i].job = RF_LWIP_FORWARD;
		all[i] = (struct service){ .config = &lines[i], .accepted = UINT64_MAX,
					   .refused = UINT64_MAX, .failed = UINT64_MAX,
					   .to_host = UINT64_MAX, .to_stack = UINT64_MAX,
					   .active = UINT32_MAX };
	}
	shown.service_count = RF_LWIP_SERVICES;
	memset(&wire.rx_frames, 0xff, sizeof(wire.rx_frames));
	size_t length = status_metrics(&shown, body, sizeof(body));
	assert_int_equal(length, strlen(body));
	assert_string_equal(body + length - 6, "# EOF\n");
	assert_true(length + 512 < sizeof(body));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_histogram_is_cumulative_and_ends_with_inf),
		cmocka_unit_test(the_largest_page_has_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
