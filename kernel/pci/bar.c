/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BARs: regions, mappings, accesses. A mapping's cookie is COOKIE | slot << 32 | offset in the BAR.
 * It is not a canonical address, so a driver that dereferences it faults. A slot is never reused,
 * so an access through an old cookie is reported.
 */
#include "pci.h"
#include <linux/unaligned.h>

#define COOKIE	    0x0dea000000000000ul
#define COOKIE_MASK 0xffff000000000000ul
#define MAPPINGS    4096

struct bar_mapping {
	struct pci_dev *dev;
	int bar;
	u64 base, size;
	bool live;
	struct kmod_stack unmapped;
};

static struct host_mutex lock;
/* entries are created under lock; only `live` changes later */
static struct bar_mapping mappings[MAPPINGS];
static unsigned int n_mappings;

static void __iomem *bar_map(struct pci_dev *d, int bar, u64 base, u64 size)
{
	struct bar_mapping *m = NULL;
	unsigned int slot;

	if (kmod_fail("ioremap"))
		return NULL;
	host_lock(&lock);
	slot = n_mappings;
	if (slot < MAPPINGS)
		m = &mappings[n_mappings++];
	host_unlock(&lock);
	if (!m)
		return NULL;
	m->dev = d;
	m->bar = bar;
	m->base = base;
	m->size = size;
	WRITE_ONCE(m->live, true);
	kmod_ledger_add(KMOD_IOMAP, (void *)(COOKIE | (u64)slot << 32), size);
	return (void __iomem *)(COOKIE | (u64)slot << 32);
}

void __iomem *pci_iomap(struct pci_dev *d, int bar, unsigned long max)
{
	u64 size;

	kmod_might_sleep("pci_iomap");
	if (bar < 0 || bar >= PCI_STD_NUM_BARS || !pci_resource_len(d, bar))
		return NULL;
	size = pci_resource_len(d, bar);
	return bar_map(d, bar, 0, max ? min((u64)max, size) : size);
}

void __iomem *pci_ioremap_bar(struct pci_dev *d, int bar)
{
	if (!(pci_resource_flags(d, bar) & IORESOURCE_MEM)) {
		kmod_finding("ioremap-not-memory",
			     "pci_ioremap_bar() of BAR %d, which is not memory", bar);
		return NULL;
	}
	return pci_iomap(d, bar, 0);
}

static int bar_of(resource_size_t start, unsigned long flags, resource_size_t n)
{
	struct pci_dev *d = kmod_pci_device;

	for (int i = 0; d && i < PCI_STD_NUM_BARS; i++) {
		const struct resource *r = &d->resource[i];

		if (r->end && r->flags & flags && start >= r->start && start <= r->end &&
		    n <= r->end - start + 1)
			return i;
	}
	return -1;
}

void __iomem *ioremap(phys_addr_t phys, size_t size)
{
	int bar = bar_of(phys, IORESOURCE_MEM, size);

	kmod_might_sleep("ioremap");
	if (bar >= 0)
		return bar_map(kmod_pci_device, bar, phys - kmod_pci_device->resource[bar].start,
			       size);
	kmod_finding("ioremap-nothing", "ioremap() of %#llx, %zu bytes, which are in no BAR", phys,
		     size);
	return NULL;
}

static struct bar_mapping *bar_mapping_find(const volatile void __iomem *addr, u64 *offset)
{
	u64 a = (u64)addr, slot = a >> 32 & 0xffff;

	if ((a & COOKIE_MASK) != COOKIE || slot >= n_mappings)
		return NULL;
	*offset = a & 0xffffffff;
	return &mappings[slot];
}

void iounmap(volatile void __iomem *addr)
{
	u64 offset;
	struct bar_mapping *m = bar_mapping_find(addr, &offset);

	if (!addr) /* valid on x86, but without effect */
		return;
	if (!m || !READ_ONCE(m->live) ||
	    !kmod_ledger_del(KMOD_IOMAP, (void *)((u64)addr & ~0xffffffffull))) {
		kmod_finding("iounmap-not-mapped",
			     "registers are unmapped that are not mapped (%p)", addr);
		return;
	}
	kmod_stack_take(&m->unmapped);
	WRITE_ONCE(m->live, false);
}

void pci_iounmap(struct pci_dev *d, void __iomem *addr)
{
	iounmap(addr);
}

