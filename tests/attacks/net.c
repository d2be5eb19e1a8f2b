/* SPDX-License-Identifier: MIT */
/*
 * net.c - attacks on the network service through the memory it shares with a driver. See
 * attack.h and scene.h.
 *
 * Room:   tests/attacks. The export is served_net.c, which keeps books of its own.
 * Judged: the driver is reported for a protocol error. Got through: the export died, or was given
 *         what its books say cannot be.
 */
#include "attack.h"

#include "scene.h"

#define SERVED     "build/attacks/served-net"
#define SERVED_LAX "build/attacks/served-net-lax"

/* as in evil_net.c */
enum lie { AT, TWICE, LENGTH, CHECKSUM, KIND, GLUED, PARTS, RX_TAIL, TX_HEAD };
#define NET(lie, without) ((uint64_t)(lie) << 32 | (without))

#define BUFFER 2048u
#define COUNT  64u
#define UNITS  (BUFFER / RF_NET_UNIT) /* of rf_net_frame.at in a buffer */

static enum outcome net_once(const struct attack *a, enum mode mode, uint64_t param, char *what)
{
	unsigned without = mode == CONTROL ? (uint32_t)a->arg : 0;
	struct scene s;

	scene_open(&s, without ? SERVED_LAX : SERVED, "evil_net", without, 0);
	s.rig.net = (struct rf_net_info){ .mac = { 2, 0, 0, 0, 0, 1 },
					  .mtu = 1500,
					  .rx_buffer = BUFFER,
					  .rx_count = COUNT,
					  .tx_max = 1518,
					  .link = RF_NET_LINK_UP };
	/* All other lies are no worse of a device that may glue frames. */
	s.rig.net.features = a->arg >> 32 == GLUED ? 0 : RF_NET_HAS_RX_GSO;
	s.t.l.spec.windows[1].bytes = RF_NET_CHAN_BYTES;
	s.t.param[0] = a->arg >> 32;
	s.t.param[1] = param;
	scene_join(&s);
	s.t.l.boot->net = s.rig.net;
	MUST(!target_spawn(&s.t, 0));
	for (int i = 0; i < (mode == CONTROL ? 1500 : 5000); i++) {
		scene_look(&s, 1);
		if (s.heard || s.served_ended || scene_wrong(&s) || s.page->finished)
			break;
	}
	scene_look(&s, 20);
	/* An index that is a little ahead may say no more than an honest driver could by then. */
	bool index = s.t.param[0] >= RX_TAIL;
	enum outcome o = scene_judge(&s, index ? EXPECT_EITHER : EXPECT_REPORT, what);
	scene_close(&s);
	return o;
}

/* Before and behind the buffers, between them, the other half's, those to send with, wrapped. */
SWEEP(places, net_once, -1ull, -(uint64_t)UNITS, 1, UNITS / 2, UNITS + 1, COUNT *UNITS,
      COUNT *UNITS + UNITS, (2 * COUNT - 1) * UNITS, 2 * COUNT * UNITS, 1 << 16, 1 << 26,
      0x7fffffff, 0x80000000, 0x80000000 + UNITS, 0xffffffff - UNITS + 1)
SWEEP(twice, net_once, 0)
SWEEP(lengths, net_once, BUFFER + 1, BUFFER + 64, 2 * BUFFER, 32767, 32768, 65535)
SWEEP(checksums, net_once, 59 | 1 << 8, 60, 255, 255 | 255 << 8, 34 | 255 << 8, 58 | 1 << 8)
SWEEP(kinds, net_once, 0x10, 0x20, 0x40, 0x80, 0xff, 0x100, 0x302, 0xff02, 0xff00)
SWEEP(glued, net_once, 60, 1500, BUFFER)
SWEEP(parts, net_once, RF_NET_PARTS + 1, RF_NET_PARTS + 8)
SWEEP(rx_tails, net_once, 1, 2, RF_NET_DEPTH, RF_NET_DEPTH + 1, 65536, 0x7fffffff, 0x80000000,
      -1ull, -2ull, -(uint64_t)RF_NET_DEPTH)
SWEEP(tx_heads, net_once, 1, 2, RF_NET_DEPTH, 65536, 0x7fffffff, 0x80000000, -1000000ull,
      -(uint64_t)RF_NET_DEPTH)

const struct attack attacks_net[] = {
    {.name = "a frame where no buffer of its is, all places",
     .wall = -1,
     .stops = "buffer table",
     .run = places,
     .arg = NET(AT, WITHOUT_TAG),
     .quick = true},
    {.name = "two frames in one buffer",
     .wall = -1,
     .stops = "buffer table",
     .run = twice,
     .arg = NET(TWICE, WITHOUT_TAG)},
    {.name = "a frame longer than its buffer: what lies behind leaks",
     .wall = -1,
     .stops = "length check",
     .run = lengths,
     .arg = NET(LENGTH, WITHOUT_STATUS)},
    {.name = "a checksum field outside of the frame",
     .wall = -1,
     .stops = "metadata check",
     .run = checksums,
     .arg = NET(CHECKSUM, WITHOUT_GENERATION)},
    {.name = "kinds of frames there are not",
     .wall = -1,
     .stops = "metadata check",
     .run = kinds,
     .arg = NET(KIND, WITHOUT_OWN)},
    {.name = "a glued frame of a device that glues none: the kernel believes its segments",
     .wall = -1,
     .stops = "metadata check",
     .run = glued,
     .arg = NET(GLUED, WITHOUT_GLUE)},
    {.name = "a frame of more parts than there may be",
     .wall = -1,
     .stops = "metadata check",
     .run = parts,
     .arg = NET(PARTS, WITHOUT_OWN)},
    {.name = "index of received frames, all distances",
     .wall = -1,
     .stops = "index, buffers",
     .run = rx_tails,
     .arg = NET(RX_TAIL, WITHOUT_INDEX | WITHOUT_TAG)},
    {.name = "slots given back that it was never given",
     .wall = -1,
     .stops = "index",
     .run = tx_heads,
     .arg = NET(TX_HEAD, WITHOUT_COUNT)},
    {0},
};
