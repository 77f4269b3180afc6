/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thread slots. For every owner (an IOVA space, a DMA pool, a device), every thread that uses it
 * has its own record, which is found without a lock or an atomic instruction. Caches, counters and
 * the flags of running accesses are stored there.
 *
 * When a thread ends, `retire` releases what the slot holds, and the slot is removed from the key's
 * list, so the cost of a walk depends on the current threads only. The slot's memory stays until
 * the key is destroyed; the next new thread reuses it.
 *
 * tslot_first() and tslot_next() walk the list at any time without a lock. A walker at a slot that
 * is removed continues with the slots behind it, so every slot that is on the list during the whole
 * walk is visited. If the slot is reused meanwhile, it is inserted at the head, and the walker
 * continues from there: it may visit a slot twice. A walk that must visit every slot once runs
 * between tslot_lock() and tslot_unlock().
 *
 *   operation     | may run at once with
 *   tslot_get     | everything but destroy of the same key
 *   tslot_next    | everything but destroy of the same key
 *   thread ends   | everything; serialised with destroy and tslot_lock() by one lock
 */
#ifndef BASE_TSLOT_H
#define BASE_TSLOT_H

#include "base/lock.h"

struct tslot_table;

struct tslot {		    /* header of every slot; cache-line aligned */
	struct tslot *next; /* in the key's list. Atomic; written under the global lock */
};

struct tslot_key {
	u32 id; /* index in every thread's table; 0: not initialised */
	u32 size;
	struct tslot *all;    /* slots that threads own. Atomic; written under the global lock */
	struct tslot *unused; /* slots for reuse; under the global lock */
	/*
	 * Called by the slot's thread for every new or reused slot. The slot is zeroed before its
	 * first use.
	 */
	void (*attach)(struct tslot_key *, struct tslot *);
	/*
	 * Called when the slot's thread ends or the key is destroyed; releases what the slot holds.
	 * No walker accesses the slot's content afterwards. Called under the global lock.
	 */
	void (*retire)(struct tslot_key *, struct tslot *);
};

struct tslot_table {
	u32 n;
	struct tslot **slot;
};

extern _Thread_local struct tslot_table tslot_tls
	__attribute__((tls_model("initial-exec"), visibility("hidden")));

/* Returns 0 or -ENOMEM. attach and retire may be NULL. */
int tslot_key_init(struct tslot_key *key, size_t size,
		   void (*attach)(struct tslot_key *, struct tslot *),
		   void (*retire)(struct tslot_key *, struct tslot *));

/* No thread may be using the key. Retires and frees every slot. */
void tslot_key_destroy(struct tslot_key *key);

struct tslot *tslot_get_slow(struct tslot_key *key) __attribute__((cold));

/* Returns this thread's slot. NULL: no memory for one; the caller must work without it. */
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

/* Like tslot_get(), but never creates a slot: NULL if the thread has none. Calls nothing. */
hot_inline struct tslot *tslot_peek(struct tslot_key *key)
{
	return likely(key->id < tslot_tls.n) ? read_once(&tslot_tls.slot[key->id]) : NULL;
}

/* The slots of all threads: for (s = tslot_first(k); s; s = tslot_next(s)) */
hot_inline struct tslot *tslot_first(struct tslot_key *key)
{
	return read_acquire(&key->all);
}

hot_inline struct tslot *tslot_next(struct tslot *s)
{
	return read_acquire(&s->next);
}

/* Between these calls no slot joins or leaves a list, so a walk visits every slot once. */
void tslot_lock(void);
void tslot_unlock(void);

#endif
