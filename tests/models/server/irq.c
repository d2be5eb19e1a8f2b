/* SPDX-License-Identifier: MIT */
/*
 * irq.c - INTx, MSI and MSI-X: wiring by SET_IRQS, the table and PBA in their BAR, and
 * delivery with its faults.
 *
 * Room:   tests/models/server. PCI Express Base Specification, 6.1 (interrupts), 7.7.2
 *         (MSI-X). What is delivered to whom: server_irq() in server.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bounded.h"
#include "internal.h"
#include "log.h"

#define ENTRY      16u
#define ENTRY_MASK 12u /* offset of vector control; bit 0 masks */

void irq_open(struct server *s)
{
	for (unsigned i = 0; i < MAX_VECTORS; i++)
		s->msix[i].event = -1;
	for (unsigned i = 0; i < 32; i++)
		s->msi[i].event = -1;
	s->intx.event = -1;
	if (s->pci.msix_vectors) {
		s->msix_table = calloc(s->pci.msix_vectors, ENTRY);
		s->msix_opened = calloc(s->pci.msix_vectors, sizeof(bool));
		if (!s->msix_table || !s->msix_opened)
			rf_die(71, "no memory for %u vectors", s->pci.msix_vectors);
	}
	irq_reset(s);
}

void irq_reset(struct server *s)
{
	for (unsigned i = 0; i < s->pci.msix_vectors; i++) {
		memset(s->msix_table + i * ENTRY, 0, ENTRY);
		s->msix_table[i * ENTRY + ENTRY_MASK] = 1;
		s->msix_opened[i] = false;
		s->msix[i].pending = false;
	}
	for (unsigned i = 0; i < 32; i++)
		s->msi[i].pending = false;
	s->intx_high = s->intx.pending = false;
}

static void unwire(struct vector *v)
{
	if (v->event >= 0)
		close(v->event);
	*v = (struct vector){ .event = -1 };
}

void irq_unwire(struct server *s)
{
	for (unsigned i = 0; i < s->pci.msix_vectors; i++)
		unwire(&s->msix[i]);
	for (unsigned i = 0; i < 32; i++)
		unwire(&s->msi[i]);
	unwire(&s->intx);
}

/* Vectors of one kind, and how many. QEMU's server has one eventfd for errors and requests,
 * and it is that of vector 0. */
static struct vector *vectors(struct server *s, uint32_t index, uint32_t *n)
{
	if (s->as_qemu && (index == RF_VU_ERR || index == RF_VU_REQ)) {
		*n = 1;
		return s->msix;
	}
	*n = index == RF_VU_INTX ? s->pci.intx : index == RF_VU_MSI ? s->pci.msi_vectors :
	     index == RF_VU_MSIX ? s->pci.msix_vectors : 0;
	return index == RF_VU_INTX ? &s->intx : index == RF_VU_MSI ? s->msi : s->msix;
}

void irq_info(struct server *s, struct message *m)
{
	struct rf_vu_irq_info r;

	if (m->header.size >= sizeof(m->header) + sizeof(r))
		memcpy(&r, m->body, sizeof(r));
	if (m->header.size != sizeof(m->header) + sizeof(r) || r.index >= RF_VU_PCI_IRQS ||
	    r.argsz < sizeof(r)) {
		reply_send(s, &m->header, EINVAL, NULL, 0, NULL, 0, NULL, 0);
		return;
	}
	r.argsz = sizeof(r);
	(void)vectors(s, r.index, &r.count);
	/* No RF_VU_IRQ_NORESIZE: each vector can be wired without touching the others. */
	r.flags = RF_VU_IRQ_EVENTFD | RF_VU_IRQ_MASKABLE |
		  (r.index == RF_VU_INTX ? RF_VU_IRQ_AUTOMASKED : 0);
	reply_send(s, &m->header, 0, &r, sizeof(r), NULL, 0, NULL, 0);
}

/* ---- delivery ---------------------------------------------------------------------- */

static void signal_event(struct server *s, struct vector *v)
{
	count(s, C_IRQS);
	if (rf_bounded_kick(v->event))
		return;
	rf_log("an interrupt's eventfd is full, and its client does not empty it: that interrupt "
	       "is off");
	unwire(v);
}

static bool entry_masked(const struct server *s, unsigned i)
{
	bool mask = s->msix_table[i * ENTRY + ENTRY_MASK] & 1;

	if (s->strict)
		return mask || !pci_msix_enabled(s) || pci_msix_function_mask(s);
	return (mask && s->msix_opened[i]) || pci_msix_function_mask(s);
}

