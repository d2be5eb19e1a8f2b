/* SPDX-License-Identifier: MIT */
/*
 * test_vfio_user_doorbells.c - how a driver's doorbells reach a vfio-user server, wherever the
 * device says that they are; and what of a server's memory a driver may map.
 *
 * Room:   tests/unit. See scripted_device.h.
 */
#include "doorbells.h"

static const char sleep_json[] = "{\"capabilities\":{\"ringfence\":{\"doorbell_sleep\":"
				 "{\"region\":0,\"asleep\":8188}}}}";

static const char sleep_beyond_json[] = "{\"capabilities\":{\"ringfence\":{\"doorbell_sleep\":"
					"{\"region\":0,\"asleep\":12284}}}}";
static const char shadow_json[] = "{\"capabilities\":{\"ringfence\":{\"doorbell_shadow\":true}}}";

static void the_mode_is_the_best_the_server_offers(void **state)
{
	static const struct {
		const char *what, *json;
		uint32_t io;
		bool mappable, bogus;
		enum rf_doorbell_mode mode;
		int code;
		uint32_t bar0;
	} cases[] = {
		{ "says when it sleeps", sleep_json, RF_VU_IO_EVENTFD, true, false,
		  RF_DOORBELL_ASLEEP, 0, 0 },
		{ "sleeps, but gives no eventfd", sleep_json, ~0u, true, false, RF_DOORBELL_PROXY,
		  0, 0 },
		{ "sleeps, but gives a file for an eventfd", sleep_json, RF_VU_IO_EVENTFD, true,
		  true, RF_DOORBELL_PROXY, 0, 0 },
		{ "does not say", NULL, RF_VU_IO_EVENTFD, true, false, RF_DOORBELL_PAGE, 0, 0 },
		{ "its word is on a page that cannot be mapped", sleep_beyond_json,
		  RF_VU_IO_EVENTFD, true, false, RF_DOORBELL_PROXY, 0, 0 },
		{ "its word is a doorbell",
		  "{\"capabilities\":{\"ringfence\":{\"doorbell_sleep\":{\"region\":0,\"asleep\":"
		  "4104}}}}",
		  RF_VU_IO_EVENTFD, true, false, RF_DOORBELL_PROXY, 0, 0 },
		{ "its word is in a region without doorbells",
		  "{\"capabilities\":{\"ringfence\":{\"doorbell_sleep\":{\"region\":2,\"asleep\":"
		  "8188}}}}",
		  RF_VU_IO_EVENTFD, true, false, RF_DOORBELL_PROXY, 0, 0 },
		{ "its word is in another region",
		  "{\"capabilities\":{\"ringfence\":{\"doorbell_sleep\":{\"region\":4294967296,"
		  "\"asleep\":8188}}}}",
		  RF_VU_IO_EVENTFD, true, false, RF_DOORBELL_PAGE, 0, 0 },
		{ "shadow memory", shadow_json, RF_VU_IO_SHADOW, false, false, RF_DOORBELL_SHADOW,
		  0, 0 },
		{ "shadow memory it does not speak of", NULL, RF_VU_IO_SHADOW, false, false,
		  RF_DOORBELL_PROXY, 0, 0 },
		{ "shadow memory without an eventfd", shadow_json, RF_VU_IO_SHADOW, false, true,
		  RF_DOORBELL_PROXY, 0, 0 },
		{ "nothing", NULL, ~0u, false, false, RF_DOORBELL_PROXY, 0, 0 },
		{ "an eventfd alone tells nothing", sleep_json, RF_VU_IO_EVENTFD, false, false,
		  RF_DOORBELL_PROXY, 0, 0 },
		{ "too small a BAR", NULL, ~0u, true, false, RF_DOORBELL_NONE, -EIO, 0x1000 },
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
		d->doorbell =
			(struct rf_doorbells){ .bar = 0, .submit = 0x1008, .complete = 0x100c };
		int code = doorbell_open(d);
		if (code != cases[i].code || (!code && d->doorbell.mode != cases[i].mode))
			fail_msg("%s: %d, mode %d: %s", cases[i].what, code, d->doorbell.mode,
				 said);
		if (code)
			assert_said("BAR 0 has 4096 bytes, too few for its doorbell at 0x100c");
		assert_int_equal(d->doorbell.asleep != ~0ull, cases[i].mode == RF_DOORBELL_ASLEEP);
		assert_int_equal(d->doorbell.event >= 0,
				 cases[i].mode == RF_DOORBELL_ASLEEP ||
					 cases[i].mode == RF_DOORBELL_SHADOW);
		if (!code)
			drop_doorbells(d);
		end(d);
	}
}

