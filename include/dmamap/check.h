/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker reports misuse of the DMA API. It is on for a device that was opened with check=1,
 * and for every device if the environment variable DMAMAP_CHECK is set. The variable is a list of
 * words, separated by commas:
 *
 *   1, 0          on, off
 *   abort         on; the program is stopped at the first report
 *   own           on; the ownership of each streaming buffer is checked, see dmamap_check_own()
 *   stacks=N      each stack has N calls (0: none; the default is 12)
 *   exitcode=N    a program that would exit with 0 exits with N if there was a report
 *   first=N       at most N reports of each kind and line of code are printed (0: all)
 *   suppress=FILE FILE has lines "KIND FUNCTION DEVICE" of shell patterns; a report that matches a
 *                 line is dropped
 *   json=FILE     each report is appended to FILE as a line of JSON
 *
 * Without a callback a report is written to standard error.
 *
 * Context of every function: any thread.
 */
#ifndef DMAMAP_CHECK_H
#define DMAMAP_CHECK_H

#include <dmamap/types.h>
#include <linux/dma-direction.h>

DMAMAP_BEGIN

enum dmamap_check_kind {
	DMAMAP_CHECK_BAD_ARGUMENT =
		1, /* direction NONE, size 0, a range that wraps, vmalloc memory */
	/* unmap and free */
	DMAMAP_CHECK_UNMAP_NOT_MAPPED, /* unmap of an address where no mapping begins */
	DMAMAP_CHECK_UNMAP_TWICE,      /* unmap of a mapping that was unmapped before */
	DMAMAP_CHECK_UNMAP_DEVICE,     /* unmap of another device's mapping */
	DMAMAP_CHECK_UNMAP_SIZE,       /* unmap with another size than was mapped */
	DMAMAP_CHECK_UNMAP_DIRECTION,  /* unmap with another direction */
	DMAMAP_CHECK_UNMAP_FUNCTION,   /* unmap by the function of another kind of mapping */
	DMAMAP_CHECK_UNMAP_SG_COUNT, /* unmap of a scatterlist with another count than was passed */
	DMAMAP_CHECK_UNMAP_ATTRS,    /* unmap or free with other attributes */
	DMAMAP_CHECK_COHERENT_NOT_OWNED, /* free of memory that is not the device's coherent memory
					  */
	DMAMAP_CHECK_COHERENT_TWICE,	 /* coherent memory freed a second time */
	DMAMAP_CHECK_COHERENT_MISMATCH,	 /* free with another size or DMA address */
	/* map */
	DMAMAP_CHECK_MAP_UNCHECKED, /* no dma_mapping_error() call before use or unmap */
	DMAMAP_CHECK_MAP_STACK,	    /* memory of the thread's stack */
	DMAMAP_CHECK_MAP_TEXT,	    /* program text or read-only data */
	DMAMAP_CHECK_MAP_FREED,	    /* memory that was freed, according to AddressSanitizer */
	DMAMAP_CHECK_MAP_OVERLAP, /* a cache line is mapped already, and one of the two may write */
	DMAMAP_CHECK_MAP_COHERENT,     /* coherent memory mapped again */
	DMAMAP_CHECK_MAP_RESOURCE,     /* memory mapped as a resource */
	DMAMAP_CHECK_MAP_NO_MASK,      /* no DMA mask was set before */
	DMAMAP_CHECK_PAGE_STRUCT,      /* a struct page used in place of its memory */
	DMAMAP_CHECK_SEGMENT_SIZE,     /* a segment longer than the device declared */
	DMAMAP_CHECK_SEGMENT_BOUNDARY, /* a segment crosses the boundary that the device declared */
	/* sync */
	DMAMAP_CHECK_SYNC_NOT_MAPPED, /* sync of an address that is not mapped */
	DMAMAP_CHECK_SYNC_RANGE,      /* sync beyond the end of the mapping */
	DMAMAP_CHECK_SYNC_DIRECTION,  /* sync with another direction than was mapped */
	DMAMAP_CHECK_SYNC_SG_COUNT,   /* sync of a scatterlist with another count */
	DMAMAP_CHECK_SYNC_FOR_CPU,    /* sync for the CPU of a buffer that the device only reads */
	DMAMAP_CHECK_SYNC_FOR_DEVICE, /* sync for the device of a buffer that it only writes */
	DMAMAP_CHECK_SYNC_MISSING, /* the device read data that was not synced for it (coherent=0)
				    */
	/* ownership */
	DMAMAP_CHECK_OWN_CPU_WRITE, /* the CPU wrote to a buffer that the device owned */
	DMAMAP_CHECK_OWN_CPU_READ,  /* the CPU read a buffer that the device may be writing */
	DMAMAP_CHECK_OWN_DEVICE,    /* the device wrote to a buffer that the CPU owned */
	/* device */
	DMAMAP_CHECK_DEVICE_FAULT,	 /* an access by the device was refused */
	DMAMAP_CHECK_DEVICE_NOT_MAPPED,	 /* the device accessed memory that is not mapped for it */
	DMAMAP_CHECK_DEVICE_AFTER_UNMAP, /* the device used a mapping after its unmap */
	DMAMAP_CHECK_DEVICE_PAST_END,	 /* an access by the device exceeded the end of a mapping */
	DMAMAP_CHECK_DEVICE_DIRECTION,	 /* an access against the mapping's direction */
	DMAMAP_CHECK_DEVICE_STALE, /* an access succeeded through a stale translation (policy=lazy)
				    */
	DMAMAP_CHECK_DEVICE_STUCK, /* the device held segments for more than a second */
	DMAMAP_CHECK_MEMORY_GONE,  /* memory left the process (munmap, mprotect) while it was mapped
				    */
	/* dma_pool */
	DMAMAP_CHECK_POOL_BUSY,	       /* a pool destroyed with blocks in use */
	DMAMAP_CHECK_POOL_DOUBLE_FREE, /* a block freed twice */
	DMAMAP_CHECK_POOL_WRONG,       /* not a block, or not one with this DMA address */
	DMAMAP_CHECK_POOL_OTHER,       /* a block of another pool */
	DMAMAP_CHECK_POOL_INSIDE,      /* a pointer into a block, not to its beginning */
	DMAMAP_CHECK_POOL_WRITTEN,     /* a block was written after it was freed */
	/* two-step mappings */
	DMAMAP_CHECK_IOVA_NOT_LINKED, /* unlink or sync of a part where nothing is linked */
	DMAMAP_CHECK_IOVA_LINKED,     /* a range freed with links in it */
	DMAMAP_CHECK_IOVA_DIRECTION,  /* unlinked with another direction than linked */
	DMAMAP_CHECK_IOVA_ATTRS,      /* unlinked with other attributes than linked */
	DMAMAP_CHECK_IOVA_NOT_SYNCED, /* an access by the device before dma_iova_sync() */
	/* XSK packet buffers */
	DMAMAP_CHECK_XSK_TWICE, /* a buffer freed or passed on a second time */
	DMAMAP_CHECK_XSK_KEPT, /* the driver has buffers of a pool that is removed from its queue */
	DMAMAP_CHECK_XSK_BUSY, /* the driver has buffers of a UMEM that it unmaps from the device */
	/* memory */
	DMAMAP_CHECK_FREE_MAPPED, /* freed while a mapping of it is live */
	DMAMAP_CHECK_FREE_WRONG,  /* freed by an address that was not allocated, or freed before */
	/* lifetime */
	DMAMAP_CHECK_LEAK, /* still mapped or allocated at dmamap_close() */
	DMAMAP_CHECK_KINDS /* one past the last */
};

