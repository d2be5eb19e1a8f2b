/* SPDX-License-Identifier: MIT */
/*
 * test_model_server.c - the vfio-user server under bad handshakes, garbage, sudden ends and
 * greed; its maps, regions, interrupts, config space and protocol faults.
 *
 * Room:   tests/unit. The server runs the NVMe model in a process of its own under ASan and
 *         UBSan: whatever they find is its exit code.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>

#include "model_client.h"

int model_main(int argc, char **argv);

#define TRIGGER_EVENTFD (RF_VU_SET_DATA_EVENTFD | RF_VU_SET_ACTION_TRIGGER)
#define RW (RF_VU_DMA_READABLE | RF_VU_DMA_WRITEABLE)

static int start(void **state)
{
	struct modelled *m = calloc(1, sizeof(*m));

	model_start(m, model_main, NULL);
	*state = m;
	return 0;
}

static int start_impatient(void **state)
{
	struct modelled *m = calloc(1, sizeof(*m));

	model_start(m, model_main, (const char *const[]){ "--handshake", "200", NULL });
	*state = m;
	return 0;
}

static int start_wide(void **state)
{
	struct modelled *m = calloc(1, sizeof(*m));

	model_start(m, model_main, (const char *const[]){ "--queues", "20", NULL });
	*state = m;
	return 0;
}

static int stop(void **state)
{
	int code = model_stop(*state);

	free(*state);
	if (code)
		print_message("# the model ended with %d\n", code);
	return code;
}

static int memory_file(uint64_t bytes)
{
	int fd = memfd_create("dma", MFD_CLOEXEC);

	must(fd >= 0 && !ftruncate(fd, (off_t)bytes), "memfd");
	return fd;
}

static void assert_serves(struct modelled *m)
{
	struct client c = client_greeted(m, PLAIN_JSON);

	assert_true(client_alive(&c));
	close(c.fd);
}

/* The server's answer is an error or the end of the connection, then it hangs up. */
static void assert_refused(struct client *c, int result)
{
	char byte;
	struct pollfd p = { .fd = c->fd, .events = POLLIN };

	assert_true(result < 0 && result != -ETIMEDOUT);
	assert_int_equal(poll(&p, 1, CLIENT_WAIT_MS), 1);
	assert_true(read(c->fd, &byte, 1) <= 0);
	close(c->fd);
}

/* ---- handshake ------------------------------------------------------------------------ */

static int hello_raw(struct client *c, uint16_t major, const char *text, uint32_t bytes)
{
	struct { struct rf_vu_version v; char text[8192]; } m = { .v = { major, 2 } };
	unsigned char ignored[4096];

	memcpy(m.text, text, bytes);
	return client_call(c, RF_VU_VERSION, &m, (uint32_t)sizeof(m.v) + bytes, ignored, sizeof(ignored), NULL, 0);
}

static void bad_handshakes_are_survived(void **state)
{
	static const char deep[] = "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]}";
	static const struct { uint16_t major; const char *text; uint32_t bytes; } bad[] = {
		{ 1, "", 0 }, { 0xffff, "{}", 3 }, { 0, "{}", 2 }, { 0, "{", 2 }, { 0, "[]", 3 }, { 0, "{\"a\":}", 7 },
		{ 0, "{} x", 5 }, { 0, "{\"a", 4 }, { 0, "{\"a\\", 5 }, { 0, "", 1 }, { 0, deep, sizeof(deep) },
	};
	struct modelled *m = *state;
	char big[8000];

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct client c = client_open(m);
		assert_refused(&c, hello_raw(&c, bad[i].major, bad[i].text, bad[i].bytes));
		assert_serves(m);
	}
	memset(big, ' ', sizeof(big));
	big[0] = '{';
	big[sizeof(big) - 2] = '}';
	big[sizeof(big) - 1] = '\0';
	struct client c = client_open(m);
	assert_refused(&c, hello_raw(&c, 0, big, sizeof(big)));
	assert_serves(m);
	/* Not a version at all; and one that wants no answer. */
	struct rf_vu_version v = { 0, 2 };
	struct rf_vu_header h;
	uint32_t ignored;
	c = client_open(m);
	assert_refused(&c, client_read(&c, RF_VU_CONFIG, 0, &ignored, 4));
	c = client_open(m);
	assert_int_equal(client_send(&c, RF_VU_VERSION, RF_VU_NO_REPLY, &v, sizeof(v), NULL, 0), 0);
	assert_refused(&c, client_recv(&c, &h, NULL, 0, CLIENT_WAIT_MS));
	assert_serves(m);
	assert_int_equal(model_counter(m, "bad_handshakes"), sizeof(bad) / sizeof(*bad) + 3);
}

