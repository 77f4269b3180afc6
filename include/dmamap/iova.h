/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two-step mappings (Linux: Documentation/core-api/dma-api.rst, "dma_iova_*"): the driver allocates
 * a range of device addresses once, links memory into it piece by piece, syncs once, unlinks, and
 * may link again. They need an IOMMU. Several threads may link and unlink disjoint parts of one
 * state at once.
 *
 * This is a part of <linux/dma-mapping.h>, which includes it and describes the conventions and the
 * context of the functions.
 */
#ifndef DMAMAP_IOVA_H
#define DMAMAP_IOVA_H

#include <linux/dma-mapping.h>

DMAMAP_BEGIN

/*
 * `addr` is the device address of offset 0. The state occupies 48 bytes, however much is linked. It
 * may be moved while no call uses it; it must never be duplicated.
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

/**
 * dma_use_iova() - Test whether a state has a range.
 * @state: the state.
 * Return: true if dma_iova_try_alloc() succeeded and the range was not freed since.
 */
static inline bool dma_use_iova(struct dma_iova_state *state)
{
	return state->__size != 0;
}

/**
 * dma_iova_size() - Return the number of bytes of a range.
 * @state: the range.
 * Return: the number; 0 if the state has no range.
 */
static inline size_t dma_iova_size(struct dma_iova_state *state)
{
	return (size_t)state->__size;
}

/**
 * dma_iova_try_alloc() - Allocate a range of device addresses.
 * @dev: the device.
 * @state: receives the range; it is all zero on failure.
 * @phys: only its offset in the granule (4 KiB) is used.
 * @size: the number of bytes.
 * Return: true. False: the device has no IOMMU, @size is 0, or no address space is left (only then
 *   a retry helps). Use dma_map_phys() or dma_map_sg() then.
 */
DMAMAP_API bool dma_iova_try_alloc(struct device *dev, struct dma_iova_state *state,
				   phys_addr_t phys, size_t size);

/**
 * dma_iova_free() - Free a range.
 * @dev: the device.
 * @state: the range.
 *
 * Memory that is still linked is unlinked, and the checker reports it.
 */
DMAMAP_API void dma_iova_free(struct device *dev, struct dma_iova_state *state);

/**
 * dma_iova_link() - Link memory into a range.
 * @dev: the device.
 * @state: the range.
 * @phys: the physical address of the memory.
 * @offset: the offset in the range at which the memory is linked.
 * @size: the number of bytes.
 * @dir: the direction of the transfer.
 * @attrs: DMA_ATTR_* flags, or 0.
 *
 * Nothing changes on failure. The device may access the memory only after dma_iova_sync().
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
 * It never fails: it passes every case that it does not handle to the library (src/map/twostep.h
 * explains why this is correct). The first member of a device is a pointer to the limits.
 */
struct __dma_link_limits {
	u64 ram_end[2]; /* the end of RAM below 4 GiB, and of all RAM */
	const u32 *refuse;
	u64 live; /* the device's mark, which the states of its ranges have in __live */
};

/**
 * __dma_self() - Return a number that identifies this thread, below 2^48.
 * Return: the number.
 */
static inline u64 __dma_self(void)
{
	u64 self;

	__asm__("movq %%fs:0, %0" : "=r"(self));
	return self;
}

/**
 * __dma_iova_link_page() - Link one page of RAM by one store; the inline part of dma_iova_link().
 * @dev: the device.
 * @state: the range.
 * @phys: the physical address of the page, page-aligned.
 * @offset: the offset in the range, page-aligned.
 * @dir: the direction of the transfer.
 * Return: true. False: the library must link the page.
 */
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

/**
 * __dma_iova_link() - The inline part of dma_iova_link(), which calls the library where needed.
 * @dev: the device.
 * @state: the range.
 * @phys: the physical address of the memory.
 * @offset: the offset in the range at which the memory is linked.
 * @size: the number of bytes.
 * @dir: the direction of the transfer.
 * @attrs: DMA_ATTR_* flags, or 0.
 * Return: as dma_iova_link().
 */
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
 * dma_iova_sync() - Make linked memory accessible to the device.
 * @dev: the device.
 * @state: the range.
 * @offset: the offset of the part in the range.
 * @size: the number of bytes.
 *
 * The call is cheap when nothing is pending.
 * Return: 0. -EINVAL: the part is outside of the range, or @state is not a range of @dev.
 */
DMAMAP_API int dma_iova_sync(struct device *dev, struct dma_iova_state *state, size_t offset,
			     size_t size);

/**
 * dma_iova_unlink() - Unlink whole links, or parts of them that consist of whole granules.
 * @dev: the device.
 * @state: the range.
 * @offset: the offset of the part in the range.
 * @size: the number of bytes.
 * @dir: the direction with which every link in the part was linked.
 * @attrs: the flags with which every link in the part was linked.
 *
 * Under policy=strict no device access reaches the memory after this call has returned.
 */
DMAMAP_API void dma_iova_unlink(struct device *dev, struct dma_iova_state *state, size_t offset,
				size_t size, enum dma_data_direction dir, unsigned long attrs);

/**
 * dma_iova_destroy() - Unlink the beginning of a range and free the whole range.
 * @dev: the device.
 * @state: the range.
 * @mapped_len: the number of bytes that are linked from offset 0 on.
 * @dir: the direction with which they were linked.
 * @attrs: the flags with which they were linked.
 */
DMAMAP_API void dma_iova_destroy(struct device *dev, struct dma_iova_state *state,
				 size_t mapped_len, enum dma_data_direction dir,
				 unsigned long attrs);

/**
 * dma_iova_sync_for_cpu() - As dma_sync_single_for_cpu(), for a part of a range.
 * @dev: the device.
 * @state: the range.
 * @offset: the offset of the part in the range.
 * @size: the number of bytes.
 * @dir: the direction of the transfer.
 *
 * Linux has no such call.
 */
DMAMAP_API void dma_iova_sync_for_cpu(struct device *dev, struct dma_iova_state *state,
				      size_t offset, size_t size, enum dma_data_direction dir);

/**
 * dma_iova_sync_for_device() - As dma_sync_single_for_device(), for a part of a range.
 * @dev: the device.
 * @state: the range.
 * @offset: the offset of the part in the range.
 * @size: the number of bytes.
 * @dir: the direction of the transfer.
 *
 * Linux has no such call.
 */
DMAMAP_API void dma_iova_sync_for_device(struct device *dev, struct dma_iova_state *state,
					 size_t offset, size_t size, enum dma_data_direction dir);

DMAMAP_END

#endif
