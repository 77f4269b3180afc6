/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Page tables in VT-d's second-stage format (Intel VT-d architecture specification, "Second-Stage
 * Paging Entries"): 48-bit IOVA, 4 levels of 512 entries, leaves of 4 KiB, 2 MiB, 1 GiB.
 *
 * An entry is present when it allows reading or writing. Each change of an entry is one store or
 * one compare-exchange, so a walker sees the old or the new, never a mixture.
 *
 * Which operations may run at once on one table:
 *   map, unmap      | with map and unmap of other ranges: no common lock
 *   walk            | with everything; of a range of the caller's own, or as pt_walk_enter() says
 *   pt_limbo_take   | with everything
 *   pt_free_limbo   | only when no walk that began before the last unmap or map still runs
 *   pt_fini         | alone
 *
 * Who maps or unmaps a range owns it until he is done: nobody else changes it meanwhile. The
 * allocator of IOVA sees to that.
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

/* Bits 52 to 61 are ignored by hardware: software's own. */
#define PT_FIRST    (1ull << 52) /* the first leaf of a mapping */
#define PT_LAST	    (1ull << 53) /* its last leaf */
#define PT_UNCACHED (1ull << 54) /* the device sees the CPU's memory directly (coherent memory) */
#define PT_SOFT_A   (1ull << 55) /* for the owner of the mapping */
#define PT_SOFT_B   (1ull << 56)
#define PT_SOFT_C   (1ull << 57)
#define PT_ON_DEMAND                                                                               \
	(1ull << 59)	      /* memory that may leave the process: only system calls copy it      \
			       */
#define PT_KEPT	 (1ull << 60) /* of the cache of policy=persistent */
#define PT_SPARE (1ull << 58) /* pt's own: pt->spare holds a table for splitting this leaf */
#define PT_FLAGS (~PT_ADDR & ~PT_LARGE & ~PT_SPARE)

#define PT_PRESENT (PT_READ | PT_WRITE)
#define PT_WHOLE   (PT_FIRST | PT_LAST) /* a mapping of one leaf */

#define PT_IOVA_BITS 48
#define PT_ENTRIES   512

/*
 * Where tables come from: zeroed pages, whose address is base + their physical address. Called by
 * any thread at any time; what is given back is not zero.
 */
struct pt_memory {
	u8 *base;
	void *(*alloc)(void *ctx); /* NULL: none */
	void (*free)(void *ctx, void *table);
	void *ctx;
};

struct pt {
	u64 *root; /* fixed from pt_init to pt_fini */
	struct pt_memory memory;
	unsigned int
		leaf_shift; /* of the largest leaf to make: 12, 21 or 30 (so pt_init() leaves it) */
	u8 apart[64]; /* what follows is written while others walk: not in the cache line above */
	u64 tables;   /* tables taken from `memory` and not given back; atomic */
	void *limbo;  /* tables that a walker may still be in, linked through word 0; atomic */
	struct lock lock; /* guards spare */
	void *spare;	  /* reserved, so that splitting a leaf cannot fail; linked likewise */
	u64 walks[2];	  /* walks between pt_walk_enter() and pt_walk_exit(), by side; atomic */
	u64 turn;	  /* its lowest bit is the side that new walks count on; atomic */
	struct lock turn_lock; /* held by the thread that waits for walks */
};

int pt_init(struct pt *pt, const struct pt_memory *memory); /* 0, -ENOMEM */
void pt_fini(struct pt *pt);				    /* frees each table */

/*
 * Maps [iova, iova + size) to pa…, granule-aligned all three, with the largest leaves that fit
 * (`flags`: any of PT_FLAGS, PT_READ or PT_WRITE among them; PT_FIRST and PT_LAST go to the first
 * and the last leaf only, the others to each). PT_MAP_SPLIT: a later unmap of a part cannot fail
 * (leaves of at most 2 MiB, a spare table reserved for each). 0; -ENOMEM; -EEXIST: something is
 * mapped there; -EINVAL: bad range. Nothing is changed on failure.
 */
#define PT_MAP_SPLIT 1u
int pt_map(struct pt *pt, iova_t iova, phys_t pa, u64 size, u64 flags, unsigned int options);

/*
 * Takes away what is mapped in [iova, iova + size) (granule-aligned), splitting a large leaf that
 * is covered in part; what stays of one that had PT_FIRST or PT_LAST has it on its first or last
 * leaf. Returns the bytes that were mapped. Cannot fail where PT_MAP_SPLIT was given or whole
 * leaves are covered; else a leaf that cannot be split for lack of memory is taken away whole and
 * counts whole, so that more than `size` may come back.
 */
u64 pt_unmap(struct pt *pt, iova_t iova, u64 size);