static void versions_are_negotiated(void **state)
{
	struct modelled *m = *state;
	char answer[RF_VU_MAX_JSON];
	struct rf_vu_version v = { 0, 7 }, r;

	struct client c = client_open(m);
	assert_true(client_call(&c, RF_VU_VERSION, &v, sizeof(v), &r, sizeof(r), NULL, 0) > 0);
	assert_int_equal(r.minor, 2);
	close(c.fd);
	v.minor = 0;
	c = client_open(m);
	assert_true(client_call(&c, RF_VU_VERSION, &v, sizeof(v), &r, sizeof(r), NULL, 0) > 0);
	assert_int_equal(r.minor, 0);
	/* A second version message is an error, not the end. */
	assert_int_equal(client_call(&c, RF_VU_VERSION, &v, sizeof(v), &r, sizeof(r), NULL, 0), -EINVAL);
	assert_true(client_alive(&c));
	close(c.fd);
	c = client_open(m);
	assert_true(client_hello(&c, SLEEP_JSON, answer) > 0);
	assert_non_null(strstr(answer, "\"doorbell_sleep\":{\"region\":0,\"asleep\":8188}"));
	close(c.fd);
	c = client_open(m);
	assert_true(client_hello(&c, PLAIN_JSON, answer) > 0);
	assert_null(strstr(answer, "doorbell_sleep"));
	close(c.fd);
}

static void a_silent_client_is_put_out(void **state)
{
	struct modelled *m = *state;
	struct client c = client_open(m);
	char byte;
	struct pollfd p = { .fd = c.fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, CLIENT_WAIT_MS), 1);
	assert_true(read(c.fd, &byte, 1) <= 0);
	close(c.fd);
	assert_int_equal(model_counter(m, "bad_handshakes"), 1);
}

static void a_second_client_is_refused_clearly(void **state)
{
	struct modelled *m = *state;
	struct client first = client_greeted(m, PLAIN_JSON);

	for (unsigned i = 0; i < 10; i++) {
		struct client second = client_open(m);
		assert_int_equal(client_hello(&second, PLAIN_JSON, NULL), -EBUSY);
		assert_refused(&second, -EBUSY);
		assert_true(client_alive(&first));
	}
	assert_int_equal(model_counter(m, "clients_refused"), 10);
	/* Some that say nothing do not keep the first from working, nor one from its answer. */
	struct client mute[8];
	for (unsigned i = 0; i < 8; i++)
		mute[i] = client_open(m);
	assert_true(client_alive(&first));
	for (unsigned i = 0; i < 8; i++)
		close(mute[i].fd);
	close(first.fd);
	assert_serves(m);
}

/* ---- garbage and sudden ends ---------------------------------------------------------------- */

static unsigned open_fds(const struct modelled *m)
{
	char path[64];
	unsigned n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", m->pid);
	DIR *d = opendir(path);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* A session as bytes: what is sent, and the fds that go with each message. */
struct recording {
	unsigned char bytes[4096];
	uint32_t      start[16], end;
	int           fd[16][2], fds[16];
	unsigned      messages;
};

static void record(struct recording *r, uint16_t command, const void *payload, uint32_t bytes, const int *fd, int fds)
{
	struct rf_vu_header h = { .id = (uint16_t)r->messages, .command = command, .size = (uint32_t)sizeof(h) + bytes };

	r->start[r->messages] = r->end;
	r->fds[r->messages] = fds;
	for (int i = 0; i < fds; i++)
		r->fd[r->messages][i] = fd[i];
	r->messages++;
	memcpy(r->bytes + r->end, &h, sizeof(h));
	if (bytes)
		memcpy(r->bytes + r->end + sizeof(h), payload, bytes);
	r->end += h.size;
}

static void record_session(struct recording *r)
{
	struct { struct rf_vu_version v; char json[sizeof(SLEEP_JSON)]; } version = { { 0, 2 }, SLEEP_JSON };
	struct rf_vu_dma_map map = { sizeof(map), RW, 0, 0x100000, 0x10000 };
	struct rf_vu_region_info info = { .argsz = 256 };
	struct rf_vu_set_irqs irqs = { sizeof(irqs), TRIGGER_EVENTFD, RF_VU_MSIX, 0, 2 };
	struct { struct rf_vu_region_access a; uint32_t v; } write = { { 0x14, 0, 4 }, 0 };
	struct rf_vu_region_access read = { 0, 0, 64 };
	struct rf_vu_dma_unmap unmap = { sizeof(unmap), 0, 0x100000, 0x10000 };
	int events[2] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) }, memory = memory_file(0x10000);

	record(r, RF_VU_VERSION, &version, sizeof(version.v) + sizeof(SLEEP_JSON), NULL, 0);
	record(r, RF_VU_DMA_MAP, &map, sizeof(map), &memory, 1);
	record(r, RF_VU_GET_REGION_INFO, &info, sizeof(info), NULL, 0);
	record(r, RF_VU_SET_IRQS, &irqs, sizeof(irqs), events, 2);
	record(r, RF_VU_REGION_WRITE, &write, sizeof(write.a) + 4, NULL, 0);
	record(r, RF_VU_REGION_READ, &read, sizeof(read), NULL, 0);
	record(r, RF_VU_DEVICE_RESET, NULL, 0, NULL, 0);
	record(r, RF_VU_DMA_UNMAP, &unmap, sizeof(unmap), NULL, 0);
}

