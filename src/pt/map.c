/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Mapping. The range belongs to the caller, so its leaf entries need no compare-exchange: the entry
 * is read, checked to be free and stored. Entries that point to tables are shared with mappings of
 * neighbouring ranges and are set by compare-exchange; the thread that loses uses the winner's
 * table.
 *
 * On failure the entries stored so far are cleared again. Tables allocated meanwhile stay empty in
 * the tree, because another thread may already use them, unless the cleared range spans all of
 * them.
 */
#include "base/error.h"
#include "pt/table.h"

/* What is still to be mapped. [pos, pos + left) stays below 2^48 and pa + left at most 2^52. */
struct pt_map_job {
	struct pt *pt;
	u64 pos, pa, left;
	u64 flags; /* of every leaf, without PT_FIRST and PT_LAST */
	u64 first; /* PT_FIRST until the first leaf is stored, or 0 */
	u64 last;  /* PT_LAST, or 0 */
	unsigned int options;
};

static unsigned int pt_leaf_shift(const struct pt_map_job *job)
{
	u64 bits = job->pos | job->pa;

	if (job->left >> MIB2_SHIFT == 0 || bits & ((1ull << MIB2_SHIFT) - 1) ||
	    job->pt->leaf_shift < MIB2_SHIFT)
		return PAGE_BITS;
	if (job->left >> GIB_SHIFT == 0 || bits & ((1ull << GIB_SHIFT) - 1) ||
	    job->options & PT_MAP_SPLIT || job->pt->leaf_shift < GIB_SHIFT)
		return MIB2_SHIFT;
	return GIB_SHIFT;
}

/* Returns the table for job->pos whose entries span 2^shift bytes, or NULL with *err set. */
static u64 *pt_table_at(const struct pt_map_job *job, unsigned int shift, int *err)
{
	u64 *table = job->pt->root, *slot, entry;

	for (unsigned int up = ROOT_SHIFT; up > shift; up -= LEVEL_BITS) {
		slot = table_slot(table, job->pos, up);
		entry = read_acquire(slot);
		if (likely(entry_is_table(entry, up))) {
			table = pt_table(job->pt, entry);
			continue;
		}
		table = table_below(job->pt, slot, err);
		if (!table)
			return NULL;
	}
	return table;
}

static void pt_job_advance(struct pt_map_job *job, u64 done)
{
	job->pos += done;
	job->pa += done;
	job->left -= done;
	job->first = 0;
}

static bool pt_run_free(const u64 *slot, u64 n)
{
	u64 all = 0;

	for (u64 i = 0; i < n; i++)
		all |= read_once(&slot[i]);
	return !entry_present(all);
}

static void pt_run_store(u64 *slot, u64 n, u64 entry, u64 first, u64 last)
{
	u64 *end = slot + n - 1;

	if (n == 1) {
		write_release(slot, entry | first | last);
		return;
	}
	write_release(slot, entry | first);
	for (entry += PAGE_BYTES; ++slot < end; entry += PAGE_BYTES)
		write_release(slot, entry);
	write_release(slot, entry | last);
}

/* Stores entries up to the end of the table or of the job, whichever comes first. */
static int map_small(struct pt_map_job *job)
{
	int err = 0;
	u64 *table = pt_table_at(job, PAGE_BITS, &err), *slot, n;

	if (!table)
		return err;
	slot = table_slot(table, job->pos, PAGE_BITS);
	n = min_u64((u64)(table + PT_ENTRIES - slot), job->left >> PAGE_BITS);
	if (unlikely(!pt_run_free(slot, n)))
		return -EEXIST;
	pt_run_store(slot, n, job->pa | job->flags, job->first,
		     n == job->left >> PAGE_BITS ? job->last : 0);
	pt_job_advance(job, n << PAGE_BITS);
	return 0;
}

