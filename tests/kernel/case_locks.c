/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Execution contexts and locks. The rules are those of Documentation/locking and of
 * Documentation/kernel-hacking/locking.rst.
 */
#include "cases.h"
#include <linux/delay.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <linux/kthread.h>

static DEFINE_SPINLOCK(a);
static DEFINE_SPINLOCK(b);
static DEFINE_MUTEX(m);
static DEFINE_RWLOCK(rw);

CASE(sleep_under_spinlock, "sleep-in-atomic")
{
	spin_lock(&a);
	msleep(1);
	spin_unlock(&a);
}

CASE(sleep_irqs_disabled, "sleep-in-atomic")
{
	unsigned long flags;

	local_irq_save(flags);
	usleep_range(1, 2);
	local_irq_restore(flags);
}

CASE(sleep_bh_disabled, "sleep-in-atomic")
{
	local_bh_disable();
	schedule_timeout(1);
	local_bh_enable();
}

CASE(sleep_rcu, "sleep-in-atomic")
{
	rcu_read_lock();
	msleep(1);
	rcu_read_unlock();
}

CASE(mutex_under_spinlock, "sleep-in-atomic")
{
	spin_lock(&a);
	mutex_lock(&m);
	mutex_unlock(&m);
	spin_unlock(&a);
}

CASE(gfp_kernel_under_spinlock, "sleep-in-atomic")
{
	void *p;

	spin_lock(&a);
	p = kmalloc(16, GFP_KERNEL);
	spin_unlock(&a);
	kfree(p);
}

CASE(vmalloc_under_spinlock, "sleep-in-atomic")
{
	void *p;

	spin_lock(&a);
	p = vmalloc(16);
	spin_unlock(&a);
	vfree(p);
}

CASE(gfp_atomic_under_spinlock, "")
{
	void *p;

	spin_lock(&a);
	p = kmalloc(16, GFP_ATOMIC);
	udelay(10);
	spin_unlock(&a);
	kfree(p);
	msleep(1);
}

static void sleeping_timer(struct timer_list *t)
{
	msleep(1);
}

CASE(sleep_in_timer, "sleep-in-atomic")
{
	struct timer_list t;

	timer_setup(&t, sleeping_timer, 0);
	mod_timer(&t, jiffies);
	msleep(20);
	timer_delete_sync(&t);
}

CASE(spinlock_twice, "lock-twice")
{
	spin_lock(&a);
	spin_lock(&a);
	spin_unlock(&a);
	spin_unlock(&a);
}

CASE(spin_trylock_held, "")
{
	CHECK(spin_trylock(&a));
	CHECK(!spin_trylock(&a));
	CHECK(spin_is_locked(&a));
	spin_unlock(&a);
	CHECK(!spin_is_locked(&a));
}

CASE(mutex_twice, "lock-twice")
{
	mutex_lock(&m);
	mutex_lock(&m);
	mutex_unlock(&m);
	mutex_unlock(&m);
}

static int unlock_thread(void *lock)
{
	spin_unlock(lock);
	return 0;
}

CASE(unlock_by_another, "unlock-not-owner")
{
	struct task_struct *t;

	t = kthread_create(unlock_thread, &a, "unlock");
	spin_lock(&a);
	wake_up_process(t);
	udelay(50000);
	spin_unlock(&a);
	kthread_stop(t);
}

CASE(unlock_not_locked, "unlock-not-locked")
{
	spin_unlock(&a);
}

CASE(lock_not_initialised, "lock-not-initialised")
{
	static spinlock_t never;

	spin_lock(&never);
	spin_unlock(&never);
}

CASE(lock_order_inverted, "lock-order")
{
	spin_lock(&a);
	spin_lock(&b);
	spin_unlock(&b);
	spin_unlock(&a);
	spin_lock(&b);
	spin_lock(&a);
	spin_unlock(&a);
	spin_unlock(&b);
}

