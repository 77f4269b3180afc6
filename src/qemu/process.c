/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starts and ends a child process. The child shares the parent's memory until it executes its
 * program (as after vfork(), but on its own stack), so until then it makes system calls only. The
 * kernel kills it when the thread that started it ends (PR_SET_PDEATHSIG). It has its own process
 * group, so an interrupt from the terminal reaches the parent only.
 *
 * The child is identified by a pidfd that clone() returns, never by its number: a program that
 * waits for any child, or ignores SIGCHLD, may have reaped the child, and its number may then
 * belong to another process. The pidfd also shows the end of such a child, but not its status.
 */
#include "qemu/process.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/fork.h"

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

/* Copies are above the child's descriptors, so that no dup3() overwrites one. */
#define FIRST_HIGH  64
#define CHILD_STACK 16384 /* stack for a few system calls */

#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif
#define NO_SANITIZE __attribute__((no_sanitize("address", "thread", "undefined")))
#define WAIT_PIDFD  ((idtype_t)3) /* P_PIDFD of Linux 5.4, which not every C library has */

/*
 * The name of clone() that ThreadSanitizer does not intercept: its wrapper assumes that a child has
 * its own memory.
 */
extern int __clone(int (*fn)(void *), void *stack, int flags, void *arg, ...);

/* What the child needs, prepared before it starts. */
struct process_plan {
	char *const *argv;
	int null, words;
	int fd[PROCESS_FDS];
	pid_t parent;
	int error; /* set by the child: the errno of execve() */
};

/*
 * The child's system calls. The child shares the parent's memory and has no thread state of its
 * own, so the calls are made directly: no wrapper of a sanitizer or of another library may run.
 */
#define CALL(name, ...) syscall(SYS_##name, __VA_ARGS__)

/* Resets all signal handlers, since none of the program's may run in the child. */
NO_SANITIZE static void process_reset_signals(void)
{
	const u64 usual[4] = {0}; /* SIG_DFL, no flags, an empty mask */

	for (int sig = 1; sig < _NSIG; sig++)
		CALL(rt_sigaction, sig, usual, NULL, sizeof(u64));
	CALL(rt_sigprocmask, SIG_SETMASK, usual, NULL, sizeof(u64));
}

NO_SANITIZE static int process_child(void *arg)
{
	struct process_plan *p = arg;

	CALL(prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (CALL(getppid, 0) != p->parent)
		return 127; /* the parent has already ended */
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

static void process_plan_close(struct process_plan *p)
{
	for (int i = 0; i < PROCESS_FDS; i++)
		if (p->fd[i] >= 0)
			close(p->fd[i]);
	if (p->null >= 0)
		close(p->null);
	if (p->words >= 0)
		close(p->words);
}

/* Stores a high copy of each descriptor. False: no descriptors are left. */
static bool process_plan_open(struct process_plan *p, const int fd[PROCESS_FDS], int words)
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

/*
 * Returns the child's number and stores its pidfd; -errno on failure. It returns when the child
 * executes its program or has ended.
 */
static pid_t process_spawn(struct process_plan *plan, int *pidfd)
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
	/* Linux before 5.2 ignores the flag */
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	return -ENOSYS;
}

int process_start(struct process *p, char *const argv[], const int fd[PROCESS_FDS])
{
	struct process_plan plan = {.argv = argv, .parent = getpid()};
	int pipe_fd[2], err = 0;
	pid_t pid;

	*p = (struct process){.fd = -1, .words_fd = -1};
	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK))
		return error_set(errno,
				 "cannot start %s: the process has too many open files for a pipe "
				 "(ulimit -n)",
				 argv[0]);
	if (!process_plan_open(&plan, fd, pipe_fd[1])) {
		err = error_set(EMFILE,
				"cannot start %s: the process has too many open files (ulimit -n)",
				argv[0]);
		goto out;
	}
	/* the child's end of the pipe is blocking, the parent's is not */
	fcntl(plan.words, F_SETFL, 0);
	pid = process_spawn(&plan, &p->fd);
	p->pid = pid < 0 ? 0 : pid;
	if (pid == -ENOSYS)
		err = error_set(
			ENOSYS,
			"cannot start %s: the system does not support pidfds, which need Linux 5.4",
			argv[0]);
	else if (pid < 0)
		err = error_set((int)-pid, "cannot start %s: %s", argv[0], strerror((int)-pid));
	else if (read_once(&plan.error))
		err = error_set(plan.error, "%s could not be run: %s", argv[0],
				strerror(plan.error));
out:
	process_plan_close(&plan);
	close(pipe_fd[1]);
	p->words_fd = pipe_fd[0];
	fork_fd_add(p->words_fd);
	fork_fd_add(p->fd);
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
		kill(p->pid, sig); /* valgrind supports pidfds but not this system call */
}

/*
 * The state is the letter after the name. The name is in parentheses and may contain parentheses.
 */
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
		fork_fd_close(p->words_fd);
	if (p->fd >= 0)
		fork_fd_close(p->fd);
	p->fd = p->words_fd = -1;
}

static char process_output_at(const struct process *p, u64 at)
{
	return p->words[at % PROCESS_WORDS];
}

/* Returns where the first line that begins with `stop` starts, else the end of the output. */
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
