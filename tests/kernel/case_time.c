/* SPDX-License-Identifier: BSD-2-Clause */
/* Timers, work, threads, completions, wait queues, RCU. */
#include "cases.h"
#include <linux/delay.h>
#include <linux/hrtimer.h>
#include <linux/slab.h>

static atomic_t hits;
static struct completion done;

static void hit_timer(struct timer_list *t)
{
	atomic_inc(&hits);
	complete(&done);
}

CASE(timer_fires_once, "")
{
	struct timer_list t;

	init_completion(&done);
	timer_setup(&t, hit_timer, 0);
	CHECK(!timer_pending(&t));
	CHECK(mod_timer(&t, jiffies + 1000 * HZ) == 0);
	CHECK(mod_timer(&t, jiffies + 3) == 1);
	CHECK(wait_for_completion_timeout(&done, 10 * HZ));
	CHECK(atomic_read(&hits) == 1 && !timer_pending(&t));
	CHECK(!timer_delete_sync(&t));
}

CASE(timer_deleted_does_not_fire, "")
{
	struct timer_list t;

	timer_setup(&t, hit_timer, 0);
	mod_timer(&t, jiffies + HZ);
	CHECK(timer_delete_sync(&t) == 1);
	CHECK(timer_delete(&t) == 0);
	CHECK(atomic_read(&hits) == 0);
}

static void slow_timer(struct timer_list *t)
{
	complete(&done);
	mdelay(30);
	atomic_inc(&hits);
}

CASE(timer_delete_sync_waits, "")
{
	struct timer_list t;

	init_completion(&done);
	timer_setup(&t, slow_timer, 0);
	mod_timer(&t, jiffies);
	wait_for_completion(&done);
	timer_delete_sync(&t);
	CHECK(atomic_read(&hits) == 1);
}

CASE(timer_never_set_up, "timer-not-initialised")
{
	static struct timer_list t;

	mod_timer(&t, jiffies);
}

CASE(timer_added_twice, "timer-added-twice")
{
	struct timer_list t;

	timer_setup(&t, hit_timer, 0);
	t.expires = jiffies + HZ;
	add_timer(&t);
	add_timer(&t);
	timer_delete_sync(&t);
}

CASE(timer_set_up_while_armed, "init-active")
{
	static struct timer_list t;

	timer_setup(&t, hit_timer, 0);
	mod_timer(&t, jiffies + 1000 * HZ);
	timer_setup(&t, hit_timer, 0);
}

CASE(timer_left_armed, "leak-timer")
{
	static struct timer_list t;

	timer_setup(&t, hit_timer, 0);
	mod_timer(&t, jiffies + 1000 * HZ);
}

CASE(memory_freed_with_timer, "freed-active leak-timer")
{
	struct {
		int before;
		struct timer_list t;
	} *p = kmalloc(sizeof(*p), GFP_KERNEL);

	timer_setup(&p->t, hit_timer, 0);
	mod_timer(&p->t, jiffies + 1000 * HZ);
	kfree(p);
}

static enum hrtimer_restart hit_hrtimer(struct hrtimer *t)
{
	if (atomic_inc_return(&hits) == 3) {
		complete(&done);
		return HRTIMER_NORESTART;
	}
	CHECK(hrtimer_forward_now(t, ms_to_ktime(1)) >= 1);
	return HRTIMER_RESTART;
}

CASE(hrtimer_restarts, "")
{
	struct hrtimer t;

	init_completion(&done);
	hrtimer_init(&t, CLOCK_MONOTONIC, HRTIMER_MODE_REL);
	t.function = hit_hrtimer;
	hrtimer_start(&t, ms_to_ktime(1), HRTIMER_MODE_REL);
	CHECK(wait_for_completion_timeout(&done, 10 * HZ));
	CHECK(!hrtimer_cancel(&t) && atomic_read(&hits) == 3);
}

static void hit_work(struct work_struct *w)
{
	atomic_inc(&hits);
}

CASE(work_runs_once, "")
{
	struct work_struct w;

	INIT_WORK(&w, hit_work);
	CHECK(schedule_work(&w));
	flush_work(&w);
	CHECK(atomic_read(&hits) == 1);
	CHECK(!cancel_work_sync(&w) && !work_pending(&w));
}

CASE(work_never_initialised, "work-not-initialised")
{
	static struct work_struct w;

	schedule_work(&w);
}

CASE(delayed_work_cancelled, "")
{
	struct delayed_work w;

	INIT_DELAYED_WORK(&w, hit_work);
	CHECK(schedule_delayed_work(&w, 100 * HZ));
	CHECK(!schedule_delayed_work(&w, 1));
	CHECK(delayed_work_pending(&w));
	CHECK(cancel_delayed_work_sync(&w));
	CHECK(!cancel_delayed_work_sync(&w) && atomic_read(&hits) == 0);
	CHECK(!mod_delayed_work(system_wq, &w, 0));
	flush_delayed_work(&w);
	CHECK(atomic_read(&hits) == 1);
}