static void a_client_may_leave_at_any_byte(void **state)
{
	static struct recording r;
	struct modelled *m = *state;
	unsigned before;

	memset(&r, 0, sizeof(r));
	record_session(&r);
	assert_serves(m);
	before = open_fds(m);
	for (uint32_t cut = 0; cut <= r.end; cut++) {
		struct client c = client_open(m);
		for (unsigned i = 0; i < r.messages && r.start[i] < cut; i++) {
			uint32_t next = i + 1 < r.messages ? r.start[i + 1] : r.end;
			uint32_t n = (cut < next ? cut : next) - r.start[i];
			assert_int_equal(send_fds(c.fd, r.bytes + r.start[i], n, r.fd[i], r.fds[i]), 0);
		}
		close(c.fd);
	}
	assert_serves(m);
	/* Nothing of all these sessions is left; the last one's close may still be under way. */
	for (int i = 0; i < CLIENT_WAIT_MS && open_fds(m) > before; i++)
		usleep(1000);
	assert_int_equal(open_fds(m), before);
}

static void a_session_may_come_byte_by_byte(void **state)
{
	static struct recording r;
	struct modelled *m = *state;
	struct client c = client_open(m);
	struct rf_vu_header h;

	memset(&r, 0, sizeof(r));
	record_session(&r);
	for (unsigned i = 0; i < r.messages; i++) {
		uint32_t next = i + 1 < r.messages ? r.start[i + 1] : r.end;
		for (uint32_t at = r.start[i]; at < next; at++)
			assert_int_equal(send_fds(c.fd, r.bytes + at, 1, r.fd[i], at == r.start[i] ? r.fds[i] : 0), 0);
		assert_true(client_recv(&c, &h, NULL, 0, CLIENT_WAIT_MS) >= 0);
		assert_int_equal(h.id, i);
	}
	close(c.fd);
}

static uint64_t noise_state;
static uint32_t noise(void)
{
	noise_state = noise_state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(noise_state >> 33);
}

/* Headers that are right around contents that are not, with fds at random. */
static void send_noise(struct client *c, int event, int memory)
{
	unsigned char body[160];
	uint32_t bytes = noise() % sizeof(body), flags = noise() % 16 ? 0 : noise() & 0x3f;
	int fds[3] = { event, memory, event };

	for (uint32_t i = 0; i < bytes; i++)
		body[i] = noise() % 3 ? (unsigned char)(noise() % 9) : (unsigned char)noise();
	(void)client_send(c, (uint16_t)(noise() % 22), flags, body, bytes, fds, (int)(noise() % 4));
}

static void garbage_is_survived(void **state)
{
	struct modelled *m = *state;
	int event = eventfd(0, EFD_CLOEXEC), memory = memory_file(0x10000);
	const char *seed = getenv("SEED");

	noise_state = seed ? strtoull(seed, NULL, 0) : 1;
	print_message("# seed %llu (SEED= changes it)\n", (unsigned long long)noise_state);
	assert_serves(m);
	unsigned before = open_fds(m);
	for (unsigned round = 0; round < 60; round++) {
		struct client c = client_greeted(m, noise() % 2 ? PLAIN_JSON : SLEEP_JSON);
		char drop[65536];
		for (unsigned i = 0; i < 200; i++) {
			send_noise(&c, event, memory);
			while (recv(c.fd, drop, sizeof(drop), MSG_DONTWAIT) > 0)
				;
		}
		close(c.fd);
	}
	/* And bytes that are no messages. */
	for (unsigned round = 0; round < 60; round++) {
		struct client c = noise() % 2 ? client_greeted(m, PLAIN_JSON) : client_open(m);
		uint32_t words[64];
		for (unsigned i = 0; i < 64; i++)
			words[i] = noise();
		(void)send_fds(c.fd, words, sizeof(words), &event, 1);
		close(c.fd);
	}
	assert_serves(m);
	for (int i = 0; i < CLIENT_WAIT_MS && open_fds(m) > before; i++)
		usleep(1000);
	assert_int_equal(open_fds(m), before);
	close(event);
	close(memory);
}

static void impossible_sizes_end_the_session(void **state)
{
	static const uint32_t sizes[] = { 0, 15, RF_VU_MAX_MESSAGE + 1000, 0xffffffff };
	struct modelled *m = *state;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		struct client c = client_greeted(m, PLAIN_JSON);
		struct rf_vu_header h = { .id = 9, .command = RF_VU_REGION_READ, .size = sizes[i] };
		assert_int_equal(send_fds(c.fd, &h, sizeof(h), NULL, 0), 0);
		assert_refused(&c, -EPIPE);
	}
	assert_serves(m);
}

/* ---- DMA maps ------------------------------------------------------------------------------- */

