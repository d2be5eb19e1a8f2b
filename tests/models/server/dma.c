/* SPDX-License-Identifier: MIT */
/*
 * dma.c - client memory: maps by fd and by message, and the only door to it.
 *
 * Room:   tests/models/server.
 * Trust:  none. A client may shrink the file behind a map: the fault that follows gets an
 *         anonymous page and marks the map broken, the server lives on.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "internal.h"
#include "log.h"

static struct server *guarded; /* for the signal handler: one server a process */

static void on_sigbus(int signal_number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr;

	(void)context;
	for (unsigned i = 0; guarded && i < guarded->maps; i++) {
		struct dma_map *m = &guarded->map[i];
		uintptr_t start = (uintptr_t)m->memory;
		if (!m->memory || at < start || at >= start + m->bytes)
			continue;
		m->broken = true;
		void *page = (void *)(at & ~(uintptr_t)4095);
		if (mmap(page, 4096, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page)
			return;
	}
	signal(signal_number, SIG_DFL);
}

void dma_guard(struct server *s)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };

	guarded = s;
	sigaction(SIGBUS, &action, NULL);
}

unsigned dma_broken(struct server *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->maps; i++)
		n += s->map[i].broken;
	return n;
}

void dma_punch(struct server *s)
{
	if (s->maps && s->map[0].memory && madvise(s->map[0].memory, s->map[0].bytes, MADV_REMOVE))
		rf_log("no hole: %s", strerror(errno));
}

static int map_memory(struct dma_map *m, const struct rf_vu_dma_map *r, int fd)
{
	int prot = (r->flags & RF_VU_DMA_READABLE ? PROT_READ : 0) |
		   (r->flags & RF_VU_DMA_WRITEABLE ? PROT_READ | PROT_WRITE : 0);
	struct stat st;

	if (r->offset % 4096 || r->offset + r->size < r->offset)
		return EINVAL;
	if (fstat(fd, &st) || (S_ISREG(st.st_mode) && (uint64_t)st.st_size < r->offset + r->size))
		return EINVAL;
	m->memory = mmap(NULL, r->size, prot, MAP_SHARED, fd, (off_t)r->offset);
	if (m->memory == MAP_FAILED) {
		m->memory = NULL;
		return errno;
	}
	return 0;
}

static int map_add(struct server *s, const struct rf_vu_dma_map *r, struct message *m)
{
	struct dma_map map = { .iova = r->address, .bytes = r->size, .flags = r->flags };
	int error;

	if (!r->size || r->size % 4096 || r->address % 4096 ||
	    r->address + r->size - 1 < r->address || r->size > INT64_MAX ||
	    r->flags & ~(RF_VU_DMA_READABLE | RF_VU_DMA_WRITEABLE) || !r->flags || m->fds > 1)
		return EINVAL;
	for (unsigned i = 0; i < s->maps; i++)
		if (r->address <= s->map[i].iova + s->map[i].bytes - 1 &&
		    s->map[i].iova <= r->address + r->size - 1)
			return EEXIST;
	if (s->maps == MAX_MAPS)
		return ENOSPC;
	if (m->fds && (error = map_memory(&map, r, m->fd[0])))
		return error;
	s->map[s->maps++] = map;
	s->epoch++;
	return 0;
}

void dma_map(struct server *s, struct message *m)
{
	struct rf_vu_dma_map r;

	if (m->header.size != sizeof(m->header) + sizeof(r)) {
		reply_send(s, &m->header, EINVAL, NULL, 0, NULL, 0, NULL, 0);
		return;
	}
	memcpy(&r, m->body, sizeof(r));
	int error = r.argsz < sizeof(r) ? EINVAL : map_add(s, &r, m);
	reply_send(s, &m->header, error, NULL, 0, NULL, 0, NULL, 0);
}

static void map_drop(struct server *s, unsigned i)
{
	if (s->map[i].memory)
		munmap(s->map[i].memory, s->map[i].bytes);
	s->map[i] = s->map[--s->maps];
	s->epoch++;
}

void dma_unmap_all(struct server *s)
{
	while (s->maps)
		map_drop(s, s->maps - 1);
}

static int map_remove(struct server *s, const struct rf_vu_dma_unmap *r)
{
	if (r->flags & RF_VU_UNMAP_ALL) {
		if (r->address || r->size || r->flags != RF_VU_UNMAP_ALL)
			return EINVAL;
		dma_unmap_all(s);
		return 0;
	}
	if (r->flags)
		return EINVAL;
	for (unsigned i = 0; i < s->maps; i++)
		if (s->map[i].iova == r->address && s->map[i].bytes == r->size) {
			map_drop(s, i);
			return 0;
		}
	return ENOENT;
}

void dma_unmap(struct server *s, struct message *m)
{
	struct rf_vu_dma_unmap r;

	if (m->header.size != sizeof(m->header) + sizeof(r)) {
		reply_send(s, &m->header, EINVAL, NULL, 0, NULL, 0, NULL, 0);
		return;
	}
	memcpy(&r, m->body, sizeof(r));
	int error = r.argsz < sizeof(r) ? EINVAL : map_remove(s, &r);
	reply_send(s, &m->header, error, &r, sizeof(r), NULL, 0, NULL, 0);
}

