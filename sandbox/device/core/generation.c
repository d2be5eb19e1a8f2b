/* SPDX-License-Identifier: MIT */
/*
 * generation.c - which driver process owns which half, from spawn to death.
 *
 * Room:   sandbox/device/core. Generation g lives in half g & 1. While g runs, g + 1 is
 *         asked for and waits, locked, as standby; when g dies the device is made
 *         quiet (rule 5), its queues are made anew in the other half, and the
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

/* Makes the launcher's page of each half, once, since a locked process has no memfd_create. A
 * page is written again only when the last owner of its half is dead; a launcher copies it
 * before anything else. */
static void specs_make(struct rf_device *d)
{
	for (int half = 0; half < 2; half++) {
		int fd = memfd_create("rf-spec", MFD_CLOEXEC | MFD_ALLOW_SEALING);

		if (fd < 0 || ftruncate(fd, RF_PAGE) ||
		    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL))
			rf_die(RF_EXIT_SYSTEM, "no memory for the launcher's page: %s",
			       strerror(errno));
		d->spec_fd[half] = fd;
		d->spec[half] = map_fd(fd, RF_PAGE, MAP_POPULATE);
	}
}

/* Asks for the process of the next generation, if its half is free. */
void generation_want(struct rf_device *d)
{
	uint32_t generation = d->down ? d->generation + 1 : d->next;
	struct rf_slot *slot = &d->slot[generation & 1];
	struct rf_dev_msg msg = { .type = RF_DEV_WANT, .generation = generation,
				  .device_fd = plan_device_fd(d) };
	struct driver_plan plan;
	int fds[2 + RF_LAUNCH_MAX_FDS];

	d->want_ns = 0;
	d->unsent.want = false;
	if (d->given_up || d->stopping || slot->state != SLOT_EMPTY ||
	    (!d->down && d->cfg.flags & RF_DEVICE_NO_STANDBY))
		return;
	plan_make(d, &plan, generation);
	plan_boot(d, generation);
	/* The last owner of this half is dead, and the device was made quiet since. */
	memset((char *)d->queues + (generation & 1) * d->cfg.queue_bytes, 0, d->cfg.queue_bytes);
	*d->spec[generation & 1] = plan.spec;
	fds[0] = d->spec_fd[generation & 1];
	int count = 1 + (int)plan.spec.fd_count;
	memcpy(fds + 1, plan.fds, sizeof(plan.fds));
	if (msg.device_fd == RF_WANT_LAST_FD)
		fds[count++] = d->doorbell.event;
	if (notify_want(d, &msg, fds, count))
		*slot = (struct rf_slot){ .state = SLOT_WANTED,
					  .generation = generation,
					  .pidfd = -1 };
}

void generation_driver(struct rf_device *d, uint32_t generation, int pidfd)
{
	struct rf_slot *slot = &d->slot[generation & 1];

	if (slot->state != SLOT_WANTED || slot->generation != generation) {
		close(pidfd);
		return;
	}
	*slot = (struct rf_slot){ .state = SLOT_STANDBY, .generation = generation, .pidfd = pidfd,
				  .spawned_ns = rf_now_ns() };
	generation_start(d);
}

/* ---- start ------------------------------------------------------------------------ */

static void let_go(struct rf_device *d, struct rf_slot *slot)
{
	unsigned half = slot->generation & 1;

	slot->state = SLOT_RUNNING;
	d->generation = slot->generation;
	d->next = slot->generation + 1;
	d->stats->generation = slot->generation;
	atomic_store(&d->boot[half]->go, slot->generation);
	/* An eventfd that a device server has filled wakes the driver as well. */
	(void)rf_bounded_kick(half ? RF_DEVICE_FD_WAKE1 : RF_DEVICE_FD_WAKE0);
	link_forget(d);
	storm_forget(d);
	notify_export(d, RF_SVC_UP, slot->generation, half, 0);
	notify_supervisor(d, RF_DEV_UP, slot->generation, 0);
}

