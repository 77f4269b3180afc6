/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Converts a report to text. The report is dropped if it is suppressed, or if its line was reported
 * first=N times. The addresses of its stacks are converted to functions and lines, and it is
 * appended to the JSON file.
 *
 * Reading debug information needs a large stack, and the thread that misused the API may have only
 * 16 KiB. Every report is therefore processed by a new thread, for which the reporting thread
 * waits. The thread ends with the report. A fork waits for all these threads: otherwise the child
 * would inherit the locks that such a thread holds in the C library, in the debug information's
 * reader or in a sanitizer, and they would never be released there.
 *
 * The reporting thread may hold a lock of the C library: a stream's, if it prints a buffer that the
 * device owns, or the dynamic linker's, if it runs a constructor. The other thread must acquire
 * neither, so it does not print and does not call dladdr(). The library itself holds no lock
 * meanwhile.
 *
 * The library's own frames at the beginning of a stack are omitted, because they do not help to
 * find the misuse.
 */
#include "report/deliver.h"
#include "base/fail.h"
#include "base/fork.h"
#include "base/lock.h"
#include "report/options.h"

#include <dmamap/device.h>
#include <errno.h>
#include <fnmatch.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DELIVER_STACK  (1u << 20)
#define DELIVER_PAUSE  100  /* microseconds between two checks while a fork and a report wait */
#define DELIVER_PLACES 4096 /* lines that first=N counts; further lines are always reported */

static struct {
	u64 key;
	u32 n;
} deliver_places[DELIVER_PLACES]; /* under deliver_lock */
static struct lock deliver_lock;

static u32 deliver_running; /* atomic: threads of reports */
static u32 deliver_forking; /* atomic: threads that fork the process */
static _Thread_local bool deliver_in_fork;

/* The part of a stack that is reported. */
struct deliver_stack {
	const uintptr_t *ip;
	u32 n;
};

static __attribute__((format(printf, 2, 3))) void deliver_add(struct deliver_job *d,
							      const char *fmt, ...)
{
	size_t left = sizeof(d->text) - d->length;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(d->text + d->length, left, fmt, ap);
	va_end(ap);
	if (n > 0)
		d->length += (size_t)n < left ? (size_t)n : left - 1;
}

static void deliver_add_line(const char *words, void *d)
{
	deliver_add(d, "\n    %s", words);
}

static void deliver_add_stack(struct deliver_job *d, const char *what, struct deliver_stack s)
{
	if (!s.n || !what)
		return;
	deliver_add(d, "\n  %s:", what);
	for (u32 i = 0; i < s.n; i++)
		symbol_of(s.ip[i], deliver_add_line, d);
}

/* Omits the library's frames at the beginning, unless there are no others. */
static struct deliver_stack deliver_past_border(const uintptr_t *ip, u32 n)
{
	u32 own = 0;

	while (own < n && symbol_is_ours(ip[own]))
		own++;
	return own < n ? (struct deliver_stack){ip + own, n - own} : (struct deliver_stack){ip, n};
}

static struct deliver_stack deliver_old_stack(const struct stack *s)
{
	return s ? deliver_past_border(s->ip, s->n) : (struct deliver_stack){NULL, 0};
}

/*
 * The stack of a thread that the library created, such as that of a device model: the library's
 * frames that have names.
 */
static struct deliver_stack deliver_own_thread(struct deliver_job *d, u32 first)
{
	u32 n = 0;

	for (u32 i = first; i < d->n && symbol_is_ours(d->ip[i]); i++)
		if (symbol_has_name(d->ip[i]))
			d->ip[n++] = d->ip[i];
	return (struct deliver_stack){d->ip, n};
}

/* Returns the part after the frames of a sanitizer's free(), which called the hook. */
static struct deliver_stack deliver_past_free(struct deliver_job *d)
{
	static const char *const names[] = {"__interceptor_*", "free", "realloc", "reallocarray",
					    "_Zd*"}; /* C++ operator delete */
	struct deliver_stack s = deliver_past_border(d->ip, d->n);

	for (u32 i = 0; i < s.n && i < 8; i++)
		for (size_t k = 0; k < ARRAY_SIZE(names); k++)
			if (i + 1 < s.n && symbol_matches(s.ip[i], names[k]))
				return (struct deliver_stack){s.ip + i + 1, s.n - i - 1};
	return s;
}

/* Returns the stack of the misuse, from the call of the library on. */
static struct deliver_stack deliver_here(struct deliver_job *d)
{
	u32 first = 0;
	struct deliver_stack s;

	if (d->about.by_hook)
		return deliver_past_free(d);
	while (first < d->n && d->ip[first] != (uintptr_t)d->caller)
		first++;
	if (first == d->n)
		for (first = 0; first < d->n && symbol_is_ours(d->ip[first]); first++)
			;
	/* one function of the library may have called another, or the thread may be the library's
	 */
	s = deliver_past_border(d->ip + first, d->n - first);
	if (s.n && symbol_is_ours(s.ip[0]))
		return deliver_own_thread(d, first);
	if (s.n != d->n - first && symbol_is_thread_start(s.ip[0]))
		return deliver_own_thread(d, first);
	return s;
}

static bool deliver_matches(struct deliver_stack s, const char *pattern)
{
	for (u32 i = 0; i < s.n; i++)
		if (symbol_matches(s.ip[i], pattern))
			return true;
	return false;
}