static void maps_are_checked(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	int fd = memory_file(0x20000);

	assert_int_equal(client_map(&c, 0x100000, 0x10000, RW, fd, 0), 0);
	assert_int_equal(client_map(&c, 0x100000, 0x10000, RW, fd, 0), -EEXIST);
	assert_int_equal(client_map(&c, 0x10f000, 0x1000, RW, fd, 0), -EEXIST);
	assert_int_equal(client_map(&c, 0xff000, 0x2000, RW, fd, 0), -EEXIST);
	assert_int_equal(client_map(&c, 0x110000, 0x1000, RW, fd, 0), 0);
	assert_int_equal(client_map(&c, 0x200001, 0x1000, RW, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0x200000, 0x1001, RW, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0x200000, 0, RW, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0x200000, 0x1000, 0, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0x200000, 0x1000, 0x10, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0x200000, 0x1000, RW, fd, 0x800), -EINVAL);
	assert_int_equal(client_map(&c, 0x200000, 0x21000, RW, fd, 0), -EINVAL);      /* longer than its file */
	assert_int_equal(client_map(&c, 0x200000, 0x1000, RW, fd, 0x20000), -EINVAL);
	assert_int_equal(client_map(&c, 0x200000, 0x1000, RW, fd, 0xfffffffffffff000), -EINVAL);
	assert_int_equal(client_map(&c, 0xfffffffffffff000, 0x2000, RW, -1, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0xfffffffffffff000, 0x1000, RW, -1, 0), 0);   /* the last page there is */
	assert_int_equal(client_unmap(&c, 0x100000, 0x1000, 0), -ENOENT);
	assert_int_equal(client_unmap(&c, 0x100000, 0x10000, 0x7), -EINVAL);
	assert_true(client_unmap(&c, 0x100000, 0x10000, 0) >= 0);
	assert_int_equal(client_unmap(&c, 0x100000, 0x10000, 0), -ENOENT);
	assert_int_equal(client_unmap(&c, 0x1000, 0, RF_VU_UNMAP_ALL), -EINVAL);
	assert_true(client_unmap(&c, 0, 0, RF_VU_UNMAP_ALL) >= 0);
	assert_int_equal(client_unmap(&c, 0x110000, 0x1000, 0), -ENOENT);
	/* An fd that cannot be mapped that way. */
	int pipes[2], one_way = open("/dev/null", O_RDONLY | O_CLOEXEC);
	must(!pipe(pipes), "pipe");
	assert_true(client_map(&c, 0x200000, 0x1000, RW, pipes[0], 0) < 0);
	assert_true(client_map(&c, 0x200000, 0x1000, RW, one_way, 0) < 0);
	unsigned accepted = 0;
	while (accepted < 100000 && !client_map(&c, 0x10000000 + accepted * 0x1000ull, 0x1000, RW, -1, 0))
		accepted++;
	assert_int_equal(accepted, 256); /* as it said: max_dma_maps */
	assert_true(client_alive(&c));
	close(c.fd);
	close(pipes[0]);
	close(pipes[1]);
	close(one_way);
	close(fd);
}

/* ---- regions ------------------------------------------------------------------------------------ */

static void regions_have_bounds(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	unsigned char data[4096] = { 0 };
	struct rf_vu_region_access a = { 0, 0, RF_VU_MAX_DATA + 1 };

	assert_true(client_read(&c, 0, 16380, data, 4) > 0);
	assert_int_equal(client_read(&c, 0, 16384, data, 4), -EINVAL);
	assert_int_equal(client_read(&c, 0, 16382, data, 4), -EINVAL);
	assert_int_equal(client_read(&c, 0, 0xffffffffffffffff, data, 4), -EINVAL);
	assert_int_equal(client_read(&c, 0, 0, data, 0), -EINVAL);
	assert_int_equal(client_read(&c, 1, 0, data, 4), -EINVAL);
	assert_int_equal(client_read(&c, 9, 0, data, 4), -EINVAL);
	assert_int_equal(client_read(&c, 0xffffffff, 0, data, 4), -EINVAL);
	assert_true(client_read(&c, RF_VU_CONFIG, 0, data, 4096) > 0);
	assert_int_equal(client_write(&c, 0, 16384, data, 4), -EINVAL);
	assert_int_equal(client_write(&c, RF_VU_CONFIG, 4093, data, 4), -EINVAL);
	assert_int_equal(client_call(&c, RF_VU_REGION_READ, &a, sizeof(a), data, sizeof(data), NULL, 0), -EINVAL);
	/* Says 8 bytes, brings 4. */
	struct { struct rf_vu_region_access a; uint32_t v; } lie = { { 0x14, 0, 8 }, 0 };
	assert_int_equal(client_call(&c, RF_VU_REGION_WRITE, &lie, sizeof(lie.a) + 4, data, sizeof(data), NULL, 0), -EINVAL);
	assert_true(client_alive(&c));
	close(c.fd);
}

