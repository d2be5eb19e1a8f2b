/* SPDX-License-Identifier: MIT */
/*
 * vfio_user_doorbell.c - the modes of a doorbell of a device server. README.md says why
 * these and in this order.
 *
 * Room:   sandbox/device/vfio_user.
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
#include "range.h"
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

/* Asks for the eventfds and memory of a region. false: it has none. */
static bool ask_io_fds(struct rf_vfio_user *u, uint32_t region, struct io_fds *io)
{
	struct rf_vu_io_fds ask = { .argsz = sizeof(io->head) + sizeof(io->entry),
				    .index = region };
	struct user_call c = { .command = RF_VU_GET_REGION_IO_FDS,
			       .head = &ask,
			       .head_bytes = sizeof(ask),
			       .reply = io,
			       .reply_min = sizeof(io->head),
			       .reply_room = ask.argsz,
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
		if (found->type == type &&
		    rf_range_inside(from, end - from, found->offset, found->size) &&
		    found->fd_index < (uint32_t)io->fd_count &&
		    is_eventfd(io->fds[found->fd_index]) &&
		    (type != RF_VU_IO_SHADOW ||
		     (io->each == sizeof(*found) && found->shadow_index < (uint32_t)io->fd_count)))
			return true;
	}
	return false;
}

static int doorbell_keep(struct io_fds *io, uint32_t index)
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

static uint32_t width(const struct rf_doorbells *b)
{
	return b->edge ? 2 : 4;
}

/* Queues that have doorbells, and how far on those of queue i are. */
static uint32_t bells(const struct rf_doorbells *b)
{
	return b->queues ? b->queues : 1;
}

static uint64_t bell_on(const struct rf_doorbells *b, uint32_t i)
{
	return (uint64_t)i * b->step;
}

/* Does the server say in a word of this BAR, which is no doorbell, when it sleeps? */
static bool has_sleep_word(const struct rf_doorbells *b, const struct user_peer *p)
{
	bool word = p->sleeps && p->sleep_region == b->bar;

	for (uint32_t i = 0; word && i < bells(b); i++)
		word = !rf_range_meets(p->asleep, 4, b->submit + bell_on(b, i), width(b)) &&
		       !rf_range_meets(p->asleep, 4, b->complete + bell_on(b, i), width(b));
	return word;
}

/* The word may lie beyond the pages: then its own is for the driver to read. */
static bool place_word(struct rf_device *d)
{
	struct rf_doorbells *b = &d->doorbell;
	uint64_t asleep = d->user->peer.asleep, word_page = asleep & ~(uint64_t)(RF_PAGE - 1);

	b->asleep = asleep - b->page;
	if (rf_range_inside(asleep, 4, b->page, b->bytes))
		return true;
	b->asleep = asleep - word_page;
	if (bar_window_ok(d, b->bar, word_page, RF_PAGE))
		b->sleep_fd =
			user_region_fd(&d->user->region[b->bar], word_page, RF_PAGE, &b->sleep_at);
	return b->sleep_fd >= 0;
}

/* Road 1: the pages are memory, and there is a word that says when the server sleeps. */
static bool doorbell_asleep(struct rf_device *d, struct io_fds *io)
{
	struct rf_doorbells *b = &d->doorbell;
	struct rf_vu_io_shadow e;

	if (!find_entry(io, RF_VU_IO_EVENTFD, b->page, b->page + b->bytes, &e))
		return false;
	if (!place_word(d)) {
		b->asleep = ~0ull;
		return false;
	}
	b->mode = RF_DOORBELL_ASLEEP;
	b->fd = user_region_fd(&d->user->region[b->bar], b->page, b->bytes, &b->at);
	b->event = doorbell_keep(io, e.fd_index);
	return true;
}

