/* SPDX-License-Identifier: MIT */
/*
 * model_client.h - the tests' own small vfio-user client, and a model process to talk to.
 *
 * Room:   tests/unit. Knows the wire only from sandbox/proto/vfio_user.h and shares no code
 *         with the client that ships: what both get wrong, this one finds.
 */
#ifndef RF_TEST_MODEL_CLIENT_H
#define RF_TEST_MODEL_CLIENT_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vfio_user.h"

#define CLIENT_WAIT_MS 20000 /* for what must happen: generous, the machine may be busy */

static inline void must(int ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "# %s: %s\n", what, strerror(errno));
	abort();
}

/* ---- the model process ------------------------------------------------------------- */

struct modelled {
	pid_t pid;
	char  dir[64], socket[96], control[96];
};

static inline int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(a.sun_path, path);
	if (!connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	close(fd);
	return -1;
}

/* Starts `main_of_model` in a child with these options; NULL ends them. */
static inline void model_start(struct modelled *m, int (*main_of_model)(int, char **),
			       const char *const *options)
{
	char *argv[32] = { (char *)(uintptr_t)"model", (char *)(uintptr_t)"--socket", m->socket,
			   (char *)(uintptr_t)"--control", m->control };
	int argc = 5;

	strcpy(m->dir, "/tmp/rf-model-XXXXXX");
	must(mkdtemp(m->dir) != NULL, "mkdtemp");
	snprintf(m->socket, sizeof(m->socket), "%s/dev", m->dir);
	snprintf(m->control, sizeof(m->control), "%s/ctl", m->dir);
	for (; options && *options; options++)
		argv[argc++] = (char *)(uintptr_t)*options;
	m->pid = fork();
	must(m->pid >= 0, "fork");
	if (!m->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that dies takes its model along */
		if (!getenv("MODEL_LOG"))
			must(freopen("/dev/null", "w", stderr) != NULL || true, "stderr");
		exit(main_of_model(argc, argv));
	}
	for (int i = 0, fd; i < CLIENT_WAIT_MS; i++) {
		if ((fd = connect_to(m->control)) >= 0) {
			close(fd); /* the device is listened at before this */
			return;
		}
		usleep(1000);
	}
	must(0, "the model does not come up");
}

/* Its exit code; a sanitizer's finding or a crash is not 0. */
static inline int model_stop(struct modelled *m)
{
	int status;

	kill(m->pid, SIGTERM);
	must(waitpid(m->pid, &status, 0) == m->pid, "waitpid");
	rmdir(m->dir);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

/* One line to the control socket; the answer, up to and with its last line. */
static inline const char *model_tell(const struct modelled *m, const char *line)
{
	static char answer[16384];
	size_t used = 0;
	int fd = connect_to(m->control);
	struct pollfd p = { .fd = fd, .events = POLLIN };

	must(fd >= 0, "control socket");
	must(write(fd, line, strlen(line)) == (ssize_t)strlen(line) && write(fd, "\n", 1) == 1,
	     "control write");
	answer[0] = '\0';
	while (!strstr(answer, "ok\n") && !strstr(answer, "error: ")) {
		must(poll(&p, 1, CLIENT_WAIT_MS) == 1, "no answer on the control socket");
		ssize_t n = read(fd, answer + used, sizeof(answer) - 1 - used);
		must(n > 0, "control read");
		used += (size_t)n;
		answer[used] = '\0';
	}
	close(fd);
	return answer;
}

static inline bool model_ok(const struct modelled *m, const char *line)
{
	return strstr(model_tell(m, line), "ok\n") != NULL;
}

static inline uint64_t model_counter(const struct modelled *m, const char *name)
{
	const char *all = model_tell(m, "counters");
	size_t n = strlen(name);

	for (const char *p = all; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, name, n) && p[n] == ' ')
			return strtoull(p + n + 1, NULL, 10);
	return 0;
}

/* ---- messages --------------------------------------------------------------------------- */

struct client {
	int      fd;
	uint16_t id;
	int      got_fd[8], got_fds; /* that came with the last reply */
	uint32_t error;              /* of the last reply */
	/* memory for DMA_READ and DMA_WRITE, at IOVA `wild`, and how often it was asked for */
	unsigned char *wild_memory;
	uint64_t wild, wild_bytes;
	unsigned dma_reads, dma_writes;
};

static inline int send_fds(int fd, const void *data, size_t bytes, const int *fds, int count)
{
	struct iovec io = { .iov_base = (void *)(uintptr_t)data, .iov_len = bytes };
	union { char bytes[CMSG_SPACE(32 * sizeof(int))]; struct cmsghdr align; } room = { 0 };
	struct msghdr h = { .msg_iov = &io, .msg_iovlen = 1 };

	if (count) {
		h.msg_control = room.bytes;
		h.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
		memcpy(CMSG_DATA(c), fds, (size_t)count * sizeof(int));
	}
	ssize_t n = sendmsg(fd, &h, MSG_NOSIGNAL);
	return n == (ssize_t)bytes ? 0 : n < 0 ? -errno : -EIO;
}

