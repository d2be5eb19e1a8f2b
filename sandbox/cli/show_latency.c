/* SPDX-License-Identifier: MIT */
/* show_latency.c - see show_latency.h. Room: sandbox/cli. */
#include "show_latency.h"

typedef unsigned long long ull;

static const char *const classes[RF_LATENCIES] = {
	[RF_LATENCY_READ] = "read", [RF_LATENCY_WRITE] = "write", [RF_LATENCY_FLUSH] = "flush",
	[RF_LATENCY_OTHER] = "other",
};

static const char *const steps[RF_STEPS] = {
	[RF_STEP_DETECT] = "detect", [RF_STEP_QUIESCE] = "quiesce", [RF_STEP_SPAWN] = "spawn",
	[RF_STEP_ENABLE] = "enable", [RF_STEP_FIRST_IO] = "first_io", [RF_STEP_WHOLE] = "whole",
};

/* ---- JSON ------------------------------------------------------------------- */

static void put_buckets(FILE *f, const struct rf_histogram_copy *h)
{
	const char *comma = "";

	fprintf(f, "\"buckets\":[");
	for (uint32_t i = 0; i < RF_HISTOGRAM_BUCKETS; i++)
		if (h->bucket[i]) {
			fprintf(f, "%s[%llu,%llu]", comma, (ull)rf_histogram_low(i),
				(ull)h->bucket[i]);
			comma = ",";
		}
	fprintf(f, "]}");
}

static void put_histograms(FILE *f, const char *key, const struct rf_histogram *from,
			   const char *const *names, int count)
{
	static struct rf_histogram_copy h;

	fprintf(f, ",\"%s\":{", key);
	for (int i = 0; i < count; i++) {
		rf_histogram_read(&h, &from[i]);
		fprintf(f,
			"%s\"%s\":{\"count\":%llu,\"sum_ns\":%llu,\"p50_ns\":%llu,\"p90_ns\":%llu,"
			"\"p99_ns\":%llu,\"p99_9_ns\":%llu,\"max_ns\":%llu,",
			i ? "," : "", names[i], (ull)h.count, (ull)h.sum_ns,
			(ull)rf_histogram_at(&h, 500), (ull)rf_histogram_at(&h, 900),
			(ull)rf_histogram_at(&h, 990), (ull)rf_histogram_at(&h, 999),
			(ull)h.max_ns);
		put_buckets(f, &h);
	}
	fprintf(f, "}");
}

void show_latency_json(FILE *f, const struct rf_stats_service *st, bool disk)
{
	if (disk) {
		fprintf(f, ",\"latency_one_in\":%u", RF_LATENCY_ONE_IN);
		put_histograms(f, "latency", st->latency, classes, RF_LATENCIES);
	}
	put_histograms(f, "recovery", st->step, steps, RF_STEPS);
}

/* ---- words ------------------------------------------------------------------ */

/* Three digits of it, or as many as it has. */
static void put_duration(FILE *f, uint64_t ns)
{
	static const struct { uint64_t ns; const char *name; } unit[] = {
		{ 1000000000, "s" }, { 1000000, "ms" }, { 1000, "us" }, { 1, "ns" },
	};
	int i = 0;

	while (i < 3 && ns < unit[i].ns)
		i++;
	double n = (double)ns / (double)unit[i].ns;
	fprintf(f, "%.*f %s", i == 3 || n >= 100 ? 0 : n >= 10 ? 1 : 2, n, unit[i].name);
}

/* Begins the line, or goes on with it. */
static void put_words(FILE *f, const char *device, bool *begun, const char *what,
		      const struct rf_histogram *from)
{
	static struct rf_histogram_copy h;

	rf_histogram_read(&h, from);
	if (!h.count)
		return;
	if (*begun)
		fprintf(f, ", ");
	else
		fprintf(f, "%s: latency ", device);
	*begun = true;
	fprintf(f, "%s p50 ", what);
	put_duration(f, rf_histogram_at(&h, 500));
	fprintf(f, " p99 ");
	put_duration(f, rf_histogram_at(&h, 990));
	fprintf(f, " max ");
	put_duration(f, h.max_ns);
}

void show_latency(FILE *f, const char *device, const struct rf_stats_service *st)
{
	bool begun = false;

	for (int i = 0; i < RF_LATENCIES; i++)
		put_words(f, device, &begun, classes[i], &st->latency[i]);
	put_words(f, device, &begun, "recovery", &st->step[RF_STEP_WHOLE]);
	if (begun)
		fprintf(f, "\n");
}
