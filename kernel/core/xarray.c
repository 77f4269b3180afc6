/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * XArray, IDR and IDA: a map from indices to entries, stored in a tree. A reserved index is in the
 * tree with the entry NULL.
 */
#include "core.h"
#include <linux/idr.h>

struct map_node {
	struct rb_node node;
	unsigned long index;
	void *entry;
};

/*
 * Returns the first node with an index of at least `index`, or NULL. This and the next two
 * functions are called with the guard held.
 */
static struct map_node *map_from(const struct kmod_map *m, unsigned long index)
{
	struct map_node *found = NULL;

	for (struct rb_node *n = m->root.rb_node; n;) {
		struct map_node *at = rb_entry(n, struct map_node, node);

		if (at->index >= index)
			found = at;
		n = at->index >= index ? n->rb_left : n->rb_right;
	}
	return found;
}

static struct map_node *map_find(const struct kmod_map *m, unsigned long index)
{
	struct map_node *n = map_from(m, index);

	return n && n->index == index ? n : NULL;
}

static bool map_less(struct rb_node *a, const struct rb_node *b)
{
	return rb_entry(a, struct map_node, node)->index <
	       rb_entry(b, struct map_node, node)->index;
}

static void map_insert(struct kmod_map *m, struct map_node *n, unsigned long index, void *entry)
{
	n->index = index;
	n->entry = entry;
	rb_add(&n->node, &m->root, map_less);
}

bool kmod_map_get(struct kmod_map *m, unsigned long index, void **entry)
{
	struct map_node *n;

	host_lock(m->guard);
	n = map_find(m, index);
	if (n)
		*entry = n->entry;
	host_unlock(m->guard);
	return n != NULL;
}

bool kmod_map_next(struct kmod_map *m, unsigned long *index, void **entry)
{
	struct map_node *n;

	host_lock(m->guard);
	n = map_from(m, *index);
	if (n) {
		*index = n->index;
		*entry = n->entry;
	}
	host_unlock(m->guard);
	return n != NULL;
}

bool kmod_map_replace(struct kmod_map *m, unsigned long index, void *entry, void **old)
{
	struct map_node *n;

	host_lock(m->guard);
	n = map_find(m, index);
	if (n) {
		*old = n->entry;
		n->entry = entry;
	}
	host_unlock(m->guard);
	return n != NULL;
}

bool kmod_map_del(struct kmod_map *m, unsigned long index, void **old)
{
	struct map_node *n;

	host_lock(m->guard);
	n = map_find(m, index);
	if (n) {
		*old = n->entry;
		rb_erase(&n->node, &m->root);
	}
	host_unlock(m->guard);
	kfree(n);
	return n != NULL;
}

/*
 * Finds the lowest unused index in [min, max]. Returns false if there is none. Called with the
 * guard held.
 */
static bool map_unused(const struct kmod_map *m, unsigned long min, unsigned long max,
		       unsigned long *index)
{
	struct map_node *n = map_from(m, min);

	*index = min;
	while (n && n->index == *index && *index < max) {
		(*index)++;
		n = rb_entry_safe(rb_next(&n->node), struct map_node, node);
	}
	return min <= max && (!n || n->index != *index);
}

int kmod_map_alloc_cyclic(struct kmod_map *m, unsigned long min, unsigned long max, void *entry,
			  gfp_t gfp, unsigned long *index, unsigned int *next)
{
	struct map_node *n = kmalloc(sizeof(*n), gfp);
	unsigned long from = next && *next > min ? *next : min;
	int again = 0;
	bool found;

	if (!n)
		return -ENOMEM;
	host_lock(m->guard);
	found = map_unused(m, from, max, index);
	if (!found && from > min) {
		again = 1;
		found = map_unused(m, min, max, index);
	}
	if (found) {
		map_insert(m, n, *index, entry);
		if (next)
			*next = (unsigned int)*index + 1;
	}
	host_unlock(m->guard);
	if (!found)
		kfree(n);
	return found ? again : -ENOSPC;
}

int kmod_map_alloc(struct kmod_map *m, unsigned long min, unsigned long max, void *entry, gfp_t gfp,
		   unsigned long *index)
{
	return kmod_map_alloc_cyclic(m, min, max, entry, gfp, index, NULL);
}

void kmod_map_destroy(struct kmod_map *m)
{
	struct map_node *n, *next;
	struct rb_root root;

	host_lock(m->guard);
	root = m->root;
	m->root = RB_ROOT;
	host_unlock(m->guard);
	rbtree_postorder_for_each_entry_safe(n, next, &root, node) kfree(n);
}

