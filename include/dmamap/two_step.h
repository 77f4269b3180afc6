/* SPDX-License-Identifier: BSD-2-Clause */
/* Two-step mappings, a part of <linux/dma-mapping.h>, which includes this file. */
#ifndef DMAMAP_TWO_STEP_H
#define DMAMAP_TWO_STEP_H

#include <dmamap/types.h>
#include <linux/dma-direction.h>

DMAMAP_BEGIN

/*
 * Two-step mappings (Linux: Documentation/core-api/dma-api.rst, "dma_iova_*"): the driver
 * allocates a range of device addresses once, links memory into it piece by piece, syncs once,
 * unlinks, and may link again. They need an IOMMU. Several threads may link and unlink disjoint
 * parts of one state at once.
 *
 * `addr` is the device address of offset 0. The state has 48 bytes, independent of what is linked.
 * It may be moved while no call uses it; it must never be duplicated.
 */
struct dma_iova_state {
	dma_addr_t addr;
	u64 __size;   /* bytes of the range; 0: not in use */
	u64 *__slots; /* the page-table words of a short range */
	u64 __end; /* offset at which a link that ends inside a granule closed the range; 0: open */
	u64 __live; /* the device's mark | the thread that links without the lock */
	u32 __lock;
	u8 __busy, __stale;
	u16 __open; /* granules that a store into __slots links; 0: a call is needed */
};

static inline bool dma_use_iova(struct dma_iova_state *state)
{
	return state->__size != 0;
}

static inline size_t dma_iova_size(struct dma_iova_state *state)
{
	return (size_t)state->__size;
}

/**
 * dma_iova_try_alloc() - Allocate a range of device addresses.
 * @state: receives the range; it is all zero on failure.
 * @phys: only its offset in the granule (4 KiB) is used.
 * @size: the number of bytes.
 * Return: true. False: the device has no IOMMU, @size is 0, or no address space is left (only then
 *   a retry helps). Use dma_map_phys() or dma_map_sg() then.
 */
DMAMAP_API bool dma_iova_try_alloc(struct device *dev, struct dma_iova_state *state,
				   phys_addr_t phys, size_t size);

/**
 * dma_iova_free() - Free the range. What is still linked is unlinked (the checker reports it).
 */
DMAMAP_API void dma_iova_free(struct device *dev, struct dma_iova_state *state);

/**
 * dma_iova_link() - Link memory into a range. Nothing changes on failure.
 * @phys: the physical address of the memory.
 * @offset: the offset in the range.
 * @size: the number of bytes.
 *
 * The device may access the memory only after dma_iova_sync().
 * Return: 0. -EINVAL: @size is 0, the part is outside of the range, the offsets of @offset and
 *   @phys in their granules differ, the start is unaligned at an @offset other than 0, the
 *   direction is bad, the part follows a link that ended inside a granule, or such a link would
 *   precede another link. -EEXIST: memory is linked there already. -ENOMEM: a retry helps. -EIO:
 *   this memory cannot be linked.
 */
DMAMAP_API int dma_iova_link(struct device *dev, struct dma_iova_state *state, phys_addr_t phys,
			     size_t offset, size_t size, enum dma_data_direction dir,
			     unsigned long attrs);

#if defined(__x86_64__) && defined(__LP64__)
/*
 * Linking one granule of RAM is one store, which costs less than a call, so this part is inline.
 * It never fails: whatever it does not handle it passes to the library (src/map/twostep.h explains
 * why this is correct). The first member of a device is a pointer to the limits.
 */
struct __dma_link_limits {
	u64 ram_end[2]; /* the end of RAM below 4 GiB, and of all RAM */
	const u32 *refuse;
	u64 live; /* the device's mark, which the states of its ranges have in __live */
};

/* A number that identifies this thread, below 2^48. */
static inline u64 __dma_self(void)
{
	u64 self;

	__asm__("movq %%fs:0, %0" : "=r"(self));
	return self;
}

