/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker: names misuse of the DMA API. On for a device opened with check=1, or for all with
 * DMAMAP_CHECK in the environment, words with commas between:
 *
 *   1, 0          on, off
 *   abort         on; stop the program at the first report
 *   own           on; watch who owns each streaming buffer, as dmamap_check_own()
 *   stacks=N      keep N calls of each stack (0: none; 12 unless told)
 *   exitcode=N    a program that would exit with 0 exits with N if there was a report
 *   first=N       show N reports of each kind and line of code (0: all)
 *   suppress=FILE lines "KIND FUNCTION DEVICE", shell patterns: such reports are dropped
 *   json=FILE     append each report to FILE, a line of JSON
 *
 * Without a callback a report goes to standard error.
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
	DMAMAP_CHECK_UNMAP_TWICE,      /* unmap of what was unmapped before */
	DMAMAP_CHECK_UNMAP_DEVICE,     /* unmap of what another device mapped */
	DMAMAP_CHECK_UNMAP_SIZE,       /* unmap with another size than was mapped */
	DMAMAP_CHECK_UNMAP_DIRECTION,  /* unmap with another direction */
	DMAMAP_CHECK_UNMAP_FUNCTION,   /* unmap by the function of another kind of mapping */
	DMAMAP_CHECK_UNMAP_SG_COUNT, /* unmap of a scatterlist with another count than was passed */
	DMAMAP_CHECK_UNMAP_ATTRS,    /* unmap or free with other attributes */
	DMAMAP_CHECK_COHERENT_NOT_OWNED, /* free of what is no coherent memory of the device */
	DMAMAP_CHECK_COHERENT_TWICE,	 /* coherent memory freed a second time */
	DMAMAP_CHECK_COHERENT_MISMATCH,	 /* free with another size or DMA address */
	/* map */
	DMAMAP_CHECK_MAP_UNCHECKED, /* dma_mapping_error() never asked before use or unmap */
	DMAMAP_CHECK_MAP_STACK,	    /* memory of the thread's stack */
	DMAMAP_CHECK_MAP_TEXT,	    /* program text or read-only data */
	DMAMAP_CHECK_MAP_FREED,	    /* memory that AddressSanitizer knows to be freed */
	DMAMAP_CHECK_MAP_OVERLAP, /* a cache line is mapped already, and one of the two may write */
	DMAMAP_CHECK_MAP_COHERENT,     /* coherent memory mapped again */
	DMAMAP_CHECK_MAP_RESOURCE,     /* memory mapped as a resource */
	DMAMAP_CHECK_MAP_NO_MASK,      /* no DMA mask was ever set */
	DMAMAP_CHECK_PAGE_STRUCT,      /* a struct page used in place of its memory */
	DMAMAP_CHECK_SEGMENT_SIZE,     /* a segment longer than the device declared */
	DMAMAP_CHECK_SEGMENT_BOUNDARY, /* a segment across the boundary that the device declared */
	/* sync */
	DMAMAP_CHECK_SYNC_NOT_MAPPED, /* sync of an address that is not mapped */
	DMAMAP_CHECK_SYNC_RANGE,      /* sync beyond the end of the mapping */
	DMAMAP_CHECK_SYNC_DIRECTION,  /* sync with another direction than was mapped */
	DMAMAP_CHECK_SYNC_SG_COUNT,   /* sync of a scatterlist with another count */
	DMAMAP_CHECK_SYNC_FOR_CPU,    /* sync for the CPU of what the device only reads */
	DMAMAP_CHECK_SYNC_FOR_DEVICE, /* sync for the device of what it only writes */
	DMAMAP_CHECK_SYNC_MISSING, /* the device read what was never synced for it (coherent=0) */
	/* ownership */
	DMAMAP_CHECK_OWN_CPU_WRITE, /* the CPU wrote what the device owned */
	DMAMAP_CHECK_OWN_CPU_READ,  /* the CPU read what the device may be writing */
	DMAMAP_CHECK_OWN_DEVICE,    /* the device wrote what the CPU owned */
	/* device */
	DMAMAP_CHECK_DEVICE_FAULT,	 /* the device was refused an access */
	DMAMAP_CHECK_DEVICE_NOT_MAPPED,	 /* it reached memory that is not mapped for it */
	DMAMAP_CHECK_DEVICE_AFTER_UNMAP, /* it used a mapping after its unmap */
	DMAMAP_CHECK_DEVICE_PAST_END,	 /* it went past the end of a mapping */
	DMAMAP_CHECK_DEVICE_DIRECTION,	 /* it read what it may write, or wrote what it may read */
	DMAMAP_CHECK_DEVICE_STALE,	 /* it got through by a stale translation (policy=lazy) */
	DMAMAP_CHECK_DEVICE_STUCK,	 /* it held segments for over a second */
	DMAMAP_CHECK_MEMORY_GONE, /* memory left the process (munmap, mprotect) while it was mapped
				   */
	/* dma_pool */
	DMAMAP_CHECK_POOL_BUSY,	       /* a pool destroyed with blocks in use */
	DMAMAP_CHECK_POOL_DOUBLE_FREE, /* a block freed twice */
	DMAMAP_CHECK_POOL_WRONG,       /* not a block, or not with this DMA address */
	DMAMAP_CHECK_POOL_OTHER,       /* a block of another pool */
	DMAMAP_CHECK_POOL_INSIDE,      /* a pointer into a block, not to its beginning */
	DMAMAP_CHECK_POOL_WRITTEN,     /* a block was written after it was freed */
	/* two-step mappings */
	DMAMAP_CHECK_IOVA_NOT_LINKED, /* unlink or sync of a part where nothing is linked */
	DMAMAP_CHECK_IOVA_LINKED,     /* a range freed with links in it */
	DMAMAP_CHECK_IOVA_DIRECTION,  /* unlinked with another direction than linked */
	DMAMAP_CHECK_IOVA_ATTRS,      /* unlinked with other attributes than linked */
	DMAMAP_CHECK_IOVA_NOT_SYNCED, /* used by the device before dma_iova_sync() */
	/* XSK packet buffers */
	DMAMAP_CHECK_XSK_TWICE, /* a buffer freed or given on a second time */
	DMAMAP_CHECK_XSK_KEPT, /* buffers that the driver still has when their pool leaves its queue
				*/
	DMAMAP_CHECK_XSK_BUSY, /* the same, when it unmaps the UMEM from the device */
	/* memory */
	DMAMAP_CHECK_FREE_MAPPED, /* freed while a mapping of it is live */
	DMAMAP_CHECK_FREE_WRONG, /* freed by another address than was allocated, or freed already */
	/* lifetime */
	DMAMAP_CHECK_LEAK, /* still mapped or allocated at dmamap_close() */
	DMAMAP_CHECK_KINDS /* one past the last */
};

