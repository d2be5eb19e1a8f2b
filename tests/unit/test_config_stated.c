/* SPDX-License-Identifier: MIT */
/*
 * test_config_stated.c - a process that reads text was taken over, and hands root a configuration
 * of its making: what is not of its form, or does not stand in the operator's file, is not
 * believed; nor has it files read that are none of its business.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "sandbox/proto/config_check.c"
#include "sandbox/proto/namespace.c"
#include "sandbox/zygote/config_stated.c"

#define FILE_NAME "/etc/ringfence/test.conf"
static const char text[] =
	"run-dir /run/test\n"
	"device disk0\n  policy nvme\n  pci 10000:0A:00.0 # VMD\n  export nbd /run/disk0.sock\n"
	"device nic0\n  policy mine/e1000e.policy\n  socket /run/nic.sock\n"
	"  export tap rf0 owner alice\n"
	"device nic1\n  policy e1000e\n  socket /run/other.sock\n  export lwip\n"
	"  socks unix:/run/socks.sock # unix:/run/not.sock\n";

/* A configuration with room for its devices. */
static union {
	struct rf_config c;
	char room[sizeof(struct rf_config) + 4 * sizeof(struct rf_config_device)];
} made;
#define c made.c
static struct rf_config defaults;
static struct rf_config_text file = { text, sizeof(text) - 1, FILE_NAME, &defaults };

static void policy_set(struct rf_config_device *d, uint32_t backend, uint32_t service)
{
	struct rf_device_config *p = &d->policy.device;

	strcpy(d->policy.driver, service == RF_SERVICE_NET ? "e1000e" : "nvme");
	strcpy(p->filter, "driver-irq");
	d->policy.deaths = 8;
	p->backend = backend;
	p->service = service;
	p->queues = 1;
	p->queue_entries = 256;
	p->arena_bytes = 64u << 20;
	p->queue_bytes = 1u << 20;
	strcpy(d->image, service == RF_SERVICE_NET ? "/opt/drivers/e1000e" : "/opt/drivers/nvme");
	d->owner = ~0u;
}

/* What that file means. */
static int setup(void **state)
{
	(void)state;
	memset(&defaults, 0, sizeof(defaults));
	strcpy(defaults.run_dir, "/run/ringfence");
	strcpy(defaults.program_dir, "/opt/bin");
	strcpy(defaults.driver_dir, "/opt/drivers");
	strcpy(defaults.policy_dir, "/opt/policy");
	defaults.uid_base = RF_UID_BASE;
	memset(&made, 0, sizeof(made));
	c = defaults;
	strcpy(c.run_dir, "/run/test");
	c.count = 3;
	struct rf_config_device *d = c.device;
	strcpy(d[0].name, "disk0");
	strcpy(d[0].policy_file, "nvme");
	strcpy(d[0].pci, "10000:0a:00.0");
	strcpy(d[0].listen, "/run/disk0.sock");
	d[0].export_kind = RF_EXPORT_NBD;
	policy_set(&d[0], RF_BACKEND_VFIO, RF_SERVICE_BLOCK);
	strcpy(d[1].name, "nic0");
	strcpy(d[1].policy_file, "mine/e1000e.policy");
	strcpy(d[1].socket, "/run/nic.sock");
	strcpy(d[1].listen, "rf0");
	d[1].export_kind = RF_EXPORT_TAP;
	policy_set(&d[1], RF_BACKEND_VFIO_USER, RF_SERVICE_NET);
	d[1].owner = 1000;
	strcpy(d[2].name, "nic1");
	strcpy(d[2].policy_file, "e1000e");
	strcpy(d[2].socket, "/run/other.sock");
	d[2].export_kind = RF_EXPORT_LWIP;
	policy_set(&d[2], RF_BACKEND_VFIO_USER, RF_SERVICE_NET);
	d[2].lwip.count = 1;
	d[2].lwip.service[0] = (struct rf_lwip_service){ .job = RF_LWIP_SOCKS,
							 .listen = { .kind = RF_LWIP_UNIX,
								     .name = "/run/socks.sock" } };
	return 0;
}

static void program_set(struct rf_config_device *d)
{
	d->export_kind = RF_EXPORT_PROGRAM;
	strcpy(d->program, "/opt/mine");
	strcpy(d->listen, "/run/out");
}

static void what_the_file_says(void **state)
{
	(void)state;
	assert_null(rf_config_wrong(&c));
	assert_null(rf_config_unstated(&file, &c));
}

/* ---- form ------------------------------------------------------------------------- */