/* Road 3: memory that shadows the doorbells, and an eventfd after every write. */
static bool doorbell_shadow(struct rf_device *d, struct io_fds *io)
{
	struct rf_doorbells *b = &d->doorbell;
	uint64_t first = b->submit < b->complete ? b->submit : b->complete;
	uint64_t last = (b->submit > b->complete ? b->submit : b->complete) +
			bell_on(b, bells(b) - 1) + width(b);
	uint64_t shadow, at, bytes;
	struct rf_vu_io_shadow e;

	if (!find_entry(io, RF_VU_IO_SHADOW, first, last, &e) || e.fd_index == e.shadow_index ||
	    e.shadow_offset % 4 ||
	    __builtin_add_overflow(e.shadow_offset, first - e.offset, &shadow) ||
	    !rf_range_pages(shadow, last - first, RF_PAGE, &at, &bytes) ||
	    !user_memory(io->fds[e.shadow_index], at, bytes))
		return false;
	b->mode = RF_DOORBELL_SHADOW;
	b->fd = doorbell_keep(io, e.shadow_index);
	b->event = doorbell_keep(io, e.fd_index);
	b->at = at;
	b->bytes = bytes;
	b->regs = shadow - at + (b->submit - first);
	return true;
}

/* Road 4: a page of ours. The main loop passes on what changed in it. */
static int doorbell_proxy(struct rf_device *d)
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
	b->mode = RF_DOORBELL_PROXY;
	b->fd = fd;
	b->at = 0;
	return 0;
}

int user_doorbell(struct rf_device *d)
{
	static const char *const names[] = {
		[RF_DOORBELL_PAGE] = "its page",
		[RF_DOORBELL_ASLEEP] = "its page, and an eventfd while it sleeps",
		[RF_DOORBELL_SHADOW] = "shadow memory and an eventfd",
		[RF_DOORBELL_PROXY] = "this process, which passes them on",
	};
	struct rf_doorbells *b = &d->doorbell;
	const struct user_peer *p = &d->user->peer;
	bool mapped = bar_window_ok(d, b->bar, b->page, b->bytes);
	/* Nobody polls the page of a server that sleeps: what it cannot be told by mode 1
	 * comes as a message. */
	bool polled = mapped && !p->sleeps;
	/* The driver's third fd re-arms INTx already. */
	bool room = !d->irq.intx;
	struct io_fds io;

	/* Only a server that announced what hangs on it is asked for its eventfds: known ones
	 * lose step with a message they do not know. */
	if (room && (mapped ? has_sleep_word(b, p) : p->shadows) &&
	    ask_io_fds(d->user, b->bar, &io)) {
		(void)(mapped ? doorbell_asleep(d, &io) : doorbell_shadow(d, &io));
		close_rest(&io);
	}
	if (b->mode == RF_DOORBELL_NONE && !polled && room && doorbell_proxy(d))
		return -EIO;
	if (d->user->dead)
		return -ENODEV;
	if (b->mode == RF_DOORBELL_NONE && !mapped)
		return 0; /* the caller logs that no mode is left */
	if (b->mode == RF_DOORBELL_NONE && !polled) {
		rf_log("%s: its server sleeps, and with INTx nothing is left to wake it by: "
		       "'interrupt msix'",
		       d->label);
		return -EIO;
	}
	rf_log("%s: doorbells are rung through %s", d->label,
	       names[b->mode == RF_DOORBELL_NONE && mapped ? RF_DOORBELL_PAGE : b->mode]);
	return 0;
}

/* ---- the proxy ------------------------------------------------------------------------ */

/* Empties the eventfd. It may be empty already: a recovery may have emptied it after poll()
 * returned, and a read would block then. */
static bool take_ring(void)
{
	struct pollfd p = { .fd = RF_DEVICE_FD_DEVICE, .events = POLLIN };
	uint64_t count;

	return rf_wait_fds(&p, 1, 0) > 0 &&
	       read(RF_DEVICE_FD_DEVICE, &count, sizeof(count)) == sizeof(count);
}

/* The place, in our page, of the doorbell at this offset of the BAR. */
static volatile void *proxied(struct rf_device *d, uint64_t where)
{
	RF_BUG_ON(!rf_range_inside(where, width(&d->doorbell), d->doorbell.page,
				   d->doorbell.bytes));
	return d->user->proxy + (where - d->doorbell.page);
}

