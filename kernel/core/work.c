/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Work queues and kernel threads. Every queue has one worker, which runs its items one after
 * another. Drivers must support that.
 */
#include "core.h"
#include <linux/slab.h>

struct workqueue_struct {
	char name[24];
	struct host_mutex lock; /* guards the fields below, and the items' entries */
	struct host_cond cond;
	struct list_head items;
	struct work_struct *running;
	unsigned long running_id; /* context id of the worker */
	unsigned long thread;
	bool stopping;
};

static struct workqueue_struct system_queue = {.name = "events",
					       .items = LIST_HEAD_INIT(system_queue.items)};
struct workqueue_struct *system_wq = &system_queue;
static struct host_mutex start_lock;
static atomic_t work_active; /* items that are queued or run */

static void work_main(void *arg)
{
	struct workqueue_struct *wq = arg;
	struct work_struct *w;
	work_func_t fn;

	kmod_context()->what = "a work item";
	host_lock(&wq->lock);
	wq->running_id = kmod_context()->id;
	for (;;) {
		while (list_empty(&wq->items) && !wq->stopping)
			host_wait(&wq->cond, &wq->lock);
		if (list_empty(&wq->items))
			break;
		w = list_first_entry(&wq->items, struct work_struct, entry);
		kmod_list_unlink(&w->entry);
		w->entry.next = NULL;
		kmod_ledger_del(KMOD_WORK, w);
		wq->running = w;
		fn = w->func; /* the function may free the item */
		host_unlock(&wq->lock);
		KMOD_CALL_FN("a work item", fn, w->func(w));
		host_lock(&wq->lock);
		wq->running = NULL;
		atomic_dec(&work_active);
		host_broadcast(&wq->cond);
	}
	host_unlock(&wq->lock);
}

void kmod_init_work(struct work_struct *w, work_func_t fn)
{
	if (kmod_ledger_find(KMOD_WORK, w, NULL, NULL)) {
		kmod_finding("init-active", "a work item is initialised again while it is queued");
		cancel_work(w);
	}
	memset(w, 0, sizeof(*w));
	w->func = fn;
	w->magic = KMOD_WORK_MAGIC;
}

static void work_timer(struct timer_list *t)
{
	struct delayed_work *d = container_of(t, struct delayed_work, timer);

	queue_work(d->wq, &d->work);
}

void kmod_init_delayed_work(struct delayed_work *w, work_func_t fn)
{
	kmod_init_work(&w->work, fn);
	kmod_timer_setup(&w->timer, work_timer, TIMER_IRQSAFE);
	w->wq = NULL;
}

bool queue_work(struct workqueue_struct *wq, struct work_struct *w)
{
	bool queued = false;

	if (w->magic != KMOD_WORK_MAGIC)
		kmod_oops("work-not-initialised",
			  "a work item is queued that was never initialised");
	host_lock(&start_lock);
	if (!wq->thread)
		wq->thread = host_thread_start(work_main, wq, wq->name);
	host_unlock(&start_lock);
	host_lock(&wq->lock);
	if (!w->entry.next && !w->canceling) {
		w->wq = wq;
		list_add_tail(&w->entry, &wq->items);
		atomic_inc(&work_active);
		kmod_ledger_add(KMOD_WORK, w, sizeof(*w));
		queued = true;
		host_broadcast(&wq->cond);
	}
	host_unlock(&wq->lock);
	return queued;
}

bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *w, unsigned long delay)
{
	if (timer_pending(&w->timer) || work_pending(&w->work) || w->work.canceling)
		return false;
	w->wq = wq;
	if (!delay)
		return queue_work(wq, &w->work);
	mod_timer(&w->timer, jiffies + delay);
	return true;
}

bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *w, unsigned long delay)
{
	bool was = timer_delete(&w->timer) || work_pending(&w->work);

	cancel_work(&w->work);
	queue_delayed_work(wq, w, delay);
	return was;
}

bool kmod_work_busy(void)
{
	return atomic_read(&work_active) != 0;
}

bool work_pending(struct work_struct *w)
{
	return READ_ONCE(w->entry.next) != NULL;
}

bool cancel_work(struct work_struct *w)
{
	struct workqueue_struct *wq = READ_ONCE(w->wq);
	bool was = false;

	if (!wq)
		return false;
	host_lock(&wq->lock);
	if (w->entry.next) {
		kmod_list_unlink(&w->entry);
		w->entry.next = NULL;
		atomic_dec(&work_active);
		kmod_ledger_del(KMOD_WORK, w);
		was = true;
	}
	host_unlock(&wq->lock);
	return was;
}

/* Waits for an item that is queued or running. Returns false if it was neither. */
static bool work_wait(struct work_struct *w, bool queued)
{
	struct workqueue_struct *wq = READ_ONCE(w->wq);
	bool was = false;

	if (!wq)
		return false;
	host_lock(&wq->lock);
	if (wq->running == w && wq->running_id == kmod_context()->id) {
		host_unlock(&wq->lock);
		kmod_finding("self-wait", "a work item waits for its own end");
		return true;
	}
	while (wq->running == w || (queued && w->entry.next)) {
		was = true;
		host_wait(&wq->cond, &wq->lock);
	}
	host_unlock(&wq->lock);
	return was;
}

