/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables in VT-d's second-stage format (Intel VT-d architecture specification, "Second-Stage
 * Paging Entries"): 48-bit IOVA, 4 levels of 512 entries, leaves of 4 KiB, 2 MiB, 1 GiB.
 *
 * An entry is present when it allows reading or writing. Each change of an entry is one store or
 * one compare-exchange, so a walker reads the old or the new entry, never a mixture.
 *
 * Which operations may run at once on one table:
 *   map, unmap      | with map and unmap of other ranges; they share no lock
 *   walk            | with all others, for a range that the caller owns or inside pt_walk_enter()
 *   pt_limbo_take   | with all others
 *   pt_free_limbo   | only when no walk that began before the last unmap or map still runs
 *   pt_fini         | with no other
 *
 * The thread that maps or unmaps a range owns it until the call returns: no other thread changes it
 * meanwhile. The IOVA allocator guarantees this.
 */
#ifndef PT_PT_H
#define PT_PT_H

#include "base/compiler.h"
#include "base/lock.h"
#include "base/math.h"

#define PT_READ	 (1ull << 0)
#define PT_WRITE (1ull << 1)
#define PT_LARGE (1ull << 7)
#define PT_ADDR	 0x000ffffffffff000ull

/* Hardware ignores bits 52 to 61, so software may use them. */
#define PT_FIRST    (1ull << 52) /* the first leaf of a mapping */
#define PT_LAST	    (1ull << 53) /* its last leaf */
#define PT_UNCACHED (1ull << 54) /* the device accesses the CPU's view (coherent memory) */
#define PT_SOFT_A   (1ull << 55) /* for the use of the mapping's owner, as the next two */
#define PT_SOFT_B   (1ull << 56)
#define PT_SOFT_C   (1ull << 57)
#define PT_ON_DEMAND                                                                               \
	(1ull << 59)	      /* memory that may be unmapped; copied by system calls only          \
			       */
#define PT_KEPT	 (1ull << 60) /* belongs to the registration cache of policy=persistent */
#define PT_SPARE (1ull << 58) /* internal: pt->spare holds a table for splitting this leaf */
#define PT_FLAGS (~PT_ADDR & ~PT_LARGE & ~PT_SPARE)

#define PT_PRESENT (PT_READ | PT_WRITE)
#define PT_WHOLE   (PT_FIRST | PT_LAST) /* a mapping of one leaf */

#define PT_IOVA_BITS 48
#define PT_ENTRIES   512

/*
 * The allocator of tables. A table is one zeroed page, whose address is base + its physical
 * address. Any thread may call both functions at any time. Pages that are freed are not zeroed.
 */
struct pt_memory {
	u8 *base;
	void *(*alloc)(void *ctx); /* NULL: no memory */
	void (*free)(void *ctx, void *table);
	void *ctx;
};

struct pt {
	u64 *root; /* fixed from pt_init to pt_fini */
	struct pt_memory memory;
	unsigned int leaf_shift; /* of the largest leaf: 12, 21 or 30 (what pt_init() sets) */
	u8 apart[64]; /* separates what walks read from the fields below, which are written often */
	u64 tables;   /* tables allocated from `memory` and not freed; atomic */
	void *limbo;  /* tables that a walker may still be in, linked through word 0; atomic */
	struct lock lock; /* guards spare */
	void *spare;	  /* tables reserved so that a split cannot fail; linked through word 0 */
	u64 walks[2];	  /* walks between pt_walk_enter() and pt_walk_exit(), by side; atomic */
	u64 turn;	  /* its lowest bit is the side that new walks count on; atomic */
	struct lock turn_lock; /* held by the thread that waits for walks */
};

int pt_init(struct pt *pt, const struct pt_memory *memory); /* 0, -ENOMEM */
void pt_fini(struct pt *pt);				    /* frees each table */

/*
 * Maps [iova, iova + size) to [pa, pa + size) with the largest leaves that fit. All three values
 * are multiples of the granule, 4 KiB. `flags` are any of PT_FLAGS and contain PT_READ or PT_WRITE;
 * PT_FIRST and PT_LAST are set in the first and the last leaf only, the others in every leaf. With
 * PT_MAP_SPLIT a later partial unmap cannot fail: leaves have at most 2 MiB, and a spare table is
 * reserved for each. Returns 0, -ENOMEM, -EEXIST (part of the range is mapped) or -EINVAL (bad
 * range). Nothing is changed on failure.
 */
#define PT_MAP_SPLIT 1u
int pt_map(struct pt *pt, iova_t iova, phys_t pa, u64 size, u64 flags, unsigned int options);

/*
 * Unmaps [iova, iova + size), both multiples of the granule. A large leaf that the range covers in
 * part is split; the remaining part keeps PT_FIRST on its first leaf and PT_LAST on its last leaf
 * if the large leaf had them. Returns the number of bytes unmapped. Cannot fail if the range was
 * mapped with PT_MAP_SPLIT or covers whole leaves only. Otherwise a leaf that cannot be split for
 * lack of memory is unmapped whole and counted whole, so the result may be larger than `size`.
 */
