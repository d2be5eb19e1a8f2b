/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-lwip: a TCP/IP stack of our own, and what is offered on it.
 *
 * Room:   net/export/lwip, trusted, unprivileged.
 * Start:  no arguments; everything comes by fds (enum rf_export_fd, RF_LWIP_FD_*).
 * Exit:   0 when a device process is gone, 70 after one line in the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "disk.h"
#include "export_config.h"
#include "forward.h"
#include "http.h"
#include "proxy.h"
#include "link_fd.h"
#include "link_service.h"
#include "lock.h"
#include "log.h"
#include "loop.h"
#include "stack.h"

#define TICK_NS 5000000ull /* while awake; see rf_blk_tick() and rf_net_tick() */
#define TICK_MS 100

static struct {
	struct rf_lwip_config config;
	struct link   *link;
	struct link    link_fd;
	struct stack   stack;
	struct service services[RF_LWIP_SERVICES];
	struct lwip_disk    disks[RF_LWIP_DISKS];
	struct status  status;
	bool           open;  /* the stack runs: the link is known */
	uint64_t       ticked, busy_ns;
} it;

static void lwip_read_config(void)
{
	void *at = mmap(NULL, sizeof(it.config), PROT_READ, MAP_SHARED, RF_LWIP_FD_CONFIG, 0);

	if (at == MAP_FAILED)
		rf_die(RF_EXIT_BUG, "cannot map fd %d (config): %s", RF_LWIP_FD_CONFIG,
		       strerror(errno));
	memcpy(&it.config, at, sizeof(it.config));
	munmap(at, sizeof(it.config));
	if (it.config.count > RF_LWIP_SERVICES || it.config.disks > RF_LWIP_DISKS ||
	    it.config.dns_count > 2)
		rf_die(RF_EXIT_BUG, "fd %d is not the configuration of a stack", RF_LWIP_FD_CONFIG);
	for (uint32_t i = 0; i < it.config.count; i++)
		if (it.config.service[i].job == RF_LWIP_DISK &&
		    it.config.service[i].disk >= it.config.disks)
			rf_die(RF_EXIT_BUG, "disk %s was not handed over",
			       it.config.service[i].device);
}

static void never_block(int fd, const char *what)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK))
		rf_die(RF_EXIT_BUG, "fd %d (%s) was not handed over: %s", fd, what,
		       strerror(errno));
}

static void open_link(void)
{
	static struct loop_watch fd_link;

	if (!(it.config.flags & RF_LWIP_LINK_FD)) {
		it.link = link_service_open();
		return;
	}
	never_block(RF_EXPORT_FD_KICK, "link");
	link_fd_open(&it.link_fd, &fd_link, it.config.mac, it.config.mtu);
	it.link = &it.link_fd;
}

static void lwip_open_all(void)
{
	loop_open();
	stack_init();
	stream_init();
	open_link();
	for (uint32_t i = 0; i < it.config.disks; i++)
		disk_open(&it.disks[i], i);
	if (rf_lwip_dials(&it.config))
		never_block(RF_LWIP_FD_DIAL, "rf-dial");
	for (uint32_t i = 0; i < it.config.count; i++)
		if (rf_lwip_on_host(&it.config.service[i]))
			never_block(RF_LWIP_FD_LISTEN + (int)i, "listener");
}

/* The interface is known: addresses, listeners. */
static void lwip_begin(void)
{
	stack_open(&it.stack, it.link, &it.config);
	it.status = (struct status){ .stack = &it.stack, .services = it.services,
				     .service_count = it.config.count, .disks = it.disks,
				     .disk_count = it.config.disks, .started_ns = stack_now_ns() };
	http_init(&it.status);
	if (services_open(it.services, it.disks, &it.config))
		rf_die(RF_EXIT_BUG, "ends: a service cannot be offered");
	it.open = true;
}

/* Was there anything to do? */
static bool work(void)
{
	bool busy = it.open && stack_poll(&it.stack);

	busy |= stream_run();
	for (uint32_t i = 0; i < it.config.disks; i++)
		busy |= disk_work(&it.disks[i]) > 0;
	busy |= stream_run();
	if (it.open)
		it.link->ops->flush(it.link);
	return busy;
}

static void lwip_tick(void)
{
	uint64_t now = stack_now_ns();

	if (it.link->ops->tick)
		it.link->ops->tick(it.link);
	proxy_tick(now);
	http_tick(now);
	for (uint32_t i = 0; i < it.config.disks; i++)
		disk_tick(&it.disks[i]);
}

static void wake_disks(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		disk_wake(&it.disks[i]);
}

/* Asks all drivers for a kick before a sleep. One that has work already keeps us awake. */
static bool sleep_all(void)
{
	for (uint32_t i = 0; i < it.config.disks; i++) {
		if (!disk_sleep(&it.disks[i])) {
			wake_disks(i);
			return false;
		}
	}
	if (!it.link->ops->sleep || it.link->ops->sleep(it.link))
		return true;
	wake_disks(it.config.disks);
	return false;
}

static uint64_t spin_ns(void)
{
	uint64_t most = it.config.flags & RF_LWIP_LINK_FD ? 0 : link_service_spin_ns();

	for (uint32_t i = 0; i < it.config.disks; i++)
		if (disk_spin_ns(&it.disks[i]) > most)
			most = disk_spin_ns(&it.disks[i]);
	return most;
}

/* Milliseconds this process may sleep, its clocks aside: the drivers are watched. */
static int lwip_patience(void)
{
	int most = it.config.flags & RF_LWIP_LINK_FD ? TICK_MS : link_service_patience();

	for (uint32_t i = 0; i < it.config.disks; i++) {
		int ms = disk_patience(&it.disks[i]);
		if (ms >= 0 && ms < most)
			most = ms;
	}
	return most < TICK_MS ? most : TICK_MS;
}

static void lwip_turn(void)
{
	int ms = 0;
	bool asleep = false;

	stack_clock();
	if (!it.open && it.link->known)
		lwip_begin();
	if (work())
		it.busy_ns = stack_now_ns();
	else if (stack_now_ns() - it.busy_ns >= spin_ns())
		asleep = sleep_all();
	if (asleep) {
		ms = lwip_patience();
		if (it.open && stack_timeout() < (uint32_t)ms)
			ms = (int)stack_timeout();
	}
	services_watch(it.services, it.open ? it.config.count : 0);
	loop_wait(ms, asleep ? stack_awake : NULL);
	if (asleep) {
		wake_disks(it.config.disks);
		if (it.link->ops->wake)
			it.link->ops->wake(it.link);
	}
	if (it.open)
		stack_tick(&it.stack);
	if (stack_now_ns() - it.ticked >= TICK_NS) {
		it.ticked = stack_now_ns();
		lwip_tick();
	}
}

int main(void)
{
	rf_log_name = "rf-lwip";
	lwip_read_config();
	lwip_open_all();
	if (rf_service_lock("export-lwip"))
		return RF_EXIT_BUG;
	for (;;)
		lwip_turn();
}