static void unknown_commands_are_answered(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	struct rf_vu_feature f = { sizeof(f), RF_VU_FEATURE_PROBE | RF_VU_FEATURE_GET | RF_VU_FEATURE_MIGRATION };
	struct rf_vu_device_info info = { .argsz = sizeof(info) };
	unsigned char ignored[64];

	assert_int_equal(client_call(&c, RF_VU_DEVICE_FEATURE, &f, sizeof(f), ignored, 64, NULL, 0), -ENOTSUP);
	assert_int_equal(client_call(&c, RF_VU_DIRTY_PAGES, &f, sizeof(f), ignored, 64, NULL, 0), -ENOTSUP);
	assert_int_equal(client_call(&c, RF_VU_DMA_READ, ignored, 16, ignored, 64, NULL, 0), -ENOTSUP);
	assert_int_equal(client_call(&c, 999, NULL, 0, ignored, 64, NULL, 0), -ENOTSUP);
	assert_int_equal(client_call(&c, RF_VU_DEVICE_GET_INFO, &info, sizeof(info), &info, sizeof(info), NULL, 0), 16);
	assert_int_equal(info.num_regions, 9);
	assert_int_equal(info.num_irqs, 5);
	assert_int_equal(info.flags, RF_VU_DEVICE_RESETS | RF_VU_DEVICE_PCI);
	info.argsz = 15;
	assert_int_equal(client_call(&c, RF_VU_DEVICE_GET_INFO, &info, sizeof(info), &info, sizeof(info), NULL, 0), -EINVAL);
	/* A reply nobody asked for is dropped. */
	assert_int_equal(client_send(&c, RF_VU_REGION_READ, RF_VU_TYPE_REPLY, ignored, 16, NULL, 0), 0);
	assert_true(client_alive(&c));
	close(c.fd);
}

static void posted_and_multiple_writes(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	struct { struct rf_vu_region_access a; uint32_t v; } one = { { 0x24, 0, 4 }, 0x001f001f };
	struct { uint64_t count; struct rf_vu_write_one w[3]; } many = {
		3, { { 0x28, 0, 4, { 0, 0x10 } }, { 0x2c, 0, 4, { 7 } }, { 0x30, 0, 8, { 0, 0x20, 0, 0, 9 } } } };
	uint64_t done = 0;

	/* Posted: the next reply that comes is that of the read behind it. */
	assert_int_equal(client_send(&c, RF_VU_REGION_WRITE, RF_VU_NO_REPLY, &one, sizeof(one.a) + 4, NULL, 0), 0);
	assert_int_equal(client_get32(&c, 0, 0x24), 0x001f001f);
	one.a.offset = 1 << 20; /* an error nobody hears of */
	assert_int_equal(client_send(&c, RF_VU_REGION_WRITE, RF_VU_NO_REPLY, &one, sizeof(one.a) + 4, NULL, 0), 0);
	assert_int_equal(client_call(&c, RF_VU_REGION_WRITE_MULTI, &many, sizeof(many), &done, 8, NULL, 0), 8);
	assert_int_equal(done, 3);
	assert_int_equal(client_get32(&c, 0, 0x28), 0x1000);
	assert_int_equal(client_get32(&c, 0, 0x2c), 7);
	assert_int_equal(client_get32(&c, 0, 0x30), 0x2000);
	assert_int_equal(client_get32(&c, 0, 0x34), 9);
	many.w[1].count = 9;
	assert_int_equal(client_call(&c, RF_VU_REGION_WRITE_MULTI, &many, sizeof(many), &done, 8, NULL, 0), -EINVAL);
	many.count = 0x2000000000000000;
	assert_int_equal(client_call(&c, RF_VU_REGION_WRITE_MULTI, &many, sizeof(many), &done, 8, NULL, 0), -EINVAL);
	close(c.fd);
}

struct info_reply {
	struct rf_vu_region_info i;
	struct rf_vu_cap cap;
	uint32_t areas, reserved;
	struct rf_vu_sparse_area area;
};

static int region_info_of(struct client *c, uint32_t index, uint32_t argsz, struct info_reply *r)
{
	struct rf_vu_region_info q = { .argsz = argsz, .index = index };

	memset(r, 0, sizeof(*r));
	return client_call(c, RF_VU_GET_REGION_INFO, &q, sizeof(q), r, sizeof(*r), NULL, 0);
}

