/* SPDX-License-Identifier: MIT */
/* broker.c - see broker.h. Room: sandbox/broker, root behind a list. */
#include "broker.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config_check.h"
#include "death_file.h"
#include "filters.h"
#include "interface.h"
#include "log.h"
#include "packet.h"
#include "pci.h"
#include "privilege.h"
#include "sysfs.h"
#include "unix_listen.h"

static const struct rf_config *config;
static int bundles; /* directory */

/* ---- of ringfence ----------------------------------------------------------------- */

/* Opens the directory of bundles, with the same owner and mode whatever our umask and whoever
 * made it. */
static int bundles_open(void)
{
	const uint32_t uid = RF_UID_BASE + RF_UID_CRASH;
	char path[300];

	snprintf(path, sizeof(path), "%s/bundles", config->run_dir);
	int err = mkdir(path, 0700) && errno != EEXIST;
	int fd = err ? -1 : open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fchmod(fd, 0700) || (!geteuid() && fchown(fd, uid, uid)))
		rf_die(RF_EXIT_SYSTEM, "%s: %s", path, strerror(errno));
	return fd;
}

/* The pid of the keeper whose socket this is, which is the pid a person knows. The listener is
 * its broker, the keeper's child. 0: not known. */
static int keeper_of(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct ucred who = { 0 };
	socklen_t bytes = sizeof(who);
	char file[40], stat[300];
	int sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), keeper = 0;

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (sock >= 0 && !connect(sock, (struct sockaddr *)&a, sizeof(a)))
		(void)getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &who, &bytes);
	if (sock >= 0)
		close(sock);
	snprintf(file, sizeof(file), "/proc/%d/stat", who.pid);
	/* proc_pid_stat(5): PID (NAME) STATE PARENT ... */
	if (who.pid && !rf_sysfs_read(file, stat, sizeof(stat)) && strstr(stat, "(rf-broker)"))
		(void)sscanf(strstr(stat, ") "), ") %*c %d", &keeper);
	return keeper;
}

static int broker_control(int *fd)
{
	char path[300];
	const char *why;

	snprintf(path, sizeof(path), "%s/control", config->run_dir);
	*fd = rf_unix_listen(path, SOCK_SEQPACKET, 0700, &why);
	if (*fd >= 0)
		return 0;
	if (*fd == -EADDRINUSE)
		rf_log("another ringfence, process %d, has run-dir %s already: give this one "
		       "another run-dir",
		       keeper_of(path), config->run_dir);
	else
		rf_log("cannot listen on %s: %s", path, why);
	return *fd == -EADDRINUSE || *fd == -EEXIST ? RF_EXIT_IN_USE : RF_EXIT_SYSTEM;
}