CASE(lock_order_of_three, "lock-order")
{
	static DEFINE_SPINLOCK(c);

	spin_lock(&a);
	spin_lock(&b);
	spin_unlock(&b);
	spin_unlock(&a);
	spin_lock(&b);
	spin_lock(&c);
	spin_unlock(&c);
	spin_unlock(&b);
	spin_lock(&c);
	spin_lock(&a);
	spin_unlock(&a);
	spin_unlock(&c);
}

CASE(lock_order_kept, "")
{
	for (int i = 0; i < 3; i++) {
		mutex_lock(&m);
		spin_lock(&a);
		spin_lock(&b);
		spin_unlock(&b);
		spin_unlock(&a);
		mutex_unlock(&m);
	}
}

static void locking_timer(struct timer_list *t)
{
	spin_lock(&a);
	spin_unlock(&a);
}

CASE(lock_in_softirq_and_task, "lock-irq")
{
	struct timer_list t;

	spin_lock(&a);
	spin_unlock(&a);
	timer_setup(&t, locking_timer, 0);
	mod_timer(&t, jiffies);
	msleep(20);
	timer_delete_sync(&t);
}

CASE(lock_in_softirq_and_bh, "")
{
	struct timer_list t;

	spin_lock_bh(&a);
	spin_unlock_bh(&a);
	timer_setup(&t, locking_timer, 0);
	mod_timer(&t, jiffies);
	msleep(20);
	timer_delete_sync(&t);
}

static void holding_work(struct work_struct *w)
{
	spin_lock(&a);
}

CASE(work_returns_with_lock, "lock-held-at-return")
{
	struct work_struct w;

	INIT_WORK(&w, holding_work);
	schedule_work(&w);
	flush_work(&w);
}

static void disabling_work(struct work_struct *w)
{
	local_irq_disable();
}

static void sleeping_work(struct work_struct *w)
{
	msleep(1);
}

/*
 * The runtime restores the state that a function failed to restore, so that the mistake is reported
 * once.
 */
CASE(work_returns_irqs_off, "context-at-return")
{
	struct work_struct w, next;

	INIT_WORK(&w, disabling_work);
	schedule_work(&w);
	INIT_WORK(&next, sleeping_work);
	schedule_work(&next);
	flush_work(&next);
	flush_work(&w);
}

CASE(bh_enable_unbalanced, "unbalanced")
{
	local_bh_enable();
}

CASE(mutex_destroyed_held, "lock-destroyed")
{
	struct mutex mine;

	mutex_init(&mine);
	mutex_lock(&mine);
	mutex_destroy(&mine);
	mine.base.magic = KMOD_LOCK_MAGIC;
	mutex_unlock(&mine);
}

CASE(irq_state_nests, "")
{
	unsigned long outer, inner;

	spin_lock_irqsave(&a, outer);
	CHECK(irqs_disabled());
	spin_lock_irqsave(&b, inner);
	spin_unlock_irqrestore(&b, inner);
	CHECK(irqs_disabled() && in_atomic());
	spin_unlock_irqrestore(&a, outer);
	CHECK(!irqs_disabled() && !in_atomic() && !in_interrupt());
	local_bh_disable();
	CHECK(in_softirq() && !in_hardirq());
	local_bh_enable();
}

CASE(rwlock_reads_nest, "")
{
	read_lock(&rw);
	read_lock(&rw);
	read_unlock(&rw);
	read_unlock(&rw);
	write_lock(&rw);
	write_unlock(&rw);
}

static int counter;
static int count_thread(void *data)
{
	for (int i = 0; i < 2000; i++) {
		spin_lock(&a);
		counter++;
		spin_unlock(&a);
	}
	return 7;
}

CASE(spinlock_excludes, "")
{
	struct task_struct *t[3];

	for (int i = 0; i < 3; i++)
		t[i] = kthread_run(count_thread, NULL, "count%d", i);
	for (int i = 0; i < 3; i++)
		CHECK(kthread_stop(t[i]) == 7 || counter <= 6000);
	CHECK(counter % 2000 == 0);
}
