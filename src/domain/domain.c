/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Creation and sharing of domains. `global` guards the list of groups. The fields of a domain do
 * not change after its creation, or are guarded as domain.h describes.
 */
#include "domain/domain.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/fork.h"
#include "domain/flusher.h"
#include "mem/mem.h"

#include <linux/mm.h>
#include <pthread.h>
#include <string.h>

#define INTERRUPT_FIRST                                                                            \
	0xfee00ull /* pages of 0xfee00000 to 0xfeefffff: never a DMA address on x86 */
#define INTERRUPT_PAGES 0x100ull

#define TABLE_SHARE_BITS 4 /* the page tables of one mapping may use at most 1/2^4 of RAM */

static pthread_mutex_t global = PTHREAD_MUTEX_INITIALIZER;
static struct domain *groups; /* guarded by `global` */

static void *domain_table_alloc(void *ctx)
{
	struct page *page = page_alloc(__GFP_INTERNAL | __GFP_ZERO, 0, ~0ull);

	return page ? page_address(page) : NULL;
}

static void domain_table_free(void *ctx, void *table)
{
	page_free(virt_to_page(table), 0);
}

/* Returns iova_shift of struct domain. The allocator's page numbers stay below 2^37. */
static u64 domain_iova_shift(const struct domain_config *want)
{
	return (want->bus_offset >> PAGE_BITS) & ((1ull << (PT_IOVA_BITS - PAGE_BITS)) - 1);
}

int domain_iova_reserve(struct domain *dom, u64 page, u64 pages)
{
	return iova_reserve(dom->iova, page + dom->iova_shift, pages);
}

u64 domain_iova_longest(struct domain *dom, u64 last)
{
	return iova_longest(dom->iova, last + dom->iova_shift);
}

/* policy=identity: maps RAM at its own address; the rest of the space is for other memory. */
static int domain_map_ram(struct domain *dom)
{
	const u64 parts[][2] = {{0, mem.low}, {MEM_DMA32_END, mem.span}};
	int err;

	for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
		u64 start = parts[i][0], size = parts[i][1] - start;

		if (parts[i][1] <= start)
			continue;
		err = dom->space.ops->map(&dom->space, IOVA(start), PHYS(start), size,
					  PT_READ | PT_WRITE);
		if (!err)
			err = domain_iova_reserve(dom, start >> PAGE_BITS, size >> PAGE_BITS);
		if (err)
			return err;
	}
	return 0;
}

/* Reserves the addresses between the usable windows and after the last one. */
static int domain_reserve_gaps(struct domain *dom, const struct domain_config *want)
{
	u64 next = 0, end = 1ull << (PT_IOVA_BITS - PAGE_BITS);

	for (unsigned int i = 0; i <= want->n_usable; i++) {
		bool last = i == want->n_usable;
		u64 first = last ? end : (want->usable[i].first + PAGE_BYTES - 1) >> PAGE_BITS;
		int err = first > next ? domain_iova_reserve(dom, next, first - next) : 0;

		if (err)
			return err;
		if (!last)
			next = max_u64(next, (want->usable[i].last + 1) >> PAGE_BITS);
	}
	return 0;
}

static int domain_start_iommu(struct domain *dom, const struct domain_config *want)
{
	const struct pt_memory memory = {
		.base = mem.base, .alloc = domain_table_alloc, .free = domain_table_free};
	u64 end = 1ull << ((want->iova_bits ? want->iova_bits : PT_IOVA_BITS) - PAGE_BITS);
	int err;

	dom->iova_shift = domain_iova_shift(want);
	dom->iova = iova_create(1 + dom->iova_shift, end + dom->iova_shift,
				want->any_32bit ? IOVA_32BIT_FIRST : 0);
	if (!dom->iova)
		return -ENOMEM;
	err = domain_iova_reserve(dom, INTERRUPT_FIRST, INTERRUPT_PAGES);
	if (err)
		return err;
	if (want->n_usable)
		err = domain_reserve_gaps(dom, want);
	if (err)
		return err;
	err = pt_init(&dom->pt, &memory);
	if (err)
		return err;
	if (want->leaf_shift)
		dom->pt.leaf_shift = want->leaf_shift;
	dom->space.pt = &dom->pt;
	dom->space.direct = want->map_by_ops ? NULL : &dom->pt;
	if (dom->policy == POLICY_IDENTITY || dom->policy == POLICY_PERSISTENT)
		err = domain_map_ram(dom);
	return err;
}

static void domain_free(struct domain *dom)
{
	if (dom->policy == POLICY_LAZY && dom->iova) {
		flusher_remove(dom);
		/* No access runs any more, but a back end may still have to unmap queued ranges. */
		if (tslot_first(&dom->queues))
			domain_flush(dom);
	}
	tslot_key_destroy(&dom->queues);
	if (dom->space.pt) {
		dom->ops.clear(&dom->space);
		pt_fini(&dom->pt);
	}
	if (dom->iova)
		iova_destroy(dom->iova);
	ports_fini(&dom->ports);
	alloc_free(dom->group);
	alloc_free(dom);
}

static struct domain *domain_make(const struct domain_config *want)
{
	struct domain *dom = alloc_aligned(64, (sizeof(*dom) + 63) & ~63ull);

	if (!dom)
		return NULL;
	dom->refs = 1;
	dom->policy = want->iommu ? want->policy : POLICY_STRICT;
	dom->ops = want->ops ? *want->ops : iommu_ops_sim;
	iommu_ops_complete(&dom->ops);
	dom->space.ops = &dom->ops;
	dom->space.priv = want->priv;
	dom->space.by_range = want->by_range;
	dom->untrusted = want->untrusted;
	dom->queue_mask = (want->by_range ? FLUSH_QUEUE_LONG : FLUSH_QUEUE_LEN) - 1;
	dom->space.ports = want->ops ? NULL : &dom->ports;
	if (want->group) {
		dom->group = alloc_string(want->group);
		if (!dom->group)
			goto fail;
	}
	if (want->iommu && domain_start_iommu(dom, want))
		goto fail;
	if (want->iommu && dom->policy == POLICY_LAZY && flusher_add(dom))
		goto fail;
	return dom;
fail:
	domain_free(dom);
	return NULL;
}

