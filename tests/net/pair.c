/* SPDX-License-Identifier: MIT */
/*
 * pair.c - two rf-tap exports with a cable between them, and drivers that die.
 *
 * Room:   tests/net. Plays the device process, the device and the driver of both ends; the
 *         exports are the shipped program. What one end sends the other receives.
 * Use:    pair RF_TAP NAME_A NAME_B [kill=MS] [seed=N] [offload=0|1] [mtu=N]
 *         NAME_A is in the network namespace it is started in, NAME_B in one of its own.
 *         Prints "namespace PID" when both interfaces are there. A line on stdin, or its
 *         end: both drivers die no more, and one JSON line of counters is printed.
 *         RF_TAP "-": no exports, no rings, no device; a frame is read from one interface and
 *         written to the other, the least that a way over two of them can cost.
 * Wire:   a frame that finds no empty buffer is dropped and counted, as a NIC does.
 */
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "rig.h"

#define ARENA (64u << 20)
#define MASK  (RF_NET_DEPTH - 1)
#define STUCK_NS 2000000u /* before its death, so that frames are under way at most deaths */

struct end {
	struct rig          rig;
	pid_t               pid;
	struct rf_net_chan *chan;
	uint32_t            free_own, rx_own, tx_own; /* this generation's */
	uint64_t            wire_tx, wire_rx, wire_dropped, lost, deaths;
	uint64_t            die_ns;
	bool                stuck; /* takes nothing any more: dies in a moment */
};

static struct end ends[2];
static uint64_t   kill_ns, random_state = 1;

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint32_t ring_tail(void *ring)
{
	return atomic_load_explicit(&((struct rf_ring *)ring)->tail, memory_order_acquire);
}

/* ---- one end ----------------------------------------------------------------------- */

static void attach(struct end *e)
{
	e->chan = (void *)(e->rig.rings + e->rig.half * RF_NET_CHAN_BYTES);
	e->free_own = e->rx_own = e->tx_own = 0;
	atomic_store(&e->chan->link, RF_NET_LINK_UP);
}

static void schedule(struct end *e)
{
	random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
	/* Half the time to one and a half of it. */
	e->die_ns = kill_ns ? now_ns() + kill_ns / 2 + (random_state >> 33) % (kill_ns + 1) :
			      UINT64_MAX;
}

/* Dies where it stands: with frames taken over or not, received or not. */
static void die(struct end *e)
{
	struct rf_svc_msg msg;

	rig_down(&e->rig);
	rig_must(rig_hear(&e->rig, &msg, 10000) == RF_SVC_PREPARED &&
		 msg.generation == e->rig.generation, "no answer to DOWN, or a complaint");
	rig_quiesced(&e->rig, 0);
	attach(e);
	rig_send(&e->rig, RF_SVC_UP, 0);
	e->deaths++;
	e->stuck = false;
	schedule(e);
}

/* An empty buffer of this end. */
static bool take_buffer(struct end *e, uint32_t *at)
{
	struct rf_ring *ring = (struct rf_ring *)e->chan->rx_free.bytes;

	if (ring_tail(ring) == e->free_own)
		return false;
	*at = ((uint32_t *)ring->records)[e->free_own++ & MASK];
	return true;
}

static uint32_t buffers(const struct end *e)
{
	return ring_tail((void *)e->chan->rx_free.bytes) - e->free_own;
}

static void receive(struct end *to, const unsigned char *bytes, const struct rf_net_frame *f)
{
	struct rf_net_frame *rx = (void *)((struct rf_ring *)to->chan->rx.bytes)->records;
	struct rf_net_frame  out = *f;
	uint32_t left = f->length;

	if (buffers(to) < (left + to->rig.net.rx_buffer - 1) / to->rig.net.rx_buffer) {
		to->wire_dropped++;
		return;
	}
	while (left) {
		uint32_t part = left < to->rig.net.rx_buffer ? left : to->rig.net.rx_buffer;

		rig_must(take_buffer(to, &out.at), "buffer");
		memcpy(to->rig.data + (uint64_t)out.at * RF_NET_UNIT, bytes, part);
		bytes += part;
		left -= part;
		out.length = (uint16_t)part;
		out.flags = (uint8_t)(out.flags | (left ? RF_NET_MORE : 0));
		rx[to->rx_own++ & MASK] = out;
		out = (struct rf_net_frame){ 0 };
	}
	to->wire_rx++;
}

