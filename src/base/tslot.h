/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thread slots: for each owner (an IOVA space, a DMA pool, a device) each thread that uses it has
 * a record of its own, found without a lock or an atomic instruction. Caches, counters and the
 * "I am in an access" flags live there.
 *
 * A slot's memory stays until its key is destroyed: when the thread ends, `retire` gives back what
 * the slot holds and the slot waits for the next new thread. So tslot_next() may walk all slots of
 * a key at any time, without a lock.
 *
 *  operation     | may run at once with
 *  tslot_get     | everything but destroy of the same key
 *  tslot_next    | everything but destroy of the same key
 *  thread ends   | everything; serialised with destroy by one lock
 */
#ifndef BASE_TSLOT_H
#define BASE_TSLOT_H

#include "base/lock.h"

struct tslot_table;

struct tslot {		    /* begins each slot; cache-line aligned */
	struct tslot *next; /* of all slots of the key, never shortened before destroy */
	struct tslot_table
		*table; /* of the thread that has it; NULL: free. Under the global lock */
};

struct tslot_key {
	u32 id; /* place in each thread's table; 0: not initialised */
	u32 size;
	struct tslot *all; /* pushed by a release store under the global lock */
	/* called once for each new or reused slot, by its thread; zeroed before a first use */
	void (*attach)(struct tslot_key *, struct tslot *);
	/* the slot's thread ends or the key is destroyed: give back what it holds */
	void (*retire)(struct tslot_key *, struct tslot *);
};

struct tslot_table {
	u32 n;
	struct tslot **slot;
};

extern _Thread_local struct tslot_table tslot_tls
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* 0 or -ENOMEM. attach and retire may be NULL. */
int tslot_key_init(struct tslot_key *key, size_t size,
		   void (*attach)(struct tslot_key *, struct tslot *),
		   void (*retire)(struct tslot_key *, struct tslot *));

/* No thread may be using the key. Retires and frees each slot. */
void tslot_key_destroy(struct tslot_key *key);

struct tslot *tslot_get_slow(struct tslot_key *key) __attribute__((cold));

/* This thread's slot; NULL when there is no memory for one: do without. */
hot_inline struct tslot *tslot_get(struct tslot_key *key)
{
	struct tslot *s;

	if (likely(key->id < tslot_tls.n)) {
		s = read_once(&tslot_tls.slot[key->id]);
		if (likely(s))
			return s;
	}
	return tslot_get_slow(key);
}

/* The same without making one: NULL the first time, too. Calls nothing. */
hot_inline struct tslot *tslot_peek(struct tslot_key *key)
{
	return likely(key->id < tslot_tls.n) ? read_once(&tslot_tls.slot[key->id]) : NULL;
}

/* All slots, also those waiting for a thread: for (s = tslot_first(k); s; s = s->next) */
hot_inline struct tslot *tslot_first(struct tslot_key *key)
{
	return read_acquire(&key->all);
}

#endif
