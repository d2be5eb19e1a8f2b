/* SPDX-License-Identifier: MIT */
/*
 * holders_tree.h - a made-up /sys, /proc and /dev with one disk and one interface.
 *
 * Room:   tests/unit. Includes the sources under test.
 */
#ifndef RF_UNIT_HOLDERS_TREE_H
#define RF_UNIT_HOLDERS_TREE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sandbox/broker/holders.c"
#include "sandbox/broker/pci.c"
#include "sandbox/broker/sysfs.c"

static char said[1000];
const char *rf_log_name = "test";

void rf_log(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(said, sizeof(said), fmt, args);
	va_end(args);
}

/* ---- a tree ------------------------------------------------------------------ */

static char root[64];

static void at(char path[RF_SYSFS_PATH], const char *name)
{
	snprintf(path, RF_SYSFS_PATH, "%s%s", root, name);
	for (char *c = path + strlen(root) + 1; (c = strchr(c, '/')); *c++ = '/') {
		*c = '\0';
		(void)mkdir(path, 0700);
	}
}

static void put(const char *name, const char *text)
{
	char path[RF_SYSFS_PATH];

	at(path, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void folder(const char *name)
{
	char path[RF_SYSFS_PATH];

	at(path, name);
	(void)mkdir(path, 0700);
}

/* From one name of the tree to another one. */
static void lead(const char *name, const char *target)
{
	char path[RF_SYSFS_PATH], to[RF_SYSFS_PATH];

	at(path, name);
	at(to, target);
	assert_int_equal(symlink(to, path), 0);
}

#define ADDRESS "0000:01:00.0"
#define DEVICE  "/sys/devices/pci0000:00/0000:00:02.0/" ADDRESS
#define OTHER   "/sys/devices/pci0000:00/0000:00:03.0/1" ADDRESS

/* A disk at that place; the folder of a class has a link to it. */
static void disk(const char *place, const char *name, const char *number)
{
	char path[RF_SYSFS_PATH], link[RF_SYSFS_PATH];

	snprintf(path, sizeof(path), "%.400s/%s/dev", place, name);
	put(path, number);
	snprintf(path, sizeof(path), "%.400s/%s", place, name);
	snprintf(link, sizeof(link), "/sys/class/block/%s", name);
	lead(link, path);
	snprintf(path, sizeof(path), "/sys/class/block/%s/holders", name);
	folder(path);
}

static void interface_make(const char *place, const char *name, const char *flags)
{
	char path[RF_SYSFS_PATH], link[RF_SYSFS_PATH];

	snprintf(path, sizeof(path), "%.400s/%s/flags", place, name);
	put(path, flags);
	snprintf(path, sizeof(path), "%.400s/%s", place, name);
	snprintf(link, sizeof(link), "/sys/class/net/%s", name);
	lead(link, path);
}

static int claim_error;
static char claim_node[80];

static unsigned claims;
static int claims_held[2], claims_kept;
static char claimed_at_last[80]; /* by somebody, once we have looked */

static int claim_as_told(const char *node, const char *number, int *hold)
{
	(void)number;
	claims++;
	if (hold && !strcmp(node, claimed_at_last))
		return -EBUSY;
	if (hold && claims_kept < 2 && !claim_error)
		claims_held[claims_kept++] = *hold = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return !claim_node[0] || !strcmp(node, claim_node) ? claim_error : 0;
}

static int setup(void **state)
{
	(void)state;
	strcpy(root, "/tmp/rf-holders.XXXXXX");
	if (!mkdtemp(root))
		return -1;
	rf_sysfs_root = root;
	claim = claim_as_told;
	claim_error = 0;
	claim_node[0] = said[0] = claimed_at_last[0] = '\0';
	claims = 0;
	claims_kept = 0;
	put(DEVICE "/vendor", "0x8086\n");
	put(DEVICE "/device", "0x10d3\n");
	put(DEVICE "/class", "0x020000\n");
	put(OTHER "/vendor", "0x8086\n");
	lead("/sys/bus/pci/devices/" ADDRESS, DEVICE);
	lead("/sys/bus/pci/devices/1" ADDRESS, OTHER);
	folder("/sys/class/block");
	folder("/sys/class/net");
	put("/proc/self/mountinfo", "21 1 0:5 / /proc rw,relatime - proc proc rw\n");
	put("/proc/1/mountinfo", "");
	put("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n");
	put("/proc/self/net/route",
	    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n");
	return 0;
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void is_free(void)
{
	assert_int_equal(rf_holders_check(ADDRESS, true), 0);
	assert_string_equal(said, "");
}

static void is_used(const char *by)
{
	said[0] = '\0';
	assert_int_equal(rf_holders_check(ADDRESS, true), RF_EXIT_IN_USE);
	if (!strstr(said, by))
		fail_msg("'%s' is not in '%s'", by, said);
	assert_non_null(strstr(said, ADDRESS " is in use"));
	assert_non_null(strstr(said, "force yes"));
}

#endif
