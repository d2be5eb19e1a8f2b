/* SPDX-License-Identifier: MIT */
/*
 * test_net_asked.c - what an export may ask of the net service, and what it gets.
 *
 * Room:   tests/unit. The test is driver and device process; see net_fixture.h.
 */
#include "net_fixture.h"

#define ALL (RF_NET_HAS_TX_CSUM | RF_NET_HAS_RX_CSUM | RF_NET_HAS_TSO4 | RF_NET_HAS_TSO6 | \
	     RF_NET_HAS_VLAN | RF_NET_HAS_LINK | RF_NET_HAS_SG | RF_NET_HAS_RX_GSO)

static int try_tx(struct netted *t, struct rf_net_frame f)
{
	f.at = rf_net_tx_alloc(t->n);
	assert_true(f.at != 0);
	int err = rf_net_tx(t->n, &f);
	if (err)
		rf_net_tx_free(t->n, f.at);
	rf_net_push(t->n);
	return err;
}

static void hostile_segmentation_requests_are_refused(void **state)
{
	static const struct rf_net_frame good = {
		.length = 30000, .flags = RF_NET_CSUM, .gso = RF_NET_GSO_TCP4, .gso_size = 1448,
		.l3_start = 14, .csum_start = 34, .csum_offset = 16, .l4_bytes = 32,
	};
	struct netted *t = netted_new(ALL);
	struct rf_net_frame f;

	(void)state;
	assert_int_equal(try_tx(t, good), 0);
#define BAD(field, value) (f = good, f.field = (value), assert_int_equal(try_tx(t, f), -EINVAL))
	BAD(length, 13);
	BAD(length, 66);       /* headers and nothing else */
	BAD(flags, 0);         /* without its checksum */
	BAD(gso, 3);
	BAD(gso_size, 0);
	BAD(gso_size, 7);      /* thousands of segments */
	BAD(gso_size, 1449);   /* longer than the wire takes */
	BAD(gso_size, 65535);
	BAD(l3_start, 0);
	BAD(l3_start, 13);
	BAD(l3_start, 15);     /* no room for an IP header */
	BAD(csum_start, 33);
	BAD(csum_start, 0);
	BAD(csum_offset, 6);   /* not TCP's */
	BAD(l4_bytes, 19);
	BAD(l4_bytes, 61);
	BAD(gso, RF_NET_GSO_TCP6); /* no room for an IPv6 header */
	BAD(csum_start, 230);  /* headers longer than 8 bits say */
	BAD(csum_start, 245);  /* the same of the checksum's place */
	BAD(l3_start, 128);    /* the same of 7 bits */
	f = (struct rf_net_frame){ .length = 1519 };
	assert_int_equal(try_tx(t, f), -EINVAL);
	f = (struct rf_net_frame){
		.length = 60, .flags = RF_NET_CSUM, .csum_start = 40, .csum_offset = 19
	};
	assert_int_equal(try_tx(t, f), -EINVAL);
	assert_int_equal(t->n->count.tx_refused, 22);
	assert_int_equal(t->n->count.tx_frames, 1);
	netted_free(t);
	/* What the device does not have. */
	t = netted_new(0);
	assert_int_equal(try_tx(t, (struct rf_net_frame){ .length = 60, .flags = RF_NET_MORE }),
			 -EINVAL);
	assert_int_equal(try_tx(t, (struct rf_net_frame){ .length = 60, .flags = RF_NET_VLAN }),
			 -EINVAL);
	assert_int_equal(try_tx(t, (struct rf_net_frame){ .length = 60,
							  .flags = RF_NET_CSUM,
							  .csum_start = 34,
							  .csum_offset = 16 }),
			 -EINVAL);
	netted_free(t);
}

/* Ones' complement sum of 16-bit words. */
static uint32_t sum16(const unsigned char *at, uint32_t bytes, uint32_t sum)
{
	for (uint32_t i = 0; i + 1 < bytes; i += 2)
		sum += (uint32_t)(at[i] << 8 | at[i + 1]);
	if (bytes & 1)
		sum += (uint32_t)at[bytes - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static void lengths_are_left_out_where_the_device_adds_them(void **state)
{
	struct netted *t = netted_new(ALL | RF_NET_TSO_NO_LENGTH);
	struct rf_net_frame f = { .length = 5000, .flags = RF_NET_CSUM, .gso = RF_NET_GSO_TCP4,
				  .gso_size = 1000, .l3_start = 14, .csum_start = 34,
				  .csum_offset = 16, .l4_bytes = 20 };
	static const unsigned char addresses[] = { 10, 0, 0, 1, 10, 0, 0, 2, 0, 6 };
	const uint32_t tcp = 5000 - 34;

	(void)state;
	f.at = rf_net_tx_alloc(t->n);
	unsigned char *frame = rf_net_at(t->n, f.at);
	memset(frame, 0xaa, 5000);
	uint32_t with = sum16(addresses, sizeof(addresses), tcp),
		 without = sum16(addresses, sizeof(addresses), 0);
	frame[50] = (unsigned char)(with >> 8);
	frame[51] = (unsigned char)with;
	assert_int_equal(rf_net_tx(t->n, &f), 0);
	assert_int_equal(frame[50] << 8 | frame[51], without);
	assert_int_equal(frame[16] | frame[17] | frame[24] | frame[25], 0); /* length, checksum */
	netted_free(t);
}

static void the_software_sum_is_the_right_one(void **state)
{
	unsigned char frame[101];

	(void)state;
	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (unsigned char)(i * 37 + 11);
	for (uint32_t length = 80; length <= sizeof(frame); length++) {
		frame[40] = 0x12; /* the pseudo header's sum */
		frame[41] = 0x34;
		uint32_t want = sum16(frame + 34, length - 34, 0) ^ 0xffff;
		rf_net_sum_fill(frame, length, 34, 6);
		assert_int_equal(frame[40] << 8 | frame[41], want ? want : 0xffff);
	}
}

static void an_impossible_interface_is_refused(void **state)
{
	(void)state;
	for (int what = 0; what < 9; what++) {
		struct netted *t = calloc(1, sizeof(*t));
		struct rf_net_info *in = &t->rig.net;

		rig_open(&t->rig, ARENA);
		t->rig.config->service = RF_SERVICE_NET;
		*in = netted_info(0);
		in->rx_buffer = what == 0 ? 2049 : what == 1 ? 1024 : what == 2 ? 65536 : 2048;
		in->rx_count = what == 3 ? 0 : what == 4 ? RF_NET_DEPTH + 1 : BUFFERS;
		in->mtu = what == 5 ? 67 : 1500;
		in->tx_max = what == 6 ? 1513 : what == 7 ? 65536 : 1518;
		in->mac[0] = what == 8 ? 1 : 2;
		rig_install(&t->rig);
		assert_int_equal(rf_net_open(&t->n), 0);
		rig_send(&t->rig, RF_SVC_INFO, 0);
		assert_int_equal(rf_net_control(t->n), -EPROTO);
		netted_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hostile_segmentation_requests_are_refused),
		cmocka_unit_test(lengths_are_left_out_where_the_device_adds_them),
		cmocka_unit_test(the_software_sum_is_the_right_one),
		cmocka_unit_test(an_impossible_interface_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
