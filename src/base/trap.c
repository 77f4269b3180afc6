/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's signal handler passes a fault that is not the library's to the program's handler. A
 * program may install a new handler at any time, and that handler may or may not call the library's
 * handler. The library therefore installs its handler again when a device is opened and when a
 * thread begins to act as a device. The program's handler that was installed at that time is
 * `called`; the handler that was `called` before is `below` it.
 *
 *   the kernel -> library -> called -> (if it passes the signal on) library -> below ...
 *
 * If a handler of the program calls the library's handler in turn, both calls are for the same
 * signal. The library's handler detects this by a mark that it stores at the end of the siginfo_t,
 * which the kernel delivers zeroed. There is no other state, so a handler may also leave by
 * siglongjmp().
 *
 * Entries in use never change, except `spent`, so the signal handler reads them without a lock. It
 * calls only async-signal-safe functions. Everything that it does not read is under `lock`.
 */
#include "base/fork.h"
#include "base/trap.h"
#include "base/error.h"
#include "base/fail.h"

#include <pthread.h>
#include <string.h>
#include <ucontext.h>

#define CALLED_MAX 16

_Thread_local bool trap_thread_ready __attribute__((tls_model("initial-exec")));

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static u32 users;				     /* under lock */
static bool (*trap_first)(int, siginfo_t *, void *); /* atomic */

struct trap_called {
	struct sigaction act;
	struct trap_called *below; /* the handler below; NULL: none */
	u32 spent;		   /* atomic; set when a handler with SA_RESETHAND was called */
};

static struct trap_state {
	int sig;
	u32 n;				      /* entries in use; under lock */
	struct trap_called entry[CALLED_MAX]; /* entries are added under lock */
	struct trap_called *called;	      /* atomic */
} trapped[] = {{.sig = SIGSEGV}, {.sig = SIGBUS}};

/* At the end of a siginfo_t, behind the fields that a kernel fills. */
struct trap_mark {
	u64 magic;
	struct trap_called *called; /* the handler that was called last for this signal */
};

#define MARK_MAGIC 0x646d616d61707472ull

#if defined(__x86_64__)

/*
 * Copies up to 512 bytes by 16-byte moves, and more by the processor's string copy. On a fault the
 * handler sets rdx to the faulting address.
 */
__asm__(".pushsection .text\n\t"
	".p2align 4\n\t"
	".hidden trap_copy\n\t"
	".globl trap_copy\n\t"
	".type trap_copy, @function\n"
	"trap_copy:\n\t"
	".cfi_startproc\n\t"
	"cmp $512, %rdx\n\t"
	"ja 4f\n\t"
	"sub $64, %rdx\n\t"
	"jb 2f\n"
	"1:\tmovups (%rsi), %xmm0\n\t"
	"movups 16(%rsi), %xmm1\n\t"
	"movups 32(%rsi), %xmm2\n\t"
	"movups 48(%rsi), %xmm3\n\t"
	"movups %xmm0, (%rdi)\n\t"
	"movups %xmm1, 16(%rdi)\n\t"
	"movups %xmm2, 32(%rdi)\n\t"
	"movups %xmm3, 48(%rdi)\n\t"
	"add $64, %rsi\n\t"
	"add $64, %rdi\n\t"
	"sub $64, %rdx\n\t"
	"jae 1b\n"
	"2:\tmov %edx, %ecx\n\t"
	"test $32, %cl\n\t"
	"jz 3f\n\t"
	"movups (%rsi), %xmm0\n\t"
	"movups 16(%rsi), %xmm1\n\t"
	"movups %xmm0, (%rdi)\n\t"
	"movups %xmm1, 16(%rdi)\n\t"
	"add $32, %rsi\n\t"
	"add $32, %rdi\n"
	"3:\ttest $16, %cl\n\t"
	"jz 3f\n\t"
	"movups (%rsi), %xmm0\n\t"
	"movups %xmm0, (%rdi)\n\t"
	"add $16, %rsi\n\t"
	"add $16, %rdi\n"
	"3:\ttest $8, %cl\n\t"
	"jz 3f\n\t"
	"mov (%rsi), %rax\n\t"
	"mov %rax, (%rdi)\n\t"
	"add $8, %rsi\n\t"
	"add $8, %rdi\n"
	"3:\ttest $4, %cl\n\t"
	"jz 3f\n\t"
	"mov (%rsi), %eax\n\t"
	"mov %eax, (%rdi)\n\t"
	"add $4, %rsi\n\t"
	"add $4, %rdi\n"
	"3:\ttest $2, %cl\n\t"
	"jz 3f\n\t"
	"movzwl (%rsi), %eax\n\t"
	"mov %ax, (%rdi)\n\t"
	"add $2, %rsi\n\t"
	"add $2, %rdi\n"
	"3:\ttest $1, %cl\n\t"
	"jz 3f\n\t"
	"movzbl (%rsi), %eax\n\t"
	"mov %al, (%rdi)\n"
	"3:\txor %eax, %eax\n\t"
	"ret\n"
	"4:\tmov %rdx, %rcx\n\t"
	"rep movsb\n\t"
	"xor %eax, %eax\n\t"
	"ret\n"
	"5:\tmov $1, %eax\n\t"
	"test %rdx, %rdx\n\t"
	"cmovnz %rdx, %rax\n\t"
	"ret\n\t"
	".cfi_endproc\n\t"
	".size trap_copy, . - trap_copy\n\t" TRAP_ENTRY("trap_copy", "5b", "5b",
							"1") ".popsection");

