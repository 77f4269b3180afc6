/* SPDX-License-Identifier: BSD-2-Clause */
/* As program.c, in C++: coherent memory, seen by the device with no call between. */
#include <cstdio>
#include <cstring>
#include <dmamap/bus.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>

static int fail(const char *what)
{
	std::fprintf(stderr, "%s: %s\n", what, dmamap_strerror());
	return 1;
}

int main()
{
	char seen[64] = "";
	dma_addr_t addr;
	struct device *dev = dmamap_open("sim,iommu=0");

	if (!dev)
		return fail("dmamap_open");
	void *memory = dma_alloc_coherent(dev, sizeof(seen), &addr, GFP_KERNEL);
	if (!memory)
		return fail("dma_alloc_coherent");
	std::strcpy(static_cast<char *>(memory), "hello device");
	if (dmamap_bus_read(dev, addr, seen, sizeof(seen)))
		return fail("dmamap_bus_read");
	dma_free_coherent(dev, sizeof(seen), memory, addr);
	dmamap_close(dev);
	std::puts(seen);
	return 0;
}
