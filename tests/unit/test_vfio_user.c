/* SPDX-License-Identifier: MIT */
/*
 * test_vfio_user.c - the vfio-user client against a server that is honest, and against
 * one that is anything else.
 *
 * Room:   tests/unit. Each refusal stands beside the honest exchange it differs from in
 *         one thing, so that a test that fails to open for another reason is seen.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device.h"
#include "log.h"

/* One message, one sendmsg, whole. */
#include <sys/socket.h>
static ssize_t whole_sendmsg(int sock, const struct msghdr *msg, int flags);
#define sendmsg(sock, msg, flags) whole_sendmsg(sock, msg, flags)
#include "sandbox/device/vfio_user.c"
#undef sendmsg
#include "sandbox/device/bar.c"
#include "sandbox/device/config_space.c"
#include "sandbox/device/dma.c"
#include "sandbox/device/doorbell.c"
#include "sandbox/device/interrupts.c"
#include "sandbox/device/json.c"
#include "sandbox/device/pci_bringup.c"
#include "sandbox/device/vfio_user_device.c"
#include "sandbox/device/vfio_user_doorbell.c"
#include "sandbox/device/vfio_user_version.c"

#include "scripted_server.h"

const struct rf_backend_ops rf_backend_vfio;

static char said[4096];

void rf_log(const char *fmt, ...)
{
	size_t used = strlen(said);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(said + used, sizeof(said) - used - 1, fmt, ap);
	va_end(ap);
	strcat(said, "\n");
}

void rf_die(int code, const char *fmt, ...)
{
	fprintf(stderr, "died with %d: %s\n", code, fmt);
	abort();
}

void rf_close_all(int *fds, int count)
{
	for (int i = 0; i < count; i++)
		close(fds[i]);
}

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static ssize_t whole_sendmsg(int sock, const struct msghdr *msg, int flags)
{
	struct rf_vu_header head;
	size_t bytes = 0;

	memcpy(&head, msg->msg_iov[0].iov_base, sizeof(head));
	for (size_t i = 0; i < msg->msg_iovlen; i++)
		bytes += msg->msg_iov[i].iov_len;
	assert_int_equal(bytes, head.size);
	return (sendmsg)(sock, msg, flags);
}

/* ---- one device on one server ----------------------------------------------------------- */

static struct server    server;
static struct rf_device device;
static char data[4 << 20] __attribute__((aligned(4096))), queues[8192] __attribute__((aligned(4096))),
	admin[RF_ADMIN_BYTES] __attribute__((aligned(4096)));

static void put_fd(int fd, int number)
{
	SURE(dup2(fd, number) == number);
	close(fd);
}

/* The fds a device process has, by their numbers. No other fd may get one of these. */
static void give_fds(void)
{
	int null = open("/dev/null", O_RDWR);

	for (int fd = 3; fd <= RF_DEVICE_FDS; fd++)
		SURE(dup2(null, fd) == fd);
	for (int fd = RF_DEVICE_FD_DATA; fd <= RF_DEVICE_FD_ADMIN; fd++)
		put_fd(memfd_create("memory", 0), fd);
	for (int fd = RF_DEVICE_FD_WAKE0; fd <= RF_DEVICE_FD_DEVICE; fd++)
		put_fd(eventfd(0, fd == RF_DEVICE_FD_DEVICE ? 0 : EFD_NONBLOCK), fd); /* as it is given */
}

static struct rf_device *begin(void)
{
	SURE(dup2(RF_DEVICE_FD_SUPERVISOR, RF_DEVICE_FD_GROUP) == RF_DEVICE_FD_GROUP);
	said[0] = '\0';
	memset(&device, 0, sizeof(device));
	device.backend = &rf_backend_vfio_user;
	device.label = "disk0";
	device.vfio = device.gone_event = -1;
	device.cfg = (struct rf_device_config){ .interrupts = RF_IRQ_MSIX | RF_IRQ_MSI,
		.match_class = ~0u, .match_vendor = ~0u, .match_device = ~0u,
		.arena_bytes = sizeof(data), .queue_bytes = sizeof(queues) / 2 };
	device.data = data;
	device.queues = queues;
	device.admin = admin;
	return &device;
}

static void start(struct server *s)
{
	server_start(s);
	put_fd(s->client, RF_DEVICE_FD_GROUP);
}

/* What main.c does, up to the interrupts. 0 or an exit code. */
static int open_all(struct rf_device *d)
{
	int err = d->backend->open(d);

	if (err)
		return err;
	config_find_msix(d);
	if (config_bus_master(d, true))
		return RF_EXIT_DEVICE;
	if ((err = dma_map_all(d)))
		return err;
	return irq_open(d);
}

static void end(struct rf_device *d)
{
	if (d->user && !d->user->dead) {
		close(d->user->sock);
		if (d->user->twin >= 0)
			close(d->user->twin);
	} else if (!d->user) {
		close(RF_DEVICE_FD_GROUP);
	}
	for (int i = 0; d->user && i < RF_VU_PCI_REGIONS; i++)
		if (d->user->region[i].fd > 2)
			close(d->user->region[i].fd);
	if (d->gone_event >= 0)
		close(d->gone_event);
	server_stop(&server);
}

