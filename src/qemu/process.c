/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The child shares the parent's memory until it runs its program (as by vfork, on a stack of its
 * own), so between the two it makes system calls only. It dies with the thread that started it
 * (PR_SET_PDEATHSIG), and is in a process group of its own, so that an interrupt from the terminal
 * is the parent's to handle.
 *
 * It is known by a pidfd that comes with it, never by its number: a program that waits for any
 * child, or ignores SIGCHLD, may have taken it, and then its number may be another process's. The
 * pidfd says when it has ended also then; only how it ended is not known.
 */
#include "qemu/process.h"
#include "base/error.h"
#include "base/fail.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_HIGH  64	  /* copies above what the child uses, so that dup2 never hits a source */
#define CHILD_STACK 16384 /* for some system calls in a row */

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define NO_SANITIZE __attribute__((no_sanitize("address", "thread", "undefined")))
#define WAIT_PIDFD  ((idtype_t)3) /* P_PIDFD of Linux 5.4, which not every C library has */

/* clone() by its other name: ThreadSanitizer's takes a child for one that has memory of its own. */
extern int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);

/* What the child needs, made before it begins. */
struct plan {
	char *const *argv;
	int null, words;
	int fd[PROCESS_FDS];
	pid_t parent;
	int error; /* the child's last word: why its program does not run */
};

/*
 * What stands between the program and the child: memory and threads are the parent's, so the calls
 * are made as they are, past what a sanitizer or another library may have put before the C
 * library's.
 */
#define CALL(name, ...) syscall(SYS_##name, __VA_ARGS__)

/* A handler of the program's must not run in here. */
NO_SANITIZE static void process_reset_signals(void)
{
	const u64 usual[4] = {0}; /* the kernel's sigaction: SIG_DFL, no flags, an empty mask */

	for (int sig = 1; sig < _NSIG; sig++)
		CALL(rt_sigaction, sig, usual, NULL, sizeof(u64));
	CALL(rt_sigprocmask, SIG_SETMASK, usual, NULL, sizeof(u64));
}

NO_SANITIZE static int process_child(void *arg)
{
	struct plan *p = arg;

	CALL(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (CALL(getppid, 0) != p->parent)
		return 127; /* the parent is gone already */
	CALL(setpgid, 0, 0);
	CALL(dup3, p->null, 0, 0);
	CALL(dup3, p->words, 1, 0);
	CALL(dup3, p->words, 2, 0);
	for (int i = 0; i < PROCESS_FDS; i++)
		if (p->fd[i] >= 0)
			CALL(dup3, p->fd[i], 3 + i, 0);
		else
			CALL(close, 3 + i);
	CALL(close_range, 3 + PROCESS_FDS, ~0u, 0);
	process_reset_signals();
	CALL(execve, p->argv[0], p->argv, environ);
	write_once(&p->error, errno);
	return 127;
}

static int process_high_copy(int fd)
{
	return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, FIRST_HIGH);
}

static void plan_close(struct plan *p)
{
	for (int i = 0; i < PROCESS_FDS; i++)
		if (p->fd[i] >= 0)
			close(p->fd[i]);
	if (p->null >= 0)
		close(p->null);
	if (p->words >= 0)
		close(p->words);
}

/* Each a high copy. False: no descriptors left. */
static bool plan_open(struct plan *p, const int fd[PROCESS_FDS], int words)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	bool ok;

	p->null = process_high_copy(null);
	p->words = process_high_copy(words);
	ok = p->null >= 0 && p->words >= 0;
	for (int i = 0; i < PROCESS_FDS; i++) {
		p->fd[i] = process_high_copy(fd[i]);
		ok = ok && (p->fd[i] >= 0 || fd[i] < 0);
	}
	if (null >= 0)
		close(null);
	return ok && !fail_here(FAIL_MEMORY, NULL);
}

/* The child's number, and its descriptor; -errno. It returns when the child runs its program, or
 * has ended. */
static pid_t process_spawn(struct plan *plan, int *pidfd)
{
	char stack[CHILD_STACK] __attribute__((aligned(64)));
	pid_t pid;

	*pidfd = -1;
	pid = __clone(process_child, stack + sizeof(stack),
		      CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, plan, pidfd);
	if (pid < 0)
		return -errno;
	if (*pidfd >= 0)
		return pid;
	/* a system before Linux 5.2 knows no such flag, and leaves it out */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -ENOSYS;
}

