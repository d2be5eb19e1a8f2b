/* SPDX-License-Identifier: MIT */
/*
 * lwipopts.h - lwIP as this project builds it.
 *
 * Room:   net/export/lwip. Included by lwIP through lwip/opt.h.
 * Memory: pools of fixed size only: nothing is mapped once the process is locked, and
 *         taking or giving back a buffer costs a few instructions. Sizes below are chosen
 *         for RF_LWIP_STREAMS connections; a pool that runs empty delays, never breaks.
 */
#ifndef RF_LWIPOPTS_H
#define RF_LWIPOPTS_H

#define LWIP_HOOK_FILENAME "hooks.h"

/* Connections at a time, listeners at a time. */
#define RF_LWIP_STREAMS   64
#define RF_LWIP_LISTENERS 32
/* Connections at a time whose peer has not answered yet, of all listeners. */
#define RF_LWIP_HALF_OPEN 64

/* ---- shape: no operating system, one thread, callbacks -------------------------- */
#define NO_SYS                     1
#define SYS_LIGHTWEIGHT_PROT       0
#define LWIP_NETCONN               0
#define LWIP_SOCKET                0
#define LWIP_TIMERS                1
#define LWIP_SINGLE_NETIF          0
#define LWIP_NETIF_API             0

/* ---- protocols ------------------------------------------------------------------- */
#define LWIP_IPV4                  1
#define LWIP_IPV6                  1
#define LWIP_ARP                   1
#define LWIP_ETHERNET              1
#define ETHARP_TABLE_MATCH_NETIF   1
#define ETHARP_SUPPORT_VLAN        0 /* stack.c takes the tag off, of VLAN 0 only */
#define ARP_TABLE_SIZE             64
#define ARP_QUEUEING               1 /* an answer waits for an address, others behind it */
#define ARP_QUEUE_LEN              3
#define MEMP_NUM_ARP_QUEUE         64
#define ARP_MAXAGE                 45 /* s: its owner is asked after 15, everybody after 30 */
#define LWIP_ICMP                  1
#define LWIP_BROADCAST_PING        0
#define LWIP_MULTICAST_PING        0
#define IP_OPTIONS_ALLOWED         0 /* source routes among them */
#define LWIP_IGMP                  0
#define LWIP_RAW                   0
#define LWIP_UDP                   1
#define LWIP_TCP                   1
#define LWIP_DHCP                  1
#define LWIP_DHCP_DOES_ACD_CHECK   1
#define DHCP_CREATE_RAND_XID       1
/* of a minute, a lease of two was over before it was renewed */
#define DHCP_COARSE_TIMER_SECS     1
#define DHCP_TIMEOUT_SIZE_T        u32_t
#define LWIP_DHCP_GET_NTP_SRV      0
#define LWIP_DHCP_MAX_DNS_SERVERS  DNS_MAX_SERVERS
#define LWIP_DNS                   1
#define DNS_MAX_NAME_LENGTH        256
#define LWIP_DNS_SECURE            (LWIP_DNS_SECURE_RAND_XID | LWIP_DNS_SECURE_RAND_SRC_PORT | \
				    LWIP_DNS_SECURE_NO_MULTIPLE_OUTSTANDING)
#define DNS_DOES_NAME_CHECK        1
#define DNS_TABLE_SIZE             16
#define DNS_MAX_REQUESTS           8
#define LWIP_IPV6_AUTOCONFIG       1
#define LWIP_IPV6_MLD              1
#define LWIP_ND6_RDNSS_MAX_DNS_SERVERS 2
#define LWIP_ND6_NUM_NEIGHBORS     64
#define LWIP_ND6_NUM_DESTINATIONS  64
#define LWIP_ND6_QUEUEING          1
#define MEMP_NUM_ND6_QUEUE         64
#define LWIP_ND6_ALLOW_RA_UPDATES  1 /* times and MTU, within wire.c's bounds */
#define LWIP_IPV6_REASS            1
#define IPV6_FRAG_COPYHEADER       1 /* pointers are too long for the header itself */
#define IP_REASSEMBLY              1
#define IP_REASS_MAX_PBUFS         64
#define IP_REASS_MAXAGE            15 /* s */
#define IP_REASS_FREE_OLDEST       1
#define IP_REASS_CHECK_OVERLAP     1
#define IP_FORWARD                 0
#define LWIP_IPV6_FORWARD          0

