/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/fence.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool works;

static void ask(void)
{
	works = !syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
}

bool fence_everywhere_works(void)
{
	int saved = errno;

	pthread_once(&once, ask);
	errno = saved;
	return works;
}

void fence_everywhere(void)
{
	full_fence();
	/* registered before, so it cannot fail */
	syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}
