/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One thread serves all lazy domains; it exists while there are any. It sleeps without a timer
 * until a domain arms it, then FLUSH_AFTER_MS, then flushes the domains that are armed. Its list
 * is under `lock`, which it holds while it flushes: flusher_remove() so waits for it.
 *
 * Order of locks: lock, a queue's lock, ports.lock or the IOVA tree's.
 */
#include "domain/flusher.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/fork.h"

#include <pthread.h>
#include <signal.h>

struct domain_thread {
	struct tslot slot;
	struct flush_queue queue;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static pthread_t thread;
static struct domain *lazy; /* under lock */
static bool armed;	    /* under lock */
/*
 * The number of the thread that serves, 0: none; and of the last that was started. A thread that
 * was told to end may still be on its way when the next one starts. Under lock.
 */
static u64 serving, started;

/*
 * Gives back what one queue held before the flush, up to `head`; `own`: it is the caller's.
 * Somebody else may have been here since.
 */
static void queue_take(struct domain *dom, struct flush_queue *q, u64 head, bool own)
{
	u64 tail;

	/* a thread's first use of the address space is not under the queue's lock */
	own = own && tslot_get(&dom->iova->key);
	lock_acquire(&q->lock);
	for (tail = q->tail; (s64)(head - tail) > 0; tail++) {
		const struct flush_entry *e = &q->entry[tail & dom->queue_mask];

		if (own)
			domain_iova_free(dom, e->page, e->pages);
		else
			iova_free_shared(dom->iova, e->page + dom->iova_shift, e->pages);
	}
	write_release(&q->tail, tail);
	lock_release(&q->lock);
}

/* What a range takes of the address space: small ones are rounded up, see iova.h. */
static u64 entry_room(const struct flush_entry *e)
{
	return e->pages <= IOVA_CACHED_PAGES ? 1ull << iova_class(e->pages) : e->pages;
}

/* By address. Mostly they come in order or in reverse, which costs few steps. */
static void entries_sort(struct flush_entry *e, unsigned int n)
{
	static const unsigned int steps[] = {301, 132, 57, 23, 10, 4, 1};

	for (unsigned int s = 0; s < ARRAY_SIZE(steps); s++)
		for (unsigned int step = steps[s], i = step; i < n; i++) {
			struct flush_entry moved = e[i];
			unsigned int at = i;

			for (; at >= step && e[at - step].page > moved.page; at -= step)
				e[at] = e[at - step];
			e[at] = moved;
		}
}

/* The entries become the caller's: how many. */
static unsigned int queue_steal(struct domain *dom, struct flush_queue *q, struct flush_entry *out)
{
	unsigned int n = 0;
	u64 head, tail;

	lock_acquire(&q->lock);
	head = read_acquire(&q->head);
	for (tail = q->tail; (s64)(head - tail) > 0; tail++)
		out[n++] = q->entry[tail & dom->queue_mask];
	write_release(&q->tail, tail);
	lock_release(&q->lock);
	return n;
}

/*
 * What has to hear of each range hears once of those that lie side by side. All of a run is the
 * caller's: the ranges, and what their rounding up took. They go back in order, so that what comes
 * next lies side by side again.
 */
static slow_path void flush_ranges(struct domain *dom, struct flush_queue *q, bool own)
{
	struct flush_entry e[FLUSH_QUEUE_LONG];
	unsigned int n = queue_steal(dom, q, e), first = 0;
	void *unused = pt_limbo_take(&dom->pt);
	u64 mapped = 0;

	entries_sort(e, n);
	for (unsigned int i = 0; i < n; i++) {
		mapped += e[i].pages;
		if (i + 1 < n && e[i].page + entry_room(&e[i]) == e[i + 1].page)
			continue;
		dom->space.ops->invalidate_some(
			&dom->space, IOVA(e[first].page << PAGE_BITS),
			(e[i].page + e[i].pages - e[first].page) << PAGE_BITS, mapped << PAGE_BITS);
		for (; first <= i; first++) {
			if (own)
				domain_iova_free(dom, e[first].page, e[first].pages);
			else
				iova_free_shared(dom->iova, e[first].page + dom->iova_shift,
						 e[first].pages);
		}
		mapped = 0;
	}
	pt_limbo_free(&dom->pt, unused);
}

/* The caller's queue is full. Others' are left to them, so that address space stays in its thread.
 */
static slow_path void flush_own(struct domain *dom, struct flush_queue *q)
{
	u64 head = q->head;

	if (dom->space.by_range) {
		flush_ranges(dom, q, true);
		return;
	}
	domain_drain(dom);
	queue_take(dom, q, head, true);
}

static struct flush_queue *flush_queue_of(struct tslot *s)
{
	return &((struct domain_thread *)s)->queue;
}

void domain_flush(struct domain *dom)
{
	struct flush_queue *queue[16];
	u64 heads[16];
	/* who has no queue needs none: the flusher's thread would take over one that a thread left
	 */
	struct tslot *s = tslot_first(&dom->queues), *own = tslot_peek(&dom->queues);
	unsigned int n;

	if (dom->space.by_range) {
		for (; s; s = tslot_next(s))
			flush_ranges(dom, flush_queue_of(s), s == own);
		return;
	}
	/*
	 * Sixteen queues a round: what was pushed before the flush is what may be given back. The
	 * first round also covers what is in no queue, such as an unlink in a two-step range.
	 */
	do {
		for (n = 0; s && n < ARRAY_SIZE(heads); s = tslot_next(s)) {
			queue[n] = flush_queue_of(s);
			heads[n] = read_acquire(&queue[n]->head);
			n += heads[n] != read_acquire(&queue[n]->tail);
		}
		domain_drain(dom);
		for (unsigned int i = 0; i < n; i++)
			queue_take(dom, queue[i], heads[i], own && queue[i] == flush_queue_of(own));
	} while (s);
}

/* The thread ends: what its queue holds is flushed now, since nobody finds the queue later. */
static void flush_queue_retire(struct tslot_key *key, struct tslot *s)
{
	struct domain *dom = container_of(key, struct domain, queues);
	struct flush_queue *q = flush_queue_of(s);
	u64 head = q->head;

	if (head == read_acquire(&q->tail))
		return;
	if (dom->space.by_range) {
		flush_ranges(dom, q, false);
		return;
	}
	domain_drain(dom);
	queue_take(dom, q, head, false);
}

static slow_path void arm_timer(struct domain *dom)
{
	bool thread_is_there;

	pthread_mutex_lock(&lock);
	thread_is_there = serving != 0;
	if (thread_is_there)
		write_once(&dom->timer_armed, 1);
	if (thread_is_there && !armed) {
		armed = true;
		pthread_cond_signal(&wake);
	}
	pthread_mutex_unlock(&lock);
	if (!thread_is_there)
		domain_flush(dom);
}

void domain_defer_free(struct domain *dom, u64 page, u64 pages)
{
	struct domain_thread *t = (struct domain_thread *)tslot_get(&dom->queues);
	struct flush_queue *q;

	if (unlikely(!t)) {
		/* no memory for a queue: be strict */
		dom->space.ops->invalidate(&dom->space, IOVA(page << PAGE_BITS),
					   pages << PAGE_BITS);
		domain_iova_free(dom, page, pages);
		return;
	}
	q = &t->queue;
	if (unlikely(q->head - read_acquire(&q->tail) > dom->queue_mask))
		flush_own(dom, q);
	q->entry[q->head & dom->queue_mask] = (struct flush_entry){page, pages};
	write_release(&q->head, q->head + 1);
	domain_flush_later(dom);
}

void domain_flush_later(struct domain *dom)
{
	if (unlikely(!read_once(&dom->timer_armed)))
		arm_timer(dom);
}

static bool anything_waits(struct domain *dom)
{
	for (struct tslot *s = tslot_first(&dom->queues); s; s = tslot_next(s)) {
		const struct flush_queue *q = flush_queue_of(s);

		if (read_acquire(&q->head) != read_acquire(&q->tail))
			return true;
	}
	return false;
}

/*
 * True: come again. There is no fence between the push and the look at timer_armed in
 * domain_defer_free(), so a push may miss that the timer was just disarmed, and the flush the push:
 * the round after a flush finds it. An unlink, which is in no queue, has the fence (see
 * domain_flush_later()): it finds the timer disarmed, or the flush, which begins with a fence,
 * covers it.
 */
static bool flush_armed(void)
{
	bool flushed = false;

	for (struct domain *dom = lazy; dom; dom = dom->next_lazy)
		if (read_once(&dom->timer_armed) || anything_waits(dom)) {
			write_once(&dom->timer_armed, 0);
			domain_flush(dom);
			flushed = true;
		}
	return flushed;
}

static void *flusher_main(void *arg)
{
	const struct timespec pause = {.tv_nsec = FLUSH_AFTER_MS * 1000000l};
	const u64 me = (uintptr_t)arg;

	pthread_mutex_lock(&lock);
	while (serving == me) {
		if (!armed) {
			pthread_cond_wait(&wake, &lock);
			continue;
		}
		armed = false;
		pthread_mutex_unlock(&lock);
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&lock);
		armed |= flush_armed();
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

/*
 * ThreadSanitizer ends a process that is the child of one with threads when it starts one. There
 * each unmap flushes.
 */
static bool flusher_may_start(void)
{
#ifdef BUILT_WITH_TSAN
	return !fork_depth;
#else
	return true;
#endif
}

/* Starts the thread with every signal blocked: none of the program's handlers runs in it. */
static int flusher_start(void)
{
	sigset_t all, old;
	int err;

	if (fail_here(FAIL_MEMORY, NULL))
		return error_set(EAGAIN, "cannot start the flusher thread of policy=lazy");
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	serving = ++started;
	alloc_hold();
	err = pthread_create(&thread, NULL, flusher_main, (void *)(uintptr_t)serving);
	alloc_let_go();
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (err) {
		serving = 0;
		return error_set(err, "cannot start the flusher thread of policy=lazy: too many "
				      "threads; use policy=strict");
	}
	return 0;
}

int flusher_add(struct domain *dom)
{
	int err = tslot_key_init(&dom->queues, sizeof(struct domain_thread), NULL,
				 flush_queue_retire);

	if (err)
		return err;
	pthread_mutex_lock(&lock);
	if (!serving && flusher_may_start())
		err = flusher_start();
	if (!err) {
		dom->next_lazy = lazy;
		lazy = dom;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

void flusher_remove(struct domain *dom)
{
	struct domain **p;
	bool last = false;
	pthread_t ended;

	pthread_mutex_lock(&lock);
	for (p = &lazy; *p && *p != dom; p = &(*p)->next_lazy)
		;
	if (*p)
		*p = dom->next_lazy;
	if (!lazy && serving) {
		last = true;
		serving = 0;
		ended = thread;
		pthread_cond_broadcast(&wake);
	}
	pthread_mutex_unlock(&lock);
	if (last)
		pthread_join(ended, NULL);
}

/* The thread is not here. */
static void flusher_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&wake, NULL);
	fork_forget(&lazy, sizeof(lazy));
	armed = false;
	serving = 0;
}

FORK_HOOK(flusher_hook, NULL, NULL, flusher_fork_child);
