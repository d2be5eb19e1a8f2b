/* SPDX-License-Identifier: MIT */
/*
 * test_model_specified.c - the vfio-user server against the letter of the specification: kinds
 * and ranges of capabilities, which of them are answered, how many fds a message may have,
 * counts and argsz.
 *
 * Room:   tests/unit. See model_served.h; clients that mean harm are in test_model_server.c.
 */
#include "model_served.h"

static int hello_raw(struct client *c, uint16_t major, const char *text, uint32_t bytes)
{
	struct { struct rf_vu_version v; char text[8192]; } m = { .v = { major, 2 } };
	unsigned char ignored[4096];

	memcpy(m.text, text, bytes);
	return client_call(c, RF_VU_VERSION, &m, (uint32_t)sizeof(m.v) + bytes, ignored,
			   sizeof(ignored), NULL, 0);
}

/* What a client says of itself is of the kind and in the range that it must be, or refused. */
static void capabilities_of_the_wrong_kind_are_refused(void **state)
{
	static const char *const wrong[] = {
		"\"max_msg_fds\":\"8\"",
		"\"max_msg_fds\":-1",
		"\"max_msg_fds\":1.5",
		"\"max_msg_fds\":null",
		"\"max_msg_fds\":18446744073709551616",
		"\"max_data_xfer_size\":0",
		"\"max_data_xfer_size\":true",
		"\"max_data_xfer_size\":1e6",
		"\"max_dma_maps\":[]",
		"\"max_dma_maps\":0",
		"\"pgsizes\":{}",
		"\"pgsizes\":0",
		"\"write_multiple\":1",
		"\"write_multiple\":\"true\"",
		"\"twin_socket\":true",
		"\"twin_socket\":{\"supported\":1}",
		"\"migration\":7",
		"\"migration\":{\"pgsize\":\"4096\"}",
		"\"ringfence\":true",
		"\"ringfence\":{\"doorbell_sleep\":1}",
		"\"ringfence\":{\"doorbell_shadow\":\"yes\"}",
		"\"max_msg_fds\":01",
		"\"max_msg_fds\":1-2",
	};
	static const char *const right[] = {
		"", "\"max_msg_fds\":0", "\"max_data_xfer_size\":1", "\"write_multiple\":false",
		"\"twin_socket\":{}", "\"migration\":{\"pgsize\":4096,\"max_bitmap_size\":256}",
		"\"of_another\":[null,\"x\"]", "\"ringfence\":{\"of_another\":-1.5e3}",
	};
	struct modelled *m = *state;
	char text[256];

	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct client c = client_open(m);
		snprintf(text, sizeof(text), "{\"capabilities\":{%s}}", wrong[i]);
		int got = hello_raw(&c, 0, text, (uint32_t)strlen(text) + 1);
		if (got != -EINVAL)
			fail_msg("%s: %d", text, got);
		close(c.fd);
	}
	struct client c = client_open(m);
	assert_int_equal(hello_raw(&c, 0, "{\"capabilities\":[]}", 20), -EINVAL);
	close(c.fd);
	for (size_t i = 0; i < sizeof(right) / sizeof(*right); i++) {
		c = client_open(m);
		snprintf(text, sizeof(text), "{\"capabilities\":{%s}}", right[i]);
		if (hello_raw(&c, 0, text, (uint32_t)strlen(text) + 1) < 0)
			fail_msg("refused: %s", text);
		close(c.fd);
	}
}

/* The specification: "the capability list must be a subset of those proposed". */
static void only_what_was_proposed_is_answered(void **state)
{
	static const struct { const char *proposal, *answer;
	} cases[] = {
		{ NULL, "{\"capabilities\":{}}" },
		{ "{}", "{\"capabilities\":{}}" },
		{ "{\"capabilities\":{\"of_another\":1}}", "{\"capabilities\":{}}" },
		{ "{\"capabilities\":{\"max_msg_fds\":8}}",
		  "{\"capabilities\":{\"max_msg_fds\":16}}" },
		{ "{\"capabilities\":{\"write_multiple\":true,\"pgsizes\":4096}}",
		  "{\"capabilities\":{\"pgsizes\":4096,\"write_multiple\":true}}" },
		{ "{\"capabilities\":{\"write_multiple\":false,\"twin_socket\":{\"supported\":"
		  "false}}}",
		  "{\"capabilities\":{}}" },
		{ "{\"capabilities\":{\"max_msg_fds\":0,\"twin_socket\":{\"supported\":true}}}",
		  "{\"capabilities\":{\"max_msg_fds\":16}}" },
		{ "{\"capabilities\":{\"twin_socket\":{\"supported\":true}}}",
		  "{\"capabilities\":{\"twin_socket\":{\"supported\":true,\"fd_index\":0}}}" },
		{ "{\"capabilities\":{\"ringfence\":{\"doorbell_shadow\":true}}}",
		  "{\"capabilities\":{}}" },
	};
	struct modelled *m = *state;
	char answer[RF_VU_MAX_JSON];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct client c = client_open(m);
		assert_true(client_hello(&c, cases[i].proposal, answer) > 0);
		if (strcmp(answer, cases[i].answer))
			fail_msg("%s: %s", cases[i].proposal ? cases[i].proposal : "nothing",
				 answer);
		assert_int_equal(c.got_fds, strstr(answer, "twin_socket") != NULL);
		if (c.got_fds)
			close(c.got_fd[0]);
		close(c.fd);
	}
	/* What was not agreed on is not served either. */
	struct {
		uint64_t count;
		struct rf_vu_write_one one;
	} many = { .count = 1, .one = { 0x14, 0, 4, { 0 } } };
	struct client c = client_greeted(m, "{}");
	assert_int_equal(client_call(&c, RF_VU_REGION_WRITE_MULTI, &many, sizeof(many), &many, 8,
				     NULL, 0),
			 -ENOTSUP);
	close(c.fd);
}

