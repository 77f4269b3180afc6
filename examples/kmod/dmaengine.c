/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel module for the DMA engine of docs/dmaengine.md, which dmamap models as sim:dmaengine. It
 * registers a misc device. This file drives the card, dmaengine_file.c has the file operations.
 *
 *     cd examples/kmod
 *     dmamap kmod run dmaengine.c dmaengine_file.c --device sim:dmaengine --script use_dmaengine.c
 *
 * Every channel has a mutex, which is held from the first descriptor of a transfer to the end of
 * its last one. The interrupt handler stores the causes and wakes the waiting thread. After a
 * transfer that fails or times out, the channel is stopped and restarted, so that no descriptor is
 * in progress when its memory is unmapped.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/iopoll.h>
#include <linux/module.h>

#include "dmaengine_private.h"

#define TRANSFER_TIMEOUT (2 * HZ)
#define STOP_TIMEOUT_US	 1000000

static irqreturn_t dmaeng_interrupt(int irq, void *arg)
{
	struct dmaeng *d = arg;
	u32 pending = dmaeng_read(d, REG_INT_STATUS);
	unsigned int c;

	if (!pending || pending == ~0u)
		return IRQ_NONE; /* the interrupt of another device, or the card is gone */
	for (c = 0; c < CHANNELS; c++) {
		u32 causes;

		if (!(pending & BIT(c)))
			continue;
		causes = dmaeng_read(d, REG_CHANNEL(c) + CH_STATUS) & (STATUS_DONE | STATUS_ERRORS);
		dmaeng_write(d, REG_CHANNEL(c) + CH_STATUS, causes);
		spin_lock(&d->irq_lock);
		d->channel[c].causes |= causes;
		spin_unlock(&d->irq_lock);
		complete(&d->channel[c].done);
	}
	wake_up_interruptible(&d->wait);
	return IRQ_HANDLED;
}

void dmaeng_start(struct dmaeng *d, unsigned int c)
{
	struct dmaeng_channel *ch = &d->channel[c];
	u32 base = REG_CHANNEL(c);

	ch->tail = 0;
	reinit_completion(&ch->done);
	dmaeng_write(d, base + CH_RING_SIZE, RING);
	dmaeng_write(d, base + CH_RING_LO, lower_32_bits(ch->ring_addr));
	dmaeng_write(d, base + CH_RING_HI, upper_32_bits(ch->ring_addr));
	dmaeng_write(d, base + CH_VECTOR, d->vectors > 1 ? c : 0);
	dmaeng_write(d, base + CH_STATUS, STATUS_DONE | STATUS_ERRORS);
	dmaeng_write(d, base + CH_INT_ENABLE, STATUS_DONE | STATUS_ERRORS);
	dmaeng_write(d, base + CH_CTRL, CTRL_RUN);
}

/* When this returns, the engine accesses no memory of the channel any more. */
static int dmaeng_stop(struct dmaeng *d, unsigned int c)
{
	u32 status;

	dmaeng_write(d, REG_CHANNEL(c) + CH_CTRL, 0);
	return readl_poll_timeout(d->regs + REG_CHANNEL(c) + CH_STATUS, status,
				  !(status & STATUS_RUNNING), 10, STOP_TIMEOUT_US);
}

int dmaeng_reset(struct dmaeng *d)
{
	u32 control;

	dmaeng_write(d, REG_CONTROL, CONTROL_RESET);
	return readl_poll_timeout(d->regs + REG_CONTROL, control, !(control & CONTROL_RESET), 10,
				  STOP_TIMEOUT_US);
}

/* Adds a descriptor, which the engine does not process yet. Under the channel's lock. */
void dmaeng_put(struct dmaeng_channel *ch, dma_addr_t address, u32 offset, u32 length)
{
	ch->ring[ch->tail] = (struct dmaeng_desc){
		.address = cpu_to_le64(address),
		.offset = cpu_to_le32(offset),
		.length = cpu_to_le32(length),
	};
	ch->tail = (ch->tail + 1) % RING;
}

/* Starts the transfer, whose last descriptor is the one before the tail. */
void dmaeng_go(struct dmaeng *d, unsigned int c)
{
	struct dmaeng_channel *ch = &d->channel[c];

	ch->ring[(ch->tail + RING - 1) % RING].flags = cpu_to_le32(DESC_IRQ);
	reinit_completion(&ch->done);
	spin_lock_irq(&d->irq_lock);
	ch->causes = 0;
	spin_unlock_irq(&d->irq_lock);
	dmaeng_write(d, REG_CHANNEL(c) + CH_TAIL, ch->tail);
}

/*
 * Waits for the transfer. In every case the engine no longer accesses its memory afterwards. Under
 * the channel's lock.
 */