static void xa_acquire(struct xarray *xa, enum kmod_xa_lock how)
{
	if (how == KMOD_XA_PLAIN)
		xa_lock(xa);
	else if (how == KMOD_XA_BH)
		xa_lock_bh(xa);
	else if (how == KMOD_XA_IRQ)
		xa_lock_irq(xa);
	else
		lockdep_assert_held(&xa->xa_lock);
}

static void xa_drop(struct xarray *xa, enum kmod_xa_lock how)
{
	if (how == KMOD_XA_PLAIN)
		xa_unlock(xa);
	else if (how == KMOD_XA_BH)
		xa_unlock_bh(xa);
	else if (how == KMOD_XA_IRQ)
		xa_unlock_irq(xa);
}

/*
 * Called before the guard is acquired. Releases the lock that the caller holds if `gfp` allows
 * sleeping.
 */
static struct map_node *xa_node(struct xarray *xa, gfp_t gfp, enum kmod_xa_lock how)
{
	bool release = how == KMOD_XA_HELD && gfpflags_allow_blocking(gfp);
	enum kmod_xa_lock as = xa->xa_flags & XA_FLAGS_LOCK_IRQ	 ? KMOD_XA_IRQ
			       : xa->xa_flags & XA_FLAGS_LOCK_BH ? KMOD_XA_BH
								 : KMOD_XA_PLAIN;
	struct map_node *n;

	if (release)
		xa_drop(xa, as);
	n = kmalloc(sizeof(*n), gfp);
	if (release)
		xa_acquire(xa, as);
	return n;
}

/* Stores an entry: with `any` in place of any other entry, otherwise only in place of `old`.
 * Returns the entry that was there before, or an error. */
void *kmod_xa_cmpxchg(struct xarray *xa, unsigned long index, bool any, void *old, void *entry,
		      gfp_t gfp, enum kmod_xa_lock how)
{
	bool drop = !entry && !(xa->xa_flags & XA_FLAGS_ALLOC), used;
	struct map_node *n = NULL;
	void *was = NULL;

	if (!drop && !kmod_map_get(&xa->map, index, &was))
		n = xa_node(xa, gfp, how);
	xa_acquire(xa, how);
	was = NULL;
	used = kmod_map_get(&xa->map, index, &was);
	if (any || was == old) {
		if (used && drop) {
			kmod_map_del(&xa->map, index, &was);
		} else if (used) {
			kmod_map_replace(&xa->map, index, entry, &was);
		} else if (n) {
			host_lock(xa->map.guard);
			map_insert(&xa->map, n, index, entry);
			host_unlock(xa->map.guard);
			n = NULL;
		} else if (!drop) {
			was = KMOD_XA_ERR(-ENOMEM);
		}
	}
	xa_drop(xa, how);
	kfree(n);
	return was;
}

int kmod_xa_insert(struct xarray *xa, unsigned long index, void *entry, gfp_t gfp,
		   enum kmod_xa_lock how)
{
	unsigned long at;
	struct map_node *n = xa_node(xa, gfp, how);
	int err = n ? -EBUSY : -ENOMEM;

	xa_acquire(xa, how);
	host_lock(xa->map.guard);
	if (n && map_unused(&xa->map, index, index, &at)) {
		map_insert(&xa->map, n, index, entry);
		n = NULL;
		err = 0;
	}
	host_unlock(xa->map.guard);
	xa_drop(xa, how);
	kfree(n);
	return err;
}

int kmod_xa_alloc(struct xarray *xa, u32 *id, void *entry, struct xa_limit limit, u32 *next,
		  gfp_t gfp, enum kmod_xa_lock how)
{
	u32 min = max(limit.min, (u32)((xa->xa_flags & XA_FLAGS_ALLOC1) == XA_FLAGS_ALLOC1));
	unsigned long index;
	int err;

	if (!(xa->xa_flags & XA_FLAGS_ALLOC)) {
		kmod_finding("xarray-no-alloc", "xa_alloc() of an XArray without XA_FLAGS_ALLOC");
		return -EINVAL;
	}
	kmod_gfp(gfp);
	xa_acquire(xa, how);
	err = kmod_map_alloc_cyclic(&xa->map, min, limit.max, entry, gfp & ~__GFP_DIRECT_RECLAIM,
				    &index, next);
	xa_drop(xa, how);
	if (err >= 0)
		*id = (u32)index;
	return err == -ENOSPC ? -EBUSY : err;
}

/* `reserved`: erases the index only if its entry is NULL. */
void *kmod_xa_erase(struct xarray *xa, unsigned long index, bool reserved, enum kmod_xa_lock how)
{
	void *was = NULL;

	xa_acquire(xa, how);
	if (!reserved || (kmod_map_get(&xa->map, index, &was) && !was))
		kmod_map_del(&xa->map, index, &was);
	xa_drop(xa, how);
	return was;
}

