/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-keeper: keeper, spawner and opener. Room: sandbox/zygote, root.
 *
 * Started by the command line (sandbox/cli), which waits for nothing and becomes this.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "broker.h"
#include "fetch.h"
#include "keeper.h"
#include "log.h"
#include "privilege.h"

/*
 * Files that our starter left open would stay open as long as we live: a lock, the end of a pipe, a
 * file of a mount. Where one of the first three is closed, /dev/null takes its number, for the next
 * file of ours would get it, and the log with it.
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

int main(int argc, char **argv)
{
	static struct rf_config c;
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "open") && argc == 2) {
		prctl(PR_SET_NAME, "rf-opener");
		rf_memory_hold();
		return rf_opener_main(RF_OWN_FD_ABOVE, RF_OWN_FD_CONFIG);
	}
	if ((strcmp(verb, "run") && strcmp(verb, "check")) || argc != 3)
		rf_die(RF_EXIT_USAGE, "this program is for 'ringfence' to start");
	inherited_close();
	int code = rf_config_fetch(argv[2], &c);
	if (!code && verb[0] == 'c')
		return printf("%s: ok, %d device%s\n", argv[2], c.count, &"s"[c.count == 1]) < 0 || fflush(stdout);
	if (code)
		return code;
	/* Whoever has it, the opener believes it. */
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	int fd = memfd_create("rf-configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0 || write(fd, &c, sizeof(c)) != sizeof(c) || fcntl(fd, F_ADD_SEALS, seals))
		rf_die(RF_EXIT_SYSTEM, "no memory for the configuration");
	rf_memory_hold();
	return rf_keeper_main(fd, c.program_dir);
}
