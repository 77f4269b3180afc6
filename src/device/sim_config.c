/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration space of a simulated device, built from its model's description: a header of
 * type 0, then capabilities at fixed offsets. The registers have no effect, except that the model
 * cannot access the bus while the bus master bit is 0, and that it is notified of writes. The
 * interrupt status bit is the level of the model's interrupt line.
 *
 * BAR addresses are outside of RAM. Drivers can read them, but they are not used to decode
 * accesses. The first SIM_SLOTS open devices have distinct addresses.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/math.h"
#include "device/config.h"
#include "device/model.h"

#include <string.h>

#define SIM_SLOTS      248u
#define SIM_MEMORY     0xc0000000ull /* above RAM below 4 GiB */
#define SIM_HIGH       (1ull << 46)  /* above all RAM */
#define SIM_HIGH_STEP  (1ull << 38)
#define SIM_PORTS      0x1000u
#define SIM_PORTS_STEP 0x80u

#define SIM_CAP_PM	0x40
#define SIM_CAP_MSI	0x50
#define SIM_CAP_MSIX	0x70
#define SIM_CAP_EXPRESS 0x80 /* 60 bytes; then the model's own */

#define SIM_STATUS	     6u
#define SIM_STATUS_INTERRUPT 8u
#define SIM_EXPRESS_FLR	     (1u << 28)

static void sim_put(u8 *config, unsigned int at, unsigned int size, u64 value)
{
	for (unsigned int i = 0; i < size; i++)
		config[at + i] = (u8)(value >> 8 * i);
}

/* BARs follow one another, every one aligned to its size. */
static void sim_place_bars(struct device *dev, const struct dmamap_model_ops *model)
{
	u64 memory = SIM_MEMORY + dev->slot % SIM_SLOTS * SIM_MEMORY_STEP;
	u64 high = SIM_HIGH + dev->slot % SIM_SLOTS * SIM_HIGH_STEP;
	u64 ports = SIM_PORTS + dev->slot % SIM_SLOTS * SIM_PORTS_STEP;

	for (unsigned int i = 0; i < DEVICE_BARS; i++) {
		const struct dmamap_model_region *bar = &model->region[i];
		u64 *next = bar->flags & DMAMAP_BAR_IO	? &ports
			    : bar->size > SIM_HIGH_FROM ? &high
							: &memory;
		u32 low;

		if (!bar->size)
			continue;
		*next = align_up(*next, bar->size);
		dev->bar[i] = (struct dmamap_bar_info){*next, bar->size, bar->flags};
		*next += bar->size;
		low = bar->flags & DMAMAP_BAR_IO
			      ? 1
			      : (bar->flags & DMAMAP_BAR_64BIT ? 4 : 0) |
					(bar->flags & DMAMAP_BAR_PREFETCH ? 8 : 0);
		sim_put(dev->sim_config, 0x10 + 4 * i, bar->flags & DMAMAP_BAR_64BIT ? 8 : 4,
			dev->bar[i].addr | low);
	}
}

static void sim_capability(u8 *config, unsigned int at, u8 id)
{
	unsigned int link = 0x34;

	while (config[link])
		link = config[link] + 1u;
	config[link] = (u8)at;
	config[at] = id;
	config[6] |= 0x10;
}

/* The vendor-specific capabilities; model_check() has limited their sizes. */
static void sim_capabilities_own(u8 *config, const struct dmamap_model_pci *pci)
{
	unsigned int at = SIM_CAPABILITIES_FIRST;

	for (u32 i = 0; i < pci->n_capabilities; i++) {
		const struct dmamap_model_capability *c = &pci->capabilities[i];

		sim_capability(config, at, 0x09);
		config[at + 2] = (u8)(c->length + 3);
		memcpy(config + at + 3, c->data, c->length);
		at += SIM_CAPABILITY_BYTES(c->length);
	}
}

