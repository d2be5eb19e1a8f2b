/* SPDX-License-Identifier: MIT */
/*
 * nvme.h - NVMe registers and structures, names and values as in the NVM Express
 * Base Specification 2.0 (section numbers of it) and the NVM Command Set 1.0.
 *
 * Room:   drivers/hw, compiled into the driver (I/O queues) and into the device
 *         process (registers and admin queue). Also the one place that says how
 *         a queue's memory is laid out: both sides must agree on it.
 */
#ifndef RF_NVME_H
#define RF_NVME_H

#include <stddef.h>
#include <stdint.h>

/* ---- 3.1.3 controller properties (BAR0) -------------------------------------- */

#define NVME_REG_CAP   0x00u /* 64 bits: controller capabilities */
#define NVME_REG_VS    0x08u
#define NVME_REG_INTMS 0x0cu
#define NVME_REG_INTMC 0x10u
#define NVME_REG_CC    0x14u
#define NVME_REG_CSTS  0x1cu
#define NVME_REG_NSSR  0x20u
#define NVME_REG_AQA   0x24u
#define NVME_REG_ASQ   0x28u /* 64 bits */
#define NVME_REG_ACQ   0x30u /* 64 bits */
#define NVME_REG_DBS   0x1000u

#define NVME_CAP_MQES(cap)   ((uint32_t)((cap) & 0xffff)) /* 0's based */
#define NVME_CAP_CQR(cap)    ((uint32_t)((cap) >> 16 & 1))
#define NVME_CAP_TO(cap)     ((uint32_t)((cap) >> 24 & 0xff)) /* 500 ms units */
#define NVME_CAP_DSTRD(cap)  ((uint32_t)((cap) >> 32 & 0xf))
#define NVME_CAP_NSSRS(cap)  ((uint32_t)((cap) >> 36 & 1))
#define NVME_CAP_CSS(cap)    ((uint32_t)((cap) >> 37 & 0xff))
#define NVME_CAP_MPSMIN(cap) ((uint32_t)((cap) >> 48 & 0xf)) /* 2^(12+n) */
#define NVME_CAP_MPSMAX(cap) ((uint32_t)((cap) >> 52 & 0xf))
#define NVME_CAP_CSS_NVM     0x01u
#define NVME_CAP_CSS_ALL     0x40u /* CC.CSS 110b: every command set that the controller has */
#define NVME_CAP_CSS_ADMIN   0x80u /* none */

#define NVME_CC_EN         (1u << 0)
#define NVME_CC_CSS_NVM    (0u << 4)
#define NVME_CC_CSS_ALL    (6u << 4)
#define NVME_CC_MPS(n)     ((uint32_t)(n) << 7)
#define NVME_CC_SHN_NONE   (0u << 14)
#define NVME_CC_SHN_NORMAL (1u << 14)
#define NVME_CC_SHN_ABRUPT (2u << 14)
#define NVME_CC_SHN_MASK   (3u << 14)
#define NVME_CC_IOSQES(n)  ((uint32_t)(n) << 16) /* log2 of bytes: 6 */
#define NVME_CC_IOCQES(n)  ((uint32_t)(n) << 20) /* log2 of bytes: 4 */

#define NVME_CSTS_RDY         (1u << 0)
#define NVME_CSTS_CFS         (1u << 1)
#define NVME_CSTS_SHST(csts)  ((csts) >> 2 & 3)
#define NVME_CSTS_SHST_NORMAL 0u
#define NVME_CSTS_SHST_BUSY   1u
#define NVME_CSTS_SHST_DONE   2u
#define NVME_CSTS_NSSRO       (1u << 4)

#define NVME_AQA(sq_entries, cq_entries) \
	(((uint32_t)(sq_entries) - 1) | ((uint32_t)(cq_entries) - 1) << 16)

/* PCIe Transport 1.0, 3.1.2: queue y's submission tail at 2y, completion head at 2y + 1 */
static inline uint32_t nvme_sq_doorbell(uint32_t qid, uint32_t dstrd)
{
	return NVME_REG_DBS + 2 * qid * (4u << dstrd);
}

static inline uint32_t nvme_cq_doorbell(uint32_t qid, uint32_t dstrd)
{
	return NVME_REG_DBS + (2 * qid + 1) * (4u << dstrd);
}

/* ---- 3.3.3 queue entries ------------------------------------------------------ */

