/* SPDX-License-Identifier: MIT */
/* policy.c - reads policy/NAME.policy. See read.h; the keys: sandbox/man/ringfence-policy.5.
 * Room: sandbox/config. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "read.h"
#include "walls.h"

#define DAY_NS (86400ull * 1000000000u)

typedef int key_fn(struct rf_policy *, struct rf_words *);

static int policy_want(struct rf_words *w, int index, uint64_t *out)
{
	if (index >= w->count || rf_parse_number(w->word[index], out))
		return rf_words_error(w, "%s: word %d must be a number", w->word[0], index + 1);
	return 0;
}

static int want_time(struct rf_words *w, int index, uint64_t *out)
{
	if (index >= w->count || rf_parse_time(w->word[index], out))
		return rf_words_error(w, "%s: word %d must be a time such as 10ms", w->word[0],
				      index + 1);
	/* Sums and multiples of it fit into 64 bits, whoever makes them. */
	if (*out > DAY_NS)
		return rf_words_error(w, "%s: word %d is more than a day (86400s)", w->word[0],
				      index + 1);
	return 0;
}

static int copy_name(struct rf_words *w, char *to)
{
	if (w->count != 2 || strlen(w->word[1]) >= RF_NAME || !rf_config_name_good(w->word[1]))
		return rf_words_error(
			w, "%s takes one name of at most %d letters, digits or signs, without '/'",
			w->word[0], RF_NAME - 1);
	strcpy(to, w->word[1]);
	return 0;
}

static int one_of(struct rf_words *w, int index, const char *const *names)
{
	for (int i = 0; index < w->count && names[i]; i++)
		if (!strcmp(w->word[index], names[i]))
			return i;
	return rf_words_error(w, "%s: '%s' is not known; this word is one of %s, %s ...",
			      w->word[0], index < w->count ? w->word[index] : "(nothing)", names[0],
			      names[1]);
}

static int key_driver(struct rf_policy *p, struct rf_words *w)
{
	return copy_name(w, p->driver);
}

static int key_service(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "block", "net", NULL };
	int n = one_of(w, 1, names);

	if (n >= 0)
		p->device.service = n ? RF_SERVICE_NET : RF_SERVICE_BLOCK;
	return n < 0 ? n : 0;
}

static int hex(struct rf_words *w, const char *text, uint32_t *out)
{
	const char *digits = strncmp(text, "0x", 2) ? text : text + 2;
	size_t n = strlen(digits);

	*out = (uint32_t)strtoul(digits, NULL, 16);
	return n && n <= 8 && strspn(digits, "0123456789abcdefABCDEF") == n ? 0 :
	       rf_words_error(w, "'%s' is not a hexadecimal number of at most eight digits", text);
}

static int key_match(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "class", "id", NULL };
	int n = one_of(w, 1, names);

	if (n < 0)
		return n;
	if (w->count < 3)
		return rf_words_error(w, "match %s takes a number", names[n]);
	if ((n ? p->match_vendor : p->match_class) != ~0u)
		return rf_words_error(w, "match %s was said already: keep one", names[n]);
	if (n == 0)
		return hex(w, w->word[2], &p->match_class);
	char *colon = strchr(w->word[2], ':');
	if (!colon)
		return rf_words_error(w, "match id takes VENDOR:DEVICE");
	*colon = '\0';
	int err = hex(w, w->word[2], &p->match_vendor);
	return err ? err : hex(w, colon + 1, &p->match_device);
}

static int key_backend(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "none", "vfio", NULL };
	int n = one_of(w, 1, names);

	if (n >= 0)
		p->device.backend = n ? RF_BACKEND_VFIO : RF_BACKEND_NONE;
	return n < 0 ? n : 0;
}

static int key_control(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[RF_CONTROLS + 1] = {
		[RF_CONTROL_NONE] = "none",
		[RF_CONTROL_NVME] = "nvme",
		[RF_CONTROL_E1000E] = "e1000e",
		[RF_CONTROL_IGB] = "igb",
		[RF_CONTROL_VIRTIO_NET] = "virtio_net",
		[RF_CONTROL_VIRTIO_BLK] = "virtio_blk",
	};
	int n = one_of(w, 1, names);

	if (n >= 0)
		p->device.control = (uint32_t)n;
	return n < 0 ? n : 0;
}

