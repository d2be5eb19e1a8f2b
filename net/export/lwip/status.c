/* SPDX-License-Identifier: MIT */
/* status.c - see status.h. Room: net/export/lwip, trusted. */
#include "status.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "disk.h"
#include "join_table.h"
#include "lwip/stats.h"
#include "sack.h"
#include "stack.h"
#include "stats.h"

struct text {
	char  *at;
	size_t room, length;
};

static void emit(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void emit(struct text *t, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(t->at + t->length, t->room - t->length, fmt, args);
	va_end(args);
	t->length += n < 0 ? 0 : (size_t)n;
	if (t->length >= t->room)
		t->length = t->room - 1;
}

static const char *const job_name[] = { [RF_LWIP_FORWARD] = "forward", [RF_LWIP_SOCKS] = "socks",
					[RF_LWIP_STATUS] = "status", [RF_LWIP_DISK] = "disk" };

static const char *status_place(const struct rf_lwip_place *p, char *to, size_t room)
{
	char address[48] = "*";
	ip_addr_t ip;

	if (!p->any && !p->name[0]) {
		stack_address(&ip, &p->address);
		ipaddr_ntoa_r(&ip, address, sizeof(address));
	}
	if (p->kind == RF_LWIP_UNIX)
		snprintf(to, room, "unix:%s", p->name);
	else
		snprintf(to, room, "%s %s port %u", p->kind == RF_LWIP_STACK ? "lwip-tcp" : "tcp",
			 p->name[0] ? p->name : address, p->port);
	return to;
}

/* Names out of the configuration; the operator's own, yet no HTML. */
static void escaped(struct text *t, const char *s)
{
	for (; *s; s++) {
		if (strchr("<>&\"", *s))
			emit(t, "&#%d;", *s);
		else
			emit(t, "%c", *s);
	}
}

static void page_service(struct text *t, const struct service *s)
{
	char where[192];

	emit(t, "<tr><td>%s<td>", job_name[s->config->job]);
	escaped(t, status_place(&s->config->listen, where, sizeof(where)));
	emit(t, "<td>");
	if (s->config->job == RF_LWIP_FORWARD)
		escaped(t, status_place(&s->config->target, where, sizeof(where)));
	else if (s->config->job == RF_LWIP_DISK)
		escaped(t, s->config->device);
	emit(t,
	     "<td>%u<td>%" PRIu64 "<td>%" PRIu64 "<td>%" PRIu64 "<td>%" PRIu64 "<td>%" PRIu64 "\n",
	     s->active, s->accepted, s->refused, s->failed, s->to_host, s->to_stack);
}

size_t status_page(const struct status *st, char *to, size_t room)
{
	struct text t = { .at = to, .room = room };
	const struct link *l = st->stack->link;
	const struct netif *n = &st->stack->netif;

	emit(&t,
	     "<!DOCTYPE html><meta charset=utf-8><title>ringfence</title>\n"
	     "<h1>ringfence: network stack</h1>\n<p>Link %s, MAC %02x:%02x:%02x:%02x:%02x:%02x, "
	     "MTU %u. "
	     "IPv4 %s.",
	     l->up ? "up" : "down", l->mac[0], l->mac[1], l->mac[2], l->mac[3], l->mac[4],
	     l->mac[5], l->mtu, ip4addr_ntoa(netif_ip4_addr(n)));
	for (int i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++)
		if (ip6_addr_isvalid(netif_ip6_addr_state(n, i)))
			emit(&t, " IPv6 %s.", ip6addr_ntoa(netif_ip6_addr(n, i)));
	emit(&t,
	     "\n<p>Received %" PRIu64 " frames, %" PRIu64 " bytes; sent %" PRIu64
	     " frames, %" PRIu64 " bytes. Up for %" PRIu64 " s. %u connections.\n",
	     l->rx_frames, l->rx_bytes, l->tx_frames, l->tx_bytes,
	     (stack_now_ns() - st->started_ns) / 1000000000, stream_count());
	emit(&t, "<table><tr><th>job<th>listens<th>for<th>open<th>accepted<th>refused<th>failed"
	    "<th>to host<th>to stack\n");
	for (uint32_t i = 0; i < st->service_count; i++)
		page_service(&t, &st->services[i]);
	emit(&t, "</table>\n<p><a href=/metrics>metrics</a>\n");
	return t.length;
}

static void counter(struct text *t, const char *name, const char *help, uint64_t value)
{
	emit(t, "# TYPE rf_lwip_%s counter\n# HELP rf_lwip_%s %s\nrf_lwip_%s_total %" PRIu64 "\n",
	     name, name, help, name, value);
}

static void gauge(struct text *t, const char *name, const char *help, uint64_t value)
{
	emit(t, "# TYPE rf_lwip_%s gauge\n# HELP rf_lwip_%s %s\nrf_lwip_%s %" PRIu64 "\n", name,
	     name, help, name, value);
}

static void metrics_link(struct text *t, const struct link *l)
{
	gauge(t, "link_up", "Whether there is a carrier.", l->up);
	counter(t, "receive_frames", "Frames received.", l->rx_frames);
	counter(t, "receive_bytes", "Bytes received.", l->rx_bytes);
	counter(t, "receive_bad", "Frames of an impossible length, or without a buffer.",
		l->rx_bad);
	counter(t, "receive_others",
		"Frames for others, of a VLAN, or of a protocol not spoken here.", l->rx_others);
	counter(t, "receive_false", "Frames that no honest host sends on this link.", l->rx_false);
	counter(t, "transmit_frames", "Frames sent.", l->tx_frames);
	counter(t, "transmit_bytes", "Bytes sent.", l->tx_bytes);
	counter(t, "transmit_full", "Frames refused for want of room.", l->tx_full);
	counter(t, "address_conflicts", "Frames of others from our address.", l->conflicts);
}

static void metrics_stack(struct text *t)
{
	gauge(t, "connections", "TCP connections in use.", stream_count());
	counter(t, "connections_refused",
		"TCP connections refused because all, or all of the peer's share, were in use.",
		stream_refused());
	counter(t, "half_open_evicted",
		"TCP connections given up for newer ones before the peer answered.",
		stream_evicted());
	counter(t, "segments_lost",
		"Segments sent again because the peer said what arrived behind them.",
		sack_counts()->again);
	counter(t, "tails_probed",
		"Last segments sent again because nothing was acknowledged for two round trips.",
		sack_counts()->probes);
	counter(t, "timeouts", "Times all segments under way were sent again.",
		sack_counts()->timeouts);
	counter(t, "checksum_errors", "Received packets with a wrong checksum.",
		(uint64_t)lwip_stats.ip.chkerr + lwip_stats.tcp.chkerr + lwip_stats.udp.chkerr +
		lwip_stats.icmp.chkerr);
	counter(t, "packets_dropped", "Received packets dropped by a protocol.",
		(uint64_t)lwip_stats.ip.drop + lwip_stats.ip6.drop + lwip_stats.tcp.drop +
		lwip_stats.udp.drop + lwip_stats.icmp.drop + lwip_stats.etharp.drop);
	counter(t, "out_of_memory", "Times a protocol found its pool empty.",
		(uint64_t)lwip_stats.tcp.memerr + lwip_stats.ip.memerr + lwip_stats.udp.memerr +
		lwip_stats.etharp.memerr);
}

static void metrics_services(struct text *t, const struct status *st)
{
	static const struct {
		const char *name, *help, *type;
		size_t offset;
		bool   wide;
	} field[] = {
		{ "service_accepted", "Connections taken.", "counter",
		  offsetof(struct service, accepted), true },
		{ "service_refused", "Connections from outside the allow-list.", "counter",
		  offsetof(struct service, refused), true },
		{ "service_failed", "Connections whose other end could not be had.", "counter",
		  offsetof(struct service, failed), true },
		{ "service_host_bytes", "Bytes to the host.", "counter",
		  offsetof(struct service, to_host), true },
		{ "service_stack_bytes", "Bytes to the stack.", "counter",
		  offsetof(struct service, to_stack), true },
		{ "service_open", "Connections open.", "gauge", offsetof(struct service, active),
		  false },
	};

	for (unsigned f = 0; f < sizeof(field) / sizeof(*field); f++) {
		emit(t, "# TYPE rf_lwip_%s %s\n# HELP rf_lwip_%s %s\n", field[f].name,
		     field[f].type, field[f].name, field[f].help);
		for (uint32_t i = 0; i < st->service_count; i++) {
			const char *at = (const char *)&st->services[i] + field[f].offset;

			emit(t, "rf_lwip_%s%s{service=\"%u\",job=\"%s\"} %" PRIu64 "\n",
			     field[f].name, field[f].wide ? "_total" : "", i,
			     job_name[st->services[i].config->job],
			     field[f].wide ? *(const uint64_t *)at : *(const uint32_t *)at);
		}
	}
}

/* What the service of each disk counts; a disk no line names yet has no name. */
static void metrics_disks(struct text *t, const struct status *st)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} field[] = {
		{ "disk_requests", "Requests answered.",
		  offsetof(struct rf_stats_service, completed) },
		{ "disk_read_bytes", "Bytes read.", offsetof(struct rf_stats_service, bytes_read) },
		{ "disk_written_bytes", "Bytes written.",
		  offsetof(struct rf_stats_service, bytes_written) },
		{ "disk_failed", "Requests the device failed.",
		  offsetof(struct rf_stats_service, failed) },
		{ "disk_client_errors", "Requests answered to a client with an error.",
		  offsetof(struct rf_stats_service, client_errors) },
		{ "disk_clients_cut", "Clients cut off because they did not get on.",
		  offsetof(struct rf_stats_service, clients_cut) },
		{ "disk_reissued", "Requests given to a driver's successor.",
		  offsetof(struct rf_stats_service, reissued) },
		{ "disk_violations", "Impossible answers of a driver.",
		  offsetof(struct rf_stats_service, violations) },
		{ "disk_throttled", "Times a client waited for a limit.",
		  offsetof(struct rf_stats_service, throttled) },
		{ "disk_throttled_nanoseconds", "How long clients waited for limits.",
		  offsetof(struct rf_stats_service, throttled_ns) },
	};

	for (unsigned f = 0; st->disk_count && f < sizeof(field) / sizeof(*field); f++) {
		emit(t, "# TYPE rf_lwip_%s counter\n# HELP rf_lwip_%s %s\n", field[f].name,
		     field[f].name, field[f].help);
		for (uint32_t i = 0; i < st->disk_count; i++)
			emit(t, "rf_lwip_%s_total{disk=\"%s\"} %" PRIu64 "\n", field[f].name,
			     disk_name(&st->disks[i]),
			     atomic_load_explicit(
				     (const _Atomic uint64_t *)((const char *)rf_blk_stats(
									st->disks[i].service) +
								field[f].offset),
				     memory_order_relaxed));
	}
	if (st->disk_count)
		emit(t, "# TYPE rf_lwip_disk_driver_generation gauge\n# HELP "
			"rf_lwip_disk_driver_generation Drivers the disk has had.\n");
	for (uint32_t i = 0; i < st->disk_count; i++)
		emit(t, "rf_lwip_disk_driver_generation{disk=\"%s\"} %u\n",
		     disk_name(&st->disks[i]), rf_blk_stats(st->disks[i].service)->generation);
}