struct dmamap_report {
	int kind;
	const char *name; /* the kind's name, as dmamap_check_name() returns it */
	const struct device *dev;
	dma_addr_t addr; /* 0: there is none yet */
	size_t size;
	enum dma_data_direction dir; /* DMA_NONE where there is none */
	const char *text;	     /* the message and the stacks, one line each */
};

/**
 * dmamap_check_on_report() - Set the function that receives reports instead of standard error.
 * @fn: the function; NULL restores standard error.
 * @arg: the last argument of @fn.
 * Context: @fn runs, with no lock held, in the thread that misused the API. Apart from @fn, a
 * report needs less than 8 KiB of that thread's stack. Misuse by @fn itself is counted but not
 * reported.
 */
DMAMAP_API void dmamap_check_on_report(void (*fn)(const struct dmamap_report *, void *arg),
				       void *arg);

/**
 * dmamap_check_count() - Return the number of reports of one kind so far in this process.
 * @kind: an enum dmamap_check_kind; 0: all kinds.
 */
DMAMAP_API u64 dmamap_check_count(int kind);

/**
 * dmamap_check_name() - Return the name of a kind of misuse.
 * @kind: an enum dmamap_check_kind.
 * Return: the name, for example "unmap-twice". NULL: there is no such kind.
 */
