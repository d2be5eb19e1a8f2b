/* SPDX-License-Identifier: MIT */
/*
 * loop.c - the process: sockets, sleeping and waking, one client and those to be refused.
 *
 * Room:   tests/models/server.
 * Sleep:  while a client could ring a doorbell without a message the model is polled for
 *         the budget. Then: asleep word set, full fence, one more look, sleep. The client
 *         stores its doorbell, fences, and writes the eventfd if the word is set: one of
 *         the two sees the other.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "internal.h"
#include "log.h"
#include "unix_listen.h"

#define LOOK_NS 20000u /* while polling, the sockets are looked at so often */

static struct server *running; /* for the signal handler */

uint64_t server_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t server_random(struct server *s)
{
	return fault_random(&s->faults);
}

struct fault_set *server_faults(struct server *s)
{
	return &s->faults;
}

int server_watch(struct server *s, int fd)
{
	if (s->watches == MAX_WATCHES)
		return -ENOSPC;
	s->watch[s->watches++] = fd;
	return 0;
}

void server_unwatch(struct server *s, int fd)
{
	for (unsigned i = 0; i < s->watches; i++)
		if (s->watch[i] == fd)
			s->watch[i--] = s->watch[--s->watches];
}

/* ---- sockets ------------------------------------------------------------------------- */

static int listen_at(const char *path)
{
	const char *why;
	int fd = rf_unix_listen(path, SOCK_STREAM, 0, &why);

	if (fd < 0)
		rf_log("%s: cannot listen: %s", path, why);
	return fd;
}

int control_open(struct server *s)
{
	for (unsigned i = 0; i < MAX_CONTROLS; i++)
		s->control[i].fd = -1;
	s->control_listener = -1;
	return s->control_path && (s->control_listener = listen_at(s->control_path)) < 0 ? -1 : 0;
}

static void client_accept(struct server *s)
{
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	if (s->session.fd < 0) {
		session_open(s, fd);
		return;
	}
	count(s, C_REFUSED);
	rf_log("a second client is refused: one at a time");
	for (unsigned i = 0; i < MAX_REFUSALS; i++)
		if (s->refusal[i].fd < 0) {
			s->refusal[i] =
				(struct refusal){ .fd = fd,
						  .deadline = server_now() + s->handshake_ns };
			return;
		}
	close(fd);
}

/* The refused client has spoken: its version message is answered with EBUSY. */
static void refuse(struct refusal *r)
{
	struct rf_vu_header h;
	char rest[4096];

	if (recv(r->fd, &h, sizeof(h), MSG_DONTWAIT) == sizeof(h)) {
		/* What stays unread would turn our answer into a reset of the connection. */
		while (recv(r->fd, rest, sizeof(rest), MSG_DONTWAIT) > 0)
			;
		struct rf_vu_header reply = { .id = h.id,
					      .command = h.command,
					      .size = sizeof(reply),
					      .flags = RF_VU_TYPE_REPLY | RF_VU_ERROR,
					      .error = EBUSY };
		(void)message_send(r->fd, &reply, NULL, 0, NULL, 0, NULL, 0);
	}
	close(r->fd);
	r->fd = -1;
}

/* ---- the loop --------------------------------------------------------------------------- */

enum { P_LISTEN, P_CONTROL, P_CLIENT, P_KICK, P_REFUSAL, P_CONTROLS = P_REFUSAL + MAX_REFUSALS,
       P_WATCH = P_CONTROLS + MAX_CONTROLS, P_COUNT = P_WATCH + MAX_WATCHES };