static bool deliver_is_suppressed(const struct report_about *a,
				  const struct deliver_stack stacks[3])
{
	const struct check_suppressions *all = check_options.suppress;

	for (u64 i = 0; all && i < all->n; i++) {
		const struct check_suppression *s = &all->list[i];

		if (!fnmatch(s->kind, dmamap_check_name(a->kind), 0) &&
		    !fnmatch(s->device, dev_name(a->dev), 0) &&
		    (!strcmp(s->function, "*") || deliver_matches(stacks[0], s->function) ||
		     deliver_matches(stacks[1], s->function) ||
		     deliver_matches(stacks[2], s->function)))
			return true;
	}
	return false;
}

static void deliver_hash(const char *words, void *arg)
{
	u64 *key = arg;

	for (const char *p = words; *p; p++)
		*key = (*key ^ (u8)*p) * 0x100000001b3ull;
}

/* For first=N: returns whether this kind was reported often enough for this line. */
static bool deliver_is_enough(const struct report_about *a, const struct deliver_stack stacks[3])
{
	const struct deliver_stack *s = stacks[0].n ? &stacks[0] : &stacks[1];
	u64 key = (u64)a->kind;
	bool enough = false;

	if (!check_options.first)
		return false;
	/* by line, because a line may have several addresses */
	if (s->n)
		symbol_of(s->ip[0], deliver_hash, &key);
	lock_acquire(&deliver_lock);
	for (u64 i = 0, at = key * 0x9e3779b97f4a7c15ull >> 52; i < DELIVER_PLACES;
	     i++, at = (at + 1) % DELIVER_PLACES) {
		if (deliver_places[at].key && deliver_places[at].key != key)
			continue;
		deliver_places[at].key = key;
		enough = deliver_places[at].n++ >= check_options.first;
		break;
	}
	lock_release(&deliver_lock);
	return enough;
}

static void deliver_make(struct deliver_job *d)
{
	const struct report_about *a = &d->about;
	const struct deliver_stack stacks[3] = {deliver_here(d), deliver_old_stack(a->at[0]),
						deliver_old_stack(a->at[1])};

	d->suppressed = deliver_is_suppressed(a, stacks);
	if (d->suppressed)
		return;
	report_count(a->kind);
	d->dropped = d->count_only || deliver_is_enough(a, stacks);
	if (d->dropped)
		return;
	d->length = d->message_length = strlen(d->text);
	deliver_add_stack(d, "here",
			  (struct deliver_stack){stacks[0].ip, stacks[0].n < check_options.stacks
								       ? stacks[0].n
								       : check_options.stacks});
	deliver_add_stack(d, a->what[0], stacks[1]);
	deliver_add_stack(d, a->what[1], stacks[2]);
	if (check_options.json >= 0) {
		const struct dmamap_report r = report_of(a, d->text);

		json_report(check_options.json, &r, d->message_length);
	}
}

#ifdef HAVE_LIBDW

static void *deliver_main(void *d)
{
	deliver_make(d);
	return NULL;
}

/* Returns 0 or an error of pthread_create(). The thread blocks all signals. */
static int deliver_start_and_join(struct deliver_job *d)
{
	sigset_t all, old;
	pthread_attr_t attr;
	pthread_t thread;
	int err, cancel;

	if (fail_here(FAIL_MEMORY, NULL))
		return EAGAIN;
	err = pthread_attr_init(&attr);
	if (err)
		return err;
	sigfillset(&all);
	pthread_attr_setstacksize(&attr, DELIVER_STACK);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	err = pthread_create(&thread, &attr, deliver_main, d);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (!err)
		pthread_join(thread, NULL);
	pthread_setcancelstate(cancel, NULL);
	return err;
}

/*
 * Waits for forks to end and counts a thread of a report. Either this thread reads that a fork is
 * in progress, or the fork reads the count, because both accesses are sequentially consistent.
 */
static void deliver_enter(void)
{
	for (;;) {
		__atomic_fetch_add(&deliver_running, 1, __ATOMIC_SEQ_CST);
		if (!__atomic_load_n(&deliver_forking, __ATOMIC_SEQ_CST))
			return;
		__atomic_fetch_sub(&deliver_running, 1, __ATOMIC_SEQ_CST);
		usleep(DELIVER_PAUSE);
	}
}

static int deliver_on_thread(struct deliver_job *d)
{
	int err;

	/* a fork handler of the program misused the API: nothing waits for its report */
	if (deliver_in_fork)
		return EDEADLK;
	deliver_enter();
	err = deliver_start_and_join(d);
	__atomic_fetch_sub(&deliver_running, 1, __ATOMIC_SEQ_CST);
	return err;
}

#else

/* Without debug information little stack is needed. */
static int deliver_on_thread(struct deliver_job *d)
{
	return ENOSYS;
}

#endif

void deliver_misuse(struct deliver_job *d)
{
	if (!deliver_on_thread(d))
		return;
	symbol_only_names(true);
	deliver_make(d);
	symbol_only_names(false);
}

/* A report's thread acquires the locks of symbol.c, so it must end before a fork acquires them. */
static void deliver_fork_prepare(void)
{
	__atomic_fetch_add(&deliver_forking, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&deliver_running, __ATOMIC_SEQ_CST))
		usleep(DELIVER_PAUSE);
	deliver_in_fork = true;
	symbol_fork_prepare();
}

static void deliver_fork_parent(void)
{
	symbol_fork_done();
	deliver_in_fork = false;
	__atomic_fetch_sub(&deliver_forking, 1, __ATOMIC_SEQ_CST);
}

/* Reports of the parent do not count in a child. */
static void deliver_fork_child(void)
{
	symbol_fork_done();
	deliver_in_fork = false;
	write_once(&deliver_forking, 0);
	write_once(&deliver_running, 0);
	deliver_lock = (struct lock)LOCK_INIT;
	memset(deliver_places, 0, sizeof(deliver_places));
}

FORK_HOOK(deliver_hook, deliver_fork_prepare, deliver_fork_parent, deliver_fork_child);