static void assert_said(const char *what)
{
	if (!strstr(said, what))
		fail_msg("wanted \"%s\" in: %s", what, said);
}

/* ---- the honest server ---------------------------------------------------------------------- */

static void an_honest_server_is_brought_up(void **state)
{
	struct rf_device *d = begin();
	uint32_t value = 0;
	uint64_t count;

	(void)state;
	server_init(&server);
	start(&server);
	assert_int_equal(open_all(d), 0);
	/* The BAR answers: it has an address and is decoded. */
	value = 0xfeedface;
	assert_int_equal(bar_write(d, 0, 0x14, &value, 4), 0);
	value = 0;
	assert_int_equal(bar_read(d, 0, 0x14, &value, 4), 0);
	assert_int_equal(value, 0xfeedface);
	assert_true(get16(server.config + PCI_COMMAND) & PCI_COMMAND_MASTER);
	/* Eventfd, MSI-X on, entry unmasked: all three, for both halves' vectors. */
	assert_int_equal(irq_vector(d, 0), 1);
	assert_int_equal(irq_vector(d, 1), 2);
	assert_true(server_interrupt(&server, 1));
	assert_int_equal(read(RF_DEVICE_FD_WAKE0, &count, 8), 8);
	assert_true(server_interrupt(&server, 2));
	assert_int_equal(read(RF_DEVICE_FD_WAKE1, &count, 8), 8);
	assert_int_equal(server.unmask_actions, 0);
	end(d);
	/* Data, queues, the admin queue read-only, the other admin pages. */
	assert_int_equal(server.maps, 4);
	assert_int_equal(server.map[0].flags, RF_VU_DMA_READABLE | RF_VU_DMA_WRITEABLE);
	assert_int_equal(server.map[2].flags, RF_VU_DMA_READABLE);
	assert_int_equal(server.map[2].size, RF_PAGE);
	assert_int_equal(server.map[3].offset, RF_PAGE);
	assert_int_equal(server.posted, 1 + 3); /* the register and three table entries */
}

static void the_bar_is_dead_without_bringup(void **state)
{
	struct rf_device *d = begin();
	uint32_t value;

	(void)state;
	server_init(&server);
	start(&server);
	assert_int_equal(open_all(d), 0);
	uint16_t none = 0;
	assert_int_equal(d->backend->config_write(d, PCI_COMMAND, &none, 2), 0);
	assert_int_equal(bar_read(d, 0, 0, &value, 4), -EINVAL);
	/* Refusals leave the connection as it was. */
	assert_false(d->user->dead);
	assert_int_equal(config_bus_master(d, true), 0);
	assert_int_equal(bar_read(d, 0, 0, &value, 4), 0);
	end(d);
}

static void a_reset_is_followed_by_bringup(void **state)
{
	struct rf_device *d = begin();
	uint32_t value;

	(void)state;
	server_init(&server);
	start(&server);
	assert_int_equal(open_all(d), 0);
	assert_int_equal(d->backend->reset(d), 0);
	assert_int_equal(server.resets, 1);
	assert_int_equal(bar_read(d, 0, 0, &value, 4), 0);
	assert_true(server_interrupt(&server, 2));
	end(d);

	d = begin();
	server_init(&server);
	server.device_flags = RF_VU_DEVICE_PCI;
	start(&server);
	assert_int_equal(open_all(d), 0);
	assert_int_equal(d->backend->reset(d), -EOPNOTSUPP);
	end(d);
}

static void small_transfers_are_honoured(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	server_init(&server);
	server.json = "{\"capabilities\":{\"max_data_xfer_size\":64}}";
	start(&server);
	assert_int_equal(open_all(d), 0);
	end(d);
	assert_int_equal(server.largest_read, 64);
}

static void region_info_is_asked_for_again(void **state)
{
	struct rf_device *d = begin();
	uint64_t at;

	(void)state;
	server_init(&server);
	server.region_argsz = 3000; /* with less there is neither fd nor area */
	start(&server);
	assert_int_equal(open_all(d), 0);
	assert_true(d->backend->bar_fd(d, 0, 0x1000, 0x1000, &at) >= 0);
	assert_true(d->backend->bar_fd(d, 0, 0, 0x1000, &at) < 0);
	assert_true(d->backend->bar_fd(d, 0, 0x1000, 0x2000, &at) < 0);
	assert_true(d->backend->bar_fd(d, 0, 0xfffffffffffff000, 0x1000, &at) < 0);
	end(d);
}

/* ---- bad input: a table of openings that end in one line -------------------------------------- */

static bool close_at_once(struct server *s, struct incoming *m)
{
	(void)m;
	shutdown(s->sock, SHUT_RDWR);
	return true;
}

