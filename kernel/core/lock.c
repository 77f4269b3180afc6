/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Spinlocks and mutexes, and the rules of Documentation/locking/lockdep-design.rst.
 *
 * A class is the place where a lock was initialised. `order` has a bit for every pair of classes of
 * which the second was acquired while the first was held. An acquisition that closes a cycle is
 * reported, once for every pair, even if no thread has to wait. A class that is acquired in
 * interrupts may never be acquired with interrupts enabled.
 */
#include "core.h"

#define CLASSES 256

struct lock_class {
	const char *name;
	struct lock_class_key *key;
	bool in_irq, irq_enabled, in_bh, bh_enabled, reported, mutex;
	struct kmod_stack irq_at, enabled_at, bh_at, bh_enabled_at;
};

static struct host_mutex classes_lock;
/* under classes_lock, like the variables below; entry 0 is not used */
static struct lock_class classes[CLASSES];
static int n_classes = 1;
static u8 order[CLASSES][CLASSES / 8];
static struct kmod_stack order_at[1024]; /* where this order was first seen */
static struct {
	u8 first, second;
} order_of[1024];
static unsigned int n_orders;

void kmod_lock_init(struct kmod_lock *l, const char *name, struct lock_class_key *key)
{
	memset(l, 0, sizeof(*l));
	l->name = name[0] == '&' ? name + 1 : name;
	l->key = key;
	l->magic = KMOD_LOCK_MAGIC;
}

static int lock_class_of(struct kmod_lock *l, bool mutex)
{
	struct lock_class_key *key = l->key ? l->key : &l->own_key;

	if (!key->id && n_classes < CLASSES) {
		key->id = n_classes++;
		classes[key->id].name = l->name ? l->name : "?";
		classes[key->id].mutex = mutex;
	}
	return key->id;
}

static bool lock_ordered(int first, int second)
{
	return (order[first][second / 8] >> (second % 8) & 1) != 0;
}

/*
 * Returns whether there is a chain from `first` to `second`; `via` is set to the class before
 * `second`.
 */
static bool lock_reaches(int first, int second, int *via)
{
	u8 seen[CLASSES / 8] = {0};
	int todo[CLASSES], n = 0;

	todo[n++] = first;
	while (n) {
		int at = todo[--n];

		if (lock_ordered(at, second)) {
			*via = at;
			return true;
		}
		for (int next = 1; next < n_classes; next++) {
			if (lock_ordered(at, next) && !(seen[next / 8] >> (next % 8) & 1)) {
				seen[next / 8] |= (u8)(1 << (next % 8));
				todo[n++] = next;
			}
		}
	}
	return false;
}

static const struct kmod_stack *lock_order_stack(int first, int second)
{
	for (unsigned int i = 0; i < n_orders; i++) {
		if (order_of[i].first == first && order_of[i].second == second)
			return &order_at[i];
	}
	return NULL;
}

/*
 * Records that `second` is acquired while `first` is held. Called with classes_lock, which is
 * released during a report.
 */
static void lock_order(int first, int second)
{
	int via = 0;

	if (!first || !second || first == second || lock_ordered(first, second))
		return;
	if (lock_reaches(second, first, &via)) {
		const struct kmod_stack *at = lock_order_stack(via, first);

		order[first][second / 8] |= (u8)(1 << (second % 8));
		host_unlock(&classes_lock);
		kmod_finding_with(
			"lock-order", at, "the opposite order was seen here",
			"%s is acquired while %s is held, but elsewhere %s was acquired after %s",
			classes[second].name, classes[first].name, classes[first].name,
			classes[via].name);
		host_lock(&classes_lock);
		return;
	}
	order[first][second / 8] |= (u8)(1 << (second % 8));
	if (n_orders < ARRAY_SIZE(order_at)) {
		order_of[n_orders].first = (u8)first;
		order_of[n_orders].second = (u8)second;
		kmod_stack_take(&order_at[n_orders++]);
	}
}

