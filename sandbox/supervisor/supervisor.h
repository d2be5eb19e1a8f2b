/* SPDX-License-Identifier: MIT */
/*
 * supervisor.h - the supervisor's own state, shared by its few files.
 *
 * Room:   sandbox/supervisor, no privilege. What takes one the keeper and the broker do for it.
 * Trust:  it parses nothing that a driver, a device or a peer wrote. What device processes and
 *         exports say are fixed records with numbers in them.
 */
#ifndef RF_SUPERVISOR_H
#define RF_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "blk_types.h"
#include "block.h"
#include "boot.h"
#include "budget.h"
#include "config.h"
#include "device_config.h"
#include "device_msg.h"
#include "driver_number.h"
#include "keeper.h"
#include "broker.h"
#include "lwip_config.h"
#include "net.h"
#include "packet.h"
#include "hang_detector.h"
#include "control_socket.h"
#include "identity.h"
#include "net_types.h"
#include "stats.h"
#include "walls.h"

/* Fds of one device; -1 where there is none. Held here and by the keeper. */
enum dev_fd {
	FD_CONTAINER,
	FD_GROUP, /* or the socket of a vfio-user server */
	FD_DATA, FD_QUEUES, FD_ADMIN, FD_RINGS, FD_BOOT, FD_STATS, FD_TABLE,
	FD_WAKE0, FD_WAKE1, FD_KICK, FD_DEVICE, FD_IMAGE, FD_LISTEN,
	FD_SUP_OURS, FD_SUP_THEIRS, FD_SVC_DEVICE, FD_SVC_EXPORT, FD_CONFIG, FD_EXPORT_CONFIG,
	FD_INTERRUPTS,
	FD_PROGRAM, /* the operator's own export */
	FD_MORE_WAKES, /* of queue 1, half 0 and 1, of queue 2 and so on */
	DEV_FDS = FD_MORE_WAKES + 2 * (RF_MAX_QUEUES - 1)
};

/* The eventfd of the driver of this queue in this half. */
static inline enum dev_fd dev_wake(uint32_t queue, uint32_t half)
{
	return (enum dev_fd)((queue ? FD_MORE_WAKES + 2 * (queue - 1) : FD_WAKE0) + half);
}

/* A driver the device process asked for and the restart budget may hold back. */
struct wanted_driver {
	bool     waiting;
	uint32_t generation, device_fd;
	uint64_t due_ns;
	unsigned held; /* times it was put off, */
	unsigned short_of; /* for want of memory or of a place for a process */
	int      fds[RF_PACKET_FDS], count;
};

/* Of ping.c; [0]: its device process, [1]: its export. */
struct ping {
	uint32_t asked;      /* number of the last question */
	uint64_t due_ns;     /* the next look, or question */
	pid_t    pid[2];     /* who was asked, */
	pid_t    known[2];   /* and has answered once */
	struct rf_hang_detector hang[2];
	bool     answered;   /* all of them: a look was taken since, */
	pid_t    looked[2];  /* at these, */
	struct rf_sample rest[2]; /* and that is how they were */
};

/* The processes of 'export lwip': rf-lwip is the device's export_pid, rf-dial is here. */
struct stack {
	bool     open;        /* the fds are there */
	int      config, listen[RF_LWIP_SERVICES];
	pid_t    dial_pid;
	bool     told;        /* to end, by us */
	bool     ending;      /* one of the two is dead */
	uint64_t started_ns, due_ns; /* due: when it is tried again; 0: at once */
	uint32_t failures;    /* soon after its start, in a row, with no frame moved in between */
	uint64_t completed;   /* frames when the last one ended */
};

/* The drivers of one queue, as far as a successor of this process must know. */
struct queue_record {
	uint32_t       generation;   /* of the running driver; 0: none */
	uint32_t       last_up;      /* newest generation that ever ran */
	uint32_t       last_wanted;  /* newest one asked for, or given to a device process */
	pid_t          driver_pid[2];
	uint32_t       generation_of[2]; /* of driver_pid[] */
	uint64_t       downs;        /* drivers that died under this device process */
	uint64_t       deaths, fruitless;
	uint32_t       killed;       /* generation we killed last, */
	enum death     killed_for;   /* and why */
	struct budget  driver_budget, standby_budget;
};

