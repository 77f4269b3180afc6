/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The configuration space of a simulated device, built from its model's description: a header of
 * type 0, then capabilities at fixed offsets. The registers have no effect, except that the model
 * cannot access the bus while the bus master bit is 0.
 *
 * BAR addresses are outside of RAM. Drivers can read them, but no access is decoded by them. Each
 * of the first SIM_SLOTS open devices has its own.
 */
#include "base/alloc.h"
#include "base/error.h"
#include "base/math.h"
#include "device/config.h"
#include "device/model.h"

#include <string.h>

#define SIM_SLOTS	248u
#define SIM_MEMORY	0xc0000000ull /* above RAM below 4 GiB */
#define SIM_MEMORY_STEP (4 * MIB)
#define SIM_PORTS	0x1000u
#define SIM_PORTS_STEP	0x80u

#define SIM_CAP_PM	0x40
#define SIM_CAP_MSI	0x50
#define SIM_CAP_MSIX	0x70
#define SIM_CAP_EXPRESS 0x80

static void sim_put(u8 *config, unsigned int at, unsigned int size, u64 value)
{
	for (unsigned int i = 0; i < size; i++)
		config[at + i] = (u8)(value >> 8 * i);
}

/* BARs follow one another, every one aligned to its size. */
static void sim_place_bars(struct device *dev, const struct model_pci *pci)
{
	u64 memory = SIM_MEMORY + dev->slot % SIM_SLOTS * SIM_MEMORY_STEP;
	u64 ports = SIM_PORTS + dev->slot % SIM_SLOTS * SIM_PORTS_STEP;

	for (unsigned int i = 0; i < DEVICE_BARS; i++) {
		const struct model_bar *bar = &pci->bar[i];
		u64 *next = bar->flags & DMAMAP_BAR_IO ? &ports : &memory;
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
		sim_put(dev->sim_config, 0x10 + 4 * i, 4, dev->bar[i].addr | low);
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

static void sim_capabilities(u8 *config, const struct model_pci *pci)
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
		sim_put(config, SIM_CAP_MSIX + 4, 4, pci->msix_table | pci->msix_bar);
		sim_put(config, SIM_CAP_MSIX + 8, 4, pci->msix_pending | pci->msix_bar);
	}
	if (pci->express) {
		sim_capability(config, SIM_CAP_EXPRESS, 0x10);
		sim_put(config, SIM_CAP_EXPRESS + 2, 2, 0x0002); /* version 2, an endpoint */
		/* up to 128 bytes of payload; role-based error reporting */
		sim_put(config, SIM_CAP_EXPRESS + 4, 4, 0x00008000);
		sim_put(config, SIM_CAP_EXPRESS + 0x0c, 4, 0x00000011); /* one lane of 2.5 GT/s */
		sim_put(config, SIM_CAP_EXPRESS + 0x12, 2, 0x0011);
	}
}

int sim_config_make(struct device *dev)
{
	const struct model_pci *pci = dev->model ? dev->model->pci : NULL;
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
	config[0x3d] = pci->line ? 1 : 0; /* INTA */
	sim_place_bars(dev, pci);
	sim_capabilities(config, pci);
	return 0;
}

u64 sim_config_read(struct device *dev, u64 offset, unsigned int size)
{
	u64 value = 0;

	if (!range_within(offset, size, CONFIG_BYTES))
		return ~0ull;
	for (unsigned int i = 0; i < size; i++)
		value |= (u64)read_once(&dev->sim_config[offset + i]) << 8 * i;
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
}
