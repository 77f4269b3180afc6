/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Execution contexts. Every thread represents a processor that runs a task, a softirq or a hard
 * interrupt. Handlers run in threads of their own, as if on another processor. A lock that disables
 * interrupts or softirqs therefore affects only the calls that are allowed to its own thread.
 */
#include "core.h"

static __thread struct kmod_context context;
static atomic64_t ids;

struct kmod_context *kmod_context(void)
{
	if (!context.id)
		context.id = (unsigned long)atomic64_inc_return(&ids);
	return &context;
}

bool kmod_context_atomic(const struct kmod_context *c)
{
	return c->preempt || c->bh_off || c->irqs_off || c->hardirq || c->softirq || c->rcu;
}

bool in_hardirq(void)
{
	return kmod_context()->hardirq != 0;
}

bool in_softirq(void)
{
	return kmod_context()->softirq || kmod_context()->bh_off;
}

bool in_interrupt(void)
{
	return in_hardirq() || in_softirq();
}

bool in_atomic(void)
{
	return kmod_context_atomic(kmod_context());
}

bool irqs_disabled(void)
{
	return kmod_context()->irqs_off || kmod_context()->hardirq;
}

static const char *kmod_context_name(const struct kmod_context *c)
{
	if (c->hardirq)
		return "in a hard interrupt handler";
	if (c->softirq)
		return "in a softirq (timer, tasklet or NAPI poll)";
	if (c->n_held)
		return "while a spinlock is held";
	if (c->irqs_off)
		return "with interrupts disabled";
	if (c->bh_off)
		return "with softirqs disabled";
	return c->rcu ? "in an RCU read-side section" : "with preemption disabled";
}

void kmod_might_sleep(const char *what)
{
	const struct kmod_context *c = kmod_context();
	const struct kmod_held *held = c->n_held ? &c->held[c->n_held - 1] : NULL;

	if (!kmod_context_atomic(c))
		return;
	kmod_finding_with("sleep-in-atomic", held ? &held->at : NULL, "the lock was acquired here",
			  "%s may sleep, but was called %s%s%s", what, kmod_context_name(c),
			  held ? ": " : "", held ? held->lock->name : "");
}

gfp_t kmod_gfp(gfp_t gfp)
{
	if (gfp & (1u << 8)) /* __GFP_DIRECT_RECLAIM */
		kmod_might_sleep("an allocation with GFP_KERNEL");
	return gfp;
}

void kmod_relax(void)
{
	host_sleep(1000);
}

void preempt_disable(void)
{
	kmod_context()->preempt++;
}

void preempt_enable(void)
{
	kmod_context()->preempt--;
}

void local_bh_disable(void)
{
	kmod_context()->bh_off++;
}

void local_bh_enable(void)
{
	struct kmod_context *c = kmod_context();

	if (c->irqs_off || c->hardirq)
		kmod_finding("bh-enable-irqs-off",
			     "softirqs were enabled while interrupts are disabled");
	if (!c->bh_off)
		kmod_finding("unbalanced", "softirqs were enabled that are not disabled");
	else
		c->bh_off--;
}

unsigned long kmod_irq_save(void)
{
	struct kmod_context *c = kmod_context();
	unsigned long flags = c->irqs_off != 0;

	c->irqs_off = 1;
	return flags;
}

void local_irq_restore(unsigned long flags)
{
	if (flags > 1)
		kmod_finding("irq-flags",
			     "interrupts are restored from flags that no save has written");
	kmod_context()->irqs_off = flags & 1;
}

void local_irq_disable(void)
{
	kmod_context()->irqs_off = 1;
}

void local_irq_enable(void)
{
	kmod_context()->irqs_off = 0;
}

struct kmod_mark kmod_enter(void)
{
	const struct kmod_context *c = kmod_context();

	return (struct kmod_mark){c->n_held, c->preempt, c->bh_off, c->irqs_off, c->rcu};
}

void kmod_returned(const struct kmod_mark *m, const char *what)
{
	struct kmod_context *c = kmod_context();

	while (c->n_held > m->n_held) {
		struct kmod_held *h = &c->held[c->n_held - 1];
		struct kmod_lock *l = h->lock;

		kmod_finding_of(m->fn, "lock-held-at-return", &h->at, "acquired here",
				"%s returned while it holds the lock %s", what, l->name);
		c->n_held--;
		l->owner = 0;
		host_unlock(l->host);
		c->preempt = m->preempt;
		c->irqs_off = m->irqs_off;
		c->bh_off = m->bh_off;
	}
	if (c->irqs_off != m->irqs_off || c->bh_off != m->bh_off || c->preempt != m->preempt ||
	    c->rcu != m->rcu)
		kmod_finding_of(m->fn, "context-at-return", NULL, NULL, "%s returned with %s", what,
				c->irqs_off > m->irqs_off ? "interrupts disabled"
				: c->bh_off > m->bh_off	  ? "softirqs disabled"
				: c->preempt > m->preempt
					? "preemption disabled"
					: "another context than it was called in");
	c->irqs_off = m->irqs_off;
	c->bh_off = m->bh_off;
	c->preempt = m->preempt;
	c->rcu = m->rcu;
}