/* What a successor of this process must know of a device: see record.c. */
struct dev_record {
	enum dev_state state;
	int            code;         /* enum rf_exit_code, once it ended */
	int            group;        /* its IOMMU group, while it is taken */
	bool           restart;      /* start again once all has ended, */
	bool           reconnect;    /* but not before retry_ns: the device server is gone */
	/* its device was up once since a person started or restarted it, */
	bool           served;
	bool           worked;       /* and a driver of it ran */
	bool           lent;         /* an export has, or had, its service socket */
	uint32_t       failures;     /* of the server, without a request done in between */
	uint64_t       retry_ns;
	uint64_t       failing_ns;   /* since when it fails without a request done, */
	uint64_t       spent_ns;     /* of its failures' allowance: budget_rest(), */
	uint64_t       rest_ns;      /* and what that said */
	uint64_t       away_ns;      /* its device server cannot be reached since then; 0: it can */
	bool           away_told;    /* and its clients get EIO by now */
	struct budget  budget;       /* of its device process, or server */
	struct stack   stack;        /* RF_EXPORT_LWIP */
	uint32_t       export_failures;      /* the same of its export */
	struct budget  export_budget;
	/* its successor is held back until then; 0: it is not */
	uint64_t       export_due_ns;
	uint32_t       slot;         /* whose users its processes have: see dev_uid() */
	/* it still is what it was before the configuration was read anew */
	bool           former;
	uint32_t       queues;       /* that are used, by its device process; 0: not known yet */
	uint32_t       last_wanted;  /* newest driver asked for, or given to a device process */
	struct queue_record queue[RF_MAX_QUEUES];
	pid_t          device_pid, export_pid;
	uint64_t       deaths, standby_deaths, process_deaths, server_failures;
	uint64_t       died_of[DEATHS];
	pid_t          exit_acked;   /* its last process whose exit was handled */
	/* times the device may have lost its cache, over all its starts */
	uint32_t       losses;
	struct rf_wall_report walls;     /* around its driver, once one ran */
	struct rf_blk_info info;
	struct rf_net_info net;
	struct rf_identity disk;     /* which disk it has to be; not known: any */
	struct rf_identity other;    /* which one was found in its place; not known: none */
	bool               other_told; /* to the log */
};

/* The drivers of one queue, besides struct queue_record. */
struct dev_queue {
	uint64_t down_ns;            /* when its last driver's death was reported */
	/* generation whose death was logged, and whose successor was not; 0: none */
	uint32_t replaced;
	struct wanted_driver want;
	struct rf_hang_detector hang;
};

struct dev {
	struct dev_record r;

	/* What it finds at the keeper, or anew. */
	const struct rf_config_device *cfg;
	int            index;        /* of cfg, for the broker */
	bool           recorded;     /* a predecessor knew it */
	/* r.former: what it is to be when all of it has ended; NULL: nothing any more */
	const struct rf_config_device *next;
	int            fd[DEV_FDS];
	bool           adopting;     /* its device process has not yet said what we missed */
	struct dev_queue queue[RF_MAX_QUEUES];
	uint64_t       busy_until_ns; /* its driver died, and clients wait for the next one */
	uint64_t       open_until_ns; /* its device may be in another's hands until then */
	/* times its export could not be had, for want of memory or a process */
	unsigned       export_short;
	struct ping    ping;
	const struct rf_stats_service *service; /* mapped read-only */
	const struct rf_stats_device  *device;
	const void    *image;        /* pages of FD_IMAGE */
};

/* Somebody at the control socket; fd -1: nobody. */
#define RF_CLIENTS 8
struct client {
	int      fd;
	uint64_t until_ns; /* it may neither ask nor read for so long; ~0: it waits for us */
	enum client_state { CLIENT_ASKS, CLIENT_READS, CLIENT_WAITS } state;
	int      at;       /* READS: the device it is told of next */
};

