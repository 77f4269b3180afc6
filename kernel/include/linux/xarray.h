/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pointers by index: Documentation/core-api/xarray.rst, and idr.rst for ID allocation. Both are a
 * tree of the indices that are used, with one object of kmalloc for each. Marks, ranges of indices
 * and the advanced interface are absent.
 */
#ifndef KMOD_LINUX_XARRAY_H
#define KMOD_LINUX_XARRAY_H

#include <linux/rbtree.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

/* The guard is a mutex of the map, the last one in any order of locks. All zeros: an empty map. */
struct kmod_map {
	unsigned long guard[5];
	struct rb_root root;
};
/* The entry of an index; false: it is not used. */
bool kmod_map_get(struct kmod_map *m, unsigned long index, void **entry);
/* The first used index from *index on; false: none. */
bool kmod_map_next(struct kmod_map *m, unsigned long *index, void **entry);
/* The entry of an index that is used; false: it is not. */
bool kmod_map_replace(struct kmod_map *m, unsigned long index, void *entry, void **old);
bool kmod_map_del(struct kmod_map *m, unsigned long index, void **old);
/* The lowest unused index of [min, max]: 0, -ENOSPC, -ENOMEM. */
int kmod_map_alloc(struct kmod_map *m, unsigned long min, unsigned long max, void *entry, gfp_t gfp,
		   unsigned long *index);
/* From *next on, then from min on: 0; 1 when it began again from min; -ENOSPC, -ENOMEM. */
int kmod_map_alloc_cyclic(struct kmod_map *m, unsigned long min, unsigned long max, void *entry,
			  gfp_t gfp, unsigned long *index, unsigned int *next);
void kmod_map_destroy(struct kmod_map *m);

struct xarray {
	spinlock_t xa_lock;
	unsigned int xa_flags;
	struct kmod_map map;
};

#define XA_FLAGS_LOCK_IRQ 1u
#define XA_FLAGS_LOCK_BH  2u
#define XA_FLAGS_ALLOC	  4u
#define XA_FLAGS_ALLOC1	  (XA_FLAGS_ALLOC | 8u)
#define XARRAY_INIT(n, f)                                                                          \
	{                                                                                          \
		.xa_lock = {KMOD_LOCK_INIT(#n)}, .xa_flags = (f)                                   \
	}
#define DEFINE_XARRAY_FLAGS(n, f) struct xarray n = XARRAY_INIT(n, f)
#define DEFINE_XARRAY(n)	  DEFINE_XARRAY_FLAGS(n, 0)
#define DEFINE_XARRAY_ALLOC(n)	  DEFINE_XARRAY_FLAGS(n, XA_FLAGS_ALLOC)
#define DEFINE_XARRAY_ALLOC1(n)	  DEFINE_XARRAY_FLAGS(n, XA_FLAGS_ALLOC1)
#define xa_init_flags(xa, f)                                                                       \
	do {                                                                                       \
		spin_lock_init(&(xa)->xa_lock);                                                    \
		(xa)->xa_flags = (f);                                                              \
		(xa)->map = (struct kmod_map){0};                                                  \
	} while (0)
#define xa_init(xa) xa_init_flags(xa, 0)

#define xa_lock(xa)			spin_lock(&(xa)->xa_lock)
#define xa_unlock(xa)			spin_unlock(&(xa)->xa_lock)
#define xa_lock_bh(xa)			spin_lock_bh(&(xa)->xa_lock)
#define xa_unlock_bh(xa)		spin_unlock_bh(&(xa)->xa_lock)
#define xa_lock_irq(xa)			spin_lock_irq(&(xa)->xa_lock)
#define xa_unlock_irq(xa)		spin_unlock_irq(&(xa)->xa_lock)
#define xa_lock_irqsave(xa, flags)	spin_lock_irqsave(&(xa)->xa_lock, flags)
#define xa_unlock_irqrestore(xa, flags) spin_unlock_irqrestore(&(xa)->xa_lock, flags)

struct xa_limit {
	u32 max, min;
};
#define XA_LIMIT(low, high)                                                                        \
	(struct xa_limit)                                                                          \
	{                                                                                          \
		.min = (low), .max = (high)                                                        \
	}
#define xa_limit_32b XA_LIMIT(0, UINT_MAX)
#define xa_limit_31b XA_LIMIT(0, INT_MAX)
#define xa_limit_16b XA_LIMIT(0, 65535)

/*
 * The lowest bit of an integer that is stored in place of a pointer is 1; the two lowest bits of an
 * error are 10.
 */
#define xa_mk_value(v) ((void *)((unsigned long)(v) << 1 | 1))
#define xa_to_value(e) ((unsigned long)(e) >> 1)
#define xa_is_value(e) (((unsigned long)(e)&1) != 0)
#define KMOD_XA_ERR(e) ((void *)((unsigned long)(e) << 2 | 2))
#define xa_is_err(e)   (((unsigned long)(e)&3) == 2)
#define xa_err(e)      (xa_is_err(e) ? (int)((long)(e) >> 2) : 0)

/*
 * How a call acquires the lock: not at all, since the caller holds it, or in one of three manners.
 */
enum kmod_xa_lock { KMOD_XA_HELD, KMOD_XA_PLAIN, KMOD_XA_BH, KMOD_XA_IRQ };
void *kmod_xa_cmpxchg(struct xarray *xa, unsigned long index, bool any, void *old, void *entry,
		      gfp_t gfp, enum kmod_xa_lock how);
int kmod_xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp,
		   enum kmod_xa_lock how);
int kmod_xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, u32 *next,
		  gfp_t gfp, enum kmod_xa_lock how);
