/* SPDX-License-Identifier: MIT */
/*
 * scene.h - a hostile driver, an export and the harness as device process between them: what
 * attacks by shared memory have in common.
 *
 * Room:   tests/attacks.
 */
#ifndef SCENE_H
#define SCENE_H

#include "attack.h"
#include "rig.h"
#include "shared_page.h"

#define WANTED 400u

/* What a row of the table wants to see. */
enum expect { EXPECT_REPORT = 1, EXPECT_STALL = 2, EXPECT_SERVED = 3, EXPECT_EITHER = 4 };
#define ARG(expect, without) ((uint64_t)(expect) << 32 | (without))

struct scene {
	struct rig rig;
	struct target t;
	struct served_page *page;
	pid_t served;
	int served_status;
	bool served_ended;
	uint32_t heard; /* RF_SVC_PROTO_ERROR or RF_SVC_STALL */
	uint32_t lie;
};

/* Starts the program `served`, an export, with checks left out (WITHOUT_* of shared_page.h). */
void scene_open(struct scene *, const char *served, const char *image, unsigned without,
		uint64_t stall_ns);
/* The driver gets the export's memory and eventfds in place of its own. */
void scene_join(struct scene *);
/* Looks once at everybody, for at most `ms`. */
void scene_look(struct scene *, int ms);
void scene_close(struct scene *);
/* The export was made to do what it must not. */
bool scene_wrong(const struct scene *);
enum outcome scene_judge(const struct scene *, enum expect, char *what);

/* Each of `params` by `once`; one that gets through is enough for a control. */
typedef enum outcome once_fn(const struct attack *, enum mode, uint64_t param, char *what);
enum outcome scene_sweep(once_fn *, const struct attack *, enum mode, const uint64_t *params,
			 unsigned count, char *what);

#define SWEEP(name, once, ...) \
	static enum outcome name(const struct attack *a, enum mode mode, char *what) \
	{ \
		static const uint64_t params[] = { __VA_ARGS__ }; \
		return scene_sweep(once, a, mode, params, sizeof(params) / sizeof(params[0]), \
				   what); \
	}

#endif