struct sup {
	const struct rf_config *config; /* mapped */
	/* The devices of the configuration as they stand there, and behind them those that only
	 * were. In memory that is mapped once, as the loop's array is. */
	struct dev      *dev;
	int              count;
	struct pollfd   *poll;
	int   keeper, broker; /* sockets */
	int   listener;    /* control socket, */
	uint64_t listen_ns; /* not looked at before: accept.h; 0: it is */
	struct client client[RF_CLIENTS];
	int   null;        /* /dev/null */
	int   deaths;      /* the file of deaths; -1: not opened yet */
	int   launcher, rf_device; /* programs */
	int   export[RF_EXPORT_KINDS]; /* those the configuration needs */
	int   dial;        /* rf-dial, if a stack needs it */
	struct record *record; /* mapped */
	pid_t pid;         /* our own */
	bool  stopping;
	struct {
		bool     asked;  /* by a signal: it begins as soon as it can */
		uint64_t due_ns; /* the loader may take until then; 0: none runs */
	} reload;
	int   code;
	uint64_t takeovers; /* supervisors before this one that died */
	struct {
		int program, dir, kmsg, socket; /* -1: it does not run */
		uint64_t deaths;   /* it was told of, or had no room for */
	} reporter;
};

/* keeper_client.c: one request and its answer. -errno of the keeper. Events that
 * come meanwhile are kept for keep_event(). */
int keep_spawn(struct sup *, const char *name, struct rf_keep_spawn *, const int *fds, int count,
	       pid_t *pid, int *pidfd);
int keep_store(struct sup *, const char *name, int fd);
int keep_retrieve(struct sup *, const char *name); /* fd */
/* The next process: its name and pid, at msg->at, and whether it is dead. -ENOENT: that was all. */
int keep_list(struct sup *, struct rf_keep_msg *msg);
void keep_ack_exit(struct sup *, const struct rf_keep_msg *dead);
int keep_reload(struct sup *, int log); /* has the configuration read; log: a pipe, or -1 */
int keep_renew(struct sup *); /* has us replaced; 0: we are about to be killed */
int keep_kill(struct sup *, const char *name);
void keep_delete(struct sup *, const char *prefix);
int keep_walls(struct sup *, const char *name, struct rf_wall_report *);
void keep_pong(struct sup *);
/* An event is in the backlog: poll() on the keeper's socket does not report it. */
bool keep_pending(void);
/* 1: *msg is an event; 0: none now. Ends the process when the keeper is gone. */
int keep_event(struct sup *, struct rf_keep_msg *msg);

/* record.c: what a supervisor leaves to its successor, in memory the keeper holds. */
int  record_make(struct sup *);  /* 0 or -errno */
/* The same; -EPROTO: it makes no sense. *loads: of the configuration it was written under. */
int  record_read(struct sup *, int fd, uint32_t *loads);
void record_write(struct sup *);

/* devices.c: the table of devices. */
/* From the configuration: -errno. */
int  devices_make(struct sup *);
/* Once those that a predecessor knew are marked: what each of them is. reloaded: the configuration
 * is another one than the predecessor's. */
void devices_settle(struct sup *, bool reloaded);
struct dev *dev_entry(struct sup *, int index);    /* by its index in the configuration */
uint32_t dev_uid(const struct sup *, const struct dev *, uint32_t role);
#define DEV_ROLE_DIAL (RF_UIDS_EACH - 1)
bool dev_over(const struct dev *);           /* it went, and is nothing any more */
bool devices_leaving(const struct sup *);    /* one is to go, or to change, and has not ended */
void dev_becomes_next(struct sup *, struct dev *); /* what it was has ended */

/* reload.c: the configuration read anew, and what follows. */
/* -EBUSY: another one is under way; -ESHUTDOWN; or what the zygote says. log: a pipe, or -1. */
int  reload_begin(struct sup *, int log);
void reload_hangup(struct sup *);            /* the same, asked by a signal: as soon as it can be */
/* The loader has ended: an exit code, after a line; 0: we are to be replaced. */
int  reload_loaded(struct sup *, const struct rf_keep_msg *);
void reload_renew(struct sup *);             /* returns only if the keeper refuses */
void reload_due(struct sup *);
uint64_t reload_due_ns(const struct sup *);

/* adopt.c: finds all that runs, after a supervisor that died. */
int  adopt_all(struct sup *, int record); /* 0 or an exit code after a line */
void adopt_told(struct dev *, const struct rf_dev_msg *); /* RF_DEV_ADOPTED */

/* stopping.c: how all of a device ends. */
/* A person, the load's end or an error asks for it. */
void dev_stop(struct sup *, struct dev *);
void dev_fail(struct sup *, struct dev *, int code); /* stops it, and that is why */
void dev_end(struct sup *, struct dev *);          /* DEV_STOPPING: all of it is to end, or has */
void stack_kill(struct sup *, struct dev *);       /* the stack it is in */

