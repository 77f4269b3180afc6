/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker: names misuse of the DMA API. On for a device opened with check=1, or for all with
 * DMAMAP_CHECK=1 in the environment (DMAMAP_CHECK=abort stops the program at the first report).
 * Without a callback a report goes to standard error.
 */
#ifndef DMAMAP_CHECK_H
#define DMAMAP_CHECK_H

#include <dmamap/types.h>
#include <linux/dma-direction.h>

DMAMAP_BEGIN

enum dmamap_check_kind {
	DMAMAP_CHECK_BAD_ARGUMENT = 1,	  /* direction NONE, size 0, a range that wraps, vmalloc memory */
	DMAMAP_CHECK_UNMAP_NOT_MAPPED,	  /* unmap of an address where no mapping begins */
	DMAMAP_CHECK_UNMAP_SIZE,	  /* unmap with another size than was mapped */
	DMAMAP_CHECK_SYNC_NOT_MAPPED,	  /* sync of an address that is not mapped */
	DMAMAP_CHECK_SYNC_RANGE,	  /* sync beyond the end of the mapping */
	DMAMAP_CHECK_COHERENT_NOT_OWNED,  /* free of memory that is not allocated, or a second time */
	DMAMAP_CHECK_COHERENT_MISMATCH,	  /* free with another size or DMA address */
	DMAMAP_CHECK_POOL_BUSY,		  /* a pool destroyed with blocks in use */
	DMAMAP_CHECK_POOL_DOUBLE_FREE,	  /* a block freed twice */
	DMAMAP_CHECK_POOL_WRONG,	  /* not a block of that pool */
	DMAMAP_CHECK_DEVICE_FAULT,	  /* the device was refused an access */
	DMAMAP_CHECK_DEVICE_STUCK,	  /* the device held segments for over a second */
	DMAMAP_CHECK_LEAK,		  /* still mapped or allocated at dmamap_close() */
	DMAMAP_CHECK_IOVA_NOT_LINKED,	  /* unlink or sync of a part where nothing is linked */
	DMAMAP_CHECK_IOVA_LINKED,	  /* a two-step range freed with links in it */
	DMAMAP_CHECK_IOVA_DIRECTION,	  /* unlinked with another direction than linked */
	DMAMAP_CHECK_KINDS		  /* one past the last */
};

struct dmamap_report {
	int kind;
	const char *name; /* of the kind, as in dmamap_check_name() */
	const struct device *dev;
	dma_addr_t addr; /* 0 where no DMA address exists yet */
	size_t size;
	enum dma_data_direction dir; /* DMA_NONE where there is none */
	const char *text;
};

/*
 * Sends reports to `fn` instead of standard error; NULL: back. It runs in the thread that misused
 * the API and may call dev_name(), dmamap_check_name() and dmamap_check_count(), nothing else.
 */
DMAMAP_API void dmamap_check_on_report(void (*fn)(const struct dmamap_report *, void *arg), void *arg);

/* Reports of one kind so far in this process; kind 0: of all. */
DMAMAP_API u64 dmamap_check_count(int kind);

/* The kind's name, kinds from 1; NULL past the last. */
DMAMAP_API const char *dmamap_check_name(int kind);

/*
 * Fault injection, in words: SITE:KEY=VALUE[,KEY=VALUE]…[;…]. Sites: map coherent pool page iova
 * bounce link backend memory all. Keys: nth=N (that call), every=N, prob=P (0 to 1), seed=S,
 * times=N (at most), dev=NAME. NULL: off. 0; -EINVAL names the bad word and changes nothing.
 */
DMAMAP_API int dmamap_fail(const char *plan);

/* How often a site failed on purpose since its plan was set; 0 for an unknown site. */
DMAMAP_API u64 dmamap_fail_count(const char *site);

DMAMAP_END

#endif
