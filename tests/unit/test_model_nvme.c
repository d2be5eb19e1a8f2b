/* SPDX-License-Identifier: MIT */
/*
 * test_model_nvme.c - the NVMe model: initialisation, data, queues, interrupts, sleep and
 * wake-up.
 *
 * Room:   tests/unit. See model_driver.h; its faults are in test_model_nvme_faults.c.
 */
#include "model_driver.h"

/* ---- an honest controller -------------------------------------------------------------- */

static void identifies_itself(void **state)
{
	struct rig *r = *state;
	struct nvme_id_ctrl *c = (void *)(r->memory + IDENTIFY);
	struct nvme_id_ns *n = (void *)c;
	struct nvme_sqe cmd = { .opc = NVME_ADMIN_IDENTIFY,
				.cdw10 = NVME_CNS_CONTROLLER,
				.prp1 = IOVA + IDENTIFY };

	assert_int_equal(client_get32(&r->c, 0, NVME_REG_VS), 0x10400);
	assert_int_equal(admin(r, cmd), 0);
	assert_int_equal(c->sqes, 0x66);
	assert_int_equal(c->nn, 1);
	cmd.cdw10 = NVME_CNS_NAMESPACE;
	cmd.nsid = 1;
	assert_int_equal(admin(r, cmd), 0);
	assert_int_equal(n->nsze, (16u << 20) / 512);
	assert_int_equal(n->lbaf[0].lbads, 9);
	cmd.nsid = 2;
	assert_int_equal(admin(r, cmd), NVME_SC_INVALID_NAMESPACE);
	cmd.nsid = 0;
	cmd.cdw10 = NVME_CNS_ACTIVE_NS;
	assert_int_equal(admin(r, cmd), 0);
	assert_int_equal(*(uint32_t *)(void *)c, 1);
	cmd.cdw10 = 0x77;
	assert_int_equal(admin(r, cmd), NVME_SC_INVALID_FIELD);
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = 0x7f }), NVME_SC_INVALID_OPCODE);
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_SET_FEATURES,
						     .cdw10 = NVME_FEAT_NUMBER_OF_QUEUES,
						     .cdw11 = 0x003f003f }),
			 0);
	assert_int_equal(r->dw0, 0x00070007);
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_GET_LOG_PAGE,
						     .cdw10 = 2 | 127u << 16,
						     .prp1 = IOVA + IDENTIFY }),
			 0);
	/* Events are held: no completion, and one more than can be held is refused. */
	for (unsigned i = 0; i < 4; i++)
		submit(r, &r->admin, ASQ, (struct nvme_sqe){ .opc = NVME_ADMIN_ASYNC_EVENT });
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_ASYNC_EVENT }), 0x105);
}

static void moves_data(void **state)
{
	struct rig *r = *state;
	struct nvme_sqe cmd;

	fill(r, 0, 8192, 1);
	assert_int_equal(wr(r, 100, 16, 0), 0);
	assert_int_equal(rd(r, 100, 16, 0x10000), 0);
	assert_true(same(r, 0, 0x10000, 8192));
	/* From the middle of a page, by PRP 1 and 2. */
	cmd = moving(NVME_CMD_READ, 100, 8, 0x20200);
	cmd.prp2 = IOVA + DATA + 0x21000;
	assert_int_equal(io(r, cmd), 0);
	assert_true(same(r, 0, 0x20200, 4096));
	/* 256 KiB by a list whose page ends in a pointer to the next, pages in reverse. */
	uint64_t *list = (void *)(r->memory + LIST + 0x1000 - 16 * 8),
		 *more = (void *)(r->memory + LIST + 0x1000);
	for (unsigned i = 0; i < 63; i++)
		*(i < 15 ? &list[i] : &more[i - 15]) = IOVA + DATA + 0x80000 - (i + 1) * 4096ull;
	list[15] = IOVA + LIST + 0x1000;
	fill(r, 0x40000, 0x41000, 5);
	cmd = moving(NVME_CMD_WRITE, 1000, 512, 0x80000);
	cmd.prp2 = IOVA + LIST + 0x1000 - 16 * 8;
	assert_int_equal(io(r, cmd), 0);
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(rd(r, 1000 + 8 * i, 8, 0x10000), 0);
		assert_true(same(r, 0x10000, 0x80000 - i * 4096, 4096));
	}
	assert_int_equal(io(r, (struct nvme_sqe){ .opc = NVME_CMD_FLUSH }), 0);
	assert_int_equal(io(r, (struct nvme_sqe){ .opc = NVME_CMD_WRITE_ZEROES,
						  .slba = 104,
						  .cdw12 = 3 }),
			 0);
	struct nvme_dsm_range *d = (void *)(r->memory + IDENTIFY);
	*d = (struct nvme_dsm_range){ .nlb = 2, .slba = 100 };
	assert_int_equal(io(r, (struct nvme_sqe){ .opc = NVME_CMD_DSM,
						  .cdw11 = NVME_DSM_AD,
						  .prp1 = IOVA + IDENTIFY }),
			 0);
	assert_int_equal(rd(r, 100, 16, 0x10000), 0);
	memset(r->memory + DATA, 0, 1024);
	memset(r->memory + DATA + 2048, 0, 2048);
	assert_true(same(r, 0, 0x10000, 8192));
}