struct nvme_sqe {
	union {
		struct {
			uint8_t  opc;
			uint8_t  flags; /* FUSE, PSDT: 0 for PRPs */
			uint16_t cid;
		};
		uint32_t cdw0;
	};
	uint32_t nsid;
	uint32_t cdw2, cdw3;
	uint64_t mptr;
	uint64_t prp1, prp2;
	union {
		struct {
			uint32_t cdw10, cdw11;
		};
		uint64_t slba; /* read, write, write zeroes */
	};
	uint32_t cdw12, cdw13, cdw14, cdw15;
};
_Static_assert(sizeof(struct nvme_sqe) == 64, "SQES 6");
_Static_assert(offsetof(struct nvme_sqe, cdw10) == 40, "command dword 10");

struct nvme_cqe {
	uint32_t dw0, dw1;
	uint16_t sqhd, sqid;
	uint16_t cid;
	uint16_t status; /* bit 0: phase tag */
};
_Static_assert(sizeof(struct nvme_cqe) == 16, "CQES 4");

#define NVME_CQE_PHASE(status) ((status) & 1u)
#define NVME_CQE_SC(status)    ((uint32_t)(status) >> 1 & 0xff)
#define NVME_CQE_SCT(status)   ((uint32_t)(status) >> 9 & 0x7)
#define NVME_CQE_MORE(status)  ((uint32_t)(status) >> 14 & 1)
#define NVME_CQE_DNR(status)   ((uint32_t)(status) >> 15 & 1)

/* Status as one number: type << 8 | code. */
#define NVME_CQE_STATUS(status) (NVME_CQE_SCT(status) << 8 | NVME_CQE_SC(status))

/* 3.3.3.2.1 generic command status (type 0) */
#define NVME_SC_SUCCESS              0x000u
#define NVME_SC_INVALID_OPCODE       0x001u
#define NVME_SC_INVALID_FIELD        0x002u
#define NVME_SC_CID_CONFLICT         0x003u
#define NVME_SC_DATA_TRANSFER_ERROR  0x004u
#define NVME_SC_POWER_LOSS_ABORT     0x005u
#define NVME_SC_INTERNAL_ERROR       0x006u
#define NVME_SC_ABORT_REQUESTED      0x007u
#define NVME_SC_ABORTED_SQ_DELETION  0x008u
#define NVME_SC_INVALID_NAMESPACE    0x00bu
#define NVME_SC_NS_WRITE_PROTECTED   0x020u
#define NVME_SC_LBA_OUT_OF_RANGE     0x080u
#define NVME_SC_CAPACITY_EXCEEDED    0x081u
#define NVME_SC_NS_NOT_READY         0x082u
/* command specific (type 1): admin, and the NVM command set's 0x80 up */
#define NVME_SC_CQ_INVALID           0x100u
#define NVME_SC_INVALID_QUEUE_ID     0x101u
#define NVME_SC_INVALID_QUEUE_SIZE   0x102u
#define NVME_SC_INVALID_VECTOR       0x108u
#define NVME_SC_CONFLICTING_ATTR     0x180u
#define NVME_SC_INVALID_PI           0x181u
#define NVME_SC_WRITE_TO_RO_RANGE    0x182u
#define NVME_SC_SIZE_LIMIT_EXCEEDED  0x183u
/* media and data integrity (type 2) */
#define NVME_SC_WRITE_FAULT          0x280u
#define NVME_SC_UNRECOVERED_READ     0x281u
#define NVME_SC_GUARD_CHECK          0x282u
#define NVME_SC_APPTAG_CHECK         0x283u
#define NVME_SC_REFTAG_CHECK         0x284u
#define NVME_SC_COMPARE_FAILURE      0x285u
#define NVME_SC_ACCESS_DENIED        0x286u
#define NVME_SC_UNWRITTEN_BLOCK      0x287u

/* ---- 5. admin commands --------------------------------------------------------- */

enum nvme_admin_opcode {
	NVME_ADMIN_DELETE_SQ = 0x00,
	NVME_ADMIN_CREATE_SQ = 0x01,
	NVME_ADMIN_GET_LOG_PAGE = 0x02,
	NVME_ADMIN_DELETE_CQ = 0x04,
	NVME_ADMIN_CREATE_CQ = 0x05,
	NVME_ADMIN_IDENTIFY = 0x06,
	NVME_ADMIN_ABORT = 0x08,
	NVME_ADMIN_SET_FEATURES = 0x09,
	NVME_ADMIN_GET_FEATURES = 0x0a,
	NVME_ADMIN_ASYNC_EVENT = 0x0c,
};