/* disk SIZE block 512|4096 */
static int key_disk(struct rf_policy *p, struct rf_words *w)
{
	uint64_t block;
	int err = policy_want(w, 1, &p->device.blk.size);

	if (err || (err = policy_want(w, 3, &block)))
		return err;
	if (strcmp(w->word[2], "block") || (block != 512 && block != 4096) || !p->device.blk.size ||
	    p->device.blk.size % block || p->device.blk.size > INT64_MAX)
		return rf_words_error(
			w,
			"write as 'disk 1G block 512': blocks of 512 or 4096 bytes, a whole number "
			"of them, less than 2^63 bytes");
	p->device.blk.block_size = (uint32_t)block;
	return 0;
}

static bool mac_address(const char *s, uint8_t *mac)
{
	unsigned b[6];
	int used = 0;

	if (strlen(s) != 17 ||
	    sscanf(s, "%2x:%2x:%2x:%2x:%2x:%2x%n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
		   &used) != 6 ||
	    used != 17)
		return false;
	for (int i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
	return !(mac[0] & 1) && memcmp(mac, "\0\0\0\0\0", 6);
}

/* net MAC mtu N [FEATURE...]: an interface nobody else describes */
static int key_net(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "tx-csum", "rx-csum", "tso4",   "tso6", "vlan",
					     "link",    "sg",      "rx-gso", NULL };
	static const uint32_t bits[] = { RF_NET_HAS_TX_CSUM, RF_NET_HAS_RX_CSUM, RF_NET_HAS_TSO4,
					 RF_NET_HAS_TSO6,    RF_NET_HAS_VLAN,    RF_NET_HAS_LINK,
					 RF_NET_HAS_SG,      RF_NET_HAS_RX_GSO };
	struct rf_net_info *n = &p->device.net;
	uint64_t mtu;

	if (w->count < 4 || !mac_address(w->word[1], n->mac) || strcmp(w->word[2], "mtu"))
		return rf_words_error(
			w, "write as 'net 02:00:00:00:00:01 mtu 1500', with the address of "
			   "one station");
	if (rf_parse_number(w->word[3], &mtu) || mtu < 68 || mtu > 16000)
		return rf_words_error(w, "net: mtu must be from 68 to 16000");
	n->mtu = (uint16_t)mtu;
	n->features = 0;
	for (int i = 4; i < w->count; i++) {
		int bit = one_of(w, i, names);
		if (bit < 0)
			return bit;
		n->features |= bits[bit];
	}
	n->rx_buffer = 2048;
	while (n->rx_buffer < mtu + 18)
		n->rx_buffer *= 2;
	n->rx_count = 512;
	n->tx_max = n->features & (RF_NET_HAS_TSO4 | RF_NET_HAS_TSO6) ? 65535 : (uint32_t)mtu + 18;
	n->link = RF_NET_LINK_UP;
	return 0;
}

static int policy_key_arena(struct rf_policy *p, struct rf_words *w)
{
	return rf_config_arena(w, &p->device.arena_bytes);
}

static int key_queue_memory(struct rf_policy *p, struct rf_words *w)
{
	int err = policy_want(w, 1, &p->device.queue_bytes);

	if (!err && (!p->device.queue_bytes || p->device.queue_bytes % 4096 ||
		     p->device.queue_bytes > RF_QUEUE_MEMORY_MOST))
		return rf_words_error(w, "queue-memory must be a multiple of 4K, at most %lluG",
				      RF_QUEUE_MEMORY_MOST >> 30);
	return err;
}

static int key_queue_entries(struct rf_policy *p, struct rf_words *w)
{
	uint64_t n;
	int err = policy_want(w, 1, &n);

	if (err)
		return err;
	if (n < 2 || n > 4096 || (n & (n - 1)))
		return rf_words_error(w, "queue-entries must be a power of two from 2 to 4096");
	p->device.queue_entries = (uint32_t)n;
	return 0;
}