int xa_reserve(struct xarray *xa, unsigned long index, gfp_t gfp)
{
	int err = kmod_xa_insert(xa, index, NULL, gfp, KMOD_XA_PLAIN);

	return err == -EBUSY ? 0 : err;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	void *entry = NULL;

	kmod_map_get(&xa->map, index, &entry);
	return entry;
}

void *xa_find(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t filter)
{
	unsigned long at = *index;
	void *entry;

	for (; kmod_map_next(&xa->map, &at, &entry) && at <= max; at++) {
		if (entry) {
			*index = at;
			return entry;
		}
		if (at == max)
			break;
	}
	return NULL;
}

void *xa_find_after(struct xarray *xa, unsigned long *index, unsigned long max, xa_mark_t filter)
{
	unsigned long at = *index + 1;
	void *entry = at ? xa_find(xa, &at, max, filter) : NULL;

	if (entry)
		*index = at;
	return entry;
}

bool xa_empty(struct xarray *xa)
{
	return RB_EMPTY_ROOT(&xa->map.root);
}

void xa_destroy(struct xarray *xa)
{
	kmod_map_destroy(&xa->map);
}

int idr_alloc_u32(struct idr *idr, void *ptr, u32 *id, unsigned long max, gfp_t gfp)
{
	unsigned long index;
	int err = kmod_map_alloc(&idr->map, max(*id, idr->base), max, ptr, gfp, &index);

	if (!err)
		*id = (u32)index;
	return err;
}

int idr_alloc(struct idr *idr, void *ptr, int start, int end, gfp_t gfp)
{
	u32 id = (u32)start;
	int err;

	if (start < 0)
		return -EINVAL;
	err = idr_alloc_u32(idr, ptr, &id, end > 0 ? (unsigned long)end - 1 : INT_MAX, gfp);
	return err ? err : (int)id;
}

int idr_alloc_cyclic(struct idr *idr, void *ptr, int start, int end, gfp_t gfp)
{
	unsigned long index;
	int err;

	if (start < 0)
		return -EINVAL;
	err = kmod_map_alloc_cyclic(&idr->map, max((unsigned int)start, idr->base),
				    end > 0 ? (unsigned long)end - 1 : INT_MAX, ptr, gfp, &index,
				    &idr->next);
	return err < 0 ? err : (int)index;
}

void *idr_find(struct idr *idr, unsigned long id)
{
	void *entry = NULL;

	kmod_map_get(&idr->map, id, &entry);
	return entry;
}

void *idr_remove(struct idr *idr, unsigned long id)
{
	void *entry = NULL;

	kmod_map_del(&idr->map, id, &entry);
	return entry;
}

void *idr_replace(struct idr *idr, void *ptr, unsigned long id)
{
	void *old;

	return kmod_map_replace(&idr->map, id, ptr, &old) ? old : ERR_PTR(-ENOENT);
}

void *idr_get_next(struct idr *idr, int *id)
{
	unsigned long at = (unsigned long)*id;
	void *entry;

	for (; kmod_map_next(&idr->map, &at, &entry) && at <= INT_MAX; at++) {
		if (entry) {
			*id = (int)at;
			return entry;
		}
	}
	return NULL;
}

int idr_for_each(struct idr *idr, int (*fn)(int id, void *ptr, void *data), void *data)
{
	int id, err = 0;
	void *entry;

	for (id = 0; !err && (entry = idr_get_next(idr, &id)); id++)
		err = fn(id, entry, data);
	return err;
}

bool idr_is_empty(struct idr *idr)
{
	return RB_EMPTY_ROOT(&idr->map.root);
}

void idr_destroy(struct idr *idr)
{
	kmod_map_destroy(&idr->map);
}

void idr_preload(gfp_t gfp)
{
	kmod_gfp(gfp);
	preempt_disable();
}

int ida_alloc_range(struct ida *ida, unsigned int min, unsigned int max, gfp_t gfp)
{
	unsigned long index;
	int err;

	if ((int)min < 0)
		return -ENOSPC;
	err = kmod_map_alloc(&ida->map, min, (int)max < 0 ? INT_MAX : max, NULL, gfp, &index);
	return err ? err : (int)index;
}

void ida_free(struct ida *ida, unsigned int id)
{
	void *entry;

	if (!kmod_map_del(&ida->map, id, &entry))
		kmod_finding("double-free", "ida_free() of %u, which is not allocated", id);
}

bool ida_is_empty(struct ida *ida)
{
	return RB_EMPTY_ROOT(&ida->map.root);
}

void ida_destroy(struct ida *ida)
{
	kmod_map_destroy(&ida->map);
}
