/* SPDX-License-Identifier: MIT */
/* options.c - the command line of every model. Room: tests/models/server. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"
#include "log.h"

static const char usage[] =
	"usage: %s --socket PATH [OPTION...]\n"
	"  --socket PATH      vfio-user clients connect here\n"
	"  --control PATH     control socket: lines `fault NAME [after N] [count N|forever]\n"
	"                     [arg V] [one-in N]`, `clear [NAME]`, `list`, `counters`, `reset`,\n"
	"                     `disconnect`; answers end in `ok` or `error: ...`\n"
	"  --doorbells MODE   mmap: mappable by clients that know the sleep word, others write\n"
	"                     over the socket (default). plain-mmap: mappable by all, the model\n"
	"                     polls. shadow: shadow memory and eventfd. socket: no mapping\n"
	"  --budget US        polls mapped doorbells so long before it sleeps (50; with 3 CPUs\n"
	"                     or fewer 0)\n"
	"  --handshake MS     a client must have sent its version by then (10000)\n"
	"  --fault NAME[,after=N][,count=N|forever][,arg=V][,one-in=N]   may stand more than once\n"
	"  --seed N           of all chance (1)\n"
	"  --list-faults      their names and what they do\n"
	"  --keep-state       a client that leaves does not reset the device\n"
	"  --no-twin          one socket for both directions, whatever the client offers\n"
	"  --strict           as bare hardware: no BAR without Memory Enable, no MSI-X without\n"
	"                     Enable and an unmasked table entry\n"
	"  --as-qemu          the habits of QEMU's own server: version 0.1 and two capabilities,\n"
	"                     whatever is proposed, one eventfd for errors and for vector 0, no\n"
	"                     ROM, hangs up at messages it does not know; --strict, and\n"
	"                     --doorbells socket\n";

struct text { const char *name; int value; };

static int choice(const struct text *t, const char *word)
{
	for (; t->name; t++)
		if (!strcmp(t->name, word))
			return t->value;
	return -1;
}

static void help(const struct server *s, const char *program)
{
	printf(usage, program);
	if (s->model->usage)
		printf("of this model:\n%s", s->model->usage);
}

static int number(const char *key, const char *value, uint64_t *out)
{
	char *end;

	*out = strtoull(value, &end, 0);
	if (*value >= '0' && *value <= '9' && !*end)
		return 0;
	rf_log("--%s wants a number, not `%s'", key, value);
	return -EINVAL;
}

static int with_value(struct server *s, const char *key, const char *value)
{
	static const struct text modes[] = { { "mmap", DOORBELLS_MMAP },
					     { "plain-mmap", DOORBELLS_PLAIN },
					     { "shadow", DOORBELLS_SHADOW },
					     { "socket", DOORBELLS_SOCKET },
					     { 0 } };
	int err = -ENOENT;

	if (!strcmp(key, "socket"))
		s->path = value;
	else if (!strcmp(key, "control"))
		s->control_path = value;
	else if (!strcmp(key, "doorbells")) {
		int mode = choice(modes, value);
		if (mode < 0) {
			rf_log("--doorbells is one of mmap, plain-mmap, shadow, socket, not `%s'",
			       value);
			return -EINVAL;
		}
		s->doorbells = (enum doorbells)mode;
	} else if (!strcmp(key, "budget")) {
		if ((err = number(key, value, &s->budget_ns)))
			return err;
		s->budget_ns *= 1000;
	} else if (!strcmp(key, "handshake")) {
		if ((err = number(key, value, &s->handshake_ns)))
			return err;
		s->handshake_ns *= 1000000;
	} else if (!strcmp(key, "seed")) {
		if ((err = number(key, value, &s->seed)))
			return err;
		fault_seed(&s->faults, s->seed);
	} else if (!strcmp(key, "fault")) {
		if ((err = fault_arm_text(&s->faults, value)))
			rf_log("--fault %s: %s", value,
			       err == -ENOENT ? "no such fault, see --list-faults" :
						"cannot be read, see --help");
		return err;
	} else {
		if (s->model->option)
			err = s->model->option(key, value);
		if (err == -ENOENT)
			rf_log("unknown option --%s, see --help", key);
		return err;
	}
	return 0;
}

int options_parse(struct server *s, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		const char *key = argv[i];
		if (key[0] != '-' || key[1] != '-') {
			rf_log("`%s' is no option, see --help", key);
			return -EINVAL;
		}
		key += 2;
		if (!strcmp(key, "help")) {
			help(s, argv[0]);
			exit(0);
		} else if (!strcmp(key, "list-faults")) {
			fault_list(&s->faults, stdout);
			exit(0);
		} else if (!strcmp(key, "keep-state"))
			s->keep_state = true;
		else if (!strcmp(key, "no-twin"))
			s->twin = false;
		else if (!strcmp(key, "strict"))
			s->strict = true;
		else if (!strcmp(key, "as-qemu")) {
			s->as_qemu = s->strict = true;
			s->twin = false;
			s->doorbells = DOORBELLS_SOCKET;
		} else if (i + 1 == argc) {
			rf_log("--%s wants a value, see --help", key);
			return -EINVAL;
		} else if (with_value(s, key, argv[++i]))
			return -EINVAL;
	}
	if (s->path)
		return 0;
	rf_log("--socket PATH is missing, see --help");
	return -EINVAL;
}
