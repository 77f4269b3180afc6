/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Registers. A `void __iomem *` is a cookie: a mark that no valid pointer has, the slot of the
 * mapping, and the offset. I/O ports are the bus addresses of I/O BARs. An access outside of a live
 * mapping, or to a disabled device, is reported and reads as all ones.
 */
#ifndef KMOD_LINUX_IO_H
#define KMOD_LINUX_IO_H

#include <linux/kernel.h>
#include <linux/string.h>

u64 kmod_io_read(const volatile void __iomem *addr, unsigned int size);
void kmod_io_write(volatile void __iomem *addr, u64 value, unsigned int size);
u64 kmod_port_read(unsigned long port, unsigned int size);
void kmod_port_write(unsigned long port, u64 value, unsigned int size);

#define readb(a)	     ((u8)kmod_io_read(a, 1))
#define readw(a)	     ((u16)kmod_io_read(a, 2))
#define readl(a)	     ((u32)kmod_io_read(a, 4))
#define readq(a)	     ((u64)kmod_io_read(a, 8))
#define writeb(v, a)	     kmod_io_write(a, (u8)(v), 1)
#define writew(v, a)	     kmod_io_write(a, (u16)(v), 2)
#define writel(v, a)	     kmod_io_write(a, (u32)(v), 4)
#define writeq(v, a)	     kmod_io_write(a, (u64)(v), 8)
#define __raw_readl(a)	     readl(a)
#define __raw_writel(v, a)   writel(v, a)
#define readb_relaxed(a)     readb(a)
#define readw_relaxed(a)     readw(a)
#define readl_relaxed(a)     readl(a)
#define writeb_relaxed(v, a) writeb(v, a)
#define writew_relaxed(v, a) writew(v, a)
#define writel_relaxed(v, a) writel(v, a)
#define ioread8(a)	     readb(a)
#define ioread16(a)	     readw(a)
#define ioread32(a)	     readl(a)
#define iowrite8(v, a)	     writeb(v, a)
#define iowrite16(v, a)	     writew(v, a)
#define iowrite32(v, a)	     writel(v, a)
#define inb(p)		     ((u8)kmod_port_read(p, 1))
#define inw(p)		     ((u16)kmod_port_read(p, 2))
#define inl(p)		     ((u32)kmod_port_read(p, 4))
#define outb(v, p)	     kmod_port_write(p, (u8)(v), 1)
#define outw(v, p)	     kmod_port_write(p, (u16)(v), 2)
#define outl(v, p)	     kmod_port_write(p, (u32)(v), 4)
void ioread16_rep(const volatile void __iomem *addr, void *dst, unsigned long n);
void iowrite16_rep(volatile void __iomem *addr, const void *src, unsigned long n);
void memcpy_fromio(void *dst, const volatile void __iomem *src, size_t n);
void memcpy_toio(volatile void __iomem *dst, const void *src, size_t n);
void memset_io(volatile void __iomem *dst, int value, size_t n);
void __iomem *ioremap(phys_addr_t phys, size_t size);
void iounmap(volatile void __iomem *addr);
#define ioremap_wc(p, s) ioremap(p, s)

struct resource {
	resource_size_t start, end;
	const char *name;
	unsigned long flags;
};
#define IORESOURCE_IO	    0x00000100
#define IORESOURCE_MEM	    0x00000200
#define IORESOURCE_IRQ	    0x00000400
#define IORESOURCE_PREFETCH 0x00002000
#define IORESOURCE_MEM_64   0x00100000
static inline resource_size_t resource_size(const struct resource *r)
{
	return r->end - r->start + 1;
}
struct resource *request_region(resource_size_t start, resource_size_t n, const char *name);
struct resource *request_mem_region(resource_size_t start, resource_size_t n, const char *name);
void release_region(resource_size_t start, resource_size_t n);
void release_mem_region(resource_size_t start, resource_size_t n);

#endif