/* Many queues far apart: the word is pages away from the driver's own doorbells. */
static void a_word_on_another_page_is_lent_for_reading(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	server_init(&server);
	server.json = sleep_beyond_json;
	server.io_type = RF_VU_IO_EVENTFD;
	server.mappable = true;
	start(&server);
	assert_int_equal(open_all(d), 0);
	/* Two pages may be mapped, and MSI-X is behind them. */
	d->user->region[0].area[0].size = 0x2000;
	d->msix_table_bar = d->msix_pba_bar = 0;
	d->msix_table = d->msix_pba = 0x3000;
	d->msix_table_end = d->msix_pba_end = 0x4000;
	d->doorbell = (struct rf_doorbells){ .bar = 0, .submit = 0x1008, .complete = 0x100c };
	assert_int_equal(doorbell_open(d), 0);
	assert_int_equal(d->doorbell.mode, RF_DOORBELL_ASLEEP);
	assert_int_equal(d->doorbell.bytes, RF_PAGE);
	assert_int_equal(d->doorbell.sleep_fd, d->user->region[0].fd);
	assert_int_equal(d->doorbell.sleep_at, 0x2000);
	assert_int_equal(d->doorbell.asleep, RF_PAGE - 4);
	drop_doorbells(d);
	/* With the MSI-X table on that page it is not lent. */
	d->msix_table = 0x2000;
	d->doorbell = (struct rf_doorbells){ .bar = 0, .submit = 0x1008, .complete = 0x100c };
	assert_int_equal(doorbell_open(d), 0);
	assert_int_equal(d->doorbell.mode, RF_DOORBELL_PROXY);
	assert_int_equal(d->doorbell.sleep_fd, -1);
	drop_doorbells(d);
	end(d);
}

/* INTx has the driver's third fd: then such a server cannot be woken. */
static void a_sleeping_server_is_refused_with_intx(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	server_init(&server);
	server.json = sleep_json;
	server.io_type = RF_VU_IO_EVENTFD;
	server.mappable = true;
	start(&server);
	assert_int_equal(open_all(d), 0);
	d->irq.intx = true;
	d->doorbell = (struct rf_doorbells){ .bar = 0, .submit = 0x1008, .complete = 0x100c };
	assert_int_equal(doorbell_open(d), -EIO);
	assert_said("with INTx nothing is left to wake it by");
	end(d);
}

static void a_proxied_page_passes_on_two_doorbells(void **state)
{
	struct rf_device *d = begin();

	(void)state;
	server_init(&server);
	server.mappable = false;
	start(&server);
	assert_int_equal(open_all(d), 0);
	d->doorbell = (struct rf_doorbells){ .bar = 0, .submit = 0x1008, .complete = 0x100c };
	assert_int_equal(doorbell_open(d), 0);
	uint32_t before = writes_arrived(d);
	ring_proxy(d, 0x1008, 7);                       /* submission */
	ring_proxy(d, 0x1008, 7);                       /* nothing new */
	ring_proxy(d, 0x1000, 99);                      /* the admin queue's: not this driver's */
	store(d, 0x100c, 5);                       /* completions taken go first */
	ring_proxy(d, 0x1008, 9);
	d->queue->down = true;
	ring_proxy(d, 0x1008, 11);                      /* of a driver that is dead */
	d->queue->down = false;
	/* It dies as it rings: recovery comes between poll() and what poll() found. */
	struct pollfd p[RF_BACKEND_FDS];
	uint64_t one = 1;
	assert_int_equal(write(RF_DEVICE_FD_DEVICE, &one, 8), 8);
	unsigned count = d->backend->poll_fds(d, p);
	assert_true(poll(p, count, 5000) > 0);
	d->queue->down = true;
	d->backend->doorbell_clear(d, 0);
	d->queue->down = false;
	assert_int_equal(d->backend->on_poll(d, p, count), 0);
	ring_proxy(d, 0x1008, 1);                       /* its successor's first */
	assert_int_equal(writes_arrived(d) - before, 4);
	assert_int_equal(server.writes[before], 0x1008ull << 32 | 7);
	assert_int_equal(server.writes[before + 1], 0x100cull << 32 | 5);
	assert_int_equal(server.writes[before + 2], 0x1008ull << 32 | 9);
	assert_int_equal(server.writes[before + 3], 0x1008ull << 32 | 1);
	drop_doorbells(d);
	end(d);
}