bool flush_work(struct work_struct *w)
{
	kmod_might_sleep("flush_work");
	return work_wait(w, true);
}

bool cancel_work_sync(struct work_struct *w)
{
	bool was;

	kmod_might_sleep("cancel_work_sync");
	if (w->magic != KMOD_WORK_MAGIC)
		kmod_finding("work-not-initialised",
			     "a work item is cancelled that was never initialised");
	w->canceling = 1;
	was = cancel_work(w);
	work_wait(w, false);
	w->canceling = 0;
	return was;
}

bool cancel_delayed_work(struct delayed_work *w)
{
	bool was = timer_delete(&w->timer);

	return cancel_work(&w->work) || was;
}

bool cancel_delayed_work_sync(struct delayed_work *w)
{
	bool was;

	kmod_might_sleep("cancel_delayed_work_sync");
	w->work.canceling = 1;
	was = timer_delete_sync(&w->timer);
	was |= cancel_work(&w->work);
	work_wait(&w->work, false);
	w->work.canceling = 0;
	return was;
}

bool flush_delayed_work(struct delayed_work *w)
{
	kmod_might_sleep("flush_delayed_work");
	if (timer_delete_sync(&w->timer))
		queue_work(w->wq, &w->work);
	return flush_work(&w->work);
}

void flush_workqueue(struct workqueue_struct *wq)
{
	kmod_might_sleep("flush_workqueue");
	host_lock(&wq->lock);
	while (wq->thread && (wq->running || !list_empty(&wq->items)))
		host_wait(&wq->cond, &wq->lock);
	host_unlock(&wq->lock);
}

struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...)
{
	struct workqueue_struct *wq = kmod_calloc("register", 1, sizeof(*wq));
	va_list args;

	if (!wq)
		return NULL;
	va_start(args, max_active);
	vsnprintf(wq->name, sizeof(wq->name), fmt, args);
	va_end(args);
	INIT_LIST_HEAD(&wq->items);
	kmod_ledger_add(KMOD_WORKQUEUE, wq, sizeof(*wq));
	return wq;
}

void destroy_workqueue(struct workqueue_struct *wq)
{
	kmod_might_sleep("destroy_workqueue");
	flush_workqueue(wq);
	host_lock(&wq->lock);
	wq->stopping = true;
	host_broadcast(&wq->cond);
	host_unlock(&wq->lock);
	if (wq->thread)
		host_thread_join(wq->thread);
	kmod_ledger_del(KMOD_WORKQUEUE, wq);
	host_free(wq);
}

static void kthread_main(void *arg)
{
	struct task_struct *t = arg;

	kmod_context()->task = t;
	kmod_context()->what = "a kernel thread";
	while (!READ_ONCE(t->started)) {
		unsigned long seen = kmod_wait_prepare(&t->wait);

		if (!READ_ONCE(t->started))
			kmod_wait(&t->wait, seen, 0);
	}
	if (READ_ONCE(t->started) > 0)
		KMOD_CALL_FN("a kernel thread", t->fn, t->result = t->fn(t->data));
	complete(&t->done);
}

struct task_struct *kthread_create(int (*fn)(void *data), void *data, const char *fmt, ...)
{
	struct task_struct *t = kmod_calloc("register", 1, sizeof(*t));
	static atomic_t pids = ATOMIC_INIT(100);
	va_list args;

	kmod_might_sleep("kthread_create");
	if (!t)
		return ERR_PTR(-ENOMEM);
	va_start(args, fmt);
	vsnprintf(t->comm, sizeof(t->comm), fmt, args);
	va_end(args);
	t->fn = fn;
	t->data = data;
	t->pid = atomic_inc_return(&pids);
	t->result = -EINTR;
	kmod_ledger_add(KMOD_KTHREAD, t, sizeof(*t));
	t->thread = host_thread_start(kthread_main, t, t->comm);
	if (t->thread)
		return t;
	kmod_ledger_del(KMOD_KTHREAD, t);
	host_free(t);
	return ERR_PTR(-EAGAIN);
}

int wake_up_process(struct task_struct *t)
{
	int was = READ_ONCE(t->started);

	WRITE_ONCE(t->started, 1);
	kmod_wake(&t->wait);
	return !was;
}

int kthread_stop(struct task_struct *t)
{
	int result;

	kmod_might_sleep("kthread_stop");
	if (!kmod_ledger_del(KMOD_KTHREAD, t)) {
		kmod_finding("double-free", "kthread_stop() of a thread that was stopped before");
		return -EINVAL;
	}
	WRITE_ONCE(t->should_stop, 1);
	if (!READ_ONCE(t->started))
		WRITE_ONCE(t->started, -1);
	kmod_wake(&t->wait);
	wait_for_completion(&t->done);
	host_thread_join(t->thread);
	result = t->result;
	host_free(t);
	return result;
}

bool kthread_should_stop(void)
{
	struct task_struct *t = kmod_context()->task;

	return t && READ_ONCE(t->should_stop);
}

struct task_struct *kmod_current(void)
{
	static struct task_struct script = {.comm = "script", .pid = 1};
	struct task_struct *t = kmod_context()->task;

	return t ? t : &script;
}
