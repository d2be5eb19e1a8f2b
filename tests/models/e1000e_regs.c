/* SPDX-License-Identifier: MIT */
/*
 * e1000e_regs.c - what reading and writing a register does: EEPROM, PHY, link, semaphores,
 * statistics. Registers not named here simply keep what was written.
 *
 * Room:   tests/models. Sections are those of the 82574 datasheet.
 */
#include "e1000e_model.h"

#include <string.h>

/* ---- EEPROM (10.2.2.5; words: 6.1) --------------------------------------------------- */

void e_nvm_fill(struct nic *n)
{
	uint16_t sum = 0;

	memset(n->nvm, 0xff, sizeof(n->nvm));
	for (unsigned i = 0; i < 3; i++)
		n->nvm[i] = (uint16_t)(n->mac[2 * i] | n->mac[2 * i + 1] << 8);
	n->nvm[0x03] = 0x0420;
	n->nvm[0x05] = 0x1010; /* version */
	n->nvm[0x0a] = 0x026b;
	n->nvm[0x0b] = 0x0000; /* subsystem, as in config space */
	n->nvm[0x0c] = 0x8086;
	n->nvm[0x0d] = 0x10d3;
	n->nvm[0x0e] = 0x8086;
	n->nvm[0x0f] = 0x8080; /* no management firmware */
	n->nvm[0x24] = 0x0000; /* no wake-up */
	for (unsigned i = 0; i < 0x3f; i++)
		sum = (uint16_t)(sum + n->nvm[i]);
	n->nvm[0x3f] = (uint16_t)(0xbaba - sum); /* 6.1.1.30 */
}

static uint32_t nvm_access(struct nic *n, uint32_t value, bool write)
{
	uint32_t word = value >> 2 & 0x3fff;

	if (!(value & 1))
		return value & ~2u;
	if (write && word < E_NVM_WORDS)
		n->nvm[word] = (uint16_t)(value >> 16);
	else if (!write)
		value = (value & 0xffff) | (uint32_t)(word < E_NVM_WORDS ? n->nvm[word] : 0xffff)
						   << 16;
	return (value & ~1u) | 2u; /* done */
}

/* ---- PHY (9.x) and link ---------------------------------------------------------------- */

#define PHY_BMCR 0
#define PHY_BMSR 1
#define PHY_PAGE 22
#define BMCR_RESET   0x8000u
#define BMCR_PDOWN   0x0800u
#define BMCR_RESTART 0x0200u
#define BMSR_LINK    0x0004u

void e_phy_reset(struct nic *n)
{
	uint16_t *r = n->phy[0];

	memset(n->phy, 0, sizeof(n->phy));
	r[PHY_BMCR] = 0x1140; /* autonegotiation, 1000 full */
	r[PHY_BMSR] = 0x7949;
	r[2] = 0x0141;
	r[3] = 0x0cb1;
	r[4] = 0x0de1;
	r[9] = 0x0e00;
	r[15] = 0x3000;
	r[16] = 0x0068;
	r[20] = 0x0d60;
	n->link_up = false; /* told anew below: as after any autonegotiation */
}

static bool link_now(const struct nic *n)
{
	return !n->link_cut && !(n->phy[0][PHY_BMCR] & BMCR_PDOWN);
}

void e_link_update(struct nic *n)
{
	uint16_t *r = n->phy[0];
	bool up = link_now(n);

	if (up) {
		*e_reg(n, E_STATUS) |= E_STATUS_LU;
		r[PHY_BMSR] |= 0x0024; /* autonegotiation done, link */
		r[5] = 0xcde1;         /* the partner can all, and pause */
		r[6] = 0x0003;
		r[10] = 0x3c00;
		r[17] = 0xac48;        /* 1000, full, resolved, link */
	} else {
		*e_reg(n, E_STATUS) &= ~E_STATUS_LU;
		r[PHY_BMSR] &= (uint16_t)~0x0024u;
		r[5] = r[6] = r[10] = 0;
		r[17] = 0x0040;
	}
	if (up == n->link_up)
		return;
	if (!up)
		n->link_was_down = true;
	n->link_up = up;
	e_irq_cause(n, E_ICR_LSC);
}

static uint16_t *phy_at(struct nic *n, unsigned reg)
{
	/* 9.1: registers below 16, and the page register, are in every page. */
	unsigned page = reg < 16 || reg == PHY_PAGE ? 0 : n->phy[0][PHY_PAGE] & 7u;

	return &n->phy[page][reg];
}

static uint16_t phy_read(struct nic *n, unsigned reg)
{
	uint16_t value = *phy_at(n, reg);

	if (reg == PHY_BMSR && n->link_was_down) { /* latched low until read */
		value &= (uint16_t)~BMSR_LINK;
		n->link_was_down = false;
	}
	return value;
}

static void phy_write(struct nic *n, unsigned reg, uint16_t value)
{
	if (reg == PHY_BMCR && (value & BMCR_RESET)) {
		e_phy_reset(n);
	} else if (reg == PHY_BMCR) {
		*phy_at(n, reg) = value & (uint16_t)~BMCR_RESTART;
		if (value & BMCR_RESTART)
			n->link_up = false;
	} else if (reg != PHY_BMSR && reg != 2 && reg != 3 && reg != 5 && reg != 10 && reg != 17) {
		*phy_at(n, reg) = value;
	}
	e_link_update(n);
}

static uint32_t mdic(struct nic *n, uint32_t value)
{
	unsigned reg = value >> 16 & 31, address = value >> 21 & 31;

	if (!(value & (E_MDIC_READ | E_MDIC_WRITE)))
		return value;
	value |= E_MDIC_READY;
	if (address != 1)
		return value | E_MDIC_ERROR;
	if (value & E_MDIC_READ)
		value = (value & ~0xffffu) | phy_read(n, reg);
	else
		phy_write(n, reg, (uint16_t)value);
	return value;
}

