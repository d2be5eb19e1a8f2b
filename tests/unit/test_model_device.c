/* SPDX-License-Identifier: MIT */
/*
 * test_model_device.c - what the vfio-user server has of a device: DMA maps, regions,
 * interrupts and config space.
 *
 * Room:   tests/unit. See model_served.h.
 */
#include "model_served.h"

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
	/* longer than its file */
	assert_int_equal(client_map(&c, 0x200000, 0x21000, RW, fd, 0), -EINVAL);
	assert_int_equal(client_map(&c, 0x200000, 0x1000, RW, fd, 0x20000), -EINVAL);
	assert_int_equal(client_map(&c, 0x200000, 0x1000, RW, fd, 0xfffffffffffff000), -EINVAL);
	assert_int_equal(client_map(&c, 0xfffffffffffff000, 0x2000, RW, -1, 0), -EINVAL);
	/* the last page there is */
	assert_int_equal(client_map(&c, 0xfffffffffffff000, 0x1000, RW, -1, 0), 0);
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
	while (accepted < 100000 &&
	       !client_map(&c, 0x10000000 + accepted * 0x1000ull, 0x1000, RW, -1, 0))
		accepted++;
	assert_int_equal(accepted, 256); /* as it said: max_dma_maps */
	assert_true(client_alive(&c));
	close(c.fd);
	close(pipes[0]);
	close(pipes[1]);
	close(one_way);
	close(fd);
}

/* ---- regions --------------------------------------------------------------- */

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
	assert_int_equal(client_call(&c, RF_VU_REGION_READ, &a, sizeof(a), data, sizeof(data), NULL,
				     0),
			 -EINVAL);
	/* Says 8 bytes, brings 4. */
	struct { struct rf_vu_region_access a; uint32_t v; } lie = { { 0x14, 0, 8 }, 0 };
	assert_int_equal(client_call(&c, RF_VU_REGION_WRITE, &lie, sizeof(lie.a) + 4, data,
				     sizeof(data), NULL, 0),
			 -EINVAL);
	assert_true(client_alive(&c));
	close(c.fd);
}

static void unknown_commands_are_answered(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	struct rf_vu_feature f = { sizeof(f), RF_VU_FEATURE_PROBE | RF_VU_FEATURE_GET |
						      RF_VU_FEATURE_MIGRATION };
	struct rf_vu_device_info info = { .argsz = sizeof(info) };
	unsigned char ignored[64];

	assert_int_equal(client_call(&c, RF_VU_DEVICE_FEATURE, &f, sizeof(f), ignored, 64, NULL, 0),
			 -ENOTSUP);
	assert_int_equal(client_call(&c, RF_VU_DIRTY_PAGES, &f, sizeof(f), ignored, 64, NULL, 0),
			 -ENOTSUP);
	assert_int_equal(client_call(&c, RF_VU_DMA_READ, ignored, 16, ignored, 64, NULL, 0),
			 -ENOTSUP);
	assert_int_equal(client_call(&c, 999, NULL, 0, ignored, 64, NULL, 0), -ENOTSUP);
	assert_int_equal(client_call(&c, RF_VU_DEVICE_GET_INFO, &info, sizeof(info), &info,
				     sizeof(info), NULL, 0),
			 16);
	assert_int_equal(info.num_regions, 9);
	assert_int_equal(info.num_irqs, 5);
	assert_int_equal(info.flags, RF_VU_DEVICE_RESETS | RF_VU_DEVICE_PCI);
	info.argsz = 15;
	assert_int_equal(client_call(&c, RF_VU_DEVICE_GET_INFO, &info, sizeof(info), &info,
				     sizeof(info), NULL, 0),
			 -EINVAL);
	/* A reply nobody asked for is dropped. */
	assert_int_equal(client_send(&c, RF_VU_REGION_READ, RF_VU_TYPE_REPLY, ignored, 16, NULL, 0),
			 0);
	assert_true(client_alive(&c));
	close(c.fd);
}

