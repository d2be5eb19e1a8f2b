/* SPDX-License-Identifier: MIT */
/*
 * lwip_config.h - what the lwIP process is to do: the lines of the configuration file.
 *
 *   address  ADDR/BITS | dhcp | none          IPv4; dhcp if the line is absent
 *   address6 ADDR/BITS | auto | none          IPv6; none if absent; auto: by router (SLAAC)
 *   gateway  ADDR
 *   dns      ADDR [ADDR]
 *   hostname NAME                             told to the DHCP server
 *   trust-device-checksum yes|no
 *   forward  WHERE to WHERE [allow CIDR...]   one WHERE is of the stack, one of the host
 *   socks    HOSTPLACE [allow CIDR...]        SOCKS5 on the host, connecting through the stack
 *   status   lwip-tcp PLACE [allow CIDR...]   HTTP: / and /metrics
 *   disk     DEVICE lwip-tcp PLACE [read-only] [partition N] [allow CIDR...]   NBD, no TLS
 *
 *   WHERE     unix:PATH, tcp:PLACE (the host's) or `lwip-tcp PLACE` (the stack's)
 *   PLACE     ADDR:PORT, [ADDR6]:PORT, *:PORT to listen on every address of the stack, and
 *             NAME:PORT where the stack connects to it
 *
 * Room:   sandbox/proto.
 * Wire:   one struct rf_lwip_config in a memfd, and inherited fds.
 * Writes: rf-config, which parses the lines; the supervisor hands it on.
 * Reads:  rf-lwip and rf-dial.
 * Believed: all of it, once its ranges are checked (config_check.h).
 * Safety: nobody may use a listener but the allow-list. Without one that is 127.0.0.0/8
 *         and ::1 on the host, and nobody on the stack.
 */
#ifndef RF_LWIP_CONFIG_H
#define RF_LWIP_CONFIG_H

#include <stdbool.h>
#include <stdint.h>


#define RF_LWIP_SERVICES 16
#define RF_LWIP_ALLOWS   8
#define RF_LWIP_DISKS    2

struct rf_lwip_addr {
	uint8_t family;    /* 4, 6; 0: not an address */
	uint8_t bits;      /* of a network */
	uint8_t reserved[2];
	uint8_t bytes[16]; /* network order */
};

enum rf_lwip_kind { RF_LWIP_NOWHERE, RF_LWIP_STACK, RF_LWIP_UNIX, RF_LWIP_TCP };

struct rf_lwip_place {
	uint8_t  kind; /* enum rf_lwip_kind */
	uint8_t  any;  /* listen on every address */
	uint16_t port; /* host order */
	struct rf_lwip_addr address;
	char     name[108]; /* path, or name to be resolved; "": `address` it is */
};

enum rf_lwip_job { RF_LWIP_FORWARD = 1, RF_LWIP_SOCKS, RF_LWIP_STATUS, RF_LWIP_DISK };

struct rf_lwip_service {
	uint8_t  job; /* enum rf_lwip_job */
	uint8_t  read_only;
	uint8_t  partition; /* 0: the whole disk */
	uint8_t  allow_count;
	struct rf_lwip_place listen, target;
	struct rf_lwip_addr  allow[RF_LWIP_ALLOWS];
	char     device[32];  /* RF_LWIP_DISK: which, by name in the configuration file */
	uint32_t disk;        /* ... and by number: see the fds */
};

enum rf_lwip_mode { RF_LWIP_OFF, RF_LWIP_STATIC, RF_LWIP_DHCP, RF_LWIP_AUTO };

#define RF_LWIP_TRUST_CHECKSUM 0x1u
#define RF_LWIP_LINK_FD        0x2u /* no net service: see net/export/lwip/link_fd.c */

struct rf_lwip_config {
	uint32_t flags;
	uint8_t  mode4, mode6; /* enum rf_lwip_mode */
	uint8_t  bits4, bits6;
	uint8_t  address4[4], gateway4[4], address6[16];
	uint32_t dns_count;
	struct rf_lwip_addr dns[2];
	char     hostname[32];
	uint8_t  mac[6]; /* RF_LWIP_LINK_FD only */
	uint16_t mtu;
	uint32_t count, disks;
	struct rf_lwip_service service[RF_LWIP_SERVICES];
};

/*
 * fds of rf-lwip. The net service has the numbers of enum rf_export_fd (RF_EXPORT_FD_LISTEN
 * stays /dev/null); disk d has the same ones, moved up by RF_LWIP_DISK_FD(d).
 */
#define RF_LWIP_FD_CONFIG   16 /* memfd: struct rf_lwip_config */
#define RF_LWIP_FD_DIAL     17 /* SEQPACKET to rf-dial; there if rf_lwip_dials() */
/* + index of the service: its listening socket, if it is the host's */
#define RF_LWIP_FD_LISTEN   20
#define RF_LWIP_DISK_FD(d)  (20 * ((int)(d) + 2)) /* control socket at 40 + 3, and so on */

/* Does it listen on the host; does any service connect to the host? */
bool rf_lwip_on_host(const struct rf_lwip_service *);
bool rf_lwip_dials(const struct rf_lwip_config *);
/* Opens the listening socket of a service that is on the host. fd, or -errno after a line. */
int  rf_lwip_listen(const struct rf_lwip_service *);
/* Is the address (4 or 16 bytes) in the service's list? */
bool rf_lwip_allowed(const struct rf_lwip_service *, uint8_t family, const uint8_t *bytes);

#endif
