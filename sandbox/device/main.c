/* SPDX-License-Identifier: MIT */
/*
 * main.c - the device process: brings the device up, locks itself, then waits for
 * drivers to die and for its two masters to speak.
 *
 * Room:   sandbox/device. Started with the fds of enum rf_device_fd and nothing else.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "device.h"
#include "device_msg.h"
#include "export.h"
#include "fence.h"
#include "filter.h"
#include "filters.h"
#include "log.h"
#include "memory_lock.h"
#include "packet.h"
#include "wait.h"

static void device_lock(const struct rf_device *d)
{
	const char *name = d->backend ? d->backend->list : "device";
	const struct rf_filter *f = rf_filters;

	while (strcmp(f->name, name))
		f++;
	rf_fence_apply(RF_FENCE_WALLS);
	int err = rf_filter_set(f->code, f->count);
	if (err)
		rf_die(RF_EXIT_SYSTEM, "cannot lock itself: %s", strerror(-err));
}

/*
 * Takes a real-time policy where the supervisor allowed one (rf_keep_spawn.realtime): from here on
 * this process sleeps until a recovery, and works for some hundred microseconds then. Without it a
 * recovery takes longer on a busy machine.
 */
static void realtime(void)
{
	struct sched_param p = { .sched_priority = 1 };

	(void)!syscall(SYS_sched_setscheduler, 0, SCHED_RR | SCHED_RESET_ON_FORK, &p);
}

static void device_read_config(struct rf_device *d)
{
	if (pread(RF_DEVICE_FD_CONFIG, &d->cfg, sizeof(d->cfg), 0) != sizeof(d->cfg))
		rf_die(RF_EXIT_BUG, "its configuration is not there");
	RF_BUG_ON(!d->cfg.queues || d->cfg.queues > RF_MAX_QUEUES ||
		  d->cfg.window_count > RF_MAX_WINDOWS ||
		  d->cfg.step_count > RF_MAX_STEPS || d->cfg.backend > RF_BACKEND_VFIO_USER ||
		  d->cfg.admin >= RF_ADMINS);
	for (uint32_t i = 0; i < d->cfg.step_count; i++)
		RF_BUG_ON(d->cfg.step[i].bar > 5);
	d->queue_count = d->cfg.queues;
}

static const struct rf_backend_ops *const backends[] = {
	[RF_BACKEND_VFIO] = &rf_backend_vfio,
	[RF_BACKEND_VFIO_USER] = &rf_backend_vfio_user,
};

/* Connects before anything else that takes time: a device server does not wait long for a client
 * that sends nothing. */
static void connect_device(struct rf_device *d)
{
	int err;

	d->vfio = d->error_event = d->gone_event = d->doorbell.event = -1;
	d->label = d->cfg.backend == RF_BACKEND_VFIO ? d->cfg.pci : d->cfg.name;
	d->backend = backends[d->cfg.backend];
	if (!d->backend)
		return;
	if ((err = d->backend->open(d)) || (err = config_match(d)))
		_exit(err);
	quirks_look(d);
	if (d->cfg.backend == RF_BACKEND_VFIO && (err = config_fenced(d)))
		_exit(err);
	config_find_msix(d);
}

static int open_backend(struct rf_device *d)
{
	int err;

	if (config_bus_master(d, true)) {
		rf_log("%s: cannot make it bus master", d->label);
		return RF_EXIT_DEVICE;
	}
	if ((err = dma_map_all(d)))
		return err;
	for (uint32_t i = 0; i < d->cfg.window_count; i++) {
		const struct rf_reg_window *w = &d->cfg.window[i];
		if (bar_window_ok(d, w->bar, w->offset, w->bytes))
			continue;
		rf_log("%s: BAR %u has no %#llx bytes at %#llx a driver may map", d->label, w->bar,
		       (unsigned long long)w->bytes, (unsigned long long)w->offset);
		return RF_EXIT_DEVICE;
	}
	return irq_open(d);
}

