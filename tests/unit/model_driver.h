/* SPDX-License-Identifier: MIT */
/*
 * model_driver.h - a few functions that drive the NVMe model as a driver does, for the tests of
 * that model.
 *
 * Room:   tests/unit. The model runs in a process of its own under ASan and UBSan.
 */
#ifndef RF_UNIT_MODEL_DRIVER_H
#define RF_UNIT_MODEL_DRIVER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>

#include "model_client.h"
#include "nvme.h"

int model_main(int argc, char **argv);

#define TRIGGER_EVENTFD (RF_VU_SET_DATA_EVENTFD | RF_VU_SET_ACTION_TRIGGER)
#define RW      (RF_VU_DMA_READABLE | RF_VU_DMA_WRITEABLE)
#define IOVA    0x10000000ull
#define MEMORY  (4u << 20)
#define ENTRIES 16u
#define NEVER   0xffffffffu /* no completion came */

/* Places in DMA memory. */
enum {
	ASQ = 0,
	ACQ = 0x1000,
	IDENTIFY = 0x2000,
	SQ = 0x4000,
	CQ = 0x5000,
	LIST = 0x6000,
	DATA = 0x100000
};

struct ring { uint32_t tail, head; bool phase; uint16_t id; };

struct rig {
	struct modelled model;
	struct client   c;
	unsigned char  *memory;
	int             memory_fd, event[2]; /* vectors 0 and 1 */
	struct ring     admin, io;
	unsigned        dstrd;
	uint16_t        cid, got_cid;
	uint32_t        dw0;
	int             quick_ms; /* how long a completion that must not come is waited for */
	volatile uint32_t *page;  /* the doorbell page, or NULL: over the socket */
	int             kick;
};

/* ---- a driver -------------------------------------------------------------------------- */

static inline void ring_bell(struct rig *r, uint32_t offset, uint32_t value)
{
	if (!r->page) {
		client_set32(&r->c, 0, offset, value);
		return;
	}
	uint64_t one = 1;
	r->page[(offset - NVME_REG_DBS) / 4] = value;
	atomic_thread_fence(memory_order_seq_cst);
	if (r->page[1023])
		must(write(r->kick, &one, sizeof(one)) == sizeof(one), "kick");
}

static inline void submit(struct rig *r, struct ring *q, uint32_t at, struct nvme_sqe cmd)
{
	cmd.cid = ++r->cid;
	memcpy(r->memory + at + q->tail * sizeof(cmd), &cmd, sizeof(cmd));
	q->tail = (q->tail + 1) % ENTRIES;
	ring_bell(r, nvme_sq_doorbell(q->id, r->dstrd), q->tail);
}

/* The next completion: its status, NEVER if none comes within wait_ms. */
static inline uint32_t reap(struct rig *r, struct ring *q, uint32_t at, int wait_ms)
{
	volatile uint32_t *entry = (volatile uint32_t *)(void *)(r->memory + at + q->head * 16);
	bool served = r->c.wild_memory != NULL;

	for (int i = 0; (entry[3] >> 16 & 1) != q->phase; i++) {
		if (i == wait_ms * 10)
			return NEVER;
		if (served) /* the model's DMA messages are answered while a reply is waited for */
			(void)client_get32(&r->c, RF_VU_CONFIG, 0);
		else
			usleep(100);
	}
	atomic_thread_fence(memory_order_acquire);
	r->dw0 = entry[0];
	r->got_cid = (uint16_t)entry[3];
	uint32_t status = NVME_CQE_STATUS(entry[3] >> 16);
	q->head = (q->head + 1) % ENTRIES;
	q->phase ^= !q->head;
	ring_bell(r, nvme_cq_doorbell(q->id, r->dstrd), q->head);
	return status;
}

static inline uint32_t admin(struct rig *r, struct nvme_sqe cmd)
{
	submit(r, &r->admin, ASQ, cmd);
	return reap(r, &r->admin, ACQ, CLIENT_WAIT_MS);
}

static inline uint32_t io_within(struct rig *r, struct nvme_sqe cmd, int wait_ms)
{
	cmd.nsid = cmd.nsid ? cmd.nsid : 1;
	submit(r, &r->io, SQ, cmd);
	return reap(r, &r->io, CQ, wait_ms);
}

static inline uint32_t io(struct rig *r, struct nvme_sqe cmd)
{
	return io_within(r, cmd, CLIENT_WAIT_MS);
}

/* Read or write of whole 512-byte blocks at DATA + `at`: at most two pages. */
static inline struct nvme_sqe moving(uint8_t opc, uint64_t lba, uint32_t blocks, uint32_t at)
{
	return (struct nvme_sqe){ .opc = opc,
				  .slba = lba,
				  .cdw12 = blocks - 1,
				  .prp1 = IOVA + DATA + at,
				  .prp2 = IOVA + DATA + at + 4096 };
}

static inline uint32_t rd(struct rig *r, uint64_t lba, uint32_t blocks, uint32_t at)
{
	return io(r, moving(NVME_CMD_READ, lba, blocks, at));
}

static inline uint32_t wr(struct rig *r, uint64_t lba, uint32_t blocks, uint32_t at)
{
	return io(r, moving(NVME_CMD_WRITE, lba, blocks, at));
}

