/* SPDX-License-Identifier: MIT */
/*
 * test_holders.c - who uses a PCI device is found in /sys and /proc, and named: in trees of files
 * made as the kernel lays them out. What a device was found with is given back.
 *
 * Room:   tests/unit.
 */
#include "holders_tree.h"

/* ---- disks --------------------------------------------------------------------- */

#define NVME DEVICE "/nvme/nvme0"

static void one_disk(void)
{
	disk(NVME, "nvme0n1", "259:0\n");
	disk(NVME "/nvme0n1", "nvme0n1p1", "259:1\n");
}

static void nothing_there(void **state)
{
	(void)state;
	is_free();
}

static void mounted_by_number(void **state)
{
	(void)state;
	one_disk();
	is_free();
	put("/proc/self/mountinfo", "25 21 259:1 / /home\\040x rw shared:1 - ext4 /dev/root rw\n");
	is_used("disk /dev/nvme0n1p1 is mounted at /home\\040x");
}

/* In the host's namespace, which need not be ours. */
static void mounted_on_the_host(void **state)
{
	(void)state;
	one_disk();
	put("/proc/1/mountinfo", "25 21 259:1 / /srv rw - ext4 /dev/root rw\n");
	is_used("/dev/nvme0n1p1 is mounted at /srv");
}

static void mounted_by_source(void **state)
{
	(void)state;
	one_disk();
	put("/proc/self/mountinfo", "25 21 0:41 / /data rw - btrfs /dev/nvme0n1p1 rw\n");
	is_used("/dev/nvme0n1p1 is mounted at /data");
	put("/proc/self/mountinfo", "25 21 0:41 / /data rw - btrfs /dev/nvme0n1p11 rw\n");
	said[0] = '\0';
	is_free();
}

static void swap(void **state)
{
	(void)state;
	one_disk();
	put("/proc/swaps", "Filename Type\n/dev/nvme0n1p1 partition 1 0 -2\n");
	is_used("/dev/nvme0n1p1 is used as swap");
}

static void multipath(void **state)
{
	(void)state;
	folder(NVME);
	disk("/sys/devices/virtual/nvme-subsystem/nvme-subsys0", "nvme0n1", "259:0\n");
	is_free();
	lead("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme0", NVME);
	is_free();
	claim_error = -EBUSY;
	is_used("/dev/nvme0n1 is claimed");
	put("/proc/self/mountinfo", "25 21 259:0 / /home rw - ext4 /dev/nvme0n1 rw\n");
	is_used("/dev/nvme0n1 is mounted at /home");
}

static void multipath_of_another_controller(void **state)
{
	(void)state;
	folder(OTHER "/nvme/nvme1");
	disk("/sys/devices/virtual/nvme-subsystem/nvme-subsys0", "nvme0n1", "259:0\n");
	lead("/sys/devices/virtual/nvme-subsystem/nvme-subsys0/nvme1", OTHER "/nvme/nvme1");
	claim_error = -EBUSY;
	is_free();
}

/* The disk of one path alone has no node, and nobody can claim it. */
static void multipath_hidden(void **state)
{
	(void)state;
	disk(NVME, "nvme0c0n1", "259:3\n");
	put(NVME "/nvme0c0n1/hidden", "1\n");
	claim_error = -ENOENT;
	is_free();
}

static void device_mapper(void **state)
{
	(void)state;
	one_disk();
	disk("/sys/devices/virtual/block", "dm-0", "253:0\n");
	disk("/sys/devices/virtual/block", "dm-1", "253:1\n");
	put("/sys/devices/virtual/block/dm-0/dm/name", "crypt\n");
	put("/sys/devices/virtual/block/dm-1/dm/name", "vg-root\n");
	lead(NVME "/nvme0n1/nvme0n1p1/holders/dm-0", "/sys/devices/virtual/block/dm-0");
	is_used("/dev/nvme0n1p1 is part of dm-0 (crypt);");
	lead("/sys/devices/virtual/block/dm-0/holders/dm-1", "/sys/devices/virtual/block/dm-1");
	put("/proc/self/mountinfo", "25 21 253:1 / / rw - ext4 /dev/mapper/vg-root rw\n");
	is_used("part of dm-0 (crypt), which is part of dm-1 (vg-root), which is mounted at /;");
}