static void the_doorbell_page_is_for_who_knows_to_ring(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	struct info_reply r;
	struct { struct rf_vu_io_fds h; struct rf_vu_io_fd e; } io = { .h = { .argsz = 256 } };

	assert_int_equal(region_info_of(&c, 0, 256, &r), sizeof(r.i));
	assert_int_equal(r.i.flags, RF_VU_REGION_READ_OK | RF_VU_REGION_WRITE_OK);
	assert_int_equal(client_call(&c, RF_VU_GET_REGION_IO_FDS, &io.h, sizeof(io.h), &io, sizeof(io), NULL, 0), 16);
	assert_int_equal(io.h.count, 0);
	close(c.fd);

	c = client_greeted(m, SLEEP_JSON);
	assert_int_equal(region_info_of(&c, 0, sizeof(r.i), &r), sizeof(r.i)); /* no room: the size to ask for, no fd */
	assert_int_equal(r.i.argsz, sizeof(r));
	assert_int_equal(r.i.cap_offset, 0);
	assert_int_equal(c.got_fds, 0);
	assert_int_equal(region_info_of(&c, 0, 256, &r), sizeof(r));
	assert_int_equal(c.got_fds, 1);
	assert_int_equal(r.i.cap_offset, sizeof(r.i));
	assert_int_equal(r.cap.id, RF_VU_CAP_SPARSE_MMAP);
	assert_int_equal(r.areas, 1);
	assert_int_equal(r.area.offset, 0x1000);
	assert_int_equal(r.area.size, 0x1000);
	uint32_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, c.got_fd[0], (off_t)(r.i.offset + 0x1000));
	assert_true(page != MAP_FAILED);
	page[8] = 0x1234; /* what the client stores is what the region reads as, and the other way */
	assert_int_equal(client_get32(&c, 0, 0x1020), 0x1234);
	client_set32(&c, 0, 0x1024, 0x77);
	assert_int_equal(page[9], 0x77);
	assert_int_not_equal(ftruncate(c.got_fd[0], 0), 0); /* sealed */
	munmap(page, 4096);
	close(c.got_fd[0]);
	io.h = (struct rf_vu_io_fds){ .argsz = 256 };
	assert_int_equal(client_call(&c, RF_VU_GET_REGION_IO_FDS, &io.h, sizeof(io.h), &io, sizeof(io), NULL, 0), 56);
	assert_int_equal(io.h.count, 1);
	assert_int_equal(c.got_fds, 1);
	assert_int_equal(io.e.type, RF_VU_IO_EVENTFD);
	assert_int_equal(io.e.offset, 0x1000);
	assert_int_equal(io.e.size, 0x1000);
	close(c.got_fd[0]);
	io.h = (struct rf_vu_io_fds){ .argsz = 256, .index = 9 };
	assert_int_equal(client_call(&c, RF_VU_GET_REGION_IO_FDS, &io.h, sizeof(io.h), &io, sizeof(io), NULL, 0), -EINVAL);
	assert_int_equal(region_info_of(&c, 9, 256, &r), -EINVAL);
	assert_int_equal(region_info_of(&c, 0, 31, &r), -EINVAL);
	close(c.fd);
}

/* ---- interrupts -------------------------------------------------------------------------------- */

static void interrupts_are_wired_and_masked(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	const uint32_t none = RF_VU_SET_DATA_NONE, trigger = RF_VU_SET_ACTION_TRIGGER;
	int e[3] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
	struct rf_vu_irq_info i = { .argsz = sizeof(i), .index = RF_VU_MSIX };

	assert_int_equal(client_call(&c, RF_VU_GET_IRQ_INFO, &i, sizeof(i), &i, sizeof(i), NULL, 0), 16);
	assert_int_equal(i.count, 9);
	assert_true(i.flags & RF_VU_IRQ_EVENTFD);
	assert_false(i.flags & RF_VU_IRQ_NORESIZE); /* below, one is wired and unwired among others */
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, TRIGGER_EVENTFD, 1, 3, e, 3), 0);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, none | trigger, 2, 1, NULL, 0), 0);
	assert_int_equal(event_wait(e[1], CLIENT_WAIT_MS), 1);
	assert_int_equal(event_wait(e[0], 0), 0);
	struct { struct rf_vu_set_irqs s; unsigned char yes[3]; } b = {
		{ sizeof(b.s) + 3, RF_VU_SET_DATA_BOOL | trigger, RF_VU_MSIX, 1, 3 }, { 1, 0, 1 } };
	assert_int_equal(client_call(&c, RF_VU_SET_IRQS, &b, sizeof(b.s) + 3, NULL, 0, NULL, 0), 0);
	assert_int_equal(event_wait(e[0], CLIENT_WAIT_MS), 1);
	assert_int_equal(event_wait(e[1], 0), 0);
	assert_int_equal(event_wait(e[2], CLIENT_WAIT_MS), 1);
	/* Taken away again, one and all. */
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, TRIGGER_EVENTFD, 1, 1, NULL, 0), 0);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, none | trigger, 1, 1, NULL, 0), 0);
	assert_int_equal(event_wait(e[0], 0), 0);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, none | trigger, 0, 0, NULL, 0), 0);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, none | trigger, 2, 1, NULL, 0), 0);
	assert_int_equal(event_wait(e[1], 0), 0);
	/* What cannot be. */
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, TRIGGER_EVENTFD, 8, 2, e, 2), -EINVAL);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, TRIGGER_EVENTFD, 0xffffffff, 2, e, 2), -EINVAL);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, TRIGGER_EVENTFD, 0, 3, e, 2), -EINVAL);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, none | trigger, 0, 1, e, 1), -EINVAL);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, none, 0, 1, NULL, 0), -EINVAL);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, 0x3f, 0, 1, NULL, 0), -EINVAL);
	assert_int_equal(client_irqs(&c, RF_VU_ERR, TRIGGER_EVENTFD, 0, 1, e, 1), -EINVAL);
	assert_int_equal(client_irqs(&c, 7, TRIGGER_EVENTFD, 0, 1, e, 1), -EINVAL);
	b.s.count = 9;
	assert_int_equal(client_call(&c, RF_VU_SET_IRQS, &b, sizeof(b.s) + 3, NULL, 0, NULL, 0), -EINVAL);
	assert_true(client_alive(&c));
	close(c.fd);
	for (int k = 0; k < 3; k++)
		close(e[k]);
}

