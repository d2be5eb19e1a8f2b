/* SPDX-License-Identifier: MIT */
/* ask.c - one request to a supervisor, and its answer. See show.h. Room: sandbox/cli. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "packet.h"
#include "show.h"

/* Of a device that starts or stops meanwhile the memory stays as it was. */
static void stats_map(struct shown *d, int fd)
{
	void *p = mmap(NULL, RF_STATS_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return;
	d->service = p;
	d->device = (void *)((char *)p + RF_STATS_DEVICE);
}

static void stats_unmap(struct shown *shown, int count)
{
	for (int i = 0; i < count; i++)
		if (shown[i].service)
			munmap((void *)shown[i].service, RF_STATS_BYTES);
}

/* All devices, then the answer. Number of devices, or -errno. */
static int receive(int sock, struct shown *shown, struct rf_answer *answer)
{
	int n, count = 0, fds[RF_PACKET_FDS], held;
	struct rf_snapshot s;

	while ((n = rf_packet_recv(sock, &s, sizeof(s), fds, &held, 0)) == sizeof(s) && count < RF_MAX_DEVICES) {
		shown[count] = (struct shown){ .s = s };
		if (held)
			stats_map(&shown[count], fds[0]);
		count++;
		rf_close_all(fds, held);
	}
	memcpy(answer, &s, sizeof(*answer));
	if (n == sizeof(*answer))
		return count;
	stats_unmap(shown, count);
	return n < 0 ? n : -EPROTO;
}

static int show(const struct shown *shown, int count, const char *verb, const char *device, FILE *out)
{
	if (!strcmp(verb, "status"))
		show_table(out, shown, count);
	else if (!strcmp(verb, "status-json"))
		show_json(out, shown, count);
	else if (!strcmp(verb, "stop"))
		fprintf(out, "stopping\n");
	else if (!strcmp(verb, "restart"))
		fprintf(out, "restarting %s\n", device);
	for (int i = 0; !strcmp(verb, "recoveries"); i++) {
		if (i == count)
			return -ENOENT;
		if (strcmp(shown[i].s.name, device))
			continue;
		show_recoveries(out, &shown[i]);
		break;
	}
	return 0;
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)))
		return fd;
	int err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

#define ASKS 20 /* of a supervisor that died while it was asked, and of its successors */

/* Number of devices, or -errno: -ECONNREFUSED and the like if nobody is there. */
static int exchange(const char *path, const struct rf_ask *ask, struct shown *shown, struct rf_answer *answer)
{
	int count = -EPROTO;

	for (int i = 0; i < ASKS && (count == -EPROTO || count == -EPIPE || count == -ECONNRESET); i++) {
		if (i)
			nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
		int fd = connect_to(path);
		if (fd < 0)
			return fd;
		count = rf_packet_send(fd, ask, sizeof(*ask), NULL, 0);
		if (!count)
			count = receive(fd, shown, answer);
		close(fd);
	}
	return count;
}

int client_ask(const char *path, const char *verb, const char *device, FILE *out)
{
	struct rf_ask ask = { .verb = RF_ASK_STATUS };
	struct shown shown[RF_MAX_DEVICES];
	struct rf_answer answer = { 0 };

	if (!strcmp(verb, "stop"))
		ask.verb = RF_ASK_STOP;
	else if (!strcmp(verb, "restart"))
		ask.verb = RF_ASK_RESTART;
	strncpy(ask.device, device, sizeof(ask.device) - 1);
	int count = exchange(path, &ask, shown, &answer);
	if (count < 0) {
		rf_log("nobody answers at %s: %s; is 'ringfence run' under way?", path, strerror(-count));
		return RF_EXIT_NOT_RUNNING;
	}
	int err = answer.error ? answer.error : show(shown, count, verb, device, out);
	stats_unmap(shown, count);
	if (err == -ENOENT)
		fprintf(stderr, "error: %s: no such device in the configuration\n", device);
	else if (err)
		fprintf(stderr, "error: %s\n", strerror(-err));
	fflush(out);
	return err ? RF_EXIT_FAILED : 0;
}