u64 pt_unmap(struct pt *pt, iova_t iova, u64 size);

struct pt_leaf {
	u64 entry; /* as it is in the table */
	u64 size;  /* bytes that the leaf covers */
};

/* Any thread, at any time. False: nothing is mapped at `iova`, or `iova` is not below 2^48. */
bool pt_walk_slow(const struct pt *pt, iova_t iova, struct pt_leaf *leaf);

/*
 * Returns the first mapped address in [iova, end): `iova` itself or the start of a granule; `end`
 * if nothing is mapped. Skips the whole span of an entry that is not present. Any thread, at any
 * time.
 */
u64 pt_find(const struct pt *pt, iova_t iova, u64 end);

/*
 * Calls fn for every leaf with PT_FIRST, in order of IOVA, until fn returns false. fn may unmap the
 * mapping that it was called for, but must not free tables in limbo.
 */
void pt_for_each_mapping(const struct pt *pt, bool (*fn)(void *arg, iova_t iova, u64 size),
			 void *arg);

/*
 * Begins and ends a walk of addresses that the caller does not own. A table is freed only after a
 * range that spans all of it was unmapped, so the owner of a range needs no protection for a walk.
 * Every other walk is between pt_walk_enter() and pt_walk_exit(); pt_limbo_free() waits for every
 * such walk that began before it. Walks may nest. A function that frees tables in limbo must not be
 * called in between. pt_walk_enter() returns the argument for pt_walk_exit(). Any thread, at any
 * time.
 */
unsigned int pt_walk_enter(struct pt *pt);
void pt_walk_exit(struct pt *pt, unsigned int side);

/*
 * Frees tables that were removed from the tree. pt_free_limbo() frees all that are in limbo when it
 * is called; the caller waits for walkers before, and no table may be added to limbo between that
 * wait and the call. Where this cannot be guaranteed, the caller takes the tables by
 * pt_limbo_take(), waits for walkers, and frees the tables by pt_limbo_free(). Both functions that
 * free wait for walks by pt_walk_enter() themselves.
 */
void pt_free_limbo(struct pt *pt);
void *pt_limbo_take(struct pt *pt); /* NULL: none */
void pt_limbo_free(struct pt *pt, void *taken);

static inline u64 *pt_table(const struct pt *pt, u64 entry)
{
	return (u64 *)(pt->memory.base + (entry & PT_ADDR));
}

/* Returns the table of 4 KiB entries for `iova`; NULL: there is none, or a large leaf covers it. */
hot_inline u64 *pt_leaf_table(const struct pt *pt, iova_t iova)
{
	u64 a, b, c;

	if (unlikely(iova.v >> PT_IOVA_BITS))
		return NULL;
	a = read_acquire(&pt->root[iova.v >> 39]);
	if (unlikely(!(a & PT_PRESENT)))
		return NULL;
	b = read_acquire(&pt_table(pt, a)[iova.v >> 30 & 511]);
	if (unlikely(!(b & PT_PRESENT) || b & PT_LARGE))
		return NULL;
	c = read_acquire(&pt_table(pt, b)[iova.v >> 21 & 511]);
	if (unlikely(!(c & PT_PRESENT) || c & PT_LARGE))
		return NULL;
	return pt_table(pt, c);
}

/* Returns the 4 KiB entry for `iova`; NULL: it has no table, or a large leaf covers it. */
hot_inline u64 *pt_slot(const struct pt *pt, iova_t iova)
{
	u64 *table = pt_leaf_table(pt, iova);

	return likely(table) ? &table[iova.v >> 12 & 511] : NULL;
}

/* Converts a large leaf to the 4 KiB entry that `iova` would have. */
hot_inline u64 pt_small_entry(u64 entry, iova_t iova, u64 span)
{
	return (entry & ~PT_LARGE & ~(PT_ADDR & (span - 1))) | (iova.v & (span - 1) & PT_ADDR);
}

/* Returns the leaf for `iova` as a 4 KiB entry: the page's address and the leaf's flags; or 0. */
hot_inline u64 pt_walk(const struct pt *pt, iova_t iova)
{
	u64 entry;

	if (unlikely(iova.v >> PT_IOVA_BITS))
		return 0;
	entry = read_acquire(&pt->root[iova.v >> 39]);
	if (unlikely(!(entry & PT_PRESENT)))
		return 0;
	entry = read_acquire(&pt_table(pt, entry)[iova.v >> 30 & 511]);
	if (unlikely(!(entry & PT_PRESENT)))
		return 0;
	if (unlikely(entry & PT_LARGE))
		return pt_small_entry(entry, iova, 1ull << 30);
	entry = read_acquire(&pt_table(pt, entry)[iova.v >> 21 & 511]);
	if (unlikely(!(entry & PT_PRESENT)))
		return 0;
	if (unlikely(entry & PT_LARGE))
		return pt_small_entry(entry, iova, 1ull << 21);
	entry = read_acquire(&pt_table(pt, entry)[iova.v >> 12 & 511]);
	return likely(entry & PT_PRESENT) ? entry : 0;
}