static void refuses_what_cannot_be(void **state)
{
	struct rig *r = *state;
	struct nvme_sqe cmd;

	assert_int_equal(rd(r, (16u << 20) / 512, 1, 0), NVME_SC_LBA_OUT_OF_RANGE);
	assert_int_equal(rd(r, (16u << 20) / 512 - 1, 2, 0), NVME_SC_LBA_OUT_OF_RANGE);
	assert_int_equal(rd(r, ~0ull, 1, 0), NVME_SC_LBA_OUT_OF_RANGE);
	cmd = moving(NVME_CMD_READ, 0, 16, 0);
	cmd.prp2 |= 8;
	assert_int_equal(io(r, cmd), 0x13);
	cmd.prp1 |= 1;
	assert_int_equal(io(r, cmd), 0x13);
	cmd = moving(NVME_CMD_READ, 0, 4096, 0);
	assert_int_equal(io(r, cmd), NVME_SC_INVALID_FIELD); /* over MDTS */
	cmd = moving(NVME_CMD_READ, 0, 1, 0);
	cmd.nsid = 3;
	assert_int_equal(io(r, cmd), NVME_SC_INVALID_NAMESPACE);
	cmd = moving(NVME_CMD_READ, 0, 1, 0);
	cmd.flags = 0x40; /* SGL */
	assert_int_equal(io(r, cmd), NVME_SC_INVALID_FIELD);
	assert_int_equal(io(r, (struct nvme_sqe){ .opc = 0x55 }), NVME_SC_INVALID_OPCODE);
	struct nvme_sqe queue = { .opc = NVME_ADMIN_CREATE_SQ,
				  .prp1 = IOVA + SQ,
				  .cdw10 = NVME_QUEUE_CDW10(1, ENTRIES),
				  .cdw11 = NVME_SQ_CDW11(1) };
	assert_int_equal(admin(r, queue), NVME_SC_INVALID_QUEUE_ID);
	queue.cdw10 = NVME_QUEUE_CDW10(2, ENTRIES);
	queue.cdw11 = NVME_SQ_CDW11(3);
	assert_int_equal(admin(r, queue), NVME_SC_CQ_INVALID);
	queue.cdw10 = NVME_QUEUE_CDW10(9, ENTRIES);
	assert_int_equal(admin(r, queue), NVME_SC_INVALID_QUEUE_ID);
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_DELETE_CQ, .cdw10 = 1 }),
			 0x10c);
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_DELETE_SQ, .cdw10 = 1 }), 0);
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_DELETE_CQ, .cdw10 = 1 }), 0);
	r->io = (struct ring){ .phase = true, .id = 1 };
	memset(r->memory + CQ, 0, 4096);
	create_queues(r);
	assert_int_equal(rd(r, 0, 1, 0), 0);
	/* A tail outside the queue is nobody's command. */
	client_set32(&r->c, 0, nvme_sq_doorbell(1, 0), 5000);
	assert_int_equal(counter(r, "bad_doorbells"), 1); /* seen before it is overwritten */
	client_set32(&r->c, 0, nvme_sq_doorbell(1, 0), r->io.tail);
	assert_int_equal(rd(r, 0, 1, 0), 0);
}

