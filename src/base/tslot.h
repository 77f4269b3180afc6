/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Thread slots: for each owner (an IOVA space, a DMA pool, a device) each thread that uses it has
 * a record of its own, found without a lock or an atomic instruction. Caches, counters and the
 * "I am in an access" flags live there.
 *
 * When a thread ends, `retire` gives back what the slot holds, and the slot is taken off the key's
 * list: what walks the slots of a key costs what the threads of now cost, not those of the past.
 * The slot's memory stays until the key is destroyed, and the next new thread uses it again.
 *
 * tslot_first() and tslot_next() walk the list at any time, without a lock. A walker that stands on
 * a slot which is taken off goes on to the slots behind it, so each slot that is on the list all
 * the time is visited. When that slot is used again, which puts it at the head, the walker begins
 * again from there: it may visit a slot twice. What must visit each slot once walks between
 * tslot_lock() and tslot_unlock().
 *
 *  operation     | may run at once with
 *  tslot_get     | everything but destroy of the same key
 *  tslot_next    | everything but destroy of the same key
 *  thread ends   | everything; serialised with destroy and tslot_lock() by one lock
 */
#ifndef BASE_TSLOT_H
#define BASE_TSLOT_H

#include "base/lock.h"

struct tslot_table;

struct tslot {		    /* begins each slot; cache-line aligned */
	struct tslot *next; /* of the key's list. Atomic; written under the global lock */
};

struct tslot_key {
	u32 id; /* place in each thread's table; 0: not initialised */
	u32 size;
	struct tslot *all;    /* those that threads have. Atomic; written under the global lock */
	struct tslot *unused; /* the others; under the global lock */
	/* called once for each new or reused slot, by its thread; zeroed before a first use */
	void (*attach)(struct tslot_key *, struct tslot *);
	/*
	 * The slot's thread ends or the key is destroyed: gives back all that it holds. No walker
	 * looks into it afterwards. Called under the global lock.
	 */
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

/* The slots of all threads: for (s = tslot_first(k); s; s = tslot_next(s)) */
hot_inline struct tslot *tslot_first(struct tslot_key *key)
{
	return read_acquire(&key->all);
}

hot_inline struct tslot *tslot_next(struct tslot *s)
{
	return read_acquire(&s->next);
}

/* Between them no slot joins or leaves a list. For walks that must visit each slot once. */
void tslot_lock(void);
void tslot_unlock(void);

#endif
