/* SPDX-License-Identifier: MIT */
/*
 * e1000e_model.h - the 82574L model: registers, state, and what its files ask of each other.
 *
 * Room:   tests/models. Names and offsets as in Intel's 82574 datasheet (chapter 10); bits
 *         of the PHY as in its chapter 9. On purpose not shared with drivers/hw: a driver
 *         and its test device should not inherit each other's mistakes.
 * Trust:  none in the client. Ring registers lie in pages it may map and write at any time:
 *         each is read once a use, and an index is taken modulo the ring's length.
 *
 * e1000e.c       options, faults, reset, and the order of work
 * e1000e_regs.c  registers, EEPROM, PHY, link
 * e1000e_irq.c   causes, masks, moderation
 * e1000e_tx.c    descriptors to frames: checksums, segmentation, VLAN tags
 * e1000e_rx.c    frames to descriptors: filters, checksums, VLAN tags
 * e1000e_sum.c   the Internet checksum, and what of it a received frame holds
 * e1000e_peer.c  where frames go to and come from
 */
#ifndef MODEL_E1000E_H
#define MODEL_E1000E_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "server/server.h"

/* ---- registers, BAR 0 ------------------------------------------------------------- */

#define E_REGS_BYTES 0x20000u
#define E_CTRL       0x00000u
#define E_STATUS     0x00008u
#define E_EECD       0x00010u
#define E_EERD       0x00014u
#define E_CTRL_EXT   0x00018u
#define E_MDIC       0x00020u
#define E_FCAL       0x00028u
#define E_FCAH       0x0002cu
#define E_FCT        0x00030u
#define E_VET        0x00038u
#define E_ICR        0x000c0u
#define E_ITR        0x000c4u
#define E_ICS        0x000c8u
#define E_IMS        0x000d0u
#define E_IMC        0x000d8u
#define E_EIAC       0x000dcu
#define E_IAM        0x000e0u
#define E_IVAR       0x000e4u
#define E_EITR       0x000e8u /* 5 of them */
#define E_RCTL       0x00100u
#define E_TCTL       0x00400u
#define E_TIPG       0x00410u
#define E_LEDCTL     0x00e00u
#define E_EXTCNF     0x00f00u
#define E_PBA        0x01000u
#define E_EEMNGCTL   0x01010u
#define E_EEWR       0x0102cu
#define E_STATS      0x04000u /* to 0x4124, all cleared by a read */
#define E_STATS_END  0x04128u
#define E_RXCSUM     0x05000u
#define E_RFCTL      0x05008u
#define E_MTA        0x05200u
#define E_RAL        0x05400u /* 16 pairs with RAH */
#define E_VFTA       0x05600u
#define E_MANC       0x05820u
#define E_GCR        0x05b00u
#define E_FACTPS     0x05b30u
#define E_SWSM       0x05b50u
#define E_FWSM       0x05b54u
#define E_SYSTIML    0x0b600u
#define E_SYSTIMH    0x0b604u
#define E_TIMINCA    0x0b608u

/* The pages a driver may map: receive rings in 0x2000, transmit rings in 0x3000. */
#define E_PAGES      0x02000u
#define E_PAGES_LEN  0x02000u
#define E_ASLEEP     0x03ffcu /* not a register of the 82574 */
#define E_QUEUES     2u
#define E_RX(q)      (0x02800u + 0x100u * (q))
#define E_TX(q)      (0x03800u + 0x100u * (q))
#define E_BAL        0x00u
#define E_BAH        0x04u
#define E_LEN        0x08u
#define E_HEAD       0x10u
#define E_TAIL       0x18u
#define E_DCTL       0x28u

#define E_CTRL_FD          (1u << 0)
#define E_CTRL_NO_MASTER   (1u << 2)
#define E_CTRL_SLU         (1u << 6)
#define E_CTRL_RST         (1u << 26)
#define E_CTRL_VME         (1u << 30)
#define E_CTRL_PHY_RST     (1u << 31)
#define E_STATUS_FD        (1u << 0)
#define E_STATUS_LU        (1u << 1)
#define E_STATUS_1000      (2u << 6)
#define E_STATUS_MASTER    (1u << 19)
#define E_EECD_REQ         (1u << 6)
#define E_EECD_GNT         (1u << 7)
#define E_EECD_PRES        (1u << 8)
#define E_EECD_AUTO_RD     (1u << 9)
#define E_EECD_SIZE_SHIFT  11
#define E_CTRL_EXT_EIAME   (1u << 24)
#define E_CTRL_EXT_IAME    (1u << 27)
#define E_CTRL_EXT_PBA_CLR (1u << 31)
#define E_MDIC_WRITE       (1u << 26)
#define E_MDIC_READ        (2u << 26)
#define E_MDIC_READY       (1u << 28)
#define E_MDIC_IRQ         (1u << 29)
#define E_MDIC_ERROR       (1u << 30)
#define E_RCTL_EN          (1u << 1)
#define E_RCTL_UPE         (1u << 3)
#define E_RCTL_MPE         (1u << 4)
#define E_RCTL_LPE         (1u << 5)
#define E_RCTL_LBM_MAC     (1u << 6)
#define E_RCTL_BAM         (1u << 15)
#define E_RCTL_VFE         (1u << 18)
#define E_RCTL_BSEX        (1u << 25)
#define E_RCTL_SECRC       (1u << 26)
#define E_TCTL_EN          (1u << 1)
#define E_TCTL_PSP         (1u << 3)
#define E_RXCSUM_IP        (1u << 8)
#define E_RXCSUM_L4        (1u << 9)
#define E_RFCTL_EXTEN      (1u << 15)
#define E_RAH_VALID        (1u << 31)
#define E_SWSM_SMBI        (1u << 0)