static void dma_stays_inside_its_map(void **state)
{
	struct rig *r = *state;
	struct nvme_sqe cmd = moving(NVME_CMD_READ, 0, 1, 0);
	uint16_t command = 2;

	cmd.prp1 = IOVA + MEMORY;
	assert_int_equal(io(r, cmd), NVME_SC_DATA_TRANSFER_ERROR);
	cmd.prp1 = 0xfffffffffffff000;
	assert_int_equal(io(r, cmd), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(counter(r, "dma_refused"), 2);
	/* Memory that may only be read, and only be written. */
	int other = memfd_create("half", MFD_CLOEXEC);
	must(!ftruncate(other, 0x2000), "ftruncate");
	assert_int_equal(client_map(&r->c, 0x1000, 0x1000, RF_VU_DMA_READABLE, other, 0), 0);
	assert_int_equal(client_map(&r->c, 0x2000, 0x1000, RF_VU_DMA_WRITEABLE, other, 0x1000), 0);
	cmd.prp1 = 0x1000;
	assert_int_equal(io(r, cmd), NVME_SC_DATA_TRANSFER_ERROR);
	cmd.opc = NVME_CMD_WRITE;
	assert_int_equal(io(r, cmd), 0);
	cmd.prp1 = 0x2000;
	assert_int_equal(io(r, cmd), NVME_SC_DATA_TRANSFER_ERROR);
	cmd.opc = NVME_CMD_READ;
	assert_int_equal(io(r, cmd), 0);
	/* The file shrinks under the map: the model lives on. */
	must(!ftruncate(other, 0), "ftruncate");
	(void)io(r, cmd);
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_true(client_unmap(&r->c, 0x2000, 0x1000, 0) >= 0);
	assert_int_equal(io(r, cmd), NVME_SC_DATA_TRANSFER_ERROR);
	assert_int_equal(counter(r, "dma_refused"), 5);
	/* Bus Master off: no entry comes in, nothing goes out, and the controller says so. */
	assert_true(client_write(&r->c, RF_VU_CONFIG, 4, &command, 2) > 0);
	assert_int_equal(io_within(r, moving(NVME_CMD_READ, 0, 1, 0), r->quick_ms), NEVER);
	assert_true(client_get32(&r->c, 0, NVME_REG_CSTS) & NVME_CSTS_CFS);
	close(other);
}

static void works_without_shared_memory(void **state)
{
	struct rig *r = *state;

	attach(r, PLAIN_JSON, false);
	fill(r, 0, 8192, 9);
	assert_int_equal(wr(r, 40, 16, 0), 0);
	assert_int_equal(rd(r, 40, 16, 0x10000), 0);
	assert_true(same(r, 0, 0x10000, 8192));
	assert_true(r->c.dma_reads > 4 && r->c.dma_writes > 4);
}

static void one_interrupt_a_batch(void **state)
{
	struct rig *r = *state;
	struct nvme_sqe cmd = moving(NVME_CMD_READ, 0, 8, 0);

	(void)event_wait(r->event[1], 0);
	cmd.nsid = 1;
	for (unsigned i = 0; i < 8; i++) {
		cmd.cid = (uint16_t)(0x100 + i);
		memcpy(r->memory + SQ + r->io.tail * 64, &cmd, 64);
		r->io.tail = (r->io.tail + 1) % ENTRIES;
	}
	uint64_t before = counter(r, "irqs");
	ring_bell(r, nvme_sq_doorbell(1, 0), r->io.tail);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(reap(r, &r->io, CQ, CLIENT_WAIT_MS), 0);
		assert_int_equal(r->got_cid, 0x100 + i);
	}
	assert_int_equal(event_wait(r->event[1], CLIENT_WAIT_MS), 1);
	assert_int_equal(counter(r, "irqs"), before + 1);
	/* Masked by the client itself, having been open: held back, shown in the PBA, then sent. */
	client_set32(&r->c, 0, 0x2000 + 16 + 12, 0);
	client_set32(&r->c, 0, 0x2000 + 16 + 12, 1);
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_int_equal(client_get32(&r->c, 0, 0x3000), 2);
	assert_int_equal(event_wait(r->event[1], 0), 0);
	client_set32(&r->c, 0, 0x2000 + 16 + 12, 0);
	assert_int_equal(event_wait(r->event[1], CLIENT_WAIT_MS), 1);
	assert_int_equal(client_get32(&r->c, 0, 0x3000), 0);
}

