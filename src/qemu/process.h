/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child process that lives no longer than its parent: started, ended, waited for, and what it
 * said last. Belongs to one thread, the machine's keeper: the child is killed when that thread
 * ends.
 */
#ifndef QEMU_PROCESS_H
#define QEMU_PROCESS_H

#include "base/compiler.h"

#include <sys/types.h>

#define PROCESS_FDS   5	   /* descriptors that the child gets beside the first three, from 3 up */
#define PROCESS_WORDS 8192 /* bytes kept of what it said */

struct process {
	pid_t pid;	 /* 0: none, or waited for; to tell people, not to act on */
	int fd;		 /* of the process itself (pidfd); -1: none */
	int words_fd;	 /* its standard output and error; -1: none */
	int how, status; /* CLD_EXITED, CLD_KILLED, …, and the status or signal; how 0: not known */
	u64 said;	 /* bytes that it said */
	char words[PROCESS_WORDS]; /* the last of them, a ring */
};

/*
 * Runs argv[0]. fd[i] becomes the child's descriptor 3 + i, -1 leaves that closed; all others are
 * closed, standard input is /dev/null. 0; -errno and a sentence.
 */
int process_start(struct process *p, char *const argv[], const int fd[PROCESS_FDS]);

/* Until it has ended, for `ms` at most; it is not reaped. */
void process_wait(const struct process *p, int ms);

void process_signal(struct process *p, int sig);

/* One of its threads runs, or could if a processor were free; for any thread to ask. */
bool process_is_runnable(const struct process *p);

/* Takes in what it said, without waiting. */
void process_listen(struct process *p);

/* Waits for its end, which must be certain to come. Nobody else's child is waited for. */
void process_reap(struct process *p);

/* Its last words on one line, "" for none; up to the first line that begins with `stop`, NULL: all.
 */
void process_last_words(const struct process *p, char *out, size_t size, const char *stop);

#endif
