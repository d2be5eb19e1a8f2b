/* SPDX-License-Identifier: MIT */
/*
 * claim.c - holds a block device exclusively, as a mount does, until it is killed.
 *
 *   claim DEVICE READY_FILE
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 3)
		return 64;
	if (open(argv[1], O_RDONLY | O_EXCL) < 0) {
		perror(argv[1]);
		return 1;
	}
	close(open(argv[2], O_CREAT | O_WRONLY, 0600));
	for (;;)
		pause();
}
