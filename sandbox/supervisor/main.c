/* SPDX-License-Identifier: MIT */
/* main.c - the command line. Room: sandbox/supervisor, privileged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "keeper.h"
#include "log.h"
#include "supervisor.h"

static const char usage[] =
	"usage: ringfence run CONFIG            run the devices of CONFIG until SIGTERM or 'stop'\n"
	"       ringfence check CONFIG          read CONFIG and its policies, run nothing\n"
	"       ringfence status [--json]       what runs\n"
	"       ringfence recoveries DEVICE     a JSON line for each driver replaced\n"
	"       ringfence restart DEVICE        stop and start again, also out of quarantine\n"
	"       ringfence stop                  end all, give the devices back\n"
	"       ringfence --version\n"
	"--run-dir DIR before the command names another place than /run/ringfence (root),\n"
	"$XDG_RUNTIME_DIR/ringfence or /tmp/ringfence-UID\n";

static int complain(const char *what)
{
	fprintf(stderr, "ringfence: unknown argument '%s'\n%s", what, usage);
	return RF_EXIT_USAGE;
}

static int ask(const char *dir, const char *verb, const char *name)
{
	static struct rf_config c;
	char request[128];

	snprintf(c.run_dir, sizeof(c.run_dir), "%s", dir);
	snprintf(request, sizeof(request), "%s %s\n", verb, name);
	return status_client(&c, request, false);
}

int main(int argc, char **argv)
{
	static struct rf_config c;
	char own[76];
	const char *dir = own;

	rf_run_dir(own, sizeof(own));
	if (argc > 2 && !strcmp(argv[1], "--run-dir")) {
		dir = argv[2];
		argv += 2;
		argc -= 2;
	}
	const char *verb = argc > 1 ? argv[1] : "", *arg = argc > 2 ? argv[2] : "";

	if (!strcmp(verb, "run") && argc == 3)
		return rf_config_read(arg, &c) ? RF_EXIT_CONFIG : rf_keeper_main(arg);
	if (!strcmp(verb, "supervise") && argc == 4)
		return rf_supervisor_main(atoi(arg), argv[3]);
	if (!strcmp(verb, "check") && argc == 3)
		return rf_config_read(arg, &c) ? RF_EXIT_CONFIG : 0;
	if (!strcmp(verb, "status") && argc == 2)
		return ask(dir, "status", "");
	if (!strcmp(verb, "status") && argc == 3 && !strcmp(arg, "--json"))
		return ask(dir, "status-json", "");
	if (!strcmp(verb, "stop") && argc == 2)
		return ask(dir, "stop", "");
	if ((!strcmp(verb, "restart") || !strcmp(verb, "recoveries")) && argc == 3)
		return ask(dir, verb, arg);
	if (!strcmp(verb, "--version") && argc == 2)
		return puts("ringfence " RF_VERSION) < 0;
	if (!strcmp(verb, "--help") || !strcmp(verb, "help"))
		return fputs(usage, stdout) < 0;
	return complain(*verb ? argv[argc - 1] : "(none)");
}