/*
 * Records the context in which a class is acquired. Reports a context that makes a deadlock
 * possible.
 */
static void lock_usage(int id, const struct kmod_context *c)
{
	struct lock_class *k = &classes[id];
	const struct kmod_stack *other = NULL;
	const char *where = NULL;

	if (!id || k->reported || k->mutex)
		return;
	if (c->hardirq && !k->in_irq) {
		k->in_irq = true;
		kmod_stack_take(&k->irq_at);
	} else if (!c->hardirq && !c->irqs_off && !k->irq_enabled) {
		k->irq_enabled = true;
		kmod_stack_take(&k->enabled_at);
	}
	if (c->softirq && !c->hardirq && !k->in_bh) {
		k->in_bh = true;
		kmod_stack_take(&k->bh_at);
	} else if (!c->softirq && !c->hardirq && !c->bh_off && !c->irqs_off && !k->bh_enabled) {
		k->bh_enabled = true;
		kmod_stack_take(&k->bh_enabled_at);
	}
	if (k->in_irq && k->irq_enabled) {
		where = "a hard interrupt handler";
		other = c->hardirq ? &k->enabled_at : &k->irq_at;
	} else if (k->in_bh && k->bh_enabled) {
		where = "a softirq";
		other = c->softirq ? &k->bh_enabled_at : &k->bh_at;
	}
	if (!where)
		return;
	k->reported = true;
	host_unlock(&classes_lock);
	kmod_finding_with("lock-irq", other, "the other place",
			  "%s is acquired in %s, and elsewhere with it enabled: the handler may "
			  "interrupt that "
			  "holder and wait for it forever",
			  k->name, where);
	host_lock(&classes_lock);
}

/* Returns false if this thread already holds the lock, so that it would wait for itself. */
static bool lock_acquire(struct kmod_lock *l, bool mutex, bool nested)
{
	struct kmod_context *c = kmod_context();
	int id;

	if (l->magic != KMOD_LOCK_MAGIC) {
		kmod_finding("lock-not-initialised",
			     "a lock is acquired that was never initialised");
		kmod_lock_init(l, "?", NULL);
	}
	if (__atomic_load_n(&l->owner, __ATOMIC_RELAXED) == c->id) {
		struct kmod_held *h = NULL;

		l->depth++;
		if (nested)
			return false;
		for (unsigned int i = 0; i < c->n_held; i++) {
			if (c->held[i].lock == l)
				h = &c->held[i];
		}
		kmod_finding_with("lock-twice", h ? &h->at : NULL, "acquired here before",
				  "%s is acquired by the thread that holds it", l->name);
		return false;
	}
	host_lock(&classes_lock);
	id = lock_class_of(l, mutex);
	for (unsigned int i = 0; i < c->n_held; i++)
		lock_order(lock_class_of(c->held[i].lock, false), id);
	lock_usage(id, c);
	host_unlock(&classes_lock);
	return true;
}

static void lock_acquired(struct kmod_lock *l, bool spin)
{
	struct kmod_context *c = kmod_context();

	__atomic_store_n(&l->owner, c->id, __ATOMIC_RELAXED);
	if (spin)
		c->preempt++;
	if (c->n_held == KMOD_HELD_MAX)
		kmod_oops("locks", "a thread holds more than %d locks", KMOD_HELD_MAX);
	c->held[c->n_held].lock = l;
	kmod_stack_take(&c->held[c->n_held++].at);
}

