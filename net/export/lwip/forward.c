/* SPDX-License-Identifier: MIT */
/*
 * forward.c - listeners on both sides, allow-lists, and asking rf-dial for the host's end.
 *
 * Room:   net/export/lwip, trusted.
 * Why rf-dial: this process parses what strangers send. So it may not connect to the host
 *         at all; it can only name one of the configuration's own targets by number.
 */
#include "forward.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "accept.h"
#include "dial.h"
#include "disk.h"
#include "http.h"
#include "proxy.h"
#include "log.h"
#include "packet.h"
#include "peers.h"
#include "reach.h"
#include "socks.h"
#include "stack.h"

static struct loop_watch dial = { .fd = -1 };

/* ---- the stack listens ---------------------------------------------------------------- */

static bool allowed(const ip_addr_t *peer, void *arg)
{
	struct service *s = arg;
	bool ok = peers_allow(s->config, peer);

	s->refused += !ok;
	return ok;
}

/* Asks rf-dial for all connections. If its queue is full, the rest follows when an answer has
 * come. */
static void ask_for_all(void)
{
	struct proxy *j;

	while ((j = proxy_unasked())) {
		struct rf_dial_ask ask = { .id = j->id, .service = j->service->index };
		int err = rf_packet_post(dial.fd, &ask, sizeof(ask));

		if (err == -EAGAIN)
			return;
		if (err)
			rf_die(RF_EXIT_BUG, "rf-dial is gone: %s", strerror(-err));
		j->asked = true;
	}
}

static bool from_stack(struct stream *stream, void *arg)
{
	struct service *s = arg;
	uint8_t key[16];

	stream_host(stream, key);
	if (!proxy_available(s) || !proxy_fair(s, key)) {
		s->failed++;
		return false;
	}
	struct proxy *j = proxy_new(s);
	memcpy(j->peer, key, 16);
	s->accepted++;
	j->state = PROXY_DIAL;
	proxy_stream(j, stream);
	ask_for_all();
	return true;
}

static void dialled(struct loop_watch *w)
{
	struct rf_dial_answer answer;
	int fds[RF_PACKET_FDS], count, n;

	while ((n = rf_packet_recv(w->fd, &answer, sizeof(answer), fds, &count, MSG_DONTWAIT)) >
	       0) {
		struct proxy *j = n == sizeof(answer) ? proxy_of(answer.id) : NULL;

		if (n != sizeof(answer) || count != !answer.error) {
			rf_close_all(fds, count);
			rf_die(RF_EXIT_BUG, "rf-dial answered what cannot be");
		}
		if (!j || j->state != PROXY_DIAL) {
			rf_close_all(fds, count);
		} else if (answer.error) {
			proxy_fail(j, answer.error);
		} else {
			proxy_host(j, fds[0]);
			j->state = PROXY_RUN;
			proxy_run(j);
		}
	}
	if (n != -EAGAIN)
		rf_die(RF_EXIT_BUG, "rf-dial is gone");
	ask_for_all();
}

/* ---- the host listens ------------------------------------------------------------------ */

static bool host_allowed(struct service *s, const struct sockaddr_storage *peer)
{
	const struct sockaddr_in *four = (const void *)peer;
	const struct sockaddr_in6 *six = (const void *)peer;
	bool ok = true;

	if (s->config->listen.kind == RF_LWIP_UNIX)
		return true; /* a UNIX socket: its owner and mode have decided */
	if (peer->ss_family == AF_INET)
		ok = rf_lwip_allowed(s->config, 4, (const void *)&four->sin_addr);
	else
		ok = peer->ss_family == AF_INET6 &&
		     rf_lwip_allowed(s->config, 6, six->sin6_addr.s6_addr);
	s->refused += !ok;
	return ok;
}

/* The address that shares are counted by: of IPv6 the part that one host may have to itself. */
static void peer_key(const struct sockaddr_storage *peer, uint8_t key[16])
{
	memset(key, 0, 16);
	if (peer->ss_family == AF_INET)
		memcpy(key + 12, &((const struct sockaddr_in *)peer)->sin_addr, 4);
	else if (peer->ss_family == AF_INET6)
		memcpy(key, &((const struct sockaddr_in6 *)peer)->sin6_addr, 8);
}