static void sim_capabilities(u8 *config, const struct dmamap_model_pci *pci, bool resets)
{
	sim_capability(config, SIM_CAP_PM, 0x01);
	sim_put(config, SIM_CAP_PM + 2, 2, 0x0003); /* version 1.2, without D1 and D2 */
	/* No_Soft_Reset: D3hot to D0 does not reset the function */
	sim_put(config, SIM_CAP_PM + 4, 2, 0x0008);
	if (pci->msi) {
		sim_capability(config, SIM_CAP_MSI, 0x05);
		sim_put(config, SIM_CAP_MSI + 2, 2, 0x80 | log2_ceil(pci->msi) << 1);
	}
	if (pci->msix) {
		sim_capability(config, SIM_CAP_MSIX, 0x11);
		sim_put(config, SIM_CAP_MSIX + 2, 2, pci->msix - 1u);
		sim_put(config, SIM_CAP_MSIX + 4, 4, pci->table_offset | pci->table_bar);
		sim_put(config, SIM_CAP_MSIX + 8, 4, pci->pba_offset | pci->pba_bar);
	}
	if (pci->express) {
		sim_capability(config, SIM_CAP_EXPRESS, 0x10);
		sim_put(config, SIM_CAP_EXPRESS + 2, 2, 0x0002); /* version 2, an endpoint */
		/* up to 128 bytes of payload; role-based error reporting */
		sim_put(config, SIM_CAP_EXPRESS + 4, 4,
			0x00008000 | (resets ? SIM_EXPRESS_FLR : 0));
		sim_put(config, SIM_CAP_EXPRESS + 0x0c, 4, 0x00000011); /* one lane of 2.5 GT/s */
		sim_put(config, SIM_CAP_EXPRESS + 0x12, 2, 0x0011);
	}
	sim_capabilities_own(config, pci);
}

int sim_config_make(struct device *dev)
{
	const struct dmamap_model_pci *pci = dev->model ? &dev->model->pci : NULL;
	u8 *config;

	if (!pci)
		return 0;
	dev->sim_config = config = alloc_zeroed(CONFIG_BYTES);
	if (!config)
		return -ENOMEM;
	sim_put(config, 0x00, 2, pci->vendor);
	sim_put(config, 0x02, 2, pci->device);
	sim_put(config, 0x04, 2, 0x0007 | (pci->msix || pci->msi ? 0x0400 : 0));
	sim_put(config, 0x08, 1, pci->revision);
	sim_put(config, 0x09, 3, pci->class_code);
	sim_put(config, 0x2c, 2, pci->subsystem_vendor);
	sim_put(config, 0x2e, 2, pci->subsystem);
	config[0x3d] = pci->intx ? 1 : 0; /* INTA */
	sim_place_bars(dev, dev->model);
	sim_capabilities(config, pci, dev->model->reset != NULL);
	return 0;
}

u64 sim_config_read(struct device *dev, u64 offset, unsigned int size)
{
	u64 value = 0;

	if (!range_within(offset, size, CONFIG_BYTES))
		return ~0ull;
	for (unsigned int i = 0; i < size; i++)
		value |= (u64)read_once(&dev->sim_config[offset + i]) << 8 * i;
	if (range_within(SIM_STATUS - offset, 1, size) && dev->ops.irq_rearm(dev))
		value |= (u64)SIM_STATUS_INTERRUPT << 8 * (SIM_STATUS - offset);
	return value;
}

/*
 * Under setup_lock, with the bits that config_write() permits. No error bit is ever set, so none
 * needs to be cleared.
 */
void sim_config_write(struct device *dev, u64 offset, unsigned int size, u64 value)
{
	const struct config_rules *r = dev->config_rules;

	for (unsigned int i = 0; r && i < size; i++)
		write_once(&dev->sim_config[offset + i],
			   (u8)(value >> 8 * i) & (u8)~r->clears[offset + i]);
	device_set_master(dev, dev->sim_config[4] & 4);
	model_config_written(dev, offset, size, value);
}
