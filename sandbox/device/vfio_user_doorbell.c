/* SPDX-License-Identifier: MIT */
/*
 * vfio_user_doorbell.c - the roads of a doorbell to a device server. README.md says why
 * these and in this order.
 *
 * Room:   sandbox/device.
 * Trust:  the server's fds end in the driver's hands: each must be what it is said to
 *         be. The driver's page, where it is ours, may hold anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device.h"
#include "log.h"
#include "packet.h"
#include "user.h"
#include "wait.h"

/* An eventfd has no file type and takes the write of a zero; nothing else does both. */
static bool is_eventfd(int fd)
{
	static const uint64_t nothing;
	struct stat st;

	return !fstat(fd, &st) && !(st.st_mode & S_IFMT) && write(fd, &nothing, 8) == 8;
}

struct io_fds {
	struct rf_vu_io_fds head;
	unsigned char entry[4096];
	uint32_t each; /* bytes of an entry */
	int      fds[RF_VU_MAX_FDS], fd_count;
};

/* What the region has besides messages. false: nothing. */
static bool ask_io_fds(struct rf_vfio_user *u, uint32_t region, struct io_fds *io)
{
	struct rf_vu_io_fds ask = { .argsz = sizeof(io->head) + sizeof(io->entry), .index = region };
	struct user_call c = { .command = RF_VU_GET_REGION_IO_FDS, .head = &ask, .head_bytes = sizeof(ask),
			       .reply = io, .reply_min = sizeof(io->head), .reply_room = ask.argsz,
			       .reply_fds = io->fds };
	int n = user_call(u, &c);

	io->fd_count = n < 0 ? 0 : c.reply_fd_count;
	if (n < 0)
		return false;
	/* Entries have 40 bytes, with libvfio-user 48: all are alike, so the rest of the
	 * message says which. */
	uint32_t bytes = (uint32_t)n - (uint32_t)sizeof(io->head), count = io->head.count;
	io->each = count && count <= sizeof(io->entry) / 40 ? bytes / count : 0;
	if (io->each != sizeof(struct rf_vu_io_fd) && io->each != sizeof(struct rf_vu_io_shadow)) {
		rf_close_all(io->fds, io->fd_count);
		return false;
	}
	return true;
}

/* The entry of this type that covers [from, end). */
static bool find_entry(const struct io_fds *io, uint32_t type, uint64_t from, uint64_t end,
		       struct rf_vu_io_shadow *found)
{
	for (uint32_t i = 0; i < io->head.count; i++) {
		*found = (struct rf_vu_io_shadow){ 0 };
		memcpy(found, io->entry + i * io->each, io->each);
		if (found->type == type && found->offset <= from && found->size >= end - found->offset &&
		    found->fd_index < (uint32_t)io->fd_count && is_eventfd(io->fds[found->fd_index]) &&
		    (type != RF_VU_IO_SHADOW || (io->each == sizeof(*found) &&
						 found->shadow_index < (uint32_t)io->fd_count)))
			return true;
	}
	return false;
}

static int keep(struct io_fds *io, uint32_t index)
{
	int fd = io->fds[index];

	io->fds[index] = -1;
	return fd;
}

static void close_rest(struct io_fds *io)
{
	for (int i = 0; i < io->fd_count; i++)
		if (io->fds[i] >= 0)
			close(io->fds[i]);
}

/* The word may lie beyond the page: then its own is for the driver to read. */
static bool place_word(struct rf_device *d, uint64_t page)
{
	struct rf_doorbells *b = &d->doorbell;
	const struct user_peer *p = &d->user->peer;
	uint64_t word_page = p->asleep & ~(uint64_t)(RF_PAGE - 1);

	b->asleep = p->asleep - page;
	if (word_page >= page && word_page - page < b->bytes)
		return true;
	b->asleep = p->asleep - word_page;
	if (bar_window_ok(d, b->bar, word_page, RF_PAGE))
		b->sleep_fd = user_region_fd(&d->user->region[b->bar], word_page, RF_PAGE, &b->sleep_at);
	return b->sleep_fd >= 0;
}

/* Road 1: the page is memory and the server says in a word when it sleeps. */
static bool road_asleep(struct rf_device *d, struct io_fds *io, uint64_t page, uint64_t at, int fd)
{
	struct rf_doorbells *b = &d->doorbell;
	const struct user_peer *p = &d->user->peer;
	struct rf_vu_io_shadow e;

	if (!p->sleeps || p->sleep_region != b->bar || p->asleep == b->submit || p->asleep == b->complete ||
	    !find_entry(io, RF_VU_IO_EVENTFD, page, page + b->bytes, &e))
		return false;
	if (!place_word(d, page)) {
		b->asleep = ~0ull;
		return false;
	}
	b->road = RF_ROAD_ASLEEP;
	b->fd = fd;
	b->at = at;
	b->event = keep(io, e.fd_index);
	return true;
}

