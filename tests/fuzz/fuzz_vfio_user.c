/* SPDX-License-Identifier: MIT */
/*
 * fuzz_vfio_user.c - the vfio-user client against answers made of any bytes.
 *
 * Room:   tests/fuzz. Input: one record for each request of the client's: a control byte
 *         (ANSWER_*), a 16-bit length, that many bytes. An honest header is put before
 *         them unless the control byte says that they are the whole message. When the
 *         input ends so does the server. What arrives is there at once: nothing waits.
 */
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "log.h"

static ssize_t fuzz_sendmsg(int sock, const struct msghdr *msg, int flags);
static int fuzz_poll(struct pollfd *p, nfds_t count, int timeout);
#define sendmsg fuzz_sendmsg
#define poll    fuzz_poll
#include "sandbox/device/vfio_user/vfio_user.c"
#include "sandbox/device/vfio_user/vfio_user_region.c"
#include "sandbox/device/vfio_user/vfio_user_device.c"
#include "sandbox/device/vfio_user/vfio_user_doorbell.c"
#undef poll
#undef sendmsg
#include "sandbox/device/core/bar.c"
#include "sandbox/device/core/config_space.c"
#include "sandbox/device/core/quirks.c"
#include "sandbox/device/core/dma.c"
#include "sandbox/device/core/doorbell.c"
#include "sandbox/device/core/interrupts.c"
#include "sandbox/device/vfio_user/json.c"
#include "sandbox/device/core/pci_bringup.c"
#include "sandbox/device/vfio_user/vfio_user_version.c"

#define ANSWER_RAW    0x01u /* the bytes are header and all */
#define ANSWER_ERROR  0x02u /* a refusal */
#define ANSWER_ECHO   0x04u /* the request's payload, the bytes over its start */
#define ANSWER_MEMORY 0x08u /* a memfd comes with it */
#define ANSWER_EVENT  0x10u /* an eventfd comes with it */
#define ANSWER_ASKS   0x20u /* not an answer: a command, whose number is the first byte */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t *input, *input_end;
static int server = -1;
static char memory[2 << 20] __attribute__((aligned(4096)));

void rf_log(const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap); /* formatted all the same */
	va_end(ap);
}

void rf_die(int code, const char *fmt, ...)
{
	(void)code;
	(void)fmt;
	abort();
}

void rf_close_all(int *fds, int count)
{
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

uint64_t rf_now_ns(void)
{
	static uint64_t ns;

	return ns += 1000;
}

static int fuzz_poll(struct pollfd *p, nfds_t count, int timeout)
{
	(void)timeout;
	return poll(p, count, 0);
}

static void answer_with(const void *bytes, size_t count, unsigned control)
{
	union { struct cmsghdr align; char bytes[CMSG_SPACE(2 * sizeof(int))]; } space = { 0 };
	struct iovec iov = { (void *)bytes, count };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[2], n = 0;

	if (control & ANSWER_EVENT)
		fds[n++] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (control & ANSWER_MEMORY &&
	    (fds[n++] = memfd_create("f", MFD_CLOEXEC | MFD_ALLOW_SEALING)) >= 0) {
		(void)!ftruncate(fds[n - 1], 65536);
		(void)!fcntl(fds[n - 1], F_ADD_SEALS, F_SEAL_SHRINK);
	}
	if (n) {
		msg.msg_control = space.bytes;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n);
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)n);
	}
	(void)!sendmsg(server, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n)
		close(fds[--n]);
}

/* The next record of the input becomes a message. True: the client may wait for more. */
static bool answer(const struct rf_vu_header *ask, const unsigned char *payload,
		   size_t payload_bytes)
{
	static unsigned char out[16 + 65536];
	struct rf_vu_header h = { ask->id, ask->command, 0, RF_VU_TYPE_REPLY, 0 };

	if (input_end - input < 3)
		return shutdown(server, SHUT_WR), false;
	unsigned control = input[0];
	size_t n = input[1] | (size_t)input[2] << 8, left = (size_t)(input_end - input) - 3;
	const uint8_t *bytes = input + 3;
	if (n > left)
		n = left;
	input = bytes + n;
	if (control & ANSWER_RAW) {
		answer_with(bytes, n, control);
		return control & ANSWER_ASKS;
	}
	size_t total = n;
	memset(out + 16, 0, sizeof(out) - 16);
	if (control & ANSWER_ECHO && payload_bytes > n)
		total = payload_bytes;
	if (control & ANSWER_ECHO)
		memcpy(out + 16, payload, payload_bytes);
	memcpy(out + 16, bytes, n);
	if (control & ANSWER_ASKS)
		h = (struct rf_vu_header){ 1, n ? bytes[0] : 0, 0, RF_VU_TYPE_COMMAND, 0 };
	if (control & ANSWER_ERROR)
		h.flags |= RF_VU_ERROR;
	h.size = (uint32_t)(16 + total);
	memcpy(out, &h, sizeof(h));
	answer_with(out, 16 + total, control);
	return control & ANSWER_ASKS;
}