/* cloud-hypervisor's client sends so many, whatever it was told. More are not believed, and
 * none of them stays open. */
static void sixteen_vectors_are_wired_by_one_message(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	int e[17];

	for (int i = 0; i < 17; i++)
		e[i] = eventfd(0, EFD_CLOEXEC);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, TRIGGER_EVENTFD, 2, 16, e, 16), 0);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, RF_VU_SET_DATA_NONE | RF_VU_SET_ACTION_TRIGGER, 2, 16, NULL, 0), 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(event_wait(e[i], CLIENT_WAIT_MS), 1);
	unsigned before = open_fds(m);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, TRIGGER_EVENTFD, 2, 17, e, 17), -EINVAL);
	assert_int_equal(open_fds(m), before);
	assert_true(client_alive(&c));
	close(c.fd);
	for (int i = 0; i < 17; i++)
		close(e[i]);
}

/* ---- config space --------------------------------------------------------------------------------- */

/* Offset of a capability, 0: none. */
static uint32_t capability(struct client *c, uint8_t id)
{
	unsigned char config[256];

	assert_true(client_read(c, RF_VU_CONFIG, 0, config, sizeof(config)) > 0);
	for (uint32_t at = config[0x34], n = 0; at && n < 48; at = config[at + 1], n++)
		if (config[at] == id)
			return at;
	return 0;
}

static void config_space_is_that_of_a_pci_function(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	uint16_t command = 0xffff;

	assert_int_equal(client_get32(&c, RF_VU_CONFIG, 0), 0x00101b36);
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, 8) >> 8, 0x010802);
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, 0x10), 4); /* 64 bits wide */
	client_set32(&c, RF_VU_CONFIG, 0x10, 0xffffffff);
	client_set32(&c, RF_VU_CONFIG, 0x14, 0xffffffff);
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, 0x10), 0xffffc004);
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, 0x14), 0xffffffff);
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, 0x18), 0);
	client_set32(&c, RF_VU_CONFIG, 0x10, 0xfebf0000);
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, 0x10), 0xfebf0004);
	assert_true(client_write(&c, RF_VU_CONFIG, 4, &command, 2) > 0);
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, 4) & 0xffff, 0x0547);
	client_set32(&c, RF_VU_CONFIG, 0, 0); /* read-only */
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, 0), 0x00101b36);

	uint32_t msix = capability(&c, 0x11), pcie = capability(&c, 0x10), pm = capability(&c, 0x01);
	assert_true(msix && pcie && pm);
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, msix) >> 16 & 0x7ff, 8);
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, msix + 4), 0x2000);
	assert_true(client_get32(&c, RF_VU_CONFIG, pcie + 4) >> 28 & 1);

	/* FLR, D3hot to D0 and DEVICE_RESET all put the registers back. */
	uint64_t resets = model_counter(m, "resets");
	uint16_t flr = 0x8000, d3 = 3, d0 = 0;
	client_set32(&c, 0, 0x24, 0x001f001f);
	assert_true(client_write(&c, RF_VU_CONFIG, pcie + 8, &flr, 2) > 0);
	assert_int_equal(client_get32(&c, 0, 0x24), 0);
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, 4) & 0xffff, 0);
	assert_int_equal(client_get32(&c, RF_VU_CONFIG, pcie + 8) & 0x8000, 0);
	client_set32(&c, 0, 0x24, 0x001f001f);
	assert_true(client_write(&c, RF_VU_CONFIG, pm + 4, &d3, 2) > 0);
	assert_true(client_write(&c, RF_VU_CONFIG, pm + 4, &d0, 2) > 0);
	assert_int_equal(client_get32(&c, 0, 0x24), 0);
	client_set32(&c, 0, 0x24, 0x001f001f);
	assert_int_equal(client_call(&c, RF_VU_DEVICE_RESET, NULL, 0, NULL, 0, NULL, 0), 0);
	assert_int_equal(client_get32(&c, 0, 0x24), 0);
	assert_int_equal(model_counter(m, "resets"), resets + 3);
	/* A client that leaves takes its settings along. */
	client_set32(&c, 0, 0x24, 0x001f001f);
	close(c.fd);
	c = client_greeted(m, PLAIN_JSON);
	assert_int_equal(client_get32(&c, 0, 0x24), 0);
	close(c.fd);
}

/* ---- the protocol's faults -------------------------------------------------------------------------- */