/*
 * Maps one 4 KiB page. The parameters are not checked: `iova` and `pa` are aligned, pa is below
 * 2^52, and `flags` are as in pt_map(). Returns false and changes nothing if there is no table yet
 * or the page is mapped; the caller then calls pt_map().
 */
hot_inline bool pt_map_4k(const struct pt *pt, iova_t iova, phys_t pa, u64 flags)
{
	u64 *slot = pt_slot(pt, iova);

	if (unlikely(!slot || read_once(slot) & PT_PRESENT))
		return false;
	write_release(slot, pa.v | flags);
	return true;
}

/*
 * Stores the table of the piece mapped last, for pieces that are contiguous in IOVA, as those of a
 * scatterlist. Initialize it with {0}. It is valid for one range that the caller owns and is
 * mapping, until a part of that range is unmapped.
 */
struct pt_cursor {
	u64 *table; /* of 4 KiB entries */
	u64 area;   /* what the table covers: 1 + (iova >> 21); 0: no table yet */
};

int pt_cursor_map_slow(struct pt *pt, struct pt_cursor *at, iova_t iova, phys_t pa, u64 size,
		       u64 flags) __attribute__((noinline));

/*
 * As pt_map() without options, but parameters of a single page are not checked. When a piece fails,
 * the pieces before it stay mapped.
 */
hot_inline int pt_cursor_map(struct pt *pt, struct pt_cursor *at, iova_t iova, phys_t pa, u64 size,
			     u64 flags)
{
	u64 *slot;

	if (unlikely(at->area != (iova.v >> 21) + 1 || size != PAGE_BYTES))
		return pt_cursor_map_slow(pt, at, iova, pa, size, flags);
	slot = &at->table[iova.v >> 12 & 511];
	if (unlikely(read_once(slot) & PT_PRESENT))
		return pt_cursor_map_slow(pt, at, iova, pa, size, flags);
	write_release(slot, pa.v | flags);
	return 0;
}

u64 pt_unmap_mapping_slow(struct pt *pt, iova_t iova, u64 any, u64 *first);
u64 pt_mapping_size_slow(const struct pt *pt, iova_t iova);

hot_inline bool pt_entry_swap(u64 *slot, u64 old, u64 new)
{
	return __atomic_compare_exchange_n(slot, &old, new, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

/*
 * Unmaps one whole mapping if its first leaf has any of the flags `any`. The mapping extends from
 * the leaf with PT_FIRST at `iova` to the next leaf with PT_LAST; where PT_LAST is missing, to the
 * last leaf before one that is not present or has PT_FIRST. Returns the size in bytes and stores
 * the entry of the first leaf in *first. Returns 0 and leaves *first unchanged if no such mapping
 * begins at `iova`.
 *
 * The first leaf is cleared by an atomic exchange before the others. If several threads unmap one
 * mapping by mistake, the call succeeds in one thread and returns 0 in the others. For a mapping of
 * one leaf that exchange is the last store (see fence_after_atomic()).
 */
hot_inline u64 pt_unmap_mapping_with(struct pt *pt, iova_t iova, u64 any, u64 *first)
{
	u64 entry, *slot = pt_slot(pt, iova);

	if (unlikely(!slot))
		return pt_unmap_mapping_slow(pt, iova, any, first);
	entry = read_once(slot);
	if (unlikely((entry & PT_WHOLE) != PT_WHOLE || !(entry & PT_PRESENT)))
		return pt_unmap_mapping_slow(pt, iova, any, first);
	if (unlikely(!(entry & any)))
		return 0;
	if (!pt_entry_swap(slot, entry, 0))
		return 0; /* another thread has just unmapped it */
	*first = entry;
	return PAGE_BYTES;
}

/* The same for a mapping with any access rights. */
hot_inline u64 pt_unmap_mapping(struct pt *pt, iova_t iova, u64 *first)
{
	return pt_unmap_mapping_with(pt, iova, PT_PRESENT, first);
}

/* Returns the size of the mapping that begins at `iova`, as above, without unmapping it. */
hot_inline u64 pt_mapping_size(const struct pt *pt, iova_t iova)
{
	u64 *slot = pt_slot(pt, iova), entry;

	if (unlikely(!slot))
		return pt_mapping_size_slow(pt, iova);
	entry = read_once(slot);
	return likely((entry & PT_WHOLE) == PT_WHOLE && entry & PT_PRESENT)
		       ? PAGE_BYTES
		       : pt_mapping_size_slow(pt, iova);
}

#endif