/* ---- histograms of disks ----------------------------------------------------------------- */

static void seconds(struct text *t, uint64_t ns)
{
	emit(t, "%" PRIu64 ".%09u", ns / 1000000000, (unsigned)(ns % 1000000000));
}

/* Bounds are powers of two nanoseconds, where the buckets' counts are exact. A bucket of a
 * histogram has what is below a bound, OpenMetrics' what is at most that: one nanosecond less. */
static void one_histogram(struct text *t, const char *name, const char *labels, unsigned shift,
			  const struct rf_histogram *from)
{
	static struct rf_histogram_copy h;

	rf_histogram_read(&h, from);
	for (unsigned bit = 10; bit <= 34; bit += shift) {
		emit(t, "rf_lwip_%s_bucket{%s,le=\"", name, labels);
		seconds(t, (1ull << bit) - 1);
		emit(t, "\"} %" PRIu64 "\n", rf_histogram_upto(&h, (1ull << bit) - 1));
	}
	emit(t, "rf_lwip_%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\nrf_lwip_%s_sum{%s} ", name, labels,
	     h.count, name, labels);
	seconds(t, h.sum_ns);
	emit(t, "\nrf_lwip_%s_count{%s} %" PRIu64 "\n", name, labels, h.count);
}

static void metrics_latency(struct text *t, const struct status *st)
{
	static const char *const op[RF_LATENCIES] = { "read", "write", "flush", "other" };
	static const char *const step[RF_STEPS] = { "detect", "quiesce", "spawn",
						    "enable", "first_io", "whole" };
	char labels[96];

	if (!st->disk_count)
		return;
	emit(t, "# TYPE rf_lwip_disk_request_seconds histogram\n"
		"# HELP rf_lwip_disk_request_seconds Time of one request in %u.\n",
	     RF_LATENCY_ONE_IN);
	for (uint32_t i = 0; i < st->disk_count * RF_LATENCIES; i++) {
		const struct lwip_disk *d = &st->disks[i / RF_LATENCIES];

		snprintf(labels, sizeof(labels), "disk=\"%s\",op=\"%s\"", disk_name(d),
			 op[i % RF_LATENCIES]);
		one_histogram(t, "disk_request_seconds", labels, 1,
			      &rf_blk_stats(d->service)->latency[i % RF_LATENCIES]);
	}
	emit(t, "# TYPE rf_lwip_disk_recovery_seconds histogram\n"
		"# HELP rf_lwip_disk_recovery_seconds Time of each step of a recovery.\n");
	for (uint32_t i = 0; i < st->disk_count * RF_STEPS; i++) {
		const struct lwip_disk *d = &st->disks[i / RF_STEPS];

		snprintf(labels, sizeof(labels), "disk=\"%s\",step=\"%s\"", disk_name(d),
			 step[i % RF_STEPS]);
		one_histogram(t, "disk_recovery_seconds", labels, 2,
			      &rf_blk_stats(d->service)->step[i % RF_STEPS]);
	}
}

size_t status_metrics(const struct status *st, char *to, size_t room)
{
	struct text t = { .at = to, .room = room };

	gauge(&t, "uptime_seconds", "Age of the process.",
	      (stack_now_ns() - st->started_ns) / 1000000000);
	metrics_link(&t, st->stack->link);
	metrics_stack(&t);
	metrics_services(&t, st);
	metrics_disks(&t, st);
	metrics_latency(&t, st);
	emit(&t, "# EOF\n");
	return t.length;
}