static bool refuse_version(struct server *s, struct incoming *m)
{
	if (m->head.command != RF_VU_VERSION)
		return false;
	refuse(s, m, EPROTONOSUPPORT);
	return true;
}

static bool speak_http(struct server *s, struct incoming *m)
{
	static const char text[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";

	(void)m;
	server_send(s->sock, text, sizeof(text) - 1, NULL, 0, NULL, 0);
	return true;
}

static bool answer_nothing(struct server *s, struct incoming *m)
{
	(void)s;
	(void)m;
	return true;
}

static void openings_that_fail_say_why(void **state)
{
	static const struct {
		const char *what;
		int code;
		twist_fn *twist;
		const char *json;
		uint16_t major, minor;
		uint32_t regions, flags, bar0, config, claim;
		bool no_msix;
	} cases[] = {
		{ "closed the connection", RF_EXIT_DEVICE, .twist = close_at_once },
		{ "refuses version 0.2", RF_EXIT_DEVICE, .twist = refuse_version },
		{ "sent a message of ", RF_EXIT_DEVICE, .twist = speak_http },
		{ "does not answer in time", RF_EXIT_DEVICE, .twist = answer_nothing },
		{ "speaks version 1.0", RF_EXIT_DEVICE, .major = 1 },
		{ "speaks version 0.3", RF_EXIT_DEVICE, .minor = 3 },
		{ "not JSON", RF_EXIT_DEVICE, .json = "{\"capabilities\":" },
		{ "max_msg_fds as something that is no number", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"max_msg_fds\":-1}}" },
		{ "takes no fds", RF_EXIT_DEVICE, .json = "{\"capabilities\":{\"max_msg_fds\":0}}" },
		{ "takes 1 bytes a message", RF_EXIT_DEVICE, .json = "{\"capabilities\":{\"max_data_xfer_size\":1}}" },
		{ "maps no pages of 4 KiB", RF_EXIT_DEVICE, .json = "{\"capabilities\":{\"pgsizes\":2097152}}" },
		{ "takes 2 pieces of memory", RF_EXIT_DEVICE, .json = "{\"capabilities\":{\"max_dma_maps\":2}}" },
		{ "does not send it", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0}}}" },
		{ "has 7 regions; a PCI device needs 8", RF_EXIT_DEVICE, .regions = 7 },
		{ "is no PCI device", RF_EXIT_DEVICE, .flags = RF_VU_DEVICE_RESETS },
		{ "has 64 bytes of configuration space", RF_EXIT_DEVICE, .config = 64 },
		{ "none of the interrupts", RF_EXIT_DEVICE, .no_msix = true, .claim = 5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_device *d = begin();

		server_init(&server);
		server.twist = cases[i].twist;
		server.json = cases[i].json ? cases[i].json : server.json;
		server.major = cases[i].major;
		server.minor = cases[i].minor ? cases[i].minor : cases[i].major ? 0 : 1;
		server.regions = cases[i].regions ? cases[i].regions : server.regions;
		server.device_flags = cases[i].flags ? cases[i].flags : server.device_flags;
		server.config_bytes = cases[i].config ? cases[i].config : server.config_bytes;
		server.irq_claim = cases[i].claim ? cases[i].claim : server.irq_claim;
		server.msix = !cases[i].no_msix;
		start(&server);
		int code = open_all(d);
		if (code != cases[i].code || !strstr(said, cases[i].what))
			fail_msg("case %zu: code %d, wanted \"%s\" in: %s", i, code, cases[i].what, said);
		end(d);
	}
}

static void no_capabilities_at_all_will_do(void **state)
{
	static const char *const texts[] = { NULL, "", "{}", "{\"capabilities\":{}}",
					     " { \"other\" : [1, 2.5e3, null] } " };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct rf_device *d = begin();

		server_init(&server);
		server.json = texts[i];
		server.minor = 0;
		start(&server);
		assert_int_equal(open_all(d), 0);
		end(d);
	}
}

static void a_policy_is_for_what_it_says(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	server_init(&server);
	start(&server);
	assert_int_equal(open_all(d), 0);
	d->cfg.match_class = 0x010802;
	assert_int_equal(config_match(d), 0);
	d->cfg.match_vendor = 0x1234;
	d->cfg.match_device = 0x5678;
	assert_int_equal(config_match(d), 0);
	d->cfg.match_device = 0x5679;
	assert_int_equal(config_match(d), RF_EXIT_NO_DEVICE);
	assert_said("1234:5678 of class 010802 is not what");
	end(d);
}

/* ---- a server that lies in one answer ----------------------------------------------------------- */

static uint16_t lie_to; /* command whose answer is a lie */
static struct rf_vu_header lie_head;
static uint32_t lie_bytes;
static int lie_fds, lie_late;

