/* SPDX-License-Identifier: MIT */
/*
 * test_lwip_devices.c - rf-lwip serves several devices: one whose device process says what
 * cannot be, or that cannot be served with `integrity disk`, fails, and the others go on.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/config/lwip_words.c"
#include "sandbox/lib/packet.c"
#include "sandbox/lib/words.c"

#include "wire_stack.h"
#include "wire_nbd.h"

static struct wire_stack s;
static struct wire_conn conn[1];

static const char *const lines[] = {
	"address 10.9.0.2/24",
	"disk ram lwip-tcp *:10809 allow 10.9.0.0/24",
	"disk evil lwip-tcp *:10810 allow 10.9.0.0/24",
	NULL,
};

static int setup(void **unused)
{
	(void)unused;
	wire_start(&s, lines, true);
	memset(conn, 0, sizeof(conn));
	wire_ready(&s, 10809);
	return 0;
}

static int setup_disk(void **unused)
{
	(void)unused;
	wire_start_with(&s, lines, true, RF_EXPORT_INTEGRITY_DISK);
	memset(conn, 0, sizeof(conn));
	wire_ready(&s, 10809);
	return 0;
}

static int teardown(void **unused)
{
	(void)unused;
	return wire_end(&s) ? 0 : -1;
}

/* Disk 1 says `change` of itself, out of turn if it was up: it fails, and it alone. */
static void fails_alone(void (*change)(struct rig *r), bool up)
{
	struct rf_svc_msg msg;

	if (up) {
		rig_first_up(&s.second);
		wire_ready(&s, 10810);
	}
	change(&s.second);
	still_serves(&s, 6006);
	wire_watch(&s.peer, &conn[0], wire_me4, false, 4000, 10810);
	assert_false(wire_connect(&s.peer, &conn[0]));
	assert_true(wire_alive(&s));
	if (!up)
		return;
	rig_down(&s.second); /* its device process is not kept waiting */
	assert_int_equal(rig_hear(&s.second, &msg, WIRE_DEADLINE_MS), RF_SVC_PREPARED);
	assert_int_equal(msg.generation, s.second.generation);
}

static void of_2_to_63_bytes(struct rig *r)
{
	r->info.size = 1ull << 63;
	r->generation = 1;
	rig_send(r, RF_SVC_INFO, 0);
}

static void of_no_bytes(struct rig *r)
{
	r->info.size = 0;
	rig_send(r, RF_SVC_INFO, 0);
}

static void all_ones(struct rig *r)
{
	memset(&r->info, 0xff, sizeof(r->info));
	rig_send(r, RF_SVC_INFO, 0);
}

static void of_another_size(struct rig *r)
{
	r->info.size /= 2;
	rig_send(r, RF_SVC_INFO, 0);
}

static void of_no_known_kind(struct rig *r)
{
	static const char noise[7] = "noise!";

	rig_must(send(r->control, noise, sizeof(noise), 0) == sizeof(noise), "send");
}

static void too_small(struct rig *r)
{
	r->info.size = 1 << 20;
	r->generation = 1;
	rig_send(r, RF_SVC_INFO, 0);
}

/* Its driver answers what is asked of it first with `status`, and with zeroes. */
static void answers(struct rig *r, int32_t status)
{
	static const uint64_t one = 1;
	struct ram ram = { 0 };
	struct rf_blk_req req;

	rig_first_up(r);
	ram_attach(&ram, r);
	for (int i = 0; i < WIRE_DEADLINE_MS && !ram_take(&ram, &req); i++)
		usleep(1000);
	assert_int_equal(req.op, RF_BLK_READ);
	ram_answer(&ram, &req, status);
	rig_must(write(r->fd[RF_EXPORT_FD_KICK], &one, 8) == 8, "kick");
}

static void without_an_area(struct rig *r)
{
	answers(r, 0);
}

static void unreadable(struct rig *r)
{
	answers(r, -EIO);
}

static void a_disk_too_small_for_checksums_fails_alone(void **unused)
{
	(void)unused;
	fails_alone(too_small, false);
}

static void a_disk_without_checksums_fails_alone(void **unused)
{
	(void)unused;
	fails_alone(without_an_area, false);
}

static void a_disk_whose_checksums_cannot_be_read_fails_alone(void **unused)
{
	(void)unused;
	fails_alone(unreadable, false);
}

static void a_disk_of_an_impossible_size_fails_alone(void **unused)
{
	(void)unused;
	fails_alone(of_2_to_63_bytes, false);
}

static void a_disk_of_no_size_fails_alone(void **unused)
{
	(void)unused;
	fails_alone(of_no_bytes, false);
}

static void a_disk_of_all_ones_fails_alone(void **unused)
{
	(void)unused;
	fails_alone(all_ones, true);
}

static void a_disk_whose_size_changes_fails_alone(void **unused)
{
	(void)unused;
	fails_alone(of_another_size, true);
}

static void a_device_process_that_babbles_fails_alone(void **unused)
{
	(void)unused;
	fails_alone(of_no_known_kind, true);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define DISK_CASE(name) cmocka_unit_test_setup_teardown(name, setup_disk, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_disk_of_an_impossible_size_fails_alone),
		CASE(a_disk_of_no_size_fails_alone),
		CASE(a_disk_of_all_ones_fails_alone),
		CASE(a_disk_whose_size_changes_fails_alone),
		CASE(a_device_process_that_babbles_fails_alone),
		DISK_CASE(a_disk_too_small_for_checksums_fails_alone),
		DISK_CASE(a_disk_without_checksums_fails_alone),
		DISK_CASE(a_disk_whose_checksums_cannot_be_read_fails_alone),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("lwip_devices", tests, NULL, NULL);
}
