/* SPDX-License-Identifier: MIT */
/*
 * policy_device.c - the keys of a policy that say what its device is, what of it the driver may
 * touch and how it is reset.
 *
 * Room:   sandbox/config.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "policy_keys.h"

static int key_service(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "block", "net", NULL };
	int n = policy_choice(w, 1, names);

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
	int n = policy_choice(w, 1, names);

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
	int n = policy_choice(w, 1, names);

	if (n >= 0)
		p->device.backend = n ? RF_BACKEND_VFIO : RF_BACKEND_NONE;
	return n < 0 ? n : 0;
}

static int key_control(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[RF_ADMINS + 1] = {
		[RF_ADMIN_NONE] = "none",
		[RF_ADMIN_NVME] = "nvme",
		[RF_ADMIN_E1000E] = "e1000e",
		[RF_ADMIN_IGB] = "igb",
		[RF_ADMIN_VIRTIO_NET] = "virtio_net",
		[RF_ADMIN_VIRTIO_BLK] = "virtio_blk",
	};
	int n = policy_choice(w, 1, names);

	if (n >= 0)
		p->device.admin = (uint32_t)n;
	return n < 0 ? n : 0;
}

/* disk SIZE block 512|4096 */
static int key_disk(struct rf_policy *p, struct rf_words *w)
{
	uint64_t block;
	int err = policy_number(w, 1, &p->device.blk.size);

	if (err || (err = policy_number(w, 3, &block)))
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
		int bit = policy_choice(w, i, names);
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
	int err = policy_number(w, 1, &p->device.queue_bytes);

	if (!err && (!p->device.queue_bytes || p->device.queue_bytes % 4096 ||
		     p->device.queue_bytes > RF_QUEUE_MEMORY_MOST))
		return rf_words_error(w, "queue-memory must be a multiple of 4K, at most %lluG",
				      RF_QUEUE_MEMORY_MOST >> 30);
	return err;
}

static int key_queue_entries(struct rf_policy *p, struct rf_words *w)
{
	uint64_t n;
	int err = policy_number(w, 1, &n);

	if (err)
		return err;
	if (n < 2 || n > 4096 || (n & (n - 1)))
		return rf_words_error(w, "queue-entries must be a power of two from 2 to 4096");
	p->device.queue_entries = (uint32_t)n;
	return 0;
}

static int policy_key_queues(struct rf_policy *p, struct rf_words *w)
{
	uint64_t n;
	int err = policy_number(w, 1, &n);

	if (!err && (!n || n > RF_MAX_QUEUES))
		return rf_words_error(w, "queues must be from 1 to %u", RF_MAX_QUEUES);
	if (!err)
		p->queues = (uint32_t)n;
	return err;
}

static int key_interrupt(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "msix", "msi", "intx", NULL };

	for (int i = 1; i < w->count; i++) {
		int n = policy_choice(w, i, names);
		if (n < 0)
			return n;
		p->device.interrupts |= 1u << n;
	}
	return 0;
}

static int key_payload(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "none", "rw", NULL };
	return policy_flag(w, names, RF_DEVICE_PAYLOAD, &p->device.flags);
}

static int key_bus_master(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "keep", "off", NULL };
	return policy_flag(w, names, RF_DEVICE_BUSMASTER_OFF, &p->device.flags);
}

static int key_cache(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "kept", "lost", NULL };
	return policy_flag(w, names, RF_DEVICE_CACHE_LOST, &p->device.flags);
}

/* queue-reset no|within TIME */
static int key_queue_reset(struct rf_policy *p, struct rf_words *w)
{
	uint64_t within = 0;
	bool no = w->count == 2 && !strcmp(w->word[1], "no");

	if (!no && (w->count != 3 || strcmp(w->word[1], "within")))
		return rf_words_error(w, "write as 'queue-reset no' or 'queue-reset within 2s'");
	int err = no ? 0 : policy_time(w, 2, &within);
	if (!err && !no && (within < 1000000 || within > RF_QUEUE_RESET_MOST_MS * 1000000ull))
		return rf_words_error(w, "queue-reset within: from 1ms to %us",
				      RF_QUEUE_RESET_MOST_MS / 1000);
	p->device.queue_reset_ms = (uint32_t)(within / 1000000);
	return err;
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
	int kind = policy_choice(w, 1, kinds), err;

	if (kind < 0)
		return kind;
	if (p->device.step_count == RF_MAX_STEPS)
		return rf_words_error(w, "more than %d reset steps", RF_MAX_STEPS);
	if ((err = policy_number(w, 2, &bits)) || (err = want_bar(w, 3, &s->bar)) ||
	    (err = policy_number(w, 4, &s->offset)) || (err = policy_number(w, 6, &mask)) ||
	    (err = policy_number(w, 8, &value)) || (kind && (err = policy_time(w, 10, &within))))
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
	uint8_t bar = 0;
	int err, mode;

	if (p->device.window_count == RF_MAX_WINDOWS)
		return rf_words_error(w, "more than %d map lines", RF_MAX_WINDOWS);
	if ((err = want_bar(w, 1, &bar)) || (err = policy_number(w, 2, &r->offset)) ||
	    (err = policy_number(w, 3, &r->bytes)))
		return err;
	if ((mode = policy_choice(w, 4, names)) < 0)
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

static int key_storm(struct rf_policy *p, struct rf_words *w)
{
	uint64_t rate = 0;
	int err = policy_number(w, 1, &rate);

	if (!err && rate > UINT32_MAX)
		return rf_words_error(w, "storm: interrupts a second, 0 to %u", UINT32_MAX);
	p->device.storm_rate = (uint32_t)rate;
	return err;
}

static int key_moderation(struct rf_policy *p, struct rf_words *w)
{
	return policy_time(w, 1, &p->device.moderation_ns);
}

const struct policy_key policy_device_keys[] = {
	{ "service", key_service, 2 },
	{ "match", key_match, 3, true },
	{ "backend", key_backend, 2 },
	{ "control", key_control, 2 },
	{ "disk", key_disk, 4 },
	{ "net", key_net, RF_WORDS_MAX },
	{ "arena", policy_key_arena, 2 },
	{ "queue-memory", key_queue_memory, 2 },
	{ "queue-entries", key_queue_entries, 2 },
	{ "interrupt", key_interrupt, RF_WORDS_MAX, true },
	{ "payload", key_payload, 2 },
	{ "bus-master", key_bus_master, 2 },
	{ "cache", key_cache, 2 },
	{ "queue-reset", key_queue_reset, 3 },
	{ "queues", policy_key_queues, 2 },
	{ "reset", key_reset, 11, true },
	{ "map", key_map, 5, true },
	{ "storm", key_storm, 2 },
	{ "moderation", key_moderation, 2 },
	{ NULL },
};