static void lock_release(struct kmod_lock *l, bool spin)
{
	struct kmod_context *c = kmod_context();
	unsigned int i = c->n_held;
	unsigned long owner = __atomic_load_n(&l->owner, __ATOMIC_RELAXED);

	if (owner != c->id) {
		kmod_finding(owner ? "unlock-not-owner" : "unlock-not-locked", "%s is released %s",
			     l->name ? l->name : "?",
			     owner ? "by a thread that does not hold it" : "but is not held");
		return;
	}
	if (l->depth) {
		l->depth--;
		return;
	}
	while (i && c->held[i - 1].lock != l)
		i--;
	for (; i && i < c->n_held; i++)
		c->held[i - 1] = c->held[i];
	if (c->n_held)
		c->n_held--;
	if (spin)
		c->preempt--;
	__atomic_store_n(&l->owner, 0, __ATOMIC_RELAXED);
	host_unlock(l->host);
}

bool kmod_lock_held(const struct kmod_lock *l)
{
	return __atomic_load_n(&l->owner, __ATOMIC_RELAXED) == kmod_context()->id;
}

void spin_lock(spinlock_t *l)
{
	if (!lock_acquire(&l->base, false, false))
		return;
	host_lock(l->base.host);
	lock_acquired(&l->base, true);
}

void spin_unlock(spinlock_t *l)
{
	lock_release(&l->base, true);
}

int spin_trylock(spinlock_t *l)
{
	if (kmod_lock_held(&l->base) || !host_trylock(l->base.host))
		return 0;
	lock_acquired(&l->base, true);
	return 1;
}

bool spin_is_locked(spinlock_t *l)
{
	return __atomic_load_n(&l->base.owner, __ATOMIC_RELAXED) != 0;
}

unsigned long kmod_spin_lock_irqsave(spinlock_t *l)
{
	unsigned long flags = kmod_irq_save();

	spin_lock(l);
	return flags;
}

void spin_unlock_irqrestore(spinlock_t *l, unsigned long flags)
{
	spin_unlock(l);
	local_irq_restore(flags);
}

void spin_lock_irq(spinlock_t *l)
{
	local_irq_disable();
	spin_lock(l);
}

void spin_unlock_irq(spinlock_t *l)
{
	spin_unlock(l);
	local_irq_enable();
}

void spin_lock_bh(spinlock_t *l)
{
	local_bh_disable();
	spin_lock(l);
}

void spin_unlock_bh(spinlock_t *l)
{
	spin_unlock(l);
	local_bh_enable();
}

void read_lock(rwlock_t *l)
{
	if (!lock_acquire(&l->base, false, true))
		return;
	host_lock(l->base.host);
	lock_acquired(&l->base, true);
}

void read_unlock(rwlock_t *l)
{
	lock_release(&l->base, true);
}

void write_lock(rwlock_t *l)
{
	if (!lock_acquire(&l->base, false, false))
		return;
	host_lock(l->base.host);
	lock_acquired(&l->base, true);
}

void write_unlock(rwlock_t *l)
{
	lock_release(&l->base, true);
}

void mutex_lock(struct mutex *m)
{
	kmod_might_sleep("mutex_lock");
	if (!lock_acquire(&m->base, true, false))
		return;
	host_lock(m->base.host);
	lock_acquired(&m->base, false);
}

int mutex_lock_interruptible(struct mutex *m)
{
	mutex_lock(m);
	return 0;
}

int mutex_trylock(struct mutex *m)
{
	if (kmod_context()->hardirq || kmod_context()->softirq)
		kmod_finding("sleep-in-atomic", "mutex_trylock was called in an interrupt");
	if (kmod_lock_held(&m->base) || !host_trylock(m->base.host))
		return 0;
	lock_acquired(&m->base, false);
	return 1;
}

void mutex_unlock(struct mutex *m)
{
	lock_release(&m->base, false);
}

bool mutex_is_locked(struct mutex *m)
{
	return __atomic_load_n(&m->base.owner, __ATOMIC_RELAXED) != 0;
}

void mutex_destroy(struct mutex *m)
{
	if (mutex_is_locked(m))
		kmod_finding("lock-destroyed", "the mutex %s is destroyed while it is held",
			     m->base.name);
	m->base.magic = 0;
}
