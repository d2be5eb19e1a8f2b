/* SPDX-License-Identifier: MIT */
/*
 * e1000e_sum.c - the Internet checksum (RFC 1071), what of it a received frame holds, and
 * Ethernet's CRC.
 *
 * Room:   tests/models. Trust: none in the bytes; nothing beyond `bytes` is read.
 */
#include "e1000e_model.h"

uint32_t e_sum(const uint8_t *data, uint32_t bytes)
{
	uint64_t sum = 0;

	for (; bytes > 1; data += 2, bytes -= 2)
		sum += e_get16(data);
	if (bytes)
		sum += (uint32_t)data[0] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint32_t)sum;
}

uint16_t e_sum_done(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Of TCP or UDP behind an IP header; `addresses` are those of the pseudo-header. */
static uint32_t check_l4(const uint8_t *l4, uint32_t bytes, uint8_t protocol,
                         const uint8_t *addresses, uint32_t address_bytes)
{
	bool     udp = protocol == 17;
	uint32_t sum;

	if (bytes < (udp ? 8u : 20u))
		return 0;
	if (udp && !e_get16(l4 + 6))
		return 0; /* the sender made none */
	sum = e_sum(addresses, address_bytes) + protocol + bytes + e_sum(l4, bytes);
	return (udp ? E_RXD_UDPCS | E_RXD_TCPCS : E_RXD_TCPCS) | (e_sum_done(sum) ? E_RXE_L4 : 0);
}

static uint32_t check_ipv4(const uint8_t *p, uint32_t bytes, bool ip, bool l4)
{
	uint32_t header = (p[0] & 15u) * 4, total, bits = 0;

	if (bytes < 20 || p[0] >> 4 != 4 || header < 20 || header > bytes)
		return 0;
	total = e_get16(p + 2);
	if (ip)
		bits = E_RXD_IPCS | (e_sum_done(e_sum(p, header)) ? E_RXE_IP : 0);
	if (!l4 || total < header || total > bytes || (e_get16(p + 6) & 0x3fff))
		return bits; /* a fragment has no checksum of its own */
	if (p[9] == 6 || p[9] == 17)
		bits |= check_l4(p + header, total - header, p[9], p + 12, 8);
	return bits;
}

static uint32_t check_ipv6(const uint8_t *p, uint32_t bytes, bool l4)
{
	uint32_t payload;

	if (bytes < 40 || p[0] >> 4 != 6 || !l4)
		return 0;
	payload = e_get16(p + 4);
	if (payload > bytes - 40 || (p[6] != 6 && p[6] != 17))
		return 0;
	return check_l4(p + 40, payload, p[6], p + 8, 32);
}

uint32_t e_sum_check(const uint8_t *frame, uint32_t bytes, bool ip, bool l4)
{
	uint32_t at = 14, bits = 0;
	uint16_t type;

	if (bytes < at + 20 || (!ip && !l4))
		return E_RXD_IXSM;
	type = e_get16(frame + 12);
	if (type == 0x8100) { /* one that was not stripped */
		type = e_get16(frame + 16);
		at = 18;
	}
	if (bytes < at + 20)
		return E_RXD_IXSM;
	if (type == 0x0800)
		bits = check_ipv4(frame + at, bytes - at, ip, l4);
	else if (type == 0x86dd)
		bits = check_ipv6(frame + at, bytes - at, l4);
	return bits ? bits : E_RXD_IXSM;
}

uint32_t e_crc(const uint8_t *data, uint32_t bytes)
{
	uint32_t crc = ~0u;

	while (bytes--) {
		crc ^= *data++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
	}
	return ~crc;
}