static void fill(struct server *s, struct pollfd *p)
{
	for (unsigned i = 0; i < P_COUNT; i++)
		p[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	p[P_LISTEN].fd = s->listener;
	p[P_CONTROL].fd = s->control_listener;
	p[P_CLIENT].fd = s->session.fd;
	p[P_KICK].fd = s->share.memory ? s->share.kick : -1;
	for (unsigned i = 0; i < MAX_REFUSALS; i++)
		p[P_REFUSAL + i].fd = s->refusal[i].fd;
	for (unsigned i = 0; i < MAX_CONTROLS; i++)
		p[P_CONTROLS + i].fd = s->control[i].fd;
	for (unsigned i = 0; i < s->watches; i++)
		p[P_WATCH + i].fd = s->watch[i];
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* When the loop must run again without being woken; 0: never. */
static uint64_t next_deadline(struct server *s)
{
	uint64_t at = s->model->deadline ? s->model->deadline(s->dev) : 0;

	if (s->session.fd >= 0 && !s->session.greeted)
		at = earlier(at, s->session.since + s->handshake_ns);
	for (unsigned i = 0; i < MAX_REFUSALS; i++)
		if (s->refusal[i].fd >= 0)
			at = earlier(at, s->refusal[i].deadline);
	return at;
}

static void overdue(struct server *s)
{
	uint64_t now = server_now();

	if (s->session.fd >= 0 && !s->session.greeted && now >= s->session.since + s->handshake_ns)
		session_close(s, "it says nothing");
	for (unsigned i = 0; i < MAX_REFUSALS; i++)
		if (s->refusal[i].fd >= 0 && now >= s->refusal[i].deadline) {
			close(s->refusal[i].fd);
			s->refusal[i].fd = -1;
		}
}

static void drain(int fd)
{
	uint64_t ignored;

	(void)!read(fd, &ignored, sizeof(ignored));
}

/* Looks at all fds, waiting until `until` (0: for ever; 1: not at all). True: some were ready. */
static bool attend(struct server *s, uint64_t until, const sigset_t *mask)
{
	struct pollfd   p[P_COUNT];
	struct timespec wait = { 0 };

	if (until > 1) {
		uint64_t now = server_now(), left = until > now ? until - now : 0;
		wait = (struct timespec){ .tv_sec = (time_t)(left / 1000000000),
					  .tv_nsec = (long)(left % 1000000000) };
	}
	fill(s, p);
	bool some = ppoll(p, P_COUNT, until ? &wait : NULL, mask) > 0;
	if (some) {
		if (p[P_KICK].revents) {
			count(s, C_KICKS);
			drain(s->share.kick);
		}
		for (unsigned i = 0; i < MAX_CONTROLS; i++)
			if (p[P_CONTROLS + i].revents)
				control_readable(s, &s->control[i]);
		if (p[P_CLIENT].revents && s->session.fd == p[P_CLIENT].fd)
			session_readable(s);
		for (unsigned i = 0; i < MAX_REFUSALS; i++)
			if (p[P_REFUSAL + i].revents)
				refuse(&s->refusal[i]);
		if (p[P_CONTROL].revents)
			control_accept(s);
		/* The old client's end comes first: whoever follows it is not a second one. */
		if (p[P_LISTEN].revents)
			client_accept(s);
	}
	if (s->session.fd < 0 || !s->session.greeted || !some)
		overdue(s);
	return some;
}

static bool work(struct server *s)
{
	bool some = s->session.greeted && s->model->poll(s->dev);

	if (s->closing)
		session_close(s, "closed by this end");
	else if (s->session.postponed_count) {
		session_postponed(s);
		some = true;
	}
	return some;
}

static _Atomic uint32_t *asleep_word(struct server *s)
{
	return (void *)(s->share.memory + (s->share.asleep - s->share.offset));
}

static void sleep_until_woken(struct server *s, const sigset_t *mask)
{
	bool word = share_mapped(s) && s->doorbells == DOORBELLS_MMAP;

	if (word) {
		atomic_store_explicit(asleep_word(s), 1, memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst);
	}
	if (!work(s)) {
		count(s, C_SLEEPS);
		attend(s, next_deadline(s), mask);
	}
	if (word)
		atomic_store_explicit(asleep_word(s), 0, memory_order_relaxed);
}

static bool keep_polling(struct server *s, uint64_t idle_ns)
{
	if (!share_mapped(s))
		return false;
	if (s->doorbells == DOORBELLS_PLAIN)
		return !s->model->live || s->model->live(s->dev);
	return idle_ns < s->budget_ns;
}

static void serve(struct server *s, const sigset_t *mask)
{
	uint64_t last_work = 0, last_look = 0;

	while (!s->stop) {
		bool     some = work(s);
		uint64_t now = server_now();
		if (some)
			last_work = now;
		if (!some && !keep_polling(s, now - last_work)) {
			sleep_until_woken(s, mask);
			last_work = last_look = server_now();
		} else if (now - last_look > LOOK_NS) {
			if (attend(s, 1, mask))
				last_work = now;
			last_look = now;
		} else if (!some)
			__builtin_ia32_pause();
	}
}

/* ---- the process ------------------------------------------------------------------------- */

static void on_signal(int number)
{
	(void)number;
	running->stop = 1;
}

static void catch_signals(struct server *s, sigset_t *during_sleep)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t blocked;

	running = s;
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_BLOCK, &blocked, during_sleep);
	sigdelset(during_sleep, SIGTERM);
	sigdelset(during_sleep, SIGINT);
}

