/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Time, timers, and the softirq thread, which runs timers, tasklets and NAPI polls one after
 * another.
 *
 * An armed timer is in the list of its kind and in the ledger. `running` is the timer or tasklet
 * whose function runs now; functions such as timer_delete_sync() wait for it.
 */
#include "core.h"

static struct host_mutex lock; /* guards the variables below */
static struct host_cond cond;
static LIST_HEAD(timers);
static LIST_HEAD(hrtimers);
static LIST_HEAD(tasklets);
static void *running;
static bool raised, stopping;
static unsigned long thread, start;
static unsigned long softirq_id; /* context id of the softirq thread */

unsigned long kmod_jiffies(void)
{
	if (!start)
		start = host_now();
	return INITIAL_JIFFIES + (host_now() - start) / (NSEC_PER_SEC / HZ);
}

ktime_t ktime_get(void)
{
	return (ktime_t)host_now();
}

ktime_t ktime_get_real(void)
{
	return (ktime_t)host_wall();
}

time64_t ktime_get_real_seconds(void)
{
	return (time64_t)(host_wall() / NSEC_PER_SEC);
}

struct timespec64 ns_to_timespec64(s64 ns)
{
	s64 sec = ns / NSEC_PER_SEC, rest = ns % NSEC_PER_SEC;

	return rest < 0 ? (struct timespec64){sec - 1, rest + NSEC_PER_SEC}
			: (struct timespec64){sec, rest};
}

void udelay(unsigned long us)
{
	host_sleep(us * 1000);
}

void ndelay(unsigned long ns)
{
	host_sleep(ns);
}

void msleep(unsigned int ms)
{
	kmod_might_sleep("msleep");
	host_sleep((u64)ms * NSEC_PER_MSEC);
}

unsigned long msleep_interruptible(unsigned int ms)
{
	kmod_might_sleep("msleep_interruptible");
	host_sleep((u64)ms * NSEC_PER_MSEC);
	return 0;
}

void usleep_range(unsigned long min, unsigned long max)
{
	kmod_might_sleep("usleep_range");
	host_sleep(min * 1000);
}

void ssleep(unsigned int seconds)
{
	msleep(seconds * 1000);
}

void fsleep(unsigned long us)
{
	kmod_might_sleep("fsleep");
	host_sleep(us * 1000);
}

long schedule_timeout(long timeout)
{
	kmod_might_sleep("schedule_timeout");
	if (timeout > 0)
		host_sleep((u64)timeout * (NSEC_PER_SEC / HZ));
	return 0;
}

void schedule(void)
{
	kmod_might_sleep("schedule");
	host_yield();
}

void kmod_timer_setup(struct timer_list *t, void (*fn)(struct timer_list *t), u32 flags)
{
	if (kmod_ledger_find(KMOD_TIMER, t, NULL, NULL)) {
		kmod_finding("init-active", "a timer is set up again while it is armed");
		timer_delete(t);
	}
	memset(t, 0, sizeof(*t));
	t->function = fn;
	t->flags = flags;
	t->magic = KMOD_TIMER_MAGIC;
}

static void timer_check(const struct timer_list *t)
{
	if (t->magic != KMOD_TIMER_MAGIC)
		kmod_oops("timer-not-initialised", "a timer is armed that was never set up");
	if (!t->function)
		kmod_oops("timer-no-function", "a timer is armed that has no function");
}

int mod_timer(struct timer_list *t, unsigned long expires)
{
	bool was;

	timer_check(t);
	host_lock(&lock);
	was = t->entry.next != NULL;
	t->expires = expires;
	if (!was) {
		list_add_tail(&t->entry, &timers);
		kmod_ledger_add(KMOD_TIMER, t, sizeof(*t));
	}
	raised = true;
	host_broadcast(&cond);
	host_unlock(&lock);
	return was;
}

void add_timer(struct timer_list *t)
{
	if (timer_pending(t))
		kmod_finding("timer-added-twice", "add_timer() of a timer that is armed");
	mod_timer(t, t->expires);
}

int timer_pending(const struct timer_list *t)
{
	return READ_ONCE(t->entry.next) != NULL;
}

/* Under lock. */
static bool timer_remove(struct list_head *entry, void *t)
{
	if (!entry->next)
		return false;
	kmod_list_unlink(entry);
	entry->next = entry->prev = NULL;
	kmod_ledger_del(KMOD_TIMER, t);
	return true;
}

int timer_delete(struct timer_list *t)
{
	bool was;

	host_lock(&lock);
	was = timer_remove(&t->entry, t);
	host_unlock(&lock);
	return was;
}

/* Waits until the timer's function is not running. Under lock. */
static void timer_wait(void *t)
{
	while (running == t && kmod_context()->id != softirq_id)
		host_wait(&cond, &lock);
}

int timer_delete_sync(struct timer_list *t)
{
	bool was;

	if (kmod_context()->hardirq && !(t->flags & TIMER_IRQSAFE))
		kmod_finding("sleep-in-atomic",
			     "timer_delete_sync was called in a hard interrupt handler");
	host_lock(&lock);
	if (running == t && kmod_context()->id == softirq_id)
		kmod_finding("self-wait", "a timer's function waits for its own end");
	was = timer_remove(&t->entry, t);
	timer_wait(t);
	was |= timer_remove(&t->entry, t);
	host_unlock(&lock);
	return was;
}

int timer_shutdown_sync(struct timer_list *t)
{
	int was = timer_delete_sync(t);

	t->function = NULL;
	return was;
}

void hrtimer_init(struct hrtimer *t, int clock, enum hrtimer_mode mode)
{
	memset(t, 0, sizeof(*t));
}

