/* SPDX-License-Identifier: MIT */
/*
 * broker.h - what only root may open or bind, for a supervisor that is not root.
 *
 * Room:   sandbox/proto. One broker a supervisor; both have a successor when either dies
 *         (keeper.c).
 * Wire:   SOCK_SEQPACKET; one struct rf_open_ask a packet, each answered by struct rf_open_answer
 *         with the fds.
 * Writes: the supervisor asks, the broker answers.
 * Reads:  both.
 * Believed: an ask names a device of the configuration, by index, and nothing else that matters:
 *         paths, addresses and owners are out of the configuration, which the broker has of the
 *         keeper. The address and MTU of an interface are its device's own.
 */
#ifndef RF_BROKER_H
#define RF_BROKER_H

#include <stdint.h>

#include "config.h"

/*
 * Offsets to RF_UID_BASE: whose bundles are, who reads the configuration, who the supervisor is;
 * and from where on each device has so many: its device process, its export, its drivers, and
 * at the end rf-dial.
 */
#define RF_UID_CRASH      80u
#define RF_UID_CONFIG     128u
#define RF_UID_SUPERVISOR 129u
#define RF_UID_DEVICES    1024u
#define RF_UIDS_EACH      256u
#define RF_UIDS           (RF_UID_DEVICES + RF_UIDS_EACH * 2u * RF_MAX_DEVICES)

enum rf_open_what {
	/* Once, for ringfence as a whole: */
	RF_OPEN_CONTROL = 1, /* its control socket, listening */
	RF_OPEN_PROGRAM,   /* the program `service`: enum rf_open_program */
	RF_OPEN_NULL,      /* /dev/null */
	RF_OPEN_BUNDLES,   /* rf-crash's directory, */
	RF_OPEN_KMSG,      /* and the kernel's log; -1: it is not to be had */
	RF_OPEN_RETURN,    /* what a predecessor left taken goes back */
	RF_OPEN_DEATHS,    /* the file of deaths, a full one put aside */
	/* Of a device: */
	RF_OPEN_IMAGE,     /* its driver image */
	RF_OPEN_LISTENER,  /* what its export listens on, or writes to */
	RF_OPEN_EXPORT,    /* the operator's own program that is its export */
	RF_OPEN_STACK,     /* the listener of service `service` of its stack */
	RF_OPEN_SERVER,    /* its vfio-user server */
	RF_OPEN_SERVER_AGAIN, /* the same; nothing is said of one that is not there */
	RF_OPEN_TAKE,      /* lends it to VFIO; answer: its group */
	RF_OPEN_VFIO,      /* container and group of one that is lent */
	RF_OPEN_INTERFACE, /* gives its interface address and MTU */
	RF_OPEN_VANISH,    /* the name of what its export listened on goes, */
	RF_OPEN_STACK_VANISH, /* and that of service `service` */
	RF_OPEN_GIVE_BACK, /* it goes back to the kernel's driver */
};

enum rf_open_program {
	RF_PROGRAM_LAUNCHER,
	RF_PROGRAM_DEVICE,
	RF_PROGRAM_CRASH,
	RF_PROGRAM_DIAL,
	RF_PROGRAM_EXPORT, /* + its kind */
};

struct rf_open_ask {
	uint32_t what;    /* enum rf_open_what */
	uint32_t device;  /* index, also of one that is to go */
	uint32_t service; /* STACK, STACK_VANISH; PROGRAM */
	uint32_t last;    /* SERVER, TAKE: the asker will not ask again, so LATER is no answer */
	uint16_t mtu;     /* INTERFACE */
	uint8_t  mac[6];
};

struct rf_open_answer {
	int32_t code;  /* 0, RF_OPEN_LATER, or an exit code after a line in the log */
	int32_t group; /* TAKE */
};

/* Most bytes of the file of deaths and the one before it. */
#define RF_DEATHS_MOST (1 << 20)

/*
 * It is in another's hands just now, and may be free in a moment: a server whose queue of clients
 * is full, a disk that a program looks at. Nothing was said. The broker waits for neither, since
 * all devices wait for the broker: who asks may ask again.
 */
#define RF_OPEN_LATER 0x100

#define RF_OPEN_FDS 2 /* most of an answer */

/* The broker's whole life, until nobody asks any more. */
int rf_broker_main(int sock, int config);

/* For the zygote, when no broker lives any more: gives back every device that was left taken. */
void rf_pci_give_back_all(const struct rf_config *);

#endif
