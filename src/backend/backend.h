/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A back end has the operations of an address space (struct iommu_ops) and those of a device
 * (struct device_ops): registers, interrupts, stop. Every operation has a default, so no caller
 * tests for NULL. An operation that a back end does not support fails with -EOPNOTSUPP, reads all
 * ones or does nothing, as its comment says.
 */
#ifndef BACKEND_BACKEND_H
#define BACKEND_BACKEND_H

#include "base/compiler.h"

#include <dmamap/device.h>

struct pt;
struct ports;

/* One address space of a back end. */
struct backend_space {
	const struct iommu_ops *ops;
	struct pt *pt;	   /* the library's page table of the space; NULL: there is none */
	struct pt *direct; /* `pt` if stored entries take effect at once, else NULL */
	/* The ports of simulated accesses. NULL: there are none, so `ops` invalidates. */
	struct ports *ports;
	bool by_range; /* the back end needs each range of mappings: see publish */
	void *priv;
};

/*
 * Counts of the calls or requests of an address space in the kernel or in a server; all 0 for other
 * spaces.
 */
struct backend_counts {
	u64 maps, unmaps; /* calls */
	u64 refused;	  /* unmaps that were refused or performed only in part */
	u64 left;	  /* lower bound of the number of mappings that are still accepted */
};

struct iommu_ops {
	const char *name;
	/*
	 * Maps [iova, iova + size) to pa. All are granule-aligned; the flags are those of pt.h.
	 * Returns 0, -ENOMEM, -EEXIST or -EINVAL.
	 */
	int (*map)(struct backend_space *s, iova_t iova, phys_t pa, u64 size, u64 flags);
	/* Removes the mappings of the range. Returns the bytes that were mapped. Cannot fail. */
	u64 (*unmap)(struct backend_space *s, iova_t iova, u64 size);
	/*
	 * Called after the library has stored entries in this range, which was empty: the device
	 * may use them when the call returns. Returns 0, or -errno with an error message: then the
	 * device can use none of them, and the caller removes them. The default does nothing.
	 */
	int (*publish)(struct backend_space *s, iova_t iova, u64 size);
	/*
	 * Called after unmap: when it returns, no access that still runs or begins later uses the
	 * old translations. Under by_range every mapping of the range begins and ends in it, and
	 * each is passed exactly once.
	 */
	void (*invalidate)(struct backend_space *s, iova_t iova, u64 size);
	void (*invalidate_all)(struct backend_space *s); /* under by_range it does nothing */
	/*
	 * For by_range: invalidates a range of which only `mapped` bytes were mapped. The range may
	 * hold many mappings.
	 */
	void (*invalidate_some)(struct backend_space *s, iova_t iova, u64 size, u64 mapped);
	/*
	 * For by_range: removes the entries of [iova, iova + size) from the page table and revokes
	 * the device's access to them. They may be parts of what was published as one piece (a
	 * piece ends at a leaf with PT_LAST). The rest of the piece stays mapped, but the device
	 * cannot reach it for a moment. Returns the bytes that were mapped. Cannot fail.
	 */
	u64 (*unmap_partial)(struct backend_space *s, iova_t iova, u64 size);
	void (*count)(struct backend_space *s, struct backend_counts *out);
	/* The address space is destroyed: removes everything that is still mapped in it. */
	void (*clear)(struct backend_space *s);
};

/* The operations of one device. `dev_priv` is the struct device. */
struct device_ops {
	const char *name;
	u64 (*reg_read)(void *dev_priv, int bar, u64 offset, unsigned int size);
	void (*reg_write)(void *dev_priv, int bar, u64 offset, unsigned int size, u64 value);
	/* Waits until the device has received what this thread wrote to its registers. */
	void (*reg_flush)(void *dev_priv);
	/* Returns the largest number of vectors of any of its interrupt kinds. */
	int (*irq_vectors)(void *dev_priv);
	/*
	 * Stops its interrupts, calls device_irq_begin(), and starts those of another kind. Returns
	 * the number of vectors, or -errno with an error message: then the previous configuration
	 * is active again.
	 */
	int (*irq_setup)(void *dev_priv, enum dmamap_irq_kind kind, unsigned int vectors);
	/*
	 * Called after the handler of the interrupt line has run. True: the line is still asserted.
	 * A back end that signals the line again by itself returns false.
	 */
	bool (*irq_rearm)(void *dev_priv);
	/* Passes the faults that the device's IOMMU recorded to device_fault(). */
	void (*collect_faults)(void *dev_priv);
	/* Stops the device's DMA and interrupts; none runs after it returns. */
	void (*stop)(void *dev_priv);
};

extern const struct iommu_ops iommu_ops_default, iommu_ops_sim;
extern const struct device_ops device_ops_default;

/* Sets the operations that are NULL in `ops` to their defaults. */
void iommu_ops_complete(struct iommu_ops *ops);
void device_ops_complete(struct device_ops *ops);

#endif
