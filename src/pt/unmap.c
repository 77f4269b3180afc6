/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Unmapping. Entries in the range belong to the caller and are cleared by plain stores; a large
 * leaf that is covered in part may be split by several threads at once, so it is changed by
 * compare-exchange and looked at again when another thread was faster. A whole mapping belongs to
 * the thread that took its first leaf away by compare-exchange, since a program may unmap it twice
 * by mistake.
 *
 * What a split needs is reserved for leaves with PT_SPARE: pt->spare, with the tables that
 * splitting threads hold for a moment, has at least one table for each such leaf. Who takes one and
 * loses the race puts it back; so who finds none has only to wait for another thread's few stores.
 */
#include <sched.h>
#include "pt/table.h"

/* The children of a large leaf, but for those that lie whole in [from, to) of it. */
static void split_fill(u64 *table, u64 leaf, unsigned int shift, u64 from, u64 to)
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

/* Takes a leaf away whole; false: it is not there any more. */
static bool leaf_clear(struct pt *pt, const struct place *at)
{
	if (!pt_entry_swap(at->slot, at->entry, 0))
		return false;
	if (at->entry & PT_SPARE)
		spare_drop(pt);
	return true;
}

static u64 *split_table(struct pt *pt, u64 leaf)
{
	return leaf & PT_SPARE ? pt_spare_take(pt) : table_new(pt);
}

static void split_undo(struct pt *pt, u64 leaf, u64 *table)
{
	if (leaf & PT_SPARE)
		spare_put(pt, table);
	else
		pt_table_free(pt, table);
}

/*
 * Puts a table in place of a large leaf, without the children in [from, to) of it. Returns the
 * bytes that went; the caller looks at the same place again.
 */
static slow_path u64 leaf_split(struct pt *pt, const struct place *at, u64 from, u64 to)
{
	u64 child = 1ull << (at->shift - LEVEL_BITS), start, end, *table;

	table = split_table(pt, at->entry);
	if (!table) {
		if (!(at->entry & PT_SPARE))
			return leaf_clear(pt, at) ? 1ull << at->shift : 0;
		sched_yield();
		return 0;
	}
	split_fill(table, at->entry, at->shift, from, to);
	if (!pt_entry_swap(at->slot, at->entry, table_entry(pt, table))) {
		split_undo(pt, at->entry, table);
		return 0;
	}
	start = align_up(from, child);
	end = align_down(to, child);
	return start < end ? end - start : 0;
}

/* Takes the tables whose whole span lies in [pos, pos + left) out of the tree. */
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

/* `low`: the smallest span of an entry that was met. Small unmaps can have emptied no table. */
static inline void prune_if_large(struct pt *pt, u64 pos, u64 size, unsigned int low)
{
	if (unlikely(size >> (low + LEVEL_BITS)))
		pt_prune(pt, pt->root, ROOT_SHIFT, pos, size);
}

static u64 clear_run(u64 *slot, u64 n)
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
 * Deals with what the entry at `pos` stands for, up to `left` bytes. Returns how far that went: 0
 * when a leaf had to be split or another thread changed it, and the place is to be looked at again.
 */
hot_inline u64 unmap_step(struct pt *pt, u64 pos, u64 left, u64 *gone, unsigned int *low)
{
	struct place at = place_find(pt, pos);
	u64 span = 1ull << at.shift, from = pos & (span - 1), part;

	if (at.shift < *low)
		*low = at.shift;
	if (at.shift == PAGE_BITS) {
		part = min_u64(left >> PAGE_BITS,
			       PT_ENTRIES - (pos >> PAGE_BITS & (PT_ENTRIES - 1)));
		*gone += clear_run(at.slot, part);
		return part << PAGE_BITS;
	}
	part = min_u64(left, span - from);
	if (!entry_present(at.entry))
		return part;
	if (part < span) {
		*gone += leaf_split(pt, &at, from, from + part);
		return 0;
	}
	if (!leaf_clear(pt, &at))
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
	prune_if_large(pt, iova.v, size, low);
	return gone;
}

/* A mapping as it is gone through, leaf by leaf. */
struct trip {
	u64 pos, size;
	u64 any;	  /* what the first entry must have one of */
	u64 first;	  /* its first entry; 0: at the start */
	unsigned int low; /* the smallest leaf's shift */
	bool end;
};

/* Whether the mapping goes on with `entry`. */
hot_inline bool trip_goes_on(const struct trip *t, u64 entry)
{
	return entry_present(entry) && !t->first == !!(entry & PT_FIRST) &&
	       (t->first || entry & t->any);
}

hot_inline void trip_step(struct trip *t, u64 size)
{
	t->pos += size;
	t->size += size;
}

/*
 * From an entry that goes on to the mapping's end or the table's. False: another thread took the
 * mapping's first entry away meanwhile.
 */
hot_inline bool trip_small(struct trip *t, u64 *slot, u64 entry, bool clear)
{
	u64 n = PT_ENTRIES - (t->pos >> PAGE_BITS & (PT_ENTRIES - 1)), i = 1;

	if (clear && t->first)
		write_release(slot, 0);
	else if (clear && !pt_entry_swap(slot, entry, 0))
		return false;
	t->end = entry & PT_LAST;
	while (!t->end && i < n) {
		entry = read_once(&slot[i]);
		/* nearly all are in the middle: one look at the marks */
		if (unlikely(entry & (PT_FIRST | PT_LAST) || !entry_present(entry))) {
			t->end = true;
			if (!entry_present(entry) || entry & PT_FIRST)
				break;
		}
		if (clear)
			write_release(&slot[i], 0);
		i++;
	}
	trip_step(t, i << PAGE_BITS);
	return true;
}

/* From the first leaf to the last; each leaf is visited once, so whatever they say it ends. */
hot_inline struct trip trip_go(struct pt *pt, u64 iova, u64 any, bool clear)
{
	struct trip t = {.pos = iova, .any = any, .low = ROOT_SHIFT};

	while (!t.end && !(t.pos >> PT_IOVA_BITS)) {
		struct place at = place_find(pt, t.pos);
		u64 span = 1ull << at.shift;

		if (!trip_goes_on(&t, at.entry) || t.pos & (span - 1))
			break;
		if (at.shift < t.low)
			t.low = at.shift;
		if (at.shift == PAGE_BITS) {
			if (!trip_small(&t, at.slot, at.entry, clear))
				break;
		} else if (!clear || leaf_clear(pt, &at)) {
			trip_step(&t, span);
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
	struct trip t = trip_go(pt, iova.v, any, true);

	if (!t.size)
		return 0;
	prune_if_large(pt, iova.v, t.size, t.low);
	*first = t.first;
	return t.size;
}

u64 pt_mapping_size_slow(const struct pt *pt, iova_t iova)
{
	/* Nothing is stored with `clear` false. */
	return trip_go((struct pt *)pt, iova.v, PT_PRESENT, false).size;
}
