/* SPDX-License-Identifier: MIT */
/* config_load.c - see config_load.h. Room: sandbox/zygote, root. */
#include "config_fetch.h"
#include "config_load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker.h"
#include "config_check.h"
#include "ending.h"
#include "config_stated.h"
#include "log.h"
#include "packet.h"
#include "spawn.h"

static int reader_start(const struct rf_config *c, int out, int ask, struct rf_spawned *run)
{
	struct rf_keep_spawn spawn = {
		.uid = c->uid_base + RF_UID_CONFIG, .gid = c->uid_base + RF_UID_CONFIG,
		.nofile = 256,
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

/* Copies the configuration once, so that rf-config parses the same text that we compare with:
 * the bytes into `text`, of RF_CONFIG_TEXT + 1 bytes. fd, or -errno. */
static int text_copy(struct rf_config_text *said, char *text)
{
	int from = file_open(said->file), to = memfd_create("rf-configuration-file", MFD_CLOEXEC);
	int err = from < 0 ? from : to < 0 ? -errno : 0;
	const size_t room = RF_CONFIG_TEXT + 1;
	ssize_t n;

	while (!err && (n = read(from, text + said->bytes, room - said->bytes)))
		err = n < 0 ? -errno : (said->bytes += (size_t)n) == room ? -E2BIG : 0;
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

static int no_memory(int err)
{
	rf_log("no memory for the configuration: %s", strerror(err));
	return RF_EXIT_SYSTEM;
}

/* What rf-config writes into: the defaults, and room for the devices. */
static int out_make(const struct rf_config *c, int *out)
{
	*out = memfd_create("rf-configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (*out < 0 || ftruncate(*out, (off_t)rf_config_bytes(c->room)) ||
	    pwrite(*out, c, sizeof(*c), 0) != sizeof(*c) ||
	    fcntl(*out, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK))
		return no_memory(errno);
	return 0;
}

static int read_into(const struct rf_config_text *said, int copy, struct rf_config *c, int out)
{
	const int room = c->room;
	struct rf_spawned run;
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return no_memory(errno);
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
	const ssize_t bytes = (ssize_t)rf_config_bytes(room);
	return pread(out, c, (size_t)bytes, 0) == bytes && c->count <= room ? 0 : RF_EXIT_BUG;
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

static int unreadable(const char *file, int err)
{
	rf_log("%s: cannot read the configuration: %s", file,
	       err == -E2BIG ? "it is larger than 1 MiB" :
	       err == -EFBIG ? "the limit of file sizes is too low for it (ulimit -f)" :
			       strerror(-err));
	return RF_EXIT_CONFIG;
}

/* What the file says, behind these defaults. */
static int load_text(struct rf_config_text *said, int copy, struct rf_config **loaded)
{
	int room = rf_config_devices(said), out = -1;
	struct rf_config *c = calloc(1, rf_config_bytes(room ? room : 1));

	if (!c)
		return no_memory(ENOMEM);
	*c = *said->defaults;
	c->room = room ? room : 1;
	int err = out_make(c, &out);
	if (!err)
		err = read_into(said, copy, c, out);
	if (!err)
		err = believe(said, c);
	if (out >= 0)
		close(out);
	if (err)
		free(c);
	else
		*loaded = c;
	return err;
}

int rf_config_load(const char *file, struct rf_config **loaded)
{
	struct rf_config defaults;
	struct rf_config_text said = { .file = file, .defaults = &defaults };
	int err = rf_config_defaults(&defaults);

	if (err)
		return no_memory(-err);
	rf_spawn_root();
	if (strlen(file) >= RF_CONFIG_PATH || !file[0]) {
		rf_log("'%s' is no name of a file", file);
		return RF_EXIT_CONFIG;
	}
	char *text = malloc(RF_CONFIG_TEXT + 1);
	int copy = text ? text_copy(&said, text) : -ENOMEM;
	err = copy < 0 ? unreadable(file, copy) : load_text(&said, copy, loaded);
	if (copy >= 0)
		close(copy);
	free(text);
	return err;
}

int rf_config_seal(const struct rf_config *c)
{
	const int seals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	const size_t bytes = rf_config_bytes(c->count + c->gone);
	int fd = memfd_create("rf-configuration", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (write(fd, c, bytes) == (ssize_t)bytes && !fcntl(fd, F_ADD_SEALS, seals))
		return fd;
	close(fd);
	return -EIO;
}

int rf_config_files_allowed(const struct rf_config *c)
{
	const rlim_t need = rf_config_files(c);
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur >= need)
		return 0;
	rf_log("%d devices need %llu open files: raise the limit to that or more (ulimit -n)",
	       c->count, (unsigned long long)need);
	return RF_EXIT_SYSTEM;
}
