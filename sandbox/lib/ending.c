/* SPDX-License-Identifier: MIT */
/* ending.c - see ending.h. Room: sandbox/lib, trusted. */
#include "ending.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "exit_code.h"

#define NAME(s) [s] = #s

const char *rf_signal_name(int signal)
{
	static const char *const names[] = {
		NAME(SIGHUP),    NAME(SIGINT),  NAME(SIGQUIT),  NAME(SIGILL),  NAME(SIGTRAP),
		NAME(SIGABRT),   NAME(SIGBUS),  NAME(SIGFPE),   NAME(SIGKILL), NAME(SIGUSR1),
		NAME(SIGSEGV),   NAME(SIGUSR2), NAME(SIGPIPE),  NAME(SIGALRM), NAME(SIGTERM),
		NAME(SIGSTKFLT), NAME(SIGCHLD), NAME(SIGCONT),  NAME(SIGSTOP), NAME(SIGTSTP),
		NAME(SIGTTIN),   NAME(SIGTTOU), NAME(SIGURG),   NAME(SIGXCPU), NAME(SIGXFSZ),
		NAME(SIGVTALRM), NAME(SIGPROF), NAME(SIGWINCH), NAME(SIGIO),   NAME(SIGPWR),
		NAME(SIGSYS),
	};
	unsigned n = (unsigned)signal;

	return n < sizeof(names) / sizeof(names[0]) && names[n] ? names[n] : "a real-time signal";
}

static const char *code_words(int code)
{
	static const char *const words[] = {
		[RF_EXIT_OK] = "as asked", [RF_EXIT_FAILED] = "its work did not succeed",
		[RF_EXIT_USAGE] = "wrong arguments", [RF_EXIT_CONFIG] = "wrong configuration",
		[RF_EXIT_NO_DEVICE] = "what it serves is gone",
		[RF_EXIT_NO_IOMMU] = "no IOMMU or VFIO",
		[RF_EXIT_NOT_VIABLE] = "IOMMU group not viable", [RF_EXIT_IN_USE] = "in use",
		[RF_EXIT_BUG] = "a fault of ours",
		[RF_EXIT_SYSTEM] = "the kernel refused something",
		[RF_EXIT_IMAGE] = "driver image", [RF_EXIT_MEMLOCK] = "locked-memory limit",
		[RF_EXIT_NO_REMAP] = "no interrupt remapping",
		[RF_EXIT_DEVICE] = "its device is gone, or does not what it should",
		[RF_EXIT_QUARANTINE] = "quarantined", [RF_EXIT_NOT_RUNNING] = "nobody answers",
		[RF_EXIT_OTHER_DISK] = "another disk is in its place",
		[RF_EXIT_INTEGRITY] = "no disk for integrity", [RF_EXIT_FORMATTED] = "formatted",
	};
	unsigned n = (unsigned)code;

	return n < sizeof(words) / sizeof(words[0]) && words[n] ? words[n] : "no code of ours";
}

const char *rf_ending(int status, char text[RF_ENDING])
{
	if (WIFSIGNALED(status))
		snprintf(text, RF_ENDING, "died of signal %d (%s)", WTERMSIG(status),
			 rf_signal_name(WTERMSIG(status)));
	else
		snprintf(text, RF_ENDING, "ended with code %d (%s)", WEXITSTATUS(status),
			 code_words(WEXITSTATUS(status)));
	return text;
}
