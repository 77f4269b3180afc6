/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unmapping. Entries in the range belong to the caller and are cleared by plain stores. A large
 * leaf of which only a part is unmapped may be split by several threads at once; it is therefore
 * changed by compare-exchange and read again when another thread changed it first. Because a
 * program may unmap a whole mapping twice by mistake, the mapping belongs to the thread that
 * cleared its first leaf by compare-exchange.
 *
 * A table for the split is reserved for every leaf with PT_SPARE: pt->spare, together with the
 * tables that splitting threads hold temporarily, has at least one table for each such leaf. A
 * thread that takes one and loses the race puts it back. A thread that finds no table therefore
 * waits only for a few stores of another thread.
 */
#include <sched.h>
#include "pt/table.h"

/* Fills `table` with the children of a large leaf, except those wholly inside [from, to) of it. */
static void pt_split_fill(u64 *table, u64 leaf, unsigned int shift, u64 from, u64 to)
{
	unsigned int child = shift - LEVEL_BITS;
	u64 step = 1ull << child, plain = leaf & ~(PT_WHOLE | PT_SPARE);
	u64 last = PT_ENTRIES, entry;
	bool first = true;

	if (child == PAGE_BITS)
		plain &= ~PT_LARGE;
	for (u64 i = 0; i < PT_ENTRIES; i++) {
		u64 offset = i << child;

		if (offset >= from && offset < to && step <= to - offset) {
			table[i] = 0;
			continue;
		}
		entry = plain + offset;
		if (first)
			entry |= leaf & PT_FIRST;
		first = false;
		table[i] = entry;
		last = i;
	}
	if (last < PT_ENTRIES)
		table[last] |= leaf & PT_LAST;
}

/* Clears a whole leaf; false: the entry has changed since it was read. */
static bool pt_leaf_clear(struct pt *pt, const struct pt_place *at)
{
	if (!pt_entry_swap(at->slot, at->entry, 0))
		return false;
	if (at->entry & PT_SPARE)
		spare_drop(pt);
	return true;
}

static u64 *pt_split_table(struct pt *pt, u64 leaf)
{
	return leaf & PT_SPARE ? pt_spare_take(pt) : table_new(pt);
}

static void pt_split_undo(struct pt *pt, u64 leaf, u64 *table)
{
	if (leaf & PT_SPARE)
		spare_put(pt, table);
	else
		pt_table_free(pt, table);
}

/*
 * Replaces a large leaf by a table of its children without those in [from, to). Returns the number
 * of bytes unmapped. The caller then reads the entry for the same address again.
 */
static slow_path u64 pt_leaf_split(struct pt *pt, const struct pt_place *at, u64 from, u64 to)
{
	u64 child = 1ull << (at->shift - LEVEL_BITS), start, end, *table;

	table = pt_split_table(pt, at->entry);
	if (!table) {
		if (!(at->entry & PT_SPARE))
			return pt_leaf_clear(pt, at) ? 1ull << at->shift : 0;
		sched_yield();
		return 0;
	}
	pt_split_fill(table, at->entry, at->shift, from, to);
	if (!pt_entry_swap(at->slot, at->entry, table_entry(pt, table))) {
		pt_split_undo(pt, at->entry, table);
		return 0;
	}
	start = align_up(from, child);
	end = align_down(to, child);
	return start < end ? end - start : 0;
}

/* Removes from the tree the tables whose whole span is in [pos, pos + left). */
static void pt_prune(struct pt *pt, u64 *table, unsigned int shift, u64 pos, u64 left)
{
	u64 span = 1ull << shift, part, *slot, entry;

	for (; left; pos += part, left -= part) {
		part = min_u64(left, span - (pos & (span - 1)));
		slot = table_slot(table, pos, shift);
		entry = read_acquire(slot);
		if (!entry_is_table(entry, shift))
			continue;
		if (part < span)
			pt_prune(pt, pt_table(pt, entry), shift - LEVEL_BITS, pos, part);
		else if (pt_entry_swap(slot, entry, 0))
			tree_retire(pt, pt_table(pt, entry), shift - LEVEL_BITS);
	}
}

/*
 * 2^low is the smallest span of an entry that the unmap visited. An unmap smaller than a table of
 * such entries spans no whole table, so there is nothing to remove.
 */
static inline void pt_prune_if_large(struct pt *pt, u64 pos, u64 size, unsigned int low)
{
	if (unlikely(size >> (low + LEVEL_BITS)))
		pt_prune(pt, pt->root, ROOT_SHIFT, pos, size);
}

static u64 pt_clear_run(u64 *slot, u64 n)
{
	u64 gone = 0;

	for (u64 i = 0; i < n; i++) {
		if (!entry_present(read_once(&slot[i])))
			continue;
		write_release(&slot[i], 0);
		gone++;
	}
	return gone << PAGE_BITS;
}

/*
 * Unmaps what the entry for `pos` covers, at most `left` bytes. Returns the number of bytes
 * handled. It is 0 when the leaf had to be split or another thread changed it; the caller then
 * reads the entry for `pos` again.
 */
