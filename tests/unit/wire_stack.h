/* SPDX-License-Identifier: MIT */
/*
 * wire_stack.h - rf-lwip as it is shipped and locked, with RAM disks behind it and a
 * wire_peer at the other end of its link.
 *
 * Room:   tests/unit. Included after the sources of the configuration's words.
 */
#ifndef RF_TEST_WIRE_STACK_H
#define RF_TEST_WIRE_STACK_H

#include <arpa/inet.h>
#include <netinet/in.h>

#include "export_fixture.h"
#include "lwip_config.h"
#include "read.h"
#include "wire_peer.h"

/* RF_LWIP names another one, of which a test is to show that it fails. */
static inline const char *wire_program(void)
{
	return getenv("RF_LWIP") ? getenv("RF_LWIP") : "build/bin/rf-lwip";
}

struct wire_stack {
	struct exported  e;
	struct rig       second; /* disk 1: nobody answers its requests */
	struct wire_peer peer;
	bool             two;
	int              listener[RF_LWIP_SERVICES]; /* of services that listen on the host */
};

/* On a port of the kernel's choice: see wire_dial(). */
static inline int wire_listener(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = rig_park(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));

	rig_must(!bind(fd, (struct sockaddr *)&at, sizeof(at)) && !listen(fd, 100), "listen");
	return fd;
}

/* A client of service `i`, from this loopback address. */
static inline int wire_dial(const struct wire_stack *s, int i, uint32_t from)
{
	struct sockaddr_in at, own = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(from) };
	socklen_t bytes = sizeof(at);
	int fd = rig_park(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));

	rig_must(!getsockname(s->listener[i], (struct sockaddr *)&at, &bytes) &&
		 !bind(fd, (struct sockaddr *)&own, sizeof(own)) &&
		 !connect(fd, (struct sockaddr *)&at, sizeof(at)), "dial");
	return fd;
}

static inline int wire_config(struct wire_stack *s, const char *const *lines, uint32_t disks)
{
	static struct rf_lwip_config c;

	rf_lwip_config_init(&c);
	for (int i = 0; lines[i]; i++) {
		struct rf_words w = { .file = "test", .line = i };

		strcpy(w.text, lines[i]);
		for (char *p = strtok(w.text, " "); p; p = strtok(NULL, " "))
			w.word[w.count++] = p;
		rig_must(!rf_lwip_config_line(&c, &w), lines[i]);
	}
	for (uint32_t i = 0; i < c.count; i++)
		s->listener[i] = rf_lwip_on_host(&c.service[i]) ? wire_listener() : -1;
	c.flags = RF_LWIP_LINK_FD;
	c.mtu = 1500;
	c.disks = disks;
	memcpy(c.mac, wire_mac, 6);
	for (uint32_t i = 0, disk = 0; i < c.count; i++)
		if (c.service[i].job == RF_LWIP_DISK)
			c.service[i].disk = disks > 1 ? disk++ : 0;
	int fd = rig_park(memfd_create("config", MFD_CLOEXEC));
	rig_must(write(fd, &c, sizeof(c)) == sizeof(c), "write");
	return fd;
}

static inline void wire_exec(struct wire_stack *s, int link, int config)
{
	dup2(open(s->e.log, O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
	for (int i = RF_EXPORT_FD_CONTROL; i < RF_EXPORT_FDS; i++) {
		rig_must(dup2(s->e.rig.fd[i], i + RF_LWIP_DISK_FD(0)) > 0, "dup2");
		if (s->two)
			rig_must(dup2(s->second.fd[i], i + RF_LWIP_DISK_FD(1)) > 0, "dup2");
	}
	rig_must(dup2(link, RF_EXPORT_FD_KICK) > 0 && dup2(link, RF_EXPORT_FD_WAKE0) > 0 &&
		 dup2(config, RF_LWIP_FD_CONFIG) > 0, "dup2");
	for (int i = 0; i < RF_LWIP_SERVICES; i++)
		rig_must(s->listener[i] <= 0 || dup2(s->listener[i], RF_LWIP_FD_LISTEN + i) > 0,
			 "dup2");
	execl(wire_program(), "rf-lwip", (char *)NULL);
	_exit(127);
}

/* Lines end with NULL. `flags` are those of the second disk. Returns when an echo is answered. */
static inline void wire_start_with(struct wire_stack *s, const char *const *lines, bool two,
				   uint32_t flags)
{
	int pair[2], room = 1 << 20;

	memset(s, 0, sizeof(*s));
	exported_init(&s->e, 32 << 20);
	s->two = two;
	if (two) {
		rig_open(&s->second, 16 << 20);
		s->second.config->flags = flags;
	}
	int conf = wire_config(s, lines, two ? 2 : 1);
	rig_must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	s->peer.fd = rig_park(pair[0]);
	int link = rig_park(pair[1]);
	s->e.pid = fork();
	rig_must(s->e.pid >= 0, "fork");
	if (!s->e.pid)
		wire_exec(s, link, conf);
	close(link);
	close(conf);
	rig_must(!pthread_create(&s->e.thread, NULL, exported_thread, &s->e), "thread");
	wire_arp(&s->peer, wire_me4, 1);
	rig_must(wire_settle(&s->peer), "the stack does not start");
}

static inline void wire_start(struct wire_stack *s, const char *const *lines, bool two)
{
	wire_start_with(s, lines, two, 0);
}

/* The disk behind this port is served. */
static inline void wire_ready(struct wire_stack *s, uint16_t port)
{
	static struct wire_conn c;

	for (int i = 0; i < WIRE_DEADLINE_MS / 20; i++) {
		wire_watch(&s->peer, &c, wire_me4, false, (uint16_t)(2000 + i), port);
		bool open = wire_connect(&s->peer, &c);
		if (open)
			wire_tcp(&s->peer, &c, WIRE_RST, c.seq, c.ack, NULL, 0);
		s->peer.conns--;
		if (open)
			return;
		usleep(20000);
	}
	rig_must(0, "the disk is not served");
}

/* Its IPv6 address was tested and may be used. */
static inline void wire_wait6(struct wire_stack *s)
{
	struct wire_peer *w = &s->peer;
	uint8_t f[128];

	w->echoed6 = 0;
	for (int i = 0; i < WIRE_DEADLINE_MS / 50 && !w->echoed6; i++) {
		wire_send(w, f, wire_echo_frame(f, true, wire_me6, 0x600));
		while (wire_hear(w, 50))
			;
	}
	rig_must(w->echoed6 == 0x600, "no IPv6");
}

/* Not reaped: wire_end() does. */
static inline bool wire_alive(struct wire_stack *s)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, (id_t)s->e.pid, &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid;
}

/* Ends it; true: it ended as it should, by the device processes' hang-up. */
static inline bool wire_end(struct wire_stack *s)
{
	shutdown(s->e.rig.control, SHUT_RDWR);
	for (int i = 0; i < WIRE_DEADLINE_MS / 20 && wire_alive(s); i++)
		usleep(20000);
	if (wire_alive(s))
		kill(s->e.pid, SIGKILL); /* it does not come back from somewhere */
	int status = exported_end(&s->e);
	close(s->peer.fd);
	for (int i = 0; i < RF_LWIP_SERVICES; i++)
		if (s->listener[i] > 0)
			close(s->listener[i]);
	if (s->two)
		rig_close(&s->second);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

#endif
