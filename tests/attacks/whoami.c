/* SPDX-License-Identifier: MIT */
/*
 * whoami.c - set-user-ID root: says on the kick eventfd if it became root.
 *
 * Room:   tests/attacks.
 */
#include <stdint.h>
#include <unistd.h>

int main(void)
{
	uint64_t one = 1;

	if (geteuid())
		return 1;
	return write(1, &one, sizeof(one)) != sizeof(one);
}