/* Road 3: memory that shadows the doorbells, and an eventfd after every write. */
static bool road_shadow(struct rf_device *d, struct io_fds *io)
{
	struct rf_doorbells *b = &d->doorbell;
	uint64_t first = b->submit < b->complete ? b->submit : b->complete;
	uint64_t last = (b->submit > b->complete ? b->submit : b->complete) + 4;
	struct rf_vu_io_shadow e;
	struct stat st;

	if (!find_entry(io, RF_VU_IO_SHADOW, first, last, &e) || e.fd_index == e.shadow_index)
		return false;
	uint64_t at = e.shadow_offset + (b->submit - e.offset);
	uint64_t start = (e.shadow_offset + (first - e.offset)) & ~(uint64_t)(RF_PAGE - 1);
	uint64_t end = (e.shadow_offset + (last - e.offset) + RF_PAGE - 1) & ~(uint64_t)(RF_PAGE - 1);
	if (e.shadow_offset > INT64_MAX / 2 || e.shadow_offset % 4 || fstat(io->fds[e.shadow_index], &st) ||
	    !S_ISREG(st.st_mode) || (uint64_t)st.st_size < end)
		return false;
	b->road = RF_ROAD_SHADOW;
	b->fd = keep(io, e.shadow_index);
	b->event = keep(io, e.fd_index);
	b->at = start;
	b->bytes = end - start;
	b->regs = at - start;
	return true;
}

/* Road 4: a page of ours. The main loop passes on what changed in it. */
static int road_proxy(struct rf_device *d)
{
	struct rf_doorbells *b = &d->doorbell;
	int fd = memfd_create("rf-doorbells", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *p = MAP_FAILED;

	if (fd >= 0 && !ftruncate(fd, (off_t)b->bytes) &&
	    !fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
		p = mmap(NULL, b->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED) {
		rf_log("%s: cannot make a page for its doorbells: %s", d->label, strerror(errno));
		return -EIO;
	}
	d->user->proxy = p;
	b->road = RF_ROAD_PROXY;
	b->fd = fd;
	b->at = 0;
	return 0;
}

int user_doorbell(struct rf_device *d)
{
	static const char *const names[] = {
		[RF_ROAD_PAGE] = "its page", [RF_ROAD_ASLEEP] = "its page, and an eventfd while it sleeps",
		[RF_ROAD_SHADOW] = "shadow memory and an eventfd",
		[RF_ROAD_PROXY] = "this process, which passes them on",
	};
	struct rf_doorbells *b = &d->doorbell;
	uint64_t page = b->submit - b->regs, at = 0;
	struct io_fds io;
	bool mapped = bar_window_ok(d, b->bar, page, b->bytes);
	/* Nobody polls the page of a server that sleeps: what it cannot be told by road 1
	 * comes as a message. */
	bool polled = mapped && !d->user->peer.sleeps;
	/* The driver's third fd re-arms INTx already. */
	bool room = !d->irq.intx;

	if (room && ask_io_fds(d->user, b->bar, &io)) {
		if (mapped) {
			int fd = user_region_fd(&d->user->region[b->bar], page, b->bytes, &at);
			(void)road_asleep(d, &io, page, at, fd);
		} else {
			(void)road_shadow(d, &io);
		}
		close_rest(&io);
	}
	if (b->road == RF_ROAD_NONE && !polled && room && road_proxy(d))
		return -EIO;
	if (d->user->dead)
		return -ENODEV;
	if (b->road == RF_ROAD_NONE && !mapped)
		return 0; /* the caller says that none is left */
	if (b->road == RF_ROAD_NONE && !polled) {
		rf_log("%s: its server sleeps, and with INTx nothing is left to wake it by: 'interrupt msix'",
		       d->label);
		return -EIO;
	}
	rf_log("%s: doorbells are rung through %s", d->label,
	       names[b->road == RF_ROAD_NONE && mapped ? RF_ROAD_PAGE : b->road]);
	return 0;
}

/* ---- the proxy ------------------------------------------------------------------------ */

/* Empties the eventfd. It may be empty: a poll() that said otherwise was before a recovery
 * emptied it, and a read would wait. */
static bool take_ring(void)
{
	struct pollfd p = { .fd = RF_DEVICE_FD_DEVICE, .events = POLLIN };
	uint64_t count;

	return rf_wait_fds(&p, 1, 0) > 0 && read(RF_DEVICE_FD_DEVICE, &count, sizeof(count)) == sizeof(count);
}

void user_doorbell_clear(struct rf_device *d)
{
	const struct rf_doorbells *b = &d->doorbell;

	if (b->road != RF_ROAD_PROXY)
		return;
	(void)take_ring();
	d->user->proxy[b->regs / 4] = 0;
	d->user->proxy[(b->regs + b->complete - b->submit) / 4] = 0;
	d->user->rung[0] = d->user->rung[1] = 0;
}

/*
 * Completions first: the device may need their room for what is submitted. Only the
 * driver's own two doorbells are passed on, whatever else is in its page.
 */
void user_doorbell_forward(struct rf_device *d)
{
	const struct rf_doorbells *b = &d->doorbell;
	const uint64_t where[2] = { b->complete, b->submit };

	if (!take_ring() || d->down)
		return; /* d->down: what is left of a dead driver's */
	for (int i = 0; i < 2; i++) {
		uint32_t value = d->user->proxy[(b->regs + where[i] - b->submit) / 4];

		if (value == d->user->rung[i])
			continue;
		d->user->rung[i] = value;
		(void)bar_write(d, b->bar, where[i], &value, 4);
	}
}