static void log_recovery(struct rf_device *d, const struct rf_slot *slot)
{
	struct rf_recovery_device *r = &d->stats->log[d->recovery.generation % RF_STATS_LOG];

	d->recovery.spawned_ns = slot->spawned_ns;
	d->recovery.enabled_ns = rf_now_ns();
	*r = d->recovery;
	d->stats->recoveries = d->stats->recoveries + 1;
}

/* Could a reset lose writes that were acknowledged? */
static bool has_cache(const struct rf_device *d)
{
	return d->cfg.service == RF_SERVICE_BLOCK && d->info.features & RF_BLK_HAS_FLUSH;
}

/* Counts a possible loss before the export is told: if the export dies meanwhile, its successor
 * sees the count. */
static void notify_quiesced(struct rf_device *d, uint32_t generation, bool lost)
{
	lost = lost && has_cache(d);
	if (lost)
		d->stats->losses++;
	notify_export(d, RF_SVC_QUIESCED, generation, 0, lost);
}

/* Without an admin plane the driver enables the device itself, once bus mastering is on and its
 * half has the interrupt. */
static int enable_by_driver(struct rf_device *d, unsigned half)
{
	int err = d->backend ? config_bus_master(d, true) : 0;

	return err ? err : d->backend && irq_vector(d, half) < 0 ? -EIO : 0;
}

/* May the device have reset itself? Where a driver enables the device itself, only that driver
 * knows its state: if it stopped answering, the device may have. */
static bool may_have_changed(struct rf_device *d)
{
	if (!has_cache(d))
		return false;
	return left_changed(d) || (!d->admin_ops && d->kill_requested == d->generation &&
				   d->kill_reason == RF_KILL_STALLED);
}

/* Resets the device as far as it takes, and tells the export that it is quiet. -EIO: it cannot be,
 * or is gone. */
static int reset(struct rf_device *d)
{
	bool changed = may_have_changed(d);
	int method = device_quiesce(d);

	/* A soft reset was confirmed by a register, so the device is there; after a harder one
	 * it is looked for. */
	if (method < 0 || (method > RF_RESET_SOFT && d->admin_ops && !d->admin_ops->present(d)) ||
	    irq_back(d))
		return -EIO;
	d->recovery.method = (uint32_t)method;
	d->recovery.quiesced_ns = rf_now_ns();
	/* After a reset of the device's own its empty registers prove nothing. */
	left_as(d, method == RF_RESET_SOFT && !changed ? RF_LEFT_QUIET : RF_LEFT_UNKNOWN);
	if (d->left == RF_LEFT_QUIET && d->admin_ops && d->admin_ops->mark)
		d->admin_ops->mark(d);
	bool lost = changed || method > RF_RESET_SOFT || d->cfg.flags & RF_DEVICE_CACHE_LOST;
	notify_quiesced(d, d->recovery.generation, lost);
	return 0;
}

static int enable(struct rf_device *d, unsigned half)
{
	if (d->backend && d->backend->doorbell_clear)
		d->backend->doorbell_clear(d);
	/* That the device makes a queue says, too, that it has not reset itself since. */
	if (d->left == RF_LEFT_IDLE) {
		int made = d->admin_ops->queue_make(d, 0, half);

		if (!made)
			left_as(d, RF_LEFT_ENABLED);
		if (!made || made == -ESTALE || reset(d))
			return made;
	}
	/* The device may have been quiet for long, and have reset itself meanwhile. */
	if (has_cache(d) && left_changed(d))
		notify_quiesced(d, d->recovery.generation, true);
	left_as(d, RF_LEFT_UNKNOWN);
	int err = d->admin_ops ? d->admin_ops->enable(d, half) : enable_by_driver(d, half);
	if (!err)
		left_as(d, RF_LEFT_ENABLED);
	return err;
}