static int key_interrupt(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "msix", "msi", "intx", NULL };

	for (int i = 1; i < w->count; i++) {
		int n = one_of(w, i, names);
		if (n < 0)
			return n;
		p->device.interrupts |= 1u << n;
	}
	return 0;
}

static int key_syscalls(struct rf_policy *p, struct rf_words *w)
{
	static const char *const lists[] = { "driver-irq", "driver-poll", "driver-device", NULL };

	/* Those that policy/syscalls has for drivers are built into the launcher. */
	return one_of(w, 1, lists) < 0 ? -EINVAL : copy_name(w, p->device.filter);
}

static int flag(struct rf_words *w, const char *const *names, uint32_t bit, uint32_t *flags)
{
	int n = one_of(w, 1, names);

	if (n == 1)
		*flags |= bit;
	return n < 0 ? n : 0;
}

static int key_payload(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "none", "rw", NULL };
	return flag(w, names, RF_DEVICE_PAYLOAD, &p->device.flags);
}

static int key_bus_master(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "keep", "off", NULL };
	return flag(w, names, RF_DEVICE_BUSMASTER_OFF, &p->device.flags);
}

static int key_cache(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "kept", "lost", NULL };
	return flag(w, names, RF_DEVICE_CACHE_LOST, &p->device.flags);
}

static int want_bar(struct rf_words *w, int index, uint8_t *bar)
{
	const char *word = index < w->count ? w->word[index] : "";

	if (strncmp(word, "bar", 3) || word[3] < '0' || word[3] > '5' || word[4])
		return rf_words_error(w, "%s: '%s' is not bar0 to bar5", w->word[0], word);
	*bar = (uint8_t)(word[3] - '0');
	return 0;
}

/* reset write|poll 8|16|32 barN OFFSET mask M value V [within TIME] */
static int key_reset(struct rf_policy *p, struct rf_words *w)
{
	static const char *const kinds[] = { "write", "poll", NULL };
	struct rf_reset_step *s = &p->device.step[p->device.step_count];
	uint64_t bits, mask, value, within = 0;
	int kind = one_of(w, 1, kinds), err;

	if (kind < 0)
		return kind;
	if (p->device.step_count == RF_MAX_STEPS)
		return rf_words_error(w, "more than %d reset steps", RF_MAX_STEPS);
	if ((err = policy_want(w, 2, &bits)) || (err = want_bar(w, 3, &s->bar)) ||
	    (err = policy_want(w, 4, &s->offset)) || (err = policy_want(w, 6, &mask)) ||
	    (err = policy_want(w, 8, &value)) || (kind && (err = want_time(w, 10, &within))))
		return err;
	if ((bits != 8 && bits != 16 && bits != 32) || s->offset % (bits / 8))
		return rf_words_error(
			w, "reset: width is 8, 16 or 32 and the offset a multiple of it");
	if (strcmp(w->word[5], "mask") || strcmp(w->word[7], "value") ||
	    (kind && strcmp(w->word[9], "within")))
		return rf_words_error(w, "reset: write as 'reset %s 32 bar0 0x14 mask M value V%s'",
				      kinds[kind], kind ? " within 2s" : "");
	if (!kind && w->count > 9)
		return rf_words_error(w, "reset write: '%s' is one word too many", w->word[9]);
	if (mask > UINT32_MAX || value > UINT32_MAX || s->offset > INT64_MAX)
		return rf_words_error(w,
				      "reset: mask and value have at most 32 bits, the offset 63");
	s->poll = (uint8_t)kind;
	s->bytes = (uint8_t)(bits / 8);
	s->mask = (uint32_t)mask;
	s->value = (uint32_t)value;
	s->within_ms = (uint32_t)(within / 1000000);
	p->device.step_count++;
	return 0;
}

