/* SPDX-License-Identifier: MIT */
/*
 * status.c - the control socket: one request line, one answer, closed.
 *
 * Room:   sandbox/supervisor, privileged. Only root (or the owner) can connect;
 *         requests are still bounded in length, answers in time.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "supervisor.h"

static struct sockaddr_un address(const struct rf_config *c)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%.90s/control", c->run_dir);
	return a;
}

int status_listen(struct sup *s)
{
	struct sockaddr_un a = address(&s->config);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (!connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		rf_log("another ringfence runs already (%s)", a.sun_path);
		close(fd);
		return -EBUSY;
	}
	close(fd);
	unlink(a.sun_path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t old = umask(0077);
	int err = bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 16) ? -errno : 0;
	umask(old);
	if (err)
		rf_log("cannot listen on %s: %s", a.sun_path, strerror(-err));
	return err ? err : fd;
}

static const char *export_name(const struct rf_device *d)
{
	static const char *const names[] = { "none", "nbd", "load", "lwip", "tap", "load", "lwip" };
	return names[d->export_kind];
}

static pid_t driver_pid(const struct dev *d)
{
	return d->generation ? d->driver_pid[d->generation & 1] : 0;
}

static void put_net_json(FILE *f, const struct dev *d)
{
	const struct rf_stats_net *n = (const void *)((const char *)d->service + RF_STATS_NET);

	fprintf(f, ",\"rx_frames\":%llu,\"rx_bad\":%llu,\"rx_dropped\":%llu,\"rx_lost_export\":%llu,"
		   "\"tx_frames\":%llu,\"tx_done\":%llu,\"tx_refused\":%llu,\"lost_tx\":%llu,"
		   "\"link\":\"%s\",\"mtu\":%u,\"mac\":\"%02x:%02x:%02x:%02x:%02x:%02x\"",
		(unsigned long long)n->rx_frames, (unsigned long long)n->rx_bad,
		(unsigned long long)n->rx_dropped, (unsigned long long)n->rx_lost_export,
		(unsigned long long)n->tx_frames, (unsigned long long)n->tx_done,
		(unsigned long long)n->tx_refused, (unsigned long long)n->lost_tx,
		n->link == RF_NET_LINK_DOWN ? "down" : "up", n->mtu, n->mac[0], n->mac[1], n->mac[2],
		n->mac[3], n->mac[4], n->mac[5]);
}

static void put_walls_json(FILE *f, const struct dev *d)
{
	const char *comma = "";

	fprintf(f, ",\"walls\":[");
	for (int i = 0; i < RF_WALLS; i++)
		if (d->walls.up & RF_WALL_BIT(i)) {
			fprintf(f, "%s\"%s\"", comma, rf_wall_names[i]);
			comma = ",";
		}
	fprintf(f, "]");
}

static void put_device_json(FILE *f, const struct dev *d, const struct dev *stack)
{
	const struct rf_stats_service *st = d->service;

	fprintf(f, "{\"device\":\"%s\",\"state\":\"%s\",\"code\":%d,\"pci\":\"%s\",\"driver\":\"%s\","
		   "\"export\":\"%s\",\"generation\":%u,\"driver_pid\":%d,\"device_pid\":%d,"
		   "\"export_pid\":%d,\"standby_pid\":%d,\"deaths\":%llu,\"standby_deaths\":%llu,"
		   "\"process_deaths\":%llu,\"crashes\":%llu,\"hangs\":%llu,\"stall_deaths\":%llu,"
		   "\"lies\":%llu",
		d->cfg->name, dev_state_name(d->state), d->code, d->cfg->pci, d->cfg->policy.driver,
		export_name(d->cfg), d->generation, driver_pid(d), d->device_pid,
		(stack ? stack : d)->export_pid,
		d->driver_pid[!(d->generation & 1)], (unsigned long long)d->deaths,
		(unsigned long long)d->standby_deaths, (unsigned long long)d->process_deaths,
		(unsigned long long)d->died_of[DEATH_CRASH], (unsigned long long)d->died_of[DEATH_HANG],
		(unsigned long long)d->died_of[DEATH_STALL], (unsigned long long)d->died_of[DEATH_LIE]);
	if (st)
		fprintf(f, ",\"size\":%llu,\"block_size\":%u,\"submitted\":%llu,\"completed\":%llu,"
			   "\"bytes_read\":%llu,\"bytes_written\":%llu,\"failed\":%llu,\"reissued\":%llu,"
			   "\"violations\":%llu,\"stalls\":%llu,\"held_back\":%llu,\"clients\":%llu,"
			   "\"client_errors\":%llu,\"nudges\":%llu,\"nudges_helped\":%llu,\"inflight\":%u",
			(unsigned long long)d->info.size, d->info.block_size,
			(unsigned long long)st->submitted, (unsigned long long)st->completed,
			(unsigned long long)st->bytes_read, (unsigned long long)st->bytes_written,
			(unsigned long long)st->failed, (unsigned long long)st->reissued,
			(unsigned long long)st->violations, (unsigned long long)st->stalls,
			(unsigned long long)st->held_back, (unsigned long long)st->clients,
			(unsigned long long)st->client_errors, (unsigned long long)st->nudges,
			(unsigned long long)st->nudges_helped, st->inflight);
	if (st && d->cfg->policy.device.service == RF_SERVICE_NET)
		put_net_json(f, d);
	if (d->walls.locked)
		put_walls_json(f, d);
	fprintf(f, "}");
}

static void put_status_json(FILE *f, struct sup *s)
{
	fprintf(f, "[");
	for (int i = 0; i < s->config.count; i++) {
		fprintf(f, i ? ",\n " : "");
		put_device_json(f, &s->dev[i], stack_of(s, &s->dev[i]));
	}
	fprintf(f, "]\n");
}

/* Below the table, and only where there is something to say. */
static void put_walls(FILE *f, const struct dev *d)
{
	char missing[512];

	if (!d->walls.locked)
		return;
	rf_walls_missing(&d->walls, missing, sizeof(missing));
	if (missing[0])
		fprintf(f, "%s: walls missing around its driver: %s\n", d->cfg->name, missing);
}

