/* SPDX-License-Identifier: BSD-2-Clause */
/* A thread that polls the card, for programs without a loop of their own. */
#include "drivers/e1000e_private.h"

#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define BUDGET	   64u
#define IDLE_TURNS 200	 /* empty polls before the thread sleeps */
#define EAGER_NS   20000 /* between two polls for a socket that does not wake the thread */
#define NAP_MS	   100	 /* longest sleep between two checks of `end` */

static bool e1000e_serve_is_to_end(const struct e1000e *e)
{
	return __atomic_load_n(&e->end, __ATOMIC_ACQUIRE);
}

/* Negative: the card is gone. */
static int e1000e_serve_idle_turn(struct e1000e *e, u32 idle)
{
	const struct timespec nap = {.tv_nsec = EAGER_NS};

	if (!e->busy && idle >= IDLE_TURNS &&
	    (e1000e_is_full(e) || __atomic_load_n(&e->eager, __ATOMIC_RELAXED))) {
		/* nothing wakes the thread when the application has changed its rings */
		nanosleep(&nap, NULL);
		return 0;
	}
	if (!e->busy && idle >= IDLE_TURNS)
		return e1000e_wait(e, NAP_MS);
	/* the application may be waiting for this processor */
	if (idle % 16 == 15)
		sched_yield();
	return 0;
}

static void *e1000e_serve_main(void *arg)
{
	struct e1000e *e = arg;
	u32 idle = 0;
	int n = 0;

	while (n >= 0 && !e1000e_serve_is_to_end(e)) {
		n = e1000e_poll(e, BUDGET);
		idle = n > 0 ? 0 : idle + 1;
		if (n == 0)
			n = e1000e_serve_idle_turn(e, idle);
	}
	return NULL;
}

int e1000e_serve(struct e1000e *e, bool busy)
{
	sigset_t all, old;
	int err;

	if (e->serving)
		return driver_fail(EBUSY, "%s: a thread polls the card already", dev_name(e->dev));
	e->busy = busy;
	__atomic_store_n(&e->end, false, __ATOMIC_RELEASE);
	/* no signal handler of the program runs in the thread */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&e->server, NULL, e1000e_serve_main, e);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err)
		return driver_fail(err, "%s: cannot start a thread that polls the card: %s",
				   dev_name(e->dev), strerror(err));
	e->serving = true;
	return 0;
}

static void e1000e_serve_kick(struct e1000e *e)
{
	const u64 one = 1;

	if (write(e->kick_fd, &one, sizeof(one)) < 0)
		return; /* a counter at its maximum wakes the thread, too */
}

void e1000e_serve_end(struct e1000e *e)
{
	if (!e->serving)
		return;
	__atomic_store_n(&e->end, true, __ATOMIC_RELEASE);
	e1000e_serve_kick(e);
	pthread_join(e->server, NULL);
	e->serving = false;
}