/* map barN OFFSET BYTES ro|rw */
static int key_map(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "ro", "rw", NULL };
	struct rf_reg_window *r = &p->device.window[p->device.window_count];
	uint8_t bar;
	int err, mode;

	if (p->device.window_count == RF_MAX_WINDOWS)
		return rf_words_error(w, "more than %d map lines", RF_MAX_WINDOWS);
	if ((err = want_bar(w, 1, &bar)) || (err = policy_want(w, 2, &r->offset)) ||
	    (err = policy_want(w, 3, &r->bytes)))
		return err;
	if ((mode = one_of(w, 4, names)) < 0)
		return mode;
	if (r->offset % 4096 || r->bytes % 4096 || !r->bytes || r->offset > INT64_MAX ||
	    r->bytes > INT64_MAX)
		return rf_words_error(
			w, "map: offset and length must be whole 4K pages, less than 2^63 bytes");
	r->bar = bar;
	r->write = (uint32_t)mode;
	p->device.window_count++;
	return 0;
}

static int key_stall(struct rf_policy *p, struct rf_words *w)
{
	return want_time(w, 1, &p->stall_ns);
}

static int key_slow_stall(struct rf_policy *p, struct rf_words *w)
{
	return want_time(w, 1, &p->slow_stall_ns);
}

static int key_nudge(struct rf_policy *p, struct rf_words *w)
{
	return want_time(w, 1, &p->nudge_ns);
}

static int key_standby(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "yes", "no", NULL };
	return flag(w, names, RF_DEVICE_NO_STANDBY, &p->device.flags);
}

static int key_server_away(struct rf_policy *p, struct rf_words *w)
{
	return want_time(w, 1, &p->server_away_ns);
}

static int key_hang(struct rf_policy *p, struct rf_words *w)
{
	int err = want_time(w, 1, &p->hang_ns);

	if (!err && p->hang_ns < 1000000)
		return rf_words_error(
			w, "hang: at least 1ms, which is as finely as the kernel counts");
	return err;
}

static int key_storm(struct rf_policy *p, struct rf_words *w)
{
	uint64_t rate = 0;
	int err = policy_want(w, 1, &rate);

	if (!err && rate > UINT32_MAX)
		return rf_words_error(w, "storm: interrupts a second, 0 to %u", UINT32_MAX);
	p->device.storm_rate = (uint32_t)rate;
	return err;
}

/* spin TIME|forever */
static int key_spin(struct rf_policy *p, struct rf_words *w)
{
	int err = 0;

	if (w->count == 2 && !strcmp(w->word[1], "forever"))
		p->spin_ns = UINT64_MAX;
	else if (w->count != 2 || rf_parse_time(w->word[1], &p->spin_ns))
		err = rf_words_error(w, "spin takes a time such as 20us, or 'forever'");
	p->device.spin_ns = p->spin_ns;
	return err;
}

static int key_moderation(struct rf_policy *p, struct rf_words *w)
{
	return want_time(w, 1, &p->device.moderation_ns);
}

/* demand WALL... : walls.h by name; without them no driver of this policy runs */
static int key_demand(struct rf_policy *p, struct rf_words *w)
{
	for (int i = 1; i < w->count; i++) {
		int wall = rf_wall_find(w->word[i]);

		if (wall < 0)
			return rf_words_error(
				w, "demand: '%s' is no wall; 'ringfence status' names them",
				w->word[i]);
		p->demand |= RF_WALL_BIT(wall);
	}
	return w->count > 1 ? 0 : rf_words_error(w, "demand takes names of walls");
}

/* restart progress-free N backoff TIME cap TIME */
static int key_restart(struct rf_policy *p, struct rf_words *w)
{
	uint64_t deaths;
	int err;

	if ((err = policy_want(w, 2, &deaths)) || (err = want_time(w, 4, &p->backoff_ns)) ||
	    (err = want_time(w, 6, &p->backoff_cap_ns)))
		return err;
	if (strcmp(w->word[1], "progress-free") || strcmp(w->word[3], "backoff") ||
	    strcmp(w->word[5], "cap"))
		return rf_words_error(w, "write as 'restart progress-free 8 backoff 10ms cap 5s'");
	if (!deaths || deaths > UINT32_MAX)
		return rf_words_error(w, "restart progress-free: 1 to %u deaths", UINT32_MAX);
	p->deaths = (uint32_t)deaths;
	return 0;
}

