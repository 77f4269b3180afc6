/* SPDX-License-Identifier: BSD-2-Clause */
#include "odp/event_queue.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/math.h"
#include "odp/monitor.h"
#include "odp/uffd.h"

#include <sys/mman.h>
#include <time.h>

#define PAUSE_NS 1000000

/*
 * Atomic: events that may have been read and are not processed yet. It is incremented before the
 * read, because the read lets the thread that unmaps continue.
 */
u32 monitor_unserved cacheline;

/* Under lock; `number` may be read without it, as a hint. */
static struct {
	struct lock lock;
	/* reserved address space; memory is used only where it is touched */
	struct odp_event *odp_event;
	u32 head, tail;	 /* queued: [tail, head); both 0 if the queue is empty */
	u32 limit;	 /* at most EVENT_QUEUE_LEN */
	u32 lost;	 /* events for which the queue had no space; the last of them ... */
	u64 lost_number; /* ... has this number; no event is queued after them */
	u64 number;	 /* number of the event that was read last; it only increases */
	struct odp_event current; /* being processed; EVENT_NONE: none */
	u32 current_count;	  /* number of events that it represents */
	bool serving;		  /* a thread is processing the queue */
} queue = {.limit = EVENT_QUEUE_LEN};

#define QUEUE_BYTES (EVENT_QUEUE_LEN * sizeof(struct odp_event))
#define QUEUE_SPACE (QUEUE_BYTES + PAGE_BYTES) /* and a page that is never touched */

int event_queue_open(int uffd)
{
	void *p = alloc_sparse(QUEUE_SPACE);

	if (!p)
		return -ENOMEM;
	/* a child of fork does not use it and need not unmap it */
	madvise(p, QUEUE_SPACE, MADV_DONTFORK);
	lock_acquire(&queue.lock);
	queue.odp_event = p;
	uffd_spare_open(uffd);
	lock_release(&queue.lock);
	return 0;
}

const void *event_queue_page(void)
{
	return (const u8 *)queue.odp_event + QUEUE_BYTES;
}

static void event_queue_reset(void)
{
	queue.head = queue.tail = 0;
	queue.lost = queue.current_count = 0;
	queue.current.kind = EVENT_NONE;
	queue.serving = false;
	queue.odp_event = NULL;
	write_once(&monitor_unserved, 0);
}

void event_queue_close(void)
{
	struct odp_event *p;

	lock_acquire(&queue.lock);
	p = queue.odp_event;
	event_queue_reset();
	lock_release(&queue.lock);
	if (p)
		alloc_sparse_free(p, QUEUE_SPACE);
}

void event_spare_close(void)
{
	lock_acquire(&queue.lock);
	uffd_spare_close();
	lock_release(&queue.lock);
}

void event_queue_forget(void)
{
	queue.lock = (struct lock)LOCK_INIT;
	uffd_spare_close();
	event_queue_reset();
}

void event_queue_limit(u32 limit)
{
	lock_acquire(&queue.lock);
	queue.limit = (u32)min_u64(limit, EVENT_QUEUE_LEN);
	lock_release(&queue.lock);
}

static void event_count_unserved(u32 n)
{
	__atomic_fetch_add(&monitor_unserved, n, __ATOMIC_SEQ_CST);
}

/*
 * Under lock. After an event was lost, the following ones are lost, too, until the loss is
 * processed.
 */
static void event_push(struct odp_event event)
{
	event.number = queue.number + 1;
	write_once(&queue.number, event.number);
	if (!queue.lost && queue.head - queue.tail < queue.limit) {
		queue.odp_event[queue.head++ % EVENT_QUEUE_LEN] = event;
		return;
	}
	queue.lost++;
	queue.lost_number = event.number;
}

bool event_take(int uffd)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};
	struct odp_event event;
	int child = -1, got;

	lock_acquire(&queue.lock);
	event_count_unserved(1);
	got = uffd_read(uffd, &event, &child);
	if (got > 0)
		event_push(event);
	else
		event_count_unserved(-1u);
	lock_release(&queue.lock);
	if (child >= 0) {
		uffd_free_child(uffd, child);
		lock_acquire(&queue.lock);
		uffd_spare_take(child);
		lock_release(&queue.lock);
	}
	/* the process must close a descriptor first */
	if (got < 0)
		nanosleep(&pause, NULL);
	return got > 0;
}

void event_add_fork(void)
{
	lock_acquire(&queue.lock);
	if (queue.odp_event) {
		event_count_unserved(1);
		event_push((struct odp_event){.kind = EVENT_FORK});
	}
	lock_release(&queue.lock);
}

bool event_claim(void)
{
	bool mine;

	lock_acquire(&queue.lock);
	mine = !queue.serving;
	queue.serving = true;
	lock_release(&queue.lock);
	return mine;
}

bool event_next(struct odp_event *event)
{
	bool found;

	lock_acquire(&queue.lock);
	event_count_unserved(-queue.current_count);
	queue.current = (struct odp_event){.kind = EVENT_NONE};
	queue.current_count = 0;
	if (queue.head != queue.tail) {
		queue.current = queue.odp_event[queue.tail++ % EVENT_QUEUE_LEN];
		queue.current_count = 1;
	} else if (queue.lost) {
		queue.current = (struct odp_event){.number = queue.lost_number, .kind = EVENT_LOST};
		queue.current_count = queue.lost;
		queue.lost = 0;
	}
	if (queue.head == queue.tail)
		queue.head = queue.tail = 0;
	found = queue.current.kind != EVENT_NONE;
	queue.serving = found;
	*event = queue.current;
	lock_release(&queue.lock);
	return found;
}

u64 event_number(void)
{
	u64 number;

	lock_acquire(&queue.lock);
	number = queue.number;
	lock_release(&queue.lock);
	return number;
}

static bool event_covers(const struct odp_event *event, u64 start, u64 end, u64 since)
{
	return event->kind != EVENT_NONE && event->number > since &&
	       (event_is_all(event) || (event->start < end && event->end > start));
}

bool event_pending(u64 start, u64 end, u64 since)
{
	bool found;

	lock_acquire(&queue.lock);
	found = event_covers(&queue.current, start, end, since) ||
		(queue.lost && queue.lost_number > since);
	for (u32 i = queue.tail; i != queue.head && !found; i++)
		found = event_covers(&queue.odp_event[i % EVENT_QUEUE_LEN], start, end, since);
	lock_release(&queue.lock);
	return found;
}

bool event_lost(void)
{
	bool lost;

	lock_acquire(&queue.lock);
	lost = queue.lost || queue.current.kind == EVENT_LOST;
	lock_release(&queue.lock);
	return lost;
}

/* Returns the address after one event. EVENT_NOWHERE does not change. */
static u64 event_follow(const struct odp_event *event, u64 va, u64 since)
{
	if (event->number <= since || va < event->start || va >= event->end)
		return va;
	return event->kind == EVENT_GONE    ? EVENT_NOWHERE
	       : event->kind == EVENT_MOVED ? event->to + (va - event->start)
					    : va;
}

u64 event_where(u64 va, u64 since, bool *unsure)
{
	lock_acquire(&queue.lock);
	*unsure = (queue.current.kind == EVENT_LOST && queue.current.number > since) ||
		  (queue.lost && queue.lost_number > since);
	va = event_follow(&queue.current, va, since);
	for (u32 i = queue.tail; i != queue.head && va != EVENT_NOWHERE; i++)
		va = event_follow(&queue.odp_event[i % EVENT_QUEUE_LEN], va, since);
	lock_release(&queue.lock);
	return va;
}