static u64 bar_read(struct pci_dev *d, int bar, u64 at, unsigned int size)
{
	kmod_stepped();
	switch (size) {
	case 1:
		return dmamap_readb(d->dev.dma, bar, at);
	case 2:
		return dmamap_readw(d->dev.dma, bar, at);
	case 4:
		return dmamap_readl(d->dev.dma, bar, at);
	default:
		return dmamap_readq(d->dev.dma, bar, at);
	}
}

static void bar_write(struct pci_dev *d, int bar, u64 at, u64 v, unsigned int size)
{
	kmod_stepped();
	switch (size) {
	case 1:
		dmamap_writeb(d->dev.dma, bar, at, (u8)v);
		break;
	case 2:
		dmamap_writew(d->dev.dma, bar, at, (u16)v);
		break;
	case 4:
		dmamap_writel(d->dev.dma, bar, at, (u32)v);
		break;
	default:
		dmamap_writeq(d->dev.dma, bar, at, v);
	}
}

/*
 * Returns the mapping, with the offset in the BAR in `at`, or NULL if the access was reported and
 * must not be made.
 */
static struct bar_mapping *bar_access(const volatile void __iomem *addr, unsigned int size, u64 *at)
{
	u64 offset;
	struct bar_mapping *m = bar_mapping_find(addr, &offset);

	if (!m) {
		if ((u64)addr < 0x10000)
			kmod_oops("register-null",
				  "a register is accessed through %p, which no mapping returned",
				  addr);
		kmod_finding("register-bad-address",
			     "a register is accessed through %p, which no mapping returned", addr);
		return NULL;
	}
	if (!READ_ONCE(m->live)) {
		kmod_finding_with("register-after-unmap", &m->unmapped, "unmapped here",
				  "register %#llx of BAR %d is accessed after its unmapping",
				  offset, m->bar);
		return NULL;
	}
	if (offset > m->size || size > m->size - offset) {
		kmod_finding(
			"register-past-end",
			"register %#llx of BAR %d is past the end of the mapping (%#llx bytes)",
			offset, m->bar, m->size);
		return NULL;
	}
	if (!pci_is_enabled(m->dev)) {
		kmod_finding("register-disabled",
			     "register %#llx of BAR %d is accessed while the device is disabled",
			     offset, m->bar);
		return NULL;
	}
	*at = m->base + offset;
	return m;
}

u64 kmod_io_read(const volatile void __iomem *addr, unsigned int size)
{
	struct bar_mapping *m;
	u64 at;

	if ((u64)addr >= 0x400 && (u64)addr < 0x10000)
		return kmod_port_read((u64)addr, size);
	m = bar_access(addr, size, &at);
	return m ? bar_read(m->dev, m->bar, at, size) : ~0ull;
}

void kmod_io_write(volatile void __iomem *addr, u64 value, unsigned int size)
{
	struct bar_mapping *m;
	u64 at;

	if ((u64)addr >= 0x400 && (u64)addr < 0x10000) {
		kmod_port_write((u64)addr, value, size);
		return;
	}
	m = bar_access(addr, size, &at);
	if (m)
		bar_write(m->dev, m->bar, at, value, size);
}

static int bar_port(unsigned long port, unsigned int size)
{
	int bar = bar_of(port, IORESOURCE_IO, size);

	if (bar < 0)
		kmod_finding("port-bad-address", "port %#lx is in no I/O BAR", port);
	else if (!pci_is_enabled(kmod_pci_device)) {
		kmod_finding("register-disabled",
			     "port %#lx is accessed while the device is disabled", port);
		return -1;
	}
	return bar;
}

u64 kmod_port_read(unsigned long port, unsigned int size)
{
	int bar = bar_port(port, size);

	return bar < 0 ? ~0ull
		       : bar_read(kmod_pci_device, bar, port - kmod_pci_device->resource[bar].start,
				  size);
}

void kmod_port_write(unsigned long port, u64 value, unsigned int size)
{
	int bar = bar_port(port, size);

	if (bar >= 0)
		bar_write(kmod_pci_device, bar, port - kmod_pci_device->resource[bar].start, value,
			  size);
}

void ioread16_rep(const volatile void __iomem *addr, void *dst, unsigned long n)
{
	while (n--) {
		*(u16 *)dst = readw(addr);
		dst = (u16 *)dst + 1;
	}
}

void iowrite16_rep(volatile void __iomem *addr, const void *src, unsigned long n)
{
	while (n--) {
		writew(*(const u16 *)src, addr);
		src = (const u16 *)src + 1;
	}
}

void memcpy_fromio(void *dst, const volatile void __iomem *src, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((u8 *)dst)[i] = readb((const volatile char *)src + i);
}

