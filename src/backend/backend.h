/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back end carries translations to a device and registers from it. Every operation has a default
 * (backend_defaults), so no caller tests for NULL: what a back end cannot do answers -EOPNOTSUPP,
 * reads all ones, or does nothing, as its comment says.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "base/compiler.h"

#include <dmamap/device.h>

struct pt;
struct ports;

/* One address space of a back end. */
struct backend_space {
	const struct backend_ops *ops;
	struct pt *pt;	   /* its page table, where the library keeps one */
	struct pt *direct; /* the same where a stored entry is seen at once; NULL: map by `ops` */
	struct ports
		*ports; /* where simulated accesses enter; NULL: they do not, invalidate by `ops` */
	bool by_range;	/* what carries the translations has to hear of each range: see publish */
	void *priv;
};

/* What an address space cost so far, where the kernel carries it; else 0. */
struct backend_counts {
	u64 maps, unmaps; /* calls */
	u64 refused;	  /* unmaps that the kernel did otherwise than asked */
	u64 left;	  /* mappings that it still takes, at least */
};

struct backend_ops {
	const char *name;
	/* [iova, iova + size) to pa, granule-aligned; flags of pt.h. 0, -ENOMEM, -EEXIST, -EINVAL.
	 */
	int (*map)(struct backend_space *s, iova_t iova, phys_t pa, u64 size, u64 flags);
	/* Takes away what is mapped there; the bytes that were. Cannot fail. */
	u64 (*unmap)(struct backend_space *s, iova_t iova, u64 size);
	/*
	 * The library stored entries in this range by itself, where nothing was: the device sees
	 * them from now on. 0; -errno and a sentence: it sees none of them, the caller takes them
	 * away again. By default nothing.
	 */
	int (*publish)(struct backend_space *s, iova_t iova, u64 size);
	/*
	 * After unmap: no access that still runs or begins later uses the old translations. Where
	 * by_range, what was mapped in the range began and ended in it, and comes here exactly
	 * once.
	 */
	void (*invalidate)(struct backend_space *s, iova_t iova, u64 size);
	void (*invalidate_all)(struct backend_space *s); /* by_range: nothing */
	/* by_range: the same for a range of which only `mapped` bytes were; it may hold many
	 * mappings. */
	void (*invalidate_some)(struct backend_space *s, iova_t iova, u64 size, u64 mapped);
	/*
	 * by_range: takes the entries of [iova, iova + size) out of the page table and cuts the
	 * device off from them. They may be parts of what was published as one piece (up to a leaf
	 * with PT_LAST): the rest of it stays mapped, but is away for a moment. The bytes that
	 * were. Cannot fail.
	 */
	u64 (*unmap_partial)(struct backend_space *s, iova_t iova, u64 size);
	void (*count)(struct backend_space *s, struct backend_counts *out);
	/* The address space goes: whatever is still mapped in it is not any more. */
	void (*clear)(struct backend_space *s);
	/* Registers and interrupts of one device. */
	u64 (*reg_read)(void *dev_priv, int bar, u64 offset, unsigned int size);
	void (*reg_write)(void *dev_priv, int bar, u64 offset, unsigned int size, u64 value);
	/* Waits until the device has received what this thread wrote to its registers. */
	void (*reg_flush)(void *dev_priv);
	/* The most vectors that any kind of its interrupts has. */
	int (*irq_vectors)(void *dev_priv);
	/*
	 * Stops its interrupts, calls device_irq_begin(), and starts those of another kind. The
	 * number of vectors; -errno and an error message: the former arrangement is in force again.
	 */
	int (*irq_setup)(void *dev_priv, enum dmamap_irq_kind kind, unsigned int vectors);
	/*
	 * The handler of the interrupt line has run. True: the line is asserted. A back end that
	 * signals the line again by itself returns false.
	 */
	bool (*irq_rearm)(void *dev_priv);
	/* Brings faults that the device's IOMMU recorded to device_fault(). */
	void (*collect_faults)(void *dev_priv);
	/* Stops the device's DMA and interrupts; none runs after it returns. */
	void (*stop)(void *dev_priv);
};

extern const struct backend_ops backend_defaults, backend_sim;

/* Fills what is NULL in `ops` from the defaults. */
void backend_complete(struct backend_ops *ops);

#endif