static void intx_where_nothing_else_is_wired(void **state)
{
	struct rig *r = *state;
	int line = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(client_irqs(&r->c, RF_VU_MSIX,
				     RF_VU_SET_DATA_NONE | RF_VU_SET_ACTION_TRIGGER, 0, 0, NULL, 0),
			 0);
	assert_int_equal(client_irqs(&r->c, RF_VU_INTX, TRIGGER_EVENTFD, 0, 1, &line, 1), 0);
	submit(r, &r->io, SQ, (struct nvme_sqe){ .opc = NVME_CMD_FLUSH, .nsid = 1 });
	assert_int_equal(event_wait(line, CLIENT_WAIT_MS), 1);
	/* Masked by itself; still high when unmasked, so it comes again. */
	assert_int_equal(client_irqs(&r->c, RF_VU_INTX,
				     RF_VU_SET_DATA_NONE | RF_VU_SET_ACTION_UNMASK, 0, 1, NULL, 0),
			 0);
	assert_int_equal(event_wait(line, CLIENT_WAIT_MS), 1);
	assert_int_equal(reap(r, &r->io, CQ, CLIENT_WAIT_MS), 0);
	assert_int_equal(client_irqs(&r->c, RF_VU_INTX,
				     RF_VU_SET_DATA_NONE | RF_VU_SET_ACTION_UNMASK, 0, 1, NULL, 0),
			 0);
	assert_int_equal(event_wait(line, 0), 0);
	close(line);
}

/* ---- doorbells by memory ----------------------------------------------------------------- */

static void map_doorbells(struct rig *r)
{
	struct rf_vu_region_info q = { .argsz = 256 };
	struct { struct rf_vu_io_fds h; struct rf_vu_io_fd e; } io_fd = { .h = { .argsz = 256 } };
	unsigned char reply[256];

	assert_true(client_call(&r->c, RF_VU_GET_REGION_INFO, &q, sizeof(q), reply, sizeof(reply),
				NULL, 0) > 0);
	assert_int_equal(r->c.got_fds, 1);
	r->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, r->c.got_fd[0], 0x1000);
	assert_true(r->page != MAP_FAILED);
	close(r->c.got_fd[0]);
	assert_true(client_call(&r->c, RF_VU_GET_REGION_IO_FDS, &io_fd.h, sizeof(io_fd.h), &io_fd,
				sizeof(io_fd), NULL, 0) > 0);
	r->kick = r->c.got_fd[0];
}

static void sleeps_when_idle_and_is_woken_by_the_bell(void **state)
{
	struct rig *r = *state;

	attach(r, SLEEP_JSON, true);
	map_doorbells(r);
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(wr(r, i, 1, 0), 0);
		if (i % 20 == 0)
			usleep(5000); /* long past the budget */
	}
	/* Asleep: the word says so, and nothing happens until the bell rings. */
	for (int i = 0; i < CLIENT_WAIT_MS && !r->page[1023]; i++)
		usleep(1000);
	assert_int_not_equal(r->page[1023], 0);
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_true(counter(r, "kicks") >= 1);
	usleep(20000);
	uint64_t before = counter(r, "sleeps");
	usleep(200000);
	/* Each counters command itself wakes it, on a busy host once for each piece that it reads
	 * or writes of it. One that polled would have slept thousands of times. */
	assert_in_range(counter(r, "sleeps") - before, 0, 20);
	close(r->kick);
}