void memcpy_toio(volatile void __iomem *dst, const void *src, size_t n)
{
	volatile char *to = (volatile char *)dst;
	const u8 *from = src;

	for (; n >= 4 && !((unsigned long)to & 3); n -= 4, to += 4, from += 4)
		writel(get_unaligned((const u32 *)from), to);
	for (; n; n--)
		writeb(*from++, to++);
}

void memset_io(volatile void __iomem *dst, int value, size_t n)
{
	volatile char *to = (volatile char *)dst;

	for (; n >= 4 && !((unsigned long)to & 3); n -= 4, to += 4)
		writel((u8)value * 0x01010101u, to);
	for (; n; n--)
		writeb((u8)value, to++);
}

/* Regions. */
static struct resource *region_request(resource_size_t start, resource_size_t n,
				       unsigned long flags, const char *name)
{
	int bar = bar_of(start, flags, n);

	if (kmod_fail("register"))
		return NULL;
	if (bar < 0) {
		kmod_finding("region-nothing",
			     "a region is requested that is in no BAR: %#llx, %llu bytes", start,
			     n);
		return NULL;
	}
	return pci_request_region(kmod_pci_device, bar, name) ? NULL
							      : &kmod_pci_device->resource[bar];
}

struct resource *request_region(resource_size_t start, resource_size_t n, const char *name)
{
	return region_request(start, n, IORESOURCE_IO, name);
}

struct resource *request_mem_region(resource_size_t start, resource_size_t n, const char *name)
{
	return region_request(start, n, IORESOURCE_MEM, name);
}

static void region_release(resource_size_t start, resource_size_t n, unsigned long flags)
{
	int bar = bar_of(start, flags, n);

	if (bar < 0)
		kmod_finding("region-not-requested",
			     "a region is released that is in no BAR: %#llx", start);
	else
		pci_release_region(kmod_pci_device, bar);
}

void release_region(resource_size_t start, resource_size_t n)
{
	region_release(start, n, IORESOURCE_IO);
}

void release_mem_region(resource_size_t start, resource_size_t n)
{
	region_release(start, n, IORESOURCE_MEM);
}

/*
 * After pcim_enable_device() regions are released with the device's other resources, unless
 * released before.
 */
static void region_managed_release(void *data)
{
	if (kmod_pci_device->owned & BIT((long)data))
		pci_release_region(kmod_pci_device, (int)(long)data);
}

int pci_request_region(struct pci_dev *d, int bar, const char *name)
{
	if (!pci_resource_len(d, bar))
		return 0;
	if (d->owned & BIT(bar))
		return -EBUSY;
	if (d->is_managed && devm_add_action(&d->dev, region_managed_release, (void *)(long)bar))
		return -ENOMEM;
	d->owned |= BIT(bar);
	kmod_ledger_add(KMOD_REGION, &d->resource[bar], pci_resource_len(d, bar));
	return 0;
}

void pci_release_region(struct pci_dev *d, int bar)
{
	if (!pci_resource_len(d, bar))
		return;
	if (!(d->owned & BIT(bar))) {
		kmod_finding("region-not-requested",
			     "the region of BAR %d is released, which was not requested", bar);
		return;
	}
	d->owned &= ~BIT(bar);
	kmod_ledger_del(KMOD_REGION, &d->resource[bar]);
}

int pci_request_selected_regions(struct pci_dev *d, int bars, const char *name)
{
	int bar, err = kmod_fail("register") ? -EBUSY : 0;

	for (bar = 0; bar < PCI_STD_NUM_BARS && !err; bar++) {
		if (bars & 1 << bar)
			err = pci_request_region(d, bar, name);
	}
	if (err)
		while (--bar > 0)
			if (bars & 1 << (bar - 1))
				pci_release_region(d, bar - 1);
	return err;
}

void pci_release_selected_regions(struct pci_dev *d, int bars)
{
	for (int bar = 0; bar < PCI_STD_NUM_BARS; bar++) {
		if (bars & 1 << bar)
			pci_release_region(d, bar);
	}
}

int pci_request_regions(struct pci_dev *d, const char *name)
{
	return pci_request_selected_regions(d, 0x3f, name);
}

void pci_release_regions(struct pci_dev *d)
{
	pci_release_selected_regions(d, 0x3f);
}

int pci_select_bars(struct pci_dev *d, unsigned long flags)
{
	int bars = 0;

	for (int i = 0; i < PCI_STD_NUM_BARS; i++) {
		if (pci_resource_flags(d, i) & flags)
			bars |= 1 << i;
	}
	return bars;
}