CASE(delayed_work_left, "leak-timer")
{
	static struct delayed_work w;

	INIT_DELAYED_WORK(&w, hit_work);
	schedule_delayed_work(&w, 1000 * HZ);
}

static struct work_struct self;
static void self_flush(struct work_struct *w)
{
	flush_work(w);
}

CASE(work_waits_for_itself, "self-wait")
{
	INIT_WORK(&self, self_flush);
	schedule_work(&self);
	msleep(20);
}

CASE(workqueue_own, "")
{
	struct workqueue_struct *wq = alloc_ordered_workqueue("mine%d", 0, 1);
	struct work_struct w[10];

	for (int i = 0; i < 10; i++) {
		INIT_WORK(&w[i], hit_work);
		queue_work(wq, &w[i]);
	}
	flush_workqueue(wq);
	CHECK(atomic_read(&hits) == 10);
	destroy_workqueue(wq);
}

CASE(workqueue_left, "leak-workqueue")
{
	alloc_workqueue("left", 0, 0);
}

static void again_work(struct work_struct *w)
{
	atomic_inc(&hits);
	usleep_range(100, 200);
	schedule_work(w);
}

CASE(work_cancelled_that_queues_itself, "")
{
	struct work_struct w;
	int n;

	INIT_WORK(&w, again_work);
	schedule_work(&w);
	while (!atomic_read(&hits))
		usleep_range(100, 200);
	cancel_work_sync(&w);
	n = atomic_read(&hits);
	msleep(20);
	CHECK(atomic_read(&hits) == n && !work_pending(&w));
}

static void hit_tasklet(struct tasklet_struct *t)
{
	CHECK(in_softirq() && !in_hardirq());
	atomic_inc(&hits);
}

CASE(tasklet_runs, "")
{
	struct tasklet_struct t;

	tasklet_setup(&t, hit_tasklet);
	tasklet_schedule(&t);
	tasklet_kill(&t);
	CHECK(atomic_read(&hits) == 1);
	tasklet_disable(&t);
	tasklet_schedule(&t);
	msleep(10);
	CHECK(atomic_read(&hits) == 1);
	tasklet_enable(&t);
	tasklet_kill(&t);
	CHECK(atomic_read(&hits) == 2);
}

static int waiting_thread(void *data)
{
	while (!kthread_should_stop())
		usleep_range(100, 200);
	return 42;
}

CASE(kthread_stops, "")
{
	struct task_struct *t = kthread_run(waiting_thread, NULL, "waiting");

	CHECK(!IS_ERR(t) && !strcmp(t->comm, "waiting"));
	CHECK(kthread_stop(t) == 42);
	t = kthread_create(waiting_thread, NULL, "never");
	CHECK(kthread_stop(t) == -EINTR);
}

CASE(kthread_left, "leak-kthread")
{
	kthread_run(waiting_thread, NULL, "left");
}

CASE(completion_counts, "")
{
	init_completion(&done);
	CHECK(!try_wait_for_completion(&done));
	CHECK(wait_for_completion_timeout(&done, 2) == 0);
	complete(&done);
	complete(&done);
	wait_for_completion(&done);
	CHECK(try_wait_for_completion(&done) && !try_wait_for_completion(&done));
	complete_all(&done);
	wait_for_completion(&done);
	wait_for_completion(&done);
	reinit_completion(&done);
	CHECK(!try_wait_for_completion(&done));
}

static DECLARE_WAIT_QUEUE_HEAD(queue);
static int flag;
static void wake_work(struct work_struct *w)
{
	WRITE_ONCE(flag, 1);
	wake_up(&queue);
}

CASE(wait_event_wakes, "")
{
	struct work_struct w;

	CHECK(wait_event_timeout(queue, READ_ONCE(flag), 2) == 0);
	INIT_WORK(&w, wake_work);
	schedule_work(&w);
	CHECK(wait_event_timeout(queue, READ_ONCE(flag), 10 * HZ) > 0);
	wait_event(queue, READ_ONCE(flag));
	CHECK(wait_event_interruptible(queue, READ_ONCE(flag)) == 0);
	flush_work(&w);
}

static int reader_state;
static int rcu_reader(void *data)
{
	rcu_read_lock();
	WRITE_ONCE(reader_state, 1);
	mdelay(30);
	WRITE_ONCE(reader_state, 2);
	rcu_read_unlock();
	return 0;
}

CASE(rcu_waits_for_readers, "")
{
	struct task_struct *t = kthread_run(rcu_reader, NULL, "reader");

	while (!READ_ONCE(reader_state))
		usleep_range(100, 200);
	synchronize_rcu();
	CHECK(READ_ONCE(reader_state) == 2);
	kthread_stop(t);
}

CASE(rcu_unbalanced, "unbalanced")
{
	rcu_read_unlock();
}

CASE(jiffies_advance, "")
{
	unsigned long before = jiffies;

	msleep(5);
	CHECK(time_after(jiffies, before) && time_before(before, jiffies));
	CHECK(msecs_to_jiffies(1000) == HZ && jiffies_to_msecs(HZ) == 1000);
	CHECK(ktime_to_ms(ktime_sub(ktime_get(), ktime_get())) <= 0);
}