/* The map that has `iova` with these rights, or NULL. */
static struct dma_map *map_find(struct server *s, uint64_t iova, bool write)
{
	uint32_t need = write ? RF_VU_DMA_WRITEABLE : RF_VU_DMA_READABLE;

	for (unsigned n = 0, i = s->last_map; n < s->maps; n++, i++) {
		if (i >= s->maps)
			i = 0;
		struct dma_map *m = &s->map[i];
		if (iova - m->iova < m->bytes && m->flags & need) {
			s->last_map = i;
			return m;
		}
	}
	return NULL;
}

void *server_dma_at(struct server *s, uint64_t iova, uint64_t bytes, bool write)
{
	struct dma_map *m = pci_bus_master(s) ? map_find(s, iova, write) : NULL;

	if (!m || !m->memory || bytes > m->bytes - (iova - m->iova))
		return NULL;
	return m->memory + (iova - m->iova);
}

uint64_t server_dma_epoch(const struct server *s)
{
	return s->epoch;
}

/*
 * Waits for the reply to `id`. With one socket for both directions, commands that come
 * first are put by: handling them here would change maps and registers under the feet of
 * the model that waits.
 */
static int await_reply(struct server *s, int fd, struct message *m, uint16_t id, uint16_t command)
{
	uint64_t deadline = server_now() + CLIENT_NS;

	for (;;) {
		int got = message_receive(fd, m);
		if (got < 0)
			return -EIO;
		if (got) {
			if ((m->header.flags & RF_VU_TYPE_MASK) == RF_VU_TYPE_REPLY &&
			    m->header.id == id && m->header.command == command)
				return m->header.flags & RF_VU_ERROR ? -EIO : 0;
			if (fd != s->session.fd || session_postpone(s))
				return -EIO;
			continue;
		}
		struct pollfd p = { .fd = fd, .events = POLLIN };
		if (server_now() > deadline)
			return -EIO;
		poll(&p, 1, 100);
	}
}

/* One DMA_READ or DMA_WRITE of at most what both ends take. */
static int by_message(struct server *s, uint64_t iova, void *data, uint32_t bytes, bool write)
{
	static struct message twin_in; /* the server has one thread and never waits twice */
	struct session *c = &s->session;
	struct rf_vu_dma_access fixed = { .address = iova, .count = bytes };
	struct rf_vu_header h = { .id = c->next_id++,
				  .command = write ? RF_VU_DMA_WRITE : RF_VU_DMA_READ,
				  .size = (uint32_t)(sizeof(h) + sizeof(fixed) +
						     (write ? bytes : 0)) };
	int fd = c->twin >= 0 ? c->twin : c->fd, err;
	struct message *m = c->twin >= 0 ? &twin_in : &c->in;

	if (fd < 0 || s->closing)
		return -EIO;
	err = message_send(fd, &h, &fixed, sizeof(fixed), data, write ? bytes : 0, NULL, 0);
	if (!err)
		err = await_reply(s, fd, m, h.id, h.command);
	/* Of a write the reply's count is not asked: it is 4 bytes to some and 8 to others. */
	if (!err && !write) {
		struct rf_vu_dma_access got;
		memcpy(&got, m->body, sizeof(got));
		if (m->header.size != sizeof(h) + sizeof(fixed) + bytes || got.count != bytes ||
		    got.address != iova)
			err = -EIO;
		else
			memcpy(data, m->body + sizeof(fixed), bytes);
	}
	message_drop(m);
	if (err) {
		rf_log("the client did not answer %s of %u bytes at %#llx",
		       write ? "DMA_WRITE" : "DMA_READ", bytes, (unsigned long long)iova);
		s->closing = true;
	}
	return err;
}

static int transfer(struct server *s, uint64_t iova, void *data, uint64_t bytes, bool write)
{
	unsigned char *at = data;

	/* All of it is checked before any of it is moved. */
	for (uint64_t done = 0; done < bytes;) {
		struct dma_map *m = pci_bus_master(s) ? map_find(s, iova + done, write) : NULL;
		if (!m || iova + done < iova) {
			count(s, C_DMA_REFUSED);
			return -EFAULT;
		}
		done += m->bytes - (iova + done - m->iova);
	}
	while (bytes) {
		struct dma_map *m = map_find(s, iova, write);
		uint64_t offset = iova - m->iova, n = m->bytes - offset;
		if (n > bytes)
			n = bytes;
		if (m->memory) {
			if (write)
				memcpy(m->memory + offset, at, n);
			else
				memcpy(at, m->memory + offset, n);
		} else {
			if (n > s->session.max_data)
				n = s->session.max_data;
			int err = by_message(s, iova, at, (uint32_t)n, write);
			if (err)
				return err;
		}
		at += n;
		iova += n;
		bytes -= n;
	}
	return 0;
}

int server_dma_read(struct server *s, uint64_t iova, void *to, uint64_t bytes)
{
	return transfer(s, iova, to, bytes, false);
}

int server_dma_write(struct server *s, uint64_t iova, const void *from, uint64_t bytes)
{
	return transfer(s, iova, (void *)(uintptr_t)from, bytes, true);
}
