/* SPDX-License-Identifier: MIT */
/*
 * peered.c ATTACK - the device process's side of one hostile device server. Exit code 0: it was
 * stopped, 1: it got through, with a line that says how.
 *
 * Room:   tests/attacks. Built with the device room as it is, and once more without the checks
 *         (tests/lax), which shows what each attack does where nothing stops it.
 */
#include "scripted_device.h"

#include <sys/wait.h>

static int verdict(bool through, const char *what)
{
	puts(what);
	return through;
}

static struct rf_device *connected(void)
{
	struct rf_device *d = begin();

	start(&server);
	SURE(!open_all(d));
	return d;
}

/* ---- doorbells ------------------------------------------------------------------------------ */

#define AROUND 16u /* pages of ours, the driver's among them */

/* Queue 0's doorbell lies on a later page than queue 1's. */
static int doorbells_below_the_page(void)
{
	static char before[AROUND * RF_PAGE];
	char *around = mmap(NULL, sizeof(before), PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t one = 1;

	server_init(&server);
	server.mappable = false;
	struct rf_device *d = connected();
	d->doorbell = (struct rf_doorbells){
		.bar = 0, .submit = 0x3000, .complete = 0x1000, .edge = true, .last_queue = 1
	};
	if (doorbell_open(d))
		return verdict(false, "refused");
	/* With memory of this process on both sides, as chance may have it. */
	size_t bytes = d->doorbell.bytes, at = AROUND / 2 * RF_PAGE;
	memset(around, 0x11, sizeof(before));
	memset(before, 0x11, sizeof(before));
	SURE(mremap((void *)(uintptr_t)d->user->proxy, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		    around + at) != MAP_FAILED);
	d->user->proxy = (volatile uint8_t *)around + at;
	d->backend->doorbell_clear(d, 0);
	SURE(write(RF_DEVICE_FD_DEVICE, &one, 8) == 8);
	user_doorbell_forward(d);
	bool through = memcmp(around, before, at) != 0 ||
		       memcmp(around + at + bytes, before, sizeof(before) - at - bytes) != 0;
	return verdict(through, through ? "memory below the page was written" :
					  "nothing beside the page was touched");
}

static int doorbells_far_apart(void)
{
	server_init(&server);
	server.mappable = false;
	struct rf_device *d = connected();
	d->bar[0].bytes = 1u << 30;
	d->doorbell =
		(struct rf_doorbells){ .bar = 0, .submit = 0x1000, .complete = (1u << 30) - 4 };
	if (doorbell_open(d))
		return verdict(false, "refused");
	return verdict(d->doorbell.bytes > 1u << 20,
		       "a gigabyte was made for two words, and would be locked");
}

/* ---- memory of the server's ------------------------------------------------ */

static struct rf_device *with_page(int fd)
{
	server_init(&server);
	close(server.page_fd);
	server.page_fd = fd;
	struct rf_device *d = connected();
	d->doorbell = (struct rf_doorbells){ .bar = 0, .submit = 0x1008, .complete = 0x100c };
	SURE(!doorbell_open(d));
	return d;
}

/* A driver rings after the server has taken the end of the file away. */
static int region_that_shrinks(void)
{
	int fd = memfd_create("page", MFD_ALLOW_SEALING), status;
	SURE(fd >= 0 && !ftruncate(fd, BAR0_BYTES));
	struct rf_device *d = with_page(fd);

	if (d->doorbell.mode == RF_DOORBELL_PROXY)
		return verdict(false, "it is reached by messages");
	pid_t driver = fork();
	if (!driver) {
		volatile uint32_t *page = mmap(NULL, RF_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED,
					       d->doorbell.fd, (off_t)d->doorbell.at);
		signal(SIGBUS, SIG_DFL);
		SURE(page != MAP_FAILED && !ftruncate(fd, 0));
		page[2] = 1;
		_exit(0);
	}
	SURE(waitpid(driver, &status, 0) == driver);
	return verdict(WIFSIGNALED(status),
		       WIFSIGNALED(status) ? "a driver that rang died of it" : "a driver rang");
}

/* One of a file system that may ask somebody else for each page. */
static int region_of_a_file(void)
{
	char name[] = "/var/tmp/rf-peer-XXXXXX";
	int fd = mkstemp(name);
	SURE(fd >= 0 && !unlink(name) && !ftruncate(fd, BAR0_BYTES));
	struct rf_device *d = with_page(fd);
	bool mapped = d->doorbell.mode != RF_DOORBELL_PROXY;

	return verdict(mapped, mapped ? "the driver maps it, and waits for its file system" :
					"it is reached by messages");
}

/* ---- interrupts ------------------------------------------------------------ */

static int errors_in_vector_0(void)
{
	uint64_t one = 1;

	server_init(&server);
	server.pinned = true;
	struct rf_device *d = connected();
	for (unsigned i = 0; i < MSIX_VECTORS; i++)
		if (server.vector[i] >= 0)
			SURE(write(server.vector[i], &one, 8) == 8);
	struct pollfd gone = { .fd = d->gone_event, .events = POLLIN };
	bool through = d->gone_event >= 0 && poll(&gone, 1, 0) == 1;
	return verdict(through, through ? "an interrupt was taken for the device's end" :
					  "an interrupt is an interrupt");
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int (*run)(void); } all[] = {
		{ "below", doorbells_below_the_page }, { "far", doorbells_far_apart },
		{ "shrinks", region_that_shrinks },
		{ "file", region_of_a_file }, { "vector", errors_in_vector_0 },
	};

	give_fds();
	for (size_t i = 0; argc == 2 && i < sizeof(all) / sizeof(all[0]); i++)
		if (!strcmp(argv[1], all[i].name))
			return all[i].run();
	fprintf(stderr, "peered: no attack of that name\n");
	return 2;
}