/* 5.17 Identify: CNS in cdw10 */
#define NVME_CNS_NAMESPACE  0x00u
#define NVME_CNS_CONTROLLER 0x01u
#define NVME_CNS_ACTIVE_NS  0x02u /* list of 1,024 namespace ids */
#define NVME_CNS_NAMES      0x03u /* namespace identification descriptors: since 1.3 */
#define NVME_CNS_LIMITS     0x06u /* of a controller, by command set: since 1.4 */
/* 5.17.2.3: types of descriptors */
#define NVME_NIDT_EUI64     0x01u
#define NVME_NIDT_NGUID     0x02u
#define NVME_NIDT_UUID      0x03u
#define NVME_NIDT_CSI       0x04u /* one byte, the command set */
#define NVME_VS(major, minor) ((uint32_t)(major) << 16 | (uint32_t)(minor) << 8)

/* 5.4, 5.5 Create I/O queue: cdw10 QSIZE (0's based) << 16 | QID, cdw11 as below */
#define NVME_QUEUE_CDW10(qid, entries) ((uint32_t)(qid) | ((uint32_t)(entries) - 1) << 16)
#define NVME_QUEUE_PC  (1u << 0) /* physically contiguous */
#define NVME_QUEUE_IEN (1u << 1) /* CQ: interrupts enabled; vector << 16 */
#define NVME_CQ_CDW11(vector)  (NVME_QUEUE_PC | NVME_QUEUE_IEN | (uint32_t)(vector) << 16)
#define NVME_SQ_CDW11(cqid)    (NVME_QUEUE_PC | (uint32_t)(cqid) << 16)

/* 5.27 features: FID in cdw10 */
#define NVME_FEAT_VOLATILE_WRITE_CACHE 0x06u
#define NVME_FEAT_NUMBER_OF_QUEUES     0x07u /* cdw11, dw0: NCQ << 16 | NSQ, 0's based */

/* 5.17.2.1 Identify Controller, the fields used here. */
struct nvme_id_ctrl {
	uint16_t vid, ssvid;
	char     sn[20];
	char     mn[40];
	char     fr[8];
	uint8_t  rab, ieee[3], cmic;
	uint8_t  mdts;    /* 2^n pages of CAP.MPSMIN; 0: no limit */
	uint16_t cntlid;
	uint32_t ver;
	uint8_t  rest0[27];
	uint8_t  cntrltype; /* 111: 0 not said, 1 I/O, 2 discovery, 3 administrative */
	uint8_t  rest1[400];
	uint8_t  sqes;    /* 512: low nibble required, high one maximum, log2 */
	uint8_t  cqes;
	uint16_t maxcmd;
	uint32_t nn;      /* number of namespaces */
	uint16_t oncs;    /* NVME_ONCS_* */
	uint16_t fuses;
	uint8_t  fna;
	uint8_t  vwc;     /* NVME_VWC_PRESENT */
	uint8_t  rest2[3570];
};
_Static_assert(offsetof(struct nvme_id_ctrl, mdts) == 77, "Figure 275, byte 77");
_Static_assert(offsetof(struct nvme_id_ctrl, cntrltype) == 111, "byte 111");
_Static_assert(offsetof(struct nvme_id_ctrl, sqes) == 512, "byte 512");
_Static_assert(offsetof(struct nvme_id_ctrl, oncs) == 520, "byte 520");
_Static_assert(offsetof(struct nvme_id_ctrl, vwc) == 525, "byte 525");
_Static_assert(sizeof(struct nvme_id_ctrl) == 4096, "one page");

#define NVME_ONCS_DSM         (1u << 2)
#define NVME_ONCS_WRITEZEROES (1u << 3)
#define NVME_VWC_PRESENT      (1u << 0)

/* NVM Command Set 4.1.5.1 Identify Namespace, the fields used here. */
struct nvme_lbaf {
	uint16_t ms;    /* metadata bytes: must be 0 here */
	uint8_t  lbads; /* log2 of the block size */
	uint8_t  rp;
};
struct nvme_id_ns {
	uint64_t nsze, ncap, nuse; /* blocks */
	uint8_t  nsfeat;
	uint8_t  nlbaf;   /* formats, 0's based */
	uint8_t  flbas;   /* format in use: bits 3:0 */
	uint8_t  mc, dpc;
	uint8_t  dps;     /* protection in use: bits 2:0 must be 0 here */
	uint8_t  nmic, rescap, fpi;
	uint8_t  dlfeat;  /* NVME_DLFEAT_* */
	uint8_t  rest1[65];
	uint8_t  nsattr;  /* byte 99, bit 0: write protected */
	uint8_t  rest2[4];
	uint8_t  nguid[16], eui64[8]; /* all zero: it has none */
	struct nvme_lbaf lbaf[64];
	uint8_t  rest3[3712];
};
_Static_assert(offsetof(struct nvme_id_ns, dlfeat) == 33, "byte 33");
_Static_assert(offsetof(struct nvme_id_ns, nsattr) == 99, "byte 99");
_Static_assert(offsetof(struct nvme_id_ns, nguid) == 104, "byte 104");
_Static_assert(offsetof(struct nvme_id_ns, lbaf) == 128, "byte 128");
_Static_assert(sizeof(struct nvme_id_ns) == 4096, "one page");