static void posted_and_multiple_writes(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	struct { struct rf_vu_region_access a; uint32_t v; } one = { { 0x24, 0, 4 }, 0x001f001f };
	struct { uint64_t count; struct rf_vu_write_one w[3];
	} many = { 3,
		   { { 0x28, 0, 4, { 0, 0x10 } },
		     { 0x2c, 0, 4, { 7 } },
		     { 0x30, 0, 8, { 0, 0x20, 0, 0, 9 } } } };
	uint64_t done = 0;

	/* Posted: the next reply that comes is that of the read behind it. */
	assert_int_equal(client_send(&c, RF_VU_REGION_WRITE, RF_VU_NO_REPLY, &one,
				     sizeof(one.a) + 4, NULL, 0),
			 0);
	assert_int_equal(client_get32(&c, 0, 0x24), 0x001f001f);
	one.a.offset = 1 << 20; /* an error nobody hears of */
	assert_int_equal(client_send(&c, RF_VU_REGION_WRITE, RF_VU_NO_REPLY, &one,
				     sizeof(one.a) + 4, NULL, 0),
			 0);
	assert_int_equal(client_call(&c, RF_VU_REGION_WRITE_MULTI, &many, sizeof(many), &done, 8,
				     NULL, 0),
			 8);
	assert_int_equal(done, 3);
	assert_int_equal(client_get32(&c, 0, 0x28), 0x1000);
	assert_int_equal(client_get32(&c, 0, 0x2c), 7);
	assert_int_equal(client_get32(&c, 0, 0x30), 0x2000);
	assert_int_equal(client_get32(&c, 0, 0x34), 9);
	many.w[1].count = 9;
	assert_int_equal(client_call(&c, RF_VU_REGION_WRITE_MULTI, &many, sizeof(many), &done, 8,
				     NULL, 0),
			 -EINVAL);
	many.count = 0x2000000000000000;
	assert_int_equal(client_call(&c, RF_VU_REGION_WRITE_MULTI, &many, sizeof(many), &done, 8,
				     NULL, 0),
			 -EINVAL);
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
	assert_int_equal(client_call(&c, RF_VU_GET_REGION_IO_FDS, &io.h, sizeof(io.h), &io,
				     sizeof(io), NULL, 0),
			 16);
	assert_int_equal(io.h.count, 0);
	close(c.fd);

	c = client_greeted(m, SLEEP_JSON);
	/* no room: the size to ask for, no fd */
	assert_int_equal(region_info_of(&c, 0, sizeof(r.i), &r), sizeof(r.i));
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
	uint32_t *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, c.got_fd[0],
			      (off_t)(r.i.offset + 0x1000));
	assert_true(page != MAP_FAILED);
	/* what the client stores is what the region reads as, and the other way */
	page[8] = 0x1234;
	assert_int_equal(client_get32(&c, 0, 0x1020), 0x1234);
	client_set32(&c, 0, 0x1024, 0x77);
	assert_int_equal(page[9], 0x77);
	assert_int_not_equal(ftruncate(c.got_fd[0], 0), 0); /* sealed */
	munmap(page, 4096);
	close(c.got_fd[0]);
	io.h = (struct rf_vu_io_fds){ .argsz = 256 };
	assert_int_equal(client_call(&c, RF_VU_GET_REGION_IO_FDS, &io.h, sizeof(io.h), &io,
				     sizeof(io), NULL, 0),
			 56);
	assert_int_equal(io.h.count, 1);
	assert_int_equal(c.got_fds, 1);
	assert_int_equal(io.e.type, RF_VU_IO_EVENTFD);
	assert_int_equal(io.e.offset, 0x1000);
	assert_int_equal(io.e.size, 0x1000);
	close(c.got_fd[0]);
	io.h = (struct rf_vu_io_fds){ .argsz = 256, .index = 9 };
	assert_int_equal(client_call(&c, RF_VU_GET_REGION_IO_FDS, &io.h, sizeof(io.h), &io,
				     sizeof(io), NULL, 0),
			 -EINVAL);
	assert_int_equal(region_info_of(&c, 9, 256, &r), -EINVAL);
	assert_int_equal(region_info_of(&c, 0, 31, &r), -EINVAL);
	close(c.fd);
}

