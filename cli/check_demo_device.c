/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices, pools, two-step ranges and owners: wrong and right use. */
#include "check_demo.h"

#include <sys/mman.h>

static void demo_read_at(struct device *dev, dma_addr_t addr, size_t n)
{
	char buf[8192];

	dmamap_bus_read(dev, addr, buf, n);
}

static void demo_write_at(struct device *dev, dma_addr_t addr, size_t n)
{
	char buf[8192] = "";

	dmamap_bus_write(dev, addr, buf, n);
}

static void demo_sync_missing(struct device *dev, bool wrong)
{
	char *p = kzalloc(64, GFP_KERNEL);
	dma_addr_t addr = demo_map(dev, p, 64, DMA_TO_DEVICE);

	dma_sync_single_for_cpu(dev, addr, 64, DMA_TO_DEVICE);
	p[0] = 1;
	if (!wrong)
		dma_sync_single_for_device(dev, addr, 64, DMA_TO_DEVICE);
	demo_read_at(dev, addr, 64);
	dma_unmap_single(dev, addr, 64, DMA_TO_DEVICE);
	kfree(p);
}

/* The CPU accesses a page that it owns, or does not own. */
static void demo_touch(struct device *dev, enum dma_data_direction dir, bool owned, bool write)
{
	volatile char *p = kzalloc(4096, GFP_KERNEL);
	dma_addr_t addr = demo_map(dev, (char *)(uintptr_t)p, 4096, dir);

	if (owned)
		dma_sync_single_for_cpu(dev, addr, 4096, dir);
	if (write)
		p[100] = 1;
	else
		(void)p[100];
	if (owned)
		dma_sync_single_for_device(dev, addr, 4096, dir);
	dma_unmap_single(dev, addr, 4096, dir);
	kfree((char *)(uintptr_t)p);
}

static void demo_own_cpu_write(struct device *dev, bool wrong)
{
	demo_touch(dev, DMA_TO_DEVICE, !wrong, true);
}

static void demo_own_cpu_read(struct device *dev, bool wrong)
{
	demo_touch(dev, DMA_FROM_DEVICE, !wrong, false);
}

static void demo_own_device(struct device *dev, bool wrong)
{
	void *p = kzalloc(4096, GFP_KERNEL);
	dma_addr_t addr = demo_map(dev, p, 4096, DMA_FROM_DEVICE);

	dma_sync_single_for_cpu(dev, addr, 4096, DMA_FROM_DEVICE);
	if (!wrong)
		dma_sync_single_for_device(dev, addr, 4096, DMA_FROM_DEVICE);
	demo_write_at(dev, addr, 64);
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
	kfree(p);
}

static void demo_device_fault(struct device *dev, bool wrong)
{
	if (wrong)
		demo_read_at(dev, 0xd0000000, 64);
}

static void demo_device_not_mapped(struct device *dev, bool wrong)
{
	void *p = kzalloc(4096, GFP_KERNEL);
	dma_addr_t addr = wrong ? virt_to_phys(p) : demo_map(dev, p, 4096, DMA_TO_DEVICE);

	demo_read_at(dev, addr, 64);
	if (!wrong)
		dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	kfree(p);
}

/* The device reads memory that may be mapped for another direction, or is unmapped. */
static void demo_use_then(struct device *dev, enum dma_data_direction dir, size_t n, bool late)
{
	void *p = kzalloc(4096, GFP_KERNEL);
	dma_addr_t addr = demo_map(dev, p, 1000, dir);

	if (!late)
		demo_write_at(dev, addr, n);
	else
		demo_write_at(dev, addr, 1); /* caches the translation */
	dma_unmap_single(dev, addr, 1000, dir);
	if (late)
		demo_write_at(dev, addr, n);
	kfree(p);
}

static void demo_device_after_unmap(struct device *dev, bool wrong)
{
	demo_use_then(dev, DMA_FROM_DEVICE, 64, wrong);
}