#define WRONG(statement) \
	do { \
		setup(NULL); \
		assert_null(rf_config_wrong(&c)); \
		statement; \
		if (!rf_config_wrong(&c)) \
			fail_msg("believed: %s", #statement); \
	} while (0)

#define FILL(member) memset(member, 'A', sizeof(member))

static void names(void **state)
{
	struct rf_config_device *d = c.device;

	(void)state;
	/* 107 characters in the place of 15. */
	WRONG(memset(d[1].listen, 'A', sizeof(d[1].listen) - 1));
	WRONG(strcpy(d[1].listen, "abcdefghijklmnop"));
	WRONG(strcpy(d[1].listen, "rf%d"));
	WRONG(strcpy(d[1].listen, ".."));
	WRONG(strcpy(d[1].listen, "a/b"));
	WRONG(strcpy(d[1].listen, ""));
	WRONG(FILL(d[1].listen));
	WRONG(FILL(d[0].listen));
	WRONG(strcpy(d[0].listen, "disk0.sock"));
	WRONG(strcpy(d[2].listen, "/run/x"));
	WRONG(FILL(d[0].socket));
	WRONG(strcpy(d[1].socket, "nic.sock"));
	WRONG(FILL(d[0].pci));
	WRONG(strcpy(d[0].pci, "../../x"));
	WRONG(strcpy(d[0].pci, "0000:01:00.0/.."));
	WRONG(strcpy(d[0].pci, "0000:0A:00.0"));
	WRONG(strcpy(d[0].pci, ""));
	WRONG(strcpy(d[1].socket, ""));
	WRONG(FILL(d[0].image));
	WRONG(FILL(d[0].program));
	WRONG(FILL(d[0].words));
	WRONG(FILL(d[0].name_space));
	WRONG(strcpy(d[0].name_space, "disk"));
	WRONG((d[0].export_kind = RF_EXPORT_PROGRAM, strcpy(d[0].program, "sh")));
	WRONG((program_set(&d[0]), strcpy(d[0].listen, "out")));
	WRONG(FILL(d[0].name));
	WRONG(strcpy(d[0].name, "a/b"));
	WRONG(strcpy(d[0].name, "a.b"));
	WRONG(strcpy(d[0].name, "a\033[2J"));
	WRONG(strcpy(d[0].name, "a\"b"));
	WRONG(strcpy(d[0].image, "/opt/\nringfence: all is well"));
	WRONG(strcpy(d[0].policy.driver, ".."));
	WRONG(strcpy(d[0].policy.driver, "x\"y"));
	WRONG(FILL(d[0].policy.driver));
	WRONG(FILL(d[0].policy.device.filter));
	WRONG(FILL(d[2].lwip.hostname));
	WRONG(FILL(d[2].lwip.service[0].device));
	WRONG(FILL(d[2].lwip.service[0].listen.name));
	WRONG(strcpy(d[2].lwip.service[0].listen.name, "relative"));
	WRONG(FILL(d[2].lwip.service[0].target.name));
	WRONG(strcpy(c.run_dir, "run"));
	WRONG(memset(c.run_dir + 1, 'A', 80));
	WRONG(FILL(c.program_dir));
	WRONG(memset(c.driver_dir + 1, 'A', 230));
	WRONG(FILL(c.policy_dir));
}

static void limits_in_range(void **state)
{
	struct rf_config_device *d = c.device;

	(void)state;
	d->limit.requests = d->client_limit.bytes = (struct rf_rate){ RF_RATE_MOST, RF_RATE_MOST };
	assert_null(rf_config_wrong(&c));
	WRONG(d->limit.requests.rate = 5);
	WRONG(d->limit.bytes.burst = 5);
	WRONG((d->client_limit.requests = (struct rf_rate){ RF_RATE_MOST + 1, 5 }));
	WRONG((d->client_limit.bytes = (struct rf_rate){ 5, RF_RATE_MOST + 1 }));
	WRONG((d->limit.bytes = (struct rf_rate){ UINT64_MAX, UINT64_MAX }));
}

static void counts_and_choices(void **state)
{
	struct rf_config_device *d = c.device;
	struct rf_lwip_service *s = d[2].lwip.service;
	struct rf_device_config *p = &d[0].policy.device;

	(void)state;
	WRONG(c.count = 0);
	WRONG(c.count = RF_MAX_DEVICES + 1);
	WRONG(c.count = -1);
	WRONG(c.gone = -1);
	WRONG(c.gone = RF_MAX_DEVICES + 1);
	WRONG((c.count = 2, c.gone = 1, d[2].stack_index = 3));
	WRONG(c.uid_base = 0);
	WRONG(d[0].export_kind = RF_EXPORT_KINDS);
	WRONG(d[0].export_kind = RF_EXPORT_NONE);
	WRONG(*(char *)&d[0].force = 2);
	WRONG(*(char *)&d[0].promiscuous = 2);
	WRONG(d[0].integrity_disk = 1);
	WRONG(d[0].integrity_disk = RF_EXPORT_INTEGRITY_DISK | RF_EXPORT_FORMAT_AGAIN);
	WRONG(d[2].stack_index = -1);
	WRONG(d[2].stack_index = 3);
	WRONG(d[2].lwip.count = RF_LWIP_SERVICES + 1);
	WRONG(d[2].lwip.disks = RF_LWIP_DISKS + 1);
	WRONG((d[2].lwip.disks = 1, d[2].disk[0] = 16));
	WRONG((d[2].lwip.disks = 1, d[2].disk[0] = 1));
	WRONG(d[2].lwip.dns_count = 3);
	WRONG(d[2].lwip.dns[1] = ((struct rf_lwip_addr){ .family = 6, .bits = 129 }));
	WRONG(d[2].lwip.flags = RF_LWIP_LINK_FD);
	WRONG(d[2].lwip.bits4 = 33);
	WRONG(d[2].lwip.mode6 = RF_LWIP_AUTO + 1);
	WRONG(s->job = 0);
	WRONG(s->job = RF_LWIP_DISK + 1);
	WRONG(s->allow_count = RF_LWIP_ALLOWS + 1);
	WRONG((s->allow_count = 1,
	       s->allow[0] = (struct rf_lwip_addr){ .family = 6, .bits = 255 }));
	WRONG((s->allow_count = 1, s->allow[0].family = 5));
	WRONG(s->disk = RF_LWIP_DISKS);
	WRONG(s->partition = 129);
	WRONG(s->listen.kind = RF_LWIP_TCP + 1);
	WRONG(p->backend = RF_BACKEND_VFIO_USER + 1);
	WRONG(p->admin = RF_ADMINS);
	WRONG(p->service = RF_SERVICE_NET + 1);
	WRONG(p->queues = RF_MAX_QUEUES + 1);
	WRONG(p->queues = 0);
	WRONG((p->admin = RF_ADMIN_NONE, p->queues = 2));
	WRONG((p->admin = RF_ADMIN_VIRTIO_NET, p->queues = 2));
	WRONG(p->queues_least = 2);
	WRONG(p->queue_entries = 0);
	WRONG(p->queue_entries = 100);
	WRONG(p->queue_entries = 8192);
	WRONG(p->arena_bytes = 0);
	WRONG(p->arena_bytes = RF_ARENA_MOST * 2);
	WRONG(p->arena_bytes++);
	WRONG(p->queue_bytes = RF_QUEUE_MEMORY_MOST * 2);
	WRONG(p->flags = 0x20);
	WRONG(p->mtu = 9001);
	WRONG(p->interrupts = 8);
	WRONG(p->step_count = RF_MAX_STEPS + 1);
	WRONG((p->step_count = 1, p->step[0].bytes = 3));
	WRONG((p->step_count = 1, p->step[0] = (struct rf_reset_step){ .bytes = 4, .bar = 6 }));
	WRONG((p->step_count = 1,
	       p->step[0] = (struct rf_reset_step){ .bytes = 4, .offset = ~3ull }));
	WRONG(p->window_count = RF_MAX_WINDOWS + 1);
	WRONG((p->window_count = 1,
	       p->window[0] = (struct rf_reg_window){ .bytes = 4096, .offset = ~4095ull }));
	WRONG(d[0].policy.demand = 1ull << 63);
	WRONG(d[0].policy.deaths = 0);
	WRONG(p->queue_reset_ms = RF_QUEUE_RESET_MOST_MS + 1);
	WRONG(p->name_space.kind = RF_NAMESPACE_ID);
}

/* ---- the file's own words ------------------------------------------------------------ */

#define UNSAID(statement) \
	do { \
		setup(NULL); \
		statement; \
		assert_null(rf_config_wrong(&c)); \
		if (!rf_config_unstated(&file, &c)) \
			fail_msg("believed: %s", #statement); \
	} while (0)

static void what_it_does_not_say(void **state)
{
	struct rf_config_device *d = c.device;

	(void)state;
	/* Files that would be unlinked, appended to, bound, read. */
	UNSAID(strcpy(d[0].listen, "/etc/passwd"));
	UNSAID(strcpy(d[0].listen, "/run/nic.sock"));
	UNSAID(strcpy(d[0].listen, "/run/disk0.soc"));
	UNSAID((d[0].export_kind = RF_EXPORT_PROGRAM, strcpy(d[0].program, "/bin/sh")));
	UNSAID((d[0].export_kind = RF_EXPORT_FORMAT, d[0].listen[0] = 0)); /* no file says so */
	UNSAID(strcpy(d[2].lwip.service[0].listen.name, "/run/disk0.sock"));
	UNSAID(strcpy(d[2].lwip.service[0].listen.name, "/run/not.sock"));
	UNSAID(strcpy(d[0].image, "/tmp/mine"));
	UNSAID(strcpy(d[0].policy.driver, "other"));
	UNSAID(strcpy(d[1].socket, "/run/other.sock"));
	UNSAID(strcpy(c.run_dir, "/etc"));
	UNSAID(strcpy(c.program_dir, "/tmp"));
	UNSAID(strcpy(c.driver_dir, "/tmp"));
	/* Devices and interfaces. */
	UNSAID(strcpy(d[0].pci, "0000:00:1f.2"));
	UNSAID(d[0].force = true);
	UNSAID(strcpy(d[0].name_space, "2"));
	UNSAID(strcpy(d[1].listen, "eth0"));
	UNSAID(strcpy(d[0].name, "nic0"));
	UNSAID((c.count = 4, d[3] = d[0]));
}

static void an_owner_that_it_does_not_say(void **state)
{
	static const char other[] = "device nic0\n export tap rf0\n";
	const struct rf_config_text s = { other, sizeof(other) - 1, FILE_NAME, &defaults };

	(void)state;
	c.device[0] = c.device[1];
	c.count = 1;
	strcpy(c.run_dir, defaults.run_dir);
	strcpy(c.device[0].socket, "");
	c.device[0].policy.device.backend = RF_BACKEND_NONE;
	c.device[0].owner = ~0u;
	assert_null(rf_config_unstated(&s, &c));
	c.device[0].owner = 1000;
	assert_non_null(rf_config_unstated(&s, &c));
}

static void a_program_that_it_does_not_say(void **state)
{
	static const char with[] = "device disk0\n export program /opt/mine output /run/out x\n",
			  bare[] = "device disk0\n export program /opt/mine x\n";
	const struct rf_config_text s = { with, sizeof(with) - 1, FILE_NAME, &defaults },
			     t = { bare, sizeof(bare) - 1, FILE_NAME, &defaults };
	struct rf_config_device *d = c.device;

	(void)state;
	c.count = 1;
	strcpy(c.run_dir, defaults.run_dir);
	d->pci[0] = '\0';
	d->policy.device.backend = RF_BACKEND_NONE;
	program_set(d);
	assert_null(rf_config_wrong(&c));
	assert_null(rf_config_unstated(&s, &c));
	assert_non_null(rf_config_unstated(&t, &c)); /* a file that would be appended to */
	strcpy(d->program, "/bin/sh");
	assert_non_null(rf_config_unstated(&s, &c));
	strcpy(d->program, "/opt/mine");
	d->listen[0] = '\0';
	assert_null(rf_config_unstated(&t, &c));
	strcpy(d->program, "/bin/sh");
	assert_non_null(rf_config_unstated(&t, &c));
}

static void files_it_may_read(void **state)
{
	static const char *const good[] = { "/etc/passwd", "/proc/meminfo",
					    "/opt/policy/nvme.policy", "mine/e1000e.policy",
					    "/opt/policy/e1000e.policy" };
	static const char *const bad[] = { "/etc/shadow",
					   "/root/.ssh/id_rsa",
					   "/opt/policy/other.policy",
					   "/opt/nvme.policy",
					   "/tmp/nvme.policy",
					   "/opt/policy/.policy",
					   "/opt/policy/../x/nvme.policy",
					   "",
					   "/",
					   ".policy",
					   "/.policy" };

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!rf_config_names_file(&file, good[i]))
			fail_msg("not read: %s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (rf_config_names_file(&file, bad[i]))
			fail_msg("read: %s", bad[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup(name, setup)
		T(what_the_file_says), T(names), T(limits_in_range),
		T(counts_and_choices), T(what_it_does_not_say),
		T(an_owner_that_it_does_not_say), T(a_program_that_it_does_not_say),
		T(files_it_may_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