static void protocol_faults_do_what_they_say(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	struct rf_vu_region_access a = { 0, RF_VU_CONFIG, 4 };
	struct rf_vu_header h;
	unsigned char data[64];
	struct timespec t0, t1;
	uint32_t v;

	assert_true(model_ok(m, "fault reply-error"));
	assert_int_equal(client_read(&c, RF_VU_CONFIG, 0, &v, 4), -EIO);
	assert_true(client_alive(&c));
	assert_true(model_ok(m, "fault reply-wrong-id"));
	assert_int_equal(client_read(&c, RF_VU_CONFIG, 0, &v, 4), -EPROTO);
	assert_true(client_alive(&c));
	assert_true(model_ok(m, "fault reply-short after 1"));
	assert_true(client_alive(&c));
	assert_int_equal(client_call(&c, RF_VU_REGION_READ, &a, sizeof(a), data, sizeof(data), NULL, 0), 8);
	assert_true(model_ok(m, "fault reply-late arg 150"));
	clock_gettime(CLOCK_MONOTONIC, &t0);
	assert_true(client_alive(&c));
	clock_gettime(CLOCK_MONOTONIC, &t1);
	assert_true((t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000 >= 149);
	assert_true(model_ok(m, "fault reply-lost"));
	assert_int_equal(client_send(&c, RF_VU_REGION_READ, 0, &a, sizeof(a), NULL, 0), 0);
	assert_true(client_alive(&c)); /* its reply is the first to come */
	assert_true(model_ok(m, "fault garbage"));
	assert_int_equal(client_send(&c, RF_VU_REGION_READ, 0, &a, sizeof(a), NULL, 0), 0);
	assert_int_equal(read_all(&c, data, 64, CLIENT_WAIT_MS), 0);
	assert_true(client_alive(&c));
	assert_true(model_ok(m, "fault disconnect"));
	assert_int_equal(client_send(&c, RF_VU_REGION_READ, 0, &a, sizeof(a), NULL, 0), 0);
	assert_int_equal(client_recv(&c, &h, data, sizeof(data), CLIENT_WAIT_MS), -EPIPE);
	close(c.fd);
	assert_serves(m);
	assert_int_equal(model_counter(m, "fault disconnect"), 1);
	assert_int_equal(model_counter(m, "fault reply-late"), 1);
}

static void the_control_socket_takes_no_nonsense(void **state)
{
	static const char *const bad[] = { "", "nonsense", "fault", "fault nonsense", "fault slow after", "fault slow after x",
					   "fault slow count 0", "fault slow one-in 0", "fault slow count -1", "clear nonsense",
					   "fault slow what 3", "counters more", "power-cut twice" };
	struct modelled *m = *state;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(model_ok(m, bad[i]));
	char line[2000];
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	int fd = connect_to(m->control);
	(void)!write(fd, line, sizeof(line)); /* no end of line in sight: hangs up */
	struct pollfd p = { .fd = fd, .events = POLLIN };
	assert_int_equal(poll(&p, 1, CLIENT_WAIT_MS), 1);
	close(fd);
	assert_true(model_ok(m, "fault slow after 3 count forever arg 7 one-in 2"));
	assert_non_null(strstr(model_tell(m, "list"), "[armed, forever, after 3]"));
	assert_true(model_ok(m, "clear"));
	assert_null(strstr(model_tell(m, "list"), "[armed"));
	assert_serves(m);
}

static void bad_command_lines_say_so(void **state)
{
	static const char *const bad[][3] = { { "--nonsense", "1" }, { "--fault", "nonsense" }, { "--doorbells", "maybe" },
					      { "--size", "0" }, { "--block", "513" }, { "--budget", "x" }, { "stray" },
					      { "--fault", "slow,after" }, { "--queues", "65" } };

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char *argv[6] = { (char *)(uintptr_t)"model", (char *)(uintptr_t)"--socket",
				  (char *)(uintptr_t)"/tmp/rf-model-never" };
		int argc = 3, status;
		for (unsigned k = 0; bad[i][k]; k++)
			argv[argc++] = (char *)(uintptr_t)bad[i][k];
		pid_t pid = fork();
		if (!pid) {
			must(freopen("/dev/null", "w", stderr) != NULL, "stderr");
			_exit(model_main(argc, argv));
		}
		must(waitpid(pid, &status, 0) == pid, "waitpid");
		assert_true(WIFEXITED(status));
		assert_true(WEXITSTATUS(status) == 64 || WEXITSTATUS(status) == 71);
	}
}

int main(void)
{
#define SERVED(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		SERVED(bad_handshakes_are_survived),
		SERVED(versions_are_negotiated),
		cmocka_unit_test_setup_teardown(a_silent_client_is_put_out, start_impatient, stop),
		SERVED(a_second_client_is_refused_clearly),
		SERVED(a_client_may_leave_at_any_byte),
		SERVED(a_session_may_come_byte_by_byte),
		SERVED(garbage_is_survived),
		SERVED(impossible_sizes_end_the_session),
		SERVED(maps_are_checked),
		SERVED(regions_have_bounds),
		SERVED(unknown_commands_are_answered),
		SERVED(posted_and_multiple_writes),
		SERVED(the_doorbell_page_is_for_who_knows_to_ring),
		SERVED(interrupts_are_wired_and_masked),
		cmocka_unit_test_setup_teardown(sixteen_vectors_are_wired_by_one_message, start_wide, stop),
		SERVED(config_space_is_that_of_a_pci_function),
		SERVED(protocol_faults_do_what_they_say),
		SERVED(the_control_socket_takes_no_nonsense),
		cmocka_unit_test(bad_command_lines_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
