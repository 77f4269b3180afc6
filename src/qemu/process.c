/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The child shares the parent's memory until it runs its program (vfork), so between the two it makes
 * system calls only. It dies with the thread that started it (PR_SET_PDEATHSIG), and is in a process
 * group of its own, so that an interrupt from the terminal is the parent's to handle.
 *
 * A program that waits for any child may have taken ours: waitpid then fails and we take it as ended.
 */
#include "qemu/process.h"
#include "base/error.h"
#include "base/fail.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FIRST_HIGH 64 /* copies above what the child uses, so that dup2 never hits a source */

/* What the child needs, made before it begins. */
struct plan {
	char *const *argv;
	int null, words;
	int fd[PROCESS_FDS];
	pid_t parent;
};

static __attribute__((noreturn)) void child(const struct plan *p)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != p->parent)
		_exit(127); /* the parent is gone already */
	setpgid(0, 0);
	dup2(p->null, 0);
	dup2(p->words, 1);
	dup2(p->words, 2);
	for (int i = 0; i < PROCESS_FDS; i++)
		if (p->fd[i] >= 0)
			dup2(p->fd[i], 3 + i);
		else
			close(3 + i);
	syscall(SYS_close_range, 3 + PROCESS_FDS, ~0u, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execv(p->argv[0], p->argv);
	_exit(127);
}

static int high_copy(int fd)
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

	p->null = high_copy(null);
	p->words = high_copy(words);
	ok = p->null >= 0 && p->words >= 0;
	for (int i = 0; i < PROCESS_FDS; i++) {
		p->fd[i] = high_copy(fd[i]);
		ok = ok && (p->fd[i] >= 0 || fd[i] < 0);
	}
	if (null >= 0)
		close(null);
	return ok && !fail_here(FAIL_MEMORY, NULL);
}

/* The child's number; -errno. A function of its own, for what vfork does to a caller's variables. */
static __attribute__((noinline)) pid_t run(const struct plan *plan)
{
	pid_t pid = vfork();

	if (!pid)
		child(plan);
	return pid < 0 ? -errno : pid;
}

int process_start(struct process *p, char *const argv[], const int fd[PROCESS_FDS])
{
	struct plan plan = {.argv = argv, .parent = getpid()};
	int pipe_fd[2], err = 0;
	pid_t pid;

	*p = (struct process){.words_fd = -1};
	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK))
		return error_set(errno, "cannot start %s: no descriptor for a pipe (ulimit -n)", argv[0]);
	if (!plan_open(&plan, fd, pipe_fd[1])) {
		err = error_set(EMFILE, "cannot start %s: no descriptors left (ulimit -n)", argv[0]);
		goto out;
	}
	/* the child's end of the pipe blocks, ours does not */
	fcntl(plan.words, F_SETFL, 0);
	pid = run(&plan);
	if (pid < 0)
		err = error_set((int)-pid, "cannot start %s: %s", argv[0], strerror((int)-pid));
	else
		p->pid = pid;
out:
	plan_close(&plan);
	close(pipe_fd[1]);
	if (err)
		close(pipe_fd[0]);
	else
		p->words_fd = pipe_fd[0];
	return err;
}

void process_wait(const struct process *p, int ms)
{
	const struct timespec pause = {.tv_nsec = 500000};

	for (int i = 0; p->pid && i < 2 * ms; i++) {
		siginfo_t info = {0};

		if (waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid)
			return;
		nanosleep(&pause, NULL);
	}
}

void process_signal(struct process *p, int sig)
{
	if (p->pid)
		kill(p->pid, sig);
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
	if (p->pid)
		while (waitpid(p->pid, &p->status, 0) < 0 && errno == EINTR)
			;
	write_once(&p->pid, 0);
	process_listen(p);
	if (p->words_fd >= 0)
		close(p->words_fd);
	p->words_fd = -1;
}

void process_last_words(const struct process *p, char *out, size_t size)
{
	u64 kept = p->said < PROCESS_WORDS ? p->said : PROCESS_WORDS;
	u64 from = p->said - (kept < size - 1 ? kept : size - 1);
	size_t n = 0;

	for (; from < p->said; from++) {
		char c = p->words[from % PROCESS_WORDS];

		if (c == '\n')
			c = ' ';
		if ((unsigned char)c >= ' ' && (n || c != ' '))
			out[n++] = c;
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = 0;
}