static void deliver(struct server *s, struct vector *v, bool held)
{
	if (v->event < 0)
		return;
	if (held || v->masked)
		v->pending = true;
	else
		signal_event(s, v);
}

static void deliver_intx(struct server *s)
{
	if (s->intx.event < 0 || s->intx.masked)
		return;
	s->intx.masked = true; /* automasked: until UNMASK */
	signal_event(s, &s->intx);
}

static void deliver_any(struct server *s, unsigned vector)
{
	unsigned msi = pci_msi_enabled(s);

	if (server_has_msix(s)) {
		if (vector < s->pci.msix_vectors)
			deliver(s, &s->msix[vector], entry_masked(s, vector));
	} else if (server_has_msi(s))
		deliver(s, &s->msi[msi ? vector % msi : 0], false);
	else if (s->pci.intx)
		deliver_intx(s);
}

void server_irq(struct server *s, unsigned vector)
{
	struct fault *f = s->fault;

	if (!s->faults.armed) {
		deliver_any(s, vector);
		return;
	}
	if (fault_fires(&s->faults, &f[F_MEMORY_PUNCHED]))
		dma_punch(s);
	if (fault_fires(&s->faults, &f[F_IRQ_LOST]))
		return;
	deliver_any(s, vector);
	if (fault_fires(&s->faults, &f[F_IRQ_DUPLICATE]))
		deliver_any(s, vector);
	if (fault_fires(&s->faults, &f[F_IRQ_SPURIOUS]))
		for (unsigned i = 0; i < (server_has_msix(s) ? s->pci.msix_vectors : 1u); i++)
			deliver_any(s, i);
	if (fault_fires(&s->faults, &f[F_IRQ_STORM]))
		for (uint64_t i = fault_arg(&f[F_IRQ_STORM], 1000); i; i--)
			deliver_any(s, vector);
}

void server_intx(struct server *s, bool high)
{
	bool rises = high && !s->intx_high;

	s->intx_high = high;
	if (!rises || (s->faults.armed && fault_fires(&s->faults, &s->fault[F_IRQ_LOST])))
		return;
	deliver_intx(s);
}

static bool any_wired(const struct vector *v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (v[i].event >= 0)
			return true;
	return false;
}

bool server_has_msix(const struct server *s)
{
	return any_wired(s->msix, s->pci.msix_vectors);
}

bool server_has_msi(const struct server *s)
{
	return any_wired(s->msi, s->pci.msi_vectors);
}

static void send_pending(struct server *s, struct vector *v, bool held)
{
	if (!v->pending || v->masked || held || v->event < 0)
		return;
	v->pending = false;
	signal_event(s, v);
}

void irq_unmasked(struct server *s)
{
	for (unsigned i = 0; i < s->pci.msix_vectors; i++)
		send_pending(s, &s->msix[i], entry_masked(s, i));
}

/* ---- SET_IRQS ------------------------------------------------------------------------- */

static void unmask(struct server *s, uint32_t index, struct vector *v, uint32_t i)
{
	v->masked = false;
	if (index == RF_VU_INTX) {
		if (s->intx_high)
			deliver_intx(s);
	} else
		send_pending(s, v, index == RF_VU_MSIX && entry_masked(s, i));
}

/* Neither of a file's type nor, as others without one, unwilling to take nothing. */
static bool is_eventfd(int fd)
{
	static const uint64_t nothing;
	struct stat st;

	return !fstat(fd, &st) && !(st.st_mode & S_IFMT) &&
	       write(fd, &nothing, sizeof(nothing)) == sizeof(nothing);
}

static int wire(struct vector *v, uint32_t n, struct message *m)
{
	if (m->fds && (uint32_t)m->fds != n)
		return EINVAL;
	for (int i = 0; i < m->fds; i++)
		if (!is_eventfd(m->fd[i]))
			return EINVAL;
	for (uint32_t i = 0; i < n; i++) {
		unwire(&v[i]);
		if (m->fds) {
			v[i].event = m->fd[i];
			m->fd[i] = -1; /* ours now */
		}
	}
	return 0;
}

