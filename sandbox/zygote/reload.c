/* SPDX-License-Identifier: MIT */
/* reload.c - see reload.h. Room: sandbox/zygote, root. */
#include "reload.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "config_check.h"
#include "config_load.h"
#include "log.h"
#include "merge.h"
#include "packet.h"
#include "privilege.h"
#include "spawn.h"

int rf_zygote_config = -1;
const char *rf_zygote_file;

static int loader = -1; /* socket to the fork; -1: there is none */

/* ---- the fork ----------------------------------------------------------------- */

/* Exit code. */
static int load(int zygote, bool asked)
{
	const struct rf_config *old = rf_config_map(rf_zygote_config);
	struct rf_config *new, *merged;
	int code = old ? rf_config_load(rf_zygote_file, &new) : RF_EXIT_BUG;

	if (!code)
		code = rf_config_merge(old, new, asked, &merged);
	if (!code)
		code = rf_config_files_allowed(merged);
	if (code)
		return code;
	/* As the broker will: one that refused it would end all. */
	const char *wrong = rf_config_wrong(merged);
	if (wrong) {
		rf_log("%s: what runs and what is to run do not go together: %s", rf_zygote_file,
		       wrong);
		return RF_EXIT_BUG;
	}
	int fd = rf_config_seal(merged);

	return fd < 0 || rf_packet_send(zygote, "", 1, &fd, 1) ? RF_EXIT_SYSTEM : 0;
}

static _Noreturn void live(int zygote, int log, pid_t keeper)
{
	prctl(PR_SET_NAME, "rf-loader");
	rf_die_with(keeper);
	rf_spawn_for_parent(false);
	if (log >= 0 && dup2(log, 2) < 0)
		_exit(RF_EXIT_SYSTEM);
	_exit(load(zygote, log >= 0));
}

/* ---- the zygote ----------------------------------------------------------------- */

/* Only a pipe: whatever else somebody else opened, root might do more to than write text. */
static bool is_pipe(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISFIFO(st.st_mode);
}

int rf_reload_begin(int log, struct rf_spawned *run)
{
	struct clone_args args = { .flags = CLONE_PIDFD | CLONE_PARENT,
				   .pidfd = (uint64_t)(uintptr_t)&run->pidfd };
	const pid_t keeper = getppid();
	int pair[2];

	if (!rf_zygote_file)
		return -ENOTSUP;
	if (log >= 0 && !is_pipe(log))
		return -EINVAL;
	/* What an earlier one has read, if nobody has taken it yet, is older. */
	if (loader >= 0)
		close(loader);
	loader = -1;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	long n = syscall(SYS_clone3, &args, sizeof(args));
	if (!n) {
		close(pair[0]); /* or we would be heard by ourselves, if by nobody else */
		live(pair[1], log, keeper);
	}
	int err = n < 0 ? -errno : 0;
	close(pair[1]);
	if (err) {
		close(pair[0]);
		return err;
	}
	run->pid = (pid_t)n;
	loader = pair[0];
	return 0;
}

void rf_reload_take(void)
{
	int fds[RF_PACKET_FDS], count;
	char none;

	int n = loader < 0 ? -EAGAIN :
			     rf_packet_recv(loader, &none, 1, fds, &count, MSG_DONTWAIT);

	if (n == -EAGAIN)
		return; /* it still reads */
	if (n == 1 && count == 1) {
		close(rf_zygote_config);
		rf_zygote_config = fds[0];
	} else {
		rf_close_all(fds, count);
	}
	close(loader);
	loader = -1;
}