/* Starts the driver, once the device is quiet, a process is there and the export knows the disk. */
void generation_start(struct rf_device *d)
{
	uint32_t generation = d->down ? d->generation + 1 : d->next;
	struct rf_slot *slot = &d->slot[generation & 1];

	if (d->given_up || d->stopping || !d->down)
		return;
	if (slot->state != SLOT_STANDBY || slot->generation != generation)
		return generation_want(d);
	if (!d->ready) {
		unsigned half = generation & 1;
		/* Wake-ups left over from the last driver of this half are read at the gate. */
		if (enable(d, half))
			return generation_gone(d, RF_EXIT_DEVICE);
		d->ready = true;
	}
	/* The driver runs when its ring is ready and its predecessor dead. Mostly both are so by
	 * now: export and kernel worked while the device was reset. */
	if (d->await_export || d->slot[d->generation & 1].state == SLOT_ENDING)
		return;
	if (d->recovery.generation)
		log_recovery(d, slot);
	d->down = false;
	let_go(d, slot);
	/* The next standby is asked for after a delay, since its start would compete with this
	 * driver's first requests. The delay grows with the time this recovery took: a machine
	 * that recovers in a fraction of a millisecond may see the next death before a fixed
	 * delay is over. */
	uint64_t delay = 4 * (rf_now_ns() - d->recovery.detect_ns);
	d->want_ns =
		rf_now_ns() +
		(d->recovery.generation && delay < STANDBY_DELAY_NS ? delay : STANDBY_DELAY_NS);
}

static void notify_down(struct rf_device *d)
{
	d->await_export = true;
	notify_export(d, RF_SVC_DOWN, d->generation, (d->generation + 1) & 1, 0);
}

/* ---- death -------------------------------------------------------------------------- */

/* Takes the dead driver's queues from the device, which keeps its cache then, or resets it. */
static void quiet(struct rf_device *d)
{
	int method = device_drop_queue(d, 0);

	if (method < 0) {
		if (reset(d))
			generation_gone(d, RF_EXIT_DEVICE);
		return;
	}
	d->recovery.method = (uint32_t)method;
	d->recovery.quiesced_ns = rf_now_ns();
	left_as(d, RF_LEFT_IDLE);
	notify_quiesced(d, d->recovery.generation, false);
}

void generation_prepared(struct rf_device *d, uint32_t generation)
{
	if (!d->await_export || generation != d->generation + 1)
		return;
	d->await_export = false;
	generation_start(d);
}

/* Begins a recovery: the driver executes nothing more. */
static void generation_recover(struct rf_device *d, uint32_t generation, uint64_t ended_ns)
{
	d->stats->ended_ns[generation % RF_STATS_LOG] = ended_ns;
	d->down = true;
	d->downs++;
	d->ready = false;
	d->recovery =
		(struct rf_recovery_device){ .generation = generation, .detect_ns = rf_now_ns() };
	/* The export prepares the other half's ring while the device is made quiet; the
	 * successor does not run before let_go(). */
	notify_down(d);
	notify_supervisor(d, RF_DEV_DOWN, generation, 0);
	generation_want(d); /* without a standby: spawned while the device is reset */
	quiet(d);
	if (!d->given_up)
		generation_start(d);
}

/*
 * The driver is at its last stop: its one thread never returns to user mode, so from here on it
 * writes no register, doorbell or ring. The kernel takes its memory down while the device is made
 * quiet. Its half is not used again, and its successor does not run, before the driver is dead.
 */
void generation_ending(struct rf_device *d, uint32_t generation, uint64_t ended_ns)
{
	struct rf_slot *slot = &d->slot[generation & 1];

	if (slot->state != SLOT_RUNNING || slot->generation != generation || d->stopping)
		return;
	slot->state = SLOT_ENDING;
	generation_recover(d, generation, ended_ns);
}

void generation_died(struct rf_device *d, unsigned half)
{
	struct rf_slot *slot = &d->slot[half];
	enum slot_state state = slot->state;
	uint32_t generation = slot->generation;

	close(slot->pidfd);
	*slot = (struct rf_slot){ .pidfd = -1 };
	if (d->stopping)
		return;
	if (state == SLOT_RUNNING)
		return generation_recover(d, generation, 0);
	generation_start(d);
	if (state == SLOT_STANDBY)
		generation_want(d); /* just another one */
}

/* A new export learns of the disk. The driver is replaced too, since its ring holds requests of
 * the dead export. */
