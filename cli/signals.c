/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A signal ends a command in order: the handler sets a flag, and the loops of the command check it.
 * The signals are blocked while a device is opened, so that the threads of the device never handle
 * them and only system calls of the main thread fail with EINTR.
 */
#include "cli.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>

static volatile sig_atomic_t stop;

static void signals_on_signal(int number)
{
	stop = 1;
}

static sigset_t signals_stop_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	return set;
}

void signals_init(void)
{
	struct sigaction act = {.sa_handler = signals_on_signal};
	sigset_t set = signals_stop_signals();

	sigemptyset(&act.sa_mask);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void signals_unblock(void)
{
	sigset_t set = signals_stop_signals();

	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

bool cli_interrupted(void)
{
	return stop;
}

bool wait_ready(int fd, bool to_write)
{
	struct pollfd p = {.fd = fd, .events = to_write ? POLLOUT : POLLIN};
	sigset_t set = signals_stop_signals(), old;
	int n = -1;

	/*
	 * The signals are blocked between the check of the flag and the wait, so that none is
	 * missed.
	 */
	pthread_sigmask(SIG_BLOCK, &set, &old);
	while (!stop) {
		n = ppoll(&p, 1, NULL, &old);
		if (n >= 0 || errno != EINTR)
			break;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return !stop;
}
