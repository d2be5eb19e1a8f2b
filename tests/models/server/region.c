/* SPDX-License-Identifier: MIT */
/*
 * region.c - regions: what they are, access to them, and the run of pages that a client
 * may map.
 *
 * Room:   tests/models/server.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "internal.h"
#include "log.h"

/* ---- shared pages ------------------------------------------------------------------ */

void *server_share(struct server *s, unsigned bar, uint32_t offset, uint32_t bytes, uint32_t asleep)
{
	struct share *h = &s->share;

	if (h->memory || offset % 4096 || bytes % 4096 || asleep % 4 ||
	    asleep - offset > bytes - 4) {
		rf_log("a model may share one run of whole pages, with its sleep word inside");
		return NULL;
	}
	h->fd = memfd_create("doorbells", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (h->fd < 0 || ftruncate(h->fd, (off_t)offset + bytes))
		return NULL;
	/* A client that maps it must not be able to shrink it under us. */
	fcntl(h->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	h->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, h->fd, offset);
	if (h->memory == MAP_FAILED) {
		h->memory = NULL;
		return NULL;
	}
	h->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	h->bar = bar;
	h->offset = offset;
	h->bytes = bytes;
	h->asleep = asleep;
	return h->memory;
}

void share_reset(struct server *s)
{
	uint64_t ignored;

	if (!s->share.memory)
		return;
	memset(s->share.memory, 0, s->share.bytes);
	(void)!read(s->share.kick, &ignored, sizeof(ignored));
}

static bool offers_mmap(const struct server *s)
{
	return s->share.memory && (s->doorbells == DOORBELLS_PLAIN ||
				   (s->doorbells == DOORBELLS_MMAP && s->session.doorbell_sleep));
}

bool share_mapped(const struct server *s)
{
	return s->session.greeted && offers_mmap(s);
}

/* ---- what there is -------------------------------------------------------------------- */

static uint64_t region_bytes(const struct server *s, uint32_t index)
{
	return index <= RF_VU_BAR5   ? s->pci.bar[index].bytes :
	       index == RF_VU_CONFIG ? CONFIG_BYTES :
				       0;
}

static void error(struct server *s, struct message *m, int code)
{
	reply_send(s, &m->header, code, NULL, 0, NULL, 0, NULL, 0);
}

/* The fixed part of a request, or false after an error reply. */
static bool request(struct server *s, struct message *m, void *to, uint32_t bytes)
{
	if (m->header.size - sizeof(m->header) < bytes) {
		error(s, m, EINVAL);
		return false;
	}
	memcpy(to, m->body, bytes);
	return true;
}

void region_info(struct server *s, struct message *m)
{
	struct {
		struct rf_vu_region_info info;
		struct {
			struct rf_vu_cap cap;
			uint32_t nr_areas, reserved;
			struct rf_vu_sparse_area area;
		} sparse;
	} r;
	struct rf_vu_region_info *i = &r.info;
	uint32_t bytes = sizeof(*i);
	int      fds = 0;

	if (!request(s, m, i, sizeof(*i)))
		return;
	if (m->header.size != sizeof(m->header) + sizeof(*i) || i->index >= RF_VU_PCI_REGIONS ||
	    i->argsz < sizeof(*i) || (s->as_qemu && i->index == RF_VU_ROM)) {
		error(s, m, EINVAL);
		return;
	}
	uint32_t room = i->argsz;
	*i = (struct rf_vu_region_info){ .argsz = sizeof(*i), .index = i->index,
					 .size = region_bytes(s, i->index) };
	if (i->size)
		i->flags = RF_VU_REGION_READ_OK | RF_VU_REGION_WRITE_OK;
	if (i->size && offers_mmap(s) && i->index == s->share.bar && s->session.max_fds) {
		i->argsz = sizeof(r);
		i->flags |= RF_VU_REGION_MMAP | RF_VU_REGION_CAPS;
		if (room >= sizeof(r)) {
			i->cap_offset = sizeof(*i);
			memset(&r.sparse, 0, sizeof(r.sparse));
			r.sparse.cap.id = RF_VU_CAP_SPARSE_MMAP;
			r.sparse.cap.version = 1;
			r.sparse.nr_areas = 1;
			r.sparse.area.offset = s->share.offset;
			r.sparse.area.size = s->share.bytes;
			bytes = sizeof(r);
			fds = 1;
		}
	}
	reply_send(s, &m->header, 0, &r, bytes, NULL, 0, &s->share.fd, fds);
}

/* One entry for the shared run, if it has an eventfd in this mode; else an empty list. */
void region_io_fds(struct server *s, struct message *m)
{
	struct {
		struct rf_vu_io_fds head;
		union {
			struct rf_vu_io_fd     plain;
			struct rf_vu_io_shadow shadow;
		} entry;
	} r;
	struct rf_vu_io_fds *h = &r.head;
	uint32_t bytes = 0, room;
	int      fds[2] = { s->share.kick, s->share.fd }, fd_count = 0;

	if (!request(s, m, h, sizeof(*h)))
		return;
	room = h->argsz;
	if (m->header.size != sizeof(m->header) + sizeof(*h) || h->index >= RF_VU_PCI_REGIONS ||
	    room < sizeof(*h) || h->flags || h->count) {
		error(s, m, EINVAL);
		return;
	}
	memset(&r.entry, 0, sizeof(r.entry));
	r.entry.plain.offset = s->share.offset;
	r.entry.plain.size = s->share.bytes;
	if (s->share.memory && h->index == s->share.bar) {
		if (s->doorbells == DOORBELLS_MMAP && s->session.doorbell_sleep &&
		    s->session.max_fds) {
			r.entry.plain.type = RF_VU_IO_EVENTFD;
			bytes = sizeof(r.entry.plain);
			fd_count = 1;
		} else if (s->doorbells == DOORBELLS_SHADOW && s->session.max_fds > 1) {
			r.entry.shadow.type = RF_VU_IO_SHADOW;
			r.entry.shadow.shadow_index = 1;
			r.entry.shadow.shadow_offset = s->share.offset;
			bytes = sizeof(r.entry.shadow);
			fd_count = 2;
		}
	}
	*h = (struct rf_vu_io_fds){ .argsz = (uint32_t)sizeof(*h) + bytes,
				    .index = h->index,
				    .count = bytes != 0 };
	if (room < h->argsz)
		bytes = fd_count = 0;
	reply_send(s, &m->header, 0, &r, (uint32_t)sizeof(*h) + bytes, NULL, 0, fds, fd_count);
}

/* ---- access ---------------------------------------------------------------------------- */

/* Access to shared pages: as the CPU that mapped them would do it, a word in one piece. */
static void share_access(struct server *s, uint64_t offset, void *data, uint32_t bytes, bool write)
{
	unsigned char *at = s->share.memory + (offset - s->share.offset);

	if (bytes == 4 && offset % 4 == 0) {
		_Atomic uint32_t *word = (void *)at;
		uint32_t          value;
		if (write) {
			memcpy(&value, data, 4);
			atomic_store_explicit(word, value, memory_order_release);
		} else {
			value = atomic_load_explicit(word, memory_order_acquire);
			memcpy(data, &value, 4);
		}
	} else if (write)
		memcpy(at, data, bytes);
	else
		memcpy(data, at, bytes);
}

/* One access inside a region. 0 or an errno. */
static int region_access(struct server *s, uint32_t region, uint64_t offset, void *data,
			 uint32_t bytes, bool write)
{
	uint64_t size = region < RF_VU_PCI_REGIONS ? region_bytes(s, region) : 0;

	if (!bytes || bytes > RF_VU_MAX_DATA || offset >= size || bytes > size - offset)
		return EINVAL;
	if (region == RF_VU_CONFIG)
		return write ? -pci_write(s, offset, data, bytes) :
			       -pci_read(s, offset, data, bytes);
	if (s->strict && !pci_memory_enabled(s))
		return EINVAL;
	if (irq_table_access(s, region, offset, data, bytes, write))
		return 0;
	if (s->share.memory && region == s->share.bar && offset >= s->share.offset &&
	    offset + bytes <= (uint64_t)s->share.offset + s->share.bytes) {
		share_access(s, offset, data, bytes, write);
		if (write && s->model->rung)
			s->model->rung(s->dev, region, offset, bytes);
		return 0;
	}
	return write ? -s->model->write(s->dev, region, offset, data, bytes) :
		       -s->model->read(s->dev, region, offset, data, bytes);
}

void region_read(struct server *s, struct message *m)
{
	static unsigned char data[RF_VU_MAX_DATA];
	struct rf_vu_region_access r;
	int err;

	if (!request(s, m, &r, sizeof(r)))
		return;
	if (m->header.size != sizeof(m->header) + sizeof(r) || r.count > s->session.max_data)
		err = EINVAL;
	else
		err = region_access(s, r.region, r.offset, data, r.count, false);
	reply_send(s, &m->header, err, &r, sizeof(r), data, err ? 0 : r.count, NULL, 0);
}

void region_write(struct server *s, struct message *m)
{
	struct rf_vu_region_access r;
	int err;

	if (!request(s, m, &r, sizeof(r)))
		return;
	if (m->header.size - sizeof(m->header) - sizeof(r) != r.count)
		err = EINVAL;
	else
		err = region_access(s, r.region, r.offset, m->body + sizeof(r), r.count, true);
	reply_send(s, &m->header, err, &r, sizeof(r), NULL, 0, NULL, 0);
}

void region_write_multi(struct server *s, struct message *m)
{
	uint64_t count, done;
	uint32_t bytes = m->header.size - (uint32_t)sizeof(m->header);
	int      err = 0;

	if (!request(s, m, &count, sizeof(count)))
		return;
	if (!s->session.write_multiple) {
		error(s, m, ENOTSUP);
		return;
	}
	if (!count || count > RF_VU_MAX_DATA / sizeof(struct rf_vu_write_one) ||
	    bytes != sizeof(count) + count * sizeof(struct rf_vu_write_one)) {
		error(s, m, EINVAL);
		return;
	}
	for (done = 0; done < count && !err; done++) {
		struct rf_vu_write_one w;
		memcpy(&w, m->body + sizeof(count) + done * sizeof(w), sizeof(w));
		err = w.count > sizeof(w.data) ? EINVAL :
		      region_access(s, w.region, w.offset, w.data, w.count, true);
	}
	reply_send(s, &m->header, err, &done, sizeof(done), NULL, 0, NULL, 0);
}