static void a_plain_mapping_is_polled(void **state)
{
	struct rig *r =
		rig_new((const char *const[]){ "--size", "1M", "--doorbells", "plain-mmap", NULL });
	struct rf_vu_region_info q = { .argsz = 256 };
	unsigned char reply[256];

	(void)state;
	attach(r, PLAIN_JSON, true);
	assert_true(client_call(&r->c, RF_VU_GET_REGION_INFO, &q, sizeof(q), reply, sizeof(reply),
				NULL, 0) > 0);
	assert_int_equal(r->c.got_fds, 1);
	r->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, r->c.got_fd[0], 0x1000);
	assert_true(r->page != MAP_FAILED);
	for (unsigned i = 0; i < 10; i++) {
		usleep(2000);
		/* no sleep word: this client would not look at it */
		assert_int_equal(r->page[1023], 0);
		assert_int_equal(wr(r, i, 1, 0), 0);
	}
	assert_int_equal(rig_free(r), 0);
}

static void a_shadow_is_rung_by_memory_and_eventfd(void **state)
{
	struct rig *r =
		rig_new((const char *const[]){ "--size", "1M", "--doorbells", "shadow", NULL });
	struct { struct rf_vu_io_fds h; struct rf_vu_io_shadow e; } q = { .h = { .argsz = 256 } };

	(void)state;
	attach(r, PLAIN_JSON, true);
	assert_int_equal(client_call(&r->c, RF_VU_GET_REGION_IO_FDS, &q.h, sizeof(q.h), &q,
				     sizeof(q), NULL, 0),
			 sizeof(q));
	assert_int_equal(q.h.count, 1);
	assert_int_equal(q.e.type, RF_VU_IO_SHADOW);
	assert_int_equal(r->c.got_fds, 2);
	r->kick = r->c.got_fd[q.e.fd_index];
	r->page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
		       r->c.got_fd[q.e.shadow_index], (off_t)q.e.shadow_offset);
	assert_true(r->page != MAP_FAILED);
	for (unsigned i = 0; i < 10; i++) {
		uint64_t one = 1;
		usleep(2000);
		submit(r, &r->io, SQ, (struct nvme_sqe){ .opc = NVME_CMD_FLUSH, .nsid = 1 });
		/* every time: that is the rule */
		must(write(r->kick, &one, sizeof(one)) == sizeof(one), "kick");
		assert_int_equal(reap(r, &r->io, CQ, CLIENT_WAIT_MS), 0);
	}
	assert_int_equal(rig_free(r), 0);
}

/* ---- other shapes of it ---------------------------------------------------- */

static void a_power_cut_takes_what_was_not_flushed(void **state)
{
	struct rig *r =
		rig_new((const char *const[]){ "--size", "1M", "--cache", "volatile", NULL });
	struct nvme_sqe fua;

	(void)state;
	attach(r, PLAIN_JSON, true);
	fill(r, 0, 4096, 1);
	fill(r, 0x1000, 4096, 2);
	memset(r->memory + DATA + 0x2000, 0, 4096);
	assert_int_equal(wr(r, 0, 8, 0), 0);
	assert_int_equal(io(r, (struct nvme_sqe){ .opc = NVME_CMD_FLUSH }), 0);
	assert_int_equal(wr(r, 0, 8, 0x1000), 0);  /* over the flushed one */
	assert_int_equal(wr(r, 16, 8, 0x1000), 0); /* never flushed */
	assert_int_equal(wr(r, 32, 8, 0), 0);
	fua = moving(NVME_CMD_WRITE, 32, 8, 0x1000);
	fua.cdw12 |= NVME_RW_FUA;
	assert_int_equal(io(r, fua), 0);
	assert_non_null(strstr(model_tell(&r->model, "power-cut"), "lost 24 blocks"));
	assert_int_equal(client_get32(&r->c, 0, NVME_REG_CSTS), 0);
	enable(r);
	assert_int_equal(rd(r, 0, 8, 0x3000), 0);
	assert_true(same(r, 0x3000, 0, 4096));
	assert_int_equal(rd(r, 16, 8, 0x3000), 0);
	assert_true(same(r, 0x3000, 0x2000, 4096));
	assert_int_equal(rd(r, 32, 8, 0x3000), 0);
	assert_true(same(r, 0x3000, 0x1000, 4096));
	assert_int_equal(rig_free(r), 0);
}

