/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page faults. Before an access is refused, the table's function is called to map the page: the
 * program's resolver, or else the function of src/odp. The access has left its port at that time,
 * so an invalidation never waits for it.
 *
 * If an access is within another one that is being resolved, its thread waits for that resolution
 * instead of calling the function. Waits are bounded by FAULT_SECONDS, and retries by their number.
 */
#ifndef DOMAIN_FAULT_H
#define DOMAIN_FAULT_H

#include "base/compiler.h"
#include <pthread.h>

#define FAULT_SECONDS 10
#define FAULT_TRIES   1024u /* plus some for every page of the access */
#define FAULT_NESTED  4	    /* maximum nesting of accesses by a resolver that fault themselves */

typedef int (*fault_fn)(struct device *dev, dma_addr_t addr, size_t len, bool write, void *arg);

typedef void (*fault_settle_fn)(struct device *dev, dma_addr_t addr, size_t len);

struct fault_table {
	u32 armed;	      /* atomic: a function is set */
	pthread_mutex_t lock; /* guards the fields below */
	pthread_cond_t change;
	fault_fn resolve; /* the program's resolver; NULL: none */
	void *arg;
	fault_fn demand;	   /* of src/odp; NULL: none */
	unsigned int demand_users; /* contexts that need `demand`; it is set while there are any */
	fault_settle_fn settle;	   /* of src/odp; atomic, never reset; NULL: none was needed */
	struct fault_ask *asks;	   /* calls in progress */
};

/* One access that is being resolved: begin with {0}. */
struct fault_try {
	u64 until_ns;
	u32 tries;
};

void fault_table_init(struct fault_table *t);
void fault_table_fini(struct fault_table *t);

/*
 * Sets the program's resolver. Waits for calls of the resolver that it replaces, except for a call
 * in this thread.
 */
void fault_set(struct fault_table *t, fault_fn resolve, void *arg);

/*
 * Switches the function of src/odp on for one more user, and off with the last. The count and the
 * function change under one lock, so the function is set whenever there is a user. The last
 * fault_demand_put() waits for calls of the function, unless there is a new user meanwhile.
 */
void fault_demand_get(struct fault_table *t, fault_fn demand, fault_settle_fn settle);
void fault_demand_put(struct fault_table *t);

/*
 * Called before an access if device.settles is set: ensures that no page is linked to a copy of
 * memory that is gone.
 */
void fault_settle(struct device *dev, dma_addr_t addr, size_t len) __attribute__((cold));

/* Called after a refused access. Returns true if the caller must retry the access. */
bool fault_ask(struct device *dev, dma_addr_t addr, size_t len, bool write, struct fault_try *t)
	__attribute__((cold));

#endif
