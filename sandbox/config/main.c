/* SPDX-License-Identifier: MIT */
/*
 * main.c - rf-config: reads configuration and policies, and ends.
 *
 * Room:   sandbox/config. It has a user of its own, no capability, an empty root directory
 *         and a system call list without open(): each file is asked of the keeper, by name.
 * Out:    struct rf_config in a memfd, on top of the defaults that are in it, which say for how
 *         many devices there is room. Exit code 0, or RF_EXIT_CONFIG after a line in the log.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config_fetch.h"
#include "filter.h"
#include "filters.h"
#include "log.h"
#include "packet.h"
#include "read.h"

static const char *config_file;
static int config_fd;

/* The configuration itself came with its name. */
static int ask_for(const char *path)
{
	int error, count, fds[RF_PACKET_FDS];

	if (config_fd >= 0 && !strcmp(path, config_file)) {
		fds[0] = config_fd;
		config_fd = -1;
		return fds[0];
	}

	if (rf_packet_send(RF_CONFIG_FD_ASK, path, strlen(path), NULL, 0) ||
	    rf_packet_recv(RF_CONFIG_FD_ASK, &error, sizeof(error), fds, &count, 0) !=
		    sizeof(error))
		rf_die(RF_EXIT_BUG, "rf-config: the keeper is gone");
	return count ? fds[0] : error;
}

int main(void)
{
	char file[RF_CONFIG_PATH];
	int count, fds[RF_PACKET_FDS];
	/* Behind its end nothing is touched. */
	struct rf_config *c = mmap(NULL, rf_config_bytes(RF_MAX_DEVICES), PROT_READ | PROT_WRITE,
				   MAP_SHARED, RF_CONFIG_FD_OUT, 0);

	rf_log_name = "ringfence";
	if (c == MAP_FAILED)
		rf_die(RF_EXIT_SYSTEM, "rf-config: no memory for what it reads: %s",
		       strerror(errno));
	int err = rf_filter_set(rf_filters[0].code, rf_filters[0].count);
	if (err)
		rf_die(RF_EXIT_SYSTEM, "rf-config cannot lock itself: %s", strerror(-err));
	int n = rf_packet_recv(RF_CONFIG_FD_ASK, file, sizeof(file) - 1, fds, &count, 0);
	if (n <= 0 || count != 1)
		rf_die(RF_EXIT_BUG, "rf-config: the keeper is gone");
	file[n] = '\0';
	config_file = file;
	config_fd = fds[0];
	rf_words_open = ask_for;
	_exit(rf_config_read(file, c) ? RF_EXIT_CONFIG : 0);
}
