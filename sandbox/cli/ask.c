/* SPDX-License-Identifier: MIT */
/*
 * ask.c - one request to a supervisor, and its answer. See show.h.
 *
 * Room:  sandbox/cli.
 * Trust: none in who answers: a run-dir below /tmp may be another user's. Only root and the own
 *        user are listened to, and what they say cannot stop or end this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "packet.h"
#include "show.h"

/* Those that a reload stops are shown until they have ended. */
#define SHOWN_MOST (2 * RF_MAX_DEVICES)

/* By then a supervisor that does not answer has been replaced. */
#ifndef ASK_PATIENCE_S
#define ASK_PATIENCE_S 75
#endif

/* The memfd holds all that is read of it, and is sealed against shrinking. */
static bool stats_whole(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct stat st;

	return seals >= 0 && seals & F_SEAL_SHRINK && !fstat(fd, &st) &&
	       st.st_size >= (off_t)RF_STATS_BYTES;
}

/* The mapping stays valid if the device starts or stops meanwhile. */
static void stats_map(struct shown *d, int fd)
{
	if (!stats_whole(fd))
		return;
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

/* Makes a name end, and replaces characters that a terminal or JSON would interpret. */
static void name_clean(char name[RF_NAME])
{
	name[RF_NAME - 1] = '\0';
	for (; *name; name++)
		if (*name <= ' ' || *name > '~' || *name == '"' || *name == '\\')
			*name = '?';
}

static void snapshot_take(struct shown *d, const struct rf_snapshot *s)
{
	*d = (struct shown){ .s = *s };
	name_clean(d->s.name);
	name_clean(d->s.pci);
	name_clean(d->s.driver);
}

/* All devices, at most so many, then the answer. Number of devices, or -errno. */
static int ask_receive(int sock, struct shown *shown, int most, struct rf_answer *answer)
{
	int n, count = 0, fds[RF_PACKET_FDS], held;
	struct rf_snapshot s;

	while ((n = rf_packet_recv(sock, &s, sizeof(s), fds, &held, 0)) == sizeof(s) &&
	       count < most) {
		snapshot_take(&shown[count], &s);
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

static int show(const struct shown *shown, int count, const char *verb, const char *device,
		FILE *out)
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

/* Whose socket is it? Root may ask any supervisor. */
static int whose(int fd)
{
	struct ucred who;
	socklen_t bytes = sizeof(who);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &bytes))
		return -errno;
	return !geteuid() || !who.uid || who.uid == geteuid() ? 0 : -EPERM;
}

static int connect_to(const char *path)
{
	const struct timeval patience = { .tv_sec = ASK_PATIENCE_S };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path)) {
		close(fd);
		return -ENAMETOOLONG;
	}
	strcpy(a.sun_path, path);
	int err = fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) ||
		  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) ||
		  connect(fd, (struct sockaddr *)&a, sizeof(a)) ? -errno : whose(fd);
	if (!err)
		return fd;
	if (fd >= 0)
		close(fd);
	return err;
}

#define ASKS 20 /* tries, if the supervisor dies while it is asked, and its successors do too */

/* Number of devices, or -errno: -ECONNREFUSED and the like if nobody is there. */
static int exchange(const char *path, const struct rf_ask *ask, int log, struct shown *shown,
		    int most, struct rf_answer *answer)
{
	int count = -EPROTO;

	for (int i = 0; i < ASKS && (count == -EPROTO || count == -EPIPE || count == -ECONNRESET);
	     i++) {
		if (i)
			nanosleep(&(struct timespec){ .tv_nsec = 50000000 }, NULL);
		int fd = connect_to(path);
		if (fd < 0)
			return fd;
		count = rf_packet_send(fd, ask, sizeof(*ask), &log, log >= 0);
		if (!count)
			count = ask_receive(fd, shown, most, answer);
		close(fd);
	}
	return count;
}

static int nobody(const char *path, int err)
{
	if (err == -EPERM)
		rf_log("%s is another user's: it is not asked", path);
	else
		rf_log("nobody answers at %s: %s; is 'ringfence run' under way?", path,
		       err == -EAGAIN ? "it says nothing" : strerror(-err));
	return RF_EXIT_NOT_RUNNING;
}

int client_ask(const char *path, const char *verb, const char *device, FILE *out)
{
	struct rf_ask ask = { .verb = RF_ASK_STATUS };
	struct shown *shown = calloc(SHOWN_MOST, sizeof(*shown));
	struct rf_answer answer = { 0 };

	if (!shown)
		rf_die(RF_EXIT_SYSTEM, "no memory for an answer");
	if (!strcmp(verb, "stop"))
		ask.verb = RF_ASK_STOP;
	else if (!strcmp(verb, "restart"))
		ask.verb = RF_ASK_RESTART;
	strncpy(ask.device, device, sizeof(ask.device) - 1);
	int count = exchange(path, &ask, -1, shown, SHOWN_MOST, &answer);
	if (count < 0) {
		free(shown);
		return nobody(path, count);
	}
	int err = answer.error ? answer.error : show(shown, count, verb, device, out);
	stats_unmap(shown, count);
	free(shown);
	if (err == -ENOENT)
		fprintf(stderr, "error: %s: no such device in the configuration\n", device);
	else if (err)
		fprintf(stderr, "error: %s\n", strerror(-err));
	fflush(out);
	return err ? RF_EXIT_FAILED : 0;
}

/* ---- reload ----------------------------------------------------------------------- */

/* Another one may be under way, which takes as long as its devices take to stop. */
#define RELOAD_TRIES 600
#define RELOAD_PAUSE_NS 100000000

/* What the loader said: all of it is in the pipe. */
static void said_show(int from, FILE *to)
{
	char text[4096];
	ssize_t n;

	while ((n = read(from, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n; i++)
			fputc(text[i] == '\n' || (text[i] >= ' ' && text[i] <= '~') ? text[i] :
										      '?', to);
}

/* Asks once. The pipe's end is close-on-exec, and closed here as soon as it is sent. */
static int reload_once(const char *path, struct rf_answer *answer, FILE *out)
{
	const struct rf_ask ask = { .verb = RF_ASK_RELOAD };
	int log[2];

	if (pipe2(log, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	int count = exchange(path, &ask, log[1], NULL, 0, answer);
	close(log[1]);
	if (count >= 0)
		said_show(log[0], answer->code ? stderr : out);
	close(log[0]);
	return count;
}

int client_reload(const char *path, FILE *out)
{
	struct rf_answer answer = { .error = -EBUSY };
	int count = 0;

	for (int i = 0; i < RELOAD_TRIES && count >= 0 && answer.error == -EBUSY; i++) {
		if (i)
			nanosleep(&(struct timespec){ .tv_nsec = RELOAD_PAUSE_NS }, NULL);
		count = reload_once(path, &answer, out);
	}
	if (count < 0)
		return nobody(path, count);
	if (answer.error)
		fprintf(stderr, "error: %s\n",
			answer.error == -EBUSY ? "another reload is still under way" :
			answer.error == -ESHUTDOWN ? "ringfence is stopping" :
			answer.error == -ENOTSUP ? "this ringfence has no configuration to read" :
						   strerror(-answer.error));
	return answer.error ? RF_EXIT_FAILED : answer.code;
}
