/* SPDX-License-Identifier: MIT */
/* program.c - what ringfence.h says of the program itself. Room: sandbox/session, trusted. */
#include "lock.h"
#include "log.h"
#include "ringfence.h"

uint32_t rf_abi(void)
{
	return RINGFENCE_ABI;
}

void rf_program_name(const char *name)
{
	rf_log_name = name;
}

int rf_program_lock(void)
{
	return rf_service_lock("export-program");
}
