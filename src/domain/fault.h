/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Recoverable faults. Before an access is refused, the resolver in this table is called: the
 * program's, or else the one that src/odp sets. The access is in no port during that call, so
 * invalidation never waits for it.
 *
 * If the resolver already runs for an access of another thread that includes this one, the thread
 * waits for that call instead of making its own. Waits and retries are bounded by FAULT_SECONDS and
 * by a number of tries.
 */
#ifndef DOMAIN_FAULT_H
#define DOMAIN_FAULT_H

#include "base/compiler.h"
#include <pthread.h>

#define FAULT_SECONDS 10
#define FAULT_TRIES   1024u /* plus 4 for each page of the access */
#define FAULT_NESTED  4	    /* depth of resolver calls for faults of a resolver's accesses */

typedef int (*fault_fn)(struct device *dev, dma_addr_t addr, size_t len, bool write, void *arg);

struct fault_table {
	u32 armed;	      /* atomic: there is a resolver */
	pthread_mutex_t lock; /* guards the fields below, and writes of `armed` */
	pthread_cond_t change;
	fault_fn resolve; /* the program's resolver; NULL: none */
	void *arg;
	fault_fn demand; /* the resolver of src/odp; NULL: none */
	void *demand_arg;
	struct fault_ask *asks; /* resolver calls that are running */
};

/* The retries of one access. Initialize it with {0}. */
struct fault_try {
	u64 until_ns;
	u32 tries;
};

void fault_table_init(struct fault_table *t);
void fault_table_fini(struct fault_table *t);

/* Both wait until calls of the replaced resolver have ended, except calls of the same thread. */
void fault_set(struct fault_table *t, fault_fn resolve, void *arg);
void fault_set_demand(struct fault_table *t, fault_fn demand, void *arg);

/* Called after a refused access. True: the caller tries the access again. */
bool fault_ask(struct device *dev, dma_addr_t addr, size_t len, bool write, struct fault_try *t)
	__attribute__((cold));

#endif
