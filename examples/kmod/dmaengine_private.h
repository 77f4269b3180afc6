/* SPDX-License-Identifier: BSD-2-Clause */
/* What the two files of the driver share. */
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
#define PAGES_AT_ONCE 64  /* of one read() or write() */

struct dmaeng_channel {
	struct mutex lock; /* a transfer at a time; guards what follows */
	struct dmaeng_desc *ring;
	dma_addr_t ring_addr;
	u32 tail;
	bool pending;		/* a transfer that nobody has waited for */
	struct completion done; /* by the interrupt handler */
	u32 causes;		/* under dmaeng.irq_lock */
};

struct dmaeng {
	struct pci_dev *pdev;
	void __iomem *regs;
	struct miscdevice misc;
	wait_queue_head_t wait; /* poll() */
	spinlock_t irq_lock;
	struct dmaeng_channel channel[CHANNELS];
	u32 memory_bytes;
	void *buffer; /* what mmap() shows */
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
 * With the channel's lock: a descriptor, which the engine does not see yet; the doorbell; and the
 * end, after which the engine is through with the transfer's memory, whatever came of it. 0, -EIO,
 * -ETIMEDOUT.
 */
void dmaeng_put(struct dmaeng_channel *ch, dma_addr_t address, u32 offset, u32 length);
void dmaeng_go(struct dmaeng *d, unsigned int c);
int dmaeng_wait(struct dmaeng *d, unsigned int c);

void dmaeng_start(struct dmaeng *d, unsigned int c); /* a channel that is stopped */
int dmaeng_reset(struct dmaeng *d);		     /* both channels are stopped */

#endif
