/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Locks, completions and wait queues. The rules of Documentation/locking are checked: order between
 * classes of locks, use in interrupts, owners, and sleeping while a lock is held. A class is the
 * place where a lock is initialised.
 */
#ifndef KMOD_LINUX_SPINLOCK_H
#define KMOD_LINUX_SPINLOCK_H

#include <linux/atomic.h>
#include <linux/list.h>

struct lock_class_key {
	int id; /* 0: not used yet */
};

/* The common first member of every lock. All zeros: an unlocked lock that was never initialised. */
struct kmod_lock {
	unsigned long host[5]; /* the host's mutex */
	const char *name;
	struct lock_class_key *key, own_key;
	unsigned long owner; /* id of the thread that holds it; 0: none */
	unsigned int magic, depth;
};

typedef struct spinlock {
	struct kmod_lock base;
} spinlock_t;
typedef spinlock_t raw_spinlock_t;

struct mutex {
	struct kmod_lock base;
};

typedef struct rwlock {
	struct kmod_lock base;
} rwlock_t;

#define KMOD_LOCK_MAGIC 0x6b6d6f64u
#define KMOD_LOCK_INIT(n)                                                                          \
	{                                                                                          \
		.name = n, .magic = KMOD_LOCK_MAGIC                                                \
	}
#define __SPIN_LOCK_UNLOCKED(n) ((spinlock_t){KMOD_LOCK_INIT(#n)})
#define DEFINE_SPINLOCK(n)	spinlock_t n = {KMOD_LOCK_INIT(#n)}
#define DEFINE_RAW_SPINLOCK(n)	DEFINE_SPINLOCK(n)
#define DEFINE_MUTEX(n)		struct mutex n = {KMOD_LOCK_INIT(#n)}
#define DEFINE_RWLOCK(n)	rwlock_t n = {KMOD_LOCK_INIT(#n)}

void kmod_lock_init(struct kmod_lock *l, const char *name, struct lock_class_key *key);
#define KMOD_LOCK_INIT_AT(l, n)                                                                    \
	do {                                                                                       \
		static struct lock_class_key __key;                                                \
		kmod_lock_init(&(l)->base, n, &__key);                                             \
	} while (0)
#define spin_lock_init(l)     KMOD_LOCK_INIT_AT(l, #l)
#define raw_spin_lock_init(l) spin_lock_init(l)
#define mutex_init(l)	      KMOD_LOCK_INIT_AT(l, #l)
#define rwlock_init(l)	      KMOD_LOCK_INIT_AT(l, #l)

