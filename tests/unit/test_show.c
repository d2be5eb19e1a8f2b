/* SPDX-License-Identifier: MIT */
/*
 * test_show.c - what `ringfence status` and `recoveries` print of a device, in words and for
 * scripts.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sandbox/lib/ending.c"
#include "sandbox/lib/walls.c"
#include "sandbox/proto/histogram.c"
#include "sandbox/cli/show.c"
#include "sandbox/cli/show_latency.c"

static char *text;

static const char *shown_as(const struct shown *d, void (*show)(FILE *, const struct shown *, int))
{
	size_t bytes;

	free(text);
	FILE *f = open_memstream(&text, &bytes);
	show(f, d, 1);
	fclose(f);
	return text;
}

static struct shown disk(enum dev_state state, int code)
{
	struct shown d = { .s = { .name = "disk0",
				  .pci = "10000:01:00.0",
				  .driver = "nvme",
				  .state = state,
				  .code = code,
				  .export_kind = RF_EXPORT_NBD } };
	return d;
}

static void a_device_that_serves_needs_no_words(void **state)
{
	struct shown d = disk(DEV_RUNNING, 0);

	(void)state;
	assert_null(strstr(shown_as(&d, show_table), "disk0:"));
}

static void the_way_out_of_quarantine_is_said(void **state)
{
	struct shown d = disk(DEV_QUARANTINED, RF_EXIT_QUARANTINE);

	(void)state;
	assert_non_null(strstr(shown_as(&d, show_table), "disk0: its driver died too often"));
	assert_non_null(strstr(text, "'ringfence restart disk0' tries again"));
	assert_non_null(strstr(shown_as(&d, show_json), "\"state\":\"quarantined\",\"code\":76"));
}

static void a_failure_is_said_in_words(void **state)
{
	struct shown d = disk(DEV_FAILED, RF_EXIT_IN_USE);

	(void)state;
	assert_non_null(strstr(shown_as(&d, show_table),
			       "disk0: ended with code 69 (in use); the log says more"));
}

/* Steps by the monotonic clock, as ever, and from the death on; a standby was there before it. */
static void a_recovery_has_times_for_people(void **state)
{
	static struct rf_stats_device device = { .generation = 2 };
	static struct rf_stats_service service;
	struct shown d = disk(DEV_RUNNING, 0);
	size_t bytes;

	(void)state;
	device.log[1] = (struct rf_recovery_device){ .generation = 1,
						     .method = RF_RESET_SOFT,
						     .detect_ns = 5000000,
						     .quiesced_ns = 5400000,
						     .spawned_ns = 1000000,
						     .enabled_ns = 6500000 };
	d.service = &service;
	d.device = &device;
	free(text);
	FILE *f = open_memstream(&text, &bytes);
	show_recoveries(f, &d);
	fclose(f);
	assert_memory_equal(text, "{\"at\":\"20", 9);
	assert_non_null(strstr(text, "\"detect_ns\":5000000,"));
	assert_non_null(strstr(text, ",\"quiesced_after_us\":400,\"spawned_after_us\":-4000,"
				     "\"enabled_after_us\":1500}\n"));
}

/* Times of requests and of recoveries: a line for people, all of it for scripts. */
static void times_are_shown_where_there_are_any(void **state)
{
	static struct rf_stats_service service;
	struct shown d = disk(DEV_RUNNING, 0);

	(void)state;
	d.service = &service;
	d.s.service = RF_SERVICE_BLOCK;
	assert_null(strstr(shown_as(&d, show_table), "disk0:"));
	for (uint64_t i = 1; i <= 1000; i++)
		rf_histogram_add(&service.latency[RF_LATENCY_READ], i * 1000);
	rf_histogram_add(&service.step[RF_STEP_WHOLE], 480000);
	service.throttled = 3;
	service.throttled_ns = 1230000000;
	assert_non_null(strstr(shown_as(&d, show_table),
			       "disk0: latency read p50 508 us p99 999 us max 1.00 ms, recovery "
			       "p50 480 us p99 480 us max 480 us\n"));
	assert_non_null(strstr(text, "disk0: clients waited 3 times for a limit, 1.2 s in all\n"));
	assert_non_null(strstr(shown_as(&d, show_json),
			       "\"latency_one_in\":128,\"latency\":{\"read\":{\"count\":1000,"
			       "\"sum_ns\":500500000,\"p50_ns\":507903,\"p90_ns\":901119,"
			       "\"p99_ns\":999423,\"p99_9_ns\":999423,\"max_ns\":1000000,"
			       "\"buckets\":[[992,1],[1984,1],"));
	assert_non_null(strstr(text, "\"write\":{\"count\":0,"));
	assert_non_null(strstr(text, "\"whole\":{\"count\":1,\"sum_ns\":480000,"));
	assert_non_null(strstr(text, "\"throttled\":3,\"throttled_ms\":1230"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_that_serves_needs_no_words),
		cmocka_unit_test(the_way_out_of_quarantine_is_said),
		cmocka_unit_test(a_failure_is_said_in_words),
		cmocka_unit_test(a_recovery_has_times_for_people),
		cmocka_unit_test(times_are_shown_where_there_are_any),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	free(text);
	return failed;
}