void hrtimer_start(struct hrtimer *t, ktime_t when, enum hrtimer_mode mode)
{
	host_lock(&lock);
	t->expires = mode == HRTIMER_MODE_ABS ? when : (ktime_t)host_now() + when;
	if (!t->entry.next) {
		list_add_tail(&t->entry, &hrtimers);
		kmod_ledger_add(KMOD_TIMER, t, sizeof(*t));
	}
	raised = true;
	host_broadcast(&cond);
	host_unlock(&lock);
}

int hrtimer_cancel(struct hrtimer *t)
{
	bool was;

	host_lock(&lock);
	was = timer_remove(&t->entry, t);
	timer_wait(t);
	was |= timer_remove(&t->entry, t);
	host_unlock(&lock);
	return was;
}

u64 hrtimer_forward_now(struct hrtimer *t, ktime_t interval)
{
	u64 now = host_now(), n = 0;

	if (interval > 0 && (u64)t->expires <= now) {
		n = (now - (u64)t->expires) / (u64)interval + 1;
		t->expires += (ktime_t)(n * (u64)interval);
	}
	return n;
}

/*
 * Runs one timer that is due. Returns false if none is due, and then the earliest due time in
 * `next` (0: none). Called with the lock held.
 */
static bool timer_run_one(u64 *next)
{
	u64 now = host_now(), due;
	struct timer_list *t;
	struct hrtimer *h;

	*next = 0;
	list_for_each_entry(t, &timers, entry)
	{
		long left = (long)(t->expires - jiffies);

		if (left <= 0) {
			void (*fn)(struct timer_list *) = t->function;

			timer_remove(&t->entry, t);
			running = t;
			host_unlock(&lock);
			KMOD_CALL_FN("a timer's function", fn, fn(t));
			host_lock(&lock);
			running = NULL;
			host_broadcast(&cond);
			return true;
		}
		due = now + (u64)left * (NSEC_PER_SEC / HZ);
		*next = *next ? min(*next, due) : due;
	}
	list_for_each_entry(h, &hrtimers, entry)
	{
		if ((u64)h->expires <= now) {
			enum hrtimer_restart again;

			timer_remove(&h->entry, h);
			running = h;
			host_unlock(&lock);
			KMOD_CALL_FN("a timer's function", h->function, again = h->function(h));
			if (again == HRTIMER_RESTART)
				hrtimer_start(h, h->expires, HRTIMER_MODE_ABS);
			host_lock(&lock);
			running = NULL;
			host_broadcast(&cond);
			return true;
		}
		*next = *next ? min(*next, (u64)h->expires) : (u64)h->expires;
	}
	return false;
}

void tasklet_setup(struct tasklet_struct *t, void (*fn)(struct tasklet_struct *t))
{
	memset(t, 0, sizeof(*t));
	t->callback = fn;
}

void tasklet_schedule(struct tasklet_struct *t)
{
	host_lock(&lock);
	if (!t->entry.next) {
		list_add_tail(&t->entry, &tasklets);
		kmod_ledger_add(KMOD_WORK, t, sizeof(*t));
	}
	raised = true;
	host_broadcast(&cond);
	host_unlock(&lock);
}

/* Under lock. */
static bool tasklet_run_one(void)
{
	struct tasklet_struct *t;

	list_for_each_entry(t, &tasklets, entry)
	{
		if (atomic_read(&t->disabled))
			continue;
		kmod_list_unlink(&t->entry);
		t->entry.next = NULL;
		kmod_ledger_del(KMOD_WORK, t);
		running = t;
		host_unlock(&lock);
		KMOD_CALL_FN("a tasklet", t->callback, t->callback(t));
		host_lock(&lock);
		running = NULL;
		host_broadcast(&cond);
		return true;
	}
	return false;
}

void tasklet_disable(struct tasklet_struct *t)
{
	atomic_inc(&t->disabled);
	host_lock(&lock);
	timer_wait(t);
	host_unlock(&lock);
}

void tasklet_enable(struct tasklet_struct *t)
{
	atomic_dec(&t->disabled);
	kmod_softirq_raise();
}

void tasklet_kill(struct tasklet_struct *t)
{
	kmod_might_sleep("tasklet_kill");
	host_lock(&lock);
	while ((t->entry.next && thread) || running == t)
		host_wait(&cond, &lock);
	host_unlock(&lock);
}

void kmod_softirq_raise(void)
{
	host_lock(&lock);
	raised = true;
	host_broadcast(&cond);
	host_unlock(&lock);
}

static void softirq_main(void *arg)
{
	struct kmod_context *c = kmod_context();
	u64 next = 0;

	c->softirq = 1;
	c->what = "softirq";
	host_lock(&lock);
	softirq_id = c->id;
	while (!stopping) {
		if (timer_run_one(&next) || tasklet_run_one())
			continue;
		host_unlock(&lock);
		if (kmod_napi_run()) {
			host_lock(&lock);
			continue;
		}
		host_lock(&lock);
		if (raised || stopping) {
			raised = false;
			continue;
		}
		if (next)
			host_wait_until(&cond, &lock, next);
		else
			host_wait(&cond, &lock);
		raised = false;
	}
	host_unlock(&lock);
}

void kmod_softirq_start(void)
{
	kmod_jiffies();
	stopping = false;
	thread = host_thread_start(softirq_main, NULL, "softirq");
}

void kmod_softirq_stop(void)
{
	host_lock(&lock);
	stopping = true;
	host_broadcast(&cond);
	host_unlock(&lock);
	if (thread)
		host_thread_join(thread);
	thread = 0;
}
