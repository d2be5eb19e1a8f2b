/* SPDX-License-Identifier: MIT */
/*
 * e1000e.h - registers and descriptors of the Intel 82574 Gigabit Ethernet Controller,
 * spelled as its datasheet (revision 3.4) spells them.
 *
 * Room:   drivers/hw, compiled into the driver (descriptor rings and their tails) and
 *         into the device process (everything else). Also the one place that says how
 *         a queue's memory is laid out: both sides must agree on it.
 * Pages:  the registers of receive queue 0 lie in the page at 0x2000 of BAR 0, those of
 *         transmit queue 0 in the next one. Nothing else of these two pages does more
 *         than misdirect or stop the same two rings, which a driver may do anyway: where
 *         a ring or a buffer lies is checked by the IOMMU.
 */
#ifndef RF_E1000E_H
#define RF_E1000E_H

#include <stdint.h>

#include "intel_nic.h"

/* ---- registers (BAR 0, 32 bits each); common ones are in intel_nic.h ----------------- */

#define E1000E_EIAC     0x00dcu
#define E1000E_IAM      0x00e0u
#define E1000E_IVAR     0x00e4u
#define E1000E_EITR(n)  (0x00e8u + 4 * (n)) /* units of 256 ns */
#define E1000E_RDBAL    0x2800u
#define E1000E_RDBAH    0x2804u
#define E1000E_RDLEN    0x2808u
#define E1000E_RDH      0x2810u
#define E1000E_RDT      0x2818u
#define E1000E_RDTR     0x2820u
#define E1000E_RXDCTL   0x2828u
#define E1000E_RADV     0x282cu
#define E1000E_TDBAL    0x3800u
#define E1000E_TDBAH    0x3804u
#define E1000E_TDLEN    0x3808u
#define E1000E_TDH      0x3810u
#define E1000E_TDT      0x3818u
#define E1000E_TIDV     0x3820u
#define E1000E_TXDCTL   0x3828u
#define E1000E_TADV     0x382cu

/* The queue's `regs` is RDT; TDT lies this far behind it. */
#define E1000E_TDT_DISTANCE (E1000E_TDT - E1000E_RDT)

#define E1000E_CTRL_EXT_IAME (1u << 27) /* with IAM = 0: nothing is masked by itself */
#define E1000E_CTRL_EXT_PBA  (1u << 31) /* PBA bit is cleared when the vector is sent */

/* IMS, IMC, EIAC: causes that have a vector */
#define E1000E_IRQ_RXQ0 (1u << 20)
#define E1000E_IRQ_TXQ0 (1u << 22)

/* IVAR: a vector for each cause, and a valid bit */
#define E1000E_IVAR_RXQ0(v) (((v) | 8u) << 0)
#define E1000E_IVAR_TXQ0(v) (((v) | 8u) << 8)

/* RCTL: receive buffers of 4, 8 or 16 KiB */
#define E1000E_RCTL_BSIZE4096  (1u << 25 | 3u << 16)
#define E1000E_RCTL_BSIZE8192  (1u << 25 | 2u << 16)
#define E1000E_RCTL_BSIZE16384 (1u << 25 | 1u << 16)

#define E1000E_RXDCTL_GRAN       (1u << 24) /* thresholds count descriptors */
#define E1000E_RXDCTL_WTHRESH(n) ((uint32_t)(n) << 16)
#define E1000E_TXDCTL_GRAN       (1u << 24)
#define E1000E_TXDCTL_COUNT_DESC (1u << 22) /* must be set, 82574 specification update */
#define E1000E_TXDCTL_WTHRESH(n) ((uint32_t)(n) << 16)

/* ---- descriptors: 16 bytes, two little-endian words of 64 bits ---------------------- */

struct e1000e_desc {
	uint64_t word[2];
};

/*
 * Receive, legacy. The address stays where it is when the device writes the
 * descriptor back: that is why this format is taken and not the extended one, whose
 * write-back would need a table of addresses beside the ring.
 *   word 1: length 0-15, packet checksum 16-31, status 32-39, errors 40-47, tag 48-63
 */