/* lifecycle.c: one device from start to end. */
void dev_restart(struct sup *, struct dev *);      /* a person asks for it */
void dev_message(struct sup *, struct dev *);      /* FD_SUP_OURS is readable */
void dev_exited(struct sup *, const struct rf_keep_msg *);
void dev_due(struct sup *, struct dev *);          /* something of it may be due */
uint64_t dev_due_ns(const struct dev *);           /* when it is; ~0: there is nothing */
/* Until when exits are not handled: clients of this device wait for its next driver, and the
 * books can wait. 0: no such time. */
uint64_t dev_busy_until_ns(const struct dev *);

/* backoff.c: how long a successor is held back. */
uint64_t dev_backoff(const struct dev *, uint64_t fruitless);
bool dev_shortage(int err); /* a process cannot be had, but perhaps later */
void dev_want_drop(struct dev *);

/* Queues that its configuration gives it at most: by so many its drivers count. */
static inline uint32_t dev_queues(const struct dev *d)
{
	return d->cfg->policy.device.queues;
}

static inline uint32_t dev_queue_of(const struct dev *d, uint32_t generation)
{
	return rf_number_queue(generation, dev_queues(d));
}

static inline uint32_t dev_half_of(const struct dev *d, uint32_t generation)
{
	return rf_number_half(generation, dev_queues(d));
}

/* Is there a process of a driver's? */
static inline bool dev_any_driver(const struct dev *d)
{
	for (uint32_t i = 0; i < RF_MAX_QUEUES; i++)
		if (d->r.queue[i].driver_pid[0] || d->r.queue[i].driver_pid[1])
			return true;
	return false;
}

/* drivers.c: its drivers, and the restart budget. */
bool dev_all_up(const struct dev *);  /* each queue that is used had a driver that ran */
bool dev_wants(const struct dev *);   /* is a driver wanted and not started yet? */
uint32_t dev_any_running(const struct dev *); /* a driver that runs; 0: none does */
void dev_want(struct dev *, const struct rf_dev_msg *, const int *fds, int count);
void dev_want_due(struct sup *, struct dev *);     /* spawns it, unless it is held back */
void dev_give_up(struct dev *);                    /* tells its device process of the quarantine */
void dev_count_death(struct dev *, uint32_t generation);
void dev_kill_for(struct sup *, struct dev *, uint32_t generation, enum death why);
void dev_unresponsive(struct sup *, struct dev *, const struct rf_dev_msg *);
void dev_driver_died(struct sup *, struct dev *, const struct rf_keep_msg *);
void dev_walls(struct sup *, struct dev *);        /* learns them, unless it did */

/* processes.c: -errno after a line in the log. */
/* What a process is handed: fds[i] as number spawn.target[i]. */
struct child_fds {
	struct rf_keep_spawn spawn;
	int fds[RF_PACKET_FDS], count;
};
void hand(struct child_fds *, int fd, int target);
void hand_first(struct child_fds *, const struct sup *, int program); /* and stdin to stderr */
/* The fds of an export for this device; `base` is added to the numbers of enum rf_export_fd. */
void hand_export(struct child_fds *, const struct sup *, const struct dev *, int base);
/* One of its processes, as the user of that role: 0 the device process, 1 the export, from 2 on
 * the drivers, one for each half of each queue. */
struct rf_keep_spawn dev_spawn_as(const struct sup *, const struct dev *, int role,
				  const char *program);
int  dev_spawn(struct sup *, struct dev *, const char *what, struct rf_keep_spawn *, int *fds,
	       int count, pid_t *pid, int *pidfd);
int  dev_start_device(struct sup *, struct dev *);
/* The one that this queue wants. */
int  dev_start_driver(struct sup *, struct dev *, uint32_t queue, int *pidfd);
int  dev_export(struct sup *, struct dev *);
/* Tells the device process of a new export, unless this is its first. */
int  dev_lend(struct sup *, struct dev *);
void process_name(char *name, const struct dev *, const char *what);
/* Whose process it is, and `what` of it; NULL: nobody's. */
struct dev *dev_of(struct sup *, const char *process, const char **what);
bool dev_alive(const struct dev *);
void dev_kill(struct sup *, struct dev *, const char *what);
void dev_kill_driver(struct sup *, struct dev *, uint32_t generation);
void dev_kill_drivers(struct sup *, struct dev *);

