/* SPDX-License-Identifier: MIT */
/*
 * e1000e_irq.c - interrupt causes, masks and moderation (82574 datasheet, 7.4).
 *
 * Room:   tests/models.
 *
 * A message is sent when a cause that is not masked appears, not while it stays. With
 * MSI-X five causes have vectors of their own (IVAR), each with its EITR; what EIAC names
 * is taken out of ICR and IMS as its message leaves, so that its driver reads neither. MSI
 * and INTx carry all causes and are held back by ITR.
 */
#include "e1000e_model.h"

#define ONE 5u          /* the gate of MSI and INTx */
#define TICK_NS 256u    /* of ITR and EITR */

static const struct {
	uint32_t cause;
	unsigned shift; /* of its entry in IVAR: vector in 3 bits, valid in the fourth */
} entries[] = {
	{ E_ICR_RXQ(0), 0 }, { E_ICR_RXQ(1), 4 }, { E_ICR_TXQ(0), 8 }, { E_ICR_TXQ(1), 12 },
	{ E_ICR_OTHER, 16 },
};
#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

static uint32_t pending(struct nic *n)
{
	return *e_reg(n, E_ICR) & *e_reg(n, E_IMS) & ~E_ICR_ASSERTED;
}

static void close_gate(struct nic *n, unsigned gate, uint32_t interval)
{
	n->gate[gate] = server_now() + (uint64_t)(interval & 0xffff) * TICK_NS;
}

/* The message of one cause, unless its vector must wait. */
static void send_msix(struct nic *n, uint32_t cause, uint32_t entry)
{
	unsigned vector = entry & 7;
	uint32_t cleared;

	if (!(entry & 8) || vector > 4)
		return;
	if (server_now() < n->gate[vector]) {
		n->waiting |= cause;
		return;
	}
	n->waiting &= ~cause;
	server_irq(n->server, vector);
	n->count[C_IRQS].value++;
	close_gate(n, vector, *e_reg(n, E_EITR + 4 * vector));
	cleared = *e_reg(n, E_EIAC) & cause;
	*e_reg(n, E_ICR) &= ~cleared;
	if (!(*e_reg(n, E_CTRL_EXT) & E_CTRL_EXT_IAME))
		*e_reg(n, E_IMS) &= ~cleared;
	if (*e_reg(n, E_CTRL_EXT) & E_CTRL_EXT_EIAME)
		*e_reg(n, E_IMS) &= ~(*e_reg(n, E_IAM) & cause);
}

static void update_msix(struct nic *n)
{
	uint32_t now = pending(n);
	uint32_t raised = (now & ~n->asserted) | (n->waiting & now);

	n->waiting &= now;
	for (unsigned i = 0; i < ENTRIES; i++)
		if (raised & entries[i].cause)
			send_msix(n, entries[i].cause, *e_reg(n, E_IVAR) >> entries[i].shift & 15);
	n->asserted = pending(n);
}

static void update_one(struct nic *n)
{
	uint32_t now = pending(n);
	bool     raised = (now & ~n->asserted) || (n->waiting_one && now);
	bool     msi = server_has_msi(n->server);

	n->asserted = now;
	n->waiting_one = false;
	if (!now && !msi)
		server_intx(n->server, false);
	if (!raised)
		return;
	if (server_now() < n->gate[ONE]) {
		n->waiting_one = true;
		return;
	}
	if (msi)
		server_irq(n->server, 0);
	else
		server_intx(n->server, true);
	n->count[C_IRQS].value++;
	close_gate(n, ONE, *e_reg(n, E_ITR));
}

void e_irq_update(struct nic *n)
{
	if (server_has_msix(n->server))
		update_msix(n);
	else
		update_one(n);
}

void e_irq_cause(struct nic *n, uint32_t causes)
{
	if (causes & E_ICR_OTHERS)
		causes |= E_ICR_OTHER;
	*e_reg(n, E_ICR) |= causes;
	e_irq_update(n);
}

/* Cleared by the read if nothing is masked in, or if an interrupt is asserted (10.2.4.1). */
uint32_t e_irq_read_icr(struct nic *n)
{
	uint32_t icr = *e_reg(n, E_ICR), ims = *e_reg(n, E_IMS);

	if (icr & ims)
		icr |= E_ICR_ASSERTED;
	if ((icr & E_ICR_ASSERTED) && (*e_reg(n, E_CTRL_EXT) & E_CTRL_EXT_IAME))
		*e_reg(n, E_IMS) &= ~*e_reg(n, E_IAM);
	if (!ims || (icr & E_ICR_ASSERTED)) {
		*e_reg(n, E_ICR) = 0;
		e_irq_update(n);
	}
	return icr;
}

uint64_t e_irq_deadline(struct nic *n)
{
	uint64_t first = 0;

	for (unsigned i = 0; i < ENTRIES; i++) {
		unsigned vector = *e_reg(n, E_IVAR) >> entries[i].shift & 7;

		if ((n->waiting & entries[i].cause) && vector < 5 &&
		    (!first || n->gate[vector] < first))
			first = n->gate[vector];
	}
	if (n->waiting_one && (!first || n->gate[ONE] < first))
		first = n->gate[ONE];
	return first;
}
