/* SPDX-License-Identifier: BSD-2-Clause */
/* Probing and removing: options, memory, the card's identity and address, DMA masks. */
#include "drivers/e1000e_private.h"

#include <sys/eventfd.h>
#include <unistd.h>

static bool e1000e_ring_ok(unsigned int n)
{
	return n >= 8 && n <= RING_MAX && n % 8 == 0;
}

static int e1000e_take_options(struct e1000e *e, const struct e1000e_options *options)
{
	struct e1000e_options *o = &e->options;

	if (options)
		*o = *options;
	o->rx_ring = o->rx_ring ? o->rx_ring : RING_DEFAULT;
	o->tx_ring = o->tx_ring ? o->tx_ring : RING_DEFAULT;
	o->mask_bits = o->mask_bits ? o->mask_bits : 64;
	o->max_frame = o->max_frame ? o->max_frame : E1000E_FRAME_USUAL;
	o->irq_us = o->irq_us ? o->irq_us : 20;
	if (!e1000e_ring_ok(o->rx_ring) || !e1000e_ring_ok(o->tx_ring))
		return driver_fail(EINVAL,
				   "%s: rings of %u and %u descriptors are not possible: use "
				   "multiples of 8 from 8 to %u",
				   dev_name(e->dev), o->rx_ring, o->tx_ring, RING_MAX);
	if (o->max_frame < E1000E_FRAME_USUAL || o->max_frame > E1000E_FRAME_LONG)
		return driver_fail(EINVAL, "%s: frames of %u bytes are not possible: use %u to %u",
				   dev_name(e->dev), o->max_frame, E1000E_FRAME_USUAL,
				   E1000E_FRAME_LONG);
	if (o->mask_bits > 64 || o->irq_us > 16000)
		return driver_fail(EINVAL,
				   "%s: a mask of %u bits and interrupts %u us apart are not "
				   "possible together: use at most 64 bits and 16000 us",
				   dev_name(e->dev), o->mask_bits, o->irq_us);
	e->rx.size = o->rx_ring;
	e->tx.size = o->tx_ring;
	return e1000e_rx_choose(e, COPY_BUFFER, true);
}

static void e1000e_free_memory(struct e1000e *e)
{
	e1000e_tx_free(e);
	if (e->rx.ring)
		dma_free_coherent(e->dev, e->rx.size * sizeof(*e->rx.ring), e->rx.ring,
				  e->rx.ring_dma);
	if (e->tx.ring)
		dma_free_coherent(e->dev, e->tx.size * sizeof(*e->tx.ring), e->tx.ring,
				  e->tx.ring_dma);
	kfree(e->rx.slot);
	kfree(e->rx.batch);
	kfree(e->rx.gather);
	kfree(e->tx.slot);
	if (e->kick_fd >= 0)
		close(e->kick_fd);
}

static int e1000e_allocate(struct e1000e *e)
{
	e->rx.ring = dma_alloc_coherent(e->dev, e->rx.size * sizeof(*e->rx.ring), &e->rx.ring_dma,
					GFP_KERNEL);
	e->tx.ring = dma_alloc_coherent(e->dev, e->tx.size * sizeof(*e->tx.ring), &e->tx.ring_dma,
					GFP_KERNEL);
	e->rx.slot = kcalloc(e->rx.size, sizeof(*e->rx.slot), GFP_KERNEL);
	e->tx.slot = kcalloc(e->tx.size, sizeof(*e->tx.slot), GFP_KERNEL);
	e->rx.batch = kcalloc(e->rx.size, sizeof(*e->rx.batch), GFP_KERNEL);
	e->rx.gather = kmalloc(e->options.max_frame, GFP_KERNEL);
	e->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (e->rx.ring && e->tx.ring && e->rx.slot && e->tx.slot && e->rx.batch && e->rx.gather &&
	    e->kick_fd >= 0)
		return 0;
	return driver_fail_why(ENOMEM, "%s: no memory for rings of %u and %u descriptors",
			       dev_name(e->dev), e->rx.size, e->tx.size);
}

/* After a reset the card loads its own address into the first receive address register. */
static int e1000e_read_address(struct e1000e *e)
{
	u32 low = e1000e_readl(e, REG_RAL), high = e1000e_readl(e, REG_RAH);

	if (!(high & RAH_AV) || (low & 1))
		return driver_fail(EIO, "%s: the card has no Ethernet address (RAL %08x, RAH %08x)",
				   dev_name(e->dev), low, high);
	for (int i = 0; i < 6; i++)
		e->mac[i] = (u8)(i < 4 ? low >> 8 * i : high >> 8 * (i - 4));
	return 0;
}

