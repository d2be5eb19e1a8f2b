/* SPDX-License-Identifier: MIT */
/*
 * e1000e_peer.c - the other end of the cable: a socket, a TAP interface, or a loop.
 *
 * Room:   tests/models.
 * Trust:  none in frames that come in: too short or too long ones are thrown away.
 *
 * A socket is SOCK_SEQPACKET, a frame a message, without FCS. Frames on their way out wait
 * in a FIFO while the peer is slow, and transmission stops while that is full: nothing is
 * lost but on a TAP that refuses. Faults on frames (drop, duplicate, corrupt) happen here:
 * arg 1 means received frames only, 2 sent ones only, otherwise both count.
 */
#include "e1000e_model.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "unix_listen.h"

#define RETRY_NS 200000u /* a peer's socket is full: look again */

static struct {
	const char *connect, *listen, *tap;
	int  fd, tap_fd;
	bool loop;
} opt = { .fd = -1, .tap_fd = -1 };

/* ---- opening --------------------------------------------------------------- */

static int open_fd(const char *key, const char *value, int *to)
{
	char *end;
	long  v = strtol(value, &end, 10);

	if (*end || end == value || v < 0 || fcntl((int)v, F_GETFD) < 0) {
		rf_log("--%s %s: not an open file descriptor", key, value);
		return -EINVAL;
	}
	*to = (int)v;
	return 0;
}

int e_peer_option(const char *key, const char *value)
{
	if (!strcmp(key, "peer"))
		opt.connect = value;
	else if (!strcmp(key, "peer-listen"))
		opt.listen = value;
	else if (!strcmp(key, "peer-fd"))
		return open_fd(key, value, &opt.fd);
	else if (!strcmp(key, "tap"))
		opt.tap = value;
	else if (!strcmp(key, "tap-fd"))
		return open_fd(key, value, &opt.tap_fd);
	else if (!strcmp(key, "loop"))
		opt.loop = !strcmp(value, "yes");
	else
		return -ENOENT;
	return 0;
}

static const char *path_of(const char *place)
{
	return strncmp(place, "unix:", 5) ? place : place + 5;
}

static int seqpacket(const char *path, struct sockaddr_un *address)
{
	memset(address, 0, sizeof(*address));
	address->sun_family = AF_UNIX;
	if (strlen(path) >= sizeof(address->sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address->sun_path, path);
	return socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int open_connect(struct nic *n)
{
	struct sockaddr_un address;

	n->peer = seqpacket(path_of(opt.connect), &address);
	if (n->peer < 0 || connect(n->peer, (void *)&address, sizeof(address))) {
		rf_log("--peer %s: %s; start what listens there first", opt.connect,
		       strerror(errno));
		return -EINVAL;
	}
	return 0;
}

static int open_listen(struct nic *n)
{
	const char *why;

	n->listener = rf_unix_listen(path_of(opt.listen), SOCK_SEQPACKET, 0, &why);
	if (n->listener < 0) {
		rf_log("--peer-listen %s: %s", opt.listen, why);
		return -EINVAL;
	}
	return server_watch(n->server, n->listener);
}

static int open_tap(struct nic *n)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };

	n->peer_is_tap = true;
	n->peer = opt.tap_fd >= 0 ? opt.tap_fd : open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (n->peer < 0) {
		rf_log("/dev/net/tun: %s; load the module tun, or use --peer", strerror(errno));
		return -EINVAL;
	}
	if (opt.tap_fd < 0) {
		strncpy(ifr.ifr_name, opt.tap, sizeof(ifr.ifr_name) - 1);
		if (ioctl(n->peer, TUNSETIFF, &ifr)) {
			rf_log("--tap %s: %s; it needs CAP_NET_ADMIN", opt.tap, strerror(errno));
			return -EINVAL;
		}
	}
	return fcntl(n->peer, F_SETFL, fcntl(n->peer, F_GETFL) | O_NONBLOCK) ? -EINVAL : 0;
}

int e_peer_open(struct nic *n)
{
	int wired = !!opt.connect + !!opt.listen + (opt.fd >= 0) + !!opt.tap + (opt.tap_fd >= 0) +
		    opt.loop;
	int bad = 0;

	n->peer = n->listener = -1;
	n->fifo.data = malloc(E_FIFO);
	if (!n->fifo.data)
		return -ENOMEM;
	if (wired > 1) {
		rf_log("--peer, --peer-listen, --peer-fd, --tap, --tap-fd and --loop: give one of "
		       "them");
		return -EINVAL;
	}
	n->loop = opt.loop;
	if (opt.connect)
		bad = open_connect(n);
	else if (opt.listen)
		bad = open_listen(n);
	else if (opt.tap || opt.tap_fd >= 0)
		bad = open_tap(n);
	else if (opt.fd >= 0)
		n->peer = opt.fd;
	if (!bad)
		e_peer_watch(n, true);
	return bad;
}

static void hang_up(struct nic *n)
{
	e_peer_watch(n, false);
	close(n->peer);
	n->peer = -1;
	n->fifo.from = n->fifo.to = 0;
}

void e_peer_close(struct nic *n)
{
	if (n->peer >= 0)
		hang_up(n);
	if (n->listener >= 0)
		close(n->listener);
	free(n->fifo.data);
}