void *kmod_xa_erase(struct xarray *xa, unsigned long index, bool reserved, enum kmod_xa_lock how);

#define __xa_store(x, i, e, g)		   kmod_xa_cmpxchg(x, i, true, NULL, e, g, KMOD_XA_HELD)
#define xa_store(x, i, e, g)		   kmod_xa_cmpxchg(x, i, true, NULL, e, g, KMOD_XA_PLAIN)
#define xa_store_bh(x, i, e, g)		   kmod_xa_cmpxchg(x, i, true, NULL, e, g, KMOD_XA_BH)
#define xa_store_irq(x, i, e, g)	   kmod_xa_cmpxchg(x, i, true, NULL, e, g, KMOD_XA_IRQ)
#define __xa_cmpxchg(x, i, o, e, g)	   kmod_xa_cmpxchg(x, i, false, o, e, g, KMOD_XA_HELD)
#define xa_cmpxchg(x, i, o, e, g)	   kmod_xa_cmpxchg(x, i, false, o, e, g, KMOD_XA_PLAIN)
#define xa_cmpxchg_bh(x, i, o, e, g)	   kmod_xa_cmpxchg(x, i, false, o, e, g, KMOD_XA_BH)
#define xa_cmpxchg_irq(x, i, o, e, g)	   kmod_xa_cmpxchg(x, i, false, o, e, g, KMOD_XA_IRQ)
#define __xa_insert(x, i, e, g)		   kmod_xa_insert(x, i, e, g, KMOD_XA_HELD)
#define xa_insert(x, i, e, g)		   kmod_xa_insert(x, i, e, g, KMOD_XA_PLAIN)
#define xa_insert_bh(x, i, e, g)	   kmod_xa_insert(x, i, e, g, KMOD_XA_BH)
#define xa_insert_irq(x, i, e, g)	   kmod_xa_insert(x, i, e, g, KMOD_XA_IRQ)
#define __xa_alloc(x, id, e, l, g)	   kmod_xa_alloc(x, id, e, l, NULL, g, KMOD_XA_HELD)
#define xa_alloc(x, id, e, l, g)	   kmod_xa_alloc(x, id, e, l, NULL, g, KMOD_XA_PLAIN)
#define xa_alloc_bh(x, id, e, l, g)	   kmod_xa_alloc(x, id, e, l, NULL, g, KMOD_XA_BH)
#define xa_alloc_irq(x, id, e, l, g)	   kmod_xa_alloc(x, id, e, l, NULL, g, KMOD_XA_IRQ)
#define xa_alloc_cyclic(x, id, e, l, n, g) kmod_xa_alloc(x, id, e, l, n, g, KMOD_XA_PLAIN)
#define __xa_erase(x, i)		   kmod_xa_erase(x, i, false, KMOD_XA_HELD)
#define xa_erase(x, i)			   kmod_xa_erase(x, i, false, KMOD_XA_PLAIN)
#define xa_erase_bh(x, i)		   kmod_xa_erase(x, i, false, KMOD_XA_BH)
#define xa_erase_irq(x, i)		   kmod_xa_erase(x, i, false, KMOD_XA_IRQ)
#define xa_release(x, i)		   ((void)kmod_xa_erase(x, i, true, KMOD_XA_PLAIN))
int xa_reserve(struct xarray *xa, unsigned long index, gfp_t gfp);

typedef unsigned int xa_mark_t;
#define XA_PRESENT ((xa_mark_t)8)
void *xa_load(struct xarray *xa, unsigned long index);
/* The only filter is XA_PRESENT. */
void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t filter);
void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t filter);
bool xa_empty(struct xarray *xa);
void xa_destroy(struct xarray *xa);

#define xa_for_each_range(xa, i, e, start, last)                                                   \
	for ((i) = (start), (e) = xa_find(xa, &(i), last, XA_PRESENT); (e);                        \
	     (e) = xa_find_after(xa, &(i), last, XA_PRESENT))
#define xa_for_each_start(xa, i, e, start) xa_for_each_range(xa, i, e, start, ~0ul)
#define xa_for_each(xa, i, e)		   xa_for_each_range(xa, i, e, 0, ~0ul)

#endif
