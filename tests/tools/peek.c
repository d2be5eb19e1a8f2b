/* SPDX-License-Identifier: MIT */
/*
 * peek.c - what a person with root's rights can see, for tests of walls.
 *
 *   peek phys FILE OFFSET        where this page of a file in memory lies in the machine
 *   peek reg FILE OFFSET [VALUE] reads a 32-bit register, or writes it (a sysfs resourceN)
 *
 * Room:   tests/tools.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log.h"

#define PAGE 4096u

static volatile char *map(const char *path, uint64_t offset, int prot)
{
	int fd = open(path, prot & PROT_WRITE ? O_RDWR : O_RDONLY);
	void *p = fd < 0 ? MAP_FAILED
			 : mmap(NULL, PAGE, prot, MAP_SHARED, fd, (off_t)(offset & ~(PAGE - 1ull)));

	if (p == MAP_FAILED)
		rf_die(1, "%s: %m", path);
	return (volatile char *)p + offset % PAGE;
}

/* Documentation/admin-guide/mm/pagemap.rst: frame number in bits 0-54, bit 63 present. */
static uint64_t physical(volatile char *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry = 0;

	(void)*p;
	if (pread(fd, &entry, 8, (off_t)((uintptr_t)p / PAGE * 8)) != 8 || !(entry >> 63))
		rf_die(1, "pagemap has no such page");
	return (entry & ((1ull << 55) - 1)) * PAGE + (uintptr_t)p % PAGE;
}

int main(int argc, char **argv)
{
	rf_log_name = "peek";
	if (argc == 4 && !strcmp(argv[1], "phys")) {
		printf("%#llx\n", (unsigned long long)physical(
					  map(argv[2], strtoull(argv[3], NULL, 0), PROT_READ)));
	} else if (argc >= 4 && !strcmp(argv[1], "reg")) {
		volatile char *p = map(argv[2], strtoull(argv[3], NULL, 0), PROT_READ | PROT_WRITE);
		if (argc > 4)
			*(volatile uint32_t *)p = (uint32_t)strtoul(argv[4], NULL, 0);
		printf("%#x\n", *(volatile uint32_t *)p);
	} else {
		rf_die(64, "peek phys FILE OFFSET, or look reg FILE OFFSET [VALUE]");
	}
	return 0;
}