#define E_ICR_TXDW    (1u << 0)
#define E_ICR_TXQE    (1u << 1)
#define E_ICR_LSC     (1u << 2)
#define E_ICR_RXDMT0  (1u << 4)
#define E_ICR_RXO     (1u << 6)
#define E_ICR_RXT0    (1u << 7)
#define E_ICR_MDAC    (1u << 9)
#define E_ICR_RXQ(q)  (1u << (20 + (q)))
#define E_ICR_TXQ(q)  (1u << (22 + (q)))
#define E_ICR_OTHER   (1u << 24)
#define E_ICR_ASSERTED (1u << 31)
/* What OTHER stands for with MSI-X (10.2.4.1). */
#define E_ICR_OTHERS  (E_ICR_LSC | E_ICR_RXO | E_ICR_MDAC)
#define E_ICR_MSIX    (E_ICR_RXQ(0) | E_ICR_RXQ(1) | E_ICR_TXQ(0) | E_ICR_TXQ(1) | E_ICR_OTHER)

/* ---- descriptors -------------------------------------------------------------------- */

#define E_DESC 16u /* bytes of any of them */

/* Transmit: bits of the second 64-bit word. */
#define E_TXD_EOP   (1u << 24)
#define E_TXD_IC    (1u << 26) /* legacy: insert checksum */
#define E_TXD_TSE   (1u << 26) /* extended */
#define E_TXD_RS    (1u << 27)
#define E_TXD_DEXT  (1u << 29)
#define E_TXD_VLE   (1u << 30)
#define E_TXD_DATA  (1u << 20) /* DTYP of an extended one: data, else context */
#define E_TXD_TCP   (1u << 24) /* context */
#define E_TXD_IPV4  (1u << 25) /* context */
#define E_TXD_DD    1u
#define E_POPTS_IP  (1u << 0)
#define E_POPTS_L4  (1u << 1)

#define E_RXD_DD    (1u << 0)
#define E_RXD_EOP   (1u << 1)
#define E_RXD_IXSM  (1u << 2)
#define E_RXD_VP    (1u << 3)
#define E_RXD_UDPCS (1u << 4)
#define E_RXD_TCPCS (1u << 5)
#define E_RXD_IPCS  (1u << 6)
#define E_RXD_PIF   (1u << 7)
#define E_RXE_L4    (0x20u << 24) /* as in the extended write-back */
#define E_RXE_IP    (0x40u << 24)

/* ---- state ---------------------------------------------------------------------------- */

#define E_NVM_WORDS 128u
#define E_FRAME_MAX 16384u  /* jumbo frames and a tag fit */
#define E_BURST_MAX 262144u /* what one segmentation may gather */
#define E_FIFO      (2u * E_BURST_MAX)

enum e_fault {
	F_BAD_LENGTH, F_STALE, F_DMA_OUTSIDE, F_LINK_FLAP, F_NEVER_READY, F_SLOW, F_HANG,
	F_DROP, F_DUPLICATE, F_CORRUPT, F_ALL_ONES, F_COUNT
};
enum e_counter {
	C_TX_FRAMES,
	C_TX_BYTES,
	C_RX_FRAMES,
	C_RX_BYTES,
	C_RX_FILTERED,
	C_RX_DISABLED,
	C_RX_NO_DESC,
	C_PEER_LOST,
	C_BAD_DESC,
	C_RESETS,
	C_TX_RESET_LOST,
	C_RX_RESET_LOST,
	C_RX_UNTAKEN,
	C_IRQS,
	C_COUNT
};

/* A context descriptor (7.2.5): where checksums start, lie and end. */
struct e_context {
	uint8_t  ipcss, ipcso, tucss, tucso, hdrlen;
	uint16_t ipcse, tucse, mss;
	uint32_t paylen;
	bool     tcp, ipv4;
};

struct e_tx_queue {
	struct e_context context[2]; /* [1]: for segmentation */
	uint8_t *frame;              /* gathered so far, E_BURST_MAX bytes */
	uint32_t used;
	uint8_t  popts;
	bool     tse, ic, bad, tagged;
	uint16_t tag;
};

/* Frames on their way out, or round the loop: length and bytes, one after the other. */
struct e_fifo {
	uint8_t *data;
	uint32_t from, to;
};

struct nic {
	struct server *server;
	uint32_t       reg[E_REGS_BYTES / 4]; /* those outside the shared pages */
	uint8_t       *pages;                 /* the shared ones */
	uint16_t       nvm[E_NVM_WORDS];
	uint16_t       phy[8][32];
	uint8_t        mac[6];

