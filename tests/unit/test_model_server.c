/* SPDX-License-Identifier: MIT */
/*
 * test_model_server.c - the vfio-user server under bad handshakes, garbage, sudden ends and
 * greed; the protocol's faults, its control socket and command line.
 *
 * Room:   tests/unit. See model_served.h; what a device has is in test_model_device.c.
 */
#include "model_served.h"

/* ---- handshake ------------------------------------------------------------------------ */

static int hello_raw(struct client *c, uint16_t major, const char *text, uint32_t bytes)
{
	struct { struct rf_vu_version v; char text[8192]; } m = { .v = { major, 2 } };
	unsigned char ignored[4096];

	memcpy(m.text, text, bytes);
	return client_call(c, RF_VU_VERSION, &m, (uint32_t)sizeof(m.v) + bytes, ignored,
			   sizeof(ignored), NULL, 0);
}

static void bad_handshakes_are_survived(void **state)
{
	static const char deep[] = "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]}";
	static const struct { uint16_t major; const char *text; uint32_t bytes; } bad[] = {
		{ 1, "", 0 }, { 0xffff, "{}", 3 }, { 0, "{}", 2 }, { 0, "{", 2 }, { 0, "[]", 3 },
		{ 0, "{\"a\":}", 7 },
		{ 0, "{} x", 5 }, { 0, "{\"a", 4 }, { 0, "{\"a\\", 5 }, { 0, "", 1 },
		{ 0, deep, sizeof(deep) },
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
	assert_int_equal(client_call(&c, RF_VU_VERSION, &v, sizeof(v), &r, sizeof(r), NULL, 0),
			 -EINVAL);
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

/* A session as bytes: what is sent, and the fds that go with each message. */
struct recording {
	unsigned char bytes[4096];
	uint32_t      start[16], end;
	int           fd[16][2], fds[16];
	unsigned      messages;
};

static void record(struct recording *r, uint16_t command, const void *payload, uint32_t bytes,
		   const int *fd, int fds)
{
	struct rf_vu_header h = { .id = (uint16_t)r->messages,
				  .command = command,
				  .size = (uint32_t)sizeof(h) + bytes };

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
	struct {
		struct rf_vu_version v;
		char json[sizeof(SLEEP_JSON)];
	} version = { { 0, 2 }, SLEEP_JSON };
	struct rf_vu_dma_map map = { sizeof(map), RW, 0, 0x100000, 0x10000 };
	struct rf_vu_region_info info = { .argsz = 256 };
	struct rf_vu_set_irqs irqs = { sizeof(irqs), TRIGGER_EVENTFD, RF_VU_MSIX, 0, 2 };
	struct { struct rf_vu_region_access a; uint32_t v; } write = { { 0x14, 0, 4 }, 0 };
	struct rf_vu_region_access read = { 0, 0, 64 };
	struct rf_vu_dma_unmap unmap = { sizeof(unmap), 0, 0x100000, 0x10000 };
	int events[2] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) },
	    memory = memory_file(0x10000);

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
			assert_int_equal(send_fds(c.fd, r.bytes + r.start[i], n, r.fd[i], r.fds[i]),
					 0);
		}
		close(c.fd);
	}
	assert_serves(m);
	/* Nothing of all these sessions is left; the last one's close may still be under way. */
	for (int i = 0; i < CLIENT_WAIT_MS && open_fds(m) > before; i++)
		usleep(1000);
	/* Fewer, if that of the session before it was as well when they were counted. */
	assert_true(open_fds(m) <= before);
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
			assert_int_equal(send_fds(c.fd, r.bytes + at, 1, r.fd[i],
						  at == r.start[i] ? r.fds[i] : 0),
					 0);
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
	/* Counted before the first connection, whose end the server may notice late. */
	unsigned before = open_fds(m);
	assert_serves(m);
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

/* Vector 0 gets this for its eventfd, and an interrupt. The answers to both. */
static void wire_and_trigger(struct client *c, int fd, int answers[2])
{
	struct rf_vu_set_irqs set = { sizeof(set),
				      RF_VU_SET_DATA_EVENTFD | RF_VU_SET_ACTION_TRIGGER, RF_VU_MSIX,
				      0, 1 };

	answers[0] = client_call(c, RF_VU_SET_IRQS, &set, sizeof(set), NULL, 0, &fd, 1);
	set.flags = RF_VU_SET_DATA_NONE | RF_VU_SET_ACTION_TRIGGER;
	answers[1] = client_call(c, RF_VU_SET_IRQS, &set, sizeof(set), NULL, 0, NULL, 0);
}

static void an_eventfd_that_is_none_or_full_stops_nobody(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	int event = eventfd(0, EFD_CLOEXEC), pipe_[2], answers[2];
	const uint64_t most = UINT64_MAX - 1;

	assert_int_equal(write(event, &most, sizeof(most)), sizeof(most));
	wire_and_trigger(&c, event, answers);
	assert_int_equal(answers[0], 0);
	assert_int_equal(answers[1], 0); /* a server that waits for room answers no more */
	assert_true(client_alive(&c));
	assert_int_equal(pipe2(pipe_, O_CLOEXEC), 0);
	wire_and_trigger(&c, pipe_[1], answers);
	assert_int_equal(answers[0], -EINVAL);
	assert_true(client_alive(&c));
	close(pipe_[0]);
	close(pipe_[1]);
	close(event);
	close(c.fd);
	assert_serves(m);
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

/* ---- the protocol's faults ------------------------------------------------- */

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
	assert_int_equal(client_call(&c, RF_VU_REGION_READ, &a, sizeof(a), data, sizeof(data), NULL,
				     0),
			 8);
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
	static const char *const bad[] = { "",
					   "nonsense",
					   "fault",
					   "fault nonsense",
					   "fault slow after",
					   "fault slow after x",
					   "fault slow count 0",
					   "fault slow one-in 0",
					   "fault slow count -1",
					   "clear nonsense",
					   "fault slow what 3",
					   "counters more",
					   "power-cut twice" };
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
	static const char *const bad[][3] = {
		{ "--nonsense", "1" }, { "--fault", "nonsense" },   { "--doorbells", "maybe" },
		{ "--size", "0" },     { "--block", "513" },        { "--budget", "x" },
		{ "stray" },           { "--fault", "slow,after" }, { "--queues", "65" }
	};

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
		SERVED(an_eventfd_that_is_none_or_full_stops_nobody),
		SERVED(impossible_sizes_end_the_session),
		SERVED(protocol_faults_do_what_they_say),
		SERVED(the_control_socket_takes_no_nonsense),
		cmocka_unit_test(bad_command_lines_say_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
