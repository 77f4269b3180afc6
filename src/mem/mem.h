/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's memory. RAM is one sparse shared file. It is mapped once, so that the pointer to a
 * byte is mem.base + its physical address: [0, mem.low) and, if there is more, [4 GiB, mem.span).
 * The gap below 4 GiB is address space without memory, as for registers and interrupts.
 *
 * Every other memory of the process has a physical address, too: its pointer with bit 50 set. Both
 * conversions are therefore arithmetic.
 *
 * A process has one RAM. Its size is fixed from the first use until the last device is closed and
 * the last page is freed. mem.span is then 0, and the next use may request another size.
 */
#ifndef MEM_MEM_H
#define MEM_MEM_H

#include "base/compiler.h"
#include "base/math.h"

#define PHYS_FOREIGN (1ull << 50)
#define GIB	     (1ull << 30)
#define MIB	     (1ull << 20)
#define KIB	     (1ull << 10)

#define MEM_DMA_END	(16 * MIB) /* end of zone DMA */
#define MEM_DMA32_END	(4 * GIB)  /* end of zone DMA32 */
#define MEM_CACHE_LINE	64 /* granularity of DMA cache maintenance; dma_get_cache_alignment() */
#define MEM_RAM_DEFAULT (8 * GIB)

struct mem_config {
	u64 ram;	 /* bytes; 0: not given, use the existing size or the default */
	u64 swiotlb;	 /* bytes of bounce memory; 0: not given */
	u64 low_max;	 /* limit of RAM below 4 GiB; 0: 3 GiB */
	u64 ram_default; /* replaces MEM_RAM_DEFAULT; 0: no replacement */
	/* the kernel pins pages of RAM for a device, so the file's pages must not be released */
	bool pinned;
};

struct mem {
	/* pointer to physical address 0; while span is 0, no pointer of the process is in RAM */
	u8 *base;
	u64 span; /* end of RAM's physical addresses; 0: there is no RAM */
	u64 low;  /* end of the part below 4 GiB */
	/* physical address of the bounce memory, which the allocator does not manage */
	u64 bounce_start;
	u64 bounce_size;
	/* the device view of RAM, with the same layout; NULL: not needed yet */
	u8 *device_view;
	struct page *map; /* struct page of frame 0; only entries of RAM are backed by memory */
	u8 *vm_base;	  /* vmalloc's address range; while vm_size is 0, no pointer is in it */
	u64 vm_size;	  /* 0: there is no range */
	/*
	 * the RAM file: offset o is physical address o below mem.low, and 4 GiB + (o - mem.low)
	 * above
	 */
	int fd;
};

extern struct mem mem __attribute__((visibility("hidden")));

/*
 * Fixes RAM while a device is open. Returns 0; -EBUSY: another size is fixed; -EINVAL: an invalid
 * size; -ENOMEM; -EMFILE: no descriptor for the file. After success the caller must call mem_put().
 */
int mem_get(const struct mem_config *want);
void mem_put(void);

/*
 * Backs RAM with pages of 2 MiB, as far as the system provides them; allocates the memory. Needs
 * RAM (mem_get).
 */
void mem_make_large(void);

/* Creates mem.device_view once. Returns 0 or -ENOMEM. Needs RAM (mem_get). */
int mem_need_device_view(void);

/*
 * Maps RAM [pa, pa + size) at `va`, shared, with PROT_* bits, and replaces what is mapped there;
 * all values are page-aligned. Returns 0; -EINVAL: not RAM; -ENOMEM. The owner of the address range
 * must map something else there later.
 */
int mem_map_at(void *va, phys_t pa, u64 size, int prot);

/* Memory for the library itself (page tables). It is freed before mem_put() and not counted. */
#define __GFP_INTERNAL 0x40000000u

/*
 * Allocates 2^order pages whose last byte is at most `last`, in the zones that `gfp` allows.
 * Returns NULL with an error message. __GFP_ZERO zeroes the pages.
 */
struct page *page_alloc(gfp_t gfp, unsigned int order, u64 last);
void page_free(struct page *page, unsigned int order);

/* Number of pages allocated by page_alloc and kmalloc, without internal ones (for leak reports). */
u64 mem_pages_used(void);

/*
 * These functions may run while another thread's first allocation creates RAM. Without RAM, base is
 * an address that no pointer has, so any mixture of old and new words yields "not RAM".
 */
hot_inline bool phys_is_ram(phys_t pa)
{
	return pa.v < read_once(&mem.span);
}

hot_inline phys_t phys_of(const void *p)
{
	u64 off = (u64)((uintptr_t)p - (uintptr_t)read_once(&mem.base));

	return PHYS(likely(off < read_once(&mem.span)) ? off : ((u64)(uintptr_t)p | PHYS_FOREIGN));
}

hot_inline void *phys_ptr(phys_t pa)
{
	return likely(phys_is_ram(pa)) ? read_once(&mem.base) + pa.v
				       : (void *)(uintptr_t)(pa.v & ~PHYS_FOREIGN);
}

/*
 * Memory of vmalloc and vmap is contiguous only in virtual addresses: its pages have physical
 * addresses, the range as a whole has none.
 */
hot_inline bool vmalloc_range_contains(const void *p)
{
	return (u64)((uintptr_t)p - (uintptr_t)read_once(&mem.vm_base)) < read_once(&mem.vm_size);
}

#endif
