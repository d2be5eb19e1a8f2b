/* SPDX-License-Identifier: MIT */
/*
 * test_tap.c - what the kernel says of a frame, and what a driver does: headers of any length,
 * frames cut in software, glued frames that are not what they are said to be.
 *
 * Room:   tests/unit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/export/tap/vnet.c"
#undef TCP_CHECK
#undef TCP_BYTES
#undef IP6_BYTES
#include "net/export/tap/segment.c"
#include "net/engine/sum.c"

#define ALL (RF_NET_HAS_TX_CSUM | RF_NET_HAS_TSO4 | RF_NET_HAS_TSO6 | RF_NET_HAS_LINK)

/* An IPv6 frame of TCP behind `extra` bytes of hop-by-hop options (RFC 8200, 4.3), which the
 * checksum of the pseudo header covers whole. Bytes of its headers. */
static uint32_t ip6_frame(unsigned char *f, uint32_t extra, uint32_t payload, uint32_t tcp)
{
	uint32_t l4 = ETH_HLEN + IP6_BYTES + extra, sum = IP_TCP + tcp + payload;

	memset(f, 0, l4 + tcp);
	for (uint32_t i = 0; i < payload; i++)
		f[l4 + tcp + i] = (unsigned char)rand();
	segment_put(f + 12, ETH_P_IPV6, 2);
	f[14] = 0x60;
	segment_put(f + 18, extra + tcp + payload, 2);
	f[20] = extra ? 0 : IP_TCP;
	for (unsigned i = 22; i < 54; i += 2) {
		segment_put(f + i, (unsigned)rand() & 0xffff, 2);
		sum += segment_get(f + i, 2);
	}
	if (extra) {
		f[54] = IP_TCP;
		f[55] = (unsigned char)(extra / 8 - 1);
	}
	segment_put(f + l4 + TCP_SEQ, 0xfffffff0, 4);
	f[l4 + 12] = (unsigned char)(tcp / 4 << 4);
	f[l4 + TCP_FLAGS] = FIN_PSH | CWR | 0x10;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	segment_put(f + l4 + TCP_CHECK, sum, 2);
	return l4 + tcp;
}

static struct virtio_net_hdr asks(uint32_t extra, uint16_t gso_size)
{
	return (struct virtio_net_hdr){ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start = (uint16_t)(ETH_HLEN + IP6_BYTES + extra), .csum_offset = TCP_CHECK,
		.gso_type = gso_size ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_NONE,
		.gso_size = gso_size };
}