/* Deaths by their kind, and only where there were some. */
static void put_deaths(FILE *f, const struct dev *d)
{
	static const char *const kinds[DEATHS] = {
		[DEATH_CRASH] = "crash", [DEATH_HANG] = "hang", [DEATH_STALL] = "stall",
		[DEATH_LIE] = "lie", [DEATH_HANDOVER] = "export replaced",
	};
	const char *comma = "";

	if (!d->deaths)
		return;
	fprintf(f, "%s: its drivers died of:", d->cfg->name);
	for (int i = 0; i < DEATHS; i++)
		if (d->died_of[i]) {
			fprintf(f, "%s %s %llu", comma, kinds[i], (unsigned long long)d->died_of[i]);
			comma = ",";
		}
	fprintf(f, "\n");
}

static void put_status(FILE *f, const struct sup *s)
{
	fprintf(f, "%-12s %-12s %-13s %-10s %-8s %6s %8s %12s %9s %7s\n", "DEVICE", "STATE", "PCI",
		"DRIVER", "EXPORT", "GEN", "DEATHS", "REQUESTS", "REISSUED", "ERRORS");
	for (int i = 0; i < s->config.count; i++) {
		const struct dev *d = &s->dev[i];
		const struct rf_stats_service *st = d->service;

		fprintf(f, "%-12s %-12s %-13s %-10s %-8s %6u %8llu %12llu %9llu %7llu\n", d->cfg->name,
			dev_state_name(d->state), d->cfg->pci[0] ? d->cfg->pci : "-",
			d->cfg->policy.driver, export_name(d->cfg), d->generation,
			(unsigned long long)d->deaths, st ? (unsigned long long)st->completed : 0,
			st ? (unsigned long long)st->reissued : 0,
			st ? (unsigned long long)st->client_errors : 0);
	}
	for (int i = 0; i < s->config.count; i++) {
		put_deaths(f, &s->dev[i]);
		put_walls(f, &s->dev[i]);
	}
}

