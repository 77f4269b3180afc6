/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/fail.h"
#include "base/fork.h"
#include "base/lock.h"

#include <string.h>

const char *const fail_names[FAIL_SITES] = {
	[FAIL_MAP] = "map",	    [FAIL_COHERENT] = "coherent", [FAIL_POOL] = "pool",
	[FAIL_PAGE] = "page",	    [FAIL_IOVA] = "iova",	  [FAIL_BOUNCE] = "bounce",
	[FAIL_LINK] = "link",	    [FAIL_BACKEND] = "backend",	  [FAIL_MEMORY] = "memory",
	[FAIL_KMALLOC] = "kmalloc", [FAIL_SKB] = "skb",		  [FAIL_IRQ] = "irq",
	[FAIL_IOREMAP] = "ioremap", [FAIL_REGISTER] = "register",
};

u32 fail_armed;

static struct {
	struct fail_rule rule;
	bool on;
	u64 seen, fired, random;
} sites[FAIL_SITES];

static struct lock fail_lock = LOCK_INIT;

/* xorshift64*: a given non-zero seed produces the same sequence on every machine. */
static double fail_random(u64 *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (double)((*state * 0x2545f4914f6cdd1dull) >> 11) / (double)(1ull << 53);
}

static bool fail_rule_hits(enum fail_site site)
{
	const struct fail_rule *r = &sites[site].rule;
	u64 seen = ++sites[site].seen;

	if (r->times && sites[site].fired >= r->times)
		return false;
	if (r->nth)
		return seen == r->nth;
	if (r->every)
		return seen % r->every == 0;
	return fail_random(&sites[site].random) < r->prob;
}

bool fail_decide(enum fail_site site, const char *dev)
{
	const struct fail_rule *r = &sites[site].rule;
	bool hit = false;

	lock_acquire(&fail_lock);
	if (sites[site].on && (!r->dev[0] || (dev && !strcmp(dev, r->dev)))) {
		hit = fail_rule_hits(site);
		sites[site].fired += hit;
	}
	lock_release(&fail_lock);
	return hit;
}

void fail_set(enum fail_site site, const struct fail_rule *rule)
{
	u32 armed = 0;

	lock_acquire(&fail_lock);
	memset(&sites[site], 0, sizeof(sites[site]));
	if (rule) {
		sites[site].rule = *rule;
		sites[site].on = true;
		sites[site].random = rule->seed ? rule->seed : 0x9e3779b97f4a7c15ull;
	}
	for (int i = 0; i < FAIL_SITES; i++)
		armed |= sites[i].on;
	write_once(&fail_armed, armed);
	lock_release(&fail_lock);
}

u64 fail_fired(enum fail_site site)
{
	u64 n;

	lock_acquire(&fail_lock);
	n = sites[site].fired;
	lock_release(&fail_lock);
	return n;
}

static void fail_fork_child(void)
{
	fail_lock = (struct lock)LOCK_INIT;
}

FORK_HOOK(fail_hook, NULL, NULL, fail_fork_child);
