/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child process that ends no later than its parent: starts it, ends it, waits for it, and stores
 * its last output. A struct process belongs to one thread, the machine's keeper: the kernel kills
 * the child when that thread ends.
 */
#ifndef QEMU_PROCESS_H
#define QEMU_PROCESS_H

#include "base/compiler.h"

#include <sys/types.h>

/* Descriptors that the child receives in addition to the first three; they begin at 3. */
#define PROCESS_FDS   5
#define PROCESS_WORDS 8192 /* bytes of its output that are stored */

struct process {
	/*
	 * 0: there is none, or it was reaped. Used only for messages and /proc, never to send
	 * signals.
	 */
	pid_t pid;
	int fd;	      /* its pidfd; -1: none */
	int words_fd; /* the pipe from its standard output and error; -1: none */
	/* CLD_EXITED, CLD_KILLED, …, and the status or the signal; how 0: not known. */
	int how, status;
	u64 said;		   /* bytes that it has written */
	char words[PROCESS_WORDS]; /* the last of these bytes, a ring */
};

/*
 * Runs argv[0]. fd[i] becomes the child's descriptor 3 + i; -1 leaves that one closed. All others
 * are closed, and standard input is /dev/null. 0, or -errno with an error message.
 */
int process_start(struct process *p, char *const argv[], const int fd[PROCESS_FDS]);

/* Waits until the child has ended, for at most `ms`; does not reap it. */
void process_wait(const struct process *p, int ms);

void process_signal(struct process *p, int sig);

/*
 * True: one of its threads runs, or would run if a processor were free. Any thread may call this.
 */
bool process_is_runnable(const struct process *p);

/* Reads the available output without waiting. */
void process_listen(struct process *p);

/*
 * Waits until the child has ended and reaps it; no other child is reaped. The caller has ensured
 * that the child has ended or will end.
 */
void process_reap(struct process *p);

/*
 * Returns its last output as one line, "" if there is none, up to the first line that begins with
 * `stop` (NULL: all).
 */
void process_last_words(const struct process *p, char *out, size_t size, const char *stop);

#endif
