/* SPDX-License-Identifier: MIT */
/*
 * main.c - runs the attack matrix: each attack with every wall, with its wall alone, and
 * with its wall left out.
 *
 *   attacks [--quick] [--json FILE] [--guest FILE] [CATEGORY|NAME]...
 *   attacks --rows CATEGORY        those that need control groups, as lines for --guest
 *   attacks --walls                which walls stand here
 *
 * Room:   tests/attacks. An attack is stopped if it is with every wall, and with its wall
 *         alone; its control is shown if it gets through without that wall.
 * Lines:  FILE of --guest has rows of attacks that ran elsewhere, one a line, and what no
 *         wall is against:
 *             CATEGORY|NAME|WALL|stopped or through|WHAT|shown or not|WHY
 *             remains|WHAT
 * Exit:   0 if every attack was stopped.
 */
#include "attack.h"

#include <sys/resource.h>

bool attack_quick;
static bool as_rows;

static struct {
	unsigned attacks, stopped, escapes, shown;
} total;

static const struct group {
	const char *category;
	const struct attack *rows;
} groups[] = {
    {"process", attacks_calls},
    {"process", attacks_reach},
    {"process", attacks_memory},
    {"process", attacks_life},
    {"image", attacks_image},
    {"ring", attacks_ring},
    {"frames", attacks_net},
    {"peer", attacks_peer},
    {"group", attacks_bombs},
};

static void row_print(const char *category, const char *name, const char *wall, bool stopped,
		      const char *what, bool shown, const char *control)
{
	if (as_rows)
		printf("row %s|%s|%s|%s|%s|%s|%s\n", category, name, wall,
		       stopped ? "stopped" : "through", what, shown ? "shown" : "not", control);
	else
		printf("%-8s %-46s %-14s %s: %s\n%71s control %s: %s\n", category, name, wall,
		       stopped ? "stopped" : "ESCAPED", what, "",
		       shown ? "got through" : "not shown", control);
	if (!as_rows && !stopped)
		printf("not ok attack %s: %s\n", name, what);
	fflush(stdout);
	total.attacks++;
	total.stopped += stopped;
	total.escapes += !stopped;
	total.shown += stopped && shown;
}

static void attack_run(const char *category, const struct attack *a)
{
	static const char *const outcomes[] = {"stopped", "got through", "broken", "not shown"};
	attack_fn *run = a->run ? a->run : attack_process;
	char what[WHAT] = "", alone[WHAT] = "", control[WHAT] = "";
	enum outcome shipped = run(a, SHIPPED, what), second = STOPPED, third = NOT_SHOWN;
	char both[2 * WHAT + 32];

	if (a->others)
		second = run(a, ALONE, alone);
	if (a->no_control)
		snprintf(control, sizeof(control), "%s", a->no_control);
	else
		third = run(a, CONTROL, control);
	snprintf(both, sizeof(both), "%s%s%s%s", what, a->others ? "; alone " : "",
		 a->others ? outcomes[second] : "", "");
	if (a->others && *alone)
		snprintf(both + strlen(both), sizeof(both) - strlen(both), ": %s", alone);
	if (third != THROUGH && third != NOT_SHOWN) {
		char said[WHAT];

		memcpy(said, control, WHAT);
		snprintf(control, sizeof(control), "%s without it: %.150s", outcomes[third], said);
	}
	row_print(category, a->name, a->wall >= 0 ? rf_wall_names[a->wall] : a->stops,
		  shipped == STOPPED && second == STOPPED, both, third == THROUGH, control);
}

/* Rows of attacks that were run in a guest. */
static void rows_read(const char *path)
{
	char line[1024];
	FILE *f = fopen(path, "r");

	while (f && fgets(line, sizeof(line), f)) {
		char *field[7], *at = line;
		int n = 0;

		line[strcspn(line, "\n")] = 0;
		while (n < 7 && (field[n] = strsep(&at, "|")))
			n++;
		if (n == 7)
			row_print(field[0], field[1], field[2], !strcmp(field[3], "stopped"),
				  field[4], !strcmp(field[5], "shown"), field[6]);
		else if (n == 2 && !strcmp(field[0], "remains"))
			printf("%-8s %s\n", field[0], field[1]);
	}
	if (f)
		fclose(f);
}

static bool chosen(const char *category, const struct attack *a, char **words)
{
	if ((attack_quick && !a->quick) || a->grouped != as_rows)
		return false;
	if (!*words)
		return true;
	for (; *words; words++)
		if (!strcmp(*words, category) || strstr(a->name, *words) ||
		    (a->image && !strcmp(*words, a->image)))
			return true;
	return false;
}

static void json_write(const char *path, const char *version)
{
	FILE *f = fopen(path, "w");

	MUST(f);
	fprintf(f,
		"{\n  \"name\": \"attacks\",\n  \"ok\": %s,\n  \"build\": \"%s\",\n"
		"  \"attacks\": %u,\n  \"stopped\": %u,\n  \"escapes\": %u,\n"
		"  \"controls_shown\": %u\n}\n",
		total.attacks && !total.escapes ? "true" : "false", version, total.attacks,
		total.stopped, total.escapes, total.shown);
	MUST(!fclose(f));
}

int main(int argc, char **argv)
{
	const char *json = NULL, *guest = NULL;
	bool walls = false;
	int i = 1;

	for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
		if (!strcmp(argv[i], "--quick"))
			attack_quick = true;
		else if (!strcmp(argv[i], "--walls"))
			walls = true;
		else if (!strcmp(argv[i], "--rows"))
			as_rows = true;
		else if (!strcmp(argv[i], "--json") && i + 1 < argc)
			json = argv[++i];
		else if (!strcmp(argv[i], "--guest") && i + 1 < argc)
			guest = argv[++i];
		else
			return 64;
	}
	if (geteuid()) {
		printf("skipped: walls are taken away only as root\n0 passed, 0 failed\n");
		return 77;
	}
	struct rlimit no_core;
	getrlimit(RLIMIT_CORE, &no_core);
	no_core.rlim_cur = 0;
	setrlimit(RLIMIT_CORE, &no_core);
	signal(SIGPIPE, SIG_IGN);
	if (walls)
		return attack_walls(true) ? 0 : 1;
	for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++)
		for (const struct attack *a = groups[g].rows; a->name; a++)
			if (chosen(groups[g].category, a, argv + i))
				attack_run(groups[g].category, a);
	if (guest)
		rows_read(guest);
	if (json)
		json_write(json, RF_VERSION);
	if (attack_quick)
		printf("%u passed, %u failed\n", total.stopped, total.escapes);
	printf("%u attacks, %u stopped, %u escapes, %u controls shown\n", total.attacks,
	       total.stopped, total.escapes, total.shown);
	return total.attacks && !total.escapes ? 0 : 1;
}
