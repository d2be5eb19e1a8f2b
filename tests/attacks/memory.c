/* SPDX-License-Identifier: MIT */
/* memory.c - attacks on and by memory: code, windows, seals, limits. See attack.h. Room:
 * tests/attacks. */
#include "attack.h"

#include "address_space.h"

#define ARENA_FD (RF_LAUNCH_FD_WINDOW + 2)

static enum outcome attack_seals(const struct attack *a, enum mode mode, char *what)
{
	struct target t;

	target_init(&t, a->image);
	t.param[0] = ARENA_FD;
	/* As resources.c does it. */
	if (mode != CONTROL)
		MUST(!fcntl(t.l.arena_fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL));
	return attack_go(a, mode, &t, what);
}

/* The other half of the rings begins where the window ends. */
static enum outcome attack_below(const struct attack *a, enum mode mode, char *what)
{
	struct target t;

	target_init(&t, a->image);
	t.param[0] = a->arg;
	MUST(!ftruncate(t.l.chan_fd, 2 * LAUNCH_CHAN_BYTES));
	if (mode == CONTROL)
		t.l.spec.windows[1].bytes *= 2; /* a window too large */
	return attack_go(a, mode, &t, what);
}

static enum outcome attack_payload(const struct attack *a, enum mode mode, char *what)
{
	struct target t;

	target_init(&t, a->image);
	if (mode != CONTROL) {
		/* `payload none`: window 2 is queue memory then, and the arena is not there. */
		t.l.spec.windows[2] = t.l.spec.windows[3];
		t.l.spec.window_count = 3;
		t.l.spec.fixups[1] = t.l.spec.fixups[2];
		t.l.spec.fixups[1].window = 2;
		t.l.spec.fixup_count = 2;
	}
	return attack_go(a, mode, &t, what);
}

/* The control: a launcher that leaves memory where the hole should be. */
static enum outcome attack_stack(const struct attack *a, enum mode mode, char *what)
{
	struct target t;

	target_init(&t, a->image);
	t.param[0] = RF_STACK_BYTES;
	if (mode == CONTROL)
		t.program = open(LAX_LAUNCHER, O_RDONLY | O_CLOEXEC);
	return attack_go(a, mode, &t, what);
}

#define SEC OFF(SECCOMP)

const struct attack attacks_memory[] = {
    {.name = "a page both writable and executable",
     .image = "evil_mmap_wx",
     .wall = RF_WALL_MDWE,
     .others = SEC | OFF(AS),
     .quick = true},
    {.name = "execute data", .image = "evil_mprotect_x", .wall = RF_WALL_MDWE, .others = SEC},
    {.name = "an old personality, in which data can be executed",
     .image = "evil_personality",
     .wall = RF_WALL_MDWE,
     .others = SEC | OFF(AS)},
    {.name = "change its code through /proc",
     .image = "evil_self_mem",
     .wall = RF_WALL_ROOT,
     .others = SEC | OFF(LANDLOCK) | OFF(NOFILE) | OFF(FSIZE) | OFF(DUMPABLE)},
    {.name = "change its code",
     .image = "evil_mprotect_text",
     .wall = RF_WALL_MDWE,
     .others = SEC | OFF(AS)},
    {.name = "two views of one memory",
     .image = "evil_two_views",
     .wall = RF_WALL_AS,
     .others = SEC | OFF(NOFILE) | OFF(FSIZE)},
    {.name = "lock memory", .image = "evil_mlock", .wall = RF_WALL_MEMLOCK, .others = SEC},
    {.name = "take memory",
     .image = "evil_memory",
     .wall = RF_WALL_AS,
     .others = SEC | OFF(CGROUP)},
    {.name = "use up its stack",
     .image = "evil_stack",
     .wall = -1,
     .stops = "hole below the stack",
     .run = attack_stack},
    {.name = "shrink the arena",
     .image = "evil_resize",
     .wall = -1,
     .stops = "sealed memory",
     .others = SEC | OFF(FDS),
     .run = attack_seals,
     .quick = true},
    {.name = "seal the arena",
     .image = "evil_seal",
     .wall = -1,
     .stops = "sealed memory",
     .others = SEC | OFF(FDS),
     .run = attack_seals},
    {.name = "read the other half of the rings",
     .image = "evil_below",
     .wall = -1,
     .stops = "exact windows",
     .run = attack_below,
     .arg = 1},
    {.name = "read payload without leave",
     .image = "evil_arena",
     .wall = -1,
     .stops = "payload none",
     .run = attack_payload},
    {.name = "write to the boot record", .image = "evil_boot", .wall = RF_WALL_BOOT},
    {.name = "write to relocated constants", .image = "evil_relro", .wall = RF_WALL_RELRO},
    {0},
};