static const struct {
	const char *name;
	key_fn     *fn;
	int         words; /* at most */
	bool        again; /* several lines add up */
} keys[] = {
	{ "driver", key_driver, 2 },           { "service", key_service, 2 },
	{ "match", key_match, 3, true },       { "backend", key_backend, 2 },
	{ "control", key_control, 2 },         { "disk", key_disk, 4 },
	{ "net", key_net, RF_WORDS_MAX },      { "arena", policy_key_arena, 2 },
	{ "queue-memory", key_queue_memory, 2 }, { "queue-entries", key_queue_entries, 2 },
	{ "interrupt", key_interrupt, RF_WORDS_MAX, true }, { "syscalls", key_syscalls, 2 },
	{ "payload", key_payload, 2 },         { "bus-master", key_bus_master, 2 },
	{ "cache", key_cache, 2 },             { "reset", key_reset, 11, true },
	{ "map", key_map, 5, true },           { "stall", key_stall, 2 },
	{ "slow-stall", key_slow_stall, 2 },   { "server-away", key_server_away, 2 },
	{ "spin", key_spin, 2 },               { "restart", key_restart, 7 },
	{ "demand", key_demand, RF_WORDS_MAX, true }, { "nudge", key_nudge, 2 },
	{ "hang", key_hang, 2 },               { "standby", key_standby, 2 },
	{ "storm", key_storm, 2 },             { "moderation", key_moderation, 2 },
};

struct reading_policy {
	struct rf_policy *policy;
	struct rf_words_seen seen;
};

static int policy_line(struct rf_words *w, void *arg)
{
	struct reading_policy *r = arg;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(w->word[0], keys[i].name))
			continue;
		if (w->count > keys[i].words)
			return rf_words_error(w, "%s: '%s' is one word too many", w->word[0],
					      w->word[keys[i].words]);
		int err = keys[i].again ? 0 : rf_words_once(w, &r->seen);
		return err ? err : keys[i].fn(r->policy, w);
	}
	return rf_words_error(w, "unknown key '%s'", w->word[0]);
}

/* What a policy must say, and what it need not. */
static int complete(const char *file, struct rf_policy *p)
{
	const char *missing = !p->driver[0]                              ? "driver"
			      : !p->device.filter[0]                     ? "syscalls"
			      : !p->device.arena_bytes                   ? "arena"
			      : !p->device.queue_bytes                   ? "queue-memory"
			      : !p->device.queue_entries                 ? "queue-entries"
			      : !p->deaths                               ? "restart"
			      : p->device.control == RF_CONTROL_NONE &&
						p->device.service == RF_SERVICE_NET &&
						!p->device.net.mtu       ? "net"
			      : p->device.control == RF_CONTROL_NONE &&
						p->device.service == RF_SERVICE_BLOCK &&
						!p->device.blk.size      ? "disk"
			      : p->device.backend && !p->device.interrupts ? "interrupt"
									 : NULL;
	if (missing) {
		rf_log("%s: no '%s' line", file, missing);
		return -EINVAL;
	}
	uint32_t steps = p->device.step_count;
	if (steps && !p->device.step[steps - 1].poll) {
		rf_log("%s: the last 'reset' line is a write, after which nobody knows whether the "
		       "device is quiet: "
		       "end with 'reset poll'",
		       file);
		return -EINVAL;
	}
	p->device.queues = 1;
	/* Who never sleeps needs no call to wait, and its export none to wake it. */
	if (p->spin_ns == UINT64_MAX)
		strcpy(p->device.filter, "driver-poll");
	return 0;
}

int rf_policy_read(const char *file, struct rf_policy *p)
{
	*p = (struct rf_policy){ .match_class = ~0u, .match_vendor = ~0u, .match_device = ~0u,
				  .nudge_ns = 10000000, .hang_ns = 20000000,
				  .slow_stall_ns = 60000000000ull,
				  .server_away_ns = 30000000000ull };
	p->device.storm_rate = 50000;
	p->device.backend = RF_BACKEND_VFIO;
	struct reading_policy r = { .policy = p };
	int err = rf_words_read(file, policy_line, &r);
	if (err && err != -EINVAL)
		rf_log("%s: cannot read the policy: %s", file, strerror(-err));
	return err ? err : complete(file, p);
}
