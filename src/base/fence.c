/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/fence.h"
#include "base/fork.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

int fence_answer;

bool fence_ask(void)
{
	int saved = errno;
	bool works = !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);

	/* two threads that call at the same time get the same result */
	write_once(&fence_answer, works ? 1 : -1);
	errno = saved;
	return works;
}

void fence_everywhere(void)
{
	full_fence();
	/* the process is registered, so the call cannot fail */
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

/* Resets the cached result, because the registration is per process and a child has none. */
static void fence_fork_child(void)
{
	fence_answer = 0;
}

FORK_HOOK(fence_hook, NULL, NULL, fence_fork_child);