/* ---- TCP for bulk transfers -------------------------------------------------------- */
#define TCP_MSS                    1460
#define LWIP_WND_SCALE             1
#define TCP_RCV_SCALE              2
#define TCP_WND                    (128 * 1024)
#define TCP_SND_BUF                (128 * 1024)
#define TCP_SND_QUEUELEN           (4 * TCP_SND_BUF / TCP_MSS)
#define TCP_SNDLOWAT               (8 * TCP_MSS)
/* RFC 6928. And lost segments are missed after a quarter of a second, not after one and more. */
#define LWIP_TCP_CALC_INITIAL_CWND(mss) ((tcpwnd_size_t)(10 * (mss)))
#define TCP_TMR_INTERVAL           25  /* ms; of what is slow twice that */
#define LWIP_TCP_TIMER_OWN         1   /* ticks.c */
#define LWIP_TCP_RTO_MIN           200 /* ms: Linux delays acknowledgements by 40 */
#define LWIP_TCP_RTO_TIME          1000 /* ms, before anything was measured: RFC 6298 */
#define TCP_QUEUE_OOSEQ            1
#define TCP_OOSEQ_MAX_PBUFS        (TCP_WND / TCP_MSS + 8)
#define LWIP_TCP_SACK_OUT          1
#define LWIP_TCP_TIMESTAMPS        0
#define TCP_LISTEN_BACKLOG         1
/* a burst of honest clients is answered whole */
#define TCP_DEFAULT_LISTEN_BACKLOG RF_LWIP_HALF_OPEN
#define LWIP_TCP_KEEPALIVE         1
#define LWIP_TCP_PCB_NUM_EXT_ARGS  0
/* lwIP forgets a connection that is closed but not yet acknowledged, unsent bytes and all,
 * when its peer was not heard for twice this: a peer that is slow to read must not lose them.
 * TIME_WAIT lasts as long, a minute as with Linux; its oldest go first when the pool is empty. */
#define TCP_MSL                    30000UL

/* ---- memory --------------------------------------------------------------------------- */
#define MEM_ALIGNMENT              16
#ifdef RF_LWIP_MALLOC /* tests: a sanitizer sees where a buffer ends */
#define MEM_LIBC_MALLOC            1
#define MEMP_MEM_MALLOC            1
#else
#define MEM_LIBC_MALLOC            0
#define MEMP_MEM_MALLOC            0
#define MEM_USE_POOLS              1
#define MEMP_USE_CUSTOM_POOLS      1
#define MEM_USE_POOLS_TRY_BIGGER_POOL 1
#endif
#define MEMP_NUM_TCP_PCB           (4 * RF_LWIP_STREAMS) /* most of them closed already */
#define MEMP_NUM_TCP_PCB_LISTEN    RF_LWIP_LISTENERS
#define MEMP_NUM_TCP_SEG           8192
#define MEMP_NUM_UDP_PCB           16
#define MEMP_NUM_PBUF              1024
#define MEMP_NUM_REASSDATA         16
#define MEMP_NUM_FRAG_PBUF         64
#define MEMP_NUM_SYS_TIMEOUT       (LWIP_NUM_SYS_TIMEOUT_INTERNAL + 8)
#define PBUF_POOL_SIZE             2048
#define PBUF_POOL_BUFSIZE          1536
#define PBUF_LINK_HLEN             16 /* Ethernet and two bytes, so that IP headers are aligned */
#define ETH_PAD_SIZE               2

/* ---- checksums: ours, see checksum.c ---------------------------------------------------- */
#ifndef RF_LWIP_STOCK /* measurements: as lwIP does it by itself */
#define LWIP_CHKSUM                rf_checksum
#define LWIP_CHKSUM_COPY(to, from, length) rf_checksum_copy(to, from, length)
#define LWIP_CHECKSUM_ON_COPY      1
#endif
#define LWIP_CHECKSUM_CTRL_PER_NETIF 1

/* ---- what an operator sees --------------------------------------------------------------- */
#define LWIP_NETIF_STATUS_CALLBACK 1
#define LWIP_NETIF_LINK_CALLBACK   1
#define LWIP_NETIF_HOSTNAME        1
#define LWIP_NETIF_LOOPBACK        0 /* nobody is let in from an address of our own */
#define LWIP_HAVE_LOOPIF           0
#define LWIP_STATS                 1
#define LWIP_STATS_LARGE           1
#define MIB2_STATS                 0

#endif
