/* SPDX-License-Identifier: MIT */
/*
 * generation.c - which driver process of a queue owns which half, from spawn to death.
 *
 * Room:   sandbox/device/core. A driver's number says which queue and half are its own
 *         (driver_number.h). While it runs, its successor is asked for and waits, locked, as
 *         standby; when it dies the device is made quiet (rule 5), for this queue alone where
 *         that is possible (recovery.c), the queue is made anew in the other half, and the
 *         standby is let go by the boot record's `go`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bounded.h"
#include "clock.h"
#include "device.h"
#include "device_msg.h"
#include "driver_number.h"
#include "export.h"
#include "log.h"

/* The longest delay of the next standby after a driver's start. */
#define STANDBY_DELAY_NS 15000000u

/* ---- spawn ------------------------------------------------------------------------ */

static void *map_fd(int fd, uint64_t bytes, int flags)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | flags, fd, 0);

	if (p == MAP_FAILED)
		rf_die(RF_EXIT_SYSTEM, "cannot map fd %d: %s", fd, strerror(errno));
	return p;
}

static struct rf_slot *own_slot(struct rf_device *d, struct rf_queue *q, uint32_t generation)
{
	return &q->slot[driver_half(d, generation)];
}

/* The driver that is to run next. */
static uint32_t generation_next(const struct rf_device *d, const struct rf_queue *q)
{
	return q->down ? rf_number_next(q->generation, d->cfg.queues) : q->next;
}

/* Makes the launcher's page of a half, once, since a locked process has no memfd_create. A
 * page is written again only when the last owner of its half is dead; a launcher copies it
 * before anything else. */
static void spec_make(struct rf_queue *q, unsigned half)
{
	int fd = memfd_create("rf-spec", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, RF_PAGE) ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
		rf_die(RF_EXIT_SYSTEM, "no memory for the launcher's page: %s", strerror(errno));
	q->spec_fd[half] = fd;
	q->spec[half] = map_fd(fd, RF_PAGE, MAP_POPULATE);
}

/* Is it time for that process, and its half free? */
static bool want_allowed(const struct rf_device *d, const struct rf_queue *q,
			 const struct rf_slot *s)
{
	return !d->given_up && !d->stopping && s->state == SLOT_EMPTY &&
	       (q->down || !(d->cfg.flags & RF_DEVICE_NO_STANDBY));
}

/* Asks for the process of the next generation, if its half is free. */
void generation_want(struct rf_device *d, struct rf_queue *q)
{
	uint32_t generation = generation_next(d, q);
	unsigned half = driver_half(d, generation);
	struct rf_dev_msg msg = { .type = RF_DEV_WANT, .generation = generation,
				  .device_fd = plan_device_fd(d) };
	struct driver_plan plan;
	int fds[2 + RF_LAUNCH_MAX_FDS];

	q->want_ns = 0;
	q->want_unsent = false;
	if (!want_allowed(d, q, &q->slot[half]))
		return;
	plan_make(d, q, &plan, generation);
	plan_boot(d, q, generation);
	/* The last owner of this half is dead, and the device was made quiet since. */
	memset((char *)d->queues + queue_memory_at(d, q->index, half), 0, d->cfg.queue_bytes);
	*q->spec[half] = plan.spec;
	fds[0] = q->spec_fd[half];
	int count = 1 + (int)plan.spec.fd_count;
	memcpy(fds + 1, plan.fds, sizeof(plan.fds));
	if (msg.device_fd == RF_WANT_LAST_FD)
		fds[count++] = d->doorbell.event;
	if (notify_want(d, q, &msg, fds, count))
		q->slot[half] = (struct rf_slot){ .state = SLOT_WANTED,
						  .generation = generation,
						  .pidfd = -1 };
}

void generation_driver(struct rf_device *d, uint32_t generation, int pidfd)
{
	struct rf_queue *q = driver_queue(d, generation);
	struct rf_slot *slot = q ? own_slot(d, q, generation) : NULL;

	if (!slot || slot->state != SLOT_WANTED || slot->generation != generation) {
		close(pidfd);
		return;
	}
	*slot = (struct rf_slot){ .state = SLOT_STANDBY, .generation = generation, .pidfd = pidfd,
				  .spawned_ns = rf_now_ns() };
	generation_start(d, q);
}