static inline void fill(struct rig *r, uint32_t at, uint32_t bytes, unsigned seed)
{
	for (uint32_t i = 0; i < bytes; i++)
		r->memory[DATA + at + i] = (unsigned char)(seed * 31 + i * 7 + i / 256);
}

static inline bool same(struct rig *r, uint32_t a, uint32_t b, uint32_t bytes)
{
	return !memcmp(r->memory + DATA + a, r->memory + DATA + b, bytes);
}

static inline void bring_up_pci(struct rig *r)
{
	uint16_t command = 6; /* memory, bus master */

	assert_true(client_write(&r->c, RF_VU_CONFIG, 4, &command, 2) > 0);
}

static inline bool ready(struct rig *r, bool on, int wait_ms)
{
	for (int i = 0; (client_get32(&r->c, 0, NVME_REG_CSTS) & 1) != on; i++) {
		if (i == wait_ms)
			return false;
		usleep(1000);
	}
	return true;
}

static inline void start_registers(struct rig *r)
{
	memset(r->memory, 0, DATA);
	r->admin = (struct ring){ .phase = true };
	r->io = (struct ring){ .phase = true, .id = 1 };
	client_set32(&r->c, 0, NVME_REG_CC, 0);
	client_set32(&r->c, 0, NVME_REG_AQA, NVME_AQA(ENTRIES, ENTRIES));
	client_set32(&r->c, 0, NVME_REG_ASQ, (uint32_t)(IOVA + ASQ));
	client_set32(&r->c, 0, NVME_REG_ACQ, (uint32_t)(IOVA + ACQ));
	client_set32(&r->c, 0, NVME_REG_CC, NVME_CC_EN | NVME_CC_IOSQES(6) | NVME_CC_IOCQES(4));
}

static inline void create_queues(struct rig *r)
{
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_CREATE_CQ, .prp1 = IOVA + CQ,
			.cdw10 = NVME_QUEUE_CDW10(1, ENTRIES), .cdw11 = NVME_CQ_CDW11(1) }), 0);
	assert_int_equal(admin(r, (struct nvme_sqe){ .opc = NVME_ADMIN_CREATE_SQ, .prp1 = IOVA + SQ,
			.cdw10 = NVME_QUEUE_CDW10(1, ENTRIES), .cdw11 = NVME_SQ_CDW11(1) }), 0);
}

static inline void enable(struct rig *r)
{
	start_registers(r);
	assert_true(ready(r, true, CLIENT_WAIT_MS));
	create_queues(r);
}

/* A session up to working queues. */
static inline void attach(struct rig *r, const char *json, bool by_fd)
{
	r->c = client_greeted(&r->model, json);
	if (!by_fd) {
		r->c.wild_memory = r->memory;
		r->c.wild = IOVA;
		r->c.wild_bytes = MEMORY;
	}
	bring_up_pci(r);
	assert_int_equal(client_map(&r->c, IOVA, MEMORY, RW, by_fd ? r->memory_fd : -1, 0), 0);
	assert_int_equal(client_irqs(&r->c, RF_VU_MSIX, TRIGGER_EVENTFD, 0, 2, r->event, 2), 0);
	enable(r);
}

static inline struct rig *rig_new(const char *const *options)
{
	struct rig *r = calloc(1, sizeof(*r));

	model_start(&r->model, model_main, options);
	r->memory_fd = memfd_create("dma", MFD_CLOEXEC);
	must(!ftruncate(r->memory_fd, MEMORY), "ftruncate");
	r->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, r->memory_fd, 0);
	r->event[0] = eventfd(0, EFD_CLOEXEC);
	r->event[1] = eventfd(0, EFD_CLOEXEC);
	r->quick_ms = 300;
	r->c.fd = -1;
	return r;
}

static inline void detach(struct rig *r)
{
	if (r->page)
		munmap((void *)(uintptr_t)r->page, 4096);
	r->page = NULL;
	if (r->c.fd >= 0)
		close(r->c.fd);
	r->c = (struct client){ .fd = -1 };
}

static inline int rig_free(struct rig *r)
{
	detach(r);
	int code = model_stop(&r->model);
	munmap(r->memory, MEMORY);
	close(r->memory_fd);
	close(r->event[0]);
	close(r->event[1]);
	free(r);
	if (code)
		print_message("# the model ended with %d\n", code);
	return code;
}

static inline int setup(void **state)
{
	struct rig *r = rig_new((const char *const[]){ "--size", "16M", NULL });

	attach(r, PLAIN_JSON, true);
	*state = r;
	return 0;
}

static inline int setup_bare(void **state)
{
	*state = rig_new((const char *const[]){ "--size", "16M", "--budget", "50", NULL });
	return 0;
}

static inline int teardown(void **state)
{
	return rig_free(*state);
}

static inline bool fault(struct rig *r, const char *line)
{
	char text[128];

	snprintf(text, sizeof(text), "fault %s", line);
	return model_ok(&r->model, text);
}

static inline uint64_t counter(struct rig *r, const char *name)
{
	return model_counter(&r->model, name);
}

#endif
