/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stores the list of address spaces, finds or creates the space of an IOMMU group, reads its
 * limits, and maps and unmaps in it. `left` is never more than the number of entries that the
 * kernel still accepts: a map subtracts one, an unmap adds the entries that it freed for certain.
 * When `left` is too low, the kernel's own number is read.
 */
#include "vfio/space.h"
#include "vfio/why.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/fork.h"
#include "base/log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PLACE_ALIGN (2 * MIB)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct vfio_space *spaces; /* guarded by lock */

static struct vfio_space *space_make(const struct vfio_kernel *kernel, const struct pci_function *f)
{
	struct vfio_space *s = alloc_zeroed(sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->partial_lock, NULL);
	s->kernel = kernel;
	s->refs = 1;
	s->fd = s->group_fd = -1;
	memcpy(s->group, f->group, sizeof(s->group));
	snprintf(s->name, sizeof(s->name), "%s group %s", kernel->name, f->group);
	if (!kernel->open(s, f))
		return s;
	kernel->close(s);
	alloc_free(s);
	return NULL;
}

struct vfio_space *space_get(const struct vfio_kernel *kernel, const struct pci_function *f)
{
	struct vfio_space *s;

	pthread_mutex_lock(&lock);
	for (s = spaces; s && (s->kernel != kernel || strcmp(s->group, f->group) != 0); s = s->next)
		;
	if (s) {
		s->refs++;
	} else {
		s = space_make(kernel, f);
		if (s) {
			s->next = spaces;
			spaces = s;
		}
	}
	pthread_mutex_unlock(&lock);
	return s;
}

void space_put(struct vfio_space *s)
{
	struct vfio_space **p;

	pthread_mutex_lock(&lock);
	if (!--s->refs) {
		for (p = &spaces; *p != s; p = &(*p)->next)
			;
		*p = s->next;
		s->kernel->close(s);
		alloc_free(s);
	}
	pthread_mutex_unlock(&lock);
}

int space_add_window(struct vfio_space *s, u64 first, u64 last)
{
	const u64 end = (1ull << PT_IOVA_BITS) - 1;

	if (first > last || (s->n_usable && first <= s->usable[s->n_usable - 1].last))
		return error_set(
			EPROTO,
			"the kernel reports ranges of device addresses that are out of order");
	if (s->n_usable == WINDOWS_MAX)
		return error_set(E2BIG, "the IOMMU's usable addresses are in more than %d ranges",
				 WINDOWS_MAX);
	if (first <= end)
		s->usable[s->n_usable++] = (struct domain_window){first, min_u64(last, end)};
	return 0;
}

static bool space_range_usable(const struct vfio_space *s, u64 first, u64 last)
{
	for (unsigned int i = 0; i < s->n_usable; i++)
		if (first >= s->usable[i].first && last <= s->usable[i].last)
			return true;
	return false;
}

static bool space_ram_fits(const struct vfio_space *s, u64 offset)
{
	return space_range_usable(s, offset, offset + mem.low - 1) &&
	       (mem.span <= MEM_DMA32_END ||
		space_range_usable(s, offset + MEM_DMA32_END, offset + mem.span - 1));
}

/* Chooses the offset at which all of RAM is in usable addresses: 0, else the lowest possible. */
static int space_place_ram(struct vfio_space *s)
{
	u64 offset = 0;

	for (unsigned int i = 0; i <= s->n_usable; i++) {
		if (space_ram_fits(s, offset)) {
			s->offset = offset;
			return 0;
		}
		if (i < s->n_usable)
			offset = align_up(s->usable[i].first, PLACE_ALIGN);
	}
	return error_set(
		ENOSPC,
		"policy=identity maps all RAM, but its %llu MiB fit nowhere between the device "
		"addresses that the IOMMU reserves: set a smaller ram=, or policy=strict",
		(unsigned long long)((mem.span > MEM_DMA32_END ? mem.span - MEM_DMA32_END + mem.low
							       : mem.low) /
				     MIB));
}

/* Converts the windows from the kernel's addresses to the library's. */
static void space_shift_windows(struct vfio_space *s)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->n_usable; i++) {
		struct domain_window w = s->usable[i];

		if (w.last < s->offset)
			continue;
		s->usable[n++] = (struct domain_window){max_u64(w.first, s->offset) - s->offset,
							w.last - s->offset};
	}
	s->n_usable = n;
}

int space_limit(struct vfio_space *s, bool identity)
{
	int err = 0;

	pthread_mutex_lock(&lock);
	if (!s->limited) {
		s->n_usable = 0;
		err = s->kernel->limits(s);
		if (!err && !s->n_usable)
			err = error_set(ENOSPC,
					"the IOMMU has no device addresses that devices may use");
		if (!err && identity)
			err = space_place_ram(s);
		if (!err)
			space_shift_windows(s);
		s->limited = !err;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

static slow_path int space_entries_short(const struct vfio_space *s, u64 n, u64 left)
{
	return error_set(
		ENOSPC,
		"%llu more mappings are needed, but the kernel's container (%s) accepts only %llu "
		"more: unmap some, use policy=identity, or use fewer and larger segments; the "
		"module parameter dma_entry_limit of vfio_iommu_type1 sets the limit",
		(unsigned long long)n, s->name, (unsigned long long)left);
}

int space_need(struct vfio_space *s, u64 n)
{
	u64 left;

	if (!s->counted || likely(read_once(&s->left) >= n))
		return 0;
	left = s->kernel->entries(s);
	if (left < n)
		return space_entries_short(s, n, left);
	write_once(&s->left, left);
	return 0;
}

static void space_take_entry(struct vfio_space *s)
{
	u64 left = read_once(&s->left);

	while (left && !__atomic_compare_exchange_n(&s->left, &left, left - 1, true,
						    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

int space_map(struct vfio_space *s, u64 iova, void *va, u64 size, u64 prot)
{
	int err = space_need(s, 1);

	if (err)
		return err;
	__atomic_fetch_add(&s->maps, 1, __ATOMIC_RELAXED);
	err = s->kernel->map(s, iova + s->offset, va, size, prot);
	if (unlikely(err < 0))
		return why_map(iova + s->offset, size, -err);
	if (s->counted)
		space_take_entry(s);
	return 0;
}

void space_unmap(struct vfio_space *s, u64 iova, u64 size, u64 mapped, u64 entries)
{
	u64 done;
	int err;

	__atomic_fetch_add(&s->unmaps, 1, __ATOMIC_RELAXED);
	err = s->kernel->unmap(s, iova + s->offset, size, &done);
	if (s->counted && err >= 0)
		__atomic_fetch_add(&s->left, entries, __ATOMIC_RELAXED);
	if (likely(err >= 0 && done == mapped))
		return;
	__atomic_fetch_add(&s->refused, 1, __ATOMIC_RELAXED);
	error_set(EIO,
		  "%s: the kernel unmapped %llu bytes of %llu at device address %#llx (%s): the "
		  "device may still reach memory that was unmapped",
		  s->name, (unsigned long long)done, (unsigned long long)mapped,
		  (unsigned long long)(iova + s->offset), err < 0 ? strerror(-err) : "short");
	log_line(LOG_ERROR, "%s", error_text());
}

static void space_fork_child(void)
{
	pthread_mutex_init(&lock, NULL);
	fork_forget(&spaces, sizeof(spaces));
}

FORK_HOOK(space_hook, NULL, NULL, space_fork_child);