int dmaeng_wait(struct dmaeng *d, unsigned int c)
{
	struct dmaeng_channel *ch = &d->channel[c];
	int err;

	wait_for_completion_timeout(&ch->done, TRANSFER_TIMEOUT);
	spin_lock_irq(&d->irq_lock);
	err = ch->causes & STATUS_ERRORS ? -EIO : ch->causes & STATUS_DONE ? 0 : -ETIMEDOUT;
	spin_unlock_irq(&d->irq_lock);
	if (!err)
		return 0;
	dev_warn(&d->pdev->dev, "channel %u: a transfer failed: %d\n", c, err);
	if (dmaeng_stop(d, c))
		dev_err(&d->pdev->dev, "channel %u does not stop\n", c);
	dmaeng_start(d, c);
	return err;
}

static int dmaeng_memory(struct dmaeng *d)
{
	struct device *dev = &d->pdev->dev;
	unsigned int c;

	for (c = 0; c < CHANNELS; c++) {
		struct dmaeng_channel *ch = &d->channel[c];

		mutex_init(&ch->lock);
		init_completion(&ch->done);
		ch->ring = dmam_alloc_coherent(dev, RING * sizeof(*ch->ring), &ch->ring_addr,
					       GFP_KERNEL);
		if (!ch->ring)
			return -ENOMEM;
	}
	d->buffer = dmam_alloc_coherent(dev, DMAENG_BUFFER_BYTES, &d->buffer_addr, GFP_KERNEL);
	return d->buffer ? 0 : -ENOMEM;
}

static void dmaeng_free_irqs(struct dmaeng *d, int n)
{
	while (n--)
		free_irq(pci_irq_vector(d->pdev, n), d);
	pci_free_irq_vectors(d->pdev);
}

static int dmaeng_request_irqs(struct dmaeng *d)
{
	int i, err;

	d->vectors = pci_alloc_irq_vectors(d->pdev, 1, CHANNELS, PCI_IRQ_ALL_TYPES);
	if (d->vectors < 0)
		return d->vectors;
	for (i = 0; i < d->vectors; i++) {
		err = request_irq(pci_irq_vector(d->pdev, i), dmaeng_interrupt, IRQF_SHARED,
				  "dmaengine", d);
		if (err) {
			dmaeng_free_irqs(d, i);
			return err;
		}
	}
	return 0;
}

static int dmaeng_setup(struct dmaeng *d)
{
	unsigned int c;
	int err;

	if (dmaeng_read(d, REG_ID) != ENGINE_ID)
		return dev_err_probe(&d->pdev->dev, -ENODEV,
				     "the ID register is not a DMA engine's\n");
	err = dmaeng_reset(d);
	if (err)
		return err;
	d->memory_bytes = dmaeng_read(d, REG_MEMORY_SIZE);
	err = dmaeng_memory(d);
	if (err)
		return err;
	pci_set_master(d->pdev);
	err = dmaeng_request_irqs(d);
	if (err)
		return err;
	for (c = 0; c < CHANNELS; c++)
		dmaeng_start(d, c);
	dmaeng_write(d, REG_CONTROL, CONTROL_IRQ);
	return 0;
}

static int dmaeng_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct dmaeng *d;
	int err = pcim_enable_device(pdev);

	if (err)
		return err;
	err = pcim_iomap_regions(pdev, BIT(0), "dmaengine");
	if (err)
		return err;
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (err)
		return err;
	dma_set_max_seg_size(&pdev->dev, PAGES_AT_ONCE * PAGE_SIZE);
	d = devm_kzalloc(&pdev->dev, sizeof(*d), GFP_KERNEL);
	if (!d)
		return -ENOMEM;
	d->pdev = pdev;
	d->regs = pcim_iomap_table(pdev)[0];
	spin_lock_init(&d->irq_lock);
	init_waitqueue_head(&d->wait);
	pci_set_drvdata(pdev, d);
	err = dmaeng_setup(d);
	if (err)
		return err;
	d->misc.minor = MISC_DYNAMIC_MINOR;
	d->misc.name = "dmaengine";
	d->misc.fops = &dmaeng_fops;
	d->misc.parent = &pdev->dev;
	err = misc_register(&d->misc);
	if (!err)
		return 0;
	dmaeng_reset(d);
	dmaeng_free_irqs(d, d->vectors);
	return err;
}

static void dmaeng_remove(struct pci_dev *pdev)
{
	struct dmaeng *d = pci_get_drvdata(pdev);

	misc_deregister(&d->misc);
	dmaeng_reset(d);
	dmaeng_free_irqs(d, d->vectors);
	pci_clear_master(pdev);
}

static const struct pci_device_id dmaeng_ids[] = {{PCI_DEVICE(0x1234, 0x0d3a)}, {0}};
MODULE_DEVICE_TABLE(pci, dmaeng_ids);

static struct pci_driver dmaeng_driver = {
	.name = "dmaengine",
	.id_table = dmaeng_ids,
	.probe = dmaeng_probe,
	.remove = dmaeng_remove,
};
module_pci_driver(dmaeng_driver);

MODULE_DESCRIPTION("A DMA engine with rings of descriptors");
MODULE_LICENSE("Dual BSD/GPL");
