/* SPDX-License-Identifier: MIT */
/*
 * exit_code.h - how every process of ours ends, by number.
 *
 * Room:   sandbox/lib.
 */
#ifndef RF_EXIT_CODE_H
#define RF_EXIT_CODE_H

/* Exit codes a script can tell apart: of `ringfence`, and of a device process. */
enum rf_exit_code {
	RF_EXIT_OK = 0,
	RF_EXIT_FAILED = 1,      /* the work was done and did not succeed */
	RF_EXIT_USAGE = 64,      /* unknown flag or command */
	RF_EXIT_CONFIG = 65,     /* configuration or policy file is wrong */
	RF_EXIT_NO_DEVICE = 66,  /* no device at that address */
	RF_EXIT_NO_IOMMU = 67,   /* no IOMMU, or no VFIO in this kernel */
	RF_EXIT_NOT_VIABLE = 68, /* other devices of its group stand in the way */
	RF_EXIT_IN_USE = 69,     /* mounted, or its interface is up */
	RF_EXIT_BUG = 70,
	RF_EXIT_SYSTEM = 71,     /* the kernel refused something */
	RF_EXIT_IMAGE = 72,      /* driver image missing or not a static ELF */
	RF_EXIT_MEMLOCK = 73,    /* arena larger than the memlock limit */
	RF_EXIT_NO_REMAP = 74,   /* no interrupt remapping */
	RF_EXIT_DEVICE = 75,     /* device does not do what its specification says */
	RF_EXIT_QUARANTINE = 76, /* its driver died too often */
	RF_EXIT_NOT_RUNNING = 77,/* no supervisor answers */
	RF_EXIT_INTEGRITY = 78,  /* no disk for `integrity` as configured, see README */
	RF_EXIT_OTHER_DISK = 80, /* another disk than the one that was served there */
	RF_EXIT_FORMATTED = 79,  /* of rf-format: it has made one; becomes 0 */
};

#endif