int process_start(struct process *p, char *const argv[], const int fd[PROCESS_FDS])
{
	struct plan plan = {.argv = argv, .parent = getpid()};
	int pipe_fd[2], err = 0;
	pid_t pid;

	*p = (struct process){.fd = -1, .words_fd = -1};
	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK))
		return error_set(errno, "cannot start %s: no descriptor for a pipe (ulimit -n)",
				 argv[0]);
	if (!plan_open(&plan, fd, pipe_fd[1])) {
		err = error_set(EMFILE, "cannot start %s: no descriptors left (ulimit -n)",
				argv[0]);
		goto out;
	}
	/* the child's end of the pipe blocks, ours does not */
	fcntl(plan.words, F_SETFL, 0);
	pid = process_spawn(&plan, &p->fd);
	p->pid = pid < 0 ? 0 : pid;
	if (pid == -ENOSYS)
		err = error_set(ENOSYS,
				"cannot start %s: the system has no descriptors of processes "
				"(pidfd, Linux 5.4)",
				argv[0]);
	else if (pid < 0)
		err = error_set((int)-pid, "cannot start %s: %s", argv[0], strerror((int)-pid));
	else if (read_once(&plan.error))
		err = error_set(plan.error, "%s could not be run: %s", argv[0],
				strerror(plan.error));
out:
	plan_close(&plan);
	close(pipe_fd[1]);
	p->words_fd = pipe_fd[0];
	if (err)
		process_reap(p);
	return err;
}

void process_wait(const struct process *p, int ms)
{
	struct pollfd ended = {.fd = p->fd, .events = POLLIN};

	if (p->fd >= 0)
		while (poll(&ended, 1, ms) < 0 && errno == EINTR)
			;
}

void process_signal(struct process *p, int sig)
{
	if (p->fd >= 0 && syscall(SYS_pidfd_send_signal, p->fd, sig, NULL, 0) && errno == ENOSYS)
		kill(p->pid, sig); /* under valgrind, which knows pidfds but not this */
}

/* The state is the letter behind the name, which is in brackets and may have brackets in it. */
static bool task_is_runnable(const char *path)
{
	char text[512], *end;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	end = strrchr(text, ')');
	return end && end[1] == ' ' && end[2] == 'R';
}

bool process_is_runnable(const struct process *p)
{
	pid_t pid = read_once(&p->pid);
	struct dirent *e;
	bool found = false;
	char path[320];
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	d = pid ? opendir(path) : NULL;
	while (d && !found && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%d/task/%s/stat", (int)pid, e->d_name);
		found = task_is_runnable(path);
	}
	if (d)
		closedir(d);
	return found;
}

void process_listen(struct process *p)
{
	char text[512];
	ssize_t n;

	while (p->words_fd >= 0 && (n = read(p->words_fd, text, sizeof(text))) > 0)
		for (ssize_t i = 0; i < n; i++)
			p->words[p->said++ % PROCESS_WORDS] = text[i];
}

void process_reap(struct process *p)
{
	siginfo_t info = {0};

	process_wait(p, -1);
	if (p->fd >= 0 && !waitid(WAIT_PIDFD, (id_t)p->fd, &info, WEXITED | WNOHANG) &&
	    info.si_pid) {
		p->how = info.si_code;
		p->status = info.si_status;
	}
	write_once(&p->pid, 0);
	process_listen(p);
	if (p->words_fd >= 0)
		close(p->words_fd);
	if (p->fd >= 0)
		close(p->fd);
	p->fd = p->words_fd = -1;
}

static char process_output_at(const struct process *p, u64 at)
{
	return p->words[at % PROCESS_WORDS];
}

/* Where the first line that begins with `stop` begins, else where all ends. */
static u64 process_output_end(const struct process *p, u64 from, const char *stop)
{
	for (u64 at = from; stop && at < p->said; at++) {
		size_t n = 0;

		while (stop[n] && at + n < p->said && process_output_at(p, at + n) == stop[n])
			n++;
		if (!stop[n] && (at == from || process_output_at(p, at - 1) == '\n'))
			return at;
	}
	return p->said;
}

void process_last_words(const struct process *p, char *out, size_t size, const char *stop)
{
	u64 from = p->said < PROCESS_WORDS ? 0 : p->said - PROCESS_WORDS;
	u64 end = process_output_end(p, from, stop);
	size_t n = 0;

	if (end - from > size - 1)
		from = end - (size - 1);
	for (; from < end; from++) {
		char c = process_output_at(p, from);

		if (c == '\n')
			c = ' ';
		if ((unsigned char)c >= ' ' && (n || c != ' '))
			out[n++] = c;
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = 0;
}
