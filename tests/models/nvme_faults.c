/* SPDX-License-Identifier: MIT */
/*
 * nvme_faults.c - the ways in which this controller can be bad.
 *
 * Room:   tests/models. An opportunity is an I/O command unless the text says otherwise.
 */
#include "nvme_model.h"

struct fault nvme_faults[NVME_FAULTS] = {
	[N_READY_NEVER] = { "never-ready",
			    "CSTS.RDY stays 0 after an enable (opportunity: an enable)" },
	[N_CFS] = { "cfs", "sets CSTS.CFS and stops until a controller reset" },
	[N_HANG] = { "hang", "completes nothing more until a controller reset" },
	[N_SLOW] = { "slow", "the command, data and all, is done arg us later (1000)" },
	[N_GONE] = { "all-ones",
		     "registers read as ones, nothing works, until a PCI reset or a new client" },
	[N_BAD_CID] = { "bad-cid", "completes with command id arg (the right one + 0x4000)" },
	[N_BAD_PHASE] = { "bad-phase", "completes with the wrong phase tag" },
	[N_SHORT] = { "wrong-length", "moves arg bytes (half) and says success" },
	[N_STALE] = { "stale-data", "a read says success and moves nothing" },
	[N_CORRUPT] = { "corrupt-data", "a read turns one bit of the data" },
	[N_MISREAD] = { "misdirected-read", "a read takes the data arg blocks further on (1)" },
	[N_MISWRITE] = { "misdirected-write", "a write lands arg blocks further on (1)" },
	[N_LOST] = { "lost-write",
		     "a write, zero, discard or flush says success and does nothing" },
	[N_FLUSH_LIE] = { "flush-lie", "a flush says success and leaves the cache as it is "
				       "(opportunity: a flush)" },
	[N_TORN] = { "torn-write", "a write stores its first arg bytes (half) and says success" },
	[N_DMA_OUTSIDE] = { "dma-outside",
			    "writes 64 bytes to iova arg, outside the map, along with a command" },
	[N_POISON] = { "poison-lba", "a command on block arg completes with a bad id (opportunity: "
				     "such a command)" },
	[N_POISON_HANG] = { "poison-lba-hang", "a command on block arg never completes "
					       "(opportunity: such a command)" },
	[N_IO_ERROR] = { "io-error",
			 "completes with NVMe status arg (0x281: unrecovered read error)" },
	[N_BAD_DOORBELL] = { "bad-doorbell", "a tail that was rung arrives with the bits of arg "
					     "(1) turned (opportunity: such a tail)" },
	[N_SQE_BIT] = { "sqe-bit", "a fetched I/O command has bit arg (0) of its 512 turned "
				   "(opportunity: such a command)" },
	[N_CQE_BIT] = { "cqe-bit", "an I/O completion entry has bit arg modulo 128 (0) turned "
				   "(opportunity: such an entry)" },
	[N_ADMIN_LOST] = { "admin-lost",
			   "an admin command is never completed (opportunity: an admin command)" },
	[N_ADMIN_ERROR] = { "admin-error", "an admin command fails with status arg (6) "
					   "(opportunity: an admin command)" },
	[N_DELETE_NEVER] = { "delete-never",
			     "is never completed (opportunity, as of the next one: the deletion of "
			     "a queue)" },
	[N_DELETE_ERROR] = { "delete-error", "fails with status arg (6)" },
	[N_DELETE_RESETS] = { "delete-resets",
			      "the controller resets itself, without its cache, instead "
			      "(opportunity, as of the next ones: the deletion of a submission "
			      "queue)" },
	[N_DELETE_CFS] = { "delete-cfs", "sets CSTS.CFS and stops until a controller reset" },
	[N_DELETE_GONE] = { "delete-all-ones", "registers read as ones from then on" },
	[N_DELETE_EARLY] = { "delete-early",
			     "is completed at once; commands of that queue that were under way "
			     "(--delay-us) go on, and move their data arg us later (20000)" },
	[N_CREATE_ERROR] = { "create-error", "the creation of a queue fails with status arg "
					     "(0x101) (opportunity: one)" },
};