/* Reads exactly `bytes`. 0, -EPIPE at the end of the stream, -ETIMEDOUT. */
static inline int read_all(struct client *c, void *to, size_t bytes, int wait_ms)
{
	unsigned char *at = to;

	while (bytes) {
		struct pollfd p = { .fd = c->fd, .events = POLLIN };
		union { char bytes[CMSG_SPACE(8 * sizeof(int))]; struct cmsghdr align; } room;
		struct iovec io = { .iov_base = at, .iov_len = bytes };
		struct msghdr h = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = room.bytes,
				    .msg_controllen = sizeof(room.bytes) };
		if (poll(&p, 1, wait_ms) != 1)
			return -ETIMEDOUT;
		ssize_t n = recvmsg(c->fd, &h, MSG_CMSG_CLOEXEC);
		if (n <= 0)
			return -EPIPE;
		for (struct cmsghdr *m = CMSG_FIRSTHDR(&h); m; m = CMSG_NXTHDR(&h, m)) {
			c->got_fds = (int)((m->cmsg_len - CMSG_LEN(0)) / sizeof(int));
			memcpy(c->got_fd, CMSG_DATA(m), (size_t)c->got_fds * sizeof(int));
		}
		at += n;
		bytes -= (size_t)n;
	}
	return 0;
}

static inline int client_send(struct client *c, uint16_t command, uint32_t flags,
			      const void *payload, uint32_t bytes, const int *fds, int count)
{
	unsigned char m[RF_VU_MAX_MESSAGE];
	struct rf_vu_header h = { .id = ++c->id,
				  .command = command,
				  .size = (uint32_t)sizeof(h) + bytes,
				  .flags = flags };

	memcpy(m, &h, sizeof(h));
	if (bytes)
		memcpy(m + sizeof(h), payload, bytes);
	return send_fds(c->fd, m, sizeof(h) + bytes, fds, count);
}

/* Answers one DMA_READ or DMA_WRITE of the server out of wild_memory. */
static inline int client_serve(struct client *c, const struct rf_vu_header *h,
			       const unsigned char *body)
{
	unsigned char m[RF_VU_MAX_MESSAGE];
	struct rf_vu_dma_access a;
	struct rf_vu_header r = { .id = h->id, .command = h->command, .flags = RF_VU_TYPE_REPLY };
	uint32_t data = 0;

	memcpy(&a, body, sizeof(a));
	if (a.address < c->wild || a.count > c->wild_bytes ||
	    a.address - c->wild > c->wild_bytes - a.count)
		return -EPROTO;
	unsigned char *at = c->wild_memory + (a.address - c->wild);
	if (h->command == RF_VU_DMA_READ) {
		c->dma_reads++;
		data = (uint32_t)a.count;
		memcpy(m + sizeof(r) + sizeof(a), at, data);
	} else {
		c->dma_writes++;
		memcpy(at, body + sizeof(a), a.count);
	}
	r.size = (uint32_t)(sizeof(r) + sizeof(a) + data);
	memcpy(m, &r, sizeof(r));
	memcpy(m + sizeof(r), &a, sizeof(a));
	return send_fds(c->fd, m, r.size, NULL, 0);
}

/* The next message that is no command of the server's: its payload bytes, or -errno. */
static inline int client_recv(struct client *c, struct rf_vu_header *h, void *payload,
			      uint32_t room, int wait_ms)
{
	static unsigned char body[RF_VU_MAX_MESSAGE];
	int err;

	for (;;) {
		c->got_fds = 0;
		if ((err = read_all(c, h, sizeof(*h), wait_ms)))
			return err;
		if (h->size < sizeof(*h) || h->size > sizeof(*h) + sizeof(body))
			return -EPROTO;
		uint32_t bytes = h->size - (uint32_t)sizeof(*h);
		if ((err = read_all(c, body, bytes, wait_ms)))
			return err;
		if ((h->flags & RF_VU_TYPE_MASK) == RF_VU_TYPE_COMMAND) {
			if ((err = client_serve(c, h, body)))
				return err;
			continue;
		}
		c->error = h->flags & RF_VU_ERROR ? h->error : 0;
		if (room)
			memcpy(payload, body, bytes < room ? bytes : room);
		return h->flags & RF_VU_ERROR ? -(int)(h->error ? h->error : EIO) : (int)bytes;
	}
}

/* Command and reply. Payload bytes of the reply, or -errno (its own or the server's). */
static inline int client_call(struct client *c, uint16_t command, const void *payload,
			      uint32_t bytes, void *reply, uint32_t room, const int *fds, int count)
{
	struct rf_vu_header h;
	int err = client_send(c, command, 0, payload, bytes, fds, count);

	if (err)
		return err;
	int n = client_recv(c, &h, reply, room, CLIENT_WAIT_MS);
	if ((n >= 0 || c->error) && (h.id != c->id || h.command != command))
		return -EPROTO;
	return n;
}

