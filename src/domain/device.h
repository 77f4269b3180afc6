/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A device, as all layers above use it. The fields that every mapping call reads are first; only
 * open and the calls that set masks and limits change them.
 */
#ifndef DOMAIN_DEVICE_H
#define DOMAIN_DEVICE_H

#include "base/fork.h"
#include "check/check.h"
#include "domain/domain.h"
#include "domain/fault.h"
#include "domain/regcache.h"
#include "mem/mem.h"
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-direction.h>

#include <pthread.h>

struct bounce_pool;
struct config_rules;
struct dmamap_model_ops;
struct model_state;
struct hw_ops;
struct xsk_device;

/* Counters of one thread on one device. They need no atomic instruction and share no cache line. */
struct device_thread {
	struct tslot slot;
	u64 unmaps, bounced_bytes, bounce_full;
	u64 ranges_taken, ranges_given; /* two-step ranges */
	u64 more_segments;		/* segments of scatterlists after the first of each */
	u64 map_sizes[DMAMAP_SIZE_CLASSES];
};

/* One thread's port of the device's address space. */
struct device_port {
	struct tslot slot;
	struct port *port; /* NULL: no memory for one yet */
	struct device *dev;
};

/*
 * The functions of src/serve for a device whose driver is in another process. They are set before
 * the first register access and are called by the threads of the model.
 */
struct device_client {
	/*
	 * Makes an access that the page table refuses. `buf` NULL: only checks that it would be
	 * made. Returns 0; enum dmamap_fault_reason; -errno if the reason is already recorded.
	 */
	int (*access)(struct device *dev, dma_addr_t addr, u8 *buf, size_t len, bool write);
	void (*fault)(struct device *dev, const struct dmamap_fault *f);
	void (*interrupt)(struct device *dev, unsigned int vector);
	void (*misuse)(struct device *dev, const char *text); /* of dmamap_model_misuse() */
};

#define FAULTS_KEPT 256
#define DEVICE_BARS 6

/* Bits of device.stuck. */
#define DEVICE_STUCK	 1u /* declared stuck, or not simulated: see bus.c */
#define DEVICE_NO_MASTER 2u /* the driver has switched bus mastering off */

/*
 * Grouped by reader. A field is fixed while the device is open, unless its comment says
 * otherwise.
 */
struct device {
	/* struct device_head (base/name.h): read by the inline dma_iova_link() and by dev_name() */
	const struct __dma_link_limits *link_limits;
	char *name;

	/* read by every mapping call */
	struct domain *domain;
	struct tslot_key threads; /* struct device_thread */
	u64 dma_mask;		  /* atomic word */
	u64 coherent_mask;	  /* atomic word */
	u64 dma_last;		  /* atomic: dma_mask less bus_offset; 0 if that is negative */
	/*
	 * Atomic: RAM below this is mapped at its own address and needs no other work (the device
	 * is coherent, and has no IOMMU or policy=identity). 0: there is no such RAM.
	 */
	u64 identity_end;
	u64 bus_offset; /* device address = bus address + this */
	u8 *view;	/* atomic: mem.base, or mem.device_view if the device is not coherent */
	bool identity;	/* see identity_end */
	bool iommu, coherent, untrusted, strict, check;
	/*
	 * atomic: pages may be copies of memory, so fault_settle() must be called before an access
	 */
	bool settles;
	bool bounced;	      /* atomic: some mapping has bounced, so syncs may matter */
	bool identity_mapped; /* policy identity or persistent: RAM is mapped at its own address */
	/* the device cannot access the process's memory outside RAM, so that memory bounces */
	bool ram_only;
	bool careful;	 /* untrusted, not coherent, identity-mapped or ram_only */
	bool sync_looks; /* untrusted, not coherent or ram_only: a sync translates the address */

	/* read by the slower mapping calls: other memory of the process, scatterlists, limits */
	u64 link_mark; /* mark in the states of its two-step ranges: map/twostep_open.c */
	struct regcache *regcache; /* policy=persistent, for memory outside RAM; NULL: none */
	struct lock mask_lock;	   /* keeps dma_mask consistent with the fields derived from it */
	/* atomic words */
	u32 max_seg_size, min_align_mask;
	u64 seg_boundary;

	/* used by accesses of the device (bus/) */
	struct tslot_key ports; /* struct device_port */
	u64 address_last;	/* the last address that its lines reach */
	u8 stuck;		/* atomic: DEVICE_*; if not 0, the device's accesses fail */
	/* NULL: simulated by the program. Otherwise `stuck` is also set, see bus.c */
	const struct hw_ops *hw;

	/* read when an access is refused, and by functions that return the refused accesses */
	const struct device_client *client; /* NULL: its driver is in this process */
	struct fault_table fault_table;
	/* copied segments of dmamap_bus_map(); guarded by copied_lock */
	struct demand_copied *copied;
	struct lock copied_lock;