static void a_file_keeps_its_data(void **state)
{
	char path[] = "/tmp/rf-disk-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	for (unsigned turn = 0; turn < 2; turn++) {
		struct rig *r = rig_new((const char *const[]){ "--file", path, "--size", "2M",
							       "--block", "4096", NULL });
		attach(r, PLAIN_JSON, true);
		fill(r, 0, 8192, 3);
		if (!turn)
			assert_int_equal(wr(r, 100, 2, 0), 0);
		assert_int_equal(rd(r, 100, 2, 0x4000), 0);
		assert_true(same(r, 0, 0x4000, 8192));
		assert_int_equal(io(r, (struct nvme_sqe){ .opc = NVME_CMD_FLUSH }), 0);
		assert_int_equal(io(r,
				    (struct nvme_sqe){ .opc = NVME_CMD_WRITE_ZEROES, .slba = 200 }),
				 0);
		assert_int_equal(rig_free(r), 0);
	}
	close(fd);
	unlink(path);
}

static void a_wide_stride_moves_the_doorbells(void **state)
{
	struct rig *r = rig_new((const char *const[]){ "--size", "1M", "--dstrd", "10", NULL });

	(void)state;
	r->dstrd = 10;
	attach(r, PLAIN_JSON, true);
	assert_int_equal(NVME_CAP_DSTRD((uint64_t)client_get32(&r->c, 0, 4) << 32), 10);
	assert_int_equal(wr(r, 0, 1, 0), 0);
	assert_int_equal(rig_free(r), 0);
}

static void strict_asks_for_all_of_pci(void **state)
{
	struct rig *r = rig_new((const char *const[]){ "--size", "1M", "--strict", NULL });
	uint32_t v;

	(void)state;
	r->c = client_greeted(&r->model, PLAIN_JSON);
	assert_int_equal(client_read(&r->c, 0, 0, &v, 4), -EINVAL);
	bring_up_pci(r);
	assert_true(client_read(&r->c, 0, 0, &v, 4) > 0);
	assert_int_equal(client_map(&r->c, IOVA, MEMORY, RW, r->memory_fd, 0), 0);
	assert_int_equal(client_irqs(&r->c, RF_VU_MSIX, TRIGGER_EVENTFD, 0, 2, r->event, 2), 0);
	enable(r);
	assert_int_equal(rd(r, 0, 1, 0), 0);
	assert_int_equal(event_wait(r->event[1], 0), 0); /* neither enabled nor unmasked */
	client_set32(&r->c, 0, 0x2000 + 16 + 12, 0);
	uint32_t msix = 0x8000u << 16;
	assert_true(client_write(&r->c, RF_VU_CONFIG, 0xa0, &msix, 4) > 0);
	assert_int_equal(event_wait(r->event[1], CLIENT_WAIT_MS), 1);
	assert_int_equal(rig_free(r), 0);
}

int main(void)
{
#define WORKING(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define BARE(name)    cmocka_unit_test_setup_teardown(name, setup_bare, teardown)
	const struct CMUnitTest tests[] = {
		WORKING(identifies_itself),
		WORKING(moves_data),
		WORKING(refuses_what_cannot_be),
		WORKING(dma_stays_inside_its_map),
		BARE(works_without_shared_memory),
		WORKING(one_interrupt_a_batch),
		WORKING(intx_where_nothing_else_is_wired),
		BARE(sleeps_when_idle_and_is_woken_by_the_bell),
		cmocka_unit_test(a_plain_mapping_is_polled),
		cmocka_unit_test(a_shadow_is_rung_by_memory_and_eventfd),
		cmocka_unit_test(a_power_cut_takes_what_was_not_flushed),
		cmocka_unit_test(a_file_keeps_its_data),
		cmocka_unit_test(a_wide_stride_moves_the_doorbells),
		cmocka_unit_test(strict_asks_for_all_of_pci),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
