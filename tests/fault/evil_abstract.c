/* SPDX-License-Identifier: MIT */
/*
 * evil_abstract.c - connects to a socket of the host by its abstract name.
 *
 * Room:   tests/fault, hostile. Stopped by: the network namespace; Landlock.
 */
#include "evil.h"

#include <sys/socket.h>
#include <sys/syscall.h>

struct address {
	unsigned short family;
	char           name[16];
};

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	static const struct address to = { AF_UNIX, "\0ringfence-lure" };

	evil_begin(boot);
	long fd = evil_call(SYS_socket, AF_UNIX, SOCK_STREAM, 0, 0, 0, 0);
	evil_end(boot, fd < 0 ? fd : evil_call(SYS_connect, fd, EVIL_P(&to), 17, 0, 0, 0));
}
