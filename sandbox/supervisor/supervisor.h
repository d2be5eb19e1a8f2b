/* SPDX-License-Identifier: MIT */
/*
 * supervisor.h - the supervisor's own state, shared by its few files.
 *
 * Room:   sandbox/supervisor, privileged. Decides; parses nothing that a driver, a
 *         device or a peer wrote. What device processes and exports say are fixed
 *         records with numbers in them.
 */
#ifndef RF_SUPERVISOR_H
#define RF_SUPERVISOR_H

#include <stdbool.h>
#include <sys/types.h>

#include "config.h"
#include "control.h"
#include "device_config.h"
#include "keeper.h"
#include "packet.h"
#include "silent.h"
#include "stats.h"

enum dev_state {
	DEV_OFF,         /* nothing of it runs */
	DEV_STARTING,    /* device process initialises the device */
	DEV_RUNNING,     /* exports, a driver runs or is being replaced */
	DEV_QUARANTINED, /* its driver died too often; `restart` is the way back */
	DEV_STOPPING,    /* told to stop, or its device process died: all of it ends */
	DEV_WAITING,     /* its device server went away; tried again at retry_ns */
	DEV_REVIVING,    /* its device process died: export and clients wait for the next one */
	DEV_FAILED,      /* ended for good; code says why */
};

/* Why a driver that ran is dead. */
enum death { DEATH_CRASH, DEATH_HANG, DEATH_STALL, DEATH_LIE, DEATH_HANDOVER, DEATHS };

/* Fds of one device; -1 where there is none. Held here and by the keeper. */
enum dev_fd {
	FD_CONTAINER,
	FD_GROUP, /* or the socket of a vfio-user server */
	FD_DATA, FD_QUEUES, FD_ADMIN, FD_RINGS, FD_BOOT, FD_STATS, FD_TABLE,
	FD_WAKE0, FD_WAKE1, FD_KICK, FD_DEVICE, FD_IMAGE, FD_LISTEN,
	FD_SUP_OURS, FD_SUP_THEIRS, FD_SVC_DEVICE, FD_SVC_EXPORT, FD_CONFIG, FD_EXPORT_CONFIG,
	DEV_FDS
};

/* A driver the device process asked for and the restart budget may hold back. */
struct wanted {
	bool     waiting;
	uint32_t generation, device_fd;
	uint64_t due_ns;
	int      fds[RF_PACKET_FDS], count;
};

/* The processes of 'export lwip': rf-lwip is the device's export_pid, rf-dial is here. */
struct stack {
	bool     open;        /* the fds are there */
	int      config, listen[RF_LWIP_SERVICES];
	pid_t    dial_pid;
	bool     told;        /* to end, by us */
	bool     ending;      /* one of the two is dead */
	uint64_t started_ns, due_ns; /* due: when it is tried again; 0: at once */
	uint32_t failures;    /* soon after its start, in a row */
};

struct dev {
	const struct rf_device *cfg;
	int            index;
	enum dev_state state;
	int            code;         /* enum rf_exit_code, once it ended */
	int            fd[DEV_FDS];
	int            group;        /* its IOMMU group, while it is taken */
	int            processes;    /* of it, alive */
	bool           restart;      /* start again once all has ended, */
	bool           reconnect;    /* but not before retry_ns: the device server is gone */
	bool           served;       /* it ran once since it was started or restarted */
	uint32_t       failures;     /* of the server, without a request done in between */
	uint64_t       retry_ns;
	uint64_t       completed_at_failure; /* requests done when its device process died last */
	struct wanted  want;
	struct stack   stack;        /* RF_EXPORT_LWIP */
	bool           lent;         /* an export has, or had, its service socket */
	uint32_t       generation;   /* of the running driver; 0: none */
	uint32_t       last_up;      /* newest generation that ever ran */
	uint32_t       last_wanted;  /* newest one that was asked for */
	pid_t          driver_pid[2], device_pid, export_pid;
	uint32_t       generation_of[2]; /* of driver_pid[] */
	uint64_t       deaths, standby_deaths, process_deaths, fruitless;
	uint64_t       died_of[DEATHS];
	uint32_t       killed;       /* generation we killed last, */
	enum death     killed_for;   /* and why */
	struct rf_silence silence;
	uint64_t       completed_then; /* requests done at the last death */
	struct rf_wall_report walls;     /* around its driver, once one ran */
	struct rf_blk_info info;
	struct rf_net_info net;
	const struct rf_stats_service *service; /* mapped read-only */
	const struct rf_stats_device  *device;
};