/* ---- interrupts ------------------------------------------------------------ */

static void interrupts_are_wired_and_masked(void **state)
{
	struct modelled *m = *state;
	struct client c = client_greeted(m, PLAIN_JSON);
	const uint32_t none = RF_VU_SET_DATA_NONE, trigger = RF_VU_SET_ACTION_TRIGGER;
	int e[3] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
	struct rf_vu_irq_info i = { .argsz = sizeof(i), .index = RF_VU_MSIX };

	assert_int_equal(client_call(&c, RF_VU_GET_IRQ_INFO, &i, sizeof(i), &i, sizeof(i), NULL, 0),
			 16);
	assert_int_equal(i.count, 9);
	assert_true(i.flags & RF_VU_IRQ_EVENTFD);
	/* below, one is wired and unwired among others */
	assert_false(i.flags & RF_VU_IRQ_NORESIZE);
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
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, TRIGGER_EVENTFD, 0xffffffff, 2, e, 2),
			 -EINVAL);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, TRIGGER_EVENTFD, 0, 3, e, 2), -EINVAL);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, none | trigger, 0, 1, e, 1), -EINVAL);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, none, 0, 1, NULL, 0), -EINVAL);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, 0x3f, 0, 1, NULL, 0), -EINVAL);
	assert_int_equal(client_irqs(&c, RF_VU_ERR, TRIGGER_EVENTFD, 0, 1, e, 1), -EINVAL);
	assert_int_equal(client_irqs(&c, 7, TRIGGER_EVENTFD, 0, 1, e, 1), -EINVAL);
	b.s.count = 9;
	assert_int_equal(client_call(&c, RF_VU_SET_IRQS, &b, sizeof(b.s) + 3, NULL, 0, NULL, 0),
			 -EINVAL);
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
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, RF_VU_SET_DATA_NONE | RF_VU_SET_ACTION_TRIGGER,
				     2, 16, NULL, 0),
			 0);
	for (int i = 0; i < 16; i++)
		assert_int_equal(event_wait(e[i], CLIENT_WAIT_MS), 1);
	unsigned before = open_fds(m);
	assert_int_equal(client_irqs(&c, RF_VU_MSIX, TRIGGER_EVENTFD, 2, 17, e, 17), -EINVAL);
	/* The answer may come before the last of them is closed. */
	for (int tries = 0; open_fds(m) != before && tries < CLIENT_WAIT_MS; tries++)
		usleep(1000);
	assert_int_equal(open_fds(m), before);
	assert_true(client_alive(&c));
	close(c.fd);
	for (int i = 0; i < 17; i++)
		close(e[i]);
}

/* ---- config space ---------------------------------------------------------- */

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

	uint32_t msix = capability(&c, 0x11), pcie = capability(&c, 0x10),
		 pm = capability(&c, 0x01);
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

int main(void)
{
#define SERVED(name) cmocka_unit_test_setup_teardown(name, start, stop)
	const struct CMUnitTest tests[] = {
		SERVED(maps_are_checked),
		SERVED(regions_have_bounds),
		SERVED(unknown_commands_are_answered),
		SERVED(posted_and_multiple_writes),
		SERVED(the_doorbell_page_is_for_who_knows_to_ring),
		SERVED(interrupts_are_wired_and_masked),
		cmocka_unit_test_setup_teardown(sixteen_vectors_are_wired_by_one_message,
		  start_wide, stop),
		SERVED(config_space_is_that_of_a_pci_function),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