/* An entry of the section. An offset is relative to the word that contains it. */
struct trap_entry {
	s32 begin, end, fixup, tell;
};

extern const struct trap_entry trap_begin[] __asm__("__start_dmamap_traps")
	__attribute__((visibility("hidden")));
extern const struct trap_entry trap_end[] __asm__("__stop_dmamap_traps")
	__attribute__((visibility("hidden")));

static uintptr_t trap_entry_address(const s32 *offset)
{
	return (uintptr_t)offset + (uintptr_t)(intptr_t)*offset;
}

/* If the fault is at a listed instruction, continues the thread at its fixup. */
static bool trap_resume(const siginfo_t *info, ucontext_t *u)
{
	uintptr_t at = (uintptr_t)u->uc_mcontext.gregs[REG_RIP];

	if (info->si_code <= 0)
		return false; /* sent by a process or a thread, not raised by the instruction */
	for (const struct trap_entry *e = trap_begin; e < trap_end; e++)
		if (at >= trap_entry_address(&e->begin) && at < trap_entry_address(&e->end)) {
			u->uc_mcontext.gregs[REG_RIP] = (greg_t)trap_entry_address(&e->fixup);
			if (e->tell)
				u->uc_mcontext.gregs[REG_RDX] = (greg_t)(uintptr_t)info->si_addr;
			return true;
		}
	return false;
}

static bool trap_probe_write(void *at)
{
	__asm__ volatile goto(
		"1: lock; orb $0, (%0)\n\t" TRAP_ENTRY("1b", "1b + 1", "%l[gone]", "0")
		:
		: "r"(at)
		: "memory", "cc"
		: gone);
	return true;
gone:
	return false;
}

#else

static bool trap_resume(const siginfo_t *info, ucontext_t *u)
{
	return false;
}

static bool trap_probe_write(void *at)
{
	return true;
}

#endif

bool trap_probe(const void *at, size_t n, bool write)
{
	const u8 *p = at;
	u8 byte;

	for (size_t left = n, step; left; left -= step, p += step) {
		if (write ? !trap_probe_write((void *)(uintptr_t)p) : !trap_load_8(p, &byte))
			return false;
		step = PAGE_BYTES - ((uintptr_t)p & (PAGE_BYTES - 1));
		if (step > left)
			step = left;
	}
	return true;
}

#ifdef BUILT_WITH_ASAN
void __asan_loadN(uintptr_t at, size_t n);
void __asan_storeN(uintptr_t at, size_t n);
#endif
#ifdef BUILT_WITH_TSAN
void __tsan_read_range(void *at, long n);
void __tsan_write_range(void *at, long n);
#endif

bool trap_copy_seen(void *to, const void *from, size_t n)
{
#ifdef BUILT_WITH_ASAN
	__asan_loadN((uintptr_t)from, n);
	__asan_storeN((uintptr_t)to, n);
#endif
#ifdef BUILT_WITH_TSAN
	__tsan_read_range((void *)(uintptr_t)from, (long)n);
	__tsan_write_range(to, (long)n);
#endif
	return !trap_copy(to, from, n);
}

/* Has the same effect as if the library's handler were not installed. */
static void trap_default(int sig, bool sent)
{
	signal(sig, SIG_DFL); /* the access is repeated and ends the program */
	if (sent)
		raise(sig); /* delivered when this handler returns */
}

/*
 * Blocks the signals that the kernel would block for the program's handler. The return from the
 * library's handler restores the mask.
 */
static void trap_block_for(const struct sigaction *act, int sig)
{
	sigset_t mask = act->sa_mask;

	if (!(act->sa_flags & SA_NODEFER))
		sigaddset(&mask, sig);
	pthread_sigmask(SIG_BLOCK, &mask, NULL);
}

static void trap_call(struct trap_called *c, int sig, siginfo_t *info, void *context)
{
	bool sent = info->si_code <= 0;

	if (c)
		trap_block_for(&c->act, sig);
	if (!c || ((c->act.sa_flags & (int)SA_RESETHAND) &&
		   __atomic_exchange_n(&c->spent, 1, __ATOMIC_RELAXED)))
		trap_default(sig, sent);
	else if (c->act.sa_flags & SA_SIGINFO)
		c->act.sa_sigaction(sig, info, context);
	else if (c->act.sa_handler == SIG_DFL || (c->act.sa_handler == SIG_IGN && !sent))
		trap_default(sig, sent);
	else if (c->act.sa_handler != SIG_IGN)
		c->act.sa_handler(sig);
}