static void forward_begin(struct proxy *j)
{
	const struct rf_lwip_place *to = &j->service->config->target;

	j->port = to->port;
	if (j->service->config->job == RF_LWIP_SOCKS)
		socks_begin(j);
	else
		proxy_reach(j, to->name, &to->address);
}

static void host_client(struct service *s, int fd, const struct sockaddr_storage *peer)
{
	uint8_t key[16];

	if (!host_allowed(s, peer)) {
		close(fd);
		return;
	}
	peer_key(peer, key);
	if (s->config->listen.kind == RF_LWIP_TCP && !proxy_fair(s, key)) {
		s->failed++;
		close(fd);
		return;
	}
	struct proxy *j = proxy_new(s);
	memcpy(j->peer, key, 16);
	s->accepted++;
	proxy_host(j, fd);
	forward_begin(j);
}

/* Accepts at most as many as there are places in one go, so that others have their turn. */
static void from_host(struct loop_watch *w)
{
	struct service *s = (struct service *)((char *)w - offsetof(struct service, listen));

	for (uint32_t i = 0; i < PROXIES && proxy_available(s); i++) {
		struct sockaddr_storage peer = { 0 };
		socklen_t length = sizeof(peer);
		int fd = rf_accept(w->fd, (struct sockaddr *)&peer, &length);

		if (fd >= 0)
			host_client(s, fd, &peer);
		else if (fd == -ENOBUFS)
			s->listen_ns = stack_now_ns() + RF_ACCEPT_PAUSE_NS;
		if (fd == -ENOBUFS || fd == -EAGAIN)
			return;
	}
}

/* Clients that cannot be served wait in the backlog. */
void services_watch(struct service *s, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		bool may = proxy_available(&s[i]) && stack_now_ns() >= s[i].listen_ns;

		if (s[i].listen.fd >= 0)
			loop_want(&s[i].listen, may ? EPOLLIN : 0);
	}
}

/* ---- start ------------------------------------------------------------------------------- */

static int listen_on_stack(struct service *s, struct lwip_disk *disks)
{
	const struct rf_lwip_place *at = &s->config->listen;
	ip_addr_t address;
	int err;

	stack_address(&address, &at->address);
	if (s->config->job == RF_LWIP_STATUS)
		err = stream_listen(at->any ? NULL : &address, at->port, allowed, http_accept, s);
	else if (s->config->job == RF_LWIP_FORWARD)
		err = stream_listen(at->any ? NULL : &address, at->port, allowed, from_stack, s);
	else
		err = disk_listen(&disks[s->config->disk], s, at->any ? NULL : &address, allowed);
	if (err)
		rf_log("cannot listen on lwip-tcp %s port %u: %s",
		       at->any ? "*" : ipaddr_ntoa(&address), at->port, strerror(-err));
	if (!err && !s->config->allow_count)
		rf_log("nobody may connect to lwip-tcp port %u: name networks behind 'allow'",
		       at->port);
	return err;
}

int services_open(struct service *services, struct lwip_disk *disks, const struct rf_lwip_config *c)
{
	if (rf_lwip_dials(c)) {
		dial = (struct loop_watch){ .fd = RF_LWIP_FD_DIAL, .call = dialled };
		loop_want(&dial, EPOLLIN);
	}
	for (uint32_t i = 0; i < c->count; i++) {
		struct service *s = &services[i];

		*s = (struct service){ .config = &c->service[i], .index = i };
		s->listen = (struct loop_watch){ .fd = -1, .call = from_host };
		if (rf_lwip_on_host(s->config)) {
			s->listen.fd = RF_LWIP_FD_LISTEN + (int)i;
			loop_want(&s->listen, EPOLLIN);
			continue;
		}
		int err = listen_on_stack(s, disks);
		if (err)
			return err;
	}
	return 0;
}
