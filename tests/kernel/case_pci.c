/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PCI functions, on sim:e1000e, whose BAR 0 is 128 KiB of memory. The rules are those of
 * Documentation/PCI/pci.rst and msi-howto.rst.
 */
#include "cases.h"
#include <linux/delay.h>

#define BAR0_SIZE 0x20000

static void __iomem *mapped(void)
{
	CHECK(!pci_enable_device(test_pdev));
	return pci_iomap(test_pdev, 0, 0);
}

static void unmapped(void __iomem *p)
{
	pci_iounmap(test_pdev, p);
	pci_disable_device(test_pdev);
}

PCI_CASE(config_space, "")
{
	u32 id;
	u16 vendor;
	u8 cap;

	CHECK(!pci_read_config_dword(test_pdev, PCI_VENDOR_ID, &id) && id == 0x10d38086);
	CHECK(!pci_read_config_word(test_pdev, PCI_VENDOR_ID, &vendor) && vendor == 0x8086);
	CHECK(pci_read_config_word(test_pdev, 1, &vendor) && vendor == 0xffff);
	CHECK(test_pdev->class == 0x020000 && test_pdev->vendor == 0x8086);
	cap = pci_find_capability(test_pdev, 0x33);
	CHECK(cap == 0);
}

/* Bus mastering of a function is off at first. */
PCI_CASE(bus_mastering, "")
{
	u16 command;

	pci_read_config_word(test_pdev, PCI_COMMAND, &command);
	CHECK(!(command & PCI_COMMAND_MASTER) && !test_pdev->is_busmaster);
	CHECK(!pci_enable_device(test_pdev));
	pci_read_config_word(test_pdev, PCI_COMMAND, &command);
	CHECK(!(command & PCI_COMMAND_MASTER));
	pci_set_master(test_pdev);
	pci_read_config_word(test_pdev, PCI_COMMAND, &command);
	CHECK(command & PCI_COMMAND_MASTER);
	pci_disable_device(test_pdev);
	pci_read_config_word(test_pdev, PCI_COMMAND, &command);
	CHECK(!(command & PCI_COMMAND_MASTER));
}

PCI_CASE(bar_described, "")
{
	CHECK(pci_resource_len(test_pdev, 0) == BAR0_SIZE);
	CHECK(pci_resource_flags(test_pdev, 0) & IORESOURCE_MEM);
	CHECK(!pci_iomap(test_pdev, 7, 0));
}

PCI_CASE(register_access, "")
{
	void __iomem *p = mapped();

	CHECK(readl(p + 8) != ~0u); /* STATUS */
	unmapped(p);
}

PCI_CASE(register_after_unmap, "register-after-unmap")
{
	void __iomem *p = mapped();

	pci_iounmap(test_pdev, p);
	CHECK(readl(p + 8) == ~0u);
	pci_disable_device(test_pdev);
}

PCI_CASE(register_past_end, "register-past-end")
{
	void __iomem *p = mapped();

	CHECK(readl(p + BAR0_SIZE) == ~0u);
	unmapped(p);
}

PCI_CASE(register_disabled, "register-disabled")
{
	void __iomem *p = mapped();

	pci_disable_device(test_pdev);
	CHECK(readl(p + 8) == ~0u);
	pci_iounmap(test_pdev, p);
}

PCI_CASE(register_bad_address, "register-bad-address")
{
	writel(1, (void __iomem *)0x123456789000ul);
}

CASE_FLAGS(register_used_as_memory, "oops", CASE_PCI | CASE_NO_TSAN)
{
	volatile u32 *p = (volatile u32 *)mapped();

	p[2] = 1;
}

PCI_CASE(registers_left_mapped, "leak-iomap leak-enabled")
{
	mapped();
}

PCI_CASE(unmapped_twice, "iounmap-not-mapped")
{
	void __iomem *p = mapped();

	unmapped(p);
	pci_iounmap(test_pdev, p);
}

PCI_CASE(disabled_twice, "pci-not-enabled")
{
	pci_disable_device(test_pdev);
}

PCI_CASE(regions, "")
{
	CHECK(!pci_request_regions(test_pdev, "one"));
	CHECK(pci_request_regions(test_pdev, "two") == -EBUSY);
	pci_release_regions(test_pdev);
	CHECK(!pci_request_region(test_pdev, 0, "one"));
	pci_release_region(test_pdev, 0);
}

PCI_CASE(region_not_requested, "region-not-requested")
{
	pci_release_region(test_pdev, 0);
}

PCI_CASE(region_left, "leak-region")
{
	pci_request_region(test_pdev, 0, "left");
}

static void __iomem *regs;
static atomic_t irqs;
static irqreturn_t case_irq(int irq, void *id)
{
	CHECK(in_hardirq() && irqs_disabled());
	readl(regs + 0xc0); /* ICR: reading it acknowledges the interrupt */
	atomic_inc(&irqs);
	return IRQ_HANDLED;
}

static irqreturn_t case_irq_sleeps(int irq, void *id)
{
	readl(regs + 0xc0);
	msleep(1);
	return IRQ_HANDLED;
}

