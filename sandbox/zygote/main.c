/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-keeper: keeper, zygote and broker. Room: sandbox/zygote, root.
 *
 * Started by the command line (sandbox/cli), which waits for nothing and becomes this.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker.h"
#include "config_load.h"
#include "format_order.h"
#include "keeper.h"
#include "log.h"
#include "privilege.h"
#include "reload.h"
#include "zygote.h"

/*
 * Closes files that our starter left open: a lock, the end of a pipe, a file of a mount. Else they
 * would stay open as long as we live. Where one of the first three is closed, /dev/null takes its
 * number: else the next file of ours would get it, and the log would go there.
 */
static void inherited_close(void)
{
	int fd;

	(void)syscall(SYS_close_range, 3u, ~0u, 0u);
	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd < 3)
		;
	if (fd < 0)
		rf_die(RF_EXIT_SYSTEM, "there is no /dev/null");
	close(fd);
}

/* Undoes an ignored SIGCHLD, with which no exit would be reported, and blocked signals, of which
 * SIGALRM bounds our writes. An ignored hang-up or Ctrl-C stays ignored: that is a person's
 * choice. */
static void inherited_signals(void)
{
	sigset_t none;

	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Raises the limit of open files as far as possible, since a configuration that is read later may
 * have more devices. A limit of file sizes would hold for memfds too. */
static void inherited_limits(void)
{
	/* the limit of a device process, the least that suffices for all that is started */
	const rlim_t files = 256;
	struct rlimit r, all = { RLIM_INFINITY, RLIM_INFINITY };

	if (setrlimit(RLIMIT_FSIZE, &all) && !getrlimit(RLIMIT_FSIZE, &r)) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_FSIZE, &r);
	}
	if (getrlimit(RLIMIT_NOFILE, &r))
		return;
	const rlim_t most = r.rlim_max > RF_CONFIG_FILES_MOST ? r.rlim_max : RF_CONFIG_FILES_MOST;
	if (!setrlimit(RLIMIT_NOFILE, &(struct rlimit){ most, most }))
		return;
	r.rlim_cur = r.rlim_max = r.rlim_max < files ? files : r.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &r))
		rf_die(RF_EXIT_SYSTEM,
		       "too few open files are allowed: raise the limit to %u or more (ulimit -n)",
		       (unsigned)files);
}

/* Exit code 71 if the output could not be written, as with all commands. */
static int say_checked(const char *file, int devices)
{
	if (printf("%s: ok, %d device%s\n", file, devices, &"s"[devices == 1]) >= 0 &&
	    !fflush(stdout))
		return 0;
	rf_log("cannot write the output: %s", strerror(errno));
	return RF_EXIT_SYSTEM;
}

int main(int argc, char **argv)
{
	struct rf_config *c;
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "open") && argc == 2) {
		prctl(PR_SET_NAME, "rf-broker");
		rf_memory_hold();
		return rf_broker_main(RF_OWN_FD_ABOVE, RF_OWN_FD_CONFIG);
	}
	const bool format = !strcmp(verb, "format") && argc == 5;
	if (!format && ((strcmp(verb, "run") && strcmp(verb, "check")) || argc != 3))
		rf_die(RF_EXIT_USAGE, "this program is for 'ringfence' to start");
	inherited_close();
	inherited_signals();
	inherited_limits();
	int code = rf_config_load(argv[2], &c);
	if (!code && verb[0] == 'c')
		return say_checked(argv[2], c->count);
	if (!code && format)
		code = rf_format_only(c, argv[2], argv[3], argv[4]);
	if (!code)
		code = rf_config_files_allowed(c);
	if (code)
		return code;
	rf_zygote_config = rf_config_seal(c);
	if (rf_zygote_config < 0)
		rf_die(RF_EXIT_SYSTEM, "no memory for the configuration");
	rf_zygote_file = format ? NULL : argv[2];
	free(c);
	rf_memory_hold();
	code = rf_keeper_main(rf_zygote_main);
	return format ? rf_format_code(code) : code;
}
