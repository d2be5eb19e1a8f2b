/* SPDX-License-Identifier: MIT */
/* scene.c - see scene.h. Room: tests/attacks. */
#include "scene.h"

#define ARENA (4u << 20)

void scene_open(struct scene *s, const char *served, const char *image, unsigned without,
		uint64_t stall_ns)
{
	memset(s, 0, sizeof(*s));
	rig_open(&s->rig, ARENA);
	s->rig.config->stall_ns = stall_ns;
	s->page = (void *)((char *)s->rig.config + SERVED_PAGE_OFFSET);
	s->page->without = without;
	s->page->wanted = WANTED;
	target_init(&s->t, image);
	s->served = fork();
	MUST(s->served >= 0);
	if (!s->served) {
		rig_install(&s->rig);
		/* It would tell of every protocol error, as it should. */
		dup2(open("/dev/null", O_WRONLY), 2);
		execl(served, "served", (char *)NULL);
		_exit(98);
	}
}

void scene_join(struct scene *s)
{
	struct launching *l = &s->t.l;
	const struct {
		int *own;
		int theirs;
	} swap[] = {
	    {&l->chan_fd, s->rig.fd[RF_EXPORT_FD_RINGS]},
	    {&l->arena_fd, s->rig.fd[RF_EXPORT_FD_DATA]},
	    {&l->wake, s->rig.fd[RF_EXPORT_FD_WAKE0]},
	    {&l->kick, s->rig.fd[RF_EXPORT_FD_KICK]},
	};

	for (size_t i = 0; i < 4; i++) {
		close(*swap[i].own);
		*swap[i].own = fcntl(swap[i].theirs, F_DUPFD_CLOEXEC, 100);
		MUST(*swap[i].own >= 0);
	}
	fcntl(s->rig.fd[RF_EXPORT_FD_KICK], F_SETFL, O_NONBLOCK);
	l->boot->generation = l->boot->go = l->spec.generation = 1;
	l->boot->blk = s->rig.info;
	l->boot->tsc_hz = 0;
	l->boot->spin_cycles = 0;
	rig_first_up(&s->rig);
}

void scene_look(struct scene *s, int ms)
{
	struct rf_svc_msg msg;
	uint32_t type = rig_hear(&s->rig, &msg, ms);

	if ((type == RF_SVC_PROTO_ERROR || type == RF_SVC_STALL) && !s->heard) {
		s->heard = type;
		s->lie = msg.value;
	}
	target_look(&s->t);
	if (!s->served_ended && waitpid(s->served, &s->served_status, WNOHANG) == s->served)
		s->served_ended = true;
}

void scene_close(struct scene *s)
{
	if (!s->served_ended)
		kill(s->served, SIGKILL), waitpid(s->served, NULL, 0);
	target_end(&s->t);
	rig_close(&s->rig);
}

bool scene_wrong(const struct scene *s)
{
	return s->page->doubled || s->page->impossible || s->page->completed > WANTED;
}

enum outcome scene_judge(const struct scene *s, enum expect expect, char *what)
{
	static const char *const lies[] = {"-",      "index",  "tag",  "generation",
					   "status", "buffer", "frame"};

	if (s->served_ended) {
		snprintf(what, WHAT, "the export died (status %#x)", (unsigned)s->served_status);
		return THROUGH;
	}
	if (scene_wrong(s)) {
		snprintf(what, WHAT, "%llu answers for %u requests, %llu twice, %llu impossible",
			 (unsigned long long)s->page->completed, WANTED,
			 (unsigned long long)s->page->doubled,
			 (unsigned long long)s->page->impossible);
		return THROUGH;
	}
	if (s->heard) {
		snprintf(what, WHAT,
			 s->heard == RF_SVC_STALL ? "reported: does not answer"
						  : "reported: lied about %s",
			 s->lie < 7 ? lies[s->lie] : "?");
		return expect == EXPECT_SERVED ? BROKEN : STOPPED;
	}
	if (s->page->finished) {
		snprintf(what, WHAT, "%llu requests answered, none twice",
			 (unsigned long long)s->page->completed);
		/* The protocol error was among the answers. */
		return expect == EXPECT_SERVED || expect == EXPECT_EITHER ? STOPPED : THROUGH;
	}
	snprintf(what, WHAT, "nobody noticed; %llu of %u requests answered",
		 (unsigned long long)s->page->completed, WANTED);
	return THROUGH;
}

enum outcome scene_sweep(once_fn *once, const struct attack *a, enum mode mode,
			 const uint64_t *params, unsigned count, char *what)
{
	enum outcome o = STOPPED;
	unsigned tried = 0;

	/* One that gets through is enough for a control. */
	for (unsigned i = 0; i < count && o != (mode == CONTROL ? THROUGH : BROKEN); i++) {
		o = once(a, mode, params[i], what);
		tried++;
		if (mode != CONTROL && o != STOPPED)
			return o;
	}
	if (mode != CONTROL) {
		char said[WHAT];

		memcpy(said, what, WHAT);
		snprintf(what, WHAT, "%u tries, all stopped; the last: %.120s", tried, said);
	}
	return o;
}