DMAMAP_API const char *dmamap_check_name(int kind);

/**
 * dmamap_check_meaning() - Return the meaning of a kind of misuse, in one line.
 * @kind: an enum dmamap_check_kind.
 * Return: the text. NULL: there is no such kind.
 */
DMAMAP_API const char *dmamap_check_meaning(int kind);

/**
 * dmamap_check_own() - Check the ownership of each streaming buffer of a device.
 * @dev: the device.
 * @on: whether to check, from each buffer's next map or sync on.
 *
 * The checker reports accesses of the CPU between map or sync_for_device and sync_for_cpu or unmap,
 * and writes of the device after sync_for_cpu. A mapping with DMA_ATTR_SKIP_CPU_SYNC, and memory of
 * dma_alloc_pages() and dma_alloc_noncontiguous(), belongs to the CPU until the first
 * sync_for_device. Whole pages are protected from the CPU, which costs one or two system calls each
 * time; the bytes outside of whole pages are compared. In a program that was built with
 * AddressSanitizer or runs under valgrind, that tool reports the access.
 * Return: 0. -EINVAL: the checker is off for the device; open it with check=1. -EOPNOTSUPP: the
 *   kernel pins memory for the device (vfio, iommufd). -ENOMEM: a retry helps.
 */
DMAMAP_API int dmamap_check_own(struct device *dev, bool on);

/**
 * dmamap_check_freeing() - Report memory that is freed while it is mapped, as kfree() does.
 * @p: the memory.
 * @size: its bytes; 0 does nothing.
 *
 * An allocator calls it if it does not return freed memory to the system at once, as a pool or a
 * quarantine does. The memory itself does not change. Each mapping is reported once.
 * Context: any, without a lock that a callback of dmamap_check_on_report() acquires.
 */
DMAMAP_API void dmamap_check_freeing(const void *p, size_t size);

/**
 * dmamap_fail() - Set the plan of fault injection.
 * @plan: SITE:KEY=VALUE[,KEY=VALUE]…[;…]. NULL: off. Sites: map coherent pool page iova bounce
 *   link backend memory kmalloc all, and for dmamap_should_fail() also skb irq ioremap register.
 *   Keys: nth=N (the N-th call fails), every=N (every N-th call), prob=P (0 to 1), seed=S, times=N
 *   (at most N failures), dev=NAME.
 * Return: 0. -EINVAL: the plan has a bad word, which the error message names; nothing changes.
 */
DMAMAP_API int dmamap_fail(const char *plan);

/**
 * dmamap_should_fail() - Decide whether an operation of the program fails now.
 * @dev: the device of the operation, for plans with dev=; may be NULL.
 * @site: the name of a site, for example "skb", "irq", "ioremap" or "register".
 *
 * A runtime with operations of its own calls this so that dmamap_fail() covers them as it covers
 * the operations of the library.
 * Context: any thread. The call costs a load and a branch as long as no plan is in force.
 * Return: true: the operation must behave as if it had failed; this was counted. False also if
 *   @site is unknown or NULL.
 */
DMAMAP_API bool dmamap_should_fail(struct device *dev, const char *site);

/**
 * dmamap_fail_count() - Return how often a site failed by the current plan of dmamap_fail().
 * @site: the name of a site.
 * Return: the number since the plan was set; 0 if @site is unknown.
 */
DMAMAP_API u64 dmamap_fail_count(const char *site);

DMAMAP_END

#endif
