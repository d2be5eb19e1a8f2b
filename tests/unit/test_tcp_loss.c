/* SPDX-License-Identifier: MIT */
/*
 * test_tcp_loss.c - rf-lwip's stack as it sends over a cable that loses frames, and to one whose
 * driver dies: how fast it is by the clock of a simulation, which no load of the machine moves.
 *
 * Room:   tests/unit. The test is the cable and the receiver. RF_SEED=n.
 * Held:   beside 1 % loss and 2 ms of delay each way, what Reno gets (its formula says 36 Mbit/s);
 *         with a receiver that knows SACK, tails and what is lost twice do not wait for a timer.
 *         Control: the same receiver without SACK;
 *         frames that a driver's death took are sent again when its successor is up, not when
 *         a timer runs out. Control: the same without being told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sandbox/lib/log.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/lib/words.c"
#include "net/export/lwip/stack.c"
#include "net/export/lwip/stream.c"
#include "tests/fuzz/lwip_wire.h"

#define MS      1000000ull
#define PORT    7
#define HEADERS 54u /* Ethernet, IPv4 and TCP without options */
#define QUEUE   8192u
#define BLOCKS  3u
#define MOST    (192u << 20) /* bytes of a run */

enum { FIN = 1, SYN = 2, ACK = 16 };

struct frame {
	uint64_t at;
	uint32_t length;
	uint8_t  data[1600];
};

/* One way of the cable. */
struct way {
	struct frame *frame;
	uint32_t      head, tail;
};

static struct {
	struct way to_peer, to_stack;
	uint64_t   dice, delay;
	uint32_t   lost_of_1000;
	bool       cut; /* nothing gets through */
	bool       sacks; /* the receiver says what is behind a gap, and its window moves, as with Linux */

	/* the receiver */
	uint16_t   port, window;
	uint32_t   acks, irs, seq, next, got; /* next: offset behind SYN; got: segments not acknowledged yet */
	uint64_t   ack_at, probes;
	uint8_t   *have; /* by offset */
	uint32_t   top;  /* behind the last byte of those */
	uint32_t   drop[4]; /* the segments that begin there are lost, each number once; 0: none */
	uint32_t   hole;    /* the first that begins there or later is, with its copies; 0: none */
	unsigned   copies;

	/* the sender */
	struct stream *stream;
	uint32_t   written, may_write; /* by offset */
} net;

/* ---- the cable ----------------------------------------------------------------------------- */

static uint32_t chance(uint32_t of)
{
	net.dice = net.dice * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(net.dice >> 33) % of;
}

static void put(struct way *w, const uint8_t *data, uint32_t length)
{
	if (net.cut || chance(1000) < net.lost_of_1000)
		return;
	assert_true(w->tail - w->head < QUEUE && length <= sizeof(w->frame->data));
	struct frame *f = &w->frame[w->tail++ % QUEUE];
	f->at = clock_ns + net.delay;
	f->length = length;
	memcpy(f->data, data, length);
}

static struct frame *first(struct way *w)
{
	return w->head == w->tail ? NULL : &w->frame[w->head % QUEUE];
}

/* ---- the receiver ---------------------------------------------------------------------------- */

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put32(uint8_t *at, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(value >> (24 - 8 * i));
}

static uint32_t sum(const uint8_t *at, uint32_t length)
{
	uint32_t acc = 0;

	for (uint32_t i = 0; i < length; i += 2) {
		uint16_t word;
		memcpy(&word, at + i, 2);
		acc += word;
	}
	return acc;
}

/* Up to three blocks of what arrived behind the gap. Bytes of the option. */
static uint32_t sack(uint8_t *o)
{
	uint32_t left = net.next, right, n = 0;

	while (net.sacks && n < BLOCKS) {
		while (left < net.top && !net.have[left])
			left++;
		if (left >= net.top)
			break;
		for (right = left; right < net.top && net.have[right];)
			right++;
		put32(o + 4 + 8 * n, net.irs + 1 + left);
		put32(o + 8 + 8 * n++, net.irs + 1 + right);
		left = right;
	}
	memcpy(o, (uint8_t[]){ 1, 1, 5, (uint8_t)(2 + 8 * n) }, 4);
	return n ? 4 + 8 * n : 0;
}