hot_inline u64 unmap_step(struct pt *pt, u64 pos, u64 left, u64 *gone, unsigned int *low)
{
	struct pt_place at = place_find(pt, pos);
	u64 span = 1ull << at.shift, from = pos & (span - 1), part;

	if (at.shift < *low)
		*low = at.shift;
	if (at.shift == PAGE_BITS) {
		part = min_u64(left >> PAGE_BITS,
			       PT_ENTRIES - (pos >> PAGE_BITS & (PT_ENTRIES - 1)));
		*gone += pt_clear_run(at.slot, part);
		return part << PAGE_BITS;
	}
	part = min_u64(left, span - from);
	if (!entry_present(at.entry))
		return part;
	if (part < span) {
		*gone += pt_leaf_split(pt, &at, from, from + part);
		return 0;
	}
	if (!pt_leaf_clear(pt, &at))
		return 0;
	*gone += span;
	return span;
}

u64 pt_unmap(struct pt *pt, iova_t iova, u64 size)
{
	u64 done = 0, gone = 0;
	unsigned int low = ROOT_SHIFT;

	if (unlikely((iova.v | size) & (PAGE_BYTES - 1) ||
		     !range_within(iova.v, size, 1ull << PT_IOVA_BITS)))
		return 0;
	while (done < size)
		done += unmap_step(pt, iova.v + done, size - done, &gone, &low);
	pt_prune_if_large(pt, iova.v, size, low);
	return gone;
}

/* The state of a walk over one mapping, leaf by leaf. */
struct pt_trip {
	u64 pos, size;
	u64 any;	  /* flags of which the first entry must have at least one */
	u64 first;	  /* the first entry; 0 until it was visited */
	unsigned int low; /* the smallest leaf's shift */
	bool end;
};

/* Whether `entry` belongs to the mapping: a first leaf at the start, no first leaf later. */
hot_inline bool pt_trip_continues(const struct pt_trip *t, u64 entry)
{
	return entry_present(entry) && !t->first == !!(entry & PT_FIRST) &&
	       (t->first || entry & t->any);
}

hot_inline void pt_trip_step(struct pt_trip *t, u64 size)
{
	t->pos += size;
	t->size += size;
}

/*
 * Visits the entries from `slot`, which belongs to the mapping, to the end of the mapping or of the
 * table. Returns false if another thread has cleared the first entry of the mapping meanwhile.
 */
hot_inline bool pt_trip_small(struct pt_trip *t, u64 *slot, u64 entry, bool clear)
{
	u64 n = PT_ENTRIES - (t->pos >> PAGE_BITS & (PT_ENTRIES - 1)), i = 1;

	if (clear && t->first)
		write_release(slot, 0);
	else if (clear && !pt_entry_swap(slot, entry, 0))
		return false;
	t->end = entry & PT_LAST;
	while (!t->end && i < n) {
		entry = read_once(&slot[i]);
		/* Nearly all entries are in the middle; one test covers both marks. */
		if (unlikely(entry & (PT_FIRST | PT_LAST) || !entry_present(entry))) {
			t->end = true;
			if (!entry_present(entry) || entry & PT_FIRST)
				break;
		}
		if (clear)
			write_release(&slot[i], 0);
		i++;
	}
	pt_trip_step(t, i << PAGE_BITS);
	return true;
}

/*
 * Walks a mapping from its first leaf to its last. No leaf is visited twice, so the loop ends even
 * if PT_LAST is missing.
 */
hot_inline struct pt_trip pt_trip_run(struct pt *pt, u64 iova, u64 any, bool clear)
{
	struct pt_trip t = {.pos = iova, .any = any, .low = ROOT_SHIFT};

	while (!t.end && !(t.pos >> PT_IOVA_BITS)) {
		struct pt_place at = place_find(pt, t.pos);
		u64 span = 1ull << at.shift;

		if (!pt_trip_continues(&t, at.entry) || t.pos & (span - 1))
			break;
		if (at.shift < t.low)
			t.low = at.shift;
		if (at.shift == PAGE_BITS) {
			if (!pt_trip_small(&t, at.slot, at.entry, clear))
				break;
		} else if (!clear || pt_leaf_clear(pt, &at)) {
			pt_trip_step(&t, span);
			t.end = at.entry & PT_LAST;
		} else {
			continue;
		}
		if (!t.first)
			t.first = at.entry;
	}
	return t;
}

u64 pt_unmap_mapping_slow(struct pt *pt, iova_t iova, u64 any, u64 *first)
{
	struct pt_trip t = pt_trip_run(pt, iova.v, any, true);

	if (!t.size)
		return 0;
	pt_prune_if_large(pt, iova.v, t.size, t.low);
	*first = t.first;
	return t.size;
}

u64 pt_mapping_size_slow(const struct pt *pt, iova_t iova)
{
	/* The cast is safe: nothing is stored while `clear` is false. */
	return pt_trip_run((struct pt *)pt, iova.v, PT_PRESENT, false).size;
}