/* The header as it should be, but for what lie_head says instead, and lie_bytes of zeroes. */
static bool lie(struct server *s, struct incoming *m)
{
	static const unsigned char zeroes[RF_VU_MAX_MESSAGE];
	struct rf_vu_header h = { m->head.id, m->head.command, 16 + lie_bytes, RF_VU_TYPE_REPLY, 0 };
	int fds[16];

	if (m->head.command != lie_to)
		return false;
	h.id = (uint16_t)(h.id + lie_head.id);
	h.command = (uint16_t)(h.command + lie_head.command);
	h.size = lie_head.size ? lie_head.size : h.size;
	h.flags = lie_head.flags ? lie_head.flags & ~0x80000000u : h.flags;
	h.error = lie_head.error;
	for (int i = 0; i < lie_fds; i++)
		fds[i] = s->page_fd;
	if (!lie_late) {
		server_send(s->sock, &h, sizeof(h), zeroes, lie_bytes, fds, lie_fds);
		return true;
	}
	server_send(s->sock, &h, sizeof(h), NULL, 0, NULL, 0);
	server_send(s->sock, zeroes, lie_bytes, NULL, 0, fds, lie_fds);
	return true;
}

static void lies_in_answers_end_the_connection(void **state)
{
	static const struct {
		const char *what;
		struct rf_vu_header head;
		uint32_t bytes;
		int fds, late;
	} cases[] = {
		{ "answered message", { .id = 1 }, 20, 0, 0 },
		{ "answered message", { .command = 1 }, 20, 0, 0 },
		{ "answered command 9 with 0 bytes", { 0 }, 0, 0, 0 },
		{ "answered command 9 with 15 bytes", { 0 }, 15, 0, 0 },
		{ "answered command 9 with 21 bytes", { 0 }, 21, 0, 0 },
		{ "read 0 bytes of region 0", { 0 }, 20, 0, 0 },
		{ "sent a message of 15 bytes", { .size = 15 }, 20, 0, 0 },
		{ "sent a message of 4294967295 bytes", { .size = ~0u }, 20, 0, 0 },
		{ "sent an error with 20 bytes", { .flags = RF_VU_TYPE_REPLY | RF_VU_ERROR }, 20, 0, 0 },
		{ "neither command nor answer", { .flags = 7 }, 20, 0, 0 },
		{ "sent fds with the answer", { 0 }, 20, 1, 0 },
		{ "more fds than it may", { 0 }, 20, 9, 0 },
		{ "fds in the middle", { 0 }, 20, 1, 1 },
		{ "does not finish a message in time", { .size = 37 }, 20, 0, 0 },
	};

	(void)state;
	lie_to = RF_VU_REGION_READ;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_device *d = begin();
		uint32_t value;

		server_init(&server);
		start(&server);
		assert_int_equal(open_all(d), 0);
		/* Only the lie that is never finished is to run into the deadline. */
		d->user->within_ns = strstr(cases[i].what, "in time") ? 300000000ull : 60000000000ull;
		lie_head = cases[i].head;
		lie_bytes = cases[i].bytes;
		lie_fds = cases[i].fds;
		lie_late = cases[i].late;
		server.twist = lie;
		said[0] = '\0';
		int err = bar_read(d, 0, 0, &value, 4);
		if (err != -ENODEV || !d->user->dead || !strstr(said, cases[i].what))
			fail_msg("case %zu: %d, wanted \"%s\" in: %s", i, err, cases[i].what, said);
		/* One line, whatever is tried afterwards. */
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
		assert_int_equal(bar_read(d, 0, 0, &value, 4), -ENODEV);
		assert_int_equal(bar_write(d, 0, 0, &value, 4), -ENODEV);
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
		end(d);
	}
}

static void bare_errors_are_only_refusals(void **state)
{
	static const struct { uint32_t error; int gives; } cases[] = {
		{ EACCES, -EACCES }, { 0, -EREMOTEIO }, { ENODEV, -EREMOTEIO }, { 1u << 31, -EREMOTEIO },
	};
	struct rf_device *d = begin();
	uint32_t value;

	(void)state;
	server_init(&server);
	start(&server);
	assert_int_equal(open_all(d), 0);
	lie_to = RF_VU_REGION_READ;
	lie_bytes = 0;
	lie_fds = lie_late = 0;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		lie_head = (struct rf_vu_header){ .flags = RF_VU_TYPE_REPLY | RF_VU_ERROR,
						  .error = cases[i].error };
		server.twist = lie;
		assert_int_equal(bar_read(d, 0, 0, &value, 4), cases[i].gives);
	}
	server.twist = NULL;
	assert_int_equal(bar_read(d, 0, 0, &value, 4), 0);
	end(d);
}

/* A byte now and then is no answer: the deadline is of the whole. */
static bool drip(struct server *s, struct incoming *m)
{
	static const char byte;

	if (m->head.command != RF_VU_REGION_READ)
		return false;
	for (int i = 0; i < 1000 && send(s->sock, &byte, 1, MSG_NOSIGNAL) == 1; i++)
		usleep(20000);
	return true;
}

static void a_dripping_server_is_given_up(void **state)
{
	struct rf_device *d = begin();
	uint32_t value;

	(void)state;
	server_init(&server);
	start(&server);
	assert_int_equal(open_all(d), 0);
	d->user->within_ns = 100000000;
	server.twist = drip;
	assert_int_equal(bar_read(d, 0, 0, &value, 4), -ENODEV);
	end(d);
}