/* By RFC 9293, 3.1, independent of the code under test. */
static bool sum_is_right(const unsigned char *f, uint32_t l4, uint32_t length)
{
	uint32_t sum = IP_TCP + length - l4;

	for (unsigned i = 22; i < 54; i += 2)
		sum += segment_get(f + i, 2);
	for (uint32_t i = l4; i < length; i += 2)
		sum += i + 1 < length ? segment_get(f + i, 2) : (uint32_t)f[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static void no_field_of_a_descriptor_overflows(void **state)
{
	static unsigned char frame[2048];

	(void)state;
	for (uint32_t extra = 0; extra <= 400; extra += 8) {
		uint32_t l4 = ETH_HLEN + IP6_BYTES + extra;
		struct virtio_net_hdr h = asks(extra, 0);
		struct rf_net_frame f = { .at = 7 };
		uint32_t length = ip6_frame(frame, extra, 101, 20) + 101;
		enum tap_out out = tap_header_out(&f, &h, frame, length, ALL);

		assert_int_equal(out, l4 + TCP_CHECK <= 255 ? TAP_DEVICE : TAP_SUMMED);
		assert_int_equal(f.at, 7);
		assert_int_equal(f.length, length);
		assert_int_equal(f.flags, out == TAP_DEVICE ? RF_NET_CSUM : 0);
		if (out == TAP_DEVICE)
			assert_int_equal(f.csum_start, l4);
		else
			assert_true(sum_is_right(frame, l4, length));
		/* The same, longer than the wire takes. */
		h = asks(extra, 1000);
		length = ip6_frame(frame, extra, 1300, 32) + 1300;
		out = tap_header_out(&f, &h, frame, length, ALL);
		assert_int_equal(out, l4 + 32 <= 255 ? TAP_DEVICE : TAP_SEGMENT);
	}
}

/* Segments are what a device would have made of it. */
static void a_frame_is_cut_in_software(void **state)
{
	static unsigned char frame[65536], piece[2048];
	static struct tap_segments s;
	unsigned seed = 1;

	(void)state;
	srand(seed);
	for (unsigned round = 0; round < 300; round++) {
		uint32_t extra = 8u * (uint32_t)(rand() % 100),
			 payload = 1 + (uint32_t)rand() % 40000;
		uint32_t headers =
			ip6_frame(frame, extra, payload, 20 + 4u * (uint32_t)(rand() % 11));
		uint16_t size = (uint16_t)(TAP_LEAST + (uint32_t)rand() % (1500 - (headers - 14) -
									   TAP_LEAST + 1));
		struct virtio_net_hdr h = asks(extra, size);
		uint32_t l4 = h.csum_start, at = 0, n;

		assert_true(tap_segments_begin(&s, &h, frame, headers + payload, 1500));
		while ((n = tap_segments_next(&s, piece))) {
			bool last = at + n - headers == payload;

			assert_in_range(n, headers + 1, headers + size);
			assert_int_equal(segment_get(piece + 18, 2), n - 54);
			assert_int_equal(segment_get(piece + l4 + TCP_SEQ, 4), 0xfffffff0u + at);
			assert_int_equal(piece[l4 + TCP_FLAGS],
					 0x10 | (at ? 0 : CWR) | (last ? FIN_PSH : 0));
			assert_memory_equal(piece + headers, frame + headers + at, n - headers);
			if (!sum_is_right(piece, l4, n))
				fail_msg("seed %u, round %u: a checksum is wrong", seed, round);
			at += n - headers;
		}
		assert_int_equal(at, payload);
		assert_int_equal(tap_segments_next(&s, piece), 0);
	}
}

static void what_cannot_be_cut_is_refused(void **state)
{
	static unsigned char frame[65536];
	static struct tap_segments s;
	uint32_t length = ip6_frame(frame, 240, 5000, 20) + 5000;
	const struct virtio_net_hdr good = asks(240, 1000);

	(void)state;
	assert_true(tap_segments_begin(&s, &good, frame, length, 1500));
#define BAD(field, value) do { \
	struct virtio_net_hdr h = good; \
	h.field = value; \
	assert_false(tap_segments_begin(&s, &h, frame, length, 1500)); \
	assert_int_equal(tap_segments_next(&s, frame), 0); } while (0)
	BAD(gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	BAD(gso_type, VIRTIO_NET_HDR_GSO_UDP);
	BAD(gso_size, 0);
	BAD(gso_size, TAP_LEAST - 1);
	BAD(gso_size, 1500);
	BAD(csum_start, 20);
	BAD(csum_start, 65535);
	BAD(csum_offset, 6);
	assert_false(tap_segments_begin(&s, &good, frame, 310, 1500)); /* no payload */
	assert_false(tap_segments_begin(&s, &good, frame, 20, 1500));
	frame[14] = 0x40;
	assert_false(tap_segments_begin(&s, &good, frame, length, 1500));
}

/* The kernel is told of a glued frame only what the frame says, too. */
static void a_glued_frame_is_what_it_says(void **state)
{
	static unsigned char frame[2048];
	struct virtio_net_hdr h;
	const struct rf_net_frame good = { .length = 1500,
					   .flags = RF_NET_CSUM,
					   .gso = RF_NET_GSO_TCP6,
					   .gso_size = 1000,
					   .csum_start = 54,
					   .csum_offset = 16 };

	(void)state;
	ip6_frame(frame, 0, 1400, 32);
	assert_true(tap_header_in(&h, &good, frame, TAP_HEADERS));
	assert_int_equal(h.hdr_len, 86);
	assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV6);
#define LIE(field, value) do { \
	struct rf_net_frame f = good; \
	f.field = value; \
	assert_false(tap_header_in(&h, &f, frame, TAP_HEADERS)); } while (0)
	LIE(gso, RF_NET_GSO_TCP4);
	LIE(gso_size, 1);
	LIE(gso_size, TAP_LEAST - 1);
	LIE(csum_start, 53);
	LIE(csum_start, 14);
	LIE(csum_start, 255);
	LIE(csum_offset, 6);
	assert_false(tap_header_in(&h, &good, frame, 60)); /* headers cut off */
	static const struct { uint32_t at; unsigned char is; } wrong[] = {
		{ 12, 8 }, { 14, 0x40 }, { 20, 17 }, { 66, 0 }, { 66, 0xf0 },
	};
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		unsigned char was = frame[wrong[i].at];

		frame[wrong[i].at] = wrong[i].is;
		if (wrong[i].at != 66 || wrong[i].is != 0xf0)
			assert_false(tap_header_in(&h, &good, frame, TAP_HEADERS));
		else
			assert_false(tap_header_in(&h, &good, frame, 100));
		frame[wrong[i].at] = was;
	}
}

static void an_ipv4_frame_is_what_it_says(void **state)
{
	unsigned char frame[TAP_HEADERS] = { [12] = 8, [14] = 0x46, [23] = 6, [38 + 12] = 0x50 };
	struct virtio_net_hdr h;
	const struct rf_net_frame good = { .length = 1500,
					   .flags = RF_NET_CSUM,
					   .gso = RF_NET_GSO_TCP4,
					   .gso_size = 1000,
					   .csum_start = 38,
					   .csum_offset = 16 };

	(void)state;
	assert_true(tap_header_in(&h, &good, frame, TAP_HEADERS));
	assert_int_equal(h.hdr_len, 58);
	LIE(csum_start, 34);
	LIE(gso, RF_NET_GSO_TCP6);
	frame[14] = 0x44; /* no header is that short */
	assert_false(tap_header_in(&h, &good, frame, TAP_HEADERS));
	frame[14] = 0x46;
	frame[20] = 0x20; /* a fragment, whose rest is no TCP header */
	assert_false(tap_header_in(&h, &good, frame, TAP_HEADERS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_field_of_a_descriptor_overflows),
		cmocka_unit_test(a_frame_is_cut_in_software),
		cmocka_unit_test(what_cannot_be_cut_is_refused),
		cmocka_unit_test(a_glued_frame_is_what_it_says),
		cmocka_unit_test(an_ipv4_frame_is_what_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
