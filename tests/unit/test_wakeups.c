/* SPDX-License-Identifier: MIT */
/*
 * test_wakeups.c - a device server holds the eventfd that wakes its driver, and fills it. Whoever
 * wakes that driver must not be kept by it, whatever O_NONBLOCK says on the file they share.
 *
 * Room:   tests/unit. Runs the exports that ship, behind their locks; plays device process,
 *         driver and the server.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/lib/packet.c"

#define DISK    (8u << 20)
#define HEAR_MS 20000

#include "nbd_bytes.h"

static void fill(struct rig *r)
{
	const uint64_t most = UINT64_MAX - 1;
	uint64_t count;
	int fd = r->fd[RF_EXPORT_FD_WAKE0 + (int)r->half];

	/* The server may do that: the flag belongs to the file. */
	fcntl(fd, F_SETFL, O_NONBLOCK);
	(void)!read(fd, &count, sizeof(count));
	fcntl(fd, F_SETFL, 0);
	rig_must(write(fd, &most, sizeof(most)) == sizeof(most), "fill");
}

/* What the export says first, of what is no sign of a silent driver. */
static uint32_t hear(struct rig *r, struct rf_svc_msg *msg)
{
	uint32_t type;

	do
		type = rig_hear(r, msg, HEAR_MS);
	while (type == RF_SVC_UNRESPONSIVE);
	return type;
}

static struct exported *started(uint64_t nudge_ns)
{
	struct exported *e = calloc(1, sizeof(*e));

	exported_init(e, DISK);
	e->rig.config->nudge_ns = nudge_ns;
	close(e->rig.fd[RF_EXPORT_FD_LISTEN]);
	e->rig.fd[RF_EXPORT_FD_LISTEN] = exported_listen(e->socket);
	exported_exec(e, "build/bin/rf-nbd");
	rig_first_up(&e->rig);
	ram_attach(&e->ram, &e->rig);
	return e;
}

static void full_is_no_trap(bool asleep, uint64_t nudge_ns)
{
	struct exported *e = started(nudge_ns);
	int fd = transmission(e, false);
	struct rf_svc_msg msg;
	unsigned char greeting[18];

	fill(&e->rig);
	if (asleep)
		rf_ring_arm(&e->ram.req);
	put_request(fd, 0, NBD_CMD_READ, 1, 0, 4096);
	assert_int_equal(hear(&e->rig, &msg), RF_SVC_PROTO_ERROR);
	assert_int_equal(msg.value, RF_BAD_WAKE);
	/* Others are served, and the death of this driver is dealt with. */
	int other = dial(e);
	get(other, greeting, sizeof(greeting));
	rig_down(&e->rig);
	assert_int_equal(hear(&e->rig, &msg), RF_SVC_PREPARED);
	close(other);
	close(fd);
	kill(e->pid, SIGKILL);
	waitpid(e->pid, NULL, 0);
	rig_close(&e->rig);
	free(e);
}

static void a_driver_that_sleeps_on_a_full_one_is_reported(void **state)
{
	(void)state;
	full_is_no_trap(true, 0);
}

static void a_silent_driver_with_a_full_one_is_reported(void **state)
{
	(void)state;
	full_is_no_trap(false, 10000000);
}

/* A device process that reads nothing: its export serves on, and says it later. */
static void a_device_process_that_does_not_read_keeps_nobody(void **state)
{
	struct exported *e = started(1000000);
	int fd = transmission(e, false);
	struct rf_blk_req req;
	struct rf_svc_msg msg;

	(void)state;
	msg = (struct rf_svc_msg){ .type = RF_SVC_UNRESPONSIVE };
	while (!rf_packet_post(e->rig.fd[RF_EXPORT_FD_CONTROL], &msg, sizeof(msg)))
		;
	/* It is kicked in vain, which is to be said again and again. */
	put_request(fd, 0, NBD_CMD_READ, 1, 0, 4096);
	while (!atomic_load(&e->rig.stats->nudges))
		usleep(1000);
	usleep(200000);
	/* The driver comes to its senses: the client has its answer, device process or not. */
	while (!ram_take(&e->ram, &req))
		usleep(1000);
	exported_execute(e, &req);
	ram_answer(&e->ram, &req, 0);
	exported_kick(e);
	assert_int_equal(simple(fd, 1), 0);
	while (rig_hear(&e->rig, &msg, 100))
		;
	close(fd);
	kill(e->pid, SIGKILL);
	waitpid(e->pid, NULL, 0);
	rig_close(&e->rig);
	free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_driver_that_sleeps_on_a_full_one_is_reported),
		cmocka_unit_test(a_silent_driver_with_a_full_one_is_reported),
		cmocka_unit_test(a_device_process_that_does_not_read_keeps_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
