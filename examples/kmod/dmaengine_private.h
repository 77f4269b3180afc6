/* SPDX-License-Identifier: BSD-2-Clause */
/* Declarations that the two files of the driver share. */
#ifndef DMAENGINE_EXAMPLE_PRIVATE_H
#define DMAENGINE_EXAMPLE_PRIVATE_H

#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "dmaengine.h"
#include "dmaengine_regs.h"

#define RING	      128 /* holds RING - 1 descriptors */
#define PAGES_AT_ONCE 64  /* per read() or write() */

struct dmaeng_channel {
	struct mutex lock; /* one transfer at a time; guards the fields below */
	struct dmaeng_desc *ring;
	dma_addr_t ring_addr;
	u32 tail;
	bool pending;		/* an asynchronous transfer was not waited for yet */
	struct completion done; /* completed by the interrupt handler */
	u32 causes;		/* under dmaeng.irq_lock */
};

struct dmaeng {
	struct pci_dev *pdev;
	void __iomem *regs;
	struct miscdevice misc;
	wait_queue_head_t wait; /* waited on by poll() */
	spinlock_t irq_lock;
	struct dmaeng_channel channel[CHANNELS];
	u32 memory_bytes;
	void *buffer; /* the buffer that mmap() maps */
	dma_addr_t buffer_addr;
	int vectors;
};

static inline u32 dmaeng_read(struct dmaeng *d, u32 offset)
{
	return readl(d->regs + offset);
}

static inline void dmaeng_write(struct dmaeng *d, u32 offset, u32 value)
{
	writel(value, d->regs + offset);
}

extern const struct file_operations dmaeng_fops; /* dmaengine_file.c */

/*
 * Under the channel's lock: add a descriptor, which the engine does not process yet; start the
 * transfer; wait for its end. After dmaeng_wait(), in every case, the engine no longer accesses the
 * transfer's memory. Returns 0, -EIO or -ETIMEDOUT.
 */
void dmaeng_put(struct dmaeng_channel *ch, dma_addr_t address, u32 offset, u32 length);
void dmaeng_go(struct dmaeng *d, unsigned int c);
int dmaeng_wait(struct dmaeng *d, unsigned int c);

void dmaeng_start(struct dmaeng *d, unsigned int c); /* the channel must be stopped */
int dmaeng_reset(struct dmaeng *d);		     /* both channels must be stopped */

#endif