	struct lock fault_lock;
	struct dmamap_fault faults[FAULTS_KEPT]; /* this and the next two lines: fault_lock */
	u32 fault_head, fault_count;
	u64 faults_seen, faults_lost;

	/* statistics */
	struct device_thread total; /* of threads that ended; guarded by total_lock */
	u64 total_hits, total_misses;
	struct lock total_lock;
	u64 coherent_bytes; /* atomic */

	/* read by opening, closing and statistics */
	char *spec;
	const char *policy_name;

	/* read by register accesses and interrupts */
	struct device_ops ops;
	void *ops_priv; /* private data of its model or back end */
	const struct dmamap_model_ops *model;
	struct model_state *model_state;	 /* NULL without a model */
	struct dmamap_bar_info bar[DEVICE_BARS]; /* fixed when open; size 0: there is none */
	bool sync_writes; /* each register write is complete when it returns */
	/* the lowest number that no other open device had when it was opened */
	unsigned int slot;
	int *irq_fd; /* n_irq_fd descriptors, from open to close */
	unsigned int n_irq_fd;
	unsigned int n_irq; /* atomic: vectors in use, the first ones of irq_fd */
	u32 irq_kind;	    /* atomic: enum dmamap_irq_kind; 0: no interrupts */
	bool line_fired;    /* atomic: the line was signalled, and its handler has not run since */
	bool line_eoi;	    /* atomic: the program calls dmamap_irq_eoi() */
	/* One call of dmamap_irq_setup() or write of configuration space at a time. */
	pthread_mutex_t setup_lock;
	struct config_rules *config_rules; /* under setup_lock; NULL: not read yet */
	u8 *sim_config;			   /* a model's configuration space; under setup_lock */
	void *drvdata;

	/* read by opening and closing */
	struct device *next; /* in the list of open devices; guarded by the device layer's lock */
	bool counted_ram;
	bool open;	/* atomic: completely opened, and not being closed */
	u32 fork_depth; /* of the process that opened it */

	/* what other layers attach to the device */
	struct lock managed_lock;
	/* released by close, newest first; guarded by managed_lock */
	struct managed_mapping *managed;
	struct xsk_device *xsk; /* atomic: queues and sockets (src/xsk); NULL: none yet */
	struct coherent_block *coherent_blocks; /* guarded by the lock of map/coherent.c */

	/* the checker's records; if `check` is false only mask_set is used */
	struct check_device shadow;
};

hot_inline struct device_thread *device_thread(struct device *dev)
{
	struct tslot *s = tslot_get(&dev->threads);

	return likely(s) ? (struct device_thread *)s : &dev->total;
}

/*
 * Whether mappings of RAM receive addresses of the allocator. Otherwise RAM is mapped at its
 * physical address plus bus_offset.
 */
hot_inline bool device_translates_ram(const struct device *dev)
{
	return dev->iommu && !dev->identity_mapped;
}

/* Whether memory of the process outside RAM bounces, because the device cannot access it. */
hot_inline bool device_bounces_foreign(const struct device *dev)
{
	return !dev->coherent || dev->ram_only;
}

/* Whether a parent process opened it; a child of fork must not use it. */
hot_inline bool device_inherited(const struct device *dev)
{
	return dev->fork_depth != fork_depth;
}

/*
 * Records a refused access; always returns -EFAULT. `len` 0: reported by an IOMMU, which records
 * only the page.
 */
int device_fault(struct device *dev, dma_addr_t addr, size_t len, bool write,
		 enum dmamap_fault_reason reason) __attribute__((cold));

/* Sets EINVAL and the error message of an access to a register that does not exist. Returns false.
 */
bool device_no_register(const struct device *dev, int bar, u64 offset, unsigned int size)
	__attribute__((cold));

/* Declares the device stuck: all its accesses fail from now on. */
void device_declare_stuck(struct device *dev, iova_t iova, u64 size) __attribute__((cold));

/* Switches bus mastering of a simulated device. Does not wait for accesses that are under way. */
void device_set_master(struct device *dev, bool on);

/* Sets dma_mask and the fields derived from it. */
void device_set_mask(struct device *dev, u64 mask);

/* Adds one to the eventfd of a vector; no effect if it is not in use. Any thread. */
void device_interrupt(struct device *dev, unsigned int vector);

/*
 * Called when the interrupt line is asserted: signals it, then not again until device_line_rearm().
 */
void device_line_raised(struct device *dev);

/* Called when the handler of the line has run: signals the line again if it is still asserted. */
void device_line_rearm(struct device *dev);

/*
 * Selects the kind of the following interrupts and resets the counters. For a back end's irq_setup.
 */
void device_irq_begin(struct device *dev, enum dmamap_irq_kind kind, unsigned int vectors);

int device_threads_init(struct device *dev); /* the two slot keys; 0, -errno */
void device_threads_fini(struct device *dev);

void device_stats(struct device *dev, struct dmamap_stats *out);

#endif
