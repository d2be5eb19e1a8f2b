/* SPDX-License-Identifier: MIT */
/*
 * config.h - the operator's configuration and the policy of each driver.
 *
 * Room:   sandbox/proto.
 * Wire:   one struct rf_config in a memfd, whose size follows from the number of its devices.
 * Writes: rf-config, which reads the operator's files without any privilege.
 * Reads:  keeper, zygote, broker and supervisor.
 * Believed: once its ranges are checked (config_check.h), and what gives root something to do once
 *         it is found in the file itself (sandbox/zygote/config_stated.c).
 */
#ifndef RF_CONFIG_H
#define RF_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot.h"
#include "device_config.h"
#include "namespace.h"
#include "rate_limit.h"
#include "lwip_config.h"

#define RF_MAX_DEVICES 1024
#define RF_RUN_DIR       76  /* room of run-dir: a socket's name has 107 bytes */
#define RF_CONFIG_FOLDER 224 /* room of the name of a folder: a file's name follows */
#define RF_ARENA_MOST  (1ull << 40)
#define RF_QUEUE_MEMORY_MOST (1ull << 32)
#define RF_UID_BASE    2000000000u /* the users of its processes begin here */

struct rf_policy {
	char     driver[RF_NAME];
	uint32_t match_class;   /* ~0: any */
	uint32_t match_vendor, match_device; /* ~0: any */
	uint64_t stall_ns, slow_stall_ns, spin_ns; /* spin: ~0: for ever */
	uint64_t nudge_ns, hang_ns;
	uint64_t server_away_ns; /* clients wait so long for a device server, then they get EIO */
	uint64_t demand;        /* RF_WALL_BIT()s a driver must have around it */
	uint32_t queues;        /* most a device of it may have */
	uint32_t deaths;        /* without progress, before quarantine */
	uint64_t backoff_ns, backoff_cap_ns;
	struct rf_device_config device; /* as far as the policy fixes it */
};

enum rf_export_kind {
	RF_EXPORT_NONE,
	RF_EXPORT_NBD,
	RF_EXPORT_PROGRAM, /* one of the operator's own, of a disk */
	RF_EXPORT_LWIP_DISK, /* served by the stack of another device */
	RF_EXPORT_FORMAT,  /* of `ringfence format`: no configuration says so */
	RF_EXPORT_TAP,
	RF_EXPORT_NET_PROGRAM, /* the same, of a net driver */
	RF_EXPORT_LWIP,    /* a TCP/IP stack, with disks in it perhaps */
	RF_EXPORT_KINDS
};
static inline bool rf_export_own(enum rf_export_kind kind)
{
	return kind == RF_EXPORT_PROGRAM || kind == RF_EXPORT_NET_PROGRAM;
}

/* Program of an export, by its kind; NULL: none of its own, or the operator's. */
extern const char *const rf_export_programs[RF_EXPORT_KINDS];

#define RF_QUEUES_AUTO (~0u)
struct rf_config_device {
	char     name[RF_NAME];
	char     policy_file[256];
	char     image[256];    /* "": policy's driver in the driver directory */
	enum rf_export_kind export_kind;
	char     listen[108];   /* UNIX socket path, output of a program, interface; "": none */
	uint32_t owner;         /* of the interface; ~0: nobody */
	char     program[256];  /* RF_EXPORT_PROGRAM: absolute path, */
	char     words[256];    /* and what stands behind it */
	struct rf_lwip_config lwip; /* RF_EXPORT_LWIP: what the stack is to do, */
	int      disk[RF_LWIP_DISKS]; /* and which devices, by index, are its disks */
	char     lwip_key[RF_NAME];   /* a key of it stands here; "": none */
	char     stack[RF_NAME];      /* RF_EXPORT_LWIP_DISK: name of the stack's device, */
	int      stack_index;         /* and its index */
	bool     force;         /* take a device that is in use */
	bool     read_only;
	bool     promiscuous;   /* read by rf-config only: RF_DEVICE_PROMISCUOUS in the policy */
	uint32_t mtu;           /* the same: `mtu` in the policy's device; 0: not given */
	bool     integrity;
	/* 'integrity disk': RF_EXPORT_INTEGRITY_DISK, or how it is formatted */
	uint32_t integrity_disk;
	uint64_t integrity_key[2];
	char     name_space[RF_NAMESPACE_TEXT]; /* namespace.h; "": the first */
	uint64_t arena;         /* 0: as the policy says */
	uint32_t queues;        /* read by rf-config only; 0: one, RF_QUEUES_AUTO */
	bool     queues_demand; /* and not one less */
	struct rf_limits limit, client_limit;
	struct rf_policy policy;
	char     pci[RF_NAME];
	char     socket[108];   /* of a vfio-user server, instead of a PCI address */
};

/* Of a running ringfence whose file was read anew, the record has two parts: the devices of the
 * file as it is now; and behind them those that were and are no more, or not so any more. These
 * are to be stopped by what they were started with. An index may name one of either. */
struct rf_config {
	char     run_dir[108];     /* sockets and state, see rf_run_dir() */
	char     program_dir[256]; /* rf-launch and the others: beside this program */
	char     driver_dir[256], policy_dir[256];
	uint32_t uid_base;
	uint32_t processors;       /* of this machine: 'queues auto' */
	uint32_t loads;            /* times the file was read before */
	int      room;             /* for rf-config: most devices that there is memory for */
	int      count;            /* devices of the file, */
	int      gone;             /* and so many behind them that are to go */
	struct rf_config_device device[];
};

/* Of a record with so many devices. */
static inline size_t rf_config_bytes(int devices)
{
	return sizeof(struct rf_config) + (size_t)devices * sizeof(struct rf_config_device);
}

/* Files that whoever holds all of these devices' fds may have open at once; and the most that
 * there can be. */
uint64_t rf_config_files(const struct rf_config *);
#define RF_CONFIG_FILES_EACH 64u
#define RF_CONFIG_FILES_QUEUE 16u /* of each queue but the first */
#define RF_CONFIG_FILES_MOST                                                                   \
	((RF_CONFIG_FILES_EACH + RF_CONFIG_FILES_QUEUE * (RF_MAX_QUEUES - 1)) *                \
	 (RF_MAX_DEVICES + 4u))

/* The record in a sealed memfd, mapped for reading; NULL: it is none. It is not checked yet. */
const struct rf_config *rf_config_map(int fd);

/* Programs, drivers and policies lie beside this program unless the file says else. 0 or
 * -errno. */
int rf_config_defaults(struct rf_config *);

/* Where state lies if nobody says: /run/ringfence for root, else $XDG_RUNTIME_DIR/ringfence,
 * else /tmp/ringfence-UID. */
void rf_run_dir(char *to, size_t room);

#endif