/* Bad descriptions of BAR 0. */
static struct { struct rf_vu_region_info info; unsigned char more[512]; } bad;
static uint32_t bad_bytes;

static bool describe_badly(struct server *s, struct incoming *m)
{
	if (m->head.command != RF_VU_GET_REGION_INFO || get32(m->data + 8))
		return false;
	reply(s, m, &bad, bad_bytes);
	return true;
}

static void bad_region_descriptions_end_it(void **state)
{
	static const struct {
		const char *what;
		uint32_t argsz, index, cap_offset, bytes, id_version, next, areas;
	} cases[] = {
		{ "described region 3 when asked for 0", 64, 3, 0, 64, 0, 0, 0 },
		{ "wants 65536 bytes", 65536, 0, 0, 32, 0, 0, 0 },
		{ "broken list", 64, 0, 60, 64, 1, 0, 0 },
		{ "broken list", 64, 0, 33, 64, 1, 0, 0 },
		{ "broken list", 64, 0, 8, 64, 1, 0, 0 },
		{ "broken list", 64, 0, 0xfffffffc, 64, 1, 0, 0 },
		{ "broken list", 64, 0, 32, 64, 9, 32, 0 }, /* its own successor */
		{ "cut off", 40, 0, 32, 40, 1, 0, 0 },
		{ "of 2 sparse areas", 64, 0, 32, 64, 1, 0, 2 },
		{ "of 17 sparse areas", 512, 0, 32, 512, 1, 0, 17 },
		{ "of 268435457 sparse areas", 64, 0, 32, 64, 1, 0, 0x10000001 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_device *d = begin();
		uint32_t cap[3] = { cases[i].id_version, cases[i].next, cases[i].areas };

		server_init(&server);
		memset(&bad, 0, sizeof(bad));
		bad.info = (struct rf_vu_region_info){ .argsz = cases[i].argsz, .index = cases[i].index,
			.flags = RF_VU_REGION_CAPS, .cap_offset = cases[i].cap_offset, .size = BAR0_BYTES };
		memcpy(bad.more, cap, sizeof(cap));
		bad_bytes = cases[i].bytes;
		server.twist = describe_badly;
		start(&server);
		int code = open_all(d);
		if (code != RF_EXIT_DEVICE || !strstr(said, cases[i].what))
			fail_msg("case %zu: %d, wanted \"%s\" in: %s", i, code, cases[i].what, said);
		end(d);
	}
}

/* ---- what a server asks ---------------------------------------------------------------------------- */

static struct { uint16_t command; uint64_t address, count; uint32_t payload, flags; } asked;
static struct incoming answer;
static bool answered;

/* Before it answers a read, the server asks something itself. */
static bool ask_first(struct server *s, struct incoming *m)
{
	struct rf_vu_dma_access a = { asked.address, asked.count };
	struct rf_vu_header h = { 0x7777, asked.command, 16 + 16 + asked.payload, asked.flags, 0 };
	static unsigned char body[16 + RF_VU_MAX_DATA];
	int sock = s->twin_ours >= 0 ? s->twin_ours : s->sock;

	if (m->head.command != RF_VU_REGION_READ)
		return false;
	memcpy(body, &a, 16);
	memset(body + 16, 0xab, sizeof(body) - 16);
	server_send(sock, &h, sizeof(h), body, 16 + asked.payload, NULL, 0);
	answered = !(asked.flags & RF_VU_NO_REPLY) && server_receive(sock, &answer);
	return false;
}

static void dma_by_message_is_answered_while_waiting(void **state)
{
	static const char twin_json[] =
		"{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0}}}";
	static const struct {
		uint16_t command;
		int      map;    /* address: in this map, */
		uint64_t at;     /* so far in */
		uint64_t count;
		uint32_t payload, error, flags;
	} cases[] = {
		{ RF_VU_DMA_READ, 0, 0, 64, 0, 0, 0 },
		{ RF_VU_DMA_READ, 0, 100, 32768, 0, 0, 0 },
		{ RF_VU_DMA_READ, 0, 0, 0, 0, 0, 0 },
		{ RF_VU_DMA_WRITE, 0, 4096, 64, 64, 0, 0 },
		{ RF_VU_DMA_WRITE, 0, 8192, 32768, 32768, 0, 0 },
		{ RF_VU_DMA_WRITE, 0, 4096, 64, 64, 0, RF_VU_NO_REPLY },
		{ RF_VU_DMA_READ, 2, 0, 4096, 0, 0, 0 },             /* admin queue: may be read, */
		{ RF_VU_DMA_WRITE, 2, 0, 64, 64, EFAULT, 0 },        /* not written, */
		{ RF_VU_DMA_WRITE, 2, 4000, 128, 128, EFAULT, 0 },   /* not in part either */
		{ RF_VU_DMA_READ, 0, 0, 32769, 0, EINVAL, 0 },
		{ RF_VU_DMA_READ, 0, 0, ~0ull, 0, EINVAL, 0 },
		{ RF_VU_DMA_READ, 0, sizeof(data) - 32, 64, 0, EFAULT, 0 },
		{ RF_VU_DMA_READ, 0, sizeof(data), 1, 0, EFAULT, 0 },
		{ RF_VU_DMA_READ, 0, -4096ull, 64, 0, EFAULT, 0 },
		{ RF_VU_DMA_READ, -1, ~0ull - 15, 64, 0, EFAULT, 0 }, /* wraps round */
		{ RF_VU_DMA_WRITE, 0, 0, 64, 63, EINVAL, 0 },
		{ RF_VU_DMA_WRITE, 0, 0, 63, 64, EINVAL, 0 },
		{ RF_VU_DMA_READ, 0, 0, 64, 8, EINVAL, 0 },
		{ RF_VU_DEVICE_RESET, 0, 0, 64, 0, ENOTSUP, 0 },
		{ 4711, 0, 0, 64, 0, ENOTSUP, 0 },
	};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		const size_t k = i / 2;
		struct rf_device *d = begin();
		uint32_t value;

		server_init(&server);
		server.twin = i & 1;
		server.json = i & 1 ? twin_json : server.json;
		start(&server);
		assert_int_equal(open_all(d), 0);
		memset(data, 0x11, sizeof(data));
		memset(admin, 0x22, sizeof(admin));
		asked.command = cases[k].command;
		asked.address = (cases[k].map < 0 ? 0 : server.map[cases[k].map].address) + cases[k].at;
		asked.count = cases[k].count;
		asked.payload = cases[k].payload;
		asked.flags = cases[k].flags;
		server.twist = ask_first;
		assert_int_equal(bar_read(d, 0, 0, &value, 4), 0);
		end(d);
		if (cases[k].flags)
			continue;
		assert_true(answered);
		if (answer.head.error != cases[k].error)
			fail_msg("case %zu: errno %u", k, answer.head.error);
		assert_int_equal(answer.head.id, 0x7777);
		assert_int_equal(answer.head.command, cases[k].command);
		assert_int_equal(answer.head.flags, RF_VU_TYPE_REPLY | (cases[k].error ? RF_VU_ERROR : 0));
		bool read = cases[k].command == RF_VU_DMA_READ;
		assert_int_equal(answer.bytes, cases[k].error ? 0 : 16 + (read ? cases[k].count : 0));
		if (read && !cases[k].error && cases[k].count)
			assert_int_equal(answer.data[16], cases[k].map ? 0x22 : 0x11);
		if (!read && cases[k].error)
			assert_null(memchr(data, 0xab, sizeof(data)));
		if (!read && !cases[k].error)
			assert_int_equal((unsigned char)data[cases[k].at], 0xab);
		assert_null(memchr(admin, 0xab, sizeof(admin)));
	}
}

