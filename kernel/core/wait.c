/* SPDX-License-Identifier: BSD-2-Clause */
/* Wait queues, completions, and read-copy update. */
#include "core.h"

void init_waitqueue_head(struct wait_queue_head *q)
{
	memset(q, 0, sizeof(*q));
}

void kmod_wake(struct wait_queue_head *q)
{
	host_lock(q->host_lock);
	q->wakes++;
	host_broadcast(q->host_cond);
	host_unlock(q->host_lock);
}

unsigned long kmod_wait_prepare(struct wait_queue_head *q)
{
	unsigned long wakes;

	host_lock(q->host_lock);
	wakes = q->wakes;
	host_unlock(q->host_lock);
	return wakes;
}

bool kmod_wait(struct wait_queue_head *q, unsigned long seen, u64 deadline)
{
	bool ok = true;

	host_lock(q->host_lock);
	while (q->wakes == seen && ok) {
		if (deadline)
			ok = host_wait_until(q->host_cond, q->host_lock, deadline);
		else
			host_wait(q->host_cond, q->host_lock);
	}
	ok = q->wakes != seen;
	host_unlock(q->host_lock);
	return ok;
}

u64 kmod_deadline(long timeout)
{
	if (timeout == MAX_SCHEDULE_TIMEOUT)
		return 0;
	return host_now() + (timeout > 0 ? (u64)timeout : 0) * (NSEC_PER_SEC / HZ) + 1;
}

long kmod_left(u64 deadline)
{
	u64 now = host_now();

	if (!deadline)
		return MAX_SCHEDULE_TIMEOUT;
	return deadline > now ? (long)((deadline - now) / (NSEC_PER_SEC / HZ)) : 0;
}

bool waitqueue_active(struct wait_queue_head *q)
{
	return true;
}

void init_completion(struct completion *c)
{
	memset(c, 0, sizeof(*c));
}

void reinit_completion(struct completion *c)
{
	WRITE_ONCE(c->done, 0);
}

static void wait_complete(struct completion *c, bool all)
{
	host_lock(c->wait.host_lock);
	if (all)
		c->done = UINT_MAX;
	else if (c->done != UINT_MAX)
		c->done++;
	c->wait.wakes++;
	host_broadcast(c->wait.host_cond);
	host_unlock(c->wait.host_lock);
}

void complete(struct completion *c)
{
	wait_complete(c, false);
}

void complete_all(struct completion *c)
{
	wait_complete(c, true);
}

unsigned long wait_for_completion_timeout(struct completion *c, unsigned long timeout)
{
	u64 deadline = kmod_deadline((long)timeout);
	bool done;

	kmod_might_sleep("wait_for_completion");
	host_lock(c->wait.host_lock);
	while (!c->done) {
		if (!deadline)
			host_wait(c->wait.host_cond, c->wait.host_lock);
		else if (!host_wait_until(c->wait.host_cond, c->wait.host_lock, deadline))
			break;
	}
	done = c->done != 0;
	if (done && c->done != UINT_MAX)
		c->done--;
	host_unlock(c->wait.host_lock);
	return done ? (unsigned long)max(kmod_left(deadline), 1L) : 0;
}

void wait_for_completion(struct completion *c)
{
	wait_for_completion_timeout(c, MAX_SCHEDULE_TIMEOUT);
}

bool try_wait_for_completion(struct completion *c)
{
	bool done;

	host_lock(c->wait.host_lock);
	done = c->done != 0;
	if (done && c->done != UINT_MAX)
		c->done--;
	host_unlock(c->wait.host_lock);
	return done;
}

/*
 * A reader increments one of two counts. A grace period switches to the other count and waits until
 * the first one is 0.
 */
static atomic_t rcu_readers[2];
static int rcu_side;
static struct host_mutex rcu_lock;
static __thread int rcu_mine[16];

void rcu_read_lock(void)
{
	struct kmod_context *c = kmod_context();
	int side = __atomic_load_n(&rcu_side, __ATOMIC_SEQ_CST);

	atomic_inc(&rcu_readers[side]);
	if (c->rcu < (int)ARRAY_SIZE(rcu_mine))
		rcu_mine[c->rcu] = side;
	c->rcu++;
}

void rcu_read_unlock(void)
{
	struct kmod_context *c = kmod_context();

	if (!c->rcu) {
		kmod_finding("unbalanced", "rcu_read_unlock() without rcu_read_lock()");
		return;
	}
	c->rcu--;
	if (c->rcu < (int)ARRAY_SIZE(rcu_mine))
		atomic_dec(&rcu_readers[rcu_mine[c->rcu]]);
}

void synchronize_rcu(void)
{
	kmod_might_sleep("synchronize_rcu");
	host_lock(&rcu_lock);
	for (int round = 0; round < 2; round++) {
		int old = rcu_side;

		__atomic_store_n(&rcu_side, !old, __ATOMIC_SEQ_CST);
		while (atomic_read(&rcu_readers[old]))
			host_sleep(10000);
	}
	host_unlock(&rcu_lock);
}

static struct host_mutex callbacks_lock;
static struct callback_head *callbacks; /* under callbacks_lock */

void call_rcu(struct callback_head *head, void (*func)(struct callback_head *head))
{
	head->func = func;
	host_lock(&callbacks_lock);
	head->next = callbacks;
	callbacks = head;
	host_unlock(&callbacks_lock);
}

void kmod_rcu_drain(void)
{
	struct callback_head *list, *next;

	host_lock(&callbacks_lock);
	list = callbacks;
	callbacks = NULL;
	host_unlock(&callbacks_lock);
	if (!list)
		return;
	synchronize_rcu();
	for (; list; list = next) {
		next = list->next;
		list->func(list);
	}
}