/* ---- where they are -------------------------------------------------------- */

/* The first on a later page than the second, and the other way round. */
static void doorbells_may_be_on_any_page(void **state)
{
	static const uint64_t cases[][2] = {
		{ 0x3000, 0x1000 }, { 0x1000, 0x3000 }, { 0x3ffc, 0 }, { 0, 0x3ffc }
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_device *d = begin();
		uint64_t submit = cases[i][0], complete = cases[i][1];

		assert_int_equal(place(d, submit, complete, BAR0_BYTES, false), 0);
		assert_int_equal(d->doorbell.mode, RF_DOORBELL_PROXY);
		assert_true(d->doorbell.regs < d->doorbell.bytes);
		assert_int_equal(d->doorbell.page + d->doorbell.regs, submit);
		assert_true(complete >= d->doorbell.page &&
			    complete + 4 <= d->doorbell.page + d->doorbell.bytes);
		d->backend->doorbell_clear(d, 0);
		uint32_t before = writes_arrived(d);
		store(d, complete, 5);
		ring_proxy(d, submit, 7);
		assert_int_equal(writes_arrived(d) - before, 2);
		assert_int_equal(server.writes[before], complete << 32 | 5);
		assert_int_equal(server.writes[before + 1], submit << 32 | 7);
		drop_doorbells(d);
		end(d);
	}
}