static bool moves(const struct nvme_sqe *cmd)
{
	return cmd->opc == NVME_CMD_READ || cmd->opc == NVME_CMD_WRITE;
}

static bool touches(const struct nvme_sqe *cmd, uint64_t lba)
{
	return moves(cmd) && lba >= cmd->slba && lba - cmd->slba <= (cmd->cdw12 & 0xffff);
}

static bool poisoned(struct nvme *n, unsigned which, const struct nvme_sqe *cmd)
{
	return nvme_faults[which].left && touches(cmd, fault_arg(&nvme_faults[which], 0)) &&
	       nvme_fires(n, which);
}

static void twist_id(struct nvme *n, const struct nvme_sqe *cmd)
{
	if (poisoned(n, N_POISON, cmd)) {
		n->twist.bad_cid = true;
		n->twist.cid = (uint16_t)(cmd->cid + 0x4000);
	}
	if (nvme_fires(n, N_BAD_CID)) {
		n->twist.bad_cid = true;
		n->twist.cid =
			(uint16_t)fault_arg(&nvme_faults[N_BAD_CID], (uint16_t)(cmd->cid + 0x4000));
	}
	n->twist.bad_phase = nvme_fires(n, N_BAD_PHASE);
}

static void twist_data(struct nvme *n, const struct nvme_sqe *cmd)
{
	uint64_t half = ((cmd->cdw12 & 0xffff) + 1ull) * n->store.block / 2;

	if (cmd->opc == NVME_CMD_READ) {
		n->twist.stale = nvme_fires(n, N_STALE);
		n->twist.corrupt = nvme_fires(n, N_CORRUPT);
		if (nvme_fires(n, N_MISREAD))
			n->twist.lba_shift = fault_arg(&nvme_faults[N_MISREAD], 1);
	} else
		n->twist.lost = nvme_fires(n, N_LOST) ||
				(cmd->opc == NVME_CMD_FLUSH && nvme_fires(n, N_FLUSH_LIE));
	if (cmd->opc == NVME_CMD_WRITE) {
		if (nvme_fires(n, N_MISWRITE))
			n->twist.lba_shift = fault_arg(&nvme_faults[N_MISWRITE], 1);
		if (nvme_fires(n, N_TORN))
			n->twist.at_most = fault_arg(&nvme_faults[N_TORN], half);
	}
	if (moves(cmd) && nvme_fires(n, N_SHORT))
		n->twist.at_most = fault_arg(&nvme_faults[N_SHORT], half);
}

bool nvme_twisted(struct nvme *n, struct sq *sq, const struct nvme_sqe *cmd)
{
	static const unsigned char beyond[64] = "written outside the map";

	if (nvme_fires(n, N_CFS)) {
		n->csts |= NVME_CSTS_CFS;
		return true;
	}
	if (nvme_fires(n, N_HANG)) {
		n->hung = true;
		return true;
	}
	if (nvme_fires(n, N_GONE)) {
		n->gone = true;
		return true;
	}
	if (poisoned(n, N_POISON_HANG, cmd))
		return true;
	if (nvme_fires(n, N_DMA_OUTSIDE))
		(void)server_dma_write(n->server,
				       fault_arg(&nvme_faults[N_DMA_OUTSIDE], 0xfffffffff000u),
				       beyond, sizeof(beyond));
	if (nvme_fires(n, N_IO_ERROR)) {
		queue_complete(n, sq, cmd->cid,
			       (uint32_t)fault_arg(&nvme_faults[N_IO_ERROR],
						   NVME_SC_UNRECOVERED_READ),
			       0);
		return true;
	}
	twist_id(n, cmd);
	twist_data(n, cmd);
	return nvme_fires(n, N_SLOW) &&
	       order_later(n, sq, cmd, fault_arg(&nvme_faults[N_SLOW], 1000));
}
