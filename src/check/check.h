/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checker, as the layers above call it. Where a device's checker is off nothing here runs: the
 * callers test one flag. The functions report, and change nothing that the driver sees; without
 * memory for what they must remember they see less, and say so once.
 *
 * `caller` is where the driver called the library: __builtin_return_address(0) of the front door.
 */
#ifndef CHECK_CHECK_H
#define CHECK_CHECK_H

#include "base/compiler.h"
#include <dmamap/check.h>

/* By which function something was mapped; the words are in shadow.c. */
enum check_call {
	CALL_SINGLE,
	CALL_PAGE,
	CALL_PHYS,
	CALL_RESOURCE,
	CALL_SG,
	CALL_COHERENT,
	CALL_PAGES,
	CALL_NONCONTIGUOUS,
	CALL_LINK,
	CALL_RANGE, /* a two-step range, which maps nothing by itself */
	CALL_KINDS,
};

/* Of each device, fixed once it is open but where said. */
struct check_device {
	const struct device *dev;
	u64 space; /* its address space: the domain's address */
	u64 bus_offset;
	bool counted; /* check_open() was done */
	bool lazy, coherent;
	bool own;	/* atomic: dmamap_check_own() */
	bool mask_set;	/* atomic */
	bool mask_said; /* atomic */
	bool has_view;	/* own.c: counted among who uses it; under its lock */
};

/* What a call mapped. */
struct check_mapping {
	dma_addr_t addr;
	u64 pa;		 /* PHYS_FOREIGN and all; of registers, too */
	const void *cpu; /* NULL: not known */
	u64 size;
	unsigned long attrs;
	enum dma_data_direction dir;
	enum check_call call;
};

struct stack;

/*
 * Reports what the library itself refuses, and leaves the sentence for dmamap_strerror() with errno
 * EINVAL. `on`: the device's checker is on. A report that the functions below made in this call
 * stands for it. Returns -EINVAL.
 */
int check_report(const struct device *dev, bool on, enum dmamap_check_kind kind, dma_addr_t addr,
		 size_t size, enum dma_data_direction dir, const char *fmt, ...)
	__attribute__((format(printf, 7, 8), cold));

/* The same, with what is known of earlier calls. */
struct check_history {
	const char *what[2];	   /* "allocated", "freed"; NULL: no more */
	const struct stack *at[2]; /* NULL: not known */
};
/*
 * Of the mapping or allocation that holds the address, else of one that did, with the words for
 * both events. Checked devices only.
 */
void check_provenance(struct check_device *c, dma_addr_t addr, const char *made, const char *ended,
		      struct check_history *history);
int check_report_history(const struct device *dev, bool on, enum dmamap_check_kind kind,
			 dma_addr_t addr, size_t size, enum dma_data_direction dir,
			 const struct check_history *history, const char *fmt, ...)
	__attribute__((format(printf, 8, 9), cold));

/*
 * DMAMAP_CHECK and DMAMAP_FAIL: 0, or -EINVAL with the sentence. *on: checking is asked for; *own:
 * with owners watched.
 */
int check_environment(bool *on, bool *own);

/* A checked device begins and ends; the end reports what is still mapped, and how much that was. */
void check_open(struct check_device *c, const struct device *dev, u64 space, u64 bus_offset,
		bool coherent, bool lazy);
u64 check_leaks(struct check_device *c);
void check_close(struct check_device *c);

/* A misuse of this thread's current call begins here: the first thing a front door does. */
void check_enter(const void *caller);

/* map/: after a call mapped, before one unmaps. */
void check_map(struct check_device *c, const struct check_mapping *m, const void *caller);
void check_unmap(struct check_device *c, const struct check_mapping *m, const void *caller);
void check_asked(struct check_device *c, dma_addr_t addr); /* dma_mapping_error() */
void check_sync(struct check_device *c, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		bool to_cpu, const void *caller);
void check_synced(struct check_device *c, dma_addr_t addr,
		  u64 size);				       /* for the device, at its end */