/* Stores a leaf in an entry that is free or that points only to empty tables of former mappings. */
static int pt_leaf_set(struct pt *pt, u64 *slot, unsigned int shift, u64 leaf)
{
	u64 entry = read_acquire(slot), *table;

	if (likely(!entry_present(entry))) {
		write_release(slot, leaf);
		return 0;
	}
	if (entry & PT_LARGE)
		return -EEXIST;
	table = pt_table(pt, entry);
	if (!tree_empty(pt, table, shift - LEVEL_BITS) || !pt_entry_swap(slot, entry, leaf))
		return -EEXIST;
	tree_retire(pt, table, shift - LEVEL_BITS);
	return 0;
}

static int map_large(struct pt_map_job *job, unsigned int shift)
{
	int err = 0;
	u64 span = 1ull << shift, leaf = job->pa | job->flags | job->first | PT_LARGE;
	u64 *table = pt_table_at(job, shift, &err);

	if (!table)
		return err;
	if (job->left == span)
		leaf |= job->last;
	if (job->options & PT_MAP_SPLIT) {
		if (!spare_add(job->pt))
			return -ENOMEM;
		leaf |= PT_SPARE;
	}
	err = pt_leaf_set(job->pt, table_slot(table, job->pos, shift), shift, leaf);
	if (err) {
		if (leaf & PT_SPARE)
			spare_drop(job->pt);
		return err;
	}
	pt_job_advance(job, span);
	return 0;
}

static slow_path int map_failed(struct pt *pt, u64 iova, u64 size, u64 done, int err)
{
	const char *why = err == -EEXIST ? "part of the range is mapped already; unmap it first"
					 : "no memory for a page table; unmap other memory or give "
					   "the machine more RAM";

	if (done)
		pt_unmap(pt, IOVA(iova), done);
	return error_set(-err, "cannot map 0x%llx bytes at device address 0x%llx: %s",
			 (unsigned long long)size, (unsigned long long)iova, why);
}

static slow_path int map_refused(u64 iova, u64 pa, u64 size, u64 flags)
{
	return error_set(
		EINVAL,
		"cannot map 0x%llx bytes at device address 0x%llx to 0x%llx, flags 0x%llx: "
		"all three must be multiples of 4096, the device addresses below 2^48, the "
		"physical addresses below 2^52, and the flags must allow reading or writing",
		(unsigned long long)size, (unsigned long long)iova, (unsigned long long)pa,
		(unsigned long long)flags);
}

int pt_map(struct pt *pt, iova_t iova, phys_t pa, u64 size, u64 flags, unsigned int options)
{
	struct pt_map_job job = {
		.pt = pt,
		.pos = iova.v,
		.pa = pa.v,
		.left = size,
		.flags = flags & ~PT_WHOLE,
		.first = flags & PT_FIRST,
		.last = flags & PT_LAST,
		.options = options,
	};
	unsigned int shift;
	int err;

	if (unlikely((iova.v | pa.v | size) & (PAGE_BYTES - 1) || !(flags & PT_PRESENT) ||
		     flags & ~PT_FLAGS || options & ~PT_MAP_SPLIT || !size ||
		     !range_within(iova.v, size, 1ull << PT_IOVA_BITS) ||
		     !range_within(pa.v, size, PT_ADDR + PAGE_BYTES)))
		return map_refused(iova.v, pa.v, size, flags);
	if (likely(size == PAGE_BYTES && pt_map_4k(pt, iova, pa, flags)))
		return 0;
	do {
		shift = pt_leaf_shift(&job);
		err = likely(shift == PAGE_BITS) ? map_small(&job) : map_large(&job, shift);
		if (unlikely(err))
			return map_failed(pt, iova.v, size, size - job.left, err);
	} while (job.left);
	return 0;
}

int pt_cursor_map_slow(struct pt *pt, struct pt_cursor *at, iova_t iova, phys_t pa, u64 size,
		       u64 flags)
{
	int err = pt_map(pt, iova, pa, size, flags, 0);
	u64 last;

	if (err)
		return err;
	/* The next piece begins after this one, mostly in the table where this one ends. */
	last = iova.v + (size - 1);
	at->table = pt_leaf_table(pt, IOVA(last));
	at->area = at->table ? (last >> MIB2_SHIFT) + 1 : 0;
	return 0;
}
