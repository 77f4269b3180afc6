/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A driver for a device that dmamap does not model: QEMU's virtio-rng, a source of random bytes,
 * after the Virtual I/O Device specification 1.1 ("Virtio Over PCI Bus", "Split Virtqueues",
 * "Entropy Device"). QEMU runs without a guest; the device's DMA is translated by QEMU's VT-d with
 * dmamap's page tables.
 */
#include <dmamap/device.h>
#include <errno.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>
#include <poll.h>
#include <stdio.h>

#define ENTRIES 8
#define COMMON	1 /* types of virtio capabilities */
#define NOTIFY	2

/* a virtqueue: descriptors, available ring (driver to device), used ring (device to driver) */
struct ring {
	struct {
		u64 addr;
		u32 len;
		u16 flags, next;
	} desc[ENTRIES];
	u16 avail_flags, avail_idx, avail[ENTRIES];
	u32 apart;
	u16 used_flags, used_idx;
	struct {
		u32 id, len;
	} used[ENTRIES];
};

static struct structure {
	int bar;
	u32 at;
} common, notify;

/* The capability list in configuration space has the location of the device's structures. */
static void find_structures(struct device *dev)
{
	u8 at = dmamap_readb(dev, DMAMAP_CONFIG, 0x34);

	for (int i = 0; at && i < 48; i++, at = dmamap_readb(dev, DMAMAP_CONFIG, at + 1u)) {
		u8 type = dmamap_readb(dev, DMAMAP_CONFIG, at + 3u);
		struct structure s = {dmamap_readb(dev, DMAMAP_CONFIG, at + 4u),
				      dmamap_readl(dev, DMAMAP_CONFIG, at + 8u)};

		if (dmamap_readb(dev, DMAMAP_CONFIG, at) != 9)
			continue;
		if (type == COMMON)
			common = s;
		if (type == NOTIFY)
			notify = s;
	}
}

static void set_address(struct device *dev, u32 offset, dma_addr_t addr)
{
	dmamap_writel(dev, common.bar, common.at + offset, (u32)addr);
	dmamap_writel(dev, common.bar, common.at + offset + 4, (u32)(addr >> 32));
}

static int start(struct device *dev, dma_addr_t ring)
{
	const u32 c = common.at;
	int bar = common.bar;

	dmamap_writeb(dev, bar, c + 0x14, 0);	  /* status: reset */
	dmamap_writeb(dev, bar, c + 0x14, 1 | 2); /* ACKNOWLEDGE and DRIVER */
	dmamap_writel(dev, bar, c + 0x08, 1);	  /* select features 32 to 63: */
	/* VERSION_1, ACCESS_PLATFORM (DMA addresses are translated by the IOMMU) */
	dmamap_writel(dev, bar, c + 0x0c, 1 | 2);
	dmamap_writeb(dev, bar, c + 0x14, 1 | 2 | 8);
	if (!(dmamap_readb(dev, bar, c + 0x14) & 8))
		return -ENODEV;
	dmamap_writew(dev, bar, c + 0x16, 0); /* select queue 0 */
	dmamap_writew(dev, bar, c + 0x18, ENTRIES);
	dmamap_writew(dev, bar, c + 0x1a, 0); /* its interrupt is vector 0 */
	set_address(dev, 0x20, ring);
	set_address(dev, 0x28, ring + offsetof(struct ring, avail_flags));
	set_address(dev, 0x30, ring + offsetof(struct ring, used_flags));
	dmamap_writew(dev, bar, c + 0x1c, 1);
	dmamap_writeb(dev, bar, c + 0x14, 1 | 2 | 8 | 4);
	return 0;
}

/*
 * Has the device write `n` bytes to `addr` and waits for its interrupt. Returns the number of bytes
 * written.
 */
static u32 fill(struct device *dev, struct ring *r, dma_addr_t addr, u32 n)
{
	struct pollfd irq = {.fd = dmamap_irq_fd(dev, 0), .events = POLLIN};

	r->desc[0].addr = addr;
	r->desc[0].len = n;
	r->desc[0].flags = 2; /* writable by the device */
	r->avail[r->avail_idx % ENTRIES] = 0;
	__atomic_store_n(&r->avail_idx, r->avail_idx + 1, __ATOMIC_RELEASE);
	dmamap_writew(dev, notify.bar, notify.at, 0);
	if (poll(&irq, 1, 5000) != 1 ||
	    __atomic_load_n(&r->used_idx, __ATOMIC_ACQUIRE) != r->avail_idx)
		return 0;
	return r->used[(r->used_idx - 1) % ENTRIES].len;
}

static int run(struct device *dev)
{
	u8 *bytes = kzalloc(16, GFP_KERNEL);
	dma_addr_t ring_addr, addr;
	struct ring *ring;
	u32 n = 0;

	if (dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)))
		return -EIO;
	ring = dma_alloc_coherent(dev, sizeof(*ring), &ring_addr, GFP_KERNEL);
	find_structures(dev);
	if (!ring || !bytes || start(dev, ring_addr))
		return -ENODEV;
	addr = dma_map_single(dev, bytes, 16, DMA_FROM_DEVICE);
	if (!dma_mapping_error(dev, addr)) {
		n = fill(dev, ring, addr, 16);
		dma_unmap_single(dev, addr, 16, DMA_FROM_DEVICE);
	}
	printf("%u random bytes:", n);
	for (u32 i = 0; i < n; i++)
		printf(" %02x", bytes[i]);
	printf("\n");
	dma_free_coherent(dev, sizeof(*ring), ring, ring_addr);
	kfree(bytes);
	return n == 16 ? 0 : -EIO;
}

int main(void)
{
	struct device *dev = dmamap_open("qemu:virtio-rng-pci");
	int err, no_qemu = errno == ENOENT;

	if (!dev) {
		fprintf(stderr, "%s\n", dmamap_strerror());
		return no_qemu ? 77 : 1; /* 77 means "skipped" to a test */
	}
	err = run(dev);
	if (err)
		fprintf(stderr, "virtio-rng: %s\n", dmamap_strerror());
	dmamap_close(dev);
	return err ? 1 : 0;
}