static void demo_device_past_end(struct device *dev, bool wrong)
{
	demo_use_then(dev, DMA_FROM_DEVICE, wrong ? 1001 : 1000, false);
}

static void demo_device_direction(struct device *dev, bool wrong)
{
	demo_use_then(dev, wrong ? DMA_TO_DEVICE : DMA_FROM_DEVICE, 64, false);
}

static void demo_device_stuck(struct device *dev, bool wrong)
{
	void *p = kzalloc(4096, GFP_KERNEL);
	dma_addr_t addr = demo_map(dev, p, 4096, DMA_FROM_DEVICE);
	struct iovec iov[1];
	int n = dmamap_bus_map(dev, addr, 4096, true, iov, 1);

	if (!wrong)
		dmamap_bus_unmap(dev, iov, n, true);
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE); /* waits one second for the device */
	kfree(p);
}

static void demo_memory_gone(struct device *dev, bool wrong)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	dma_addr_t addr = demo_map(dev, p, 4096, DMA_FROM_DEVICE);

	if (wrong)
		mprotect(p, 4096, PROT_NONE); /* as munmap, and nothing else takes its place */
	demo_write_at(dev, addr, 64);
	dma_unmap_single(dev, addr, 4096, DMA_FROM_DEVICE);
	munmap(p, 4096);
}

static void demo_pool_busy(struct device *dev, bool wrong)
{
	struct dma_pool *pool = dmam_pool_create("demo", dev, 64, 0, 0);
	dma_addr_t addr;
	void *p = dma_pool_alloc(pool, GFP_KERNEL, &addr);

	if (!wrong) {
		dma_pool_free(pool, p, addr);
		dmam_pool_destroy(pool);
		return;
	}
	dmam_pool_destroy(pool);
}

enum pool_mistake { NONE, TWICE, WRONG, OTHER, INSIDE, WRITTEN };

static void demo_use_pool(struct device *dev, enum pool_mistake mistake)
{
	struct dma_pool *pool = dma_pool_create("demo", dev, 64, 0, 0);
	struct dma_pool *other = dma_pool_create("other", dev, 64, 0, 0);
	dma_addr_t addr, addr2;
	char *p = dma_pool_alloc(pool, GFP_KERNEL, &addr);
	char *q = dma_pool_alloc(other, GFP_KERNEL, &addr2);

	if (mistake == OTHER)
		dma_pool_free(pool, q, addr2);
	if (mistake == INSIDE)
		dma_pool_free(pool, p + 8, addr + 8);
	if (mistake == WRONG)
		dma_pool_free(pool, p, addr + 64);
	dma_pool_free(other, q, addr2);
	dma_pool_free(pool, p, addr);
	if (mistake == TWICE)
		dma_pool_free(pool, p, addr);
	if (mistake == WRITTEN)
		*(volatile char *)p = 1;
	p = dma_pool_alloc(pool, GFP_KERNEL, &addr);
	dma_pool_free(pool, p, addr);
	dma_pool_destroy(other);
	dma_pool_destroy(pool);
}

static void demo_pool_double_free(struct device *dev, bool wrong)
{
	demo_use_pool(dev, wrong ? TWICE : NONE);
}

static void demo_pool_wrong(struct device *dev, bool wrong)
{
	demo_use_pool(dev, wrong ? WRONG : NONE);
}

static void demo_pool_other(struct device *dev, bool wrong)
{
	demo_use_pool(dev, wrong ? OTHER : NONE);
}

static void demo_pool_inside(struct device *dev, bool wrong)
{
	demo_use_pool(dev, wrong ? INSIDE : NONE);
}

static void demo_pool_written(struct device *dev, bool wrong)
{
	demo_use_pool(dev, wrong ? WRITTEN : NONE);
}

enum link_mistake { RIGHT, NOT_LINKED, STILL_LINKED, DIRECTION, ATTRS, NOT_SYNCED };

