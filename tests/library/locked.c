/* SPDX-License-Identifier: MIT */
/*
 * locked.c - a program of one's own that tries what its fence forbids, named by the word behind
 * its path: `file` and `net` before the lock, `call` and `execute` after it. It ends with 0 if it
 * was let through.
 *
 * Room:   tests/library; sees ringfence.h only.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ringfence.h>

static void let_through(int through)
{
	dprintf(STDOUT_FILENO, "%s\n", through ? "let through" : "stopped");
	exit(through ? 0 : 3);
}

int main(void)
{
	struct rf_blk *disk;

	rf_program_name("locked");
	if (rf_blk_open(&disk))
		return 4;
	const char *what = rf_blk_words(disk);
	if (!strcmp(what, "file"))
		let_through(open("/etc/passwd", O_RDONLY) >= 0);
	if (!strcmp(what, "user"))
		let_through(getuid() == 0);
	if (rf_program_lock())
		return 5;
	dprintf(STDOUT_FILENO, "locked\n");
	if (!strcmp(what, "call"))
		let_through(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	if (!strcmp(what, "execute"))
		let_through(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
				 0) != MAP_FAILED);
	return 6;
}