static void trap_on_fault(int sig, siginfo_t *info, void *context)
{
	bool (*first)(int, siginfo_t *, void *) = read_acquire(&trap_first);
	u8 *place = (u8 *)info + sizeof(*info) - sizeof(struct trap_mark);
	struct trap_mark m;

	if (first && first(sig, info, context))
		return;
	if (trap_resume(info, context))
		return;
	memcpy(&m, place, sizeof(m));
	if (m.magic == MARK_MAGIC && m.called)
		m.called = m.called->below;
	else if (m.magic != MARK_MAGIC)
		m.called = read_acquire(&trapped[sig == SIGBUS].called);
	m.magic = MARK_MAGIC;
	memcpy(place, &m, sizeof(m));
	trap_call(m.called, sig, info, context);
}

static bool trap_is_ours(const struct sigaction *act)
{
	return (act->sa_flags & SA_SIGINFO) && act->sa_sigaction == trap_on_fault;
}

static bool trap_same_handler(const struct sigaction *a, const struct sigaction *b)
{
	return a->sa_flags == b->sa_flags &&
	       (a->sa_flags & SA_SIGINFO ? a->sa_sigaction == b->sa_sigaction
					 : a->sa_handler == b->sa_handler);
}

/* Under lock. Returns an entry for the installed handler `now`, or NULL if the table is full. */
static struct trap_called *trap_entry_for(struct trap_state *t, const struct sigaction *now)
{
	struct trap_called *c;

	for (c = t->called; c; c = c->below)
		if (trap_same_handler(&c->act, now) && !read_once(&c->spent))
			return c;
	for (u32 i = 0; i < t->n; i++)
		if (trap_same_handler(&t->entry[i].act, now) && t->entry[i].below == t->called &&
		    !read_once(&t->entry[i].spent))
			return &t->entry[i];
	if (t->n == CALLED_MAX)
		return NULL;
	c = &t->entry[t->n++];
	*c = (struct trap_called){.act = *now, .below = t->called};
	return c;
}

/*
 * Under lock: installs the library's handler. No signal is blocked while it runs, since the handler
 * of the program that it calls may itself fault.
 */
static int trap_install(struct trap_state *t)
{
	struct sigaction now, act = {.sa_sigaction = trap_on_fault};
	struct trap_called *c;

	if (sigaction(t->sig, NULL, &now))
		return errno;
	if (trap_is_ours(&now))
		return 0;
	c = trap_entry_for(t, &now);
	if (!c)
		return 0; /* faults are handled only if the installed handler calls the library's */
	act.sa_flags = SA_SIGINFO | SA_NODEFER | (now.sa_flags & (SA_ONSTACK | SA_RESTART));
	if (!(now.sa_flags & SA_SIGINFO) &&
	    (now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN))
		act.sa_flags |= SA_ONSTACK;
	write_release(&t->called, c);
	return sigaction(t->sig, &act, NULL) ? errno : 0;
}

/*
 * Under lock. If a handler of the program is installed now, the library's handler stays usable, so
 * that the signals that the program's handler passes on are handled.
 */
static void trap_remove(struct trap_state *t)
{
	struct sigaction now;

	if (sigaction(t->sig, NULL, &now) || !trap_is_ours(&now) || !t->called)
		return;
	if (read_once(&t->called->spent))
		signal(t->sig, SIG_DFL);
	else
		sigaction(t->sig, &t->called->act, NULL);
}

/* Under lock. */
static int trap_install_all(void)
{
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(trapped); i++)
		err = fail_here(FAIL_MEMORY, NULL) ? EAGAIN : trap_install(&trapped[i]);
	return err;
}

static void trap_remove_all(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(trapped); i++)
		trap_remove(&trapped[i]);
}

int trap_get(void)
{
	int err;

	pthread_mutex_lock(&lock);
	err = trap_install_all();
	if (!err)
		users++;
	else if (!users)
		trap_remove_all();
	pthread_mutex_unlock(&lock);
	return err ? error_set(err,
			       "cannot install the handler of SIGSEGV and SIGBUS, which keeps the "
			       "process alive when memory goes that a device uses: %s",
			       strerror(err))
		   : 0;
}

void trap_put(void)
{
	int saved = errno;

	pthread_mutex_lock(&lock);
	if (!--users)
		trap_remove_all();
	pthread_mutex_unlock(&lock);
	errno = saved;
}

void trap_set_first(bool (*fn)(int sig, siginfo_t *info, void *context))
{
	write_release(&trap_first, fn);
}

void trap_begin_use(void)
{
	int saved = errno;

	trap_thread();
	pthread_mutex_lock(&lock);
	for (size_t i = 0; users && i < ARRAY_SIZE(trapped); i++)
		trap_install(&trapped[i]);
	pthread_mutex_unlock(&lock);
	errno = saved;
}

void trap_thread_slow(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGSEGV);
	sigaddset(&set, SIGBUS);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	trap_thread_ready = true;
}

/* A child inherits the handlers. They stay, since the program's may call the library's. */
static void trap_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	users = 0;
	trap_first = NULL;
}

FORK_HOOK(trap_hook, NULL, NULL, trap_fork_child);