static void send_tcp(uint8_t flags)
{
	/* MSS of 1,460, window << 7, SACK permitted */
	static const uint8_t options[12] = { 2, 4, 5, 180, 1, 3, 3, 7, 1, 1, 4, 2 };
	uint8_t o[4 + 8 * BLOCKS];
	uint32_t extra = flags & SYN ? (net.sacks ? 12 : 8) : sack(o), tcp = 20 + extra;
	uint8_t f[HEADERS + 4 + 8 * BLOCKS] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, (uint8_t)(20 + tcp),
				    0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, (uint8_t)(net.port >> 8),
				    (uint8_t)net.port, 0, PORT };
	uint8_t *t = f + 34;

	put32(t + 4, net.seq);
	if (flags & ACK)
		put32(t + 8, net.irs + 1 + net.next);
	t[12] = (uint8_t)(tcp << 2);
	t[13] = flags;
	uint16_t window = net.sacks && net.window ? (uint16_t)(net.window - net.acks++ % 64) : net.window;
	t[14] = (uint8_t)(window >> 8);
	t[15] = (uint8_t)window;
	memcpy(t + 20, flags & SYN ? options : o, extra);
	wire_sum(f + 24, sum(f + 14, 20));
	wire_sum(t + 16, sum(f + 26, 8) + sum(t, tcp) + (uint32_t)(6 + tcp) * 256u);
	put(&net.to_stack, f, 34 + tcp);
	net.got = 0;
	net.ack_at = 0;
}

static void answer_arp(const uint8_t *f)
{
	uint8_t a[42] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 2,
			  2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2 };

	if (f[21] == 1 && f[41] == 1)
		put(&net.to_stack, a, sizeof(a));
}

static uint8_t byte_at(uint32_t offset)
{
	return (uint8_t)(offset * 167 + (offset >> 8) * 13);
}

static void take_data(uint32_t at, const uint8_t *data, uint32_t length)
{
	uint32_t before = net.next;

	if (at + length > MOST)
		return;
	for (uint32_t i = 0; i < length; i++)
		assert_int_equal(data[i], byte_at(at + i));
	memset(net.have + at, 1, length);
	net.top = at + length > net.top ? at + length : net.top;
	while (net.next < MOST && net.have[net.next])
		net.next++;
	net.probes += !net.window;
	/* What leaves or fills a gap is acknowledged at once, and every second of the others. */
	if (++net.got >= 2 || at != before || net.next != at + length)
		send_tcp(ACK);
	else
		net.ack_at = clock_ns + 40 * MS;
}

static void peer_takes(const uint8_t *f, uint32_t length)
{
	if (f[12] == 8 && f[13] == 6)
		answer_arp(f);
	if (length < HEADERS || f[12] != 8 || f[13] || f[23] != 6)
		return;
	const uint8_t *t = f + 34;
	uint32_t payload = (uint32_t)(f[16] << 8 | f[17]) - 20 - (t[12] >> 2);
	if (t[13] & SYN) {
		net.irs = get32(t + 4);
		net.seq++;
		send_tcp(ACK);
	} else if (payload) {
		take_data(get32(t + 4) - net.irs - 1, t + (t[12] >> 4) * 4, payload);
	}
}

static void wire_sent(const uint8_t *frame, uint32_t length)
{
	uint32_t at = length > HEADERS && frame[23] == 6 ? get32(frame + 38) - net.irs - 1 : 0;

	for (unsigned i = 0; net.hole && at >= net.hole && i < net.copies; i++)
		net.drop[i] = at;
	net.hole = net.drop[0] ? 0 : net.hole;
	for (int i = 0; i < 4; i++) {
		if (!net.drop[i] || at != net.drop[i])
			continue;
		net.drop[i] = 0;
		return;
	}
	put(&net.to_peer, frame, length);
}

/* ---- the sender -------------------------------------------------------------------------------- */

