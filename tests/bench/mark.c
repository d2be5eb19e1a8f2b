/* SPDX-License-Identifier: MIT */
/*
 * mark.c - marks for shell scripts, and the counter's own test.
 *
 *   mark ID            execute the mark with that id, 0 to 255
 *   mark loop ROUNDS   begin, a loop of exactly 2 x ROUNDS user instructions, end
 *   mark spin ROUNDS   begin, that many times `pause` and two instructions more, end
 *   mark calls ROUNDS  begin, that many system calls that do next to nothing, end
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "mark.h"

/* Every mark there is, nine bytes each: its id is part of the instruction. */
__asm__(".text\n"
	"all_marks:\n"
	".set id, 0\n"
	".rept 256\n"
	".byte 0x0f, 0x1f, 0x84, 0x00, id, 0x4d, 0x46, 0x52, 0xc3\n"
	".set id, id + 1\n"
	".endr\n");
extern const char all_marks[];

static void loop(unsigned long rounds)
{
	__asm__ volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 0x31, 0x4d, 0x46, 0x52\n"
			 "1: dec %0\n"
			 "jnz 1b\n"
			 ".byte 0x0f, 0x1f, 0x84, 0x00, 0x32, 0x4d, 0x46, 0x52\n"
			 : "+r"(rounds) : : "cc");
}

static void spin(unsigned long rounds)
{
	RF_MARK(RF_MARK_BEGIN);
	__asm__ volatile("1: pause\n"
			 "dec %0\n"
			 "jnz 1b\n"
			 : "+r"(rounds) : : "cc");
	RF_MARK(RF_MARK_END);
}

static void calls(unsigned long rounds)
{
	RF_MARK(RF_MARK_BEGIN);
	while (rounds--)
		syscall(SYS_getppid);
	RF_MARK(RF_MARK_END);
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "loop")) {
		loop(strtoul(argv[2], NULL, 0));
	} else if (argc == 3 && !strcmp(argv[1], "spin")) {
		spin(strtoul(argv[2], NULL, 0));
	} else if (argc == 3 && !strcmp(argv[1], "calls")) {
		calls(strtoul(argv[2], NULL, 0));
	} else if (argc == 2 && argv[1][0] >= '0' && argv[1][0] <= '9') {
		unsigned long id = strtoul(argv[1], NULL, 0) & 0xff;

		((void (*)(void))(all_marks + 9 * id))();
	} else {
		fprintf(stderr, "usage: mark ID | mark loop|spin|calls ROUNDS\n");
		return 2;
	}
	return 0;
}
