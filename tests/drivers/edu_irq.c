/* SPDX-License-Identifier: MIT */
/*
 * edu_irq.c - interrupts of QEMU's `edu` device, which has MSI and INTx.
 *
 * Room:   tests/drivers. Registers: QEMU's docs/specs/edu.
 */
#include "irq.h"

#define EDU_ID     0x00
#define EDU_STATUS 0x24
#define EDU_RAISE  0x60
#define EDU_ACK    0x64

static void irq_open(volatile unsigned char *regs)
{
	if ((rf_mmio_read32(regs + EDU_ID) & 0xff) != 0xed)
		rf_exit(RF_DRIVER_EXIT_ANSWER);
	irq_ack(regs);
}

static void irq_raise(volatile unsigned char *regs)
{
	rf_mmio_write32(regs + EDU_RAISE, 1);
}

static bool irq_cause(volatile unsigned char *regs)
{
	return rf_mmio_read32(regs + EDU_STATUS) != 0;
}

static void irq_ack(volatile unsigned char *regs)
{
	rf_mmio_write32(regs + EDU_ACK, ~0u);
}