static void unasked_messages_are_served_or_end_it(void **state)
{
	struct pollfd p[RF_BACKEND_FDS];
	struct rf_device *d = begin();

	(void)state;
	server_init(&server);
	start(&server);
	assert_int_equal(open_all(d), 0);
	struct { struct rf_vu_header h; struct rf_vu_dma_access a; char body[8]; } m = {
		{ 5, RF_VU_DMA_WRITE, 40, RF_VU_NO_REPLY, 0 }, { server.map[0].address, 8 }, "written" };
	server_send(server.sock, &m, sizeof(m), NULL, 0, NULL, 0);
	unsigned count = d->backend->poll_fds(d, p);
	assert_true(poll(p, count, 5000) > 0);
	assert_int_equal(d->backend->on_poll(d, p, count), 0);
	assert_string_equal(data, "written");
	/* An answer to nothing. */
	m.h.flags = RF_VU_TYPE_REPLY;
	server_send(server.sock, &m, sizeof(m), NULL, 0, NULL, 0);
	count = d->backend->poll_fds(d, p);
	assert_true(poll(p, count, 5000) > 0);
	assert_int_equal(d->backend->on_poll(d, p, count), -ENODEV);
	assert_said("sent an answer nobody waits for");
	end(d);
}

static void a_server_that_ends_is_noticed_at_rest(void **state)
{
	struct pollfd p[RF_BACKEND_FDS];
	struct rf_device *d = begin();

	(void)state;
	server_init(&server);
	start(&server);
	assert_int_equal(open_all(d), 0);
	shutdown(server.sock, SHUT_RDWR);
	unsigned count = d->backend->poll_fds(d, p);
	assert_true(poll(p, count, 5000) > 0);
	assert_int_equal(d->backend->on_poll(d, p, count), -ENODEV);
	assert_said("closed the connection");
	end(d);
}

/* ---- doorbells -------------------------------------------------------------------------------------- */

static const char sleep_json[] = "{\"capabilities\":{\"ringfence\":{\"doorbell_sleep\":"
				 "{\"region\":0,\"asleep\":8188}}}}";

