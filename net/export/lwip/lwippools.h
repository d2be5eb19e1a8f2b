/* SPDX-License-Identifier: MIT */
/*
 * lwippools.h - the pools behind lwIP's mem_malloc(): segments to send, mostly.
 *
 * Room:   net/export/lwip. Included by lwIP's memp_std.h, several times: no include guard.
 *         Sizes must grow. A full segment is struct pbuf, headers and TCP_MSS bytes: enough
 *         that RF_LWIP_STREAMS peers who read nothing leave some to others.
 */
LWIP_MALLOC_MEMPOOL_START
LWIP_MALLOC_MEMPOOL(1024, 128)
LWIP_MALLOC_MEMPOOL(512, 256)
LWIP_MALLOC_MEMPOOL(512, 768)
LWIP_MALLOC_MEMPOOL(6144, 1664)
LWIP_MALLOC_MEMPOOL_END
