/* SPDX-License-Identifier: MIT */
/*
 * test_lwip_link.c - rf-lwip with an interface and a disk of two devices: when the interface's
 * device process says what cannot be, the interface fails, and the process with its disk goes on.
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

static struct rig nic, disk;
static struct wire_stack s; /* of which only its configuration is used */
static pid_t pid;

static const char *const lines[] = {
	"address 10.9.0.2/24",
	"disk ram lwip-tcp *:10809 allow 10.9.0.0/24",
	NULL,
};

static void exec_lwip(int config)
{
	for (int i = RF_EXPORT_FD_CONTROL; i < RF_EXPORT_FDS; i++) {
		rig_must(dup2(nic.fd[i], i) > 0, "dup2");
		rig_must(dup2(disk.fd[i], i + RF_LWIP_DISK_FD(0)) > 0, "dup2");
	}
	rig_must(dup2(config, RF_LWIP_FD_CONFIG) > 0, "dup2");
	execl(wire_program(), "rf-lwip", (char *)NULL);
	_exit(127);
}

static int setup(void **unused)
{
	const uint32_t no_flags = 0;

	(void)unused;
	rig_open(&nic, 4 << 20);
	nic.config->service = RF_SERVICE_NET;
	rig_open(&disk, 16 << 20);
	nic.net = (struct rf_net_info){ .mac = { 2, 0, 0, 0, 0, 9 }, .mtu = 1500, .rx_buffer = 2048,
					.rx_count = 64, .tx_max = 1514, .link = RF_NET_LINK_UP };
	int config = wire_config(&s, lines, 1);
	rig_must(pwrite(config, &no_flags, 4, offsetof(struct rf_lwip_config, flags)) == 4,
		 "pwrite");
	pid = fork();
	rig_must(pid >= 0, "fork");
	if (!pid)
		exec_lwip(config);
	close(config);
	rig_first_up(&disk);
	return 0;
}

static bool alive(void)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid;
}

static int teardown(void **unused)
{
	(void)unused;
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	rig_close(&nic);
	rig_close(&disk);
	return 0;
}

/* It has taken all that was sent to this device before. */
static bool answers(struct rig *r, uint32_t value)
{
	rig_send(r, RF_SVC_PING, value);
	for (int i = 0; i < WIRE_DEADLINE_MS / 20 && alive(); i++) {
		if (atomic_load(&r->stats->pong) == value)
			return true;
		usleep(20000);
	}
	return false;
}

static void fails_alone(bool up, uint32_t generation)
{
	struct rf_svc_msg msg;

	assert_true(answers(&nic, 78));
	assert_true(answers(&disk, 78));
	if (!up)
		return;
	rig_down(&nic); /* its device process is not kept waiting */
	assert_int_equal(rig_hear(&nic, &msg, WIRE_DEADLINE_MS), RF_SVC_PREPARED);
	assert_int_equal(msg.generation, generation + 1);
}

static void an_interface_that_changes_fails_alone(void **unused)
{
	(void)unused;
	rig_first_up(&nic);
	assert_true(answers(&nic, 77));
	nic.net.mac[5]++;
	rig_send(&nic, RF_SVC_INFO, 0);
	fails_alone(true, 1);
}

static void an_interface_that_cannot_be_fails_alone(void **unused)
{
	(void)unused;
	nic.net.rx_buffer = 3;
	nic.generation = 1;
	rig_send(&nic, RF_SVC_INFO, 0);
	fails_alone(false, 1);
}

static void noise_about_an_interface_fails_alone(void **unused)
{
	static const char noise[7] = "noise!";

	(void)unused;
	rig_first_up(&nic);
	assert_true(answers(&nic, 77));
	rig_must(send(nic.control, noise, sizeof(noise), 0) == sizeof(noise), "send");
	fails_alone(true, 1);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(an_interface_that_changes_fails_alone),
		CASE(an_interface_that_cannot_be_fails_alone),
		CASE(noise_about_an_interface_fails_alone),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("lwip_link", tests, NULL, NULL);
}
