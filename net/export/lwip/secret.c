/* SPDX-License-Identifier: MIT */
/* secret.c - see secret.h. Room: net/export/lwip, trusted. */
#include "secret.h"

#include <string.h>
#include <sys/random.h>

#include "lwip/ip_addr.h"

#include "hooks.h"
#include "log.h"
#include "siphash.h"
#include "now.h"

#define PORTS_FROM 49152u
#define PORTS      16384u

static uint64_t key[2], numbers[2], drawn;

void secret_init(void)
{
	if (getrandom(key, sizeof(key), 0) != sizeof(key) ||
	    getrandom(numbers, sizeof(numbers), 0) != sizeof(numbers))
		rf_die(RF_EXIT_BUG, "getrandom gives no randomness");
}

/* A keyed hash of a counter: who has seen any of them knows none of the others. */
uint32_t rf_lwip_random(void)
{
	return (uint32_t)rf_siphash(key, drawn++, NULL, 0);
}

uint16_t secret_port(void)
{
	return (uint16_t)(PORTS_FROM + rf_lwip_random() % PORTS);
}

/* RFC 6528, 3: a clock of 4 microseconds, and a hash of the connection's four numbers. */
uint32_t rf_lwip_isn(const ip_addr_t *local, uint16_t local_port, const ip_addr_t *remote,
		     uint16_t remote_port)
{
	uint64_t four[5] = { (uint64_t)local_port << 16 | remote_port };

	memcpy(four + 1, ip_2_ip6(local)->addr, IP_IS_V6(local) ? 16 : 4);
	memcpy(four + 3, ip_2_ip6(remote)->addr, IP_IS_V6(remote) ? 16 : 4);
	return (uint32_t)(stack_now_ns() / 4000 + rf_siphash(numbers, four[0], four + 1, 4));
}