static void holders_in_a_circle(void **state)
{
	(void)state;
	one_disk();
	disk("/sys/devices/virtual/block", "md0", "9:0\n");
	lead(NVME "/nvme0n1/holders/md0", "/sys/devices/virtual/block/md0");
	lead("/sys/devices/virtual/block/md0/holders/md0", "/sys/devices/virtual/block/md0");
	is_used("/dev/nvme0n1 is part of md0");
}

static void loop_device(void **state)
{
	(void)state;
	one_disk();
	disk("/sys/devices/virtual/block", "loop3", "7:3\n");
	put("/sys/devices/virtual/block/loop3/loop/backing_file", "/dev/nvme0n10\n");
	is_free();
	put("/sys/devices/virtual/block/loop3/loop/backing_file", "/dev/nvme0n1\n");
	is_used("/dev/nvme0n1 is behind loop3");
}

static void nvme_target(void **state)
{
	(void)state;
	one_disk();
	put("/sys/kernel/config/nvmet/subsystems/a/namespaces/1/device_path", "/dev/nvme0n1\n");
	put("/sys/kernel/config/nvmet/subsystems/a/namespaces/1/enable", "0\n");
	is_free();
	put("/sys/kernel/config/nvmet/subsystems/a/namespaces/1/enable", "1\n");
	is_used("/dev/nvme0n1 is served by nvmet");
}

static void claimed(void **state)
{
	(void)state;
	one_disk();
	claim_error = -EBUSY;
	strcpy(claim_node, "/dev/nvme0n1p1");
	is_used("/dev/nvme0n1p1 is claimed");
}

/* From the last look on nobody can mount it, nor a partition, until the kernel's driver has let
 * go. */
static void a_free_disk_is_held(void **state)
{
	(void)state;
	one_disk();
	put(NVME "/nvme0n1/nvme0n1p1/partition", "1\n");
	is_free();
	assert_int_equal(claims_kept, 1);
	assert_true(fcntl(claims_held[0], F_GETFD) >= 0);
	rf_holders_release();
	assert_true(fcntl(claims_held[0], F_GETFD) < 0);
}

static void a_mount_that_slips_in_is_seen(void **state)
{
	(void)state;
	one_disk();
	put(NVME "/nvme0n1/nvme0n1p1/partition", "1\n");
	disk(NVME, "nvme0n2", "259:9\n");
	strcpy(claimed_at_last, "/dev/nvme0n2");
	is_used("/dev/nvme0n2 is claimed");
	for (int i = 0; i < claims_kept; i++)
		assert_true(fcntl(claims_held[i], F_GETFD) < 0);
}

/* A disk that cannot be asked is not taken for a free one. */
static void not_to_be_asked(void **state)
{
	(void)state;
	one_disk();
	claim_error = -ENOENT;
	assert_int_equal(rf_holders_check(ADDRESS, false), RF_OPEN_LATER);
	assert_int_equal(rf_holders_check(ADDRESS, true), RF_EXIT_SYSTEM);
	assert_non_null(strstr(said, "nobody knows whether its disk /dev/nvme0n1"));
	said[0] = '\0';
	claim_error = -ENOMEDIUM;
	is_free();
}

static void claims_of_the_kernel(void **state)
{
	(void)state;
	assert_int_equal(claim_try("/dev/null", "1:3", NULL), -ESTALE); /* no block device */
	assert_int_equal(claim_try("/nonexistent", "1:3", NULL), -ENOENT);
}

