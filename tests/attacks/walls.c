/* SPDX-License-Identifier: MIT */
/*
 * walls.c - which walls stand around a driver on this machine, as keeper and launcher
 * report them. See attack.h. Room: tests/attacks.
 */
#include "attack.h"

unsigned attack_walls(bool print)
{
	struct target t;
	unsigned up = 0;

	target_init(&t, "evil_spin");
	MUST(!target_spawn(&t, 0));
	for (int i = 0; i < 5000 && t.page->stage != EVIL_BEGAN; i++) {
		target_look(&t);
		usleep(1000);
	}
	rf_spawn_walls(&t.run);
	for (int wall = 0; wall < RF_WALLS; wall++) {
		bool stands = t.run.walls.up & RF_WALL_BIT(wall);

		up += stands;
		if (!print)
			continue;
		if (stands)
			printf("%-14s stands\n", rf_wall_names[wall]);
		else
			printf("%-14s missing: %s\n", rf_wall_names[wall],
			       wall == RF_WALL_USER_NS && !geteuid() ? "root needs none"
			       : t.run.walls.why[wall] ? strerror(t.run.walls.why[wall])
						       : "not put up");
	}
	if (print)
		printf("%u walls stand\n", up);
	target_end(&t);
	return up;
}
