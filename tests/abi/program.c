/* SPDX-License-Identifier: BSD-2-Clause */
/* Built against the installed library: a mapping that the device reads. */
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <stdio.h>

/* Linux's formats %llu and %llx are valid on every machine. */
#define IS(type, value) _Generic((value), type : 1, default : 0)
_Static_assert(IS(unsigned long long, (u64)0) && IS(long long, (s64)0),
	       "u64 is unsigned long long");
_Static_assert(IS(unsigned long long, (dma_addr_t)0), "dma_addr_t is u64");

int main(void)
{
	static char buffer[64] = "hello device";
	char seen[64] = "";
	struct device *dev = dmamap_open("sim");
	dma_addr_t addr;

	if (!dev || dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64))) {
		fprintf(stderr, "%s\n", dmamap_strerror());
		return 1;
	}
	addr = dma_map_single(dev, buffer, sizeof(buffer), DMA_TO_DEVICE);
	if (dma_mapping_error(dev, addr) || dmamap_bus_read(dev, addr, seen, sizeof(seen))) {
		fprintf(stderr, "%s\n", dmamap_strerror());
		return 1;
	}
	dma_unmap_single(dev, addr, sizeof(buffer), DMA_TO_DEVICE);
	dmamap_close(dev);
	puts(seen);
	return 0;
}