static const struct rf_admin_ops *const controls[RF_ADMINS] = {
	[RF_ADMIN_NVME] = &rf_admin_nvme,
	[RF_ADMIN_E1000E] = &rf_admin_e1000e,
	[RF_ADMIN_IGB] = &rf_admin_igb,
	[RF_ADMIN_VIRTIO_NET] = &rf_admin_virtio_net,
	[RF_ADMIN_VIRTIO_BLK] = &rf_admin_virtio_blk,
};

/* No admin plane: the disk or the interface as the policy states it. */
static void describe_by_policy(struct rf_device *d)
{
	if (d->cfg.service == RF_SERVICE_NET) {
		d->net = d->cfg.net;
		return;
	}
	d->info = d->cfg.blk;
	d->info.max_transfer = 1u << 20;
	d->info.max_discard = 1u << 30;
	d->info.features = RF_BLK_HAS_FLUSH | RF_BLK_HAS_DISCARD | RF_BLK_HAS_ZERO | RF_BLK_HAS_FUA;
	if (d->cfg.flags & RF_DEVICE_READ_ONLY)
		d->info.features |= RF_BLK_READ_ONLY;
}

/* What the device grants is known: are these enough queues? */
static void settle_queues(struct rf_device *d)
{
	if (!d->admin_ops || !d->admin_ops->queue_make)
		d->queue_count = 1;
	if (d->queue_count >= d->cfg.queues_least)
		return;
	rf_log("%s: its configuration demands %u queues: ask for fewer, or leave out 'demand'",
	       d->label, d->cfg.queues_least);
	_exit(RF_EXIT_DEVICE);
}

/* Brings the device up. An admin plane resets the device first. A device without one is reset
 * here, since opening does not reset every device: it may still be doing what a predecessor told
 * it. */
static void open_device(struct rf_device *d)
{
	int err = 0;

	if (d->backend && (err = open_backend(d)))
		_exit(err);
	d->admin_ops = controls[d->cfg.admin];
	err = d->admin_ops ? d->admin_ops->identify(d) : device_quiesce(d);
	if (err < 0)
		_exit(RF_EXIT_DEVICE);
	if (!d->admin_ops)
		describe_by_policy(d);
	settle_queues(d);
	left_note_header(d);
	identity_complete(d);
}

/* Answers a ping of the supervisor, and passes it on to the export. */
static void pong(struct rf_device *d, uint32_t value)
{
	d->stats->pong = value;
	notify_export(d, RF_SVC_PING, d->queue[0].generation, 0, value);
	rf_log_catch_up();
}

/* Takes one message. False: there is none. */
static bool on_supervisor(struct rf_device *d)
{
	struct rf_dev_msg msg;
	int fds[RF_PACKET_FDS], count;
	int n = rf_packet_recv(RF_DEVICE_FD_SUPERVISOR, &msg, sizeof(msg), fds, &count,
			       MSG_DONTWAIT);

	if (n == -EAGAIN)
		return false;
	if (n != sizeof(msg))
		_exit(RF_EXIT_SYSTEM); /* the supervisor is gone, so this process ends */
	if (msg.type == RF_DEV_DRIVER && count == 1) {
		generation_driver(d, msg.generation, fds[0]);
		return true;
	}
	if (msg.type == RF_DEV_EXPORT && count == 1) {
		close(d->service);
		d->service = fds[0];
		recovery_export(d);
		return true;
	}
	if (msg.type == RF_DEV_ADOPT)
		generation_adopted(d, msg.value);
	else if (msg.type == RF_DEV_ENDING)
		generation_ending(d, msg.generation, msg.at_ns);
	else if (msg.type == RF_DEV_GIVE_UP)
		recovery_gone(d, 0);
	else if (msg.type == RF_DEV_STOP)
		d->stopping = true;
	else if (msg.type == RF_DEV_PING)
		pong(d, msg.value);
	rf_close_all(fds, count);
	return true;
}

/* Passes on that a driver does not react: whether it hangs, only the supervisor can see in
 * /proc. */
