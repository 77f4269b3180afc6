/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Single tables. A table is in one of four states: in the tree below an entry; in limbo (removed
 * from the tree while walkers may still read it); spare (reserved for a split); or owned by the
 * thread that has just allocated it.
 *
 * Tables in limbo and spare tables are linked through their word 0, which contains the address of
 * the next table. That address is a multiple of 4096, so a walker that is still in a table in limbo
 * reads it as an entry that is not present. The other words of a table in limbo are unchanged: the
 * owner of its range has cleared the leaves, and the tables below it are in limbo as well.
 */
#include <errno.h>
#include <sched.h>
#include "pt/table.h"

u64 *table_new(struct pt *pt)
{
	u64 *table = pt->memory.alloc(pt->memory.ctx);

	if (table)
		__atomic_add_fetch(&pt->tables, 1, __ATOMIC_RELAXED);
	return table;
}

void pt_table_free(struct pt *pt, u64 *table)
{
	pt->memory.free(pt->memory.ctx, table);
	__atomic_sub_fetch(&pt->tables, 1, __ATOMIC_RELAXED);
}

u64 *table_below(struct pt *pt, u64 *slot, int *err)
{
	u64 entry = read_acquire(slot), *table;

	if (!entry_present(entry)) {
		table = table_new(pt);
		if (!table) {
			*err = -ENOMEM;
			return NULL;
		}
		if (pt_entry_swap(slot, 0, table_entry(pt, table)))
			return table;
		/* Another thread has set the entry first; both threads use its table. */
		pt_table_free(pt, table);
		entry = read_acquire(slot);
	}
	if (!entry_present(entry) || entry & PT_LARGE) {
		*err = -EEXIST;
		return NULL;
	}
	return pt_table(pt, entry);
}

bool tree_empty(const struct pt *pt, u64 *table, unsigned int shift)
{
	for (unsigned int i = 0; i < PT_ENTRIES; i++) {
		u64 entry = read_acquire(&table[i]);

		if (!entry_present(entry))
			continue;
		if (!entry_is_table(entry, shift) ||
		    !tree_empty(pt, pt_table(pt, entry), shift - LEVEL_BITS))
			return false;
	}
	return true;
}

static void pt_limbo_push(struct pt *pt, u64 *table)
{
	void *head = read_once(&pt->limbo);

	do
		write_once(&table[0], (u64)(uintptr_t)head);
	while (!__atomic_compare_exchange_n(&pt->limbo, &head, table, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED));
}

void tree_retire(struct pt *pt, u64 *table, unsigned int shift)
{
	for (unsigned int i = 0; shift > PAGE_BITS && i < PT_ENTRIES; i++) {
		u64 entry = read_acquire(&table[i]);

		if (entry_is_table(entry, shift))
			tree_retire(pt, pt_table(pt, entry), shift - LEVEL_BITS);
	}
	pt_limbo_push(pt, table);
}

void tree_free(struct pt *pt, u64 *table, unsigned int shift)
{
	for (unsigned int i = 0; shift > PAGE_BITS && i < PT_ENTRIES; i++)
		if (entry_is_table(table[i], shift))
			tree_free(pt, pt_table(pt, table[i]), shift - LEVEL_BITS);
	pt_table_free(pt, table);
}

void *pt_limbo_take(struct pt *pt)
{
	if (!read_once(&pt->limbo))
		return NULL;
	return __atomic_exchange_n(&pt->limbo, NULL, __ATOMIC_ACQUIRE);
}

void pt_limbo_free(struct pt *pt, void *taken)
{
	if (taken)
		walks_wait(pt);
	while (taken) {
		u64 *table = taken;

		taken = (void *)(uintptr_t)table[0];
		pt_table_free(pt, table);
	}
}

void pt_free_limbo(struct pt *pt)
{
	pt_limbo_free(pt, pt_limbo_take(pt));
}

void spare_put(struct pt *pt, u64 *table)
{
	lock_acquire(&pt->lock);
	table[0] = (u64)(uintptr_t)pt->spare;
	pt->spare = table;
	lock_release(&pt->lock);
}

u64 *pt_spare_take(struct pt *pt)
{
	u64 *table;

	lock_acquire(&pt->lock);
	table = pt->spare;
	if (table)
		pt->spare = (void *)(uintptr_t)table[0];
	lock_release(&pt->lock);
	return table;
}

bool spare_add(struct pt *pt)
{
	u64 *table = table_new(pt);

	if (table)
		spare_put(pt, table);
	return table;
}

void spare_drop(struct pt *pt)
{
	u64 *table;

	/* If there is none, a thread that lost the race for a split is about to return one. */
	while (!(table = pt_spare_take(pt)))
		sched_yield();
	pt_table_free(pt, table);
}
