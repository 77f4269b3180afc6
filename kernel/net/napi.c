/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * NAPI: Documentation/networking/napi.rst. The softirq thread polls. The SCHED bit is the
 * permission to poll; its owner is the poll list, the running poll, or napi_disable(). Enabled
 * instances are in the ledger.
 */
#include "net.h"

static struct host_mutex lock; /* guards the list and state changes that involve it */
static struct host_cond cond;
static LIST_HEAD(polls);
static bool polling; /* under the lock */

void kmod_napi_add(struct net_device *dev, struct napi_struct *n,
		   int (*poll)(struct napi_struct *, int), int weight)
{
	memset(n, 0, sizeof(*n));
	INIT_LIST_HEAD(&n->poll_list);
	n->dev = dev;
	n->poll = poll;
	n->weight = weight;
	n->magic = KMOD_NAPI_MAGIC;
	set_bit(NAPI_STATE_SCHED, &n->state); /* disabled until napi_enable() */
	set_bit(NAPI_STATE_DISABLE, &n->state);
	list_add_tail(&n->dev_list, &dev->napi_list);
}

static void napi_check(const struct napi_struct *n, const char *what)
{
	if (n->magic != KMOD_NAPI_MAGIC)
		kmod_oops("napi-not-added", "%s() of a NAPI instance that was never added", what);
}

void netif_napi_del(struct napi_struct *n)
{
	if (n->magic != KMOD_NAPI_MAGIC)
		return;
	if (!test_bit(NAPI_STATE_DISABLE, &n->state)) {
		kmod_finding("napi-enabled", "netif_napi_del() of a NAPI instance that is enabled");
		napi_disable(n);
	}
	list_del(&n->dev_list);
	kmod_free_skb(n->skb);
	n->skb = NULL;
	host_lock(&lock);
	n->magic = 0;
	host_unlock(&lock);
	synchronize_rcu(); /* the caller may free it, so its last poll must have ended */
}

void napi_enable(struct napi_struct *n)
{
	napi_check(n, "napi_enable");
	if (!test_bit(NAPI_STATE_DISABLE, &n->state))
		kmod_oops("napi-enabled-twice", "napi_enable() of a NAPI instance that is enabled");
	kmod_ledger_add(KMOD_NAPI, n, sizeof(*n));
	host_lock(&lock);
	clear_bit(NAPI_STATE_DISABLE, &n->state);
	clear_bit(NAPI_STATE_MISSED, &n->state);
	clear_bit(NAPI_STATE_SCHED, &n->state);
	host_unlock(&lock);
}

void napi_disable(struct napi_struct *n)
{
	kmod_might_sleep("napi_disable");
	napi_check(n, "napi_disable");
	if (test_bit(NAPI_STATE_DISABLE, &n->state))
		kmod_oops(
			"napi-disabled-twice",
			"napi_disable() of a NAPI instance that is disabled, which waits forever");
	host_lock(&lock);
	set_bit(NAPI_STATE_DISABLE, &n->state);
	while (test_and_set_bit(NAPI_STATE_SCHED, &n->state))
		host_wait_until(&cond, &lock, host_now() + 1000000);
	host_unlock(&lock);
	kmod_ledger_del(KMOD_NAPI, n);
}

void napi_synchronize(const struct napi_struct *n)
{
	kmod_might_sleep("napi_synchronize");
	while (test_bit(NAPI_STATE_SCHED, &n->state) && !test_bit(NAPI_STATE_DISABLE, &n->state))
		host_sleep(100000);
}

bool napi_schedule_prep(struct napi_struct *n)
{
	bool ours;

	napi_check(n, "napi_schedule_prep");
	host_lock(&lock);
	if (test_bit(NAPI_STATE_DISABLE, &n->state)) {
		host_unlock(&lock);
		return false;
	}
	ours = !test_and_set_bit(NAPI_STATE_SCHED, &n->state);
	if (!ours)
		set_bit(NAPI_STATE_MISSED, &n->state);
	host_unlock(&lock);
	return ours;
}

