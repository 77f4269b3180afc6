/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host side: threads, time, stacks, signals and files. This file is compiled with the C
 * library's headers.
 */
#define _GNU_SOURCE
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct host_mutex), "host_mutex");
_Static_assert(sizeof(pthread_cond_t) <= sizeof(struct host_cond), "host_cond");

#define THREADS_MAX 256
#define FRAMES_MAX  32

struct host_thread {
	pthread_t thread;
	pid_t tid; /* 0: the slot is free */
	char name[16];
	unsigned long low, high; /* bounds of its stack */
	void (*fn)(void *arg);
	void *arg;
	unsigned long pc[FRAMES_MAX];
	volatile unsigned int n;
	volatile int asked, answered;
};

static pthread_mutex_t threads_lock = PTHREAD_MUTEX_INITIALIZER;
static struct host_thread threads[THREADS_MAX]; /* tid under threads_lock */
static __thread struct host_thread *self;
static volatile sig_atomic_t stopped;
static void (*fatal)(int signal, unsigned long addr, const unsigned long *pc, unsigned int n);

void host_lock(void *mutex)
{
	pthread_mutex_lock(mutex);
}

bool host_trylock(void *mutex)
{
	return pthread_mutex_trylock(mutex) == 0;
}

void host_unlock(void *mutex)
{
	pthread_mutex_unlock(mutex);
}

void host_wait(void *cond, void *mutex)
{
	pthread_cond_wait(cond, mutex);
}

static struct timespec host_timespec(unsigned long ns)
{
	return (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
}

bool host_wait_until(void *cond, void *mutex, unsigned long deadline)
{
	struct timespec until = host_timespec(deadline);

	return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &until) == 0;
}

void host_broadcast(void *cond)
{
	pthread_cond_broadcast(cond);
}

static unsigned long host_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (unsigned long)now.tv_sec * 1000000000 + (unsigned long)now.tv_nsec;
}

unsigned long host_now(void)
{
	return host_clock(CLOCK_MONOTONIC);
}

unsigned long host_wall(void)
{
	return host_clock(CLOCK_REALTIME);
}

void host_sleep(unsigned long ns)
{
	struct timespec left = host_timespec(ns);

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
}

void host_yield(void)
{
	sched_yield();
}

/* Determines the bounds of the stack, which are needed to follow frame pointers safely. */
static void host_thread_bounds(struct host_thread *t)
{
	pthread_attr_t attr;
	void *low;
	size_t size;

	if (pthread_getattr_np(pthread_self(), &attr))
		return;
	if (!pthread_attr_getstack(&attr, &low, &size)) {
		t->low = (unsigned long)low;
		t->high = (unsigned long)low + size;
	}
	pthread_attr_destroy(&attr);
}

static struct host_thread *host_thread_slot(void)
{
	struct host_thread *t = NULL;

	pthread_mutex_lock(&threads_lock);
	for (unsigned int i = 0; i < THREADS_MAX && !t; i++) {
		if (!threads[i].tid) {
			t = &threads[i];
			t->tid = -1;
		}
	}
	pthread_mutex_unlock(&threads_lock);
	return t;
}

static void host_thread_enter(struct host_thread *t)
{
	host_thread_bounds(t);
	self = t;
	prctl(PR_SET_TIMERSLACK, 1000ul, 0, 0, 0);
	pthread_mutex_lock(&threads_lock);
	t->tid = (pid_t)syscall(SYS_gettid);
	pthread_mutex_unlock(&threads_lock);
}

void host_thread_adopt(const char *name)
{
	struct host_thread *t = host_thread_slot();

	if (!t)
		return;
	snprintf(t->name, sizeof(t->name), "%s", name);
	host_thread_enter(t);
}

static void *host_thread_main(void *arg)
{
	struct host_thread *t = arg;

	host_thread_enter(t);
	t->fn(t->arg);
	self = NULL;
	pthread_mutex_lock(&threads_lock);
	t->tid = 0;
	pthread_mutex_unlock(&threads_lock);
	return NULL;
}

unsigned long host_thread_start(void (*fn)(void *arg), void *arg, const char *name)
{
	struct host_thread *t = host_thread_slot();
	pthread_t thread;

	if (!t)
		return 0;
	t->fn = fn;
	t->arg = arg;
	snprintf(t->name, sizeof(t->name), "%s", name);
	if (pthread_create(&thread, NULL, host_thread_main, t)) {
		pthread_mutex_lock(&threads_lock);
		t->tid = 0;
		pthread_mutex_unlock(&threads_lock);
		return 0;
	}
	return (unsigned long)thread;
}

void host_thread_join(unsigned long thread)
{
	pthread_join((pthread_t)thread, NULL);
}

void *host_calloc(size_t n, size_t size)
{
	return calloc(n, size);
}

void host_free(void *p)
{
	free(p);
}

/*
 * A frame is the caller's frame pointer and the return address. Every frame is above the previous
 * one.
 */
__attribute__((no_sanitize("address", "thread"))) unsigned int
host_backtrace_from(unsigned long frame, unsigned long *pc, unsigned int max)
{
	unsigned long low = self ? self->low : 0, high = self ? self->high : 0, next;
	unsigned int n = 0;

	while (n < max && frame >= low && frame < high && high - frame >= 16 && !(frame & 7)) {
		pc[n] = ((const unsigned long *)frame)[1];
		if (!pc[n])
			break;
		n++;
		next = *(const unsigned long *)frame;
		if (next <= frame)
			break;
		frame = next;
	}
	return n;
}