struct dmamap_report {
	int kind;
	const char *name; /* of the kind, as in dmamap_check_name() */
	const struct device *dev;
	dma_addr_t addr; /* 0 where no DMA address exists yet */
	size_t size;
	enum dma_data_direction dir; /* DMA_NONE where there is none */
	const char *text;	     /* the sentence, and the stacks, a line each */
};

/*
 * Sends reports to `fn` instead of standard error; NULL: back. It runs in the thread that misused
 * the API, with no lock held. What it misuses itself is counted, not told.
 */
DMAMAP_API void dmamap_check_on_report(void (*fn)(const struct dmamap_report *, void *arg),
				       void *arg);

/* Reports of one kind so far in this process; kind 0: of all. */
DMAMAP_API u64 dmamap_check_count(int kind);

/* The kind's name, kinds from 1; NULL past the last. */
DMAMAP_API const char *dmamap_check_name(int kind);

/* What the kind means, in a line; NULL past the last. */
DMAMAP_API const char *dmamap_check_meaning(int kind);

/*
 * Watches who owns each streaming buffer of the device from its next map or sync on: the CPU's
 * accesses between map or sync_for_device and sync_for_cpu or unmap, and the device's writes after
 * sync_for_cpu. Whole pages are protected from the CPU, which costs a system call or two each time;
 * of the rest the bytes are compared. A program built with AddressSanitizer, or run by valgrind,
 * hears of the access from that. 0; -EINVAL: the checker is off for the device; -ENOMEM.
 */
DMAMAP_API int dmamap_check_own(struct device *dev, bool on);

/*
 * Fault injection, in words: SITE:KEY=VALUE[,KEY=VALUE]…[;…]. Sites: map coherent pool page iova
 * bounce link backend memory kmalloc skb irq ioremap register all. kmalloc and page both fail
 * objects of kmalloc and of caches, page also pages and vmalloc; the sites after kmalloc are the
 * program's alone (dmamap_should_fail()). Keys: nth=N (that call), every=N, prob=P (0 to 1),
 * seed=S, times=N (at most), dev=NAME. NULL: off. 0; -EINVAL names the bad word and changes
 * nothing.
 */
DMAMAP_API int dmamap_fail(const char *plan);

/**
 * dmamap_should_fail() - ask whether an operation of the program is to fail now
 * @dev: the device that it belongs to, for plans with dev=; may be NULL
 * @site: a site's name, as "skb", "irq", "ioremap" or "register"
 *
 * For a runtime that has operations of its own, which dmamap_fail() then reaches in the same way as
 * the library's.
 *
 * Context: any thread; costs a load and a branch as long as no plan is in force.
 * Return: true: behave as if it had failed; this was counted. false also for an unknown site or
 * NULL.
 */
DMAMAP_API bool dmamap_should_fail(struct device *dev, const char *site);

/* How often a site failed on purpose since its plan was set; 0 for an unknown site. */
DMAMAP_API u64 dmamap_fail_count(const char *site);

DMAMAP_END

#endif