void e_peer_watch(struct nic *n, bool on)
{
	if (n->peer < 0 || on == n->watching)
		return;
	if (!on)
		server_unwatch(n->server, n->peer);
	else if (server_watch(n->server, n->peer))
		return;
	n->watching = on;
}

/* ---- frames ---------------------------------------------------------------- */

/* Does a fault on frames happen to this one? `way`: 1 received, 2 sent. */
static bool fires(struct nic *n, enum e_fault f, unsigned way)
{
	uint64_t arg = fault_arg(&n->fault[f], 0);

	return (arg != 1 && arg != 2) || arg == way ? e_fires(n, f) : false;
}

static void corrupt(struct nic *n, uint8_t *frame, uint32_t bytes)
{
	frame[server_random(n->server) % bytes] ^= (uint8_t)(1u << server_random(n->server) % 8);
}

static bool looping(const struct nic *n)
{
	return n->loop || (n->reg[E_RCTL / 4] & E_RCTL_LBM_MAC);
}

bool e_peer_room(const struct nic *n)
{
	return E_FIFO - n->fifo.to >= E_BURST_MAX + 65536 || n->fifo.from == n->fifo.to;
}

static void queue(struct nic *n, const uint8_t *frame, uint32_t bytes)
{
	struct e_fifo *f = &n->fifo;

	if (f->from == f->to)
		f->from = f->to = 0;
	if (E_FIFO - f->to < bytes + 4) {
		n->count[C_PEER_LOST].value++;
		return;
	}
	memcpy(f->data + f->to, &bytes, 4);
	memcpy(f->data + f->to + 4, frame, bytes);
	f->to += 4 + bytes;
}

void e_peer_send(struct nic *n, const uint8_t *frame, uint32_t bytes)
{
	uint8_t copy[E_FRAME_MAX];

	if (n->peer < 0 && !looping(n)) {
		n->count[C_PEER_LOST].value++;
		return;
	}
	if (fires(n, F_DROP, 2))
		return;
	if (fires(n, F_CORRUPT, 2)) {
		memcpy(copy, frame, bytes);
		corrupt(n, copy, bytes);
		frame = copy;
	}
	queue(n, frame, bytes);
	if (fires(n, F_DUPLICATE, 2))
		queue(n, frame, bytes);
}

/* The next frame of the FIFO, still in it; NULL if there is none. */
static const uint8_t *first(const struct nic *n, uint32_t *bytes)
{
	const struct e_fifo *f = &n->fifo;

	if (f->from == f->to)
		return NULL;
	memcpy(bytes, f->data + f->from, 4);
	return f->data + f->from + 4;
}

unsigned e_peer_waiting(const struct nic *n)
{
	unsigned frames = 0;
	uint32_t bytes;

	for (uint32_t at = n->fifo.from; at != n->fifo.to; at += 4 + bytes, frames++)
		memcpy(&bytes, n->fifo.data + at, 4);
	return frames;
}

bool e_peer_flush(struct nic *n)
{
	const uint8_t *frame;
	uint32_t bytes;
	bool     any = false;

	if (n->listener >= 0 && n->peer < 0) {
		n->peer = accept4(n->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		e_peer_watch(n, true);
	}
	n->peer_retry = 0;
	while (n->peer >= 0 && !looping(n) && (frame = first(n, &bytes))) {
		ssize_t put = n->peer_is_tap ?
				      write(n->peer, frame, bytes) :
				      send(n->peer, frame, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (put < 0 && (errno == EAGAIN || errno == ENOBUFS) && !n->peer_is_tap) {
			n->peer_retry = server_now() + RETRY_NS;
			break;
		}
		if (put < 0) {
			n->count[C_PEER_LOST].value++;
			if (errno == EPIPE || errno == ECONNRESET) {
				hang_up(n);
				break;
			}
		}
		n->fifo.from += 4 + bytes;
		any = true;
	}
	return any;
}

static uint32_t take(struct nic *n, uint8_t *frame, uint32_t room)
{
	const uint8_t *from;
	uint32_t bytes;
	ssize_t  got;

	if (looping(n)) {
		from = first(n, &bytes);
		if (!from)
			return 0;
		if (bytes <= room)
			memcpy(frame, from, bytes);
		n->fifo.from += 4 + bytes;
		return bytes <= room ? bytes : 0;
	}
	if (n->peer < 0)
		return 0;
	got = n->peer_is_tap ? read(n->peer, frame, room) :
			       recv(n->peer, frame, room, MSG_DONTWAIT | MSG_TRUNC);
	if (!got && !n->peer_is_tap)
		hang_up(n);
	return got < 0 || got > (ssize_t)room ? 0 : (uint32_t)got;
}

uint32_t e_peer_next(struct nic *n, uint8_t *frame, uint32_t room)
{
	uint32_t bytes = n->again_len;

	if (bytes) {
		memcpy(frame, n->again, bytes);
		n->again_len = 0;
		return bytes;
	}
	do {
		bytes = take(n, frame, room);
	} while (bytes && (bytes < 14 || fires(n, F_DROP, 1)));
	if (!bytes)
		return 0;
	if (fires(n, F_CORRUPT, 1))
		corrupt(n, frame, bytes);
	if (fires(n, F_DUPLICATE, 1)) {
		memcpy(n->again, frame, bytes);
		n->again_len = bytes;
	}
	return bytes;
}
