/* SPDX-License-Identifier: BSD-2-Clause */
/* The smallest driver: maps a buffer, passes its address to a device, and unmaps it. */
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <stdio.h>
#include <string.h>

static int transmit(struct device *dev, char *packet, size_t size)
{
	char seen[64] = "";
	dma_addr_t addr = dma_map_single(dev, packet, size, DMA_TO_DEVICE);

	if (dma_mapping_error(dev, addr))
		return -ENOMEM;
	/* A real driver would now write `addr` to a register of its device. */
	if (dmamap_bus_read(dev, addr, seen, size) == 0)
		printf("the device read \"%s\" at %#llx\n", seen, (unsigned long long)addr);
	dma_unmap_single(dev, addr, size, DMA_TO_DEVICE);
	/* After the unmap the device cannot access the buffer: */
	return dmamap_bus_read(dev, addr, seen, size) == -EFAULT ? 0 : -EIO;
}

int main(void)
{
	static char packet[64] = "hello, device";
	struct device *dev = dmamap_open("sim,policy=strict");
	int err = -ENODEV;

	if (dev && dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)) == 0)
		err = transmit(dev, packet, strlen(packet) + 1);
	if (err)
		fprintf(stderr, "driver: %s\n", dmamap_strerror());
	dmamap_close(dev);
	return err ? 1 : 0;
}