struct sup {
	struct rf_config config;
	struct dev       dev[RF_MAX_DEVICES];
	int   keeper;      /* socket */
	int   listener;    /* control socket */
	int   null;        /* /dev/null */
	int   launcher, rf_device; /* programs */
	int   export[RF_EXPORT_KINDS]; /* those the configuration needs */
	int   dial;        /* rf-dial, if a stack needs it */
	bool  stopping;
	int   code;
};

/* keeper_client.c: one request and its answer. -errno of the keeper. Events that
 * come meanwhile are kept for keep_event(). */
int keep_spawn(struct sup *, const char *name, struct rf_keep_spawn *, const int *fds, int count,
	       pid_t *pid, int *pidfd);
int keep_put(struct sup *, const char *name, int fd);
int keep_kill(struct sup *, const char *name);
void keep_drop(struct sup *, const char *prefix);
int keep_walls(struct sup *, const char *name, struct rf_wall_report *);
/* 1: *msg is an event; 0: none now. Ends the process when the keeper is gone. */
int keep_event(struct sup *, struct rf_keep_msg *msg);

/* lifecycle.c: one device from start to end. */
void dev_start(struct sup *, struct dev *);
void dev_stop(struct sup *, struct dev *);
void dev_message(struct sup *, struct dev *);      /* FD_SUP_OURS is readable */
void dev_exited(struct sup *, const struct rf_keep_msg *);
void dev_spawn_due(struct sup *, struct dev *);    /* a back-off may be over */
uint64_t dev_due_ns(const struct dev *);           /* when it is; ~0: there is none */
void dev_restart(struct sup *, struct dev *);      /* a person asks for it */
void dev_walls(struct sup *, struct dev *);        /* learns them, unless it did */
/* One of its processes, as the user of that role: 0 the device process, 1 the export. */
struct rf_keep_spawn dev_spawn_as(const struct sup *, const struct dev *, int role,
				  const char *program);
int  dev_spawn(struct sup *, struct dev *, const char *what, struct rf_keep_spawn *, int *fds,
	       int count, pid_t *pid, int *pidfd);
void dev_kill(struct sup *, struct dev *, const char *what);
/* Tells the device process of a new export, unless this is its first. -errno. */
int  dev_lend(struct sup *, struct dev *);
const char *dev_state_name(enum dev_state);

/* resources.c: what a device needs before it runs; 0 or an exit code after a line. */
int  dev_open(struct sup *, struct dev *);
void dev_close(struct sup *, struct dev *);
/* For a successor of its device process: the device anew, and a socket to it. The same. */
int  dev_reopen(struct sup *, struct dev *);
/* A new socket pair between device process and a new export. -errno. */
int  dev_new_service_socket(struct sup *, struct dev *);

/* Program of an export, by its kind. */
extern const char *const export_programs[RF_EXPORT_KINDS];

/* tap.c: the interface of `export tap`. 0 or an exit code after a line. */
int  tap_open(struct dev *);
int  tap_configure(struct dev *); /* address and MTU, once the device has told them */

/* stack.c: the processes of 'export lwip', which serve several devices. */
int  stack_open(struct dev *);                  /* 0 or an exit code after a line */
void stack_close(struct dev *);
struct dev *stack_of(struct sup *, const struct dev *); /* whose stack it is in; NULL: none */
void stack_try(struct sup *, struct dev *);     /* starts it if all it needs is there */
void stack_kill(struct sup *, struct dev *);    /* the one it is in */
void stack_exited(struct sup *, struct dev *, const struct rf_keep_msg *, bool dial);

/* status.c: the control socket. */
int  status_listen(struct sup *);
void status_serve(struct sup *);
int  status_client(const struct rf_config *, const char *request, bool quiet);

uint64_t now_ns(void);
int rf_supervisor_main(int keeper, const char *config);

#endif