/* ---- what a session needs ---------------------------------------------------------------- */

#define PLAIN_JSON "{\"capabilities\":{\"max_msg_fds\":8,\"write_multiple\":true}}"
#define SLEEP_JSON \
	"{\"capabilities\":{\"max_msg_fds\":8,\"write_multiple\":true,\"ringfence\":{\"doorbell_" \
	"sleep\":true}}}"

/* The server's JSON goes to `answer` (4096 bytes). Bytes or -errno. */
static inline int client_hello(struct client *c, const char *json, char *answer)
{
	struct {
		struct rf_vu_version v;
		char json[RF_VU_MAX_JSON];
	} m = { .v = { RF_VU_MAJOR, RF_VU_MINOR } }, r;
	size_t n = json ? strlen(json) + 1 : 0;

	memset(&r, 0, sizeof(r));
	memcpy(m.json, json ? json : "", n);
	int got = client_call(c, RF_VU_VERSION, &m, (uint32_t)(sizeof(m.v) + n), &r, sizeof(r),
			      NULL, 0);
	if (got >= 0 && answer)
		strcpy(answer, r.json);
	return got;
}

static inline struct client client_open(const struct modelled *m)
{
	struct client c = { .fd = connect_to(m->socket) };

	must(c.fd >= 0, "connect");
	return c;
}

static inline struct client client_greeted(const struct modelled *m, const char *json)
{
	struct client c = client_open(m);

	must(client_hello(&c, json, NULL) > 0, "version");
	return c;
}

static inline int client_write(struct client *c, uint32_t region, uint64_t offset, const void *from,
			       uint32_t bytes)
{
	struct {
		struct rf_vu_region_access a;
		unsigned char data[4096];
	} m = { .a = { offset, region, bytes } };
	struct rf_vu_region_access r;

	memcpy(m.data, from, bytes);
	return client_call(c, RF_VU_REGION_WRITE, &m, (uint32_t)sizeof(m.a) + bytes, &r, sizeof(r),
			   NULL, 0);
}

static inline int client_read(struct client *c, uint32_t region, uint64_t offset, void *to,
			      uint32_t bytes)
{
	struct { struct rf_vu_region_access a; unsigned char data[RF_VU_MAX_DATA]; } r;
	struct rf_vu_region_access a = { offset, region, bytes };
	int n = client_call(c, RF_VU_REGION_READ, &a, sizeof(a), &r, sizeof(r), NULL, 0);

	if (n >= 0 && n != (int)(sizeof(a) + bytes))
		return -EPROTO;
	if (n >= 0)
		memcpy(to, r.data, bytes);
	return n;
}

static inline uint32_t client_get32(struct client *c, uint32_t region, uint64_t offset)
{
	uint32_t v = 0xdeadbeef;

	must(client_read(c, region, offset, &v, sizeof(v)) >= 0, "region read");
	return v;
}

static inline void client_set32(struct client *c, uint32_t region, uint64_t offset, uint32_t value)
{
	must(client_write(c, region, offset, &value, sizeof(value)) >= 0, "region write");
}

static inline int client_map(struct client *c, uint64_t iova, uint64_t bytes, uint32_t flags,
			     int fd, uint64_t offset)
{
	struct rf_vu_dma_map m = {
		.argsz = sizeof(m), .flags = flags, .offset = offset, .address = iova, .size = bytes
	};

	return client_call(c, RF_VU_DMA_MAP, &m, sizeof(m), NULL, 0, &fd, fd >= 0 ? 1 : 0);
}

static inline int client_unmap(struct client *c, uint64_t iova, uint64_t bytes, uint32_t flags)
{
	struct rf_vu_dma_unmap m = { .argsz = sizeof(m),
				     .flags = flags,
				     .address = iova,
				     .size = bytes },
			       r;

	return client_call(c, RF_VU_DMA_UNMAP, &m, sizeof(m), &r, sizeof(r), NULL, 0);
}

static inline int client_irqs(struct client *c, uint32_t index, uint32_t flags, uint32_t start,
			      uint32_t count, const int *fds, int fd_count)
{
	struct rf_vu_set_irqs m = {
		.argsz = sizeof(m), .flags = flags, .index = index, .start = start, .count = count
	};

	return client_call(c, RF_VU_SET_IRQS, &m, sizeof(m), NULL, 0, fds, fd_count);
}

/* Waits for an eventfd: its count, 0 if nothing comes within wait_ms. */
static inline uint64_t event_wait(int fd, int wait_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t n = 0;

	if (poll(&p, 1, wait_ms) == 1)
		must(read(fd, &n, sizeof(n)) == sizeof(n), "eventfd");
	return n;
}

/* Is the model's end still there and answering? */
static inline bool client_alive(struct client *c)
{
	uint32_t v;

	return client_read(c, RF_VU_CONFIG, 0, &v, sizeof(v)) >= 0;
}

#endif
