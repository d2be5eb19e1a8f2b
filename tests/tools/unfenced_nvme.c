/* SPDX-License-Identifier: MIT */
/*
 * unfenced_nvme.c - an NVMe driver that answers to nobody, for a machine without an IOMMU: has the
 * disk's first block written to a machine address. What ringfence's drivers cannot do.
 *
 *   unfenced_nvme SYSFS_DEVICE ADDRESS      SYSFS_DEVICE such as /sys/bus/pci/devices/0000:01:00.0
 *
 * Room:   tests/tools. NVM Express Base Specification 2.0, 3.5.1; polled.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../drivers/hw/nvme.h"
#include "log.h"

#define ENTRIES 16u

static volatile char *regs;

/* Locked, so that it stays where it is; its address by Documentation/admin-guide/mm/pagemap.rst. */
struct page {
	void *at;
	uint64_t address;
};

static struct page page_new(void)
{
	struct page p = { .at = mmap(NULL, NVME_PAGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1,
				     0) };
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	if (p.at == MAP_FAILED ||
	    pread(fd, &entry, 8, (off_t)((uintptr_t)p.at / NVME_PAGE * 8)) != 8 || !(entry >> 63))
		rf_die(1, "cannot lock a page and find it");
	close(fd);
	p.address = (entry & ((1ull << 55) - 1)) * NVME_PAGE;
	return p;
}

static void set32(uint32_t at, uint32_t value)
{
	*(volatile uint32_t *)(regs + at) = value;
}

static void wait_ready(uint32_t ready)
{
	for (int i = 0; i < 5000; i++, usleep(1000))
		if ((*(volatile uint32_t *)(regs + NVME_REG_CSTS) & NVME_CSTS_RDY) == ready)
			return;
	rf_die(1, "the controller does not become %s", ready ? "ready" : "idle");
}

struct pair {
	struct page sq, cq;
	uint32_t id, tail;
};

static void command(struct pair *q, struct nvme_sqe cmd)
{
	struct nvme_sqe *sq = q->sq.at;
	volatile struct nvme_cqe *cqe = (struct nvme_cqe *)q->cq.at + q->tail;

	cmd.cid = (uint16_t)q->tail;
	sq[q->tail] = cmd;
	__sync_synchronize();
	set32(nvme_sq_doorbell(q->id, 0), ++q->tail);
	for (int i = 0; i < 5000 && !NVME_CQE_PHASE(cqe->status); i++)
		usleep(1000);
	if (cqe->status != 1)
		rf_die(1, "command %#x: status %#x", cmd.opc, cqe->status);
	set32(nvme_cq_doorbell(q->id, 0), q->tail);
}

static void device_open(const char *sysfs)
{
	char path[256];
	uint16_t command = 7; /* I/O, memory, bus master */

	snprintf(path, sizeof(path), "%s/config", sysfs);
	int fd = open(path, O_RDWR);
	if (fd < 0 || pwrite(fd, &command, 2, 4) != 2)
		rf_die(1, "%s: %m", path);
	close(fd);
	snprintf(path, sizeof(path), "%s/resource0", sysfs);
	fd = open(path, O_RDWR);
	regs = mmap(NULL, 2 * NVME_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (regs == MAP_FAILED)
		rf_die(1, "%s: %m", path);
}

int main(int argc, char **argv)
{
	rf_log_name = "unfenced_nvme";
	if (argc != 3)
		rf_die(64, "unfenced_nvme SYSFS_DEVICE ADDRESS");
	device_open(argv[1]);
	struct pair admin = {page_new(), page_new(), 0, 0}, io = {page_new(), page_new(), 1, 0};
	set32(NVME_REG_CC, 0);
	wait_ready(0);
	set32(NVME_REG_AQA, NVME_AQA(ENTRIES, ENTRIES));
	set32(NVME_REG_ASQ, (uint32_t)admin.sq.address);
	set32(NVME_REG_ASQ + 4, (uint32_t)(admin.sq.address >> 32));
	set32(NVME_REG_ACQ, (uint32_t)admin.cq.address);
	set32(NVME_REG_ACQ + 4, (uint32_t)(admin.cq.address >> 32));
	set32(NVME_REG_CC, NVME_CC_EN | NVME_CC_IOSQES(6) | NVME_CC_IOCQES(4));
	wait_ready(1);
	command(&admin, (struct nvme_sqe){.opc = NVME_ADMIN_CREATE_CQ, .prp1 = io.cq.address,
					  .cdw10 = NVME_QUEUE_CDW10(1, ENTRIES), .cdw11 = 1});
	command(&admin, (struct nvme_sqe){.opc = NVME_ADMIN_CREATE_SQ, .prp1 = io.sq.address,
					  .cdw10 = NVME_QUEUE_CDW10(1, ENTRIES),
					  .cdw11 = NVME_SQ_CDW11(1)});
	/* Blocks of 512 bytes; were they of 4 KiB, the namespace has 8 of them to spare. */
	command(&io, (struct nvme_sqe){.opc = NVME_CMD_READ, .nsid = 1,
				       .prp1 = strtoull(argv[2], NULL, 0), .cdw12 = 7});
	set32(NVME_REG_CC, 0);
	return 0;
}
