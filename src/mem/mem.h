/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The machine's memory. RAM is one sparse shared file, mapped once so that the address of a byte is
 * mem.base + its physical address: [0, mem.low) and, when there is more, [4 GiB, mem.span). The
 * gap between is address space that nothing backs (registers and interrupts live there).
 *
 * Any other memory of the process has a physical address too: its pointer with bit 50 set. So both
 * ways are arithmetic.
 *
 * One RAM per process, fixed from the first use until the last device is closed and the last page
 * given back (struct mem then says span 0, and the next use may ask for another size).
 */
#ifndef MEM_MEM_H
#define MEM_MEM_H

#include "base/compiler.h"
#include "base/math.h"

#define PHYS_FOREIGN (1ull << 50)
#define GIB	     (1ull << 30)
#define MIB	     (1ull << 20)
#define KIB	     (1ull << 10)

#define MEM_DMA_END	(16 * MIB) /* zone DMA lies below */
#define MEM_DMA32_END	(4 * GIB)  /* zone DMA32 lies below */
#define MEM_CACHE_LINE	64 /* the unit of DMA cache maintenance; dma_get_cache_alignment() */
#define MEM_RAM_DEFAULT (8 * GIB)

struct mem_config {
	u64 ram;	 /* bytes; 0: not named, whatever there is, else the default */
	u64 swiotlb;	 /* bytes of bounce memory; 0: not named */
	u64 low_max;	 /* RAM below 4 GiB at most; 0: 3 GiB */
	u64 ram_default; /* in place of MEM_RAM_DEFAULT; 0: that */
	bool pinned; /* the kernel pins pages of it for a device: they stay the file's from now on
		      */
};

struct mem {
	u8 *base;	  /* of physical address 0; no pointer of the process while span is 0 */
	u64 span;	  /* the first physical address past RAM; 0: no RAM now */
	u64 low;	  /* end of the part below 4 GiB */
	u64 bounce_start; /* physical address of the bounce memory, outside of the allocator */
	u64 bounce_size;
	u8 *device_view; /* what non-coherent devices see: same layout as RAM; NULL: none needed yet
			  */
	struct page *map; /* of page frame 0; only entries of RAM are memory */
	u8 *vm_base; /* where vmalloc's areas lie; no pointer of the process while vm_size is 0 */
	u64 vm_size; /* 0: there is no area */
	int fd;	     /* of the RAM file: offset o is physical o below mem.low, then 4 GiB + … */
};

extern struct mem mem __attribute__((visibility("hidden")));

/*
 * Fixes RAM for as long as a device is open. 0; -EBUSY: another size is fixed now; -EINVAL: not a
 * size that can be; -ENOMEM; -EMFILE: no descriptor for its file. Each success is given back by
 * mem_put().
 */
int mem_get(const struct mem_config *want);
void mem_put(void);

/* RAM in pages of 2 MiB, as far as the system gives them; takes the memory. Needs RAM (mem_get). */
void mem_make_large(void);

/* Makes mem.device_view, once; 0 or -ENOMEM. Needs RAM (mem_get). */
int mem_need_device_view(void);

/*
 * Maps RAM [pa, pa + size) at `va` over what is there, shared, with PROT_* bits; all page-aligned.
 * 0; -EINVAL: not RAM; -ENOMEM. The owner of the address range maps something else there later.
 */
int mem_map_at(void *va, phys_t pa, u64 size, int prot);

/* Memory that the library itself takes (page tables): given back before mem_put, not counted. */
#define __GFP_INTERNAL 0x40000000u

/*
 * 2^order pages whose last byte is at most `last`, in the zones that `gfp` allows; NULL and a
 * sentence. Contents are zero with __GFP_ZERO.
 */
struct page *page_alloc(gfp_t gfp, unsigned int order, u64 last);
void page_free(struct page *page, unsigned int order);

/* Pages given out now by page_alloc and kmalloc and not internal (for leak reports). */
u64 mem_pages_used(void);

/*
 * These may run while another thread's first allocation makes RAM. Where there is none, base is an
 * address that no pointer has, so any mix of an old and a new word says "not RAM".
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

/* Memory that has no physical address of its own, only its pages have: vmalloc's and vmap's. */
hot_inline bool vmalloc_range_contains(const void *p)
{
	return (u64)((uintptr_t)p - (uintptr_t)read_once(&mem.vm_base)) < read_once(&mem.vm_size);
}

#endif
