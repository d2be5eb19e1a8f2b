/* SPDX-License-Identifier: MIT */
/* policy.c - reads policy/NAME.policy. See read.h; the keys: sandbox/man/ringfence-policy.5.
 * Room: sandbox/config. */
#include <errno.h>
#include <string.h>

#include "log.h"
#include "policy_keys.h"
#include "read.h"
#include "walls.h"

static int key_driver(struct rf_policy *p, struct rf_words *w)
{
	return policy_name(w, p->driver);
}

static int key_syscalls(struct rf_policy *p, struct rf_words *w)
{
	static const char *const lists[] = { "driver-irq", "driver-poll", "driver-device", NULL };

	/* Those that policy/syscalls has for drivers are built into the launcher. */
	return policy_choice(w, 1, lists) < 0 ? -EINVAL : policy_name(w, p->device.filter);
}

static int key_stall(struct rf_policy *p, struct rf_words *w)
{
	return policy_time(w, 1, &p->stall_ns);
}

static int key_slow_stall(struct rf_policy *p, struct rf_words *w)
{
	return policy_time(w, 1, &p->slow_stall_ns);
}

static int key_nudge(struct rf_policy *p, struct rf_words *w)
{
	return policy_time(w, 1, &p->nudge_ns);
}

static int key_standby(struct rf_policy *p, struct rf_words *w)
{
	static const char *const names[] = { "yes", "no", NULL };
	return policy_flag(w, names, RF_DEVICE_NO_STANDBY, &p->device.flags);
}

static int key_server_away(struct rf_policy *p, struct rf_words *w)
{
	return policy_time(w, 1, &p->server_away_ns);
}

static int key_hang(struct rf_policy *p, struct rf_words *w)
{
	int err = policy_time(w, 1, &p->hang_ns);

	if (!err && p->hang_ns < 1000000)
		return rf_words_error(
			w, "hang: at least 1ms, which is as finely as the kernel counts");
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

	if ((err = policy_number(w, 2, &deaths)) || (err = policy_time(w, 4, &p->backoff_ns)) ||
	    (err = policy_time(w, 6, &p->backoff_cap_ns)))
		return err;
	if (strcmp(w->word[1], "progress-free") || strcmp(w->word[3], "backoff") ||
	    strcmp(w->word[5], "cap"))
		return rf_words_error(w, "write as 'restart progress-free 8 backoff 10ms cap 5s'");
	if (!deaths || deaths > UINT32_MAX)
		return rf_words_error(w, "restart progress-free: 1 to %u deaths", UINT32_MAX);
	p->deaths = (uint32_t)deaths;
	return 0;
}

/* What a driver may call and is given of time; policy_device.c has the others. */
static const struct policy_key policy_keys[] = {
	{ "driver", key_driver, 2 },
	{ "syscalls", key_syscalls, 2 },
	{ "demand", key_demand, RF_WORDS_MAX, true },
	{ "stall", key_stall, 2 },
	{ "slow-stall", key_slow_stall, 2 },
	{ "nudge", key_nudge, 2 },
	{ "hang", key_hang, 2 },
	{ "spin", key_spin, 2 },
	{ "server-away", key_server_away, 2 },
	{ "standby", key_standby, 2 },
	{ "restart", key_restart, 7 },
	{ NULL },
};

struct reading_policy {
	struct rf_policy *policy;
	struct rf_words_seen seen;
};

static const struct policy_key *policy_key_find(const struct policy_key *keys, const char *name)
{
	while (keys->name && strcmp(keys->name, name))
		keys++;
	return keys->name ? keys : NULL;
}

static int policy_line(struct rf_words *w, void *arg)
{
	struct reading_policy *r = arg;

	const struct policy_key *key = policy_key_find(policy_keys, w->word[0]);

	if (!key)
		key = policy_key_find(policy_device_keys, w->word[0]);
	if (!key)
		return rf_words_error(w, "unknown key '%s'", w->word[0]);
	if (w->count > key->words)
		return rf_words_error(w, "%s: '%s' is one word too many", w->word[0],
				      w->word[key->words]);
	int err = key->again ? 0 : rf_words_once(w, &r->seen);
	return err ? err : key->read(r->policy, w);
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
			      : p->device.admin == RF_ADMIN_NONE &&
						p->device.service == RF_SERVICE_NET &&
						!p->device.net.mtu       ? "net"
			      : p->device.admin == RF_ADMIN_NONE &&
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
	if (p->queues > 1 && !rf_admin_has_queues(p->device.admin)) {
		rf_log("%s: 'queues' above 1 are for 'control nvme' and 'control virtio_blk'",
		       file);
		return -EINVAL;
	}
	/* Who never sleeps needs no call to wait, and its export none to wake it. */
	if (p->spin_ns == UINT64_MAX)
		strcpy(p->device.filter, "driver-poll");
	return 0;
}

int rf_policy_read(const char *file, struct rf_policy *p)
{
	*p = (struct rf_policy){ .match_class = ~0u, .match_vendor = ~0u, .match_device = ~0u,
				  .queues = 1, .nudge_ns = 10000000, .hang_ns = 20000000,
				  .slow_stall_ns = 60000000000ull,
				  .server_away_ns = 30000000000ull };
	p->device.storm_rate = 50000;
	p->device.queue_reset_ms = 2000;
	p->device.backend = RF_BACKEND_VFIO;
	struct reading_policy r = { .policy = p };
	int err = rf_words_read(file, policy_line, &r);
	if (err && err != -EINVAL)
		rf_log("%s: cannot read the policy: %s", file, strerror(-err));
	return err ? err : complete(file, p);
}