void generation_export(struct rf_device *d)
{
	d->export_knows = true;
	notify_export(d, RF_SVC_INFO, d->generation, 0, 0);
	if (d->given_up)
		return notify_export(d, RF_SVC_GONE, d->generation, 0, 0);
	if (d->down)
		return notify_down(d);
	generation_request_kill(d, RF_KILL_HANDOVER);
}

/*
 * This process follows a device process that died. Its drivers are dead and reaped, and opening the
 * device anew has reset it by whatever method the back end has, so its cache may be lost. The
 * export is told of one more death, and keeps all that is in flight. Messages that the export
 * sent to our predecessor still lie in the socket, under generations that are over.
 */
void generation_revived(struct rf_device *d)
{
	notify_down(d);
	notify_quiesced(d, d->generation, d->backend != NULL);
}

void generation_gone(struct rf_device *d, int code)
{
	d->given_up = true;
	/* The device server may come back: this process ends, the supervisor starts a successor,
	 * and clients see latency instead of errors. */
	if (code && d->user)
		_exit(code);
	notify_export(d, RF_SVC_GONE, d->generation, 0, 0);
	d->failed = code;
	if (code)
		notify_supervisor(d, RF_DEV_FAILED, d->generation, (uint32_t)code);
}

/* ---- the supervisor ------------------------------------------------------------------- */

void generation_request_kill(struct rf_device *d, enum rf_kill why)
{
	if (d->kill_requested == d->generation)
		return; /* the supervisor was asked already */
	d->kill_requested = d->generation;
	d->kill_reason = why;
	notify_supervisor(d, RF_DEV_KILL, d->generation, why);
}

void generation_look(struct rf_device *d)
{
	if (d->kill_requested != d->generation && left_changed(d))
		generation_request_kill(d, RF_KILL_STALLED);
}

/* Answers a new supervisor. It has sent the pidfds of all processes that were spawned for us
 * before its question. */
void generation_adopted(struct rf_device *d, uint32_t asked)
{
	bool wanted = false;

	if (d->refused)
		_exit(RF_EXIT_OTHER_DISK); /* this supervisor has one look for itself */
	notify_discard(d);
	notify_supervisor(d, RF_DEV_ADOPTED, d->down ? 0 : d->generation, asked);
	if (d->failed)
		notify_supervisor(d, RF_DEV_FAILED, d->generation, (uint32_t)d->failed);
	if (!d->down && d->kill_requested == d->generation)
		notify_supervisor(d, RF_DEV_KILL, d->generation, d->kill_reason);
	for (int half = 0; half < 2; half++) {
		if (d->slot[half].state != SLOT_WANTED)
			continue;
		d->slot[half].state = SLOT_EMPTY;
		wanted = true;
	}
	if (wanted)
		generation_want(d);
}

/* ---- first start --------------------------------------------------------------------- */

int generation_open(struct rf_device *d)
{
	char *stats = map_fd(RF_DEVICE_FD_STATS, RF_STATS_BYTES, 0);

	d->data = map_fd(RF_DEVICE_FD_DATA, d->cfg.arena_bytes, MAP_POPULATE);
	d->queues = map_fd(RF_DEVICE_FD_QUEUES, 2 * d->cfg.queue_bytes, MAP_POPULATE);
	d->admin = map_fd(RF_DEVICE_FD_ADMIN, RF_ADMIN_BYTES, MAP_POPULATE);
	d->stats = (void *)(stats + RF_STATS_DEVICE);
	specs_make(d);
	char *boot = map_fd(RF_DEVICE_FD_BOOT, 2 * RF_PAGE, MAP_POPULATE);
	for (int half = 0; half < 2; half++) {
		d->boot[half] = (void *)(boot + half * RF_PAGE);
		d->slot[half].pidfd = -1;
	}
	/* Before the first driver there is a generation 0 that never ran: the device is
	 * "down" and quiet, so starting is recovering. */
	d->down = true;
	d->generation = d->cfg.revived;
	d->next = d->generation + 1;
	return 0;
}