static void pours(struct stream *s, void *owner)
{
	uint8_t data[4096];
	size_t n = 1;

	(void)owner;
	while (n && !s->error && net.written < net.may_write) {
		uint32_t left = net.may_write - net.written;

		n = stream_room(s) < sizeof(data) ? stream_room(s) : sizeof(data);
		n = left < n ? left : n;
		for (uint32_t i = 0; i < n; i++)
			data[i] = byte_at(net.written + i);
		n = stream_write(s, data, n);
		net.written += (uint32_t)n;
	}
	if (s->error) {
		stream_close(s);
		net.stream = NULL;
	}
}

static bool accepts(struct stream *s, void *arg)
{
	(void)arg;
	net.stream = s;
	s->event = pours;
	return true;
}

static bool anybody(const ip_addr_t *peer, void *arg)
{
	(void)peer;
	(void)arg;
	return true;
}

/* ---- time ---------------------------------------------------------------------------------------- */

static void deliver(void)
{
	struct frame *f;

	while ((f = first(&net.to_peer)) && f->at <= clock_ns) {
		net.to_peer.head++;
		peer_takes(f->data, f->length);
	}
	while ((f = first(&net.to_stack)) && f->at <= clock_ns) {
		net.to_stack.head++;
		wire_frame(f->data, f->length);
	}
	if (net.ack_at && net.ack_at <= clock_ns)
		send_tcp(ACK);
}

/* Until then, or until something new has arrived. */
static void pass(uint64_t until, bool anything)
{
	uint32_t before = net.next;

	while (clock_ns < until && !(anything && net.next != before)) {
		uint64_t next = clock_ns + MS;
		struct frame *a = first(&net.to_peer), *b = first(&net.to_stack);

		next = a && a->at < next ? a->at : next;
		next = b && b->at < next ? b->at : next;
		clock_ns = next > clock_ns ? next : clock_ns;
		deliver();
		stack_tick(&stack);
		while (stream_run())
			;
	}
}

/* The sender may write so many bytes more, and does. */
static void write_more(uint32_t bytes)
{
	net.may_write = net.written + bytes;
	stream_note(net.stream);
	while (stream_run())
		;
}

static void connect_with(uint32_t lost_of_1000, uint64_t delay)
{
	static struct rf_lwip_config c = { .mode4 = RF_LWIP_STATIC, .bits4 = 24, .address4 = { 10, 0, 0, 2 } };
	static bool open;

	if (!open) {
		clock_ns = 1000 * MS;
		net.to_peer.frame = calloc(QUEUE, sizeof(struct frame));
		net.to_stack.frame = calloc(QUEUE, sizeof(struct frame));
		net.have = malloc(MOST);
		stack_init();
		stream_init();
		stack_open(&stack, &wire, &c);
		assert_int_equal(stream_listen(NULL, PORT, anybody, accepts, NULL), 0);
		net.port = 1000;
		open = true;
	}
	memset(net.have, 0, MOST);
	net.lost_of_1000 = 0;
	net.delay = delay;
	net.cut = false;
	net.window = 0xffff;
	net.port++;
	net.seq = 1000;
	net.next = net.top = 0;
	net.probes = 0;
	net.written = 0;
	net.may_write = UINT32_MAX;
	send_tcp(SYN);
	pass(clock_ns + 5000 * MS, true);
	assert_true(net.next);
	net.lost_of_1000 = lost_of_1000;
}

static void disconnect(void)
{
	net.lost_of_1000 = 0;
	net.cut = false;
	send_tcp(4); /* RST */
	pass(clock_ns + 100 * MS, false);
	net.to_peer.head = net.to_peer.tail;
	net.to_stack.head = net.to_stack.tail;
}

static double rate(uint32_t lost_of_1000, uint64_t delay, unsigned seconds)
{
	connect_with(lost_of_1000, delay);
	uint32_t before = net.next;
	pass(clock_ns + seconds * 1000 * MS, false);
	double mbit = (net.next - before) * 8.0 / seconds / 1e6;
	disconnect();
	return mbit;
}