/* No message has more fds than the client takes, and none has any that should have none. */
static void fds_are_as_many_as_may_be(void **state)
{
	struct { struct rf_vu_region_info info; char rest[64]; } r;
	struct rf_vu_region_info ask = { .argsz = sizeof(r), .index = 0 };
	struct rf_vu_io_fds io = { .argsz = 4096, .index = 0 };
	struct modelled *m = *state;
	char answer[RF_VU_MAX_JSON];

	struct client c = client_open(m);
	assert_true(client_hello(&c,
				 "{\"capabilities\":{\"max_msg_fds\":0,\"twin_socket\":{"
				 "\"supported\":true},\"ringfence\":{\"doorbell_sleep\":true}}}",
				 answer) > 0);
	assert_int_equal(c.got_fds, 0);
	assert_true(client_call(&c, RF_VU_GET_REGION_INFO, &ask, sizeof(ask), &r, sizeof(r), NULL,
				0) > 0);
	assert_int_equal(c.got_fds, 0);
	assert_int_equal(r.info.flags & RF_VU_REGION_MMAP, 0);
	assert_int_equal(client_call(&c, RF_VU_GET_REGION_IO_FDS, &io, sizeof(io), &io, sizeof(io),
				     NULL, 0),
			 sizeof(io));
	assert_int_equal(c.got_fds, 0);
	assert_int_equal(io.count, 0);
	/* Towards it: a message that takes none. */
	assert_int_equal(client_call(&c, RF_VU_GET_REGION_INFO, &ask, sizeof(ask), &r, sizeof(r),
				     (int[]){ 0 }, 1),
			 -EINVAL);
	assert_true(client_alive(&c));
	close(c.fd);
}

static void counts_and_sizes_are_as_specified(void **state)
{
	static const struct {
		const char *what;
		uint16_t command;
		uint32_t bytes;
		uint32_t words[10];
	} cases[] = {
		{ "device info in too little room", RF_VU_DEVICE_GET_INFO, 16, { 15 } },
		{ "device info of another length", RF_VU_DEVICE_GET_INFO, 20, { 16 } },
		{ "region info in too little room", RF_VU_GET_REGION_INFO, 32, { 31 } },
		{ "region info of another length", RF_VU_GET_REGION_INFO, 36, { 64 } },
		{ "region info of no region", RF_VU_GET_REGION_INFO, 32, { 64, 0, 9 } },
		{ "io fds in too little room", RF_VU_GET_REGION_IO_FDS, 16, { 15 } },
		{ "io fds with a count", RF_VU_GET_REGION_IO_FDS, 16, { 64, 0, 0, 1 } },
		{ "io fds of another length", RF_VU_GET_REGION_IO_FDS, 20, { 64 } },
		{ "irq info in too little room", RF_VU_GET_IRQ_INFO, 16, { 15 } },
		{ "irq info of another length", RF_VU_GET_IRQ_INFO, 20, { 16 } },
		{ "a map that says it is shorter", RF_VU_DMA_MAP, 32,
		  { 31, 3, 0, 0, 0x100000, 0, 4096 } },
		{ "an unmap without room for its answer", RF_VU_DMA_UNMAP, 24,
		  { 23, RF_VU_UNMAP_ALL } },
		{ "irqs that say they are shorter", RF_VU_SET_IRQS, 20,
		  { 19, 0x21, RF_VU_MSIX, 0, 0 } },
		{ "irqs off from the second on", RF_VU_SET_IRQS, 20,
		  { 20, 0x21, RF_VU_MSIX, 1, 0 } },
		{ "irqs beyond the last", RF_VU_SET_IRQS, 20, { 20, 0x21, RF_VU_MSIX, 2048, 1 } },
		{ "irqs beyond all numbers", RF_VU_SET_IRQS, 20, { 20, 0x21, RF_VU_MSIX, 1, ~0u } },
		{ "a read larger than the client takes", RF_VU_REGION_READ, 16,
		  { 0, 0, RF_VU_CONFIG, 128 } },
	};
	struct modelled *m = *state;
	struct client c = client_greeted(m, "{\"capabilities\":{\"max_data_xfer_size\":64}}");
	unsigned char answer[256];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int got = client_call(&c, cases[i].command, cases[i].words, cases[i].bytes, answer,
				      sizeof(answer), NULL, 0);
		if (got != -EINVAL)
			fail_msg("%s: %d", cases[i].what, got);
	}
	assert_true(client_alive(&c));
	close(c.fd);
}

#define SERVED(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVED(capabilities_of_the_wrong_kind_are_refused),
		SERVED(only_what_was_proposed_is_answered),
		SERVED(fds_are_as_many_as_may_be),
		SERVED(counts_and_sizes_are_as_specified),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