static void pass_on(struct rf_device *d, const struct rf_svc_msg *msg)
{
	struct rf_dev_msg on = { .type = RF_DEV_UNRESPONSIVE, .generation = msg->generation,
				 .value = msg->value, .at_ns = msg->at_ns };

	notify_unresponsive(d, &on);
}

static void on_export(struct rf_device *d)
{
	struct rf_svc_msg msg;
	int fds[RF_PACKET_FDS], count;
	int n = rf_packet_recv(d->service, &msg, sizeof(msg), fds, &count, MSG_DONTWAIT);

	rf_close_all(fds, count);
	if (n == sizeof(msg) && msg.type == RF_SVC_PREPARED)
		return generation_prepared(d, msg.generation);
	struct rf_queue *q = n == sizeof(msg) ? driver_queue(d, msg.generation) : NULL;
	if (!q || q->down || msg.generation != q->generation)
		return; /* about a driver that is dead already */
	if (msg.type == RF_SVC_UNRESPONSIVE)
		return pass_on(d, &msg);
	if (msg.type == RF_SVC_LOOK)
		return recovery_look(d);
	if (msg.type == RF_SVC_PROTO_ERROR || msg.type == RF_SVC_STALL)
		queue_request_kill(d, q, msg.type == RF_SVC_STALL ? RF_KILL_STALLED :
					msg.value == RF_BAD_WAKE ? RF_KILL_STORM : RF_KILL_PROTO);
}

static bool drivers_left(const struct rf_device *d)
{
	for (uint32_t i = 0; i < d->queue_count; i++)
		if (d->queue[i].slot[0].pidfd >= 0 || d->queue[i].slot[1].pidfd >= 0)
			return true;
	return false;
}