void check_synced_sg(struct check_device *c, dma_addr_t addr); /* the list that begins at addr */

struct scatterlist;
struct sg_table;
void check_map_sg(struct check_device *c, struct scatterlist *sgl, int nents, int segments, u64 max,
		  u64 boundary, enum dma_data_direction dir, unsigned long attrs,
		  const void *caller);
void check_unmap_sg(struct check_device *c, struct scatterlist *sgl, int nents,
		    enum dma_data_direction dir, unsigned long attrs, const void *caller);
void check_sync_sg(struct check_device *c, struct scatterlist *sgl, int nents,
		   enum dma_data_direction dir, bool to_cpu, const void *caller);

/* dma_alloc_noncontiguous(): scattered pages behind one segment. */
void check_map_pages(struct check_device *c, struct sg_table *sgt, enum dma_data_direction dir,
		     const void *caller);
/* dma_alloc_pages(): memory that is about to be freed; were its struct pages written over? */
void check_pages(struct check_device *c, dma_addr_t addr, const void *caller);
/* It ends with its device, by nobody's call. */
void check_forget(struct check_device *c, dma_addr_t addr, enum check_call call);

/*
 * Around what on-demand paging maps and unmaps on the program's behalf: it may overlap what drivers
 * map, no driver asks whether it worked or syncs it, and its pages stay the CPU's.
 */
void check_paging(bool on);

/*
 * Around a map call for memory that an application uses at the same time and never syncs (a UMEM):
 * what the CPU does to it is right, whoever owns it.
 */
void check_sharing(bool on);

/* Coherent memory that is freed by this name was freed already. False: nothing is known. */
bool check_free_unknown(struct check_device *c, const void *cpu, dma_addr_t addr, u64 size);
/* The block belongs to a pool, which is reported in its place. */
void check_pool_chunk(struct check_device *c, dma_addr_t addr, u64 size);
/* The caller's stack, to be told later; NULL: none. */
const struct stack *check_stack(const void *caller);
/* The same of the caller's line alone: for what happens millions of times a second. */
const struct stack *check_line(const void *caller);
void check_pool_leak(struct check_device *c, const char *name, u64 block, u64 chunks,
		     const struct stack *made);

/* Two-step: `addr` is the device address of the range or part. */
void check_range_taken(struct check_device *c, dma_addr_t addr, u64 size, const void *caller);
void check_range_freed(struct check_device *c, dma_addr_t addr, u64 size);
void check_unlink(struct check_device *c, dma_addr_t addr, u64 size, enum dma_data_direction dir,
		  unsigned long attrs, const void *caller);
void check_sync_links(struct check_device *c, dma_addr_t addr, u64 size,
		      enum dma_data_direction dir, bool to_cpu, const void *caller);
void check_synced_links(struct check_device *c, dma_addr_t addr, u64 size);
/* What is known of links in the range: of one that is there, else of one that was. */
void check_links_history(const struct check_device *c, dma_addr_t addr, u64 size,
			 struct check_history *history);
void check_iova_sync(struct check_device *c, dma_addr_t addr, u64 size);

/* bus/: the device reached all of it; or was refused, for the reason in words. */
void check_access(struct check_device *c, dma_addr_t addr, u64 size, bool write,
		  const void *caller);
void check_refused(struct check_device *c, dma_addr_t addr, u64 size, bool write, bool by_direction,
		   const char *why, const void *caller);
/* The access was refused since the memory of its mapping left the process. */
void check_gone(struct check_device *c, dma_addr_t addr, u64 size, bool write, const char *why);
/* size: at most a page. The device read [pa, pa + size) of a non-coherent machine's RAM, that is
 * mapped at addr. */
void check_lines(struct check_device *c, dma_addr_t addr, u64 pa, u64 size);

/* guard.c: *out is RAM as the device must see it while pages are kept from the CPU. 0, -ENOMEM. */
int check_own_begin(struct check_device *c, u8 **out);
void check_own_end(struct check_device *c); /* everything is open to the CPU again */

#endif
