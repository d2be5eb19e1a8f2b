/* SPDX-License-Identifier: MIT */
/*
 * igb.h - registers and descriptors of the Intel 82576 Gigabit Ethernet Controller,
 * spelled as its datasheet (revision 2.63) spells them.
 *
 * Room:   drivers/hw, compiled into the driver (descriptor rings and their tails) and
 *         into the device process (everything else).
 * Pages:  the registers of all receive queues lie in the page at 0xc000 of BAR 0, those of
 *         the transmit queues in the one at 0xe000; the page between holds none. Only
 *         queue 0 is enabled.
 */
#ifndef RF_IGB_H
#define RF_IGB_H

#include <stdint.h>

#include "intel_nic.h"

/* ---- registers (BAR 0, 32 bits each); common ones are in intel_nic.h ----------------- */

#define IGB_MDIC    0x0020u
#define IGB_GPIE    0x1514u
#define IGB_EIMS    0x1524u
#define IGB_EIMC    0x1528u
#define IGB_EIAC    0x152cu
#define IGB_EIAM    0x1530u
#define IGB_EITR(n) (0x1680u + 4 * (n)) /* bits 2-14: microseconds */
#define IGB_IVAR0   0x1700u
#define IGB_RLPML   0x5004u /* longest frame with INTEL_RCTL_LPE, FCS included */
#define IGB_RDBAL   0xc000u
#define IGB_RDBAH   0xc004u
#define IGB_RDLEN   0xc008u
#define IGB_SRRCTL  0xc00cu
#define IGB_RDH     0xc010u
#define IGB_RDT     0xc018u
#define IGB_RXDCTL  0xc028u
#define IGB_TDBAL   0xe000u
#define IGB_TDBAH   0xe004u
#define IGB_TDLEN   0xe008u
#define IGB_TDH     0xe010u
#define IGB_TDT     0xe018u
#define IGB_TXDCTL  0xe028u

/* The queue's `regs` is RDT; TDT lies this far behind it. */
#define IGB_TDT_DISTANCE (IGB_TDT - IGB_RDT)

/* MDIC: data 0-15, register 16-20, PHY 21-25, operation 26-27 */
#define IGB_MDIC_WRITE(reg, value) ((value) | (uint32_t)(reg) << 16 | 1u << 21 | 1u << 26)
#define IGB_MDIC_READ(reg) ((uint32_t)(reg) << 16 | 1u << 21 | 2u << 26)
#define IGB_MDIC_ERROR     (1u << 30)
#define IGB_MDIC_READY     (1u << 28)
#define IGB_PHY_CONTROL    0u
#define IGB_PHY_AUTONEG    0x1200u /* enabled, and started again */
#define IGB_PHY_STATUS     1u
#define IGB_PHY_LINK       0x0004u /* since it was read last */

#define IGB_GPIE_NSICR     (1u << 0)  /* ICR is not cleared with MSI-X vectors */
#define IGB_GPIE_MULTIPLE_MSIX (1u << 4)
#define IGB_GPIE_PBA       (1u << 31) /* PBA bit is cleared when the vector is sent */
#define IGB_EITR_INTERVAL(us) (((uint32_t)(us) & 0x1fffu) << 2)
#define IGB_EITR_MAX_US    0x1fffu
/* IVAR0: vector and valid bit of receive and of transmit queue 0 */
#define IGB_IVAR_RXQ0(v)   (((v) | 0x80u) << 0)
#define IGB_IVAR_TXQ0(v)   (((v) | 0x80u) << 8)

#define IGB_SRRCTL_BSIZEPKT(kib)  ((uint32_t)(kib))
#define IGB_SRRCTL_DESCTYPE_ADV   (1u << 25) /* advanced, one buffer */
#define IGB_SRRCTL_DROP_EN        (1u << 31)
#define IGB_RXDCTL_ENABLE         (1u << 25)
#define IGB_TXDCTL_ENABLE         (1u << 25)
#define IGB_DCTL_WTHRESH(n)       ((uint32_t)(n) << 16)

/* ---- descriptors: 16 bytes, two little-endian words of 64 bits ---------------------- */

#define IGB_DESC_BYTES 16u

/* Receive, advanced. Given: addresses of packet and header. Written back:
 *   word 1: status 0-19, errors 20-31, length 32-47, tag 48-63 */
#define IGB_RXD_DD        (1ull << 0)
#define IGB_RXD_EOP       (1ull << 1)
#define IGB_RXD_VP        (1ull << 3) /* the tag was stripped */
#define IGB_RXD_L4CS      (1ull << 5) /* TCP or UDP checksum was looked at */
#define IGB_RXD_L4E       (1ull << 29)
#define IGB_RXD_IPE       (1ull << 30)
#define IGB_RXD_RXE       (1ull << 31)
#define IGB_RXD_LENGTH(w) ((uint32_t)((w) >> 32) & 0xffffu)
#define IGB_RXD_VLAN(w)   ((uint16_t)((w) >> 48))

/* Transmit, advanced data: word 1 = length 0-15, type 20-23, command 24-31, status 32-35,
 * options 40-45, payload length of the frame 46-63. */
#define IGB_TXD_DATA  (3ull << 20)
#define IGB_TXD_EOP   (1ull << 24)
#define IGB_TXD_IFCS  (1ull << 25)
#define IGB_TXD_RS    (1ull << 27)
#define IGB_TXD_DEXT  (1ull << 29)
#define IGB_TXD_VLE   (1ull << 30)
#define IGB_TXD_TSE   (1ull << 31)
#define IGB_TXD_DD    (1ull << 32)
#define IGB_TXD_IXSM  (1ull << 40) /* insert IPv4 checksum */
#define IGB_TXD_TXSM  (1ull << 41) /* insert TCP or UDP checksum */
#define IGB_TXD_PAYLEN_SHIFT 46

/* Transmit, advanced context: word 0 = IPLEN 0-8, MACLEN 9-15, VLAN 16-31; word 1 = type
 * and TUCMD, command, L4LEN 40-47, MSS 48-63. */
#define IGB_CTX_LENGTHS(mac, ip) ((uint64_t)(ip) | (uint64_t)(mac) << 9)
#define IGB_CTX_VLAN(tag)   ((uint64_t)(tag) << 16)
#define IGB_CTX_IPV4        (1ull << 10)
#define IGB_CTX_TCP         (1ull << 11)
#define IGB_CTX_TYPE        (2ull << 20)
#define IGB_CTX_DEXT        (1ull << 29)
#define IGB_CTX_L4LEN(n)    ((uint64_t)(n) << 40)
#define IGB_CTX_MSS(n)      ((uint64_t)(n) << 48)

/* ---- how queue memory is laid out -------------------------------------------------- */

/* rf_boot_queue.param of this driver: entries of each ring, a power of two. Receive
 * entries count as free-ring records do, so there are never more of them. */
enum { IGB_PARAM_ENTRIES };
#define IGB_MIN_ENTRIES 64u
#define IGB_MAX_ENTRIES 1024u

static inline uint64_t igb_queue_bytes(uint32_t entries)
{
	return 2ull * entries * IGB_DESC_BYTES;
}

#endif
