/* SPDX-License-Identifier: MIT */
/*
 * launch.c - the program between the device process and a driver's image.
 *
 * Room:   sandbox/launch, trusted, without privileges. See launch.h for what it
 *         is given.
 * Order:  drop what is left to drop; read and check the page and the image; map
 *         them; then the trampoline (trampoline.c): unmap all of ours, close, lock, wait, jump.
 *         No byte of the image runs before the lock.
 * Errors: one line to RF_LAUNCH_FD_LOG and an exit code of enum rf_launch_exit.
 */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "filters.h"
#include "trampoline.h"
#include "image.h"
#include "walls_apply.h"
#include "launch_log.h"
#include "address_space.h"
#include "spec.h"

#define PAGE 4096ull
/* Of the stack, below the plan: what the trampoline itself may use. */
#define GATE_STACK 1024u

/* ---- what it is given --------------------------------------------------------- */

static void spec_read(struct rf_launch *spec)
{
	const char *wrong;
	ssize_t     got = pread(RF_LAUNCH_FD_SPEC, spec, sizeof(*spec), 0);

	if (got != (ssize_t)sizeof(*spec))
		rf_launch_die(RF_LAUNCH_BAD_SPEC, "bad launch page: shorter than it should be");
	wrong = rf_spec_check(spec);
	if (wrong)
		rf_launch_die(RF_LAUNCH_BAD_SPEC, "bad launch page: %s", wrong);
	for (int fd = 0; fd < RF_LAUNCH_FD_WINDOW + (int)spec->fd_count; fd++) {
		bool needed = fd != RF_FD_DEVICE || (spec->flags & RF_LAUNCH_DEVICE);

		if (needed && fcntl(fd, F_GETFD) < 0)
			rf_launch_die(RF_LAUNCH_BAD_SPEC, "fd %d is not there", fd);
	}
}

static const struct rf_filter *filter_find(const char *name)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action))
		rf_launch_die(RF_LAUNCH_NO_FILTER, "the kernel has no seccomp filters: %s",
			      strerror(errno));
	for (unsigned i = 0; i < RF_FILTER_COUNT; i++)
		if (!strcmp(rf_filters[i].name, name) &&
		    rf_filters[i].count <= RF_TRAMPOLINE_MAX_CODE)
			return &rf_filters[i];
	rf_launch_die(RF_LAUNCH_NO_FILTER, "no system call list \"%s\" was built in", name);
}

/* The whole file, mapped. Sealed, so that what was checked is what will run. */
static const unsigned char *image_open(size_t *bytes)
{
	struct stat st;
	int         seals = fcntl(RF_LAUNCH_FD_IMAGE, F_GET_SEALS);
	void       *file;

	if (seals < 0 || !(seals & F_SEAL_WRITE) || !(seals & F_SEAL_SHRINK))
		rf_launch_die(RF_LAUNCH_BAD_IMAGE, "bad driver image: not in a sealed memfd");
	if (fstat(RF_LAUNCH_FD_IMAGE, &st) || st.st_size <= 0)
		rf_launch_die(RF_LAUNCH_BAD_IMAGE, "bad driver image: an empty file");
	if (st.st_size > RF_IMAGE_MAX_BYTES)
		rf_launch_die(RF_LAUNCH_BAD_IMAGE,
			      "bad driver image: a file above the size limit of 16 MiB");
	*bytes = (size_t)st.st_size;
	file = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE, RF_LAUNCH_FD_IMAGE, 0);
	if (file == MAP_FAILED)
		rf_launch_die(RF_LAUNCH_SYSTEM, "cannot read the driver image: %s",
			      strerror(errno));
	return file;
}

/* ---- the last steps ----------------------------------------------------------- */

static void plan_keep(struct rf_trampoline_plan *plan, uint64_t start, uint64_t bytes)
{
	uint64_t i = plan->keep_count++;

	if (i >= RF_TRAMPOLINE_MAX_KEEP)
		rf_launch_die(RF_LAUNCH_SYSTEM, "bug: more mappings than the trampoline can keep");
	for (; i && plan->keep[i - 1].start > start; i--)
		plan->keep[i] = plan->keep[i - 1];
	plan->keep[i] = (struct rf_trampoline_keep){ .start = start, .end = start + bytes };
}

/* All the driver's memory, plus the trampoline's own page. */
static void plan_keep_all(struct rf_trampoline_plan *plan, const struct rf_address_space *s,
			  const struct rf_image *img)
{
	for (unsigned i = 0; i < img->segment_count; i++) {
		uint64_t start = img->segment[i].vaddr & ~(PAGE - 1);
		uint64_t end = (img->segment[i].vaddr + img->segment[i].memsz + PAGE - 1) &
			       ~(PAGE - 1);

		plan_keep(plan, s->image.at + start, end - start);
		mlock((void *)(uintptr_t)(s->image.at + start), end - start);
	}
	plan_keep(plan, s->tls.at, s->tls.bytes);
	plan_keep(plan, s->stack.at, s->stack.bytes);
	plan_keep(plan, (uint64_t)(uintptr_t)__start_rf_trampoline, PAGE);
	/* Resident memory, where the limit allows it: a driver may serve the swap. */
	mlock((void *)(uintptr_t)s->tls.at, s->tls.bytes);
	mlock((void *)(uintptr_t)s->stack.at, s->stack.bytes);
	for (unsigned i = 0; i < s->window_count; i++)
		plan_keep(plan, s->window[i].at, s->window[i].bytes);
}