/* 0: never. */
static uint64_t sooner(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Milliseconds until the next standby, or look at link or interrupts, is due. */
static int device_wait_time(const struct rf_device *d)
{
	uint64_t now = rf_now_ns(), due = sooner(link_next_ns(d), storm_next_ns(d));

	for (uint32_t i = 0; i < d->queue_count; i++)
		due = sooner(due, d->queue[i].want_ns);
	if (!due)
		return -1;
	return due <= now ? 0 : (int)((due - now) / 1000000 + 1);
}

static void gone(struct rf_device *d)
{
	recovery_gone(d, RF_EXIT_DEVICE);
	_exit(RF_EXIT_DEVICE);
}

/* What device_turn() waits for, in this order; then the drivers, a queue after the other, and
 * then what the back end has. */
enum { P_SUPERVISOR, P_EXPORT, P_GONE, P_ERROR, P_DRIVERS };
#define P_MOST (P_DRIVERS + 2 * RF_MAX_QUEUES + RF_BACKEND_FDS)

/* Returns where those of the back end begin. */
static unsigned poll_drivers(const struct rf_device *d, struct pollfd *p)
{
	unsigned n = P_DRIVERS;

	for (uint32_t i = 0; i < d->queue_count; i++)
		for (unsigned half = 0; half < 2; half++)
			p[n++] = (struct pollfd){ .fd = d->queue[i].slot[half].pidfd,
						  .events = POLLIN };
	return n;
}

/* A driver the supervisor spoke of just now is not the one that poll() saw. */
static void drivers_died(struct rf_device *d, const struct pollfd *p)
{
	for (uint32_t i = 0; i < d->queue_count; i++)
		for (unsigned half = 0; half < 2; half++, p++)
			if (p->revents && d->queue[i].slot[half].pidfd == p->fd)
				generation_died(d, &d->queue[i], half);
}

static bool any_came(const struct pollfd *p, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (p[i].revents)
			return true;
	return false;
}

/* Asks for standbys whose time has come, or all that the supervisor had no room for. */
static void want_now(struct rf_device *d, bool room)
{
	for (uint32_t i = 0; i < d->queue_count; i++) {
		struct rf_queue *q = &d->queue[i];

		if ((room && q->want_unsent) || (q->want_ns && q->want_ns <= rf_now_ns()))
			generation_want(d, q);
	}
}

static void host_says(struct rf_device *d, const struct pollfd *p)
{
	for (unsigned i = P_GONE; i <= P_ERROR; i++)
		if (p[i].revents & POLLIN) {
			rf_log(i == P_GONE ?
				       "%s: the host asks for the device back: it is removed or "
				       "unbound" :
				       "%s: the host reports an error of the device (PCIe AER)",
			       d->label);
			gone(d);
		}
}

static void device_turn(struct rf_device *d)
{
	struct pollfd p[P_MOST] = {
		[P_SUPERVISOR] = { .fd = RF_DEVICE_FD_SUPERVISOR,
				   .events = (short)(POLLIN |
						     (notify_pending(d) ? POLLOUT : 0)) },
		[P_EXPORT] = { .fd = d->service, .events = POLLIN },
		[P_GONE] = { .fd = d->gone_event, .events = POLLIN },
		[P_ERROR] = { .fd = d->error_event, .events = POLLIN },
	};
	unsigned n = poll_drivers(d, p), drivers = n - P_DRIVERS;
	unsigned more = d->backend && d->backend->poll_fds ? d->backend->poll_fds(d, p + n) : 0;

	if (rf_wait_fds(p, n + more, device_wait_time(d)) < 0 && errno != EINTR)
		rf_die(RF_EXIT_BUG, "poll: %s", strerror(errno));
	want_now(d, false);
	/* What the supervisor said comes before what it did: STOP before the deaths of drivers that
	 * it killed for it. */
	if (p[P_SUPERVISOR].revents & ~POLLOUT || any_came(p + P_DRIVERS, drivers))
		while (on_supervisor(d))
			;
	drivers_died(d, p + P_DRIVERS);
	if (link_look(d))
		recovery_look(d);
	if (storm_look(d))
		recovery_storm(d);
	if (p[P_SUPERVISOR].revents & POLLOUT && notify_flush(d))
		want_now(d, true);
	if (p[P_EXPORT].revents & POLLIN)
		on_export(d);
	host_says(d, p);
	if (more && d->backend->on_poll(d, p + n, more))
		gone(d);
}

/* Ends the device in order. A device that reset itself has nothing left in its cache to write
 * back. */
static void end_device(struct rf_device *d)
{
	bool changed = d->admin_ops && left_changed(d);

	if (!d->admin_ops)
		(void)device_quiesce(d);
	else if (d->admin_ops->shutdown(d) && !changed)
		d->stats->written_back = 1;
	if (d->backend)
		(void)config_bus_master(d, false);
}

static void serve(struct rf_device *d)
{
	notify_supervisor(d, RF_DEV_READY, 0, 0);
	d->export_knows = true;
	notify_export(d, RF_SVC_INFO, 0, 0, 0);
	if (d->cfg.revived)
		recovery_revived(d);
	generation_start_all(d);
}

/* Nothing that was asked of the disk it was is told to this one: the export hears nothing of it.
 * What is left to do is to see a device server go away, or to be told to end. */
static void refuse(struct rf_device *d)
{
	d->refused = true;
	notify_supervisor(d, RF_DEV_OTHER, 0, 0);
}

int main(void)
{
	static struct rf_device d;

	rf_log_name = "rf-device";
	d.service = RF_DEVICE_FD_SERVICE;
	device_read_config(&d);
	connect_device(&d);
	generation_open(&d);
	/* Memory is locked, and recovery allocates nothing: the disk may hold the swap. */
	rf_memory_lock(MCL_CURRENT | MCL_FUTURE);
	open_device(&d);
	/* Waits here are microseconds long: the default timer slack of 50 us would dominate
	 * them. */
	prctl(PR_SET_TIMERSLACK, 1000);
	realtime();
	device_lock(&d);
	identity_other(&d) ? refuse(&d) : serve(&d);
	while (!d.stopping || drivers_left(&d))
		device_turn(&d);
	end_device(&d);
	_exit(0);
}
