/* SPDX-License-Identifier: MIT */
/*
 * evil_tcp.c - connects to a TCP port of the host: param[0].
 *
 * Room:   tests/fault, hostile. Stopped by: the network namespace; Landlock.
 */
#include "evil.h"

#include <sys/socket.h>
#include <sys/syscall.h>

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	/* family, port, address in network order */
	struct { uint16_t family, port; uint32_t address; uint64_t zero; } to = {
		AF_INET, (uint16_t)boot->queue[0].param[0], 0x0100007f, 0,
	};

	evil_begin(boot);
	long fd = evil_call(SYS_socket, AF_INET, SOCK_STREAM, 0, 0, 0, 0);
	evil_end(boot, fd < 0 ? fd : evil_call(SYS_connect, fd, EVIL_P(&to), sizeof(to), 0, 0, 0));
}