/* ---- device control --------------------------------------------------------------------- */

static void ctrl_write(struct nic *n, uint32_t value)
{
	if (value & E_CTRL_RST) {
		if (e_fires(n, F_NEVER_READY))
			n->stuck = true;
		if (n->stuck) {
			*e_reg(n, E_CTRL) = value;
			return;
		}
		e_reset_mac(n);
		return;
	}
	if (n->stuck)
		value |= E_CTRL_RST;
	if (value & E_CTRL_PHY_RST & ~*e_reg(n, E_CTRL))
		e_phy_reset(n);
	*e_reg(n, E_CTRL) = value;
	if (value & E_CTRL_NO_MASTER)
		*e_reg(n, E_STATUS) &= ~E_STATUS_MASTER;
	else
		*e_reg(n, E_STATUS) |= E_STATUS_MASTER;
	e_link_update(n);
}

/* ---- statistics (10.2.7): stick at the top, cleared by a read ------------------------------ */

void e_stat(struct nic *n, uint32_t offset, uint32_t more)
{
	uint32_t *r = e_reg(n, offset);

	*r = *r > ~0u - more ? ~0u : *r + more;
}

void e_stat64(struct nic *n, uint32_t offset, uint32_t more)
{
	uint64_t value = *e_reg(n, offset) | (uint64_t)*e_reg(n, offset + 4) << 32;

	value += more;
	*e_reg(n, offset) = (uint32_t)value;
	*e_reg(n, offset + 4) = (uint32_t)(value >> 32);
}

void e_stat_frame(struct nic *n, bool sent, const uint8_t *frame, uint32_t bytes)
{
	static const uint32_t upto[] = { 64, 127, 255, 511, 1023 };
	uint32_t wire = bytes + 4, size = 0; /* the FCS counts */

	while (size < 5 && wire > upto[size])
		size++;
	e_stat(n, (sent ? 0x40d8u : 0x405cu) + 4 * size, 1);
	e_stat(n, sent ? 0x4080 : 0x4074, 1); /* good packets */
	e_stat(n, sent ? 0x40d4 : 0x40d0, 1); /* total packets */
	e_stat64(n, sent ? 0x4090 : 0x4088, wire);
	e_stat64(n, sent ? 0x40c8 : 0x40c0, wire);
	if (!(frame[0] & 1))
		return;
	if (!memcmp(frame, "\377\377\377\377\377\377", 6))
		e_stat(n, sent ? 0x40f4 : 0x4078, 1);
	else
		e_stat(n, sent ? 0x40f0 : 0x407c, 1);
}

/* ---- time (10.2.10) ------------------------------------------------------------------------- */

/* SYSTIM grows by TIMINCA's value every period of 40 ns ticks. */
static uint64_t systim(struct nic *n)
{
	uint32_t inca = *e_reg(n, E_TIMINCA), period = inca >> 24;
	uint64_t ticks = (server_now() - n->systim_from) / 40;

	return ticks / (period ? period : 1) * (inca & 0xffffff);
}

/* ---- the two doors --------------------------------------------------------- */

uint32_t e_reg_read(struct nic *n, uint32_t offset)
{
	uint32_t value = *e_reg(n, offset);

	switch (offset) {
	case E_ICR:
		return e_irq_read_icr(n);
	case E_ICS:
		return *e_reg(n, E_ICR);
	case E_IMC:
		return 0;
	case E_SWSM: /* a read takes the semaphore */
		*e_reg(n, offset) |= E_SWSM_SMBI;
		return value;
	case E_SYSTIML:
		*e_reg(n, E_SYSTIMH) = (uint32_t)(systim(n) >> 32);
		return (uint32_t)systim(n);
	default:
		if (offset >= E_STATS && offset < E_STATS_END)
			*e_reg(n, offset) = 0;
		return value;
	}
}

void e_reg_write(struct nic *n, uint32_t offset, uint32_t value)
{
	uint32_t *r = e_reg(n, offset);

	switch (offset) {
	case E_CTRL:
		ctrl_write(n, value);
		return;
	case E_STATUS:
	case E_FWSM:
	case E_FACTPS:
	case E_EEMNGCTL:
		return; /* read only as far as we have them */
	case E_EECD:
		value &= ~(E_EECD_GNT | E_EECD_PRES | E_EECD_AUTO_RD | 15u << E_EECD_SIZE_SHIFT);
		value |= *r & (E_EECD_PRES | E_EECD_AUTO_RD | 15u << E_EECD_SIZE_SHIFT);
		*r = value & E_EECD_REQ ? value | E_EECD_GNT : value;
		return;
	case E_EERD:
		*r = nvm_access(n, value, false);
		return;
	case E_EEWR:
		*r = nvm_access(n, value, true);
		return;
	case E_CTRL_EXT:
		*r = value & ~E_CTRL_EXT_PBA_CLR;
		return;
	case E_MDIC:
		*r = mdic(n, value);
		if (value & E_MDIC_IRQ)
			e_irq_cause(n, E_ICR_MDAC);
		return;
	case E_ICR: /* bits written as 1 are cleared */
		*r &= ~value;
		e_irq_update(n);
		return;
	case E_ICS:
		e_irq_cause(n, value & ~E_ICR_ASSERTED);
		return;
	case E_IMS:
		*r |= value;
		e_irq_update(n);
		return;
	case E_IMC:
		*e_reg(n, E_IMS) &= ~value;
		e_irq_update(n);
		return;
	case E_TIMINCA:
		*r = value;
		n->systim_from = server_now();
		return;
	default:
		if (offset < E_STATS || offset >= E_STATS_END)
			*r = value;
	}
}