static int program(uint32_t which, int *fd)
{
	const char *const names[] = { [RF_PROGRAM_LAUNCHER] = "rf-launch",
				      [RF_PROGRAM_DEVICE] = "rf-device",
				      [RF_PROGRAM_CRASH] = "rf-crash",
				      [RF_PROGRAM_DIAL] = "rf-dial" };
	uint32_t kind = which - RF_PROGRAM_EXPORT;
	const char *name = which < RF_PROGRAM_EXPORT ? names[which]
			 : kind < RF_EXPORT_KINDS    ? rf_export_programs[kind] : NULL;
	char path[400];

	if (!name)
		return RF_EXIT_BUG;
	snprintf(path, sizeof(path), "%s/%s", config->program_dir, name);
	if ((*fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		rf_log("%s: %s", path, strerror(errno));
	return *fd < 0 ? RF_EXIT_SYSTEM : 0;
}

static int copy_of(int fd, int *out)
{
	*out = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return *out < 0 ? RF_EXIT_SYSTEM : 0;
}

static int null(int *fd)
{
	*fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return *fd < 0 ? RF_EXIT_SYSTEM : 0;
}

static int deaths(int *fd)
{
	*fd = rf_death_file(config->run_dir);
	return *fd < 0 ? RF_EXIT_SYSTEM : 0;
}

/* ---- of a device --------------------------------------------------------------------- */

static int image(const struct rf_config_device *d, int *fd)
{
	/* The launcher checks the image. O_NONBLOCK: a pipe there must not block us. */
	if ((*fd = open(d->image, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) >= 0)
		return 0;
	rf_log("%s: driver image %s: %s", d->name, d->image, strerror(errno));
	return RF_EXIT_IMAGE;
}

/* Only to be started, as a user with nothing: see processes.c of the supervisor. */
static int own_program(const struct rf_config_device *d, int *fd)
{
	struct stat st;

	if (!rf_export_own(d->export_kind))
		return RF_EXIT_BUG;
	*fd = open(d->program, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (*fd >= 0 && !fstat(*fd, &st) && S_ISREG(st.st_mode) && st.st_mode & 0111)
		return 0;
	rf_log("%s: export program %s: %s", d->name, d->program,
	       *fd < 0 ? strerror(errno) : "it is no file that can be executed");
	return RF_EXIT_CONFIG;
}

static int server(const struct rf_config_device *d, int *fd, bool say, bool last)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if ((*fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
		return RF_EXIT_SYSTEM;
	strcpy(addr.sun_path, d->socket);
	if (!connect(*fd, (struct sockaddr *)&addr, sizeof(addr)))
		return 0;
	if (errno == EAGAIN && !last)
		return RF_OPEN_LATER;
	if (say)
		rf_log("%s: no device server at %s: %s", d->name, addr.sun_path,
		       errno == EAGAIN ? "its queue of clients is full" : strerror(errno));
	return RF_EXIT_NO_DEVICE;
}

static int nbd_listener(const struct rf_config_device *d, int *fd)
{
	const char *why;

	*fd = rf_unix_listen(d->listen, SOCK_STREAM, 0, &why);
	if (*fd >= 0)
		return 0;
	rf_log("%s: cannot listen on %s: %s", d->name, d->listen, why);
	return *fd == -EADDRINUSE || *fd == -EEXIST ? RF_EXIT_IN_USE : RF_EXIT_SYSTEM;
}

/* Of a program: a file, or a device such as /dev/null, but nothing that may wait. */
static int output(const struct rf_config_device *d, int *fd)
{
	struct stat st;

	if (!d->listen[0])
		return 0;
	*fd = open(d->listen, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		   0600);
	if (*fd >= 0 && !fstat(*fd, &st) && (S_ISREG(st.st_mode) || S_ISCHR(st.st_mode)))
		return 0;
	rf_log("%s: cannot append to %s: %s", d->name, d->listen,
	       *fd < 0 ? strerror(errno) : "it is no file");
	return RF_EXIT_SYSTEM;
}

static int listener(const struct rf_config_device *d, int *fd)
{
	switch (d->export_kind) {
	case RF_EXPORT_NBD:
		return nbd_listener(d, fd);
	case RF_EXPORT_TAP:
		return rf_tap_open(d, fd);
	case RF_EXPORT_PROGRAM:
	case RF_EXPORT_NET_PROGRAM:
		return output(d, fd);
	default:
		return 0;
	}
}

static bool on_host(const struct rf_config_device *d, uint32_t service)
{
	return d->export_kind == RF_EXPORT_LWIP && service < d->lwip.count &&
	       rf_lwip_on_host(&d->lwip.service[service]);
}

static int broker_stack(const struct rf_config_device *d, uint32_t service, int *fd)
{
	if (!on_host(d, service))
		return RF_EXIT_BUG;
	*fd = rf_lwip_listen(&d->lwip.service[service]);
	return *fd == -EADDRINUSE || *fd == -EEXIST ? RF_EXIT_IN_USE : *fd < 0 ? RF_EXIT_SYSTEM : 0;
}

static int vfio(const struct rf_config_device *d, int *fds)
{
	char path[64];

	if ((fds[0] = open("/dev/vfio/vfio", O_RDWR | O_CLOEXEC)) < 0) {
		rf_log("%s: /dev/vfio/vfio: %s; load the modules vfio and vfio_iommu_type1",
		       d->name, strerror(errno));
		return RF_EXIT_NO_IOMMU;
	}
	snprintf(path, sizeof(path), "/dev/vfio/%d", rf_pci_group(d->pci));
	if ((fds[1] = open(path, O_RDWR | O_CLOEXEC)) >= 0)
		return 0;
	rf_log("%s: %s: %s%s", d->name, path, strerror(errno),
	       errno == EBUSY ? " (another program owns the group)" : "");
	return errno == EBUSY ? RF_EXIT_IN_USE : RF_EXIT_SYSTEM;
}

static int vanish(const char *socket_name)
{
	rf_unix_vanish(socket_name);
	return 0;
}

static int stack_vanish(const struct rf_config_device *d, uint32_t service)
{
	bool named = on_host(d, service) && d->lwip.service[service].listen.kind == RF_LWIP_UNIX;

	return named ? vanish(d->lwip.service[service].listen.name) : 0;
}

/* Serves only what the configuration says of that device. */
static int serve_device(const struct rf_open_ask *ask, int *group, int *fds)
{
	if (ask->device >= (uint32_t)(config->count + config->gone))
		return RF_EXIT_BUG;
	const struct rf_config_device *d = &config->device[ask->device];
	enum rf_backend backend = d->policy.device.backend;

	switch (ask->what) {
	case RF_OPEN_IMAGE:
		return image(d, fds);
	case RF_OPEN_LISTENER:
		return listener(d, fds);
	case RF_OPEN_EXPORT:
		return own_program(d, fds);
	case RF_OPEN_STACK:
		return broker_stack(d, ask->service, fds);
	case RF_OPEN_SERVER:
		return backend == RF_BACKEND_VFIO_USER ? server(d, fds, true, ask->last) :
							 RF_EXIT_BUG;
	case RF_OPEN_SERVER_AGAIN:
		return backend == RF_BACKEND_VFIO_USER ? server(d, fds, false, true) : RF_EXIT_BUG;
	case RF_OPEN_TAKE:
		return backend == RF_BACKEND_VFIO ? rf_pci_take(config, d, ask->last, group) :
						    RF_EXIT_BUG;
	case RF_OPEN_VFIO:
		return backend == RF_BACKEND_VFIO ? vfio(d, fds) : RF_EXIT_BUG;
	case RF_OPEN_INTERFACE:
		return d->export_kind == RF_EXPORT_TAP ? rf_tap_configure(d, ask->mtu, ask->mac) :
							 RF_EXIT_BUG;
	case RF_OPEN_VANISH:
		return d->export_kind == RF_EXPORT_NBD ? vanish(d->listen) : 0;
	case RF_OPEN_STACK_VANISH:
		return stack_vanish(d, ask->service);
	case RF_OPEN_GIVE_BACK:
		return backend == RF_BACKEND_VFIO ? rf_pci_give_back(config, d->pci),
		       0 : RF_EXIT_BUG;
	default:
		return RF_EXIT_BUG;
	}
}

static int serve(const struct rf_open_ask *ask, int *group, int *fds)
{
	switch (ask->what) {
	case RF_OPEN_CONTROL:
		return broker_control(fds);
	case RF_OPEN_PROGRAM:
		return program(ask->service, fds);
	case RF_OPEN_NULL:
		return null(fds);
	case RF_OPEN_BUNDLES:
		return copy_of(bundles, fds);
	case RF_OPEN_KMSG:
		fds[0] = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
		return 0;
	case RF_OPEN_RETURN:
		return rf_pci_give_back_all(config), 0;
	case RF_OPEN_DEATHS:
		return deaths(fds);
	default:
		return serve_device(ask, group, fds);
	}
}

int rf_broker_main(int sock, int config_fd)
{
	struct rf_open_ask ask;
	int none[RF_PACKET_FDS], count;

	rf_log_name = "ringfence";
	signal(SIGPIPE, SIG_IGN);
	if (!(config = rf_config_map(config_fd)) || rf_config_wrong(config))
		return RF_EXIT_BUG;
	close(config_fd);
	rf_dir_make(config->run_dir, "", geteuid() ? 0700 : 0755);
	rf_dir_make(config->run_dir, "restore", 0700);
	bundles = bundles_open();
	umask(0117); /* sockets of exports are their owner's and group's */
	rf_lock(rf_filters, "broker");
	while (rf_packet_recv(sock, &ask, sizeof(ask), none, &count, 0) == sizeof(ask)) {
		int fds[RF_OPEN_FDS] = { -1, -1 }, opened = 0;
		struct rf_open_answer a = { .group = -1 };

		rf_close_all(none, count);
		a.code = serve(&ask, &a.group, fds);
		while (!a.code && opened < RF_OPEN_FDS && fds[opened] >= 0)
			opened++;
		(void)rf_packet_send(sock, &a, sizeof(a), fds, opened);
		for (int i = 0; i < RF_OPEN_FDS; i++)
			if (fds[i] >= 0)
				close(fds[i]);
	}
	return 0;
}