/* One line a recovery, oldest first: what happened when, in nanoseconds. */
static void put_recoveries(FILE *f, const struct dev *d)
{
	static const char *const methods[] = { "none", "soft", "function", "hot" };
	uint32_t last = d->device ? d->device->generation : 0;

	for (uint32_t g = last > RF_STATS_LOG ? last - RF_STATS_LOG : 1; g < last; g++) {
		const struct rf_recovery_device *r = &d->device->log[g % RF_STATS_LOG];
		const struct rf_recovery_service *v = &d->service->log[g % RF_STATS_LOG];

		if (r->generation != g)
			continue;
		fprintf(f, "{\"generation\":%u,\"method\":\"%s\",\"detect_ns\":%llu,"
			   "\"quiesced_ns\":%llu,\"spawned_ns\":%llu,\"enabled_ns\":%llu",
			g, methods[r->method & 3], (unsigned long long)r->detect_ns,
			(unsigned long long)r->quiesced_ns, (unsigned long long)r->spawned_ns,
			(unsigned long long)r->enabled_ns);
		if (v->generation == g)
			fprintf(f, ",\"inflight\":%u,\"drained\":%u,\"reissued\":%u,"
				   "\"down_ns\":%llu,\"first_io_ns\":%llu",
				v->inflight, v->drained, v->reissued, (unsigned long long)v->down_ns,
				(unsigned long long)v->first_io_ns);
		fprintf(f, "}\n");
	}
}

static struct dev *find(struct sup *s, const char *name)
{
	for (int i = 0; i < s->config.count; i++)
		if (!strcmp(s->dev[i].cfg->name, name))
			return &s->dev[i];
	return NULL;
}

static void answer(struct sup *s, FILE *f, char *request)
{
	char *save, *verb = strtok_r(request, " \n", &save);
	char *name = strtok_r(NULL, " \n", &save);
	struct dev *d = name ? find(s, name) : NULL;

	if (!verb)
		fprintf(f, "error: empty request\n");
	else if (!strcmp(verb, "status"))
		put_status(f, s);
	else if (!strcmp(verb, "status-json"))
		put_status_json(f, s);
	else if (!strcmp(verb, "stop")) {
		s->stopping = true;
		for (int i = 0; i < s->config.count; i++)
			dev_stop(s, &s->dev[i]);
		fprintf(f, "stopping\n");
	} else if (!d)
		fprintf(f, "error: %s: no such device in the configuration\n", name ? name : verb);
	else if (!strcmp(verb, "recoveries"))
		put_recoveries(f, d);
	else if (!strcmp(verb, "restart")) {
		dev_restart(s, d);
		fprintf(f, "restarting %s\n", name);
	} else
		fprintf(f, "error: unknown request '%s'\n", verb);
}

void status_serve(struct sup *s)
{
	struct timeval limit = { .tv_sec = 2 };
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
	char request[256];

	if (fd < 0)
		return;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	ssize_t n = read(fd, request, sizeof(request) - 1);
	FILE *f = n > 0 ? fdopen(fd, "w") : NULL;
	if (!f) {
		close(fd);
		return;
	}
	request[n] = '\0';
	for (int i = 0; i < s->config.count; i++)
		dev_walls(s, &s->dev[i]);
	answer(s, f, request);
	fclose(f);
}

int status_client(const struct rf_config *c, const char *request, bool quiet)
{
	struct sockaddr_un a = address(c);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char buf[4096];
	ssize_t n;
	bool first = true, error = false;

	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		if (!quiet)
			rf_log("nobody answers at %s: %s; is 'ringfence run' under way?", a.sun_path,
			       strerror(errno));
		return RF_EXIT_NOT_RUNNING;
	}
	if (write(fd, request, strlen(request)) < 0)
		return RF_EXIT_NOT_RUNNING;
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		if (first)
			error = n > 6 && !memcmp(buf, "error:", 6);
		first = false;
		fwrite(buf, 1, (size_t)n, error ? stderr : stdout);
	}
	fflush(stdout);
	return error ? RF_EXIT_FAILED : first && strncmp(request, "recoveries", 10) ? RF_EXIT_NOT_RUNNING : 0;
}
