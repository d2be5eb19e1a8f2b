/* SPDX-License-Identifier: MIT */
/*
 * fuzz_broker.c - a configuration in which any bytes are others, and any requests of a supervisor,
 * for the process that opens things as root. What it believes and does is within its memory, and
 * every name it acts on ends, is absolute, and can be shown.
 *
 * Room:   tests/fuzz. Input: changes of a good configuration (16 bits of offset in 4 bytes, a byte
 *         of length up to 15, the bytes), ended by a length of 0; then struct rf_open_ask, as many
 *         as there are. No system call is made: what would be done is looked at instead.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sandbox/proto/config.c"
#include "sandbox/proto/lwip_config.c"
#include "sandbox/lib/pci_address.h"

static void name_good(const char *name)
{
	size_t n = strnlen(name, 700);

	if (name[0] != '/' || n == 700)
		abort();
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)name[i] < ' ' || name[i] == 127)
			abort();
}

static int fake_open(const char *path, int flags, ...)
{
	(void)flags;
	if (path[0])
		name_good(path[0] == '/' ? path : "/relative");
	return -1;
}

static int fake_ioctl(int fd, unsigned long request, ...)
{
	va_list args;

	(void)fd;
	va_start(args, request);
	const struct ifreq *ifr = va_arg(args, const struct ifreq *);
	va_end(args);
	if ((request == TUNSETIFF || request == SIOCSIFMTU) && !memchr(ifr->ifr_name, 0, IFNAMSIZ))
		abort();
	return 0;
}

static int fake_connect(int fd, const struct sockaddr *a, socklen_t bytes)
{
	const struct sockaddr_un *u = (const void *)a;

	(void)fd;
	if (bytes != sizeof(*u) || !memchr(u->sun_path, 0, sizeof(u->sun_path)))
		abort();
	name_good(u->sun_path);
	errno = ECONNREFUSED;
	return -1;
}

#define open    fake_open
#define ioctl   fake_ioctl
#define connect fake_connect
#define socket(...)     3
#define close(fd)       ((void)(fd))
#define getsockopt(...) (-1)
#define fcntl(...)      (-1)
#include "sandbox/zygote/config_load.h"
#include "sandbox/broker/interface.c"
#include "sandbox/broker/broker.c"
#undef close
#undef socket
#undef fcntl

const char *rf_log_name = "fuzz";
void rf_log(const char *fmt, ...) { (void)fmt; }
_Noreturn void rf_die(int code, const char *fmt, ...) { (void)code; (void)fmt; abort(); }

/* What is another room's, or another harness's. */
int rf_unix_listen(const char *path, int type, mode_t mode, const char **why)
{
	(void)type;
	(void)mode;
	*why = "";
	name_good(path);
	return -EADDRINUSE;
}
void rf_unix_vanish(const char *path) { name_good(path); }
int rf_lwip_listen(const struct rf_lwip_service *s)
{
	if (s->listen.kind == RF_LWIP_UNIX)
		name_good(s->listen.name);
	return -EADDRINUSE;
}
static void address_good(const char *pci)
{
	char canonical[RF_PCI_ADDRESS];

	if (rf_pci_address(pci, canonical) || strcmp(pci, canonical))
		abort();
}
int rf_pci_take(const struct rf_config *c, const struct rf_config_device *d, bool last, int *group)
{
	(void)c;
	(void)group;
	address_good(d->pci);
	return 0;
}
int rf_pci_group(const char *address) { address_good(address); return 1; }
void rf_pci_give_back(const struct rf_config *c, const char *address)
{
	(void)c;
	address_good(address);
}
void rf_pci_give_back_all(const struct rf_config *c) { name_good(c->run_dir); }
int rf_death_file(const char *dir) { name_good(dir); return -1; }
int rf_sysfs_read(const char *path, char *text, size_t room)
{
	(void)path;
	*text = 0;
	return (int)room;
}
void rf_dir_make(const char *dir, const char *name, unsigned mode)
{
	(void)dir;
	(void)name;
	(void)mode;
}
void rf_memory_hold(void) { }
void rf_lock(const struct rf_filter *lists, const char *name) { (void)lists; (void)name; }
int rf_packet_recv(int sock, void *data, size_t bytes, int *fds, int *count, int flags)
{
	return -1;
}
int rf_packet_send(int sock, const void *data, size_t bytes, const int *fds, int count)
{
	return -1;
}
void rf_close_all(int *fds, int count) { (void)fds; (void)count; }

