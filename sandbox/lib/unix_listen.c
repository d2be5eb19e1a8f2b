/* SPDX-License-Identifier: MIT */
/* unix_listen.c - see unix_listen.h. Room: sandbox/lib, trusted. */
#include "unix_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* What has that name? Symbolic links are not followed. 1: a socket, 0: something else, -errno. */
static int is_socket(const char *path)
{
	struct stat st = { 0 };
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	int err = fd < 0 || fstat(fd, &st) ? -errno : 0;

	if (fd >= 0)
		close(fd);
	return err ? err : S_ISSOCK(st.st_mode);
}

/* Was this socket left behind by a process that died? Only a refused connection proves that. */
static bool abandoned(const struct sockaddr_un *at, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) &&
		       errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return refused;
}

static int unix_listen_say(const char **why, const char *text, int err)
{
	*why = text;
	return err;
}

/* Makes the name free. 0, or what rf_unix_listen() returns. */
static int clear(const struct sockaddr_un *at, int type, const char **why)
{
	int there = is_socket(at->sun_path);

	if (there == -ENOENT)
		return 0;
	if (there < 0)
		return unix_listen_say(why, strerror(-there), there);
	if (!there)
		return unix_listen_say(
			why,
			"there is something that is no socket; move it away, or name another place",
			-EEXIST);
	if (!abandoned(at, type))
		return unix_listen_say(why, "somebody listens there already", -EADDRINUSE);
	int err = unlink(at->sun_path) ? -errno : 0;
	return err && err != -ENOENT ? unix_listen_say(why, strerror(-err), err) : 0;
}

static int bind_and_listen(int fd, const struct sockaddr_un *at, mode_t mode)
{
	mode_t before = mode ? umask(0777 & ~mode) : 0;
	int err = bind(fd, (const struct sockaddr *)at, sizeof(*at)) ? -errno : 0;

	if (mode)
		umask(before);
	return err ? err : listen(fd, 64) ? -errno : 0;
}

int rf_unix_listen(const char *path, int type, mode_t mode, const char **why)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(at.sun_path))
		return unix_listen_say(why, "a socket's name has 107 bytes at most", -ENAMETOOLONG);
	strcpy(at.sun_path, path);
	int err = clear(&at, type, why);
	if (err)
		return err;
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	err = fd < 0 ? -errno : bind_and_listen(fd, &at, mode);
	if (!err)
		return fd;
	*why = strerror(-err);
	if (fd >= 0)
		close(fd);
	return err;
}

void rf_unix_vanish(const char *path)
{
	if (is_socket(path) == 1)
		unlink(path);
}
