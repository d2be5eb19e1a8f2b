/* SPDX-License-Identifier: MIT */
/*
 * away.c - a device server that cannot be reached, and how long its clients wait for it.
 *
 * Room:   sandbox/supervisor, no privilege.
 * Why:    a server that is started anew is away for seconds. Nothing of the device runs then
 *         but its export: nobody else can tell it that clients are to wait no longer.
 */
#include "clock.h"
#include "log.h"
#include "supervisor.h"

/* Between two tries to reach it. */
#define AWAY_LEAST_NS 20000000u
#define AWAY_MOST_NS  1000000000u

/* Until a device process says that there is a device again, or the device is restarted. */
void server_clients_fail(struct dev *d)
{
	struct rf_svc_msg gone = { .type = RF_SVC_GONE };

	(void)rf_packet_post(d->fd[FD_SVC_DEVICE], &gone, sizeof(gone));
}

/*
 * A device server that is started anew is away for a while. Export, socket and requests stay;
 * clients wait, and after `server-away` of the policy get EIO, until it is there again. Of a
 * network device nothing is failed: its frames are lost in any case.
 */
void server_away(struct dev *d)
{
	uint64_t now = rf_now_ns(), most = d->cfg->policy.server_away_ns;

	d->r.state = DEV_REVIVING;
	if (!d->r.away_ns) {
		d->r.away_ns = now;
		rf_log_peer("%s: device server unreachable (%s): clients wait for it, up to %llu s",
			    d->cfg->name, d->cfg->socket, (unsigned long long)most / 1000000000);
	}
	uint64_t away = now - d->r.away_ns, pause = away / 8;
	if (away >= most && !d->r.away_told && d->cfg->policy.device.service == RF_SERVICE_BLOCK) {
		d->r.away_told = true;
		rf_log("%s: device server unreachable for %llu s: clients get EIO until it is "
		       "back; 'ringfence "
		       "restart %s' tries again at once",
		       d->cfg->name, (unsigned long long)away / 1000000000, d->cfg->name);
		server_clients_fail(d);
	}
	d->r.retry_ns = now + (pause < AWAY_LEAST_NS ? AWAY_LEAST_NS :
			       pause > AWAY_MOST_NS  ? AWAY_MOST_NS :
						       pause);
}

void server_back(struct dev *d)
{
	if (d->r.away_ns)
		rf_log_peer("%s: device server back after %llu ms", d->cfg->name,
		       (unsigned long long)(rf_now_ns() - d->r.away_ns) / 1000000);
	d->r.away_ns = 0;
	d->r.away_told = false;
}
