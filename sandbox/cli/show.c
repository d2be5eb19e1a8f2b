/* SPDX-License-Identifier: MIT */
/* show.c - see show.h. Room: sandbox/cli. */
#include "show.h"

#include <time.h>

#include "clock.h"
#include "ending.h"
#include "show_latency.h"

typedef unsigned long long ull;

static const char *const states[] = {
	[DEV_OFF] = "off", [DEV_STARTING] = "starting", [DEV_RUNNING] = "running",
	[DEV_QUARANTINED] = "quarantined", [DEV_STOPPING] = "stopping",
	[DEV_WAITING] = "waiting", [DEV_REVIVING] = "reviving", [DEV_FAILED] = "failed",
};

static const char *const exports[RF_EXPORT_KINDS] = { "none",   "nbd", "load", "lwip",
						      "format", "tap", "load", "lwip" };

/* The supervisor is believed, but a newer one may know more. */
#define NAME_OF(table, i) ((i) < sizeof(table) / sizeof((table)[0]) ? (table)[i] : "?")

/* ---- JSON ------------------------------------------------------------------- */

static void put_net_json(FILE *f, const struct shown *d)
{
	const struct rf_stats_net *n = (const void *)((const char *)d->service + RF_STATS_NET);

	fprintf(f,
		",\"rx_frames\":%llu,\"rx_bad\":%llu,\"rx_dropped\":%llu,\"rx_lost_export\":%llu,"
		"\"tx_frames\":%llu,\"tx_done\":%llu,\"tx_refused\":%llu,\"tx_software\":%llu,"
		"\"lost_tx\":%llu,"
		"\"link\":\"%s\",\"mtu\":%u,\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\"",
		(ull)n->rx_frames, (ull)n->rx_bad, (ull)n->rx_dropped, (ull)n->rx_lost_export,
		(ull)n->tx_frames, (ull)n->tx_done, (ull)n->tx_refused, (ull)n->tx_software,
		(ull)n->lost_tx, n->link == RF_NET_LINK_DOWN ? "down" : "up", n->mtu, n->mac[0],
		n->mac[1], n->mac[2], n->mac[3], n->mac[4], n->mac[5]);
}

static void put_walls_json(FILE *f, const char *key, const struct rf_wall_report *r)
{
	const char *comma = "";

	fprintf(f, ",\"%s\":[", key);
	for (int i = 0; i < RF_WALLS; i++)
		if (r->up & RF_WALL_BIT(i)) {
			fprintf(f, "%s\"%s\"", comma, rf_wall_names[i]);
			comma = ",";
		}
	fprintf(f, "]");
}

static void put_service_json(FILE *f, const struct rf_snapshot *s,
			     const struct rf_stats_service *st)
{
	fprintf(f,
		",\"size\":%llu,\"block_size\":%u,\"submitted\":%llu,\"completed\":%llu,"
		"\"bytes_read\":%llu,\"bytes_written\":%llu,\"failed\":%llu,\"reissued\":%llu,"
		"\"violations\":%llu,\"stalls\":%llu,\"held_back\":%llu,\"clients\":%llu,"
		"\"client_errors\":%llu,\"clients_cut\":%llu,\"nudges\":%llu,\"nudges_helped\":%"
		"llu,\"corrupt\":%llu,\"inflight\":%u,\"throttled\":%llu,\"throttled_ms\":%llu",
		(ull)s->size, s->block_size, (ull)st->submitted, (ull)st->completed,
		(ull)st->bytes_read, (ull)st->bytes_written, (ull)st->failed, (ull)st->reissued,
		(ull)st->violations, (ull)st->stalls, (ull)st->held_back, (ull)st->clients,
		(ull)st->client_errors, (ull)st->clients_cut, (ull)st->nudges,
		(ull)st->nudges_helped, (ull)st->corrupt, st->inflight, (ull)st->throttled,
		(ull)st->throttled_ns / 1000000);
}

/* Its keys are none of the device's own, so that whoever looks for one of those finds it. */
static void put_queues_json(FILE *f, const struct shown *d)
{
	const struct rf_snapshot *s = &d->s;

	fprintf(f, ",\"queues\":[");
	for (uint32_t i = 0; i < s->queues && i < RF_MAX_QUEUES; i++) {
		const struct rf_snapshot_queue *q = &s->queue[i];

		fprintf(f,
			"%s{\"queue\":%u,\"driver_number\":%u,\"pid\":%d,\"next_pid\":%d,"
			"\"died\":%llu", i ? "," : "", i, q->generation, q->driver_pid,
			q->standby_pid, (ull)q->deaths);
		if (d->service)
			fprintf(f, ",\"answered\":%llu,\"again\":%llu,\"under_way\":%u",
				(ull)d->service->queue[i].completed,
				(ull)d->service->queue[i].reissued,
				d->service->queue[i].inflight);
		fprintf(f, "}");
	}
	fprintf(f, "]");
}