/* ---- start ------------------------------------------------------------------------ */

static void let_go(struct rf_device *d, struct rf_queue *q, struct rf_slot *slot)
{
	unsigned half = driver_half(d, slot->generation);

	slot->state = SLOT_RUNNING;
	q->generation = slot->generation;
	q->next = rf_number_next(slot->generation, d->cfg.queues);
	d->stats->up[q->index] = slot->generation;
	if (!q->index)
		d->stats->generation = slot->generation;
	atomic_store(&q->boot[half]->go, slot->generation);
	/* An eventfd that a device server has filled wakes the driver as well. */
	(void)rf_bounded_kick(rf_device_wake(q->index, half));
	link_forget(d);
	storm_forget(d);
	notify_export(d, RF_SVC_UP, slot->generation, half, 0);
	notify_supervisor(d, RF_DEV_UP, slot->generation, 0);
}

static void log_recovery(struct rf_device *d, struct rf_queue *q, const struct rf_slot *slot)
{
	struct rf_recovery_device *r = &d->stats->log[q->recovery.generation % RF_STATS_LOG];

	q->recovery.spawned_ns = slot->spawned_ns;
	q->recovery.enabled_ns = rf_now_ns();
	*r = q->recovery;
	d->stats->recoveries = d->stats->recoveries + 1;
}

/* The next standby is asked for after a delay, since its start would compete with this driver's
 * first requests. The delay grows with the time this recovery took: a machine that recovers in a
 * fraction of a millisecond may see the next death before a fixed delay is over. */
static void want_later(struct rf_queue *q)
{
	uint64_t delay = 4 * (rf_now_ns() - q->recovery.detect_ns);

	q->want_ns =
		rf_now_ns() +
		(q->recovery.generation && delay < STANDBY_DELAY_NS ? delay : STANDBY_DELAY_NS);
}

/* Starts the driver, once the device is quiet, a process is there and the export knows the disk. */
void generation_start(struct rf_device *d, struct rf_queue *q)
{
	uint32_t generation = generation_next(d, q);
	struct rf_slot *slot = own_slot(d, q, generation);

	if (d->given_up || d->stopping || !q->down)
		return;
	if (slot->state != SLOT_STANDBY || slot->generation != generation)
		return generation_want(d, q);
	if (!q->quiet)
		return;
	if (!q->ready) {
		/* Wake-ups left over from the last driver of this half are read at the gate. */
		enum rf_enabled now = recovery_enable(d, q, driver_half(d, generation));

		if (now == RF_ENABLED_AGAIN)
			return generation_start_all(d);
		if (now == RF_ENABLED_NOT)
			return;
		q->ready = true;
	}
	/* The driver runs when its ring is ready and its predecessor dead. Mostly both are so by
	 * now: export and kernel worked while the device was reset. */
	if (q->await_export || own_slot(d, q, q->generation)->state == SLOT_ENDING)
		return;
	if (q->recovery.generation)
		log_recovery(d, q, slot);
	q->down = false;
	let_go(d, q, slot);
	recovery_up(d);
	want_later(q);
}

void generation_start_all(struct rf_device *d)
{
	for (uint32_t i = 0; i < d->queue_count; i++)
		generation_start(d, &d->queue[i]);
}

/* ---- death -------------------------------------------------------------------------- */

void generation_prepared(struct rf_device *d, uint32_t generation)
{
	struct rf_queue *q = driver_queue(d, generation);

	if (!q || !q->await_export ||
	    generation != rf_number_next(q->generation, d->cfg.queues))
		return;
	q->await_export = false;
	generation_start(d, q);
}

/* Begins a recovery: the driver executes nothing more. */
static void generation_recover(struct rf_device *d, struct rf_queue *q, uint64_t ended_ns)
{
	d->stats->ended_ns[q->generation % RF_STATS_LOG] = ended_ns;
	q->down = true;
	q->downs++;
	q->quiet = q->ready = false;
	q->recovery = (struct rf_recovery_device){ .generation = q->generation,
						   .detect_ns = rf_now_ns() };
	/* The export prepares the other half's ring while the device is made quiet; the
	 * successor does not run before let_go(). */
	queue_notify_down(d, q);
	notify_supervisor(d, RF_DEV_DOWN, q->generation, 0);
	generation_want(d, q); /* without a standby: spawned while the device is reset */
	if (recovery_quiet(d, q))
		generation_start_all(d);
	else
		generation_start(d, q);
}