static void device_set(struct rf_config_device *d, const char *name, enum rf_backend backend,
		       enum rf_export_kind kind)
{
	struct rf_device_config *p = &d->policy.device;

	strcpy(d->name, name);
	strcpy(d->policy_file, "nvme");
	strcpy(d->image, "/opt/drivers/nvme");
	strcpy(d->policy.driver, "nvme");
	strcpy(p->filter, "driver-irq");
	strcpy(backend == RF_BACKEND_VFIO ? d->pci : d->socket,
	       backend == RF_BACKEND_VFIO ? "0000:01:00.0" : "/run/s");
	strcpy(d->listen, kind == RF_EXPORT_LWIP ? "" : kind == RF_EXPORT_TAP ? "rf0" : "/run/l");
	d->export_kind = kind;
	d->policy.deaths = 8;
	p->backend = backend;
	p->queues = 1;
	p->queue_entries = 256;
	p->arena_bytes = 64u << 20;
	p->queue_bytes = 1u << 20;
}

static void good(struct rf_config *c)
{
	memset(c, 0, sizeof(*c));
	strcpy(c->run_dir, "/run/x");
	strcpy(c->program_dir, "/opt/bin");
	strcpy(c->driver_dir, "/opt/drivers");
	strcpy(c->policy_dir, "/opt/policy");
	c->uid_base = RF_UID_BASE;
	c->count = 4;
	device_set(&c->device[0], "disk0", RF_BACKEND_VFIO, RF_EXPORT_NBD);
	device_set(&c->device[1], "nic0", RF_BACKEND_VFIO_USER, RF_EXPORT_TAP);
	device_set(&c->device[2], "nic1", RF_BACKEND_VFIO_USER, RF_EXPORT_LWIP);
	device_set(&c->device[3], "disk1", RF_BACKEND_VFIO_USER, RF_EXPORT_PROGRAM);
	strcpy(c->device[3].program, "/opt/program");
	c->device[2].lwip.count = 1;
	c->device[2].lwip.service[0] = (struct rf_lwip_service){
		.job = RF_LWIP_SOCKS, .listen = { .kind = RF_LWIP_UNIX, .name = "/run/socks" } };
	if (rf_config_wrong(c))
		abort();
}

/* Where in the configuration: its head, or one of the four devices. */
static size_t place_of(uint32_t at)
{
	size_t device = at >> 28 & 7, offset = at & 0xffffff;

	return device >= 4 ? offset % offsetof(struct rf_config, device) :
			     offsetof(struct rf_config, device[device]) +
				     offset % sizeof(struct rf_config_device);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t at;
	struct rf_open_ask ask;

	static union {
		struct rf_config c;
		char room[sizeof(struct rf_config) + 4 * sizeof(struct rf_config_device)];
	} made;

	config = &made.c;
	memset(&made, 0, sizeof(made));
	good(&made.c);
	while (size >= 5) {
		size_t n = data[4] & 15, to;

		memcpy(&at, data, 4);
		data += 5, size -= 5;
		if (!n || n > size)
			break;
		to = place_of(at);
		if (to + n <= sizeof(made))
			memcpy(made.room + to, data, n);
		data += n, size -= n;
	}
	/* As rf_config_map() has it. */
	if (made.c.count < 1 || made.c.count > 4 || made.c.gone < 0 ||
	    made.c.gone > 4 - made.c.count || rf_config_wrong(config))
		return 0;
	for (; size >= sizeof(ask); data += sizeof(ask), size -= sizeof(ask)) {
		int fds[RF_OPEN_FDS] = { -1, -1 }, group = -1;

		memcpy(&ask, data, sizeof(ask));
		ask.what %= RF_OPEN_GIVE_BACK + 2;
		(void)serve(&ask, &group, fds);
	}
	return 0;
}