/* A batch from one end to the other. True if there was something. */
static bool move(struct end *from, struct end *to)
{
	struct rf_ring *tx = (struct rf_ring *)from->chan->tx.bytes;
	struct rf_ring *rx = (struct rf_ring *)to->chan->rx.bytes;
	struct rf_net_frame *records = (void *)tx->records;
	uint32_t n = ring_tail(tx) - from->tx_own, got = to->rx_own;

	if (!n || from->stuck)
		return false;
	for (n = n > 32 ? 32 : n; n; n--) {
		struct rf_net_frame f = records[from->tx_own++ & MASK];

		receive(to, from->rig.data + (uint64_t)f.at * RF_NET_UNIT, &f);
		from->wire_tx++;
	}
	atomic_store_explicit(&tx->head, from->tx_own, memory_order_release);
	atomic_store_explicit(&rx->tail, to->rx_own, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	static const uint64_t one = 1;
	if (atomic_load(&from->chan->tx_wait))
		(void)!write(from->rig.fd[RF_EXPORT_FD_KICK], &one, 8);
	if (to->rx_own != got && atomic_load(&rx->asleep))
		(void)!write(to->rig.fd[RF_EXPORT_FD_KICK], &one, 8);
	return true;
}

/* ---- set-up -------------------------------------------------------------------------- */

static int tap_make(const char *name, unsigned mtu, unsigned last)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	rig_must(fd >= 0, "/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	rig_must(!ioctl(fd, TUNSETIFF, &ifr), "TUNSETIFF");
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ifr.ifr_mtu = (int)mtu;
	rig_must(sock >= 0 && !ioctl(sock, SIOCSIFMTU, &ifr), "SIOCSIFMTU");
	ifr.ifr_hwaddr =
		(struct sockaddr){ .sa_family = 1, .sa_data = { 2, 0, 0, 0, 0, (char)last } };
	rig_must(!ioctl(sock, SIOCSIFHWADDR, &ifr), "SIOCSIFHWADDR");
	close(sock);
	return rig_park(fd);
}

/* The other interface, in a namespace that a child keeps open. */
static int tap_elsewhere(const char *name, unsigned mtu, pid_t *child)
{
	int pair[2], fds[RF_PACKET_FDS], count;
	char byte = 0;

	rig_must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), "socketpair");
	*child = fork();
	if (!*child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rig_must(!unshare(CLONE_NEWNET), "unshare");
		int fd = tap_make(name, mtu, 2);
		rig_must(!rf_packet_send(pair[1], &byte, 1, &fd, 1), "send");
		close(fd);
		for (;;)
			pause();
	}
	rig_must(rf_packet_recv(pair[0], &byte, 1, fds, &count, 0) == 1 && count == 1, "receive");
	close(pair[0]);
	close(pair[1]);
	return rig_park(fds[0]);
}

static void start(struct end *e, const char *program, int tap, unsigned mtu, bool offload)
{
	rig_open(&e->rig, ARENA);
	e->rig.config->service = RF_SERVICE_NET;
	e->rig.config->spin_ns = 20000;
	e->rig.config->stall_ns = 0;
	close(e->rig.fd[RF_EXPORT_FD_LISTEN]);
	e->rig.fd[RF_EXPORT_FD_LISTEN] = tap;
	e->rig.net = (struct rf_net_info){
		.mac = { 2, 0, 0, 0, 0, e == &ends[0] ? 1 : 2 },
		.mtu = (uint16_t)mtu,
		.features = offload ?
				    RF_NET_HAS_TX_CSUM | RF_NET_HAS_RX_CSUM | RF_NET_HAS_TSO4 |
					    RF_NET_HAS_TSO6 | RF_NET_HAS_LINK | RF_NET_HAS_RX_GSO :
				    RF_NET_HAS_LINK,
		.rx_buffer = offload ? 32768 : 2048,
		.rx_count = offload ? 256 : 1024,
		.tx_max = offload ? 65535 : mtu + 18,
		.link = RF_NET_LINK_UP,
	};
	while (e->rig.net.rx_buffer < mtu + 18)
		e->rig.net.rx_buffer *= 2;
	e->pid = fork();
	rig_must(e->pid >= 0, "fork");
	if (!e->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		rig_install(&e->rig);
		execl(program, program, (char *)NULL);
		_exit(127);
	}
	rig_first_up(&e->rig);
	attach(e);
	schedule(e);
}

