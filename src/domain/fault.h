/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Faults that can be mended. The table says whom to ask before an access is refused: the program's
 * resolver, else what src/odp filled in. An access that is asking is in no port, so invalidation
 * never waits for it.
 *
 * Threads whose access lies within another's that is being asked for wait for that answer instead
 * of asking too. Waiting and asking again both end: FAULT_SECONDS, and a number of tries.
 */
#ifndef DOMAIN_FAULT_H
#define DOMAIN_FAULT_H

#include "base/compiler.h"
#include <pthread.h>

#define FAULT_SECONDS 10
#define FAULT_TRIES   1024u /* and some for each page of the access */
#define FAULT_NESTED  4	    /* a resolver's own accesses that fault */

typedef int (*fault_fn)(struct device *dev, dma_addr_t addr, size_t len, bool write, void *arg);

typedef void (*fault_settle_fn)(struct device *dev, dma_addr_t addr, size_t len);

struct fault_table {
	u32 armed;	      /* atomic: somebody can be asked */
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t change;
	fault_fn resolve; /* of the program; NULL: none */
	void *arg;
	fault_fn demand;	   /* of src/odp; NULL: none */
	unsigned int demand_users; /* contexts that need `demand`; it is set while there are any */
	fault_settle_fn settle;	   /* of src/odp; atomic, never reset; NULL: none was needed */
	struct fault_ask *asks;	   /* that run now */
};

/* One access that is being mended: begin with {0}. */
struct fault_try {
	u64 until_ns;
	u32 tries;
};

void fault_table_init(struct fault_table *t);
void fault_table_fini(struct fault_table *t);

/* fault_set() waits for calls of the one that it replaces, but for those of its own thread. */
void fault_set(struct fault_table *t, fault_fn resolve, void *arg);

/*
 * Switches the function of src/odp on for one more user, and off with the last. The count and the
 * switch change under one lock, so a user that comes while another goes is never without it. The
 * last fault_demand_put() waits for calls of the function, unless a new user comes meanwhile.
 */
void fault_demand_get(struct fault_table *t, fault_fn demand, fault_settle_fn settle);
void fault_demand_put(struct fault_table *t);

/* Before an access, where device.settles says so: no page shows memory that is not there any more.
 */
void fault_settle(struct device *dev, dma_addr_t addr, size_t len) __attribute__((cold));

/* After a refused access: true when it should be tried again. */
bool fault_ask(struct device *dev, dma_addr_t addr, size_t len, bool write, struct fault_try *t)
	__attribute__((cold));

#endif