#define NVME_FLBAS_INDEX(flbas)    ((flbas) & 0xfu)
/* more than 16 formats */
#define NVME_FLBAS_INDEX_WIDE(flbas) (((flbas) & 0xfu) | ((flbas) >> 1 & 0x30u))
#define NVME_NSATTR_WRITE_PROTECT  (1u << 0)
#define NVME_DLFEAT_READ(dlfeat)   ((dlfeat) & 7u) /* 1: deallocated blocks read as zeroes */
#define NVME_DLFEAT_READ_ZEROES    1u
#define NVME_DLFEAT_WRITE_ZEROES_DEAC (1u << 3)

/* NVM Command Set 4.1.5.3 Identify Controller (CNS_LIMITS). 0: no limit is said. */
struct nvme_id_limits {
	uint8_t  vsl;
	uint8_t  wzsl;    /* write zeroes: 2^n pages of CAP.MPSMIN */
	uint8_t  wusl, dmrl;
	uint32_t dmrsl;   /* dataset management: blocks of one range, */
	uint64_t dmsl;    /* and of all */
	uint8_t  rest[4080];
};
_Static_assert(sizeof(struct nvme_id_limits) == 4096, "one page");

/* ---- NVM Command Set 3. I/O commands -------------------------------------------- */

enum nvme_io_opcode {
	NVME_CMD_FLUSH = 0x00,
	NVME_CMD_WRITE = 0x01,
	NVME_CMD_READ = 0x02,
	NVME_CMD_WRITE_ZEROES = 0x08,
	NVME_CMD_DSM = 0x09,
};

/* cdw12 of read, write and write zeroes: NLB (0's based) in bits 15:0 */
#define NVME_RW_FUA        (1u << 30)
#define NVME_WZ_DEAC       (1u << 25)
#define NVME_RW_MAX_BLOCKS 65536u
/* Dataset management: cdw10 ranges (0's based), cdw11 attributes */
#define NVME_DSM_AD (1u << 2)
struct nvme_dsm_range {
	uint32_t cattr;
	uint32_t nlb; /* 1's based */
	uint64_t slba;
};
_Static_assert(sizeof(struct nvme_dsm_range) == 16, "16 bytes a range");

/* ---- memory of one I/O queue pair: what driver and device process agree on ------ */

#define NVME_PAGE 4096u

static inline uint64_t nvme_page_up(uint64_t bytes)
{
	return (bytes + NVME_PAGE - 1) & ~(uint64_t)(NVME_PAGE - 1);
}

/* The submission queue is at 0, then on pages of their own the completion queue and
 * one PRP list page a slot. */
static inline uint64_t nvme_queue_cq(uint32_t sq_entries)
{
	return nvme_page_up((uint64_t)sq_entries * sizeof(struct nvme_sqe));
}

static inline uint64_t nvme_queue_lists(uint32_t sq_entries, uint32_t cq_entries)
{
	return nvme_queue_cq(sq_entries) +
	       nvme_page_up((uint64_t)cq_entries * sizeof(struct nvme_cqe));
}

static inline uint64_t nvme_queue_bytes(uint32_t sq_entries, uint32_t cq_entries, uint32_t slots)
{
	return nvme_queue_lists(sq_entries, cq_entries) + (uint64_t)slots * NVME_PAGE;
}

/* rf_boot_queue.param of an NVMe queue; `regs` is its SQ tail doorbell. */
enum nvme_param {
	NVME_PARAM_ENTRIES = 0,   /* NVME_ENTRIES(sq, cq): powers of two, 2 to 32768 */
	NVME_PARAM_CQ_DISTANCE,   /* bytes from SQ tail to CQ head doorbell: 4 << DSTRD */
	NVME_PARAM_NSID,
	NVME_PARAM_FLAGS,         /* NVME_FLAG_* */
};
#define NVME_ENTRIES(sq, cq)  ((uint64_t)(uint16_t)(sq) | (uint64_t)(uint16_t)(cq) << 16)
#define NVME_FLAG_DSM         0x1u
#define NVME_FLAG_WRITEZEROES 0x2u
#define NVME_FLAG_DEAC        0x4u /* write zeroes may deallocate: it then reads as zeroes */

#endif