static int e1000e_set_masks(struct e1000e *e)
{
	u64 mask = DMA_BIT_MASK(e->options.mask_bits);
	int err = dma_set_mask_and_coherent(e->dev, mask);

	return err ? driver_fail_why(-err, "%s: cannot set a mask of %u bits", dev_name(e->dev),
				     e->options.mask_bits)
		   : 0;
}

/* Checks that the device can be this card. The EEPROM presence bit is always set in it. */
static int e1000e_identify(struct e1000e *e)
{
	u32 status = e1000e_readl(e, REG_STATUS), eec = e1000e_readl(e, REG_EEC);
	u32 id = dmamap_readl(e->dev, DMAMAP_CONFIG, 0);

	/* if there is a configuration space, its first word identifies the device */
	if (id != ALL_ONES && id != PCI_ID)
		return driver_fail(ENODEV, "%s: not an 82574L: it is PCI %04x:%04x, not 8086:10d3",
				   dev_name(e->dev), id & 0xffff, id >> 16);
	/* A previous driver may have left bus mastering disabled; e1000e_reset() enables it. */
	if (status == ALL_ONES || (id != PCI_ID && !(status & STATUS_MASTER)) || !(eec & 0x100))
		return driver_fail(ENODEV, "%s: not an 82574L: STATUS is 0x%08x, EEC 0x%08x",
				   dev_name(e->dev), status, eec);
	e->irq_fd = dmamap_irq_fd(e->dev, 0);
	if (e->irq_fd < 0)
		return driver_fail_why(-e->irq_fd, "%s: cannot get an interrupt", dev_name(e->dev));
	return 0;
}

static int e1000e_take_over(struct e1000e *e)
{
	int err;

	e1000e_lock(e);
	err = e1000e_reset(e);
	if (!err)
		err = e1000e_read_address(e);
	e1000e_unlock(e);
	return err;
}

static int e1000e_set_up(struct e1000e *e, const struct e1000e_options *options)
{
	int err = e1000e_take_options(e, options);

	if (!err)
		err = e1000e_identify(e);
	if (!err)
		err = e1000e_set_masks(e);
	if (!err)
		err = e1000e_allocate(e);
	if (err)
		return err;
	dmamap_set_drvdata(e->dev, e);
	err = e1000e_take_over(e);
	if (err)
		return err;
	err = xdp_register_driver(e->dev, &e1000e_xdp_ops);
	return err ? driver_fail_why(-err, "%s: cannot register the driver for sockets",
				     dev_name(e->dev))
		   : 0;
}

/* Frees everything that exists of the driver. */
static void e1000e_tear_down(struct e1000e *e)
{
	e1000e_lock(e);
	e1000e_down(e);
	e1000e_unlock(e);
	if (dmamap_get_drvdata(e->dev) == e)
		dmamap_set_drvdata(e->dev, NULL);
	e1000e_free_memory(e);
	pthread_mutex_destroy(&e->rx.lock);
	pthread_mutex_destroy(&e->tx.lock);
	pthread_mutex_destroy(&e->stat_lock);
	kfree(e);
}

struct e1000e *e1000e_probe(struct device *dev, const struct e1000e_options *options)
{
	struct e1000e *e = kzalloc(sizeof(*e), GFP_KERNEL);
	int err;

	if (!e) {
		driver_fail_why(ENOMEM, "%s: no memory for the driver", dev_name(dev));
		return NULL;
	}
	e->dev = dev;
	e->kick_fd = -1;
	e->rx.rxq = (struct xdp_rxq_info){.dev = dev};
	pthread_mutex_init(&e->rx.lock, NULL);
	pthread_mutex_init(&e->tx.lock, NULL);
	pthread_mutex_init(&e->stat_lock, NULL);
	err = e1000e_set_up(e, options);
	if (!err)
		return e;
	e1000e_tear_down(e);
	errno = -err;
	return NULL;
}

void e1000e_remove(struct e1000e *e)
{
	if (!e)
		return;
	e1000e_serve_end(e);
	xdp_register_driver(e->dev, NULL);
	e1000e_tear_down(e);
}