struct pt_leaf {
	u64 entry; /* as it stands in the table */
	u64 size;  /* bytes that the leaf covers */
};

/* Any thread at any time; false: nothing mapped at `iova` (or it is beyond 48 bits). */
bool pt_walk_slow(const struct pt *pt, iova_t iova, struct pt_leaf *leaf);

/*
 * The first address of [iova, end) where something is mapped, a granule's start unless it is
 * `iova`; `end`: nothing is. Steps over what has no table as a whole. Any thread at any time.
 */
u64 pt_find(const struct pt *pt, iova_t iova, u64 end);

/*
 * Calls fn for each leaf with PT_FIRST, in order, until it returns false. fn may unmap the mapping
 * that it was called for, but free no limbo.
 */
void pt_for_each_mapping(const struct pt *pt, bool (*fn)(void *arg, iova_t iova, u64 size),
			 void *arg);

/*
 * A table is freed when a range that spans all of it is unmapped. The owner of a range therefore
 * walks it without protection. A walk of addresses that the caller does not own goes between
 * pt_walk_enter() and pt_walk_exit(): pt_limbo_free() waits for each such walk that began before
 * it. Walks may nest. Nothing that frees limbo may be called in between. Returns what
 * pt_walk_exit() needs. Any thread at any time.
 */
unsigned int pt_walk_enter(struct pt *pt);
void pt_walk_exit(struct pt *pt, unsigned int side);

/*
 * Frees tables that were taken out of use. pt_free_limbo() frees those that are in limbo when it
 * is called, so nothing may go there between the wait for walkers and the call. Where that cannot
 * be kept: take them, wait for the walkers, free what was taken. Walks by pt_walk_enter() are
 * waited for by the library itself.
 */
void pt_free_limbo(struct pt *pt);
void *pt_limbo_take(struct pt *pt); /* NULL: none */
void pt_limbo_free(struct pt *pt, void *taken);

static inline u64 *pt_table(const struct pt *pt, u64 entry)
{
	return (u64 *)(pt->memory.base + (entry & PT_ADDR));
}

/* The table of 4 KiB entries for `iova`; NULL: none, or a large leaf stands there. */
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

/* The 4 KiB entry for `iova`, when its table is there and no large leaf covers it; else NULL. */
hot_inline u64 *pt_slot(const struct pt *pt, iova_t iova)
{
	u64 *table = pt_leaf_table(pt, iova);

	return likely(table) ? &table[iova.v >> 12 & 511] : NULL;
}

/* A large leaf as the 4 KiB entry that would stand for `iova`. */
hot_inline u64 pt_small_entry(u64 entry, iova_t iova, u64 span)
{
	return (entry & ~PT_LARGE & ~(PT_ADDR & (span - 1))) | (iova.v & (span - 1) & PT_ADDR);
}

/* The leaf for `iova`, as a 4 KiB entry: the address of that page and the leaf's flags; 0: none. */
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
 * Maps one 4 KiB page. `iova` and `pa` are aligned, pa below 2^52, `flags` as of pt_map(): nothing
 * is checked. False, with nothing done: no table yet, or something is mapped there; ask pt_map().
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
 * For pieces that lie one after the other in IOVA, as those of a scatterlist: remembers the table
 * of the last. Begin with {0}. Good for one range that the caller owns, while he maps it; not
 * across an unmap of it.
 */
struct pt_cursor {
	u64 *table; /* of 4 KiB entries */
	u64 area;   /* what it stands for: 1 + (iova >> 21); 0: no table yet */
};

int pt_cursor_map_slow(struct pt *pt, struct pt_cursor *at, iova_t iova, phys_t pa, u64 size,
		       u64 flags) __attribute__((noinline));

/* As pt_map() without options; one page goes unchecked. Pieces before a failed one stay. */
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
 * Takes away one whole mapping, from the leaf with PT_FIRST at `iova` to the next with PT_LAST (or
 * to the last present leaf before another PT_FIRST, where PT_LAST is missing), if its first leaf
 * has any of the flags `any`. Returns its size in bytes, and its first leaf's entry; 0: no such
 * mapping begins there, *first untouched.
 *
 * The first leaf is cleared by an atomic exchange before the others. Of several threads that unmap
 * one mapping by mistake one gets it, the others get 0. Where it is one leaf, that exchange is the
 * last store (fence_after_atomic()).
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

/* The same whatever it allows. */
hot_inline u64 pt_unmap_mapping(struct pt *pt, iova_t iova, u64 *first)
{
	return pt_unmap_mapping_with(pt, iova, PT_PRESENT, first);
}

/* The size of the mapping that begins at `iova`, as above, without taking it away. */
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
