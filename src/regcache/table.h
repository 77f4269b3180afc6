/* SPDX-License-Identifier: BSD-2-Clause */
/* The entries of the registration cache of policy=persistent, and their lookup. See table.c. */
#ifndef REGCACHE_TABLE_H
#define REGCACHE_TABLE_H

#include "odp/itree.h"
#include "regcache/regcache.h"

#include <pthread.h>

#define SLOTS	    65536u
#define WAYS	    4u
#define COUNT_LIMIT 32768u
#define BYTES_LIMIT (64ull << 30)

struct regcache_hot {
	u64 key;  /* atomic: first page << 2 | permissions; 0: serves nothing */
	u64 page; /* `page` and `pages` are written while key is 0 and the slot is not in use */
	u32 pages;
	u32 stamp;		/* epoch of the last use; written by every user */
} __attribute__((aligned(32))); /* never across two cache lines */

struct regcache_cold {
	struct itree_node va, bus; /* both in bytes */
	/* neighbours in the list by last use, of mappings that serve requests */
	u32 before, after;
	u32 stamp; /* hot.stamp when it was put at its position in the list */
	u64 made;  /* events up to this number concern older memory */
	bool taken, serves, linked;
};

struct regcache_thread {
	struct tslot slot;
	s32 *uses; /* by slot; written by the owner; NULL: no memory */
};

struct regcache_table {
	struct regcache regcache;
	struct device *dev;
	struct regcache_table *next; /* in the list of all caches; under regcaches_lock */
	struct regcache_hot *hot;
	struct regcache_cold *cold;
	struct tslot_key threads;
	bool fences; /* membarrier is not available, so hits need a fence */
	u32 epoch;   /* atomic; changes with every new mapping */

	pthread_mutex_t lock;
	struct itree by_va, by_bus;
	u32 newest, oldest; /* ends of the list; SLOTS: empty */
	u32 count, count_limit;
	u64 bytes, bytes_limit;

	struct lock fold_lock;
	s32 *folded;
};

hot_inline u32 regcache_bucket(u64 key, unsigned int which)
{
	u64 mixed = key * 0x9e3779b97f4a7c15ull;

	return (u32)(which ? mixed >> 16 : mixed >> 50) % (SLOTS / WAYS) * WAYS;
}

/* Returns the slot that serves the key, or SLOTS. */
hot_inline u32 regcache_find(const struct regcache_table *c, u64 key)
{
	for (unsigned int which = 0; which < 2; which++) {
		u32 first = regcache_bucket(key, which);
		const struct regcache_hot *h = &c->hot[first];

		for (u32 i = 0; i < WAYS; i++)
			if (read_acquire(&h[i].key) == key)
				return first + i;
	}
	return SLOTS;
}

hot_inline u64 regcache_key(u64 va, u64 prot)
{
	return va >> PAGE_BITS << 2 | prot;
}

hot_inline bool regcache_slot_matches(const struct regcache_table *c, const struct regcache_hot *h,
				      u64 key, u64 pages)
{
	return read_acquire(&h->key) == key && read_once(&h->pages) >= pages &&
	       read_once(&h->page) + pages - 1 <= read_once(&c->dev->dma_last) >> PAGE_BITS;
}

/* table.c; the mappings and their slots. Under lock, except the last two. */
void regcache_stop_serving(struct regcache_table *c, u32 i);
void regcache_release_slot(struct regcache_table *c, u32 i); /* frees its device addresses, too */
void regcache_retire(struct regcache_table *c, u32 i);	     /* serves no more; users keep it */
void regcache_lose_pages(struct regcache_table *c, u32 i, u64 first, u64 last);
bool regcache_drop_oldest(struct regcache_table *c); /* false: all are in use */
u64 regcache_map(struct regcache *k, phys_t pa, u64 size, u64 prot);
int regcache_unmap(struct regcache *k, u64 bus, u64 size);
void regcache_thread_attach(struct tslot_key *key, struct tslot *s);
void regcache_thread_retire(struct tslot_key *key, struct tslot *s);

#endif
