/* SPDX-License-Identifier: MIT */
/*
 * fuzz_answers.c - the stack's DHCP and DNS clients against servers that answer anything.
 *
 * Room:   tests/fuzz. Input: records of a kind (low 3 bits of a byte), a length and that many
 *         bytes. Transaction ids, ports, lengths and checksums are made right, so that it is
 *         the answer that is tried and not the luck of guessing.
 *           0  DHCP: message type and options, behind the fixed part of RFC 2131, 2
 *           1  DHCP: the fixed part, too
 *           2  DNS: header counts (6 bytes), the question as it was asked, these records
 *           3  DNS: all but the transaction id (RFC 1035, 4.1.1)
 *           4  asks for this name
 *           5  time goes on: half a second for each unit of the first byte
 *           6  somebody says by ARP that this IPv4 address is his (RFC 5227)
 * Judged: by the sanitizers, and by lwIP's own assertions, which end the process.
 */
#include <string.h>

#include "quiet_log.h"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/lib/words.c"
#include "net/export/lwip/now.c"
#include "net/export/lwip/stack.c"

#include "tests/unit/lwip_wire.h"

#define HEADERS   42u /* Ethernet, IPv4, UDP */
#define BOOTP     236u
#define DNS_HEAD  12u
#define FRAME_MAX 1514u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Nothing here connects. */
err_t rf_lwip_segment(struct tcp_pcb *pcb, const struct tcp_hdr *h)
{
	(void)pcb;
	(void)h;
	return ERR_VAL;
}

static uint8_t  dhcp_id[4], query[512];
static uint32_t query_length;
static uint16_t query_port;
static uint8_t  query_server[4], arp_asked[4]; /* 0.0.0.0: nobody was asked for */

/* What the stack asked last is what is answered. */
static void wire_sent(const uint8_t *f, uint32_t length)
{
	uint32_t port = length > HEADERS ? (uint32_t)f[36] << 8 | f[37] : 0;

	/* Whoever is looked for is there; only a probe (its sender is 0.0.0.0) finds nobody. */
	if (length >= 42 && f[12] == 8 && f[13] == 6 && f[21] == 1 && memcmp(f + 28, "\0\0\0", 4))
		memcpy(arp_asked, f + 38, 4);
	if (length < HEADERS || f[12] != 8 || f[13] || f[23] != 17)
		return;
	if (port == 67 && length >= HEADERS + 8)
		memcpy(dhcp_id, f + HEADERS + 4, 4);
	if (port == 53 && length >= HEADERS + DNS_HEAD && length - HEADERS <= sizeof(query)) {
		memcpy(query_server, f + 30, 4);
		query_length = length - HEADERS;
		query_port = (uint16_t)(f[34] << 8 | f[35]);
		memcpy(query, f + HEADERS, query_length);
	}
}

static void arp(const uint8_t address[4])
{
	uint8_t f[42] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6,
			  0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 1 };

	memcpy(f + 28, address, 4);
	memcpy(f + 32, wire.mac, 6);
	memcpy(f + 38, netif_ip4_addr(&stack.netif), 4);
	wire_frame(f, sizeof(f));
}

/* `length` bytes of UDP payload lie behind the headers. */
static void answer(uint8_t *f, uint32_t length, uint16_t from, uint16_t to)
{
	uint32_t total = length + 28;
	const uint8_t head[HEADERS] = { 2,
					0,
					0,
					0,
					0,
					2,
					2,
					0,
					0,
					0,
					0,
					1,
					8,
					0,
					0x45,
					0,
					(uint8_t)(total >> 8),
					(uint8_t)total,
					0,
					0,
					0,
					0,
					64,
					17,
					0,
					0,
					10,
					0,
					0,
					1,
					255,
					255,
					255,
					255,
					(uint8_t)(from >> 8),
					(uint8_t)from,
					(uint8_t)(to >> 8),
					(uint8_t)to,
					(uint8_t)((length + 8) >> 8),
					(uint8_t)(length + 8),
					0,
					0 };

	memcpy(f, head, HEADERS);
	if (to != 68) {
		memcpy(f + 26, query_server, 4);
		memcpy(f + 30, netif_ip4_addr(&stack.netif), 4);
	}
	wire_sum(f + 24, rf_checksum(f + 14, 20));
	wire_frame(f, HEADERS + length);
}