/* resources.c: what a device needs before it runs; 0, RF_OPEN_LATER or an exit code after a
 * line. */
int  dev_open(struct sup *, struct dev *);
/* After RF_OPEN_LATER: the rest. last: it is to be had now, or never. */
int  dev_open_rest(struct sup *, struct dev *, bool last);
void dev_close(struct sup *, struct dev *);
/* After that: what its clients were promised, too. */
void dev_forget(struct sup *, struct dev *);
/* After a supervisor that died: all the keeper has of it. The same. */
int  dev_find(struct sup *, struct dev *);
/* For a successor of its device process: the device anew, and a socket to it. The same. */
int  dev_reopen(struct sup *, struct dev *);
/* What its export is to have in the place of an interface that is gone. The same. */
int  dev_listen_again(struct sup *, struct dev *);
/* What the keeper knows a fd by. */
void dev_fd_name(char *name, const struct dev *, enum dev_fd);
/* A new socket pair between device process and a new export. -errno. */
int  dev_new_service_socket(struct sup *, struct dev *);

/* broker_client.c: what takes privilege is opened by another process. 0 or an exit code after
 * a line. */
int  open_one(struct sup *, const struct dev *, enum rf_open_what, int *fd); /* -1: there is none */
int  open_two(struct sup *, const struct dev *, enum rf_open_what, int fds[RF_OPEN_FDS]);
int  open_do(struct sup *, const struct dev *, enum rf_open_what);
/* of a stack */
int  open_service(struct sup *, const struct dev *, enum rf_open_what, uint32_t service, int *fd);
/* These two may also return RF_OPEN_LATER, except for the last try. */
int  open_take(struct sup *, const struct dev *, bool last, int *group); /* lent to VFIO */
int  open_server(struct sup *, const struct dev *, bool last, int *fd);
/* its address and MTU, once they are known */
int  open_interface(struct sup *, const struct dev *);
int  open_program(struct sup *, uint32_t program); /* enum rf_open_program; its fd */
void open_return(struct sup *);                    /* what a predecessor left taken */
void death_append(struct sup *, const char *line); /* to RUNDIR/deaths.jsonl */

/* announce.c: lines for whoever waits. */
void dev_ready(const struct dev *);                /* its first driver runs: what to do with it */
/* says so, once one runs in the place of the queue's `replaced` */
void dev_recovered(struct dev *, uint32_t queue);

/* stack_open.c: what the processes of 'export lwip' need, which serve several devices. */
int  stack_start(struct sup *, struct dev *);                  /* 0 or an exit code after a line */
void stack_close(struct sup *, struct dev *);
void stack_keep(struct sup *, struct dev *);    /* its fds at the keeper, */
void stack_find(struct sup *, struct dev *);    /* and back from there */
struct dev *stack_of(struct sup *, const struct dev *); /* whose stack it is in; NULL: none */

/* stack.c: these processes. */
void stack_try(struct sup *, struct dev *);     /* starts it if all it needs is there */
void stack_adopt(struct sup *, struct dev *);   /* after a supervisor that died */
void stack_exited(struct sup *, struct dev *, const struct rf_keep_msg *, bool dial);

/* ping.c: processes that take no messages any more are found and killed. */
uint64_t ping_due_ns(const struct dev *);
void ping_tick(struct sup *, struct dev *);

/* server_away.c: a device server that cannot be reached. */
void server_away(struct dev *); /* just now: tried again later */
void server_other(struct dev *); /* it has another disk: likewise */
void server_back(struct dev *); /* its device is ready */
void server_clients_fail(struct dev *);

/* crash_client.c: a dead driver's bundle is written by another process. */
void crash_reporter_start(struct sup *);
void crash_report_request(struct sup *, const struct dev *, const struct rf_keep_msg *,
			  enum death why, const char *words, const char *json);

/* status.c: the control socket. */
void status_accept(struct sup *);                  /* somebody connects */
void status_serve(struct sup *, struct client *);  /* one of them says something, or reads */
short status_events(const struct client *);        /* what poll() is to wait for */
void status_loaded(struct sup *, int code); /* tells who waits for a reload */
uint64_t status_due_ns(
	/* when a silent client is dropped, or a waiting one accepted; ~0: never */
	const struct sup *);
void status_due(struct sup *);

#endif