static void open_in_a_process(void **state)
{
	char path[RF_SYSFS_PATH];

	(void)state;
	one_disk();
	put("/proc/77/comm", "qemu\033x\n");
	folder("/proc/77/fd");
	at(path, "/proc/77/fd/5");
	assert_int_equal(symlink("/dev/nvme0n1x", path), 0);
	is_free();
	at(path, "/proc/77/fd/6");
	assert_int_equal(symlink("/dev/nvme0n1", path), 0);
	is_used("/dev/nvme0n1 is open in process 77 (qemu?x)");
	/* It may only look: whoever asks is to ask again, and nobody waits here. */
	said[0] = '\0';
	assert_int_equal(rf_holders_check(ADDRESS, false), RF_OPEN_LATER);
	assert_string_equal(said, "");
}

/* 10000:01:00.0 has the other one's address in its own. */
static void of_a_longer_domain(void **state)
{
	(void)state;
	disk(OTHER "/nvme/nvme1", "nvme1n1", "259:4\n");
	interface_make(OTHER "/net", "eth9", "0x1003\n");
	claim_error = -EBUSY;
	is_free();
	assert_int_equal(rf_holders_check("1" ADDRESS, true), RF_EXIT_IN_USE);
}

/* ---- interfaces ------------------------------------------------------------------ */