static struct rf_trampoline_plan *trampoline_plan_make(const struct rf_launch *spec,
						       const struct rf_filter *filter,
						       const struct rf_address_space *s,
						       const struct rf_image *img)
{
	static const char failed[] = "rf-launch: cannot unmap the launcher from the driver\n";
	uint64_t             top = s->stack.at + s->stack.bytes;
	struct rf_trampoline_plan *plan =
		(void *)(uintptr_t)((top - sizeof(*plan)) & ~(uint64_t)63);

	_Static_assert(sizeof(failed) <= RF_TRAMPOLINE_LINE, "the line fits");
	plan_keep_all(plan, s, img);
	plan->first_closed_fd = spec->flags & RF_LAUNCH_DEVICE ? RF_FD_DEVICE + 1 : RF_FD_DEVICE;
	plan->thread = s->thread;
	plan->entry = s->image.at + img->entry;
	plan->stack_top = top;
	plan->wipe_start = (uint64_t)(uintptr_t)plan - GATE_STACK;
	plan->boot = s->boot;
	plan->generation = spec->generation;
	memcpy(plan->unmap_failed, failed, sizeof(failed) - 1);
	plan->unmap_failed_len = sizeof(failed) - 1;
	memcpy(plan->code, filter->code, filter->count * sizeof(filter->code[0]));
	plan->prog = (struct sock_fprog){ .len = (unsigned short)filter->count,
					  .filter = plan->code };
	/* A list with exit_group alone has no read to wait by. Such a driver waits first and is
	 * locked then, and needs no descriptor at all. */
	plan->lock_last = filter->syscalls == 1;
	return plan;
}

_Noreturn static void tramp_enter(const struct rf_trampoline_plan *plan)
{
	if (__stop_rf_trampoline - __start_rf_trampoline != (long)PAGE ||
	    (uint64_t)(uintptr_t)__start_rf_trampoline % PAGE)
		rf_launch_die(RF_LAUNCH_SYSTEM, "bug: the trampoline does not fill one page");
	/* The kernel must not write to our memory, which is gone, when this process dies. */
	syscall(SYS_set_tid_address, NULL);
	__asm__ volatile("mov %1, %%rsp\n\t"
			 "xor %%ebp, %%ebp\n\t"
			 "pushq $0\n\t"
			 "jmp *%2"
			 :
			 : "D"(plan), "r"((uint64_t)(uintptr_t)plan), "r"(rf_trampoline_run)
			 : "memory");
	__builtin_unreachable();
}

/* The launcher's own arguments are sets of walls; see launch.h. */
static uint64_t walls_given(int argc, char **argv, int index)
{
	return argc > index ? strtoull(argv[index], NULL, 16) : 0;
}

int main(int argc, char **argv)
{
	static struct rf_launch      spec;
	static struct rf_image       img;
	static struct rf_address_space space;
	static struct rf_wall_report report;
	const struct rf_filter      *filter;
	const unsigned char         *file;
	const char                  *wrong;
	size_t bytes;
	int    rc;

	rf_walls_apply_first(&report);
	spec_read(&spec);
	filter = filter_find(spec.filter);
	file = image_open(&bytes);
	wrong = rf_image_check(&img, file, bytes);
	if (wrong)
		rf_launch_die(RF_LAUNCH_BAD_IMAGE, "bad driver image: %s", wrong);
	rf_address_space_reserve(&space, &spec, &img);
	rc = rf_image_map(&img, RF_LAUNCH_FD_IMAGE, file, (char *)(uintptr_t)space.image.at);
	if (rc)
		rf_launch_die(RF_LAUNCH_SYSTEM, "cannot map the driver image: %s", strerror(-rc));
	rf_address_space_map_tls(&space, &img);
	rf_address_space_map_stack(&space);
	rf_address_space_map_windows(&space, &spec);
	rf_address_space_seal(&space, &spec);
	rf_address_space_hold(&space);
	struct rf_trampoline_plan *plan = trampoline_plan_make(&spec, filter, &space, &img);

	rf_walls_apply_limits(&report);
	report.image = space.image.at;
	report.image_bytes = img.span;
	report.trampoline = (uint64_t)(uintptr_t)__start_rf_trampoline;
	rf_walls_apply_report(&report, walls_given(argc, argv, 1), walls_given(argc, argv, 2));
	tramp_enter(plan);
}
