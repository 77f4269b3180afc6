/* SPDX-License-Identifier: BSD-2-Clause */
#include "xsk/grace.h"
#include "base/fork.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

bool grace_fenced;
static bool grace_asked;

static long barrier_call(int command)
{
	return syscall(SYS_membarrier, command, 0, 0);
}

static void grace_init_once(void)
{
	grace_asked = true;
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

/* The registration for membarrier() is per process, so a child registers again. */
static void grace_fork_child(void)
{
	if (grace_asked)
		grace_init_once();
}

FORK_HOOK(grace_hook, NULL, NULL, grace_fork_child);