static void put_device_json(FILE *f, const struct shown *d)
{
	const struct rf_snapshot *s = &d->s;

	fprintf(f,
		"{\"device\":\"%s\",\"state\":\"%s\",\"code\":%d,\"pci\":\"%s\",\"driver\":\"%s\","
		"\"export\":\"%s\",\"generation\":%u,\"driver_pid\":%d,\"device_pid\":%d,"
		"\"export_pid\":%d,\"standby_pid\":%d,\"deaths\":%llu,\"standby_deaths\":%llu,"
		"\"process_deaths\":%llu,\"crashes\":%llu,\"hangs\":%llu,\"stall_deaths\":%llu,"
		"\"lies\":%llu,\"storms\":%llu",
		s->name, NAME_OF(states, s->state), s->code, s->pci, s->driver,
		NAME_OF(exports, s->export_kind), s->generation, s->driver_pid, s->device_pid,
		s->export_pid, s->standby_pid, (ull)s->deaths, (ull)s->standby_deaths,
		(ull)s->process_deaths, (ull)s->died_of[DEATH_CRASH], (ull)s->died_of[DEATH_HANG],
		(ull)s->died_of[DEATH_STALL], (ull)s->died_of[DEATH_PROTO],
		(ull)s->died_of[DEATH_STORM]);
	if (d->service)
		put_service_json(f, s, d->service);
	if (d->device && s->service == RF_SERVICE_BLOCK)
		fprintf(f, ",\"cache_losses\":%u", d->device->losses);
	if (s->service == RF_SERVICE_BLOCK)
		fprintf(f, ",\"disk\":\"%s\",\"other_disk\":\"%s\"", s->disk.text,
			s->other.text);
	if (d->service && s->service == RF_SERVICE_NET)
		put_net_json(f, d);
	if (d->service)
		show_latency_json(f, d->service, s->service == RF_SERVICE_BLOCK);
	if (s->walls.locked)
		put_walls_json(f, "walls", &s->walls);
	fprintf(f, ",\"server_away_s\":%u,\"server_failures\":%llu", s->server_away_s,
		(ull)s->server_failures);
	fprintf(f, ",\"supervisor_pid\":%d,\"takeovers\":%llu", s->supervisor_pid,
		(ull)s->takeovers);
	put_queues_json(f, d);
	fprintf(f, "}");
}

void show_json(FILE *f, const struct shown *d, int count)
{
	fprintf(f, "[");
	for (int i = 0; i < count; i++) {
		fprintf(f, i ? ",\n " : "");
		put_device_json(f, &d[i]);
	}
	fprintf(f, "]\n");
}

/* ---- words ------------------------------------------------------------------ */

/* Lines below the table, for walls that are missing. */
static void put_walls(FILE *f, const struct rf_snapshot *s)
{
	char missing[512];

	if (!s->walls.locked)
		return;
	rf_walls_missing(&s->walls, missing, sizeof(missing));
	if (missing[0])
		fprintf(f, "%s: walls missing around its driver: %s\n", s->name, missing);
}

static void put_other(FILE *f, const struct rf_snapshot *s)
{
	fprintf(f, "%s: it was disk %s, and is %s now: clients %s; 'ringfence restart %s' takes "
		   "the new one\n", s->name, rf_identity_text(&s->disk),
		rf_identity_text(&s->other),
		s->server_failed ? "get EIO" : "wait for the old one", s->name);
}

static void put_server(FILE *f, const struct rf_snapshot *s)
{
	if (s->server_failures)
		fprintf(f, "%s: its device server failed %llu times\n", s->name,
			(ull)s->server_failures);
	if (!s->server_away_s)
		return;
	if (rf_identity_known(&s->other))
		return put_other(f, s);
	fprintf(f, "%s: device server unreachable for %u s: clients ", s->name, s->server_away_s);
	if (s->server_failed)
		fprintf(f, "get EIO; 'ringfence restart %s' tries again at once\n", s->name);
	else
		fprintf(f, "wait for it\n");
}

/* Says why a device does not serve, and how to get it back. */
static void put_end(FILE *f, const struct rf_snapshot *s)
{
	char how[RF_ENDING];

	if (s->state == DEV_QUARANTINED && !s->server_away_s)
		fprintf(f,
			"%s: its driver died too often, and clients get errors: 'ringfence restart "
			"%s' tries again\n",
			s->name, s->name);
	else if (s->state == DEV_FAILED && s->code)
		fprintf(f, "%s: %s; the log says more, and 'ringfence restart %s' tries again\n",
			s->name, rf_ending(s->code << 8, how), s->name);
}

/* Counts of deaths by kind, where there were any. */
static void put_deaths(FILE *f, const struct rf_snapshot *s)
{
	static const char *const kinds[DEATHS] = {
		[DEATH_CRASH] = "crash", [DEATH_HANG] = "hang", [DEATH_STALL] = "stall",
		[DEATH_PROTO] = "protocol error", [DEATH_HANDOVER] = "export replaced",
		[DEATH_STORM] = "storm", [DEATH_RESET] = "device reset",
	};
	const char *comma = "";

	if (!s->deaths)
		return;
	fprintf(f, "%s: its drivers died of:", s->name);
	for (int i = 0; i < DEATHS; i++)
		if (s->died_of[i]) {
			fprintf(f, "%s %s %llu", comma, kinds[i], (ull)s->died_of[i]);
			comma = ",";
		}
	fprintf(f, "\n");
}

