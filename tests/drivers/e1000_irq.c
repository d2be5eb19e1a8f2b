/* SPDX-License-Identifier: MIT */
/*
 * e1000_irq.c - interrupts of an 82540EM (QEMU's `e1000`), which has INTx only.
 *
 * Room:   tests/drivers. Registers: Intel 8254x Software Developer's Manual, 13.4.17 to
 *         13.4.21. Reading ICR clears it, and with it the interrupt line.
 */
#include "irq.h"

#define E1000_ICR  0xc0
#define E1000_ICS  0xc8
#define E1000_IMS  0xd0
#define E1000_IMC  0xd8
#define CAUSE      0x10u /* RXDMT0: nothing but we set it while the receiver is off */

static bool seen; /* ICR had the cause; it has it no more */

static void irq_open(volatile unsigned char *regs)
{
	rf_mmio_write32(regs + E1000_IMC, ~0u);
	(void)rf_mmio_read32(regs + E1000_ICR);
	rf_mmio_write32(regs + E1000_IMS, CAUSE);
}

static void irq_raise(volatile unsigned char *regs)
{
	rf_mmio_write32(regs + E1000_ICS, CAUSE);
}

static bool irq_cause(volatile unsigned char *regs)
{
	seen |= rf_mmio_read32(regs + E1000_ICR) & CAUSE;
	return seen;
}

static void irq_ack(volatile unsigned char *regs)
{
	(void)regs;
	seen = false;
}