static void dhcp_answer(const uint8_t *data, uint32_t length, bool whole)
{
	static const uint8_t cookie[4] = { 0x63, 0x82, 0x53, 0x63 };
	uint8_t f[FRAME_MAX] = { 0 }, *m = f + HEADERS;
	uint32_t head = whole ? 0 : BOOTP;

	if (head + length + 8 > FRAME_MAX - HEADERS)
		length = FRAME_MAX - HEADERS - head - 8;
	if (!whole) {
		memcpy(m, (uint8_t[]){ 2, 1, 6 }, 3);
		memcpy(m + 16, (uint8_t[]){ 10, 0, 0, 50, 10, 0, 0, 1 }, 8);
		memcpy(m + BOOTP, cookie, 4);
		head += 4;
	}
	memcpy(m + head, data, length);
	memcpy(m + 4, dhcp_id, 4);
	memcpy(m + 28, wire.mac, 6);
	answer(f, head + length < 44 ? 44 : head + length, 67, 68);
}

static void dns_answer(const uint8_t *data, uint32_t length, bool whole)
{
	uint8_t f[FRAME_MAX], *m = f + HEADERS;
	uint32_t head = whole ? 2 : query_length;

	if (!query_length || (!whole && length < 6))
		return;
	memcpy(m, query, query_length);
	if (!whole) {
		memcpy(m + 2, (uint8_t[]){ 0x81, 0x80, 0, 1 }, 4);
		memcpy(m + 6, data, 6);
		data += 6;
		length -= 6;
	}
	if (head + length > FRAME_MAX - HEADERS)
		length = FRAME_MAX - HEADERS - head;
	memcpy(m + head, data, length);
	answer(f, head + length, 53, query_port);
}

static void found(const char *name, const ip_addr_t *address, void *arg)
{
	(void)arg;
	RF_BUG_ON(!name || (address && !IP_IS_V4(address) && !IP_IS_V6(address)));
}

static void ask(const uint8_t *data, uint32_t length)
{
	char name[256];
	ip_addr_t address;

	if (length > sizeof(name) - 1)
		length = sizeof(name) - 1;
	memcpy(name, data, length);
	name[length] = '\0';
	dns_gethostbyname_addrtype(name, &address, found, NULL, LWIP_DNS_ADDRTYPE_IPV4_IPV6);
}

static void arp_found(void)
{
	uint8_t address[4];

	memcpy(address, arp_asked, 4);
	memset(arp_asked, 0, 4);
	if (memcmp(address, "\0\0\0", 4))
		arp(address);
}

static void wait_halves(uint32_t count)
{
	for (; count; count--) {
		wire_wait(500);
		arp_found();
	}
}

static void open_stack(void)
{
	static struct rf_lwip_config c = { .mode4 = RF_LWIP_DHCP, .dns_count = 1,
					   .dns[0] = { .family = 4, .bytes = { 10, 0, 0, 1 } } };

	stack_init();
	stack_open(&stack, &wire, &c);
}

/* Every input finds a client that has just asked, and no name known. */
static void begin_again(void)
{
	static const struct rf_lwip_addr server = { .family = 4, .bytes = { 10, 0, 0, 1 } };
	ip_addr_t address;

	for (int i = 0; i < 32; i++)
		dns_tmr(); /* gives up what is asked */
	stack_address(&address, &server);
	dns_setserver(0, &address);
	query_length = 0;
	dhcp_release_and_stop(&stack.netif);
	dhcp_start(&stack.netif);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool open;

	if (!open)
		open_stack();
	open = true;
	begin_again();
	while (size > 2) {
		uint32_t kind = data[0] & 7, length = (uint32_t)(data[0] >> 3 & 7) << 8 | data[1];

		data += 2;
		size -= 2;
		if (length > size)
			length = (uint32_t)size;
		if (kind <= 1)
			dhcp_answer(data, length, kind == 1);
		else if (kind <= 3)
			dns_answer(data, length, kind == 3);
		else if (kind == 4)
			ask(data, length);
		else if (kind == 6 && length >= 4)
			arp(data);
		else if (length)
			wait_halves(data[0]);
		arp_found();
		data += length;
		size -= length;
	}
	return 0;
}