static int set(struct server *s, const struct rf_vu_set_irqs *r, const unsigned char *yes,
	       struct message *m)
{
	const uint32_t datas = RF_VU_SET_DATA_NONE | RF_VU_SET_DATA_BOOL | RF_VU_SET_DATA_EVENTFD;
	uint32_t n, data = r->flags & datas, action = r->flags & ~datas;
	struct vector *v = vectors(s, r->index, &n);

	if (r->index >= RF_VU_PCI_IRQS || r->start > n || r->count > n - r->start)
		return EINVAL;
	if (data != RF_VU_SET_DATA_EVENTFD && m->fds)
		return EINVAL;
	if (data == RF_VU_SET_DATA_NONE && action == RF_VU_SET_ACTION_TRIGGER && !r->count &&
	    !r->start) {
		for (uint32_t i = 0; i < n; i++)
			unwire(&v[i]);
		return 0;
	}
	if (!r->count)
		return EINVAL;
	if (data == RF_VU_SET_DATA_EVENTFD)
		return action == RF_VU_SET_ACTION_TRIGGER ? wire(v + r->start, r->count, m) :
							    ENOTSUP;
	if ((data != RF_VU_SET_DATA_NONE && data != RF_VU_SET_DATA_BOOL) ||
	    (action != RF_VU_SET_ACTION_MASK && action != RF_VU_SET_ACTION_UNMASK &&
	     action != RF_VU_SET_ACTION_TRIGGER))
		return EINVAL;
	for (uint32_t i = 0; i < r->count; i++) {
		struct vector *one = &v[r->start + i];
		if (data == RF_VU_SET_DATA_BOOL && !yes[i])
			continue;
		if (action == RF_VU_SET_ACTION_MASK)
			one->masked = true;
		else if (action == RF_VU_SET_ACTION_UNMASK)
			unmask(s, r->index, one, r->start + i);
		else if (one->event >= 0)
			signal_event(s, one);
	}
	return 0;
}

void irq_set(struct server *s, struct message *m)
{
	uint32_t bytes = m->header.size - (uint32_t)sizeof(m->header);
	struct rf_vu_set_irqs r;
	int err = EINVAL;

	if (bytes >= sizeof(r)) {
		memcpy(&r, m->body, sizeof(r));
		if (bytes - sizeof(r) == (r.flags & RF_VU_SET_DATA_BOOL ? r.count : 0) &&
		    r.argsz >= bytes)
			err = set(s, &r, m->body + sizeof(r), m);
	}
	reply_send(s, &m->header, err, NULL, 0, NULL, 0, NULL, 0);
}

/* ---- table and PBA ---------------------------------------------------------------------- */

static void table_changed(struct server *s, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last && i < s->pci.msix_vectors; i++) {
		s->msix_table[i * ENTRY + ENTRY_MASK] &= 1;
		if (!(s->msix_table[i * ENTRY + ENTRY_MASK] & 1))
			s->msix_opened[i] = true;
		send_pending(s, &s->msix[i], entry_masked(s, i));
	}
}

static void pba_read(struct server *s, uint64_t offset, unsigned char *to, uint32_t bytes)
{
	memset(to, 0, bytes);
	for (uint32_t bit = 0; bit < bytes * 8; bit++) {
		uint64_t i = offset * 8 + bit;
		if (i < s->pci.msix_vectors && s->msix[i].pending)
			to[bit / 8] |= (unsigned char)(1u << bit % 8);
	}
}

bool irq_table_access(struct server *s, unsigned bar, uint64_t offset, void *data, uint32_t bytes,
		      bool write)
{
	uint64_t table = s->pci.msix_vectors * (uint64_t)ENTRY,
		 pba = (s->pci.msix_vectors + 63u) / 64 * 8;

	if (!s->pci.msix_vectors || bar != s->pci.msix_bar)
		return false;
	if (offset >= s->pci.msix_table && offset + bytes <= s->pci.msix_table + table) {
		unsigned char *at = s->msix_table + (offset - s->pci.msix_table);
		if (write) {
			memcpy(at, data, bytes);
			table_changed(s, (unsigned)((offset - s->pci.msix_table) / ENTRY),
				      (unsigned)((offset + bytes - 1 - s->pci.msix_table) / ENTRY));
		} else
			memcpy(data, at, bytes);
		return true;
	}
	if (offset >= s->pci.msix_pba && offset + bytes <= s->pci.msix_pba + pba) {
		if (!write)
			pba_read(s, offset - s->pci.msix_pba, data, bytes);
		return true;
	}
	return false;
}
