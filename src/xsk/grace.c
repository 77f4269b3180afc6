/* SPDX-License-Identifier: BSD-2-Clause */
#include "xsk/grace.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

bool grace_fenced;

static long barrier_call(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

static void grace_init_once(void)
{
	grace_fenced = barrier_call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) != 0;
}

void grace_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, grace_init_once);
}

void grace_wait(struct grace *g)
{
	if (grace_fenced || barrier_call(MEMBARRIER_CMD_PRIVATE_EXPEDITED))
		full_fence();
	while (read_acquire(&g->active))
		sched_yield();
}
