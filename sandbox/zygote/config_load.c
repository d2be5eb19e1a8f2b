/* SPDX-License-Identifier: MIT */
/* config_load.c - see config_load.h. Room: sandbox/zygote, root. */
#include "config_fetch.h"
#include "config_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config_check.h"
#include "ending.h"
#include "config_stated.h"
#include "log.h"
#include "packet.h"
#include "spawn.h"

/* A user of its own, above those of the devices and of rf-dial. */
#define UID_OFFSET 128u

static int reader_start(const struct rf_config *c, int out, int ask, struct rf_spawned *run)
{
	struct rf_keep_spawn spawn = {
		.uid = c->uid_base + UID_OFFSET, .gid = c->uid_base + UID_OFFSET, .nofile = 256,
		.fence = RF_FENCE_ROOT, .argv0 = "rf-config",
		.target = { -1, 0, 1, 2, RF_CONFIG_FD_OUT, RF_CONFIG_FD_ASK },
	};
	char path[400];

	snprintf(path, sizeof(path), "%s/rf-config", c->program_dir);
	int exe = open(path, O_RDONLY | O_CLOEXEC), null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int fds[] = { exe, null, null, 2, out, ask };
	int err = exe < 0 || null < 0 ? -errno : rf_spawn(&spawn, fds, 6, run);

	if (err)
		rf_log("%s: %s", path, strerror(-err));
	if (exe >= 0)
		close(exe);
	if (null >= 0)
		close(null);
	return err;
}

/* Opens without waiting for the writer of a pipe. Reading then waits until something is written. */
static int file_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (fd >= 0)
		fcntl(fd, F_SETFL, 0);
	return fd < 0 ? -errno : fd;
}

/* Copies the configuration once, so that rf-config parses the same text that we compare with.
 * fd, or -errno. */
static int text_copy(struct rf_config_text *said)
{
	int from = file_open(said->file), to = memfd_create("rf-configuration-file", MFD_CLOEXEC);
	int err = from < 0 ? from : to < 0 ? -errno : 0;
	static char text[RF_CONFIG_TEXT + 1];
	ssize_t n;

	while (!err && (n = read(from, text + said->bytes, sizeof(text) - said->bytes)))
		err = n < 0 ? -errno : (said->bytes += (size_t)n) == sizeof(text) ? -E2BIG : 0;
	/* pwrite(), so that reading begins at the start. */
	if (!err && (n = pwrite(to, text, said->bytes, 0)) != (ssize_t)said->bytes)
		err = n < 0 ? -errno : -EIO;
	said->text = text;
	if (from >= 0)
		close(from);
	if (err && to >= 0)
		close(to);
	return err ? err : to;
}

/* Opens files for rf-config, to read, until it ends. */
static void reader_serve(int sock, const struct rf_config_text *said, int copy)
{
	char path[RF_CONFIG_PATH];
	int n, count, none[RF_PACKET_FDS];

	n = rf_packet_send(sock, said->file, strlen(said->file), &copy, 1);
	while (!n && (n = rf_packet_recv(sock, path, sizeof(path) - 1, none, &count, 0)) > 0) {
		rf_close_all(none, count);
		path[n] = '\0';
		int fd = !rf_config_names_file(said, path) ? -EACCES : file_open(path);
		int error = fd < 0 ? fd : 0;
		n = rf_packet_send(sock, &error, sizeof(error), &fd, fd >= 0);
		if (fd >= 0)
			close(fd);
	}
}

static int reader_end(const struct rf_spawned *run)
{
	char how[RF_ENDING];
	int status;

	while (waitpid(run->pid, &status, 0) < 0 && errno == EINTR)
		;
	close(run->pidfd);
	if (WIFEXITED(status) && (!WEXITSTATUS(status) || WEXITSTATUS(status) == RF_EXIT_CONFIG))
		return WEXITSTATUS(status);
	rf_log("rf-config, which reads the configuration, %s", rf_ending(status, how));
	return RF_EXIT_BUG;
}

static int read_into(const struct rf_config_text *said, int copy, struct rf_config *c, int out)
{
	struct rf_spawned run;
	int pair[2];

	if (ftruncate(out, sizeof(*c)) || pwrite(out, c, sizeof(*c), 0) != sizeof(*c) ||
	    fcntl(out, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
		rf_log("no memory for the configuration: %s", strerror(errno));
		return RF_EXIT_SYSTEM;
	}
	int err = reader_start(c, out, pair[1], &run);
	close(pair[1]);
	if (!err)
		reader_serve(pair[0], said, copy);
	close(pair[0]);
	if (err)
		return RF_EXIT_SYSTEM;
	if ((err = reader_end(&run)))
		return err;
	/* It is dead, so nobody writes any more. */
	return pread(out, c, sizeof(*c), 0) == sizeof(*c) ? 0 : RF_EXIT_BUG;
}

/* rf-config is ours, but it parsed text: its answer is checked here before anything uses it. */
static int believe(const struct rf_config_text *said, const struct rf_config *c)
{
	const char *wrong = rf_config_wrong(c),
		   *unsaid = wrong ? NULL : rf_config_unstated(said, c);

	if (wrong)
		rf_log("%s: rf-config answered what cannot be: %s", said->file, wrong);
	if (unsaid)
		rf_log("%s: rf-config answered what the file does not say: %s", said->file, unsaid);
	return wrong || unsaid ? RF_EXIT_BUG : 0;
}

static int load_begin(struct rf_config_text *said, struct rf_config *c, int out)
{
	int copy = text_copy(said);

	if (copy < 0) {
		rf_log("%s: cannot read the configuration: %s", said->file, copy == -E2BIG ?
		       "it is larger than 1 MiB" : copy == -EFBIG ?
		       "the limit of file sizes is too low for it (ulimit -f)" : strerror(-copy));
		return RF_EXIT_CONFIG;
	}
	int err = read_into(said, copy, c, out);
	close(copy);
	return err ? err : believe(said, c);
}

int rf_config_load(const char *file, struct rf_config *c)
{
	static struct rf_config defaults;
	struct rf_config_text said = { .file = file, .defaults = &defaults };
	int err = rf_config_defaults(c);
	int out = err ? -1 : memfd_create("rf-configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	rf_spawn_root();
	if (out < 0) {
		rf_log("no memory for the configuration: %s", strerror(err ? -err : errno));
		return RF_EXIT_SYSTEM;
	}
	defaults = *c;
	if (strlen(file) >= RF_CONFIG_PATH || !file[0]) {
		rf_log("'%s' is no name of a file", file);
		err = RF_EXIT_CONFIG;
	} else {
		err = load_begin(&said, c, out);
	}
	close(out);
	return err;
}
