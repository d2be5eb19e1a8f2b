/* SPDX-License-Identifier: MIT */
/*
 * spawned.c - what the keeper does to a process that the zygote started: see zygote_client.h.
 *
 * Room:   sandbox/keeper, two capabilities.
 */
#include <errno.h>
#include <sys/socket.h>

#include "packet.h"
#include "trace.h"
#include "zygote_client.h"

void rf_spawn_seize(const struct rf_spawned *s)
{
	if (s->report < 0)
		return;
	uint8_t why = (uint8_t)-rf_trace_seize(s->pid);
	(void)rf_packet_send(s->report, &why, 1, NULL, 0);
}

void rf_spawn_walls(struct rf_spawned *out)
{
	struct rf_wall_report r;

	int fds[RF_PACKET_FDS], count;

	while (out->report >= 0 && rf_packet_recv(out->report, &r, sizeof(r), fds, &count,
						  MSG_DONTWAIT) == (int)sizeof(r)) {
		rf_close_all(fds, count);
		out->walls.up |= r.up;
		for (int i = 0; i < RF_WALLS; i++)
			if (r.why[i])
				out->walls.why[i] = r.why[i];
		if (!r.locked)
			continue;
		out->walls.locked = 1;
		out->walls.image = r.image;
		out->walls.image_bytes = r.image_bytes;
		out->walls.trampoline = r.trampoline;
	}
}