static void interface_states(void **state)
{
	(void)state;
	interface_make(DEVICE "/net", "eth0", "0x1002\n");
	interface_make("/sys/devices/virtual/net", "lo", "0x9\n");
	is_free();
	put(DEVICE "/net/eth0/flags", "0x1003\n");
	is_used("interface eth0 is up;");
	put("/proc/self/net/route",
	    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
	    "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
	is_used("interface eth0 is up and has the default route;");
}

static void interface_of_virtio(void **state)
{
	(void)state;
	interface_make(DEVICE "/virtio3/net", "eth0", "0x1003\n");
	is_used("interface eth0 is up");
}

static void interface_of_a_bridge(void **state)
{
	(void)state;
	interface_make(DEVICE "/net", "eth0", "0x1002\n");
	folder("/sys/devices/virtual/net/br0");
	lead(DEVICE "/net/eth0/master", "/sys/devices/virtual/net/br0");
	is_used("interface eth0 is part of br0");
}

static void interface_of_a_vlan(void **state)
{
	(void)state;
	interface_make(DEVICE "/net", "eth0", "0x1002\n");
	folder("/sys/devices/virtual/net/eth0.5");
	lead(DEVICE "/net/eth0/upper_eth0.5", "/sys/devices/virtual/net/eth0.5");
	is_used("interface eth0 is part of eth0.5");
}

static void interface_elsewhere(void **state)
{
	(void)state;
	folder(DEVICE "/net");
	is_used("another network namespace");
}

static void interface_of_virtio_elsewhere(void **state)
{
	(void)state;
	folder(DEVICE "/virtio0/net");
	is_used("another network namespace");
}

static void virtual_functions(void **state)
{
	(void)state;
	put(DEVICE "/sriov_numvfs", "0\n");
	is_free();
	put(DEVICE "/sriov_numvfs", "4\n");
	is_used("it has 4 virtual functions");
}

/* ---- what it was found with --------------------------------------------------------- */

static void content(const char *name, const char *text)
{
	char path[RF_SYSFS_PATH], now[100] = "";

	at(path, name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	(void)!fgets(now, sizeof(now), f);
	fclose(f);
	assert_string_equal(now, text);
}

static struct rf_config configuration(void)
{
	struct rf_config c = { 0 };

	snprintf(c.run_dir, sizeof(c.run_dir), "%s/run", root);
	folder("/run");
	folder("/run/restore");
	return c;
}

static void bound_to(const char *driver)
{
	char path[RF_SYSFS_PATH], drivers[100];

	at(path, DEVICE "/driver");
	(void)unlink(path);
	snprintf(drivers, sizeof(drivers), "/sys/bus/pci/drivers/%s", driver);
	folder(drivers);
	if (*driver)
		lead(DEVICE "/driver", drivers);
}

/* Attributes take a write at a time; in a file its text lies over the start of the last one. */
static void given_back(const char *driver, const char *override, const char *becomes)
{
	const struct rf_config c = configuration();

	bound_to(driver);
	put(DEVICE "/driver_override", override);
	put("/sys/bus/pci/drivers_probe", "");
	assert_int_equal(found_keep(&c, ADDRESS), 0);
	bound_to("vfio-pci");
	put(DEVICE "/driver_override", "");
	put("/sys/bus/pci/drivers/vfio-pci/unbind", "");
	rf_pci_give_back(&c, ADDRESS);
	content(DEVICE "/driver_override", becomes);
	content("/sys/bus/pci/drivers/vfio-pci/unbind", ADDRESS);
	content("/sys/bus/pci/drivers_probe", *driver ? ADDRESS : "");
}

static void gives_back_what_was(void **state)
{
	(void)state;
	given_back("nvme", "(null)\n", "\n");
}

static void gives_back_an_override(void **state)
{
	(void)state;
	given_back("nvme", "mine\n", "mine");
}

/* An override that keeps every driver away from it stays one. */
static void gives_back_without_a_driver(void **state)
{
	(void)state;
	given_back("", "none\n", "none");
}

/* While the kernel's driver brings a controller up or puts it down in the background, the device
 * is left with it; at last that is said. */
static void left_to_a_driver_at_work(void **state)
{
	static const char *const at_work[] = { "new\n", "connecting\n", "resetting\n", "dead\n" };
	struct rf_config_device d = { .pci = ADDRESS };

	(void)state;
	assert_int_equal(check_settled(&d, "nvme", false), RF_OPEN_LATER);
	assert_int_equal(check_settled(&d, "", false), 0);
	assert_int_equal(check_settled(&d, "e1000e", true), 0);
	for (size_t i = 0; i < sizeof(at_work) / sizeof(at_work[0]); i++) {
		put(NVME "/state", at_work[i]);
		assert_int_equal(check_settled(&d, "nvme", false), RF_OPEN_LATER);
	}
	assert_int_equal(check_settled(&d, "nvme", true), RF_EXIT_IN_USE);
	assert_string_equal(said, ADDRESS " is in use: its driver nvme is still at work on it "
				  "(dead); try again, or unbind it");
	put(NVME "/state", "live\n");
	assert_int_equal(check_settled(&d, "nvme", false), 0);
}

static void is_gone(void **state)
{
	const struct rf_config c = configuration();
	char path[RF_SYSFS_PATH];

	(void)state;
	put("/run/restore/0000:77:00.0", "nvme");
	put("/run/restore/..x", "nvme");
	rf_pci_give_back_all(&c);
	assert_string_equal(said, "0000:77:00.0 is gone: there is nothing to give back");
	at(path, "/run/restore/0000:77:00.0");
	assert_int_not_equal(access(path, F_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		T(nothing_there),
		T(mounted_by_number),
		T(mounted_on_the_host),
		T(mounted_by_source),
		T(swap),
		T(multipath),
		T(multipath_of_another_controller),
		T(multipath_hidden),
		T(device_mapper),
		T(holders_in_a_circle),
		T(loop_device),
		T(nvme_target),
		T(claimed),
		T(not_to_be_asked),
		T(a_free_disk_is_held),
		T(a_mount_that_slips_in_is_seen),
		T(claims_of_the_kernel),
		T(open_in_a_process),
		T(of_a_longer_domain),
		T(interface_states),
		T(interface_of_virtio),
		T(interface_of_a_bridge),
		T(interface_of_a_vlan),
		T(interface_elsewhere),
		T(interface_of_virtio_elsewhere),
		T(virtual_functions),
		T(gives_back_what_was),
		T(gives_back_an_override),
		T(gives_back_without_a_driver),
		T(left_to_a_driver_at_work),
		T(is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