static const struct fault server_faults_table[SERVER_FAULTS] = {
	[F_LATE] = { "reply-late",
	  "a reply comes arg ms late (100); nothing else is done meanwhile" },
	[F_LOST] = { "reply-lost", "a reply is never sent" },
	[F_SHORT] = { "reply-short", "a reply ends in the middle of its fixed part, and says so" },
	[F_WRONG_ID] = { "reply-wrong-id", "a reply carries the next message's id" },
	[F_ERROR] = { "reply-error", "a command is done, but answered with EIO" },
	[F_DISCONNECT] = { "disconnect", "hangs up in the middle of a reply" },
	[F_GARBAGE] = { "garbage", "64 random bytes instead of a reply" },
	[F_IRQ_LOST] = { "irq-lost", "an interrupt is not sent" },
	[F_IRQ_DUPLICATE] = { "irq-duplicate", "an interrupt is sent twice" },
	[F_IRQ_SPURIOUS] = { "irq-spurious", "all wired vectors fire along with an interrupt" },
	[F_IRQ_STORM] = { "irq-storm", "an interrupt is sent arg times more (1000)" },
	[F_MEMORY_PUNCHED] = { "memory-punched",
	  "the client's first piece of memory is a hole before an interrupt" },
};

static const char *const counter_names[SERVER_COUNTERS] = {
	[C_CLIENTS] = "clients", [C_REFUSED] = "clients_refused",
	[C_BAD_HANDSHAKES] = "bad_handshakes",
	[C_BAD_MESSAGES] = "bad_messages", [C_ERRORS] = "error_replies", [C_MESSAGES] = "messages",
	[C_RESETS] = "resets", [C_DMA_REFUSED] = "dma_refused", [C_IRQS] = "irqs",
	[C_SLEEPS] = "sleeps",
	[C_KICKS] = "kicks",
};

static struct server *server_new(const struct model *model)
{
	static struct server s;

	s = (struct server){ .model = model, .twin = true, .seed = 1, .listener = -1,
			     .handshake_ns = 10000000000u };
	/* Client, driver and device poll by turns: with fewer CPUs than that, polling here only
	 * keeps the others from running. */
	s.budget_ns = sysconf(_SC_NPROCESSORS_ONLN) > 3 ? 50000 : 0;
	s.session.fd = s.session.twin = -1;
	for (unsigned i = 0; i < MAX_REFUSALS; i++)
		s.refusal[i].fd = -1;
	memcpy(s.fault, server_faults_table, sizeof(s.fault));
	for (unsigned i = 0; i < SERVER_COUNTERS; i++)
		s.counter[i].name = counter_names[i];
	s.faults = (struct fault_set){ .table = { s.fault, model->faults },
				       .count = { SERVER_FAULTS, model->fault_count } };
	fault_seed(&s.faults, s.seed);
	return &s;
}

static void server_free(struct server *s)
{
	session_close(s, "the server ends");
	if (s->model->close)
		s->model->close(s->dev);
	for (unsigned i = 0; i < MAX_CONTROLS; i++)
		if (s->control[i].fd >= 0)
			close(s->control[i].fd);
	if (s->listener >= 0)
		rf_unix_vanish(s->path);
	if (s->control_listener >= 0)
		rf_unix_vanish(s->control_path);
	free(s->msix_table);
	free(s->msix_opened);
}

int server_main(int argc, char **argv, const struct model *model)
{
	struct server *s = server_new(model);
	sigset_t during_sleep;

	rf_log_name = model->name;
	if (options_parse(s, argc, argv))
		return 64;
	/* Errors of the environment have been logged where they were met. */
	if (!(s->dev = model->open(s, &s->pci)) || pci_open(s))
		return 71;
	irq_open(s);
	dma_guard(s);
	device_reset(s, RESET_POWER);
	/* In this order: whoever is answered by the control socket can connect to the device. */
	if ((s->listener = listen_at(s->path)) < 0 || control_open(s))
		return 71;
	catch_signals(s, &during_sleep);
	rf_log("serving at %s, seed %llu", s->path, (unsigned long long)s->seed);
	serve(s, &during_sleep);
	server_free(s);
	return 0;
}