__attribute__((noinline)) unsigned int host_backtrace(unsigned long *pc, unsigned int max)
{
	return host_backtrace_from((unsigned long)__builtin_frame_address(0), pc, max);
}

static unsigned int host_interrupted_stack(void *context, unsigned long *pc, unsigned int max)
{
	const ucontext_t *uc = context;

	pc[0] = (unsigned long)uc->uc_mcontext.gregs[REG_RIP];
	return 1 +
	       host_backtrace_from((unsigned long)uc->uc_mcontext.gregs[REG_RBP], pc + 1, max - 1);
}

static void host_signal_stack(int signal, siginfo_t *info, void *context)
{
	int saved = errno;

	if (self && self->asked && !self->answered) {
		self->n = host_interrupted_stack(context, self->pc, FRAMES_MAX);
		self->answered = 1;
	}
	errno = saved;
}

void host_all_stacks(void (*fn)(const char *name, const unsigned long *pc, unsigned int n))
{
	for (unsigned int i = 0; i < THREADS_MAX; i++) {
		struct host_thread *t = &threads[i];
		pid_t tid;

		pthread_mutex_lock(&threads_lock);
		tid = t->tid;
		pthread_mutex_unlock(&threads_lock);
		if (tid <= 0 || t == self)
			continue;
		t->asked = 1;
		t->answered = 0;
		if (syscall(SYS_tgkill, getpid(), tid, SIGUSR2))
			continue;
		for (unsigned int wait = 0; wait < 200 && !t->answered; wait++)
			host_sleep(1000000);
		if (t->answered)
			fn(t->name, t->pc, t->n);
		t->asked = 0;
	}
}

static void host_signal_fatal(int signal, siginfo_t *info, void *context)
{
	unsigned long pc[FRAMES_MAX];
	unsigned int n = host_interrupted_stack(context, pc, FRAMES_MAX);

	if (fatal)
		fatal(signal, (unsigned long)info->si_addr, pc, n);
	_exit(1);
}

static void host_signal_stop(int signal)
{
	stopped = 1;
}

void host_on_fatal(void (*fn)(int, unsigned long, const unsigned long *, unsigned int))
{
	static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
	struct sigaction action = {.sa_sigaction = host_signal_fatal,
				   .sa_flags = SA_SIGINFO | SA_NODEFER};

	fatal = fn;
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

void host_signals(void)
{
	struct sigaction stacks = {.sa_sigaction = host_signal_stack,
				   .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigaction stop = {.sa_handler = host_signal_stop};

	sigaction(SIGUSR2, &stacks, NULL);
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool host_stopped(void)
{
	return stopped;
}

void host_write(int fd, const void *buf, size_t n)
{
	const char *at = buf;

	while (n) {
		ssize_t did = write(fd, at, n);

		if (did < 0 && errno == EINTR)
			continue;
		if (did <= 0)
			return;
		at += did;
		n -= (size_t)did;
	}
}

/* defined in a program that is linked with --coverage */
extern void __gcov_dump(void) __attribute__((weak));

void host_exit(int status)
{
	if (__gcov_dump)
		__gcov_dump();
	_exit(status);
}

void host_random(void *buf, size_t n)
{
	if (getrandom(buf, n, 0) != (ssize_t)n)
		memset(buf, 0x5a, n);
}

char *host_getenv(const char *name)
{
	return getenv(name);
}

int host_event_wait(int fd, int timeout_ms, unsigned long *count)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	int err = poll(&p, 1, timeout_ms);

	if (err == 0 || (err < 0 && errno == EINTR))
		return 0;
	if (err < 0)
		return -1;
	return read(fd, count, sizeof(*count)) == sizeof(*count) ? 1 : errno == EAGAIN ? 0 : -1;
}

int host_socketpair(int fd[2])
{
	return socketpair(AF_UNIX, SOCK_DGRAM, 0, fd) ? -errno : 0;
}

long host_send(int fd, const void *buf, size_t n)
{
	ssize_t did;

	do {
		did = send(fd, buf, n, MSG_NOSIGNAL);
	} while (did < 0 && errno == EINTR);
	return did < 0 ? -errno : did;
}

long host_recv(int fd, void *buf, size_t n, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t did;

	if (poll(&p, 1, timeout_ms) <= 0)
		return 0;
	did = recv(fd, buf, n, MSG_DONTWAIT);
	return did < 0 ? -errno : did;
}

void *host_read_file(const char *path, size_t *size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data = NULL;
	size_t n = 0;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size >= 0 && st.st_size < 1 << 28)
		data = malloc((size_t)st.st_size + 1);
	while (data && n < (size_t)st.st_size) {
		ssize_t did = read(fd, data + n, (size_t)st.st_size - n);

		if (did <= 0)
			break;
		n += (size_t)did;
	}
	close(fd);
	if (data)
		data[n] = 0;
	*size = n;
	return data;
}

/*
 * Reads one byte of every page by a system call, which returns an error where a load would raise a
 * signal.
 */
size_t host_readable(const void *p, size_t n)
{
	size_t done = 0;

	while (done < n) {
		const char *at = (const char *)p + done;
		char byte;
		struct iovec to = {&byte, 1}, from = {(void *)at, 1};

		if (process_vm_readv(getpid(), &to, 1, &from, 1, 0) != 1 && errno == EFAULT)
			return done;
		done += 4096 - ((size_t)at & 4095);
	}
	return n;
}
