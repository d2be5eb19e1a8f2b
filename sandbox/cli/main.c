/* SPDX-License-Identifier: MIT */
/* main.c - the command line. See show.h. Room: sandbox/cli. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "show.h"

static const char usage[] =
	"usage: ringfence run CONFIG            run the devices of CONFIG until SIGTERM or 'stop'\n"
	"       ringfence check CONFIG          read CONFIG and its policies, run nothing\n"
	"       ringfence format CONFIG DEVICE [--adopt|--reformat] [--yes]\n"
	"                                       make the area of 'integrity disk'; asks first\n"
	"       ringfence status [--json]       what runs\n"
	"       ringfence recoveries DEVICE     a JSON line for each driver replaced\n"
	"       ringfence bundle                the deaths there are reports of\n"
	"       ringfence bundle DEVICE [N]     the report of its last death, or of number N\n"
	"       ringfence restart DEVICE        stop and start again, also out of quarantine\n"
	"       ringfence reload                read CONFIG anew: what differs stops and starts\n"
	"       ringfence stop                  end all, give the devices back\n"
	"       ringfence --version\n"
	"--run-dir DIR before the command names another place than /run/ringfence (root),\n"
	"$XDG_RUNTIME_DIR/ringfence or /tmp/ringfence-UID\n";

static int cli_complain(const char *what, const char *word)
{
	fprintf(stderr, "ringfence: %s%s; 'ringfence --help' shows what there is\n", what, word);
	return RF_EXIT_USAGE;
}

/* Exit code 71 instead of `code` if the output could not be written. */
static int printed(int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	fprintf(stderr, "error: cannot write the output: %s\n", strerror(errno));
	return RF_EXIT_SYSTEM;
}

static const char *const verbs[] = { "run",    "check",   "format", "status",   "recoveries",
				     "bundle", "restart", "reload", "stop",    "--run-dir" };

static int cli_ask(const char *dir, const char *verb, const char *device)
{
	char path[RF_RUN_DIR + 16];

	snprintf(path, sizeof(path), "%s/control", dir);
	if (!strcmp(verb, "reload"))
		return client_reload(path, stdout);
	return client_ask(path, verb, device, stdout);
}

/* Executes rf-keeper, which lies beside this program, in this process. */
static int become_keeper(const char *verb, const char *file, const char *device, const char *how)
{
	static struct rf_config c;
	char path[300];
	int err = rf_config_defaults(&c);

	snprintf(path, sizeof(path), "%s/rf-keeper", c.program_dir);
	if (!err)
		execl(path, "ringfence", verb, file, device, how, (char *)NULL);
	rf_die(RF_EXIT_SYSTEM, "cannot execute %s: %s", path, strerror(err ? -err : errno));
}

static int format(int count, char **words)
{
	const char *how;
	int code = client_format(words[0], words[1], count - 2, words + 2, &how);

	if (code == RF_EXIT_USAGE)
		return cli_complain("format: CONFIG, DEVICE, then --adopt or --reformat, and --yes",
				    "");
	return code ? code : become_keeper("format", words[0], words[1], how);
}

static int command(int argc, char **argv)
{
	char own[RF_RUN_DIR];
	const char *dir = own;

	rf_run_dir(own, sizeof(own));
	if (argc > 2 && !strcmp(argv[1], "--run-dir")) {
		dir = argv[2];
		if (strlen(dir) >= RF_RUN_DIR || dir[0] != '/') {
			fprintf(stderr,
				"ringfence: --run-dir takes an absolute path of at most %d "
				"characters\n",
				RF_RUN_DIR - 1);
			return RF_EXIT_USAGE;
		}
		argv += 2;
		argc -= 2;
	}
	const char *verb = argc > 1 ? argv[1] : "", *arg = argc > 2 ? argv[2] : "";

	if ((!strcmp(verb, "run") || !strcmp(verb, "check")) && argc == 3)
		return become_keeper(verb, arg, NULL, NULL);
	if (!strcmp(verb, "format") && argc >= 4)
		return format(argc - 2, argv + 2);
	if (!strcmp(verb, "status") && argc == 2)
		return cli_ask(dir, "status", "");
	if (!strcmp(verb, "status") && argc == 3 && !strcmp(arg, "--json"))
		return cli_ask(dir, "status-json", "");
	if ((!strcmp(verb, "stop") || !strcmp(verb, "reload")) && argc == 2)
		return cli_ask(dir, verb, "");
	if ((!strcmp(verb, "restart") || !strcmp(verb, "recoveries")) && argc == 3)
		return cli_ask(dir, verb, arg);
	if (!strcmp(verb, "bundle") && argc <= 4)
		return client_bundle(dir, arg, argc == 4 ? argv[3] : NULL, stdout);
	if (!strcmp(verb, "--version") && argc == 2)
		return puts("ringfence " RF_VERSION) < 0;
	if (!strcmp(verb, "--help") || !strcmp(verb, "help"))
		return fputs(usage, stdout) < 0;
	if (!*verb)
		return cli_complain("no command given", "");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verb, verbs[i]))
			return cli_complain("too few or too many words for ", verb);
	return cli_complain("unknown command ", verb);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_DFL); /* 'ringfence status | head' ends without a word */
	return printed(command(argc, argv));
}