#define NOT_RUNG 0xffffu /* no queue has this number */

static bool shared_by_queues(const struct rf_doorbells *b)
{
	return bells(b) > 1 && !b->step;
}

/* What other queues' drivers rang meanwhile is passed on first: the eventfd is one for all. */
void user_doorbell_clear(struct rf_device *d, uint32_t queue)
{
	const struct rf_doorbells *b = &d->doorbell;
	const uint64_t where[2] = { b->complete + bell_on(b, queue),
				    b->submit + bell_on(b, queue) };

	if (b->mode != RF_DOORBELL_PROXY)
		return;
	user_doorbell_forward(d);
	/* What is in a place that all queues share may be another's. For a virtio device it means
	 * only that it is to look, which does this queue no harm. */
	if (b->edge && shared_by_queues(b))
		return;
	for (int i = 0; i < 2; i++) {
		if (b->edge)
			*(volatile uint16_t *)proxied(d, where[i]) = NOT_RUNG;
		else
			*(volatile uint32_t *)proxied(d, where[i]) = 0;
		d->user->rung[queue][i] = 0;
	}
}

/* Passes on a doorbell whose value is a queue position, if it changed: some servers reject a
 * value that they got before. */
static void forward_level(struct rf_device *d, uint32_t *rung, uint64_t where)
{
	uint32_t value = *(volatile uint32_t *)proxied(d, where);

	if (value == *rung)
		return;
	*rung = value;
	(void)bar_write(d, d->doorbell.bar, where, &value, 4);
}

static bool was_rung(struct rf_device *d, uint64_t where)
{
	return __atomic_exchange_n((volatile uint16_t *)proxied(d, where), NOT_RUNG,
				   __ATOMIC_ACQ_REL) != NOT_RUNG;
}

/* Passes on the doorbells of a virtio interface, which have always the same value and mean only
 * that there is work. What is rung is cleared in the page, so that the next ring is seen. The
 * queue's own number is passed on, whatever was stored. Where both queues share one doorbell, the
 * device looks at both. */
static void forward_edge(struct rf_device *d)
{
	const struct rf_doorbells *b = &d->doorbell;
	const uint64_t where[2] = { b->submit, b->complete };
	bool rung[2] = { was_rung(d, where[0]), where[0] != where[1] && was_rung(d, where[1]) };

	if (where[0] == where[1])
		rung[1] = rung[0] && b->last_queue;
	for (uint16_t i = 0; i < 2; i++) {
		uint16_t queue = i ? (uint16_t)b->last_queue : 0;

		if (rung[i])
			(void)bar_write(d, b->bar, where[i], &queue, 2);
	}
}

/* The same of a device whose queues have a driver each. One that stores a number hides another's
 * where they share a place: the device is told to look at all of them. */
static void forward_edges(struct rf_device *d)
{
	const struct rf_doorbells *b = &d->doorbell;
	bool all = shared_by_queues(b) && was_rung(d, b->submit);

	for (uint32_t i = 0; i < d->queue_count; i++) {
		uint64_t where = b->submit + bell_on(b, i);
		uint16_t queue = (uint16_t)i;

		if (!d->queue[i].down && (all || was_rung(d, where)))
			(void)bar_write(d, b->bar, where, &queue, 2);
	}
}

/*
 * Completions first: the device may need their room for what is submitted. Only doorbells of
 * queues that are used are passed on, whatever else is in the page; and none of a queue that is
 * down, for which it holds what a dead driver left.
 */
void user_doorbell_forward(struct rf_device *d)
{
	const struct rf_doorbells *b = &d->doorbell;

	if (!take_ring())
		return;
	if (b->edge && b->queues)
		return forward_edges(d);
	for (uint32_t i = 0; i < d->queue_count; i++) {
		if (d->queue[i].down)
			continue;
		if (b->edge)
			return forward_edge(d);
		forward_level(d, &d->user->rung[i][0], b->complete + bell_on(b, i));
		forward_level(d, &d->user->rung[i][1], b->submit + bell_on(b, i));
	}
}