static inline bool __dma_iova_link_page(struct device *dev, struct dma_iova_state *state, u64 phys,
					u64 offset, enum dma_data_direction dir)
{
	const struct __dma_link_limits *limits = __atomic_load_n(
		(const struct __dma_link_limits *const *)(const void *)dev, __ATOMIC_RELAXED);
	u64 live = limits->live | __dma_self(), *slot;
	bool done = false;

	if (__atomic_load_n(&state->__live, __ATOMIC_RELAXED) != live ||
	    phys >= __atomic_load_n(&limits->ram_end[phys >> 32 != 0], __ATOMIC_RELAXED) ||
	    __atomic_load_n(limits->refuse, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&state->__busy, 1, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (__atomic_load_n(&state->__live, __ATOMIC_RELAXED) == live &&
	    offset >> 12 < __atomic_load_n(&state->__open, __ATOMIC_ACQUIRE)) {
		slot = __atomic_load_n(&state->__slots, __ATOMIC_RELAXED) + (offset >> 12);
		done = !(__atomic_load_n(slot, __ATOMIC_RELAXED) & 3);
		if (done) /* reading, writing or both: two bits for each direction */
			__atomic_store_n(slot, phys | (0x27u >> 2 * (unsigned int)dir & 3),
					 __ATOMIC_RELEASE);
	}
	__atomic_store_n(&state->__busy, 0, __ATOMIC_RELEASE);
	return done;
}

static inline __attribute__((always_inline)) int
__dma_iova_link(struct device *dev, struct dma_iova_state *state, phys_addr_t phys, size_t offset,
		size_t size, enum dma_data_direction dir, unsigned long attrs)
{
	if (__builtin_expect(size == 4096 && !(attrs | ((phys | offset) & 4095)) && dev && state &&
				     (unsigned int)dir <= DMA_FROM_DEVICE &&
				     __dma_iova_link_page(dev, state, phys, offset, dir),
			     1))
		return 0;
	return dma_iova_link(dev, state, phys, offset, size, dir, attrs);
}

#define dma_iova_link(dev, state, phys, offset, size, dir, attrs)                                  \
	__dma_iova_link(dev, state, phys, offset, size, dir, attrs)
#endif

/**
 * dma_iova_sync() - Make what was linked in a part of the range accessible to the device.
 * The call is cheap when nothing is pending.
 * Return: 0. -EINVAL: the part is outside of the range, or @state is not one of @dev.
 */
DMAMAP_API int dma_iova_sync(struct device *dev, struct dma_iova_state *state, size_t offset,
			     size_t size);

/**
 * dma_iova_unlink() - Unlink whole links, or parts of them that begin and end at a granule.
 * @dir: each link is undone with the direction that it was linked with.
 * @attrs: each link is undone with the attributes that it was linked with.
 *
 * Under policy=strict no device access reaches the memory after this call has returned.
 */
DMAMAP_API void dma_iova_unlink(struct device *dev, struct dma_iova_state *state, size_t offset,
				size_t size, enum dma_data_direction dir, unsigned long attrs);

/** dma_iova_destroy() - Unlink [0, @mapped_len) and free the whole range. */
DMAMAP_API void dma_iova_destroy(struct device *dev, struct dma_iova_state *state,
				 size_t mapped_len, enum dma_data_direction dir,
				 unsigned long attrs);

/**
 * dma_iova_sync_for_cpu() - dma_sync_single_for_cpu() for a part of a range. Linux has no such
 * call.
 */
DMAMAP_API void dma_iova_sync_for_cpu(struct device *dev, struct dma_iova_state *state,
				      size_t offset, size_t size, enum dma_data_direction dir);

/**
 * dma_iova_sync_for_device() - dma_sync_single_for_device() for a part. Linux has no such call.
 */
DMAMAP_API void dma_iova_sync_for_device(struct device *dev, struct dma_iova_state *state,
					 size_t offset, size_t size, enum dma_data_direction dir);

DMAMAP_END

#endif