static struct domain *domain_group_find(const struct domain_config *want)
{
	struct domain *dom;

	for (dom = groups; dom && strcmp(dom->group, want->group) != 0; dom = dom->next_group)
		;
	return dom;
}

/* Checks that a device of this configuration may share the group's address space; 0, -EINVAL. */
static int domain_group_check(const struct domain *dom, const struct domain_config *want)
{
	if ((dom->iova != NULL) != want->iommu || (want->iommu && dom->policy != want->policy))
		return error_set(EINVAL,
				 "group %s exists with another policy or IOMMU setting; devices of "
				 "one group share an address space: open them alike",
				 want->group);
	if (dom->untrusted != want->untrusted)
		return error_set(
			EINVAL,
			"group %s has %s devices and this one is %s: in a shared address "
			"space an untrusted device reaches the whole pages that a trusted "
			"one maps; open all of them with untrusted=1, or use another group",
			want->group, dom->untrusted ? "untrusted" : "trusted",
			want->untrusted ? "untrusted" : "trusted");
	return 0;
}

struct domain *domain_get(const struct domain_config *want)
{
	struct domain *dom = NULL;

	pthread_mutex_lock(&global);
	if (want->group)
		dom = domain_group_find(want);
	if (!dom) {
		dom = domain_make(want);
		if (dom && want->group) {
			dom->next_group = groups;
			groups = dom;
		}
	} else if (domain_group_check(dom, want)) {
		dom = NULL;
	} else if (dom->iova && dom->iova_shift != domain_iova_shift(want)) {
		error_set(EINVAL,
			  "group %s exists with another bus-offset; the devices of one group share "
			  "an address space and a bus: open them with the same bus-offset",
			  want->group);
		dom = NULL;
	} else {
		dom->refs++;
	}
	pthread_mutex_unlock(&global);
	return dom;
}

void domain_put(struct domain *dom)
{
	struct domain **p;

	if (!dom)
		return;
	pthread_mutex_lock(&global);
	if (--dom->refs) {
		pthread_mutex_unlock(&global);
		return;
	}
	for (p = &groups; *p && *p != dom; p = &(*p)->next_group)
		;
	if (*p)
		*p = dom->next_group;
	pthread_mutex_unlock(&global);
	domain_free(dom);
}

void domain_drain(struct domain *dom)
{
	void *unused = pt_limbo_take(&dom->pt);

	dom->space.ops->invalidate_all(&dom->space);
	if (!dom->space.ports) /* simulated devices count their own flushes */
		__atomic_add_fetch(&dom->ports.flushes, 1, __ATOMIC_RELAXED);
	pt_limbo_free(&dom->pt, unused);
}

void domain_cut_off(struct domain *dom, u64 page, u64 pages)
{
	iova_t iova = IOVA(page << PAGE_BITS);
	void *unused = pt_limbo_take(&dom->pt);

	/*
	 * Tables of other ranges may be among those in limbo. After every port was drained, no
	 * simulated access is in any of them. Hardware may have cached the entries that pointed to
	 * them; only an invalidation of the whole address space removes these.
	 */
	if (unused && !dom->space.ports && !dom->space.by_range)
		dom->space.ops->invalidate_all(&dom->space);
	else
		dom->space.ops->invalidate(&dom->space, iova, pages << PAGE_BITS);
	pt_limbo_free(&dom->pt, unused);
	if (read_acquire(&dom->n_holds))
		domain_wait_holds(dom, iova, pages << PAGE_BITS);
}

void domain_release_large(struct domain *dom, u64 page, u64 pages)
{
	domain_cut_off(dom, page, pages);
	domain_iova_free(dom, page, pages);
}

void domain_undo_map(struct domain *dom, u64 pages)
{
	if (pages > 1)
		domain_drain(dom);
}

static u64 domain_ram_bytes(void)
{
	return mem.low + (mem.span > MEM_DMA32_END ? mem.span - MEM_DMA32_END : 0);
}

/* Bytes of RAM that the page tables of one mapping may use. */
static u64 domain_table_bytes(void)
{
	return domain_ram_bytes() >> TABLE_SHARE_BITS;
}

u64 domain_table_pages(void)
{
	return domain_table_bytes() / sizeof(u64);
}

int domain_check_tables(u64 leaf, u64 size)
{
	u64 tables = size / leaf * sizeof(u64), most = domain_table_bytes();

	if (likely(tables <= most))
		return 0;
	return error_set(ENOMEM,
			 "page tables for %llu bytes would take %llu bytes of RAM, more than one "
			 "sixteenth of it (%llu): map less at once, or open with a larger ram=",
			 (unsigned long long)size, (unsigned long long)tables,
			 (unsigned long long)most);
}

u64 domain_iova_alloc_slow(struct domain *dom, u64 pages, u64 last)
{
	u64 page;

	if (dom->policy == POLICY_LAZY) {
		domain_flush(dom);
		page = domain_iova_try(dom, pages, last);
		if (page)
			return page;
	}
	errno = ENOMEM; /* the error message is the allocator's */
	return 0;
}

static void domain_fork_child(void)
{
	pthread_mutex_init(&global, NULL);
	fork_forget(&groups, sizeof(groups));
}

FORK_HOOK(domain_hook, NULL, NULL, domain_fork_child);