static void one_percent_of_loss_leaves_what_reno_gets(void **state)
{
	const char *seed = getenv("RF_SEED");

	(void)state;
	net.dice = seed ? strtoull(seed, NULL, 0) : 1;
	for (unsigned i = 0; i < 2; i++) {
		net.sacks = i;
		double one = rate(10, 2 * MS, 20), three = rate(30, 10 * MS, 20), five = rate(50, 20 * MS, 20);
		printf("# RF_SEED=%s, %s: 1 %%, 2 ms %.1f Mbit/s; 3 %%, 10 ms %.1f; 5 %%, 20 ms %.1f\n",
		       seed ? seed : "1", i ? "SACK and a moving window" : "no SACK", one, three, five);
		assert_true(i ? one > 30 && three > 3 && five > 1 : one > 20 && three > 2 && five > 0.5);
	}
	net.sacks = false;
}

static uint64_t stall_after_a_death(bool told)
{
	connect_with(0, 1 * MS);
	pass(clock_ns + 500 * MS, false);
	/* What was under way is gone, and what comes until the successor is up. */
	net.to_peer.head = net.to_peer.tail;
	net.to_stack.head = net.to_stack.tail;
	net.cut = true;
	pass(clock_ns + 5 * MS, false);
	net.cut = false;
	wire.renewed = told;
	uint64_t up = clock_ns;
	pass(clock_ns + 10000 * MS, true);
	uint64_t stall = (clock_ns - up) / MS;
	disconnect();
	return stall;
}

static void what_a_driver_took_with_it_is_sent_again_at_once(void **state)
{
	uint64_t told = stall_after_a_death(true), untold = stall_after_a_death(false);

	(void)state;
	printf("# silence behind a driver's death: %llu ms; %llu ms if nobody is told\n",
	       (unsigned long long)told, (unsigned long long)untold);
	assert_in_range(told, 0, 5); /* the cable is 1 ms long, the clock's steps, too */
	assert_in_range(untold, 50, 500); /* the timer's business */
}

/* Milliseconds until the receiver has what a lone answer consists of, whose last segments are lost. */
static uint64_t tail_lost(bool sacks, uint32_t segments, uint32_t lost)
{
	net.sacks = sacks;
	connect_with(0, 10 * MS);
	net.may_write = net.written;
	pass(clock_ns + 2000 * MS, false);
	assert_int_equal(net.next, net.written);
	for (uint32_t i = 0; i < lost; i++)
		net.drop[i] = net.written + (segments - 1 - i) * 1460;
	uint64_t from = clock_ns;
	write_more(segments * 1460);
	while (net.next != net.written && clock_ns - from < 2000 * MS)
		pass(clock_ns + 2000 * MS, true);
	assert_int_equal(net.next, net.written);
	uint64_t ms = (clock_ns - from) / MS;
	disconnect();
	net.sacks = false;
	return ms;
}

static void a_lost_tail_does_not_wait_for_the_timer(void **state)
{
	uint64_t one = tail_lost(true, 3, 1), two = tail_lost(true, 4, 2), timer = tail_lost(false, 4, 2);

	(void)state;
	printf("# an answer whose tail is lost, 20 ms there and back: last segment %llu ms, last two %llu ms; "
	       "without SACK %llu ms\n", (unsigned long long)one, (unsigned long long)two, (unsigned long long)timer);
	assert_in_range(one, 50, 140);
	assert_in_range(two, 50, 110);
	assert_in_range(timer, 150, 500);
}

static uint64_t stall_of_a_hole(bool sacks, unsigned losses)
{
	net.sacks = sacks;
	connect_with(0, 2 * MS);
	pass(clock_ns + 200 * MS, false);
	/* A loss first, so that not the send buffer but congestion limits what is under way. */
	net.copies = 1;
	net.hole = net.next + (1u << 19);
	while (net.hole)
		pass(clock_ns + 100 * MS, true);
	pass(clock_ns + 20 * MS, false);
	net.copies = losses;
	net.hole = net.next + 100000;
	uint64_t from, ms = 0;
	for (uint32_t end = net.hole + 300000; net.next < end; ) {
		from = clock_ns;
		pass(clock_ns + 2000 * MS, true);
		if (clock_ns - from > ms * MS)
			ms = (clock_ns - from) / MS;
	}
	assert_int_equal(net.drop[0] | net.drop[1], 0);
	disconnect();
	net.sacks = false;
	return ms;
}