/* ---- the end -------------------------------------------------------------------------- */

static double seconds(const struct rusage *u)
{
	return (double)u->ru_utime.tv_sec + (double)u->ru_stime.tv_sec +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static void report(void)
{
	struct rusage own;
	double exports = 0;
	uint64_t sum[8] = { 0 };

	for (int i = 0; i < 2; i++) {
		struct rusage used;
		int status;

		/* The counters are published before it blocks, and by its tick. */
		nanosleep(&(struct timespec){ .tv_nsec = 300000000 }, NULL);
		const struct rf_stats_net *s = (void *)((char *)ends[i].rig.stats + RF_STATS_NET);
		sum[0] += s->rx_frames;
		sum[1] += s->tx_frames;
		sum[2] += s->tx_done;
		sum[3] += s->lost_tx;
		sum[4] += ends[i].wire_dropped;
		sum[5] += s->rx_lost_export;
		sum[6] += s->tx_refused;
		sum[7] += s->tx_software;
		shutdown(ends[i].rig.control, SHUT_RDWR);
		rig_must(wait4(ends[i].pid, &status, 0, &used) == ends[i].pid, "wait4");
		rig_must(!status, "an export did not end well");
		exports += seconds(&used);
	}
	getrusage(RUSAGE_SELF, &own);
	printf("{\"deaths\":%llu,\"rx_frames\":%llu,\"tx_frames\":%llu,\"tx_done\":%llu,"
	       "\"lost_tx\":%llu,\"wire_tx\":%llu,\"wire_rx\":%llu,\"wire_dropped\":%llu,"
	       "\"rx_lost_export\":%llu,\"tx_refused\":%llu,\"tx_software\":%llu,\"export_cpu_s\":%"
	       ".3f,\"wire_cpu_s\":%.3f}\n",
	       (unsigned long long)(ends[0].deaths + ends[1].deaths), (unsigned long long)sum[0],
	       (unsigned long long)sum[1], (unsigned long long)sum[2], (unsigned long long)sum[3],
	       (unsigned long long)(ends[0].wire_tx + ends[1].wire_tx),
	       (unsigned long long)(ends[0].wire_rx + ends[1].wire_rx), (unsigned long long)sum[4],
	       (unsigned long long)sum[5], (unsigned long long)sum[6], (unsigned long long)sum[7],
	       exports, seconds(&own));
}

/* Nothing to move: asks both exports for kicks, looks once more, sleeps. */
static bool rest(uint64_t until)
{
	struct pollfd p[3] = { { .fd = 0, .events = POLLIN } };
	bool idle = true;

	for (int i = 0; i < 2; i++) {
		struct rf_ring *tx = (struct rf_ring *)ends[i].chan->tx.bytes;

		p[1 + i] = (struct pollfd){
			.events = POLLIN,
			.fd = ends[i].rig.fd[ends[i].rig.half ? RF_EXPORT_FD_WAKE1 :
								RF_EXPORT_FD_WAKE0]
		};
		atomic_store(&tx->asleep, 1);
		atomic_thread_fence(memory_order_seq_cst);
		idle &= ends[i].stuck || ring_tail(tx) == ends[i].tx_own;
	}
	uint64_t now = now_ns();
	int ms = until <= now             ? 0 :
		 until - now > 1000000000 ? 1000 :
					    (int)((until - now) / 1000000) + 1;
	int n = poll(p, 3, idle ? ms : 0);
	for (int i = 0; i < 2; i++) {
		uint64_t count;

		atomic_store(&((struct rf_ring *)ends[i].chan->tx.bytes)->asleep, 0);
		if (n > 0 && p[1 + i].revents)
			rig_must(read(p[1 + i].fd, &count, 8) == 8, "wake");
	}
	return n > 0 && p[0].revents;
}

/* Until something comes on stdin. */
static void forward(int tap_a, int tap_b)
{
	static unsigned char frame[65536 + 64];
	const int tap[2] = { tap_a, tap_b };

	for (int i = 0; i < 2; i++)
		rig_must(!ioctl(tap[i], TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) &&
			 !fcntl(tap[i], F_SETFL, O_NONBLOCK), "TUNSETOFFLOAD");
	for (;;) {
		struct pollfd p[3] = { { .fd = tap_a, .events = POLLIN },
				       { .fd = tap_b, .events = POLLIN },
				       { .fd = 0, .events = POLLIN } };
		ssize_t n;

		poll(p, 3, -1);
		if (p[2].revents)
			return;
		for (int i = 0; i < 2; i++)
			for (int most = 64; most && (n = read(tap[i], frame, sizeof(frame))) > 0;
			     most--)
				(void)!write(tap[!i], frame, (size_t)n);
	}
}

int main(int argc, char **argv)
{
	unsigned long mtu = 1500, offload = 1, kill_ms = 0;
	pid_t child;

	rig_must(argc >= 4,
		 "usage: pair RF_TAP NAME_A NAME_B [kill=MS] [seed=N] [offload=0|1] [mtu=N]");
	for (int i = 4; i < argc; i++)
		rig_must(sscanf(argv[i], "kill=%lu", &kill_ms) == 1 ||
			 sscanf(argv[i], "offload=%lu", &offload) == 1 ||
			 sscanf(argv[i], "seed=%lu", &random_state) == 1 ||
			 sscanf(argv[i], "mtu=%lu", &mtu) == 1, argv[i]);
	kill_ns = kill_ms * 1000000;
	int tap_b = tap_elsewhere(argv[3], (unsigned)mtu, &child);
	int tap_a = tap_make(argv[2], (unsigned)mtu, 1);
	if (!strcmp(argv[1], "-")) {
		printf("namespace %d\n", child);
		fflush(stdout);
		forward(tap_a, tap_b);
		printf("{}\n");
		kill(child, SIGKILL);
		return 0;
	}
	start(&ends[0], argv[1], tap_a, (unsigned)mtu, offload);
	start(&ends[1], argv[1], tap_b, (unsigned)mtu, offload);
	printf("namespace %d\n", child);
	fflush(stdout);
	for (unsigned turns = 1;; turns++) {
		bool work = move(&ends[0], &ends[1]) | move(&ends[1], &ends[0]);
		uint64_t now = work && turns % 64 ? 0 : now_ns();

		for (int i = 0; i < 2; i++) {
			atomic_fetch_add(&ends[i].chan->heartbeat, 1);
			if (now > ends[i].die_ns)
				die(&ends[i]);
			else if (now && now + STUCK_NS > ends[i].die_ns)
				ends[i].stuck = true;
		}
		uint64_t next = ends[0].die_ns < ends[1].die_ns ? ends[0].die_ns : ends[1].die_ns;
		next -= now + STUCK_NS < next ? STUCK_NS : 0; /* when it gets stuck, or dies */
		struct pollfd in = { .fd = 0, .events = POLLIN };
		if (work ? !(turns % 1024) && poll(&in, 1, 0) > 0 : rest(next))
			break;
	}
	/* What is under way arrives before it is counted. */
	kill_ns = 0;
	ends[0].die_ns = ends[1].die_ns = UINT64_MAX;
	ends[0].stuck = ends[1].stuck = false;
	for (uint64_t until = now_ns() + 200000000; now_ns() < until;)
		(void)(move(&ends[0], &ends[1]) | move(&ends[1], &ends[0]));
	report();
	kill(child, SIGKILL);
	return 0;
}