void __napi_schedule(struct napi_struct *n)
{
	napi_check(n, "__napi_schedule");
	if (!test_bit(NAPI_STATE_SCHED, &n->state))
		kmod_finding("napi-not-prepared", "__napi_schedule() without napi_schedule_prep()");
	host_lock(&lock);
	if (list_empty(&n->poll_list))
		list_add_tail(&n->poll_list, &polls);
	host_unlock(&lock);
	kmod_softirq_raise();
}

bool napi_complete_done(struct napi_struct *n, int done)
{
	bool missed, disabled;

	napi_check(n, "napi_complete_done");
	host_lock(&lock);
	if (!test_bit(NAPI_STATE_SCHED, &n->state)) {
		host_unlock(&lock);
		kmod_finding("napi-not-scheduled",
			     "napi_complete_done() of a NAPI instance that is not scheduled");
		return false;
	}
	disabled = test_bit(NAPI_STATE_DISABLE, &n->state);
	missed = test_and_clear_bit(NAPI_STATE_MISSED, &n->state) && !disabled;
	if (missed) {
		if (list_empty(&n->poll_list))
			list_add_tail(&n->poll_list, &polls);
	} else {
		clear_bit(NAPI_STATE_SCHED, &n->state);
	}
	clear_bit(NAPI_STATE_OWNED, &n->state);
	host_broadcast(&cond);
	host_unlock(&lock);
	return !missed;
}

bool kmod_napi_busy(void)
{
	bool busy;

	host_lock(&lock);
	busy = polling || !list_empty(&polls);
	host_unlock(&lock);
	return busy;
}

/* Runs one poll, in the softirq thread. Returns false if none is scheduled. */
bool kmod_napi_run(void)
{
	struct napi_struct *n = NULL;
	int budget, done = 0;
	int (*poll)(struct napi_struct *, int);
	bool owned;

	host_lock(&lock);
	if (!list_empty(&polls)) {
		n = list_first_entry(&polls, struct napi_struct, poll_list);
		list_del_init(&n->poll_list);
		set_bit(NAPI_STATE_OWNED, &n->state);
		polling = true;
	}
	host_unlock(&lock);
	if (!n)
		return false;
	budget = n->weight;
	poll = n->poll;
	/* as softirqs do, so that unregister_netdev() waits for the end of a poll */
	rcu_read_lock();
	KMOD_CALL_FN("a NAPI poll", poll, done = poll(n, budget));
	kmod_progressed();
	if (done > budget)
		kmod_finding_of((unsigned long)poll, "napi-over-budget", NULL, NULL,
				"a NAPI poll returned %d, more than its budget of %d", done,
				budget);
	host_lock(&lock);
	polling = false;
	owned = n->magic == KMOD_NAPI_MAGIC && test_bit(NAPI_STATE_OWNED, &n->state);
	/* poll again; a disabled instance gives up SCHED instead */
	if (done >= budget && owned) {
		if (test_bit(NAPI_STATE_DISABLE, &n->state))
			clear_bit(NAPI_STATE_SCHED, &n->state);
		else if (list_empty(&n->poll_list))
			list_add_tail(&n->poll_list, &polls);
		host_broadcast(&cond);
	}
	host_unlock(&lock);
	if (done < budget && owned && test_bit(NAPI_STATE_SCHED, &n->state) &&
	    list_empty(&n->poll_list)) {
		kmod_finding_of((unsigned long)poll, "napi-not-completed", NULL, NULL,
				"a NAPI poll returned %d of %d without napi_complete_done()", done,
				budget);
		clear_bit(NAPI_STATE_SCHED, &n->state);
	}
	rcu_read_unlock();
	return true;
}

struct sk_buff *napi_get_frags(struct napi_struct *n)
{
	if (!n->skb)
		n->skb = napi_alloc_skb(n, 256);
	return n->skb;
}

void napi_free_frags(struct napi_struct *n)
{
	kmod_free_skb(n->skb);
	n->skb = NULL;
}

gro_result_t napi_gro_frags(struct napi_struct *n)
{
	struct sk_buff *skb = n->skb;

	n->skb = NULL;
	if (!skb)
		return GRO_NORMAL;
	if (!pskb_may_pull(skb, ETH_HLEN)) {
		kmod_free_skb(skb);
		return GRO_NORMAL;
	}
	skb->protocol = eth_type_trans(skb, n->dev);
	kmod_receive(skb);
	return GRO_NORMAL;
}
