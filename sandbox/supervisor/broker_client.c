/* SPDX-License-Identifier: MIT */
/* broker_client.c - the supervisor's half of broker.h. Room: sandbox/supervisor, no privilege. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "broker.h"
#include "privilege.h"
#include "supervisor.h"

static int broker_ask(struct sup *s, const struct rf_open_ask *o, int *group, int fds[RF_OPEN_FDS])
{
	struct rf_open_answer a;
	int got[RF_PACKET_FDS], count;

	fds[0] = fds[1] = -1;
	if (rf_packet_send(s->broker, o, sizeof(*o), NULL, 0) ||
	    rf_packet_recv(s->broker, &a, sizeof(a), got, &count, 0) != sizeof(a))
		for (;;) /* the broker is gone: the keeper kills us too, and starts both anew */
			(void)ppoll(NULL, 0, NULL, NULL);
	RF_BUG_ON(count > RF_OPEN_FDS || a.code == RF_EXIT_BUG);
	memcpy(fds, got, sizeof(int) * (size_t)count);
	if (group)
		*group = a.group;
	return a.code;
}

int open_two(struct sup *s, const struct dev *d, enum rf_open_what what, int fds[RF_OPEN_FDS])
{
	struct rf_open_ask o = { .what = what, .device = (uint32_t)d->index };

	return broker_ask(s, &o, NULL, fds);
}

int open_one(struct sup *s, const struct dev *d, enum rf_open_what what, int *fd)
{
	int fds[RF_OPEN_FDS], code = open_two(s, d, what, fds);

	*fd = fds[0];
	return code;
}

int open_do(struct sup *s, const struct dev *d, enum rf_open_what what)
{
	int fd;

	return open_one(s, d, what, &fd);
}

int open_service(struct sup *s, const struct dev *d, enum rf_open_what what, uint32_t service,
		 int *fd)
{
	struct rf_open_ask o = { .what = what, .device = (uint32_t)d->index, .service = service };
	int fds[RF_OPEN_FDS], code = broker_ask(s, &o, NULL, fds);

	*fd = fds[0];
	return code;
}

/* Another process may use the device for a moment: RF_OPEN_LATER, except for the last try. */
int open_server(struct sup *s, const struct dev *d, bool last, int *fd)
{
	struct rf_open_ask o = { .what = RF_OPEN_SERVER,
				 .device = (uint32_t)d->index,
				 .last = last };
	int fds[RF_OPEN_FDS], code = broker_ask(s, &o, NULL, fds);

	*fd = fds[0];
	return code;
}

int open_take(struct sup *s, const struct dev *d, bool last, int *group)
{
	struct rf_open_ask o = { .what = RF_OPEN_TAKE, .device = (uint32_t)d->index, .last = last };
	int fds[RF_OPEN_FDS];

	return broker_ask(s, &o, group, fds);
}

int open_interface(struct sup *s, const struct dev *d)
{
	struct rf_open_ask o = { .what = RF_OPEN_INTERFACE, .device = (uint32_t)d->index,
				 .mtu = (uint16_t)d->r.net.mtu };
	int fds[RF_OPEN_FDS];

	memcpy(o.mac, d->r.net.mac, sizeof(o.mac));
	return broker_ask(s, &o, NULL, fds);
}

int open_program(struct sup *s, uint32_t program)
{
	int fd;

	if (open_service(s, &s->dev[0], RF_OPEN_PROGRAM, program, &fd))
		_exit(RF_EXIT_SYSTEM); /* the broker has said why */
	rf_pages_hold(fd);
	return fd;
}

void open_return(struct sup *s)
{
	(void)open_do(s, &s->dev[0], RF_OPEN_RETURN);
}

void death_append(struct sup *s, const char *line)
{
	struct stat st;

	/* The file is full, or was deleted. */
	if (s->deaths >= 0 &&
	    (fstat(s->deaths, &st) || st.st_size >= RF_DEATHS_MOST / 2 || !st.st_nlink)) {
		close(s->deaths);
		s->deaths = -1;
	}
	if (s->deaths < 0 && open_one(s, &s->dev[0], RF_OPEN_DEATHS, &s->deaths))
		return;
	if (write(s->deaths, line, strlen(line)) < 0)
		rf_log("deaths.jsonl: %s", strerror(errno));
}
