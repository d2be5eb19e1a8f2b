/* SPDX-License-Identifier: MIT */
/*
 * test_vfio_user_lies.c - the vfio-user client against servers that refuse, babble, lie, drip or
 * do not answer: each costs one line and the connection.
 *
 * Room:   tests/unit. See scripted_device.h. Each refusal stands beside the honest exchange it
 *         differs from in one thing, so that a test that fails for another reason is seen.
 */
#include "scripted_device.h"

/* ---- bad input: a table of openings that end in one line ------------------- */

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
		{ "no object", RF_EXIT_DEVICE, .json = "[]" },
		{ "no object", RF_EXIT_DEVICE, .json = "7" },
		{ "capabilities as something that is no object", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":[]}" },
		{ "max_msg_fds as something that is no number", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"max_msg_fds\":\"8\"}}" },
		{ "max_data_xfer_size as something that is no number", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"max_data_xfer_size\":1e6}}" },
		{ "pgsizes as something that is no number", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"pgsizes\":true}}" },
		{ "write_multiple as something that is neither", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"write_multiple\":1}}" },
		{ "twin_socket as something that is no object", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"twin_socket\":true}}" },
		{ "supported as something that is neither", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"twin_socket\":{\"supported\":\"true\"}}}" },
		{ "ringfence as something that is no object", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"ringfence\":null}}" },
		{ "doorbell_sleep as something that is no object", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"ringfence\":{\"doorbell_sleep\":true}}}" },
		{ "doorbell_shadow as something that is neither", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"ringfence\":{\"doorbell_shadow\":{}}}}" },
		{ "takes no fds", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"max_msg_fds\":0}}" },
		{ "takes 1 bytes a message", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"max_data_xfer_size\":1}}" },
		{ "maps no pages of 4 KiB", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"pgsizes\":2097152}}" },
		{ "takes 2 pieces of memory", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"max_dma_maps\":2}}" },
		{ "does not send it", RF_EXIT_DEVICE,
		  .json = "{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0}}"
			  "}" },
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
			fail_msg("%zu: code %d, not \"%s\" in: %s", i, code, cases[i].what, said);
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

/* ---- a server that lies in one answer -------------------------------------- */

static uint16_t lie_to; /* command whose answer is a lie */
static struct rf_vu_header lie_head;
static uint32_t lie_bytes;
static int lie_fds, lie_late;

/* The header as it should be, but for what lie_head says instead, and lie_bytes of zeroes. */
static bool lie(struct server *s, struct incoming *m)
{
	static const unsigned char zeroes[RF_VU_MAX_MESSAGE];
	struct rf_vu_header h = { m->head.id, m->head.command, 16 + lie_bytes, RF_VU_TYPE_REPLY,
				  0 };
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
		{ "sent an error with 20 bytes", { .flags = RF_VU_TYPE_REPLY | RF_VU_ERROR }, 20, 0,
		  0 },
		{ "neither command nor answer", { .flags = 7 }, 20, 0, 0 },
		{ "sent fds with the answer", { 0 }, 20, 1, 0 },
		{ "sent fds with the answer", { 0 }, 20, 9, 0 },
		{ "sent fds with the answer", { 0 }, 20, 1, 1 },
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
		d->user->within_ns =
			strstr(cases[i].what, "in time") ? 300000000ull : 60000000000ull;
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

/* Where fds are awaited they are as many as may be, with the first byte of the answer. */
static void fds_that_are_awaited_are_counted(void **state)
{
	static const struct { const char *what; int fds, late; } cases[] = {
		{ "more fds than it may", RF_VU_MAX_FDS + 1, 0 }, { "fds in the middle", 1, 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_device *d = begin();

		server_init(&server);
		lie_to = RF_VU_GET_REGION_INFO;
		lie_head = (struct rf_vu_header){ 0 };
		lie_bytes = sizeof(struct rf_vu_region_info);
		lie_fds = cases[i].fds;
		lie_late = cases[i].late;
		server.twist = lie;
		start(&server);
		assert_int_equal(open_all(d), RF_EXIT_DEVICE);
		assert_said(cases[i].what);
		end(d);
	}
}

static void bare_errors_are_only_refusals(void **state)
{
	static const struct { uint32_t error; int gives; } cases[] = {
		{ EACCES, -EACCES }, { 0, -EREMOTEIO }, { ENODEV, -EREMOTEIO },
		{ 1u << 31, -EREMOTEIO },
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
		{ "in 64 bytes and says that there are 63", 63, 0, 0, 64, 0, 0, 0 },
		{ "in 32 bytes and says that there are 0", 0, 0, 0, 32, 0, 0, 0 },
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
		bad.info = (struct rf_vu_region_info){ .argsz = cases[i].argsz,
						       .index = cases[i].index,
						       .flags = RF_VU_REGION_CAPS,
						       .cap_offset = cases[i].cap_offset,
						       .size = BAR0_BYTES };
		memcpy(bad.more, cap, sizeof(cap));
		bad_bytes = cases[i].bytes;
		server.twist = describe_badly;
		start(&server);
		int code = open_all(d);
		if (code != RF_EXIT_DEVICE || !strstr(said, cases[i].what))
			fail_msg("case %zu: %d, wanted \"%s\" in: %s", i, code, cases[i].what,
				 said);
		end(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openings_that_fail_say_why),
		cmocka_unit_test(no_capabilities_at_all_will_do),
		cmocka_unit_test(a_policy_is_for_what_it_says),
		cmocka_unit_test(lies_in_answers_end_the_connection),
		cmocka_unit_test(fds_that_are_awaited_are_counted),
		cmocka_unit_test(bare_errors_are_only_refusals),
		cmocka_unit_test(a_dripping_server_is_given_up),
		cmocka_unit_test(bad_region_descriptions_end_it),
	};

	give_fds();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