static void places_that_cannot_be_are_refused(void **state)
{
	static const struct {
		uint64_t submit, complete, bar;
		bool edge;
		const char *what;
	} cases[] = {
		{ 0x1000, 0x3ffd, 0x4000, false, "too few for its doorbell at 0x3ffd" },
		{ 0x4000, 0x1000, 0x4000, false, "too few for its doorbell at 0x4000" },
		{ 0x1000, ~0ull, 0x4000, false, "too few for its doorbell at 0xffffffffffffffff" },
		{ ~0ull - 3, 0x1000, ~0ull, false,
		  "too few for its doorbell at 0xfffffffffffffffc" },
		{ ~0ull - 7, 0x1000, ~0ull, false, "too far apart" },
		/* the page's end is beyond 64 bits */
		{ ~0ull - 7, ~0ull - 7, ~0ull, false, "too far apart" },
		{ 0x1000, 0x1000 + RF_DOORBELL_BYTES, 1u << 30, false, "too far apart" },
		{ 0x1001, 0x1008, 0x4000, false, "at no multiple of 4" },
		{ 0x1000, 0x1fff, 0x4000, true, "at no multiple of 2" },
		{ 0x1fff, 0x1fff, 0x4000, true, "at no multiple of 2" },
		{ 0x3fff, 0x3fff, 0x4000, true, "too few for its doorbell at 0x3fff" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_device *d = begin();
		int err = place(d, cases[i].submit, cases[i].complete, cases[i].bar, cases[i].edge);

		if (err != -EIO || !strstr(said, cases[i].what))
			fail_msg("case %zu: %d: %s", i, err, said);
		assert_null((void *)d->user->proxy);
		end(d);
	}
}

/* ---- memory of the server's ------------------------------------------------ */

static int disk_file(void)
{
	char name[] = "/var/tmp/rf-page-XXXXXX";
	int fd = mkstemp(name);

	SURE(fd >= 0 && !unlink(name) && !ftruncate(fd, BAR0_BYTES));
	return fd;
}

/* What could fault or wait under whoever maps it is not mapped. */
static void only_memory_that_stays_is_mapped(void **state)
{
	static const struct {
		const char *what;
		int seals;
		uint32_t bytes;
		enum rf_doorbell_mode mode;
	} cases[] = {
		{ "sealed", F_SEAL_SHRINK, BAR0_BYTES, RF_DOORBELL_PAGE },
		{ "sealed both ways", F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL, BAR0_BYTES,
		  RF_DOORBELL_PAGE },
		{ "could shrink", 0, BAR0_BYTES, RF_DOORBELL_PROXY },
		{ "could shrink, and says it cannot be sealed", F_SEAL_SEAL, BAR0_BYTES,
		  RF_DOORBELL_PROXY },
		{ "cannot be written", F_SEAL_SHRINK | F_SEAL_WRITE, BAR0_BYTES,
		  RF_DOORBELL_PROXY },
		{ "cannot be mapped to be written", F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE, BAR0_BYTES,
		  RF_DOORBELL_PROXY },
		{ "ends before the page", F_SEAL_SHRINK, 0x1fff, RF_DOORBELL_PROXY },
		{ "a file on a disk", -1, 0, RF_DOORBELL_PROXY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rf_device *d = begin();

		server_init(&server);
		close(server.page_fd);
		server.page_fd = cases[i].seals < 0 ? disk_file() :
						      server_memory(cases[i].bytes, cases[i].seals);
		start(&server);
		assert_int_equal(open_all(d), 0);
		d->doorbell =
			(struct rf_doorbells){ .bar = 0, .submit = 0x1008, .complete = 0x100c };
		assert_int_equal(doorbell_open(d), 0);
		if (d->doorbell.mode != cases[i].mode)
			fail_msg("%s: mode %d: %s", cases[i].what, d->doorbell.mode, said);
		drop_doorbells(d);
		end(d);
	}
}

/* ---- the server that QEMU has ---------------------------------------------- */

/* One table of eventfds: an interrupt that is wired for errors is the device's first vector. */
static void errors_are_not_wired_over_the_first_vector(void **state)
{
	struct rf_device *d = begin();
	uint64_t count, one = 1;
	uint16_t flags = 0;

	(void)state;
	server_init(&server);
	server.pinned = true;
	start(&server);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(again ? d->backend->reset(d) : open_all(d), 0);
		/* The device raises each vector that somebody wired, as the library does: without a
		 * look at the table in the BAR. */
		for (unsigned i = 0; i < MSIX_VECTORS; i++)
			if (server.vector[i] >= 0)
				assert_int_equal(write(server.vector[i], &one, 8), 8);
		struct pollfd gone = { .fd = d->gone_event, .events = POLLIN };
		assert_true(d->gone_event < 0 || poll(&gone, 1, 0) == 0);
		assert_int_equal(read(RF_DEVICE_FD_WAKE0, &count, 8), 8);
		assert_int_equal(read(RF_DEVICE_FD_WAKE1, &count, 8), 8);
	}
	assert_int_equal(d->backend->config_read(d, MSIX_CAP + PCI_MSIX_FLAGS, &flags, 2), 0);
	assert_true(flags & PCI_MSIX_FLAGS_ENABLE);
	end(d);
}

/* Nothing is sent that this server does not know, and its missing ROM is not missed: a message
 * too many and it hangs up. */
static void a_server_that_knows_the_least_is_driven(void **state)
{
	static const bool mappable[] = { false, true };

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct rf_device *d = begin();
		uint32_t value;

		server_init(&server);
		server.pinned = true;
		server.mappable = mappable[i];
		start(&server);
		assert_int_equal(open_all(d), 0);
		d->doorbell =
			(struct rf_doorbells){ .bar = 0, .submit = 0x1008, .complete = 0x100c };
		assert_int_equal(doorbell_open(d), 0);
		assert_int_equal(d->doorbell.mode,
				 mappable[i] ? RF_DOORBELL_PAGE : RF_DOORBELL_PROXY);
		assert_int_equal(bar_read(d, 0, 0, &value, 4), 0);
		assert_int_equal(d->backend->reset(d), 0);
		assert_false(d->user->dead);
		drop_doorbells(d);
		end(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_mode_is_the_best_the_server_offers),
		cmocka_unit_test(a_word_on_another_page_is_lent_for_reading),
		cmocka_unit_test(a_sleeping_server_is_refused_with_intx),
		cmocka_unit_test(a_proxied_page_passes_on_two_doorbells),
		cmocka_unit_test(doorbells_may_be_on_any_page),
		cmocka_unit_test(places_that_cannot_be_are_refused),
		cmocka_unit_test(only_memory_that_stays_is_mapped),
		cmocka_unit_test(errors_are_not_wired_over_the_first_vector),
		cmocka_unit_test(a_server_that_knows_the_least_is_driven),
	};

	give_fds();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
