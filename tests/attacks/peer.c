/* SPDX-License-Identifier: MIT */
/*
 * peer.c - attacks of a device server on the device process that is its client. See attack.h.
 *
 * Room:   tests/attacks. Each runs in a process of its own, peered.c; in a control in one whose
 *         device room lacks the checks.
 */
#include "attack.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char *const names[] = { "below", "far", "shrinks", "file", "vector" };

static enum outcome attack_peer(const struct attack *a, enum mode mode, char *what)
{
	char command[128];

	snprintf(command, sizeof(command), "build/attacks/%s %s 2>/dev/null",
		 mode == CONTROL ? "peered-lax" : "peered", names[a->arg]);
	FILE *f = popen(command, "r");
	if (!f || !fgets(what, WHAT, f))
		snprintf(what, WHAT, "it said nothing");
	what[strcspn(what, "\n")] = 0;
	int status = f ? pclose(f) : -1;
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		return BROKEN;
	return WEXITSTATUS(status) ? THROUGH : STOPPED;
}

const struct attack attacks_peer[] = {
    {.name = "doorbells of which the first is on a later page",
     .wall = -1,
     .stops = "range.h",
     .run = attack_peer,
     .arg = 0,
     .quick = true},
    {.name = "doorbells a gigabyte apart",
     .wall = -1,
     .stops = "256 KiB at most",
     .run = attack_peer,
     .arg = 1,
     .quick = true},
    {.name = "a region that shrinks under a driver",
     .wall = -1,
     .stops = "seals",
     .run = attack_peer,
     .arg = 2,
     .quick = true},
    {.name = "a region of a file system of its own",
     .wall = -1,
     .stops = "memfds only",
     .run = attack_peer,
     .arg = 3,
     .quick = true},
    {.name = "interrupts of errors in vector 0's place",
     .wall = -1,
     .stops = "never wired",
     .run = attack_peer,
     .arg = 4,
     .quick = true},
    {0},
};
