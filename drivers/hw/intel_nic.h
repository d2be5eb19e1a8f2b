/* SPDX-License-Identifier: MIT */
/*
 * intel_nic.h - registers Intel's 82574 and 82576 have in common, spelled as their
 * datasheets (revisions 3.4 and 2.63) spell them.
 *
 * Room:   drivers/hw. None of them is in a driver's reach: for the device process.
 */
#ifndef RF_INTEL_NIC_H
#define RF_INTEL_NIC_H

#include <stdint.h>

#define INTEL_CTRL     0x0000u
#define INTEL_STATUS   0x0008u
#define INTEL_CTRL_EXT 0x0018u
#define INTEL_VET      0x0038u
#define INTEL_ICR      0x00c0u
#define INTEL_IMS      0x00d0u
#define INTEL_IMC      0x00d8u
#define INTEL_RCTL     0x0100u
#define INTEL_TCTL     0x0400u
#define INTEL_TIPG     0x0410u
#define INTEL_RXCSUM   0x5000u
#define INTEL_RFCTL    0x5008u
#define INTEL_MTA(n)   (0x5200u + 4 * (n)) /* 128 of them */
#define INTEL_RAL(n)   (0x5400u + 8 * (n)) /* 16 pairs */
#define INTEL_RAH(n)   (0x5404u + 8 * (n))
#define INTEL_MRQC     0x5818u

#define INTEL_CTRL_GIO_MASTER_DISABLE (1u << 2)
#define INTEL_CTRL_ASDE (1u << 5) /* 82574 only */
#define INTEL_CTRL_SLU  (1u << 6)
#define INTEL_CTRL_RST  (1u << 26)
#define INTEL_CTRL_VME  (1u << 30)

#define INTEL_STATUS_LU       (1u << 1)
#define INTEL_STATUS_SPEED(s) ((s) >> 6 & 3u) /* 10, 100, 1000, 1000 Mbit/s */
#define INTEL_STATUS_GIO_MASTER_ENABLE (1u << 19)

#define INTEL_RCTL_EN        (1u << 1)
#define INTEL_RCTL_UPE       (1u << 3)
#define INTEL_RCTL_MPE       (1u << 4)
#define INTEL_RCTL_BAM       (1u << 15)
#define INTEL_RCTL_BSIZE2048 (0u << 16)
#define INTEL_RCTL_LPE       (1u << 5) /* frames longer than 1,522 bytes with FCS */
#define INTEL_RCTL_SECRC     (1u << 26) /* no FCS in memory */

#define INTEL_TCTL_EN      (1u << 1)
#define INTEL_TCTL_PSP     (1u << 3)
#define INTEL_TCTL_CT(n)   ((uint32_t)(n) << 4)
#define INTEL_TCTL_COLD(n) ((uint32_t)(n) << 12)
#define INTEL_TIPG_COPPER  (8u | 8u << 10 | 6u << 20)

#define INTEL_RXCSUM_IPOFLD (1u << 8)
#define INTEL_RXCSUM_TUOFLD (1u << 9)
#define INTEL_RAH_AV        (1u << 31)

#endif