static void demo_use_range(struct device *dev, enum link_mistake mistake)
{
	void *p = kzalloc(4096, GFP_KERNEL);
	struct dma_iova_state state = {0};

	if (!dma_iova_try_alloc(dev, &state, 0, 8192))
		return;
	dma_iova_link(dev, &state, virt_to_phys(p), 0, 4096, DMA_TO_DEVICE, 0);
	if (mistake != NOT_SYNCED)
		dma_iova_sync(dev, &state, 0, 4096);
	demo_read_at(dev, state.addr, 64);
	if (mistake != STILL_LINKED)
		dma_iova_unlink(dev, &state, 0, 4096,
				mistake == DIRECTION ? DMA_FROM_DEVICE : DMA_TO_DEVICE,
				mistake == ATTRS ? DMA_ATTR_PRIVILEGED : 0);
	if (mistake == NOT_LINKED)
		dma_iova_unlink(dev, &state, 4096, 4096, DMA_TO_DEVICE, 0);
	dma_iova_free(dev, &state);
	kfree(p);
}

static void demo_iova_not_linked(struct device *dev, bool wrong)
{
	demo_use_range(dev, wrong ? NOT_LINKED : RIGHT);
}

static void demo_iova_linked(struct device *dev, bool wrong)
{
	demo_use_range(dev, wrong ? STILL_LINKED : RIGHT);
}

static void demo_iova_direction(struct device *dev, bool wrong)
{
	demo_use_range(dev, wrong ? DIRECTION : RIGHT);
}

static void demo_iova_attrs(struct device *dev, bool wrong)
{
	demo_use_range(dev, wrong ? ATTRS : RIGHT);
}

static void demo_iova_not_synced(struct device *dev, bool wrong)
{
	demo_use_range(dev, wrong ? NOT_SYNCED : RIGHT);
}

#define DEMO(id, name)                                                                             \
	{                                                                                          \
		.kind = DMAMAP_CHECK_##id, .run = name                                             \
	}
#define DEMO_OWN(id, name)                                                                         \
	{                                                                                          \
		.kind = DMAMAP_CHECK_##id, .run = name, .own = true                                \
	}

const struct check_demo demos_device[] = {
	{.kind = DMAMAP_CHECK_SYNC_MISSING, .run = demo_sync_missing, .keys = "coherent=0"},
	DEMO_OWN(OWN_CPU_WRITE, demo_own_cpu_write),
	DEMO_OWN(OWN_CPU_READ, demo_own_cpu_read),
	DEMO_OWN(OWN_DEVICE, demo_own_device),
	DEMO(DEVICE_FAULT, demo_device_fault),
	{.kind = DMAMAP_CHECK_DEVICE_NOT_MAPPED, .run = demo_device_not_mapped, .keys = "iommu=0"},
	DEMO(DEVICE_AFTER_UNMAP, demo_device_after_unmap),
	DEMO(DEVICE_PAST_END, demo_device_past_end),
	DEMO(DEVICE_DIRECTION, demo_device_direction),
	{.kind = DMAMAP_CHECK_DEVICE_STALE, .run = demo_device_after_unmap, .keys = "policy=lazy"},
	DEMO(DEVICE_STUCK, demo_device_stuck),
	DEMO(MEMORY_GONE, demo_memory_gone),
	DEMO(POOL_BUSY, demo_pool_busy),
	DEMO(POOL_DOUBLE_FREE, demo_pool_double_free),
	DEMO(POOL_WRONG, demo_pool_wrong),
	DEMO(POOL_OTHER, demo_pool_other),
	DEMO(POOL_INSIDE, demo_pool_inside),
	DEMO(POOL_WRITTEN, demo_pool_written),
	DEMO(IOVA_NOT_LINKED, demo_iova_not_linked),
	DEMO(IOVA_LINKED, demo_iova_linked),
	DEMO(IOVA_DIRECTION, demo_iova_direction),
	DEMO(IOVA_ATTRS, demo_iova_attrs),
	DEMO(IOVA_NOT_SYNCED, demo_iova_not_synced),
};
const unsigned int n_demos_device = sizeof(demos_device) / sizeof(demos_device[0]);
