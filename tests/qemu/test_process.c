/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child process, without QEMU. It is found, ended and waited for through its pidfd, even if other
 * code also waits for children.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/error.h"
#include "qemu/process.h"

#include <dmamap/device.h>
#include <errno.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const int no_fd[PROCESS_FDS] = {-1, -1, -1, -1, -1};

static void start(struct process *p, const char *script)
{
	char *argv[] = {(char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
			(char *)(uintptr_t)script, NULL};

	if (process_start(p, argv, no_fd))
		fail_msg("%s", error_text());
	assert_true(p->pid > 0);
}

static void reap(struct process *p)
{
	process_reap(p);
	assert_int_equal(p->pid, 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void test_ends(void **state)
{
	struct process p;
	char words[64];

	start(&p, "echo one; echo two >&2; exit 7");
	reap(&p);
	assert_int_equal(p.how, CLD_EXITED);
	assert_int_equal(p.status, 7);
	process_last_words(&p, words, sizeof(words), NULL);
	assert_string_equal(words, "one two");
	process_last_words(&p, words, sizeof(words), "tw");
	assert_string_equal(words, "one");
	process_last_words(&p, words, sizeof(words), "wo");
	assert_string_equal(words, "one two");
	process_last_words(&p, words, 5, "two");
	assert_string_equal(words, "one");
	process_last_words(&p, words, 5, NULL);
	assert_string_equal(words, "two");
	start(&p, "i=0; while [ $i -lt 3000 ]; do echo abcdefghij$i; i=$((i+1)); done");
	process_wait(&p, 1000);
	while (p.said < 3000 * 10)
		process_listen(&p);
	reap(&p);
	process_last_words(&p, words, sizeof(words), NULL);
	assert_string_equal(words + strlen(words) - 14, "abcdefghij2999");
	start(&p, "exec sleep 100");
	process_wait(&p, 1);
	process_signal(&p, SIGTERM);
	reap(&p);
	assert_int_equal(p.how, CLD_KILLED);
	assert_int_equal(p.status, SIGTERM);
	process_signal(&p, SIGKILL); /* there is no process */
}

static void test_cannot_be_run(void **state)
{
	char *argv[] = {(char *)(uintptr_t) "/no/where/program", NULL};
	struct process p;

	assert_int_equal(process_start(&p, argv, no_fd), -ENOENT);
	assert_non_null(strstr(error_text(), "/no/where/program could not be run: No such file"));
	assert_int_equal(p.fd, -1);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void wait_runnable(const struct process *p, bool runnable)
{
	for (int i = 0; i < 5000 && process_is_runnable(p) != runnable; i++)
		usleep(1000);
	assert_int_equal(process_is_runnable(p), runnable);
}

/* A process that waits for a processor is distinguished from one that sleeps. */
static void test_runnable(void **state)
{
	struct process p;

	start(&p, "while :; do :; done");
	wait_runnable(&p, true);
	process_signal(&p, SIGSTOP);
	wait_runnable(&p, false);
	process_signal(&p, SIGKILL);
	reap(&p);
	assert_false(process_is_runnable(&p));
	start(&p, "exec sleep 100");
	wait_runnable(&p, false);
	process_signal(&p, SIGKILL);
	reap(&p);
}

/* The child does not inherit the program's handlers and ignored signals. */
static void test_signals_as_usual(void **state)
{
	struct process p;
	sigset_t all, old;

	signal(SIGTERM, SIG_IGN);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	start(&p, "kill -TERM $$; exit 3");
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGTERM, SIG_DFL);
	reap(&p);
	assert_int_equal(p.how, CLD_KILLED);
	assert_int_equal(p.status, SIGTERM);
}

static void test_taken_by_somebody(void **state)
{
	struct process p;

	signal(SIGCHLD, SIG_IGN);
	start(&p, "exit 3");
	reap(&p);
	assert_int_equal(p.how, 0);
	start(&p, "exec sleep 100");
	process_signal(&p, SIGKILL);
	reap(&p);
	signal(SIGCHLD, SIG_DFL);
	start(&p, "exit 3");
	assert_int_equal(waitpid(-1, NULL, 0), p.pid);
	reap(&p);
	assert_int_equal(p.how, 0);
}

/* Starts another process with that number. 0: this system does not allow choosing it. */
static pid_t fork_with_number(pid_t number)
{
	struct clone_args args = {
		.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&number, .set_tid_size = 1};
	pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

	if (!pid)
		for (;;)
			pause();
	return pid < 0 ? 0 : pid;
}

/*
 * Its number now belongs to another child of the program: that child is neither killed nor waited
 * for.
 */
static void test_number_is_used_again(void **state)
{
	struct process p;
	pid_t number, other;
	int status;

	start(&p, "exit 0");
	number = p.pid;
	assert_int_equal(waitpid(number, NULL, 0), number);
	other = fork_with_number(number);
	if (other) {
		process_signal(&p, SIGKILL);
		process_reap(&p);
		assert_int_equal(waitpid(other, &status, WNOHANG), 0); /* it still runs */
		assert_int_equal(kill(other, SIGTERM), 0);
		assert_int_equal(waitpid(other, &status, 0), other);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
		return;
	}
	process_reap(&p);
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_cannot_be_run),
		cmocka_unit_test(test_runnable),
		cmocka_unit_test(test_signals_as_usual),
		cmocka_unit_test(test_taken_by_somebody),
		cmocka_unit_test(test_number_is_used_again),
	};

	return cmocka_run_group_tests_name("qemu_process", tests, NULL, NULL);
}