static ssize_t fuzz_sendmsg(int sock, const struct msghdr *msg, int flags)
{
	static unsigned char payload[RF_VU_MAX_MESSAGE];
	struct rf_vu_header head;
	size_t bytes = 0;

	(void)sock;
	(void)flags;
	memcpy(&head, msg->msg_iov[0].iov_base, sizeof(head));
	for (size_t i = 1; i < msg->msg_iovlen; i++) {
		if (msg->msg_iov[i].iov_len)
			memcpy(payload + bytes, msg->msg_iov[i].iov_base, msg->msg_iov[i].iov_len);
		bytes += msg->msg_iov[i].iov_len;
	}
	if (head.size != sizeof(head) + bytes)
		abort();
	if (!(head.flags & (RF_VU_NO_REPLY | RF_VU_TYPE_REPLY)))
		while (answer(&head, payload, bytes))
			;
	return (ssize_t)head.size;
}

static void use(struct rf_device *d)
{
	struct pollfd p[RF_BACKEND_FDS];
	uint32_t value = 0;

	if (d->backend->open(d))
		return;
	config_find_msix(d);
	(void)config_match(d);
	quirks_look(d);
	if (config_bus_master(d, true) || dma_map_all(d) || irq_open(d))
		return;
	d->doorbell = (struct rf_doorbells){ .bar = 0, .submit = 0x1008, .complete = 0x100c };
	if (!doorbell_open(d))
		d->backend->doorbell_clear(d, 0);
	(void)bar_read(d, 0, 0x1c, &value, 4);
	(void)bar_write(d, 0, 0x14, &value, 4);
	(void)config_wait_idle(d);
	(void)d->backend->reset(d);
	unsigned count = d->backend->poll_fds(d, p);
	if (poll(p, count, 0) > 0)
		(void)d->backend->on_poll(d, p, count);
	d->backend->doorbell_clear(d, 0);
}

static void tidy(struct rf_device *d)
{
	if (d->user->sock >= 0)
		close(d->user->sock);
	if (d->user->twin >= 0)
		close(d->user->twin);
	for (int i = 0; i < RF_VU_PCI_REGIONS; i++)
		if (d->user->region[i].fd > 2)
			close(d->user->region[i].fd);
	if (d->gone_event >= 0)
		close(d->gone_event);
	if (d->doorbell.mode != RF_DOORBELL_NONE && d->doorbell.event >= 0)
		close(d->doorbell.event);
	if (d->user->proxy)
		munmap((void *)d->user->proxy, d->doorbell.bytes);
	if (d->doorbell.mode == RF_DOORBELL_PROXY || d->doorbell.mode == RF_DOORBELL_SHADOW)
		close(d->doorbell.fd);
}

/* Numbers a device process has; nothing else may get one of them. */
static void fixed_fds(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	for (int i = 3; i < RF_DEVICE_FDS; i++)
		if (dup2(fd, i) != i)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rf_device d;
	static bool ready;
	int pair[2];

	if (!ready)
		fixed_fds();
	ready = true;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ||
	    dup2(pair[0], RF_DEVICE_FD_GROUP) != RF_DEVICE_FD_GROUP)
		abort();
	close(pair[0]);
	server = pair[1];
	input = data;
	input_end = data + size;
	memset(&d, 0, sizeof(d));
	d.backend = &rf_backend_vfio_user;
	d.label = "fuzz";
	d.vfio = d.gone_event = -1;
	d.cfg = (struct rf_device_config){ .interrupts = RF_IRQ_MSIX | RF_IRQ_MSI | RF_IRQ_INTX,
		.match_class = ~0u, .match_vendor = ~0u, .match_device = ~0u,
		.arena_bytes = sizeof(memory), .queue_bytes = 4096, .queues = 1 };
	d.queue_count = 1;
	d.data = d.queues = d.admin = memory;
	use(&d);
	tidy(&d);
	close(server);
	(void)dup2(RF_DEVICE_FD_SUPERVISOR, RF_DEVICE_FD_GROUP);
	return 0;
}