static void drop_doorbells(struct rf_device *d)
{
	if (d->doorbell.event >= 0)
		close(d->doorbell.event);
	if (d->user->proxy)
		munmap((void *)d->user->proxy, d->doorbell.bytes);
	if (d->doorbell.road == RF_ROAD_PROXY || d->doorbell.road == RF_ROAD_SHADOW)
		close(d->doorbell.fd);
}

static void the_road_is_the_best_the_server_offers(void **state)
{
	static const struct {
		const char *what, *json;
		uint32_t io;
		bool mappable, bogus;
		enum rf_road road;
		int code;
		uint32_t bar0;
	} cases[] = {
		{ "says when it sleeps", sleep_json, RF_VU_IO_EVENTFD, true, false, RF_ROAD_ASLEEP, 0, 0 },
		{ "sleeps, but gives no eventfd", sleep_json, ~0u, true, false, RF_ROAD_PAGE, 0, 0 },
		{ "sleeps, but gives a file for an eventfd", sleep_json, RF_VU_IO_EVENTFD, true, true, RF_ROAD_PAGE, 0, 0 },
		{ "does not say", NULL, RF_VU_IO_EVENTFD, true, false, RF_ROAD_PAGE, 0, 0 },
		{ "its word is on another page",
		  "{\"capabilities\":{\"ringfence\":{\"doorbell_sleep\":{\"region\":0,\"asleep\":8192}}}}",
		  RF_VU_IO_EVENTFD, true, false, RF_ROAD_PAGE, 0, 0 },
		{ "its word is a doorbell",
		  "{\"capabilities\":{\"ringfence\":{\"doorbell_sleep\":{\"region\":0,\"asleep\":4104}}}}",
		  RF_VU_IO_EVENTFD, true, false, RF_ROAD_PAGE, 0, 0 },
		{ "its word is in another region",
		  "{\"capabilities\":{\"ringfence\":{\"doorbell_sleep\":{\"region\":4294967296,\"asleep\":8188}}}}",
		  RF_VU_IO_EVENTFD, true, false, RF_ROAD_PAGE, 0, 0 },
		{ "shadow memory", NULL, RF_VU_IO_SHADOW, false, false, RF_ROAD_SHADOW, 0, 0 },
		{ "shadow memory without an eventfd", NULL, RF_VU_IO_SHADOW, false, true, RF_ROAD_PROXY, 0, 0 },
		{ "nothing", NULL, ~0u, false, false, RF_ROAD_PROXY, 0, 0 },
		{ "an eventfd alone tells nothing", sleep_json, RF_VU_IO_EVENTFD, false, false, RF_ROAD_PROXY, 0, 0 },
		{ "too small a BAR", NULL, ~0u, true, false, RF_ROAD_NONE, -EIO, 0x1000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_device *d = begin();

		server_init(&server);
		server.json = cases[i].json ? cases[i].json : server.json;
		server.io_type = cases[i].io;
		server.io_bogus = cases[i].bogus;
		server.mappable = cases[i].mappable;
		start(&server);
		assert_int_equal(open_all(d), 0);
		if (cases[i].bar0)
			d->bar[0].bytes = cases[i].bar0;
		d->doorbell = (struct rf_doorbells){ .bar = 0, .submit = 0x1008, .complete = 0x100c };
		int code = doorbell_open(d);
		if (code != cases[i].code || (!code && d->doorbell.road != cases[i].road))
			fail_msg("%s: %d, road %d: %s", cases[i].what, code, d->doorbell.road, said);
		if (code)
			assert_said("BAR 0 has 4096 bytes, and its doorbells need 4112");
		assert_int_equal(d->doorbell.asleep != ~0ull, cases[i].road == RF_ROAD_ASLEEP);
		assert_int_equal(d->doorbell.event >= 0,
				 cases[i].road == RF_ROAD_ASLEEP || cases[i].road == RF_ROAD_SHADOW);
		if (!code)
			drop_doorbells(d);
		end(d);
	}
}

static void ring_proxy(struct rf_device *d, unsigned word, uint32_t value)
{
	struct pollfd p[RF_BACKEND_FDS];
	uint64_t one = 1;

	d->user->proxy[word] = value;
	assert_int_equal(write(RF_DEVICE_FD_DEVICE, &one, 8), 8);
	unsigned count = d->backend->poll_fds(d, p);
	assert_true(poll(p, count, 5000) > 0);
	assert_int_equal(d->backend->on_poll(d, p, count), 0);
}

static void a_proxied_page_passes_on_two_doorbells(void **state)
{
	struct rf_device *d = begin();
	uint32_t value;

	(void)state;
	server_init(&server);
	server.mappable = false;
	start(&server);
	assert_int_equal(open_all(d), 0);
	d->doorbell = (struct rf_doorbells){ .bar = 0, .submit = 0x1008, .complete = 0x100c };
	assert_int_equal(doorbell_open(d), 0);
	uint32_t before = server.write_count;
	ring_proxy(d, 2, 7);                       /* submission */
	ring_proxy(d, 2, 7);                       /* nothing new */
	ring_proxy(d, 0, 99);                      /* the admin queue's: not this driver's */
	d->user->proxy[3] = 5;                     /* completions taken go first */
	ring_proxy(d, 2, 9);
	d->down = true;
	ring_proxy(d, 2, 11);                      /* of a driver that is dead */
	d->down = false;
	/* It dies as it rings: recovery comes between poll() and what poll() found. */
	struct pollfd p[RF_BACKEND_FDS];
	uint64_t one = 1;
	assert_int_equal(write(RF_DEVICE_FD_DEVICE, &one, 8), 8);
	unsigned count = d->backend->poll_fds(d, p);
	assert_true(poll(p, count, 5000) > 0);
	d->backend->doorbell_clear(d);
	assert_int_equal(d->backend->on_poll(d, p, count), 0);
	ring_proxy(d, 2, 1);                       /* its successor's first */
	assert_int_equal(bar_read(d, 0, 0, &value, 4), 0); /* all of that has arrived */
	assert_int_equal(server.write_count - before, 4);
	assert_int_equal(server.writes[before], 0x1008ull << 32 | 7);
	assert_int_equal(server.writes[before + 1], 0x100cull << 32 | 5);
	assert_int_equal(server.writes[before + 2], 0x1008ull << 32 | 9);
	assert_int_equal(server.writes[before + 3], 0x1008ull << 32 | 1);
	drop_doorbells(d);
	end(d);
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static void json_is_strict(void **state)
{
	static const char *const good[] = {
		"0", "-1.5e+3", "\"\\u00ff\\n\"", "[]", "[ 1 , [ ] , { } ]", "{\"a\":{\"b\":null}}", " true ",
	};
	static const char *const wrong[] = {
		"", " ", "{", "}", "[1,]", "{\"a\":1,}", "{a:1}", "{\"a\" 1}", "01", "1.", "1e", "-", "+1", ".5",
		"tru", "truex", "\"", "\"\\x\"", "\"\\u12g4\"", "\"\\u12", "\"\n\"", "[1 2]", "1 2", "{\"a\":}",
		"{\"a\"}", "[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]", "nul", "\"\\",
	};
	struct json v;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!json_parse(good[i], strlen(good[i]), &v))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		/* Not a byte behind it may be looked at. */
		size_t n = strlen(wrong[i]);
		char *exact = memcpy(malloc(n ? n : 1), wrong[i], n);
		if (json_parse(exact, n, &v))
			fail_msg("took: %s", wrong[i]);
		free(exact);
	}
}

