/* SPDX-License-Identifier: MIT */
/*
 * socks.c - SOCKS version 5 (RFC 1928): CONNECT without authentication.
 *
 * Room:   net/export/lwip, trusted.
 * Trust:  none in clients: what one sends costs its own connection at the most.
 * Names:  are resolved by the stack's DNS, never by the host.
 */
#include "socks.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { SOCKS_OK, SOCKS_FAILED, SOCKS_DENIED, SOCKS_NET, SOCKS_HOST, SOCKS_REFUSED, SOCKS_TTL,
       SOCKS_COMMAND, SOCKS_ADDRESS };
enum { ATYP_4 = 1, ATYP_NAME = 3, ATYP_6 = 4 };
#define VERSION 5

void socks_begin(struct proxy *j)
{
	j->state = PROXY_SOCKS;
	j->socks = true;
	loop_want(&j->host, EPOLLIN);
}

/* A few bytes fit a socket that nothing was written to; if not, the client is odd. */
static bool socks_reply(struct proxy *j, const uint8_t *bytes, size_t n)
{
	struct iovec iov = { (void *)bytes, n };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (sendmsg(j->host.fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n)
		return true;
	proxy_drop(j, false);
	return false;
}

static bool reply(struct proxy *j, uint8_t code)
{
	/* The address we are bound to means nothing on the host's side: 0.0.0.0:0. */
	const uint8_t bytes[10] = { VERSION, code, 0, ATYP_4 };

	return socks_reply(j, bytes, sizeof(bytes));
}

bool socks_answer(struct proxy *j, int err)
{
	switch (-err) {
	case 0:
		return reply(j, SOCKS_OK);
	case ECONNREFUSED:
		return reply(j, SOCKS_REFUSED);
	case ENETUNREACH:
		return reply(j, SOCKS_NET);
	case ENOENT:
	case EHOSTUNREACH:
	case ETIMEDOUT:
		return reply(j, SOCKS_HOST);
	default:
		return reply(j, SOCKS_FAILED);
	}
}

static void socks_take(struct proxy *j, uint32_t n)
{
	j->out_len -= n;
	memmove(j->out, j->out + n, j->out_len);
}

/* True: look again. */
static bool greeting(struct proxy *j)
{
	uint8_t answer[2] = { VERSION, 0xff };

	if (j->out_len >= 1 && j->out[0] != VERSION) {
		proxy_drop(j, false);
		return false;
	}
	if (j->out_len < 2 || j->out_len < 2u + j->out[1])
		return false;
	if (memchr(j->out + 2, 0, j->out[1]))
		answer[1] = 0;
	socks_take(j, 2u + j->out[1]);
	if (!socks_reply(j, answer, 2))
		return false;
	if (answer[1]) {
		proxy_drop(j, false);
		return false;
	}
	j->greeted = true;
	return true;
}

static void socks_refuse(struct proxy *j, uint8_t code)
{
	j->service->failed++;
	if (reply(j, code))
		proxy_drop(j, false);
}

static bool socks_request(struct proxy *j, struct socks_place *to)
{
	const uint8_t *p = j->out;
	uint32_t n = j->out_len, address;

	if (n < 5)
		return false;
	if (p[0] != VERSION || p[2]) {
		proxy_drop(j, false);
		return false;
	}
	address = p[3] == ATYP_4 ? 4 : p[3] == ATYP_6 ? 16 : p[3] == ATYP_NAME ? 1u + p[4] : 0;
	if (!address || (p[3] == ATYP_NAME && !p[4])) {
		socks_refuse(j, SOCKS_ADDRESS);
		return false;
	}
	if (n < 4 + address + 2)
		return false;
	if (p[1] != 1) { /* CONNECT */
		socks_refuse(j, SOCKS_COMMAND);
		return false;
	}
	*to = (struct socks_place){ .address.family = p[3] == ATYP_6 ? 6 : 4 };
	if (p[3] == ATYP_NAME)
		memcpy(to->name, p + 5, p[4]);
	else
		memcpy(to->address.bytes, p + 4, address);
	if (p[3] == ATYP_NAME && strlen(to->name) != p[4]) {
		socks_refuse(j, SOCKS_ADDRESS);
		return false;
	}
	j->port = (uint16_t)(p[4 + address] << 8 | p[5 + address]);
	loop_want(&j->host, 0);
	socks_take(j, 4 + address + 2);
	return true;
}

bool socks_input(struct proxy *j, struct socks_place *to)
{
	struct iovec iov = { j->out + j->out_len, sizeof(j->out) - j->out_len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	ssize_t n = recvmsg(j->host.fd, &msg, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) { /* also when it sent more than fits */
		proxy_drop(j, false);
		return false;
	}
	j->out_len += (uint32_t)n;
	if (!j->greeted && !greeting(j))
		return false;
	return socks_request(j, to);
}