	bool     link_cut;        /* by the fault, until link_back */
	bool     link_up, link_was_down; /* as last told; latched for BMSR */
	uint64_t link_back;

	uint32_t asserted;        /* causes told by the last interrupt and still pending */
	uint32_t waiting;         /* MSI-X causes held back by EITR */
	uint64_t gate[6];         /* earliest next message a vector; [5]: MSI and INTx, ITR */
	bool     waiting_one;     /* the same for [5] */

	struct e_tx_queue tx[E_QUEUES];
	struct e_fifo     fifo;
	uint8_t  rx_frame[E_FRAME_MAX + 8];
	uint32_t rx_len;          /* a frame without a descriptor yet; 0: none */
	bool     rx_blocked;
	uint8_t  rx_last[E_DESC]; /* the last write-back, for stale-descriptor */
	uint8_t  again[E_FRAME_MAX]; /* a received frame that is to come twice */
	uint32_t again_len;

	bool     stuck;           /* CTRL.RST that never clears */
	bool     hung;
	uint64_t not_before;      /* fault slow */

	int      peer, listener;  /* -1: none */
	bool     peer_is_tap, loop, watching;
	uint64_t peer_retry;
	uint64_t systim_from;
	struct fault         *fault;
	struct model_counter *count;
};

static inline uint32_t *e_reg(struct nic *n, uint32_t offset)
{
	return &n->reg[offset / 4];
}
/* Registers in the shared pages: the client may write them between any two reads. */
static inline uint32_t e_ring_get(struct nic *n, uint32_t offset)
{
	return atomic_load_explicit((_Atomic uint32_t *)(n->pages + (offset - E_PAGES)),
				    memory_order_acquire);
}
static inline void e_ring_set(struct nic *n, uint32_t offset, uint32_t value)
{
	atomic_store_explicit((_Atomic uint32_t *)(n->pages + (offset - E_PAGES)), value,
			      memory_order_release);
}

/* A ring as the registers at this moment say it is. */
struct e_ring {
	uint32_t at;     /* of its registers */
	uint32_t count;  /* descriptors; 0: not usable */
	uint32_t head, tail;
	uint64_t base;
};
struct e_ring e_ring(struct nic *, uint32_t at);
static inline uint64_t e_ring_desc(const struct e_ring *r)
{
	return r->base + (uint64_t)r->head * E_DESC;
}

static inline bool e_fires(struct nic *n, enum e_fault f)
{
	return fault_fires(server_faults(n->server), &n->fault[f]);
}
/* network order */
static inline uint16_t e_get16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }
static inline void e_put16(uint8_t *p, uint32_t v) { p[0] = (uint8_t)(v >> 8); p[1] = (uint8_t)v; }

/* e1000e.c */
void e_reset_mac(struct nic *);

/* e1000e_regs.c */
uint32_t e_reg_read(struct nic *, uint32_t offset);
void     e_reg_write(struct nic *, uint32_t offset, uint32_t value);
void     e_nvm_fill(struct nic *);
void     e_phy_reset(struct nic *);
void     e_link_update(struct nic *); /* tells STATUS, PHY and driver if it changed */
void     e_stat(struct nic *, uint32_t offset, uint32_t more);
void     e_stat64(struct nic *, uint32_t offset, uint32_t more);
void     e_stat_frame(struct nic *, bool sent, const uint8_t *frame, uint32_t bytes);

/* e1000e_irq.c */
void     e_irq_cause(struct nic *, uint32_t causes);
void     e_irq_update(struct nic *); /* ICR or IMS changed, or time passed */
uint32_t e_irq_read_icr(struct nic *);
uint64_t e_irq_deadline(struct nic *);

/* e1000e_tx.c, e1000e_rx.c: true if there was work */
bool e_tx_poll(struct nic *, unsigned queue);
bool e_rx_poll(struct nic *);

/* e1000e_sum.c: sums are not folded; e_sum_done folds and complements. */
uint32_t e_sum(const uint8_t *data, uint32_t bytes);
uint16_t e_sum_done(uint32_t sum);
/* Status bits and errors of an extended write-back for this frame without tag and FCS. */
uint32_t e_sum_check(const uint8_t *frame, uint32_t bytes, bool ip, bool l4);
uint32_t e_crc(const uint8_t *data, uint32_t bytes);

/* e1000e_peer.c */
int  e_peer_option(const char *key, const char *value); /* -ENOENT: not one */
int  e_peer_open(struct nic *);
void e_peer_close(struct nic *);
bool e_peer_room(const struct nic *);  /* for one more burst */
void e_peer_send(struct nic *, const uint8_t *frame, uint32_t bytes);
bool e_peer_flush(struct nic *);
unsigned e_peer_waiting(const struct nic *); /* frames sent that are not on the cable yet */
uint32_t e_peer_next(struct nic *, uint8_t *frame, uint32_t room); /* 0: none now */
void e_peer_watch(struct nic *, bool on); /* be woken up by frames? */

#endif
