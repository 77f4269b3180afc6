/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts the system calls and the calls of malloc that a thread makes. A seccomp filter sends each
 * system call of the thread, except those that the counting itself needs, to quiet_trap(), which
 * counts it and then makes it from the one page from which the filter permits calls. A filter
 * cannot be removed, so the thread is that of a forked child, see quiet_run().
 */
#ifndef TESTS_PINS_QUIET_H
#define TESTS_PINS_QUIET_H

#include "base/compiler.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/ucontext.h>
#include <sys/wait.h>
#include <unistd.h>

/* Shared by the test and the child. */
struct quiet {
	bool possible;
	u64 packets, calls, wakes, allocations, maps;
	long first_call; /* the number of a call that is no wake-up */
	char error[200];
};

static struct quiet *quiet;
static __thread bool quiet_counting;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
void *malloc(size_t size);
void *calloc(size_t n, size_t size);
void *realloc(void *p, size_t size);
void *aligned_alloc(size_t align, size_t size);
int posix_memalign(void **p, size_t align, size_t size);

static void quiet_allocates(void)
{
	if (quiet_counting)
		quiet->allocations++;
}

void *malloc(size_t size)
{
	quiet_allocates();
	return __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	quiet_allocates();
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	quiet_allocates();
	return __libc_realloc(p, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	quiet_allocates();
	return __libc_memalign(align, size);
}

int posix_memalign(void **p, size_t align, size_t size)
{
	quiet_allocates();
	*p = __libc_memalign(align, size);
	return *p ? 0 : ENOMEM;
}

#if defined(__x86_64__)

static long (*quiet_call)(long nr, long a, long b, long c, long d, long e, long f);

/* mov rax, rdi and so on; syscall; ret: alone in a page. */
static bool quiet_make_page(void)
{
	static const u8 code[] = {
		0x48, 0x89, 0xf8,	      /* mov %rdi, %rax */
		0x48, 0x89, 0xf7,	      /* mov %rsi, %rdi */
		0x48, 0x89, 0xd6,	      /* mov %rdx, %rsi */
		0x48, 0x89, 0xca,	      /* mov %rcx, %rdx */
		0x4d, 0x89, 0xc2,	      /* mov %r8, %r10 */
		0x4d, 0x89, 0xc8,	      /* mov %r9, %r8 */
		0x4c, 0x8b, 0x4c, 0x24, 0x08, /* mov 8(%rsp), %r9 */
		0x0f, 0x05, 0xc3,	      /* syscall; ret */
	};
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return false;
	memcpy(p, code, sizeof(code));
	if (mprotect(p, 4096, PROT_READ | PROT_EXEC))
		return false;
	quiet_call = (long (*)(long, long, long, long, long, long, long))(uintptr_t)p;
	return true;
}

static void quiet_trap(int signal, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;

	if (quiet_counting && info->si_syscall == SYS_futex) {
		quiet->wakes++;
	} else if (quiet_counting) {
		quiet->first_call = quiet->calls++ ? quiet->first_call : info->si_syscall;
	}
	r[REG_RAX] = quiet_call(info->si_syscall, r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10],
				r[REG_R8], r[REG_R9]);
}

static bool quiet_begin(void)
{
	u64 page;
	struct sigaction act = {.sa_sigaction = quiet_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};

	if (!quiet_make_page() || sigaction(SIGSYS, &act, NULL))
		return false;
	page = (u64)(uintptr_t)quiet_call;
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_rt_sigreturn, 6, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_yield, 5,
			 0), /* the loops of the tests themselves */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer) + 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)(page >> 32), 0, 4),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, instruction_pointer)),
		BPF_STMT(BPF_ALU | BPF_AND | BPF_K, ~4095u),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (u32)page, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
	};
	struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]), .filter = code};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

#else

static bool quiet_begin(void)
{
	return false;
}

#endif

/*
 * Runs `body` in a child; *quiet receives the counts. `body` calls quiet_begin() when it is ready.
 */
static void quiet_run(void (*body)(const char *spec), const char *spec)
{
	int status = 0;
	pid_t pid;

	if (!quiet)
		quiet = mmap(NULL, sizeof(*quiet), PROT_READ | PROT_WRITE,
			     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(quiet != MAP_FAILED);
	memset(quiet, 0, sizeof(*quiet));
	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		body(spec);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (quiet->error[0])
		fail_msg("%s: %s", spec, quiet->error);
	assert_int_equal(status, 0);
}

#endif
