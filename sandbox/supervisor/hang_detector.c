/* SPDX-License-Identifier: MIT */
/*
 * hang_detector.c - see hang_detector.h. Room: sandbox/supervisor, no privilege.
 *
 * Why an honest driver is never taken for one that hangs, however loaded the host:
 *
 * An honest driver that is kicked makes a turn and beats. Its heartbeat stands still for
 * two reasons only: it is not let run, or it is in the middle of a turn, which takes far
 * less than `hang` of its own processor time (a policy whose driver copies payload says
 * more). So it is judged by time that was its own, not by the clock on the wall:
 *
 * 1. Spinning. Processor time is counted between two samples of ours. Both lie inside the
 *    time in which the export saw the heartbeat stand still: the first sample is taken after
 *    the kick, and the last one counts only once a later look of the export's, by its own
 *    clock, confirms that it still stood. Messages that wait in a queue, because we or the
 *    export were not let run, therefore never make time that came after a beat count.
 * 2. The processor itself may stand still, in a virtual machine whose host is busy: all
 *    that time is then booked as the driver's at once. So does one register access that a
 *    software device answers in the driver's stead, and a turn has a few of these. No step
 *    between two samples counts for more than an eighth of `hang`, so that pauses decide
 *    only if there are eight of them in one turn.
 * 3. Asleep or stopped. A driver that was kicked is runnable, and beats before it sleeps
 *    again; one that waits for a processor is in state R. So one that sleeps in two samples
 *    `hang` apart, without having been on a run queue in between, has ignored the kick. The
 *    same confirmation holds. A page fault that waits for a disk is state D, and not judged.
 */
#include "clock.h"
#include "hang_detector.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STEPS 8 /* least number of samples that make up `hang` */
/* Of the flags in /proc/PID/stat: it exits, a signal has killed it. */
#define DYING (0x4u | 0x400u)

static int read_proc(pid_t pid, const char *what, char *text, size_t room)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/%s", pid, what); /* we are in /proc */
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t n = read(fd, text, room - 1);
	int err = n < 0 ? -errno : n == 0 ? -ESRCH : 0;
	close(fd);
	text[n > 0 ? n : 0] = 0;
	return err;
}

int rf_sample_take(pid_t pid, struct rf_sample *s)
{
	char text[512];
	unsigned long long cpu, waited, user, sys;
	unsigned flags;
	int err;

	*s = (struct rf_sample){ 0 };
	if ((err = read_proc(pid, "stat", text, sizeof(text))))
		return err;
	/* The name in parentheses is the one field a process has a say in. */
	const char *end = strrchr(text, ')');
	if (!end || sscanf(end, ") %c %*d %*d %*d %*d %*d %u %*u %*u %*u %*u %llu %llu", &s->state,
			   &flags, &user, &sys) != 4)
		return -EINVAL;
	/* At its last stop, of which the keeper has yet to hear: dead is not hung. */
	if (flags & DYING)
		return -ESRCH;
	if (!read_proc(pid, "schedstat", text, sizeof(text)) &&
	    sscanf(text, "%llu %llu", &cpu, &waited) == 2 && cpu) {
		s->cpu_ns = cpu;
		s->waited_ns = waited;
		s->exact = true;
	} else {
		/* A kernel without it: ticks will do, of 10 ms. Waiting is not known then. */
		s->cpu_ns = (user + sys) * (1000000000ull / (unsigned long)sysconf(_SC_CLK_TCK));
	}
	s->at_ns = rf_now_ns();
	return 0;
}

static bool sleeps(const struct rf_sample *s)
{
	return s->state == 'S' || s->state == 'T' || s->state == 't';
}

static bool undisturbed(const struct rf_sample *a, const struct rf_sample *b)
{
	return sleeps(a) && sleeps(b) && a->waited_ns == b->waited_ns && a->cpu_ns == b->cpu_ns;
}

static void hang_sample_add(struct rf_hang_detector *q, const struct rf_sample *now,
			    uint64_t hang_ns)
{
	uint64_t step = now->cpu_ns - q->last.cpu_ns;

	q->spun_ns += step < hang_ns / STEPS ? step : hang_ns / STEPS;
	if (!undisturbed(&q->asleep, now))
		q->asleep = *now;
	q->last = *now;
	q->samples++;
}

bool rf_hang_detected(struct rf_hang_detector *q, uint32_t generation, uint32_t episode,
		     uint64_t looked_ns, const struct rf_sample *now, uint64_t hang_ns)
{
	if (q->generation != generation || q->episode != episode || !q->samples) {
		*q = (struct rf_hang_detector){ .generation = generation,
					  .episode = episode,
					  .last = *now,
					  .asleep = *now,
					  .samples = 1 };
		return false;
	}
	if (q->last.at_ns > looked_ns)
		return false; /* not yet known to lie in the silence */
	if (q->spun_ns >= hang_ns / STEPS * STEPS)
		return true;
	if (undisturbed(&q->asleep, &q->last) && q->last.at_ns - q->asleep.at_ns >= hang_ns)
		return true;
	hang_sample_add(q, now, hang_ns);
	return false;
}