void spin_lock(spinlock_t *l);
void spin_unlock(spinlock_t *l);
int spin_trylock(spinlock_t *l);
void spin_lock_irq(spinlock_t *l);
void spin_unlock_irq(spinlock_t *l);
void spin_lock_bh(spinlock_t *l);
void spin_unlock_bh(spinlock_t *l);
unsigned long kmod_spin_lock_irqsave(spinlock_t *l);
void spin_unlock_irqrestore(spinlock_t *l, unsigned long flags);
bool spin_is_locked(spinlock_t *l);
#define spin_lock_irqsave(l, flags)	      ((flags) = kmod_spin_lock_irqsave(l))
#define spin_lock_irqsave_nested(l, flags, s) spin_lock_irqsave(l, flags)
#define spin_lock_nested(l, s)		      spin_lock(l)
#define raw_spin_lock_irqsave(l, f)	      spin_lock_irqsave(l, f)
#define raw_spin_unlock_irqrestore(l, f)      spin_unlock_irqrestore(l, f)
#define raw_spin_lock(l)		      spin_lock(l)
#define raw_spin_unlock(l)		      spin_unlock(l)
#define assert_spin_locked(l)                                                                      \
	WARN(!kmod_lock_held(&(l)->base), "assert_spin_locked(%s) in %s", #l, __func__)
#define lockdep_assert_held(l)                                                                     \
	WARN(!kmod_lock_held(&(l)->base), "lockdep_assert_held(%s) in %s", #l, __func__)
bool kmod_lock_held(const struct kmod_lock *l);

unsigned long kmod_irq_save(void);
void local_irq_restore(unsigned long flags);
void local_irq_disable(void);
void local_irq_enable(void);
void local_bh_disable(void);
void local_bh_enable(void);
void preempt_disable(void);
void preempt_enable(void);
#define local_irq_save(flags) ((flags) = kmod_irq_save())

void mutex_lock(struct mutex *m);
void mutex_unlock(struct mutex *m);
int mutex_trylock(struct mutex *m);
int mutex_lock_interruptible(struct mutex *m);
bool mutex_is_locked(struct mutex *m);
void mutex_destroy(struct mutex *m);
#define mutex_lock_killable(m)	mutex_lock_interruptible(m)
#define mutex_lock_nested(m, s) mutex_lock(m)

/* Readers exclude one another as well. A thread may acquire a read lock that it already holds. */
void read_lock(rwlock_t *l);
void read_unlock(rwlock_t *l);
void write_lock(rwlock_t *l);
void write_unlock(rwlock_t *l);

/* Wait queues. A waiter sleeps until a wake-up, then tests its condition again. */
struct wait_queue_head {
	unsigned long host_lock[5], host_cond[6];
	unsigned long wakes;
};
typedef struct wait_queue_head wait_queue_head_t;
#define DECLARE_WAIT_QUEUE_HEAD(n) struct wait_queue_head n = {{0}}
void init_waitqueue_head(struct wait_queue_head *q);
void kmod_wake(struct wait_queue_head *q);
unsigned long kmod_wait_prepare(struct wait_queue_head *q);
/*
 * Sleeps until a wake-up after kmod_wait_prepare(), or until `deadline` (ns; 0: none). Returns
 * false after a timeout.
 */
bool kmod_wait(struct wait_queue_head *q, unsigned long seen, u64 deadline);
u64 kmod_deadline(long jiffies);
long kmod_left(u64 deadline);
bool waitqueue_active(struct wait_queue_head *q);
#define wake_up(q)		     kmod_wake(q)
#define wake_up_all(q)		     kmod_wake(q)
#define wake_up_interruptible(q)     kmod_wake(q)
#define wake_up_interruptible_all(q) kmod_wake(q)
#define ___KMOD_WAIT(q, cond, timeout, left)                                                       \
	({                                                                                         \
		long __t = (timeout);                                                              \
		u64 __deadline = kmod_deadline(__t);                                               \
		bool __more = true, __ok;                                                          \
		kmod_might_sleep("wait_event");                                                    \
		for (;;) {                                                                         \
			unsigned long __seen = kmod_wait_prepare(&(q));                            \
			__ok = (cond);                                                             \
			if (__ok || !__more)                                                       \
				break;                                                             \
			__more = kmod_wait(&(q), __seen, __deadline);                              \
		}                                                                                  \
		__ok ? left : 0;                                                                   \
	})
#define MAX_SCHEDULE_TIMEOUT			     LONG_MAX
#define wait_event(q, cond)			     ((void)___KMOD_WAIT(q, cond, MAX_SCHEDULE_TIMEOUT, 1))
#define wait_event_timeout(q, cond, t)		     ___KMOD_WAIT(q, cond, t, max(kmod_left(__deadline), 1L))
#define wait_event_interruptible(q, cond)	     (___KMOD_WAIT(q, cond, MAX_SCHEDULE_TIMEOUT, 1), 0)
#define wait_event_interruptible_timeout(q, cond, t) wait_event_timeout(q, cond, t)

struct completion {
	unsigned int done;
	struct wait_queue_head wait;
};
#define DECLARE_COMPLETION(n)	      struct completion n = {0}
#define DECLARE_COMPLETION_ONSTACK(n) DECLARE_COMPLETION(n)
void init_completion(struct completion *c);
void reinit_completion(struct completion *c);
void complete(struct completion *c);
void complete_all(struct completion *c);
void wait_for_completion(struct completion *c);
unsigned long wait_for_completion_timeout(struct completion *c, unsigned long timeout);
bool try_wait_for_completion(struct completion *c);
#define wait_for_completion_interruptible(c)		(wait_for_completion(c), 0)
#define wait_for_completion_interruptible_timeout(c, t) ((long)wait_for_completion_timeout(c, t))

/* Read-copy update: a grace period ends when every reader has left its section. */
void rcu_read_lock(void);
void rcu_read_unlock(void);
void synchronize_rcu(void);
void call_rcu(struct callback_head *head, void (*func)(struct callback_head *head));
#define synchronize_net()		synchronize_rcu()
#define rcu_dereference(p)		READ_ONCE(p)
#define rcu_dereference_protected(p, c) (p)
#define rcu_access_pointer(p)		READ_ONCE(p)
#define rcu_assign_pointer(p, v)	smp_store_release(&(p), v)
#define RCU_INIT_POINTER(p, v)		WRITE_ONCE(p, v)

/* 64-bit counters, which 32-bit machines read in two steps. This platform needs one. */
struct u64_stats_sync {
	char none[0];
};
#define u64_stats_init(s)	    ((void)(s))
#define u64_stats_update_begin(s)   ((void)(s))
#define u64_stats_update_end(s)	    ((void)(s))
#define u64_stats_fetch_begin(s)    ((void)(s), 0u)
#define u64_stats_fetch_retry(s, v) ((void)(v), false)

#endif
