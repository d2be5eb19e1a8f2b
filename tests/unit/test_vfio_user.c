/* SPDX-License-Identifier: MIT */
/*
 * test_vfio_user.c - the vfio-user client against a server that is honest: bring-up, what a
 * server may ask, and the JSON of its capabilities.
 *
 * Room:   tests/unit. See scripted_device.h; servers that are not are in test_vfio_user_lies.c,
 *         doorbells in test_vfio_user_doorbells.c.
 */
#include "scripted_device.h"

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
	assert_int_equal(irq_vector(d, 0, 0), 1);
	assert_int_equal(irq_vector(d, 0, 1), 2);
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

/* ---- what a server asks ---------------------------------------------------- */

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
		asked.address =
			(cases[k].map < 0 ? 0 : server.map[cases[k].map].address) + cases[k].at;
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
		assert_int_equal(answer.head.flags,
				 RF_VU_TYPE_REPLY | (cases[k].error ? RF_VU_ERROR : 0));
		bool read = cases[k].command == RF_VU_DMA_READ;
		assert_int_equal(answer.bytes,
				 cases[k].error ? 0 : 16 + (read ? cases[k].count : 0));
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
	struct { struct rf_vu_header h; struct rf_vu_dma_access a; char body[8];
	} m = { { 5, RF_VU_DMA_WRITE, 40, RF_VU_NO_REPLY, 0 },
		{ server.map[0].address, 8 },
		"written" };
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

/* ---- JSON ------------------------------------------------------------------ */

static void json_is_strict(void **state)
{
	static const char *const good[] = {
		"0",      "-1.5e+3",           "\"\\u00ff\\n\"",
		"[]",     "[ 1 , [ ] , { } ]", "{\"a\":{\"b\":null}}",
		" true ",
	};
	static const char *const wrong[] = {
		"",
		" ",
		"{",
		"}",
		"[1,]",
		"{\"a\":1,}",
		"{a:1}",
		"{\"a\" 1}",
		"01",
		"1.",
		"1e",
		"-",
		"+1",
		".5",
		"tru",
		"truex",
		"\"",
		"\"\\x\"",
		"\"\\u12g4\"",
		"\"\\u12",
		"\"\n\"",
		"[1 2]",
		"1 2",
		"{\"a\":}",
		"{\"a\"}",
		"[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]",
		"nul",
		"\"\\",
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
	static const char text[] =
		" {\"a\" : 1, \"b\":{\"a\":18446744073709551615,\"c\":true},"
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
		cmocka_unit_test(dma_by_message_is_answered_while_waiting),
		cmocka_unit_test(unasked_messages_are_served_or_end_it),
		cmocka_unit_test(a_server_that_ends_is_noticed_at_rest),
		cmocka_unit_test(json_is_strict),
		cmocka_unit_test(json_finds_members),
	};

	give_fds();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