/* A line for each queue, where there are several. */
static void put_queues(FILE *f, const struct shown *d)
{
	const struct rf_snapshot *s = &d->s;

	for (uint32_t i = 0; s->queues > 1 && i < s->queues && i < RF_MAX_QUEUES; i++)
		fprintf(f, "%s queue %u: driver %u (pid %d), %llu deaths, %llu requests\n",
			s->name, i, s->queue[i].generation, s->queue[i].driver_pid,
			(ull)s->queue[i].deaths,
			d->service ? (ull)d->service->queue[i].completed : 0);
}

static void put_times(FILE *f, const char *device, const struct rf_stats_service *st)
{
	show_latency(f, device, st);
	if (st->throttled)
		fprintf(f, "%s: clients waited %llu times for a limit, %llu.%llu s in all\n",
			device, (ull)st->throttled, (ull)st->throttled_ns / 1000000000,
			(ull)st->throttled_ns / 100000000 % 10);
}

void show_table(FILE *f, const struct shown *d, int count)
{
	fprintf(f, "%-12s %-12s %-13s %-10s %-8s %6s %8s %12s %9s %7s\n", "DEVICE", "STATE", "PCI",
		"DRIVER", "EXPORT", "GEN", "DEATHS", "REQUESTS", "REISSUED", "ERRORS");
	for (int i = 0; i < count; i++) {
		const struct rf_snapshot *s = &d[i].s;
		const struct rf_stats_service *st = d[i].service;

		fprintf(f, "%-12s %-12s %-13s %-10s %-8s %6u %8llu %12llu %9llu %7llu\n", s->name,
			NAME_OF(states, s->state), s->pci[0] ? s->pci : "-", s->driver,
			NAME_OF(exports, s->export_kind), s->generation, (ull)s->deaths,
			st ? (ull)st->completed : 0, st ? (ull)st->reissued : 0,
			st ? (ull)st->client_errors : 0);
	}
	for (int i = 0; i < count; i++) {
		put_queues(f, &d[i]);
		put_server(f, &d[i].s);
		put_end(f, &d[i].s);
		put_deaths(f, &d[i].s);
		if (d[i].service)
			put_times(f, d[i].s.name, d[i].service);
		put_walls(f, &d[i].s);
	}
}

/* The wall clock at a time of the monotonic one. */
static void put_time(FILE *f, uint64_t monotonic_ns)
{
	uint64_t ns = rf_clock_ns(CLOCK_REALTIME) - rf_clock_ns(CLOCK_MONOTONIC) + monotonic_ns;
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;
	char text[32];

	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &tm));
	fprintf(f, "{\"at\":\"%s.%03dZ\"", text, (int)(ns / 1000000 % 1000));
}

/* The time from the death to this step. A standby may have been spawned before. */
static void put_after(FILE *f, const char *step, uint64_t death_ns, uint64_t step_ns)
{
	if (step_ns)
		fprintf(f, ",\"%s_after_us\":%lld", step, (long long)(step_ns - death_ns) / 1000);
}

void show_recoveries(FILE *f, const struct shown *d)
{
	static const char *const methods[] = { "none", "queue", "soft", "function", "hot" };
	uint32_t last = 0;

	for (uint32_t i = 0; d->device && i < RF_MAX_QUEUES; i++)
		if (d->device->up[i] > last)
			last = d->device->up[i];
	for (uint32_t g = last > RF_STATS_LOG ? last - RF_STATS_LOG : 1; g < last; g++) {
		const struct rf_recovery_device *r = &d->device->log[g % RF_STATS_LOG];
		const struct rf_recovery_service *v = &d->service->log[g % RF_STATS_LOG];

		if (r->generation != g)
			continue;
		put_time(f, r->detect_ns);
		fprintf(f, ",\"generation\":%u,\"method\":\"%s\",\"detect_ns\":%llu,"
			   "\"quiesced_ns\":%llu,\"spawned_ns\":%llu,\"enabled_ns\":%llu",
			g, r->method <= RF_RESET_HOT ? methods[r->method] : "unknown",
			(ull)r->detect_ns, (ull)r->quiesced_ns,
			(ull)r->spawned_ns, (ull)r->enabled_ns);
		if (v->generation == g)
			fprintf(f,
				",\"inflight\":%u,\"drained\":%u,\"reissued\":%u,"
				"\"down_ns\":%llu,\"first_io_ns\":%llu",
				v->inflight, v->drained, v->reissued, (ull)v->down_ns,
				(ull)v->first_io_ns);
		put_after(f, "quiesced", r->detect_ns, r->quiesced_ns);
		put_after(f, "spawned", r->detect_ns, r->spawned_ns);
		put_after(f, "enabled", r->detect_ns, r->enabled_ns);
		if (v->generation == g)
			put_after(f, "first_io", r->detect_ns, v->first_io_ns);
		fprintf(f, "}\n");
	}
}