static void json_finds_members(void **state)
{
	static const char text[] = " {\"a\" : 1, \"b\":{\"a\":18446744073709551615,\"c\":true},"
				   "\"big\":18446744073709551616,\"neg\":-1,\"half\":0.5,\"s\":\"1\"}";
	struct json all;
	uint64_t n = 7;

	(void)state;
	assert_true(json_parse(text, strlen(text), &all));
	assert_true(json_number(json_member(all, "a"), &n));
	assert_int_equal(n, 1);
	assert_true(json_number(json_member(json_member(all, "b"), "a"), &n));
	assert_true(n == UINT64_MAX);
	assert_true(json_true(json_member(json_member(all, "b"), "c")));
	assert_false(json_true(json_member(all, "c")));
	assert_false(json_number(json_member(all, "big"), &n));
	assert_false(json_number(json_member(all, "neg"), &n));
	assert_false(json_number(json_member(all, "half"), &n));
	assert_false(json_number(json_member(all, "s"), &n));
	assert_false(json_number(json_member(all, "none"), &n));
	assert_null(json_member(json_member(all, "a"), "x").at);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_honest_server_is_brought_up),
		cmocka_unit_test(the_bar_is_dead_without_bringup),
		cmocka_unit_test(a_reset_is_followed_by_bringup),
		cmocka_unit_test(small_transfers_are_honoured),
		cmocka_unit_test(region_info_is_asked_for_again),
		cmocka_unit_test(openings_that_fail_say_why),
		cmocka_unit_test(no_capabilities_at_all_will_do),
		cmocka_unit_test(a_policy_is_for_what_it_says),
		cmocka_unit_test(lies_in_answers_end_the_connection),
		cmocka_unit_test(bare_errors_are_only_refusals),
		cmocka_unit_test(a_dripping_server_is_given_up),
		cmocka_unit_test(bad_region_descriptions_end_it),
		cmocka_unit_test(dma_by_message_is_answered_while_waiting),
		cmocka_unit_test(unasked_messages_are_served_or_end_it),
		cmocka_unit_test(a_server_that_ends_is_noticed_at_rest),
		cmocka_unit_test(the_road_is_the_best_the_server_offers),
		cmocka_unit_test(a_proxied_page_passes_on_two_doorbells),
		cmocka_unit_test(json_is_strict),
		cmocka_unit_test(json_finds_members),
	};

	give_fds();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
