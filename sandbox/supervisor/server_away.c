/* SPDX-License-Identifier: MIT */
/*
 * server_away.c - a device server that cannot be reached, and how long its clients wait for it.
 *
 * Room:   sandbox/supervisor, no privilege.
 * Why:    a server that is started anew is away for seconds. Nothing of the device runs then
 *         but its export: nobody else can tell it that clients are to wait no longer.
 */
#include "clock.h"
#include "export.h"
#include "log.h"
#include "supervisor.h"

/* Shortest and longest pause between two tries to reach the server. */
#define AWAY_LEAST_NS 20000000u
#define AWAY_MOST_NS  1000000000u

/* Has clients' requests fail until a device process reports the device again, or the device is
 * restarted. */
void server_clients_fail(struct dev *d)
{
	struct rf_svc_msg gone = { .type = RF_SVC_GONE };

	(void)rf_packet_post(d->fd[FD_SVC_DEVICE], &gone, sizeof(gone));
}

/*
 * Export, socket and requests stay. Clients wait, and after the policy's `server-away` get EIO,
 * until the server is back. Nothing of a network device is failed: its frames are lost in any
 * case.
 */
static void wait_on(struct dev *d, const char *what, const char *restart)
{
	uint64_t now = rf_now_ns(), away = now - d->r.away_ns, pause = away / 8;

	if (away >= d->cfg->policy.server_away_ns && !d->r.away_told &&
	    d->cfg->policy.device.service == RF_SERVICE_BLOCK) {
		d->r.away_told = true;
		rf_log("%s: %s for %llu s: clients get EIO until it is back; 'ringfence restart "
		       "%s' %s", d->cfg->name, what, (unsigned long long)away / 1000000000,
		       d->cfg->name, restart);
		server_clients_fail(d);
	}
	d->r.state = DEV_REVIVING;
	d->r.retry_ns = now + (pause < AWAY_LEAST_NS ? AWAY_LEAST_NS :
			       pause > AWAY_MOST_NS  ? AWAY_MOST_NS :
						       pause);
}

/*
 * A device server that is started anew is away for a while. Export, socket and requests stay. What
 * was found in its place before is not there either.
 */
void server_away(struct dev *d)
{
	d->r.other = (struct rf_identity){ 0 };
	if (!d->r.away_ns) {
		d->r.away_ns = rf_now_ns();
		rf_log_peer("%s: device server unreachable (%s): clients wait for it, up to %llu s",
			    d->cfg->name, d->cfg->socket,
			    (unsigned long long)d->cfg->policy.server_away_ns / 1000000000);
	}
	wait_on(d, "device server unreachable", "tries again at once");
}

/*
 * One that comes back with another disk was perhaps started with the wrong file, so that waiting
 * for the old disk saves clients' requests. None of them is told to the new one.
 */
void server_other(struct dev *d)
{
	if (!d->r.away_ns)
		d->r.away_ns = rf_now_ns();
	if (!d->r.other_told)
		rf_log_peer("%s: it was disk %s, and is %s now: not served, clients wait for the "
			    "old one, up to %llu s in all; 'ringfence restart %s' takes the new "
			    "one", d->cfg->name, rf_identity_text(&d->r.disk),
			    rf_identity_text(&d->r.other),
			    (unsigned long long)d->cfg->policy.server_away_ns / 1000000000,
			    d->cfg->name);
	d->r.other_told = true;
	wait_on(d, "another disk in the place of the one it was", "takes the new one");
}

void server_back(struct dev *d)
{
	if (d->r.away_ns)
		rf_log_peer("%s: device server back after %llu ms", d->cfg->name,
		       (unsigned long long)(rf_now_ns() - d->r.away_ns) / 1000000);
	d->r.away_ns = 0;
	d->r.away_told = false;
	d->r.other = (struct rf_identity){ 0 };
}