static void what_is_lost_twice_does_not_wait_for_the_timer(void **state)
{
	uint64_t once = stall_of_a_hole(true, 1), twice = stall_of_a_hole(true, 2), timer = stall_of_a_hole(false, 2);

	(void)state;
	printf("# a hole, 4 ms there and back: lost once %llu ms, twice %llu ms; twice without SACK %llu ms\n",
	       (unsigned long long)once, (unsigned long long)twice, (unsigned long long)timer);
	assert_in_range(once, 3, 20);
	assert_in_range(twice, 3, 40);
	assert_in_range(timer, 100, 500);
}

/* A short segment is found lost while nothing can be sent, and then more is written. */
static void what_waits_to_be_sent_again_is_not_written_to(void **state)
{
	(void)state;
	for (int sacks = 0; sacks < 2; sacks++) {
		net.sacks = sacks;
		connect_with(0, 2 * MS);
		net.may_write = net.written;
		pass(clock_ns + 2000 * MS, false);
		net.drop[0] = net.written;
		for (int i = 0; i < 6; i++)
			write_more(100);
		wire_full = true;
		pass(clock_ns + 30 * MS, false);
		write_more(500);
		wire_full = false;
		for (int i = 0; i < 10; i++)
			pass(clock_ns + 300 * MS, false);
		assert_int_equal(net.next, net.written);
		disconnect();
	}
	net.sacks = false;
}

static void a_closed_window_is_asked_after_as_seldom_as_before(void **state)
{
	(void)state;
	connect_with(0, 1 * MS);
	net.window = 0;
	send_tcp(ACK);
	pass(clock_ns + 100 * MS, false);
	net.probes = 0;
	pass(clock_ns + 20000 * MS, false);
	printf("# probes of a closed window in 20 s: %llu\n", (unsigned long long)net.probes);
	assert_in_range(net.probes, 2, 8);
	disconnect();
}

/* Times in 10 s that a timer ends a sleep. */
static unsigned wakes(void)
{
	uint64_t end = clock_ns + 10000 * MS;
	unsigned n = 0;

	for (; clock_ns < end; n++) {
		uint32_t ms = stack_timeout();

		clock_ns += (ms ? ms : 1) * MS;
		deliver();
		stack_tick(&stack);
		while (stream_run())
			;
	}
	return n;
}

static void connections_at_rest_cost_no_wake_ups(void **state)
{
	(void)state;
	unsigned none = wakes();
	connect_with(0, 1 * MS);
	net.may_write = net.written;
	pass(clock_ns + 2000 * MS, false);
	assert_int_equal(net.next, net.written);
	unsigned idle = wakes();
	net.cut = true; /* and with one segment that nobody acknowledges there are some */
	write_more(100);
	unsigned waits = wakes();
	disconnect();
	printf("# wake-ups in 10 s: %u without a connection, %u with an idle one, %u with a segment under way\n",
	       none, idle, waits);
	assert_in_range(idle, 1, none + 2);
	assert_true(waits > idle + 100);
}

/* Idle for long, it is asked whether it is still there, and given up: by the clock, not by ticks. */
static void a_peer_that_is_gone_is_missed_in_time(void **state)
{
	(void)state;
	connect_with(0, 1 * MS);
	net.may_write = net.written;
	pass(clock_ns + 2000 * MS, false);
	net.cut = true;
	uint64_t from = clock_ns;
	while (net.stream && clock_ns - from < 2000000 * MS)
		wakes();
	uint64_t s = (clock_ns - from) / (1000 * MS);
	printf("# a peer that is gone was missed after %llu s\n", (unsigned long long)s);
	assert_in_range(s, 700, 780); /* a minute, and nine times 75 s */
	disconnect();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_percent_of_loss_leaves_what_reno_gets),
		cmocka_unit_test(what_a_driver_took_with_it_is_sent_again_at_once),
		cmocka_unit_test(a_lost_tail_does_not_wait_for_the_timer),
		cmocka_unit_test(what_is_lost_twice_does_not_wait_for_the_timer),
		cmocka_unit_test(what_waits_to_be_sent_again_is_not_written_to),
		cmocka_unit_test(connections_at_rest_cost_no_wake_ups),
		cmocka_unit_test(a_peer_that_is_gone_is_missed_in_time),
		cmocka_unit_test(a_closed_window_is_asked_after_as_seldom_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