static void interrupt_once(void)
{
	writel(4, regs + 0xd0); /* IMS: enable the interrupt for a changed link */
	writel(4, regs + 0xc8); /* ICS */
	msleep(50);
	writel(~0u, regs + 0xd8);
}

static void with_irq(irq_handler_t handler, bool release)
{
	unsigned int irq;

	regs = mapped();
	pci_set_master(test_pdev); /* an MSI message is a write access of the device */
	CHECK(pci_alloc_irq_vectors(test_pdev, 1, 1, PCI_IRQ_ALL_TYPES) == 1);
	irq = (unsigned int)pci_irq_vector(test_pdev, 0);
	CHECK(!request_irq(irq, handler, 0, "case", &irqs));
	interrupt_once();
	if (release)
		free_irq(irq, &irqs);
	if (release)
		pci_free_irq_vectors(test_pdev);
	unmapped(regs);
}

PCI_CASE(interrupt_handled, "")
{
	with_irq(case_irq, true);
	CHECK(atomic_read(&irqs) >= 1);
}

PCI_CASE(sleep_in_interrupt, "sleep-in-atomic")
{
	with_irq(case_irq_sleeps, true);
}

PCI_CASE(interrupt_left, "leak-irq")
{
	with_irq(case_irq, false);
}

PCI_CASE(interrupt_disabled_stays_pending, "")
{
	unsigned int irq;

	regs = mapped();
	pci_set_master(test_pdev);
	CHECK(pci_alloc_irq_vectors(test_pdev, 1, 1, PCI_IRQ_ALL_TYPES) == 1);
	irq = (unsigned int)pci_irq_vector(test_pdev, 0);
	CHECK(!request_irq(irq, case_irq, 0, "case", &irqs));
	disable_irq(irq);
	writel(4, regs + 0xd0);
	writel(4, regs + 0xc8);
	msleep(50);
	CHECK(atomic_read(&irqs) == 0);
	enable_irq(irq);
	msleep(100);
	CHECK(atomic_read(&irqs) >= 1);
	writel(~0u, regs + 0xd8);
	free_irq(irq, &irqs);
	pci_free_irq_vectors(test_pdev);
	unmapped(regs);
}

PCI_CASE(free_irq_not_requested, "irq-not-requested")
{
	free_irq(test_pdev->irq, &irqs);
}

PCI_CASE(enable_irq_unbalanced, "unbalanced")
{
	enable_irq(test_pdev->irq);
}

PCI_CASE(managed_device, "")
{
	CHECK(!pcim_enable_device(test_pdev));
	CHECK(!pcim_iomap_regions(test_pdev, 1, "managed"));
	CHECK(readl(pcim_iomap_table(test_pdev)[0] + 8) != ~0u);
	kmod_devres_release(&test_pdev->dev);
	CHECK(!pci_is_enabled(test_pdev));
}

PCI_CASE(mapping_unchecked, "map-unchecked")
{
	void *p = kmalloc(100, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(&test_pdev->dev, p, 100, DMA_TO_DEVICE);

	dma_unmap_single(&test_pdev->dev, addr, 100, DMA_TO_DEVICE);
	kfree(p);
}

PCI_CASE(mapping_left, "free-mapped leak")
{
	static u8 *p;
	dma_addr_t addr;

	p = devm_kmalloc(&test_pdev->dev, 100, GFP_KERNEL);
	addr = dma_map_single(&test_pdev->dev, p, 100, DMA_TO_DEVICE);
	CHECK(!dma_mapping_error(&test_pdev->dev, addr));
}

PCI_CASE(child_maps_by_its_parent, "")
{
	struct device child;
	void *p;
	dma_addr_t addr;

	kmod_device_init(&child, &test_pdev->dev, "child");
	p = dma_alloc_coherent(&child, 4096, &addr, GFP_KERNEL);
	CHECK(p && addr);
	dma_free_coherent(&child, 4096, p, addr);
}

CASE(vpd_keyword, "")
{
	static const u8 vpd[] = {0x82, 2, 0,   'i', 'd', 0x90, 9,   0,	 'P',
				 'N',  1, '7', 'M', 'N', 2,    'a', 'b', 0x78};
	static const u8 bad[] = {0x90, 9, 0, 'M', 'N', 200, 'a'};
	unsigned int size = 0;

	CHECK(pci_vpd_find_ro_info_keyword(vpd, sizeof(vpd), "MN", &size) == 15 && size == 2);
	CHECK(pci_vpd_find_ro_info_keyword(vpd, sizeof(vpd), "XX", &size) == -ENOENT);
	CHECK(pci_vpd_find_ro_info_keyword(vpd, 12, "MN", &size) == -ENOENT);
	CHECK(pci_vpd_find_ro_info_keyword(bad, sizeof(bad), "MN", &size) == -ENOENT);
	CHECK(pci_vpd_find_ro_info_keyword(NULL, 0, "MN", &size) == -ENOENT);
}