#define E1000E_RXD_LENGTH(w)  ((uint32_t)(w) & 0xffffu)
#define E1000E_RXD_DD         (1ull << 32)
#define E1000E_RXD_EOP        (1ull << 33)
#define E1000E_RXD_IXSM       (1ull << 34) /* checksum bits below mean nothing */
#define E1000E_RXD_VP         (1ull << 35) /* the tag was stripped */
#define E1000E_RXD_UDPCS      (1ull << 36)
#define E1000E_RXD_TCPCS      (1ull << 37)
#define E1000E_RXD_IPCS       (1ull << 38)
#define E1000E_RXD_CE         (1ull << 40)
#define E1000E_RXD_SE         (1ull << 41)
#define E1000E_RXD_SEQ        (1ull << 42)
#define E1000E_RXD_CXE        (1ull << 44)
#define E1000E_RXD_TCPE       (1ull << 45)
#define E1000E_RXD_IPE        (1ull << 46)
#define E1000E_RXD_RXE        (1ull << 47)
#define E1000E_RXD_BROKEN \
	(E1000E_RXD_CE | E1000E_RXD_SE | E1000E_RXD_SEQ | E1000E_RXD_CXE | E1000E_RXD_RXE)
#define E1000E_RXD_VLAN(w)    ((uint16_t)((w) >> 48))

/* Transmit, data: word 1 = length 0-19, type 20-23, command 24-31, status 32-35,
 * options 40-47, tag 48-63. */
#define E1000E_TXD_DATA  (1ull << 20)
#define E1000E_TXD_EOP   (1ull << 24)
#define E1000E_TXD_IFCS  (1ull << 25)
#define E1000E_TXD_TSE   (1ull << 26)
#define E1000E_TXD_RS    (1ull << 27)
#define E1000E_TXD_DEXT  (1ull << 29)
#define E1000E_TXD_VLE   (1ull << 30)
#define E1000E_TXD_IDE   (1ull << 31)
#define E1000E_TXD_DD    (1ull << 32)
#define E1000E_TXD_IXSM  (1ull << 40) /* insert IPv4 checksum */
#define E1000E_TXD_TXSM  (1ull << 41) /* insert TCP or UDP checksum */
#define E1000E_TXD_VLAN(tag) ((uint64_t)(tag) << 48)

/* Transmit, context: word 0 = IPCSS, IPCSO, IPCSE, TUCSS, TUCSO, TUCSE; word 1 = payload
 * length 0-19, type 0, command, status 32-35, header length 40-47, MSS 48-63. */
#define E1000E_CTX_IP(start, end) \
	((uint64_t)(start) | (uint64_t)((start) + 10u) << 8 | (uint64_t)(end) << 16)
#define E1000E_CTX_TU(start, field) ((uint64_t)(start) << 32 | (uint64_t)(field) << 40)
#define E1000E_CTX_TCP   (1ull << 24)
#define E1000E_CTX_IPV4  (1ull << 25)
#define E1000E_CTX_TSE   (1ull << 26)
#define E1000E_CTX_DEXT  (1ull << 29)
#define E1000E_CTX_HDRLEN(n) ((uint64_t)(n) << 40)
#define E1000E_CTX_MSS(n)    ((uint64_t)(n) << 48)

/* ---- how queue memory is laid out -------------------------------------------------- */

/* rf_boot_queue.param of this driver. */
enum { E1000E_PARAM_RX_ENTRIES, E1000E_PARAM_TX_ENTRIES };

/* Both rings: a power of two; a frame of the most parts fits. */
#define E1000E_MIN_ENTRIES 64u
#define E1000E_MAX_ENTRIES 4096u

/* The receive ring, then the transmit ring; both of a power of two of entries. */
static inline uint64_t e1000e_queue_tx(uint32_t rx_entries)
{
	return (uint64_t)rx_entries * sizeof(struct e1000e_desc);
}

static inline uint64_t e1000e_queue_bytes(uint32_t rx_entries, uint32_t tx_entries)
{
	return e1000e_queue_tx(rx_entries) + (uint64_t)tx_entries * sizeof(struct e1000e_desc);
}

#endif