/*
 * The driver is at its last stop: its one thread never returns to user mode, so from here on it
 * writes no register, doorbell or ring. The kernel takes its memory down while the device is made
 * quiet. Its half is not used again, and its successor does not run, before the driver is dead.
 */
void generation_ending(struct rf_device *d, uint32_t generation, uint64_t ended_ns)
{
	struct rf_queue *q = driver_queue(d, generation);
	struct rf_slot *slot = q ? own_slot(d, q, generation) : NULL;

	if (!slot || slot->state != SLOT_RUNNING || slot->generation != generation || d->stopping)
		return;
	slot->state = SLOT_ENDING;
	generation_recover(d, q, ended_ns);
}

void generation_died(struct rf_device *d, struct rf_queue *q, unsigned half)
{
	struct rf_slot *slot = &q->slot[half];
	enum slot_state state = slot->state;

	close(slot->pidfd);
	*slot = (struct rf_slot){ .pidfd = -1 };
	if (d->stopping)
		return;
	if (state == SLOT_RUNNING)
		return generation_recover(d, q, 0);
	generation_start(d, q);
	if (state == SLOT_STANDBY)
		generation_want(d, q); /* just another one */
}

/* ---- the supervisor ------------------------------------------------------------------- */

static void adopted_queue(struct rf_device *d, struct rf_queue *q)
{
	bool wanted = false;

	if (!q->down && q->kill_requested == q->generation)
		notify_supervisor(d, RF_DEV_KILL, q->generation, q->kill_reason);
	for (int half = 0; half < 2; half++) {
		if (q->slot[half].state != SLOT_WANTED)
			continue;
		q->slot[half].state = SLOT_EMPTY;
		wanted = true;
	}
	if (wanted)
		generation_want(d, q);
}

/* Answers a new supervisor. It has sent the pidfds of all processes that were spawned for us
 * before its question. */
void generation_adopted(struct rf_device *d, uint32_t asked)
{
	if (d->refused)
		_exit(RF_EXIT_OTHER_DISK); /* this supervisor has one look for itself */
	notify_discard(d);
	notify_supervisor(d, RF_DEV_ADOPTED, 0, asked);
	if (d->failed)
		notify_supervisor(d, RF_DEV_FAILED, 0, (uint32_t)d->failed);
	for (uint32_t i = 0; i < d->queue_count; i++)
		adopted_queue(d, &d->queue[i]);
}

/* ---- first start --------------------------------------------------------------------- */

static void queue_begin(struct rf_device *d, uint32_t i, char *boots)
{
	struct rf_queue *q = &d->queue[i];

	q->index = i;
	for (unsigned half = 0; half < 2; half++) {
		q->boot[half] = (void *)(boots + (half * d->cfg.queues + i) * RF_PAGE);
		q->slot[half].pidfd = -1;
		spec_make(q, half);
	}
	/* Before the first driver there is a generation that never ran: the device is "down" and
	 * quiet, so starting is recovering. */
	q->down = q->quiet = true;
	q->generation = rf_number_after(d->cfg.revived, i, d->cfg.queues);
	q->next = rf_number_next(q->generation, d->cfg.queues);
}

void generation_open(struct rf_device *d)
{
	char *stats = map_fd(RF_DEVICE_FD_STATS, RF_STATS_BYTES, 0);

	d->data = map_fd(RF_DEVICE_FD_DATA, d->cfg.arena_bytes, MAP_POPULATE);
	d->queues = map_fd(RF_DEVICE_FD_QUEUES, rf_queue_memory(&d->cfg), MAP_POPULATE);
	d->admin = map_fd(RF_DEVICE_FD_ADMIN, RF_ADMIN_BYTES, MAP_POPULATE);
	d->stats = (void *)(stats + RF_STATS_DEVICE);
	char *boots = map_fd(RF_DEVICE_FD_BOOT, 2ull * d->cfg.queues * RF_PAGE, MAP_POPULATE);
	for (uint32_t i = 0; i < d->cfg.queues; i++)
		queue_begin(d, i, boots);
}
