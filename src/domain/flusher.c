/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The flusher thread. One thread serves all lazy domains and exists while there are any. It sleeps
 * without a timer until a domain arms it, then sleeps for FLUSH_AFTER_MS, and then flushes the
 * armed domains. `lock` guards its list of domains. The thread holds `lock` while it flushes, so
 * flusher_remove() waits for the flush.
 *
 * Order of locks: lock, a queue's lock, ports.lock or the lock of the IOVA tree.
 */
#include "domain/flusher.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/thread.h"

#include <pthread.h>
#include <signal.h>

struct domain_thread {
	struct tslot slot;
	struct flush_queue queue;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wake = PTHREAD_COND_INITIALIZER;
static pthread_t thread;
static struct domain *lazy; /* list of the lazy domains; guarded by `lock` */
static bool armed;	    /* guarded by `lock` */
/*
 * The number of the active flusher thread, 0: none; and the number of the thread started last. A
 * thread that has to end may still run when the next one starts. Both are guarded by `lock`.
 */
static u64 serving, started;

/*
 * Frees the ranges that were in a queue before the flush, up to `head`. `own`: the queue belongs to
 * the calling thread. Another thread may have freed some of them meanwhile.
 */
static void flush_queue_take(struct domain *dom, struct flush_queue *q, u64 head, bool own)
{
	u64 tail;

	/* The thread's slot of the IOVA space must exist before the queue's lock is acquired. */
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

/* Returns the pages that the range has in the address space; small sizes are rounded up (iova.h).
 */
static u64 flush_entry_pages(const struct flush_entry *e)
{
	return e->pages <= IOVA_CACHED_PAGES ? 1ull << iova_class(e->pages) : e->pages;
}

/* Sorts by address (Shell sort). The input is usually in ascending or descending order. */
static void flush_entries_sort(struct flush_entry *e, unsigned int n)
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

/* Moves all entries of the queue to `out`. Returns their number. */
static unsigned int flush_queue_steal(struct domain *dom, struct flush_queue *q,
				      struct flush_entry *out)
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
 * Flushes a queue of a back end that invalidates by range: one invalidation for every run of
 * adjacent ranges. The gaps within a run are only what rounding up added to its ranges, so all of
 * the run may be invalidated. The ranges are freed in order of address, so that later allocations
 * are adjacent again.
 */
static slow_path void flush_ranges(struct domain *dom, struct flush_queue *q, bool own)
{
	struct flush_entry e[FLUSH_QUEUE_LONG];
	unsigned int n = flush_queue_steal(dom, q, e), first = 0;
	void *unused = pt_limbo_take(&dom->pt);
	u64 mapped = 0;

	flush_entries_sort(e, n);
	for (unsigned int i = 0; i < n; i++) {
		mapped += e[i].pages;
		if (i + 1 < n && e[i].page + flush_entry_pages(&e[i]) == e[i + 1].page)
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

/*
 * Flushes the queue of the calling thread because it is full. Other threads free their own queues,
 * so that the address space stays in the caches of the thread that uses it.
 */
static slow_path void flush_own(struct domain *dom, struct flush_queue *q)
{
	u64 head = q->head;

	if (dom->space.by_range) {
		flush_ranges(dom, q, true);
		return;
	}
	domain_drain(dom);
	flush_queue_take(dom, q, head, true);
}

static struct flush_queue *flush_queue_of(struct tslot *s)
{
	return &((struct domain_thread *)s)->queue;
}

void domain_flush(struct domain *dom)
{
	struct flush_queue *queue[16];
	u64 heads[16];
	/*
	 * A thread without a queue, such as the flusher thread, needs none. tslot_peek() does not
	 * create one; tslot_get() would, or would reuse the queue of a thread that ended.
	 */
	struct tslot *s = tslot_first(&dom->queues), *own = tslot_peek(&dom->queues);
	unsigned int n;

	if (dom->space.by_range) {
		for (; s; s = tslot_next(s))
			flush_ranges(dom, flush_queue_of(s), s == own);
		return;
	}
	/*
	 * Sixteen queues per round. Only ranges that were pushed before the flush may be freed. The
	 * first round also covers unmaps that are in no queue, such as an unlink in a two-step
	 * range.
	 */
	do {
		for (n = 0; s && n < ARRAY_SIZE(heads); s = tslot_next(s)) {
			queue[n] = flush_queue_of(s);
			heads[n] = read_acquire(&queue[n]->head);
			n += heads[n] != read_acquire(&queue[n]->tail);
		}
		domain_drain(dom);
		for (unsigned int i = 0; i < n; i++)
			flush_queue_take(dom, queue[i], heads[i],
					 own && queue[i] == flush_queue_of(own));
	} while (s);
}

/* Called when a thread ends: flushes its queue, because no other thread finds the queue later. */
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
	flush_queue_take(dom, q, head, false);
}

static slow_path void flusher_arm(struct domain *dom)
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
		/* There is no memory for a queue: invalidate at once, as under policy=strict. */
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
		flusher_arm(dom);
}

static bool flush_is_pending(struct domain *dom)
{
	for (struct tslot *s = tslot_first(&dom->queues); s; s = tslot_next(s)) {
		const struct flush_queue *q = flush_queue_of(s);

		if (read_acquire(&q->head) != read_acquire(&q->tail))
			return true;
	}
	return false;
}

/*
 * Flushes the armed domains. True: another round is needed. domain_defer_free() has no fence
 * between the push and the read of timer_armed. A push may therefore still read the timer as armed
 * just after it was disarmed, while the flush does not include the push; the round after the flush
 * then finds it. An unlink is in no queue, but it has the fence (see domain_flush_later()). It
 * either reads the timer as disarmed, or the flush, which begins with a fence, covers it.
 */
static bool flush_armed(void)
{
	bool flushed = false;

	for (struct domain *dom = lazy; dom; dom = dom->next_lazy)
		if (read_once(&dom->timer_armed) || flush_is_pending(dom)) {
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
	int err;

	serving = ++started;
	err = thread_start(&thread, flusher_main, (void *)(uintptr_t)serving);
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

/* A child of fork has no flusher thread. */
static void flusher_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	pthread_cond_init(&wake, NULL);
	fork_forget(&lazy, sizeof(lazy));
	armed = false;
	serving = 0;
}

FORK_HOOK(flusher_hook, NULL, NULL, flusher_fork_child);
