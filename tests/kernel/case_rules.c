/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules that no other file tests: red zones, resources that are left at the end, calls in a wrong
 * state.
 */
#include "cases.h"
#include <linux/cdev.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/firmware.h>
#include <linux/kthread.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <net/page_pool/types.h>

static volatile u8 sink;

/* ---- red zones ---- */

CASE_ASAN(write_past_page, "heap-buffer-overflow")
{
	u8 *p = (u8 *)__get_free_pages(GFP_KERNEL, 1), *q = (u8 *)__get_free_pages(GFP_KERNEL, 1);

	p[2 * PAGE_SIZE - 1] = q[2 * PAGE_SIZE - 1] = 1;
	p[2 * PAGE_SIZE] = 1;
}

CASE_ASAN(read_page_after_free, "use-after-free")
{
	u8 *p = (u8 *)get_zeroed_page(GFP_KERNEL);

	free_page((unsigned long)p);
	sink = p[17];
}

CASE_ASAN(write_past_cache_object, "heap-buffer-overflow")
{
	struct kmem_cache *c = kmem_cache_create("red", 128, 0, 0, NULL);
	u8 *p = kmem_cache_alloc(c, GFP_KERNEL);

	p[128] = 1;
}

CASE_ASAN(write_past_kvmalloc, "heap-buffer-overflow")
{
	u8 *p = kvmalloc_array(3, 4096, GFP_KERNEL);

	p[3 * 4096] = 1;
}

CASE_FLAGS(write_past_vmalloc, "oops", CASE_NO_TSAN)
{
	u8 *p = vmalloc(4096);

	p[4096] = 1;
}

CASE_FLAGS(write_past_coherent, "heap-buffer-overflow", CASE_PCI | CASE_NO_TSAN)
{
	dma_addr_t addr;
	u8 *p = dma_alloc_coherent(&test_pdev->dev, 4096, &addr, GFP_KERNEL);

	p[4096] = 1;
}

CASE_ASAN(skb_used_after_free, "use-after-free")
{
	struct sk_buff *skb = alloc_skb(100, GFP_KERNEL);

	kfree_skb(skb);
	sink = (u8)skb->len;
}

CASE_ASAN(skb_data_used_after_free, "use-after-free")
{
	struct sk_buff *skb = alloc_skb(100, GFP_KERNEL);
	u8 *data = skb_put(skb, 100);

	kfree_skb(skb);
	sink = data[99];
}

/*
 * An overflow that reaches a freed neighbour is reported as an overflow, and a use of the freed
 * neighbour as a use after free.
 */
CASE_ASAN(freed_neighbour_used, "use-after-free")
{
	u8 *p = kmalloc(60, GFP_KERNEL), *q = kmalloc(60, GFP_KERNEL);

	kfree(q);
	sink = q[0];
	kfree(p);
}

/* ---- active objects in memory that is freed ---- */

struct holder {
	u8 before[40];
	union {
		struct work_struct work;
		struct tasklet_struct tasklet;
		struct napi_struct napi;
	};
};

static DECLARE_COMPLETION(begun);
static DECLARE_COMPLETION(never);
static void waits_for_ever(struct work_struct *w)
{
	complete(&begun);
	wait_for_completion(&never);
}

static void nothing_works(struct work_struct *w)
{
}

static void nothing_tasklet(struct tasklet_struct *t)
{
}

static int nothing_polled(struct napi_struct *n, int budget)
{
	napi_complete_done(n, 0);
	return 0;
}

CASE(memory_freed_with_work, "freed-active leak-work")
{
	static struct work_struct first;
	struct holder *p = kmalloc(sizeof(*p), GFP_KERNEL);

	INIT_WORK(&first, waits_for_ever);
	schedule_work(&first);
	wait_for_completion(&begun);
	INIT_WORK(&p->work, nothing_works);
	schedule_work(&p->work);
	kfree(p);
}

CASE(memory_freed_with_tasklet, "freed-active leak-work")
{
	struct holder *p = kmalloc(sizeof(*p), GFP_KERNEL);

	tasklet_setup(&p->tasklet, nothing_tasklet);
	tasklet_disable(&p->tasklet);
	tasklet_schedule(&p->tasklet);
	kfree(p);
}

CASE(memory_freed_with_napi, "freed-active leak-napi leak-netdev leak-memory")
{
	struct net_device *dev = alloc_etherdev(4);
	struct holder *p = kmalloc(sizeof(*p), GFP_KERNEL);

	netif_napi_add(dev, &p->napi, nothing_polled);
	napi_enable(&p->napi);
	kfree(p);
}

CASE(work_initialised_while_queued, "init-active")
{
	static struct work_struct first, second;

	INIT_WORK(&first, waits_for_ever);
	schedule_work(&first);
	wait_for_completion(&begun);
	INIT_WORK(&second, nothing_works);
	schedule_work(&second);
	INIT_WORK(&second, nothing_works);
}

/* ---- locks and contexts ---- */

static DEFINE_SPINLOCK(kept);
CASE_FLAGS(exit_returns_with_lock, "lock-held-at-return", CASE_EXIT)
{
	spin_lock(&kept);
}

CASE(bh_enabled_with_irqs_off, "bh-enable-irqs-off")
{
	local_bh_disable();
	local_irq_disable();
	local_bh_enable();
	local_irq_enable();
}

CASE(irq_flags_never_saved, "irq-flags")
{
	local_irq_restore(0x246);
	local_irq_enable();
}

static void __iomem *regs;
static atomic_t irqs;

static void interrupts(unsigned int n)
{
	writel(4, regs + 0xd0); /* IMS: enable the interrupt for a changed link */
	for (unsigned int i = 0; i < n; i++) {
		int before = atomic_read(&irqs);

		writel(4, regs + 0xc8); /* ICS */
		for (int wait = 0; wait < 2000 && atomic_read(&irqs) == before; wait++)
			usleep_range(50, 100);
	}
	writel(~0u, regs + 0xd8);
}

static void with_irq(irq_handler_t handler, unsigned int n)
{
	int irq;

	CHECK(!pci_enable_device(test_pdev));
	regs = pci_iomap(test_pdev, 0, 0);
	pci_set_master(test_pdev);
	CHECK(pci_alloc_irq_vectors(test_pdev, 1, 1, PCI_IRQ_ALL_TYPES) == 1);
	irq = pci_irq_vector(test_pdev, 0);
	CHECK(!request_irq((unsigned int)irq, handler, 0, "case", &irqs));
	interrupts(n);
	free_irq((unsigned int)irq, &irqs);
	pci_free_irq_vectors(test_pdev);
	pci_iounmap(test_pdev, regs);
	pci_disable_device(test_pdev);
}

static irqreturn_t irq_keeps_lock(int irq, void *id)
{
	readl(regs + 0xc0); /* ICR */
	if (atomic_inc_return(&irqs) == 1)
		spin_lock(&kept);
	return IRQ_HANDLED;
}

PCI_CASE(interrupt_returns_with_lock, "lock-held-at-return")
{
	with_irq(irq_keeps_lock, 1);
}

static irqreturn_t irq_wrong_value(int irq, void *id)
{
	readl(regs + 0xc0);
	return atomic_inc_return(&irqs) == 1 ? (irqreturn_t)9 : IRQ_HANDLED;
}

PCI_CASE(interrupt_returns_nonsense, "irq-return")
{
	with_irq(irq_wrong_value, 1);
}

static irqreturn_t irq_not_mine(int irq, void *id)
{
	readl(regs + 0xc0);
	atomic_inc(&irqs);
	return IRQ_NONE;
}

PCI_CASE(interrupt_nobody_handles, "irq-nobody-cared")
{
	with_irq(irq_not_mine, 1000);
}

static irqreturn_t irq_receives(int irq, void *id)
{
	readl(regs + 0xc0);
	if (atomic_inc_return(&irqs) == 1)
		netif_receive_skb(alloc_skb(100, GFP_ATOMIC));
	return IRQ_HANDLED;
}

PCI_CASE(packet_received_in_interrupt, "rx-context")
{
	with_irq(irq_receives, 1);
}

PCI_CASE(vectors_freed_in_use, "irq-vectors-in-use")
{
	int irq;

	CHECK(!pci_enable_device(test_pdev));
	CHECK(pci_alloc_irq_vectors(test_pdev, 1, 1, PCI_IRQ_MSI) == 1);
	irq = pci_irq_vector(test_pdev, 0);
	CHECK(!request_irq((unsigned int)irq, irq_not_mine, 0, "case", &irqs));
	pci_free_irq_vectors(test_pdev);
	free_irq((unsigned int)irq, &irqs);
	pci_disable_device(test_pdev);
}

/* ---- registers and regions ---- */

PCI_CASE(register_through_null, "register-null")
{
	readl((void __iomem *)8);
}

PCI_CASE(mapped_outside_of_bars, "ioremap-nothing")
{
	CHECK(!ioremap(0x1234567000ull, 4096));
}

PCI_CASE(io_bar_mapped_as_memory, "ioremap-not-memory")
{
	CHECK(!pci_ioremap_bar(test_pdev, 5));
}

PCI_CASE(region_outside_of_bars, "region-nothing")
{
	CHECK(!request_mem_region(0x1234567000ull, 4096, "case"));
}

PCI_CASE(port_in_no_bar, "port-bad-address")
{
	CHECK(inb(0x9999) == 0xff);
}

/* ---- resources left at the end ---- */

static const struct pci_device_id no_ids[] = {{PCI_DEVICE(1, 2)}, {0}};
static struct pci_driver left_driver = {.name = "left", .id_table = no_ids};
CASE(driver_left, "leak-driver")
{
	CHECK(!pci_register_driver(&left_driver));
}

PCI_CASE(firmware_loaded, "")
{
	const struct firmware *fw;

	CHECK(!request_firmware(&fw, "plain.c", &test_pdev->dev));
	CHECK(fw->size > 100 && !memcmp(fw->data, "/* SPDX", 7));
	release_firmware(fw);
}

PCI_CASE(firmware_left, "leak-firmware")
{
	const struct firmware *fw;

	CHECK(!request_firmware(&fw, "plain.c", &test_pdev->dev));
}

CASE(page_pool_left, "leak-page-pool")
{
	struct page_pool_params params = {.pool_size = 4};

	CHECK(!IS_ERR(page_pool_create(&params)));
}

/* ---- calls in a wrong state ---- */

CASE(timer_without_function, "timer-no-function")
{
	struct timer_list t;

	timer_setup(&t, NULL, 0);
	mod_timer(&t, jiffies);
}

static int nothing_thread(void *data)
{
	return 0;
}

CASE(kthread_stopped_twice, "double-free")
{
	struct task_struct *t = kthread_run(nothing_thread, NULL, "once");

	CHECK(kthread_stop(t) == 0);
	CHECK(kthread_stop(t) == -EINVAL);
}

static void with_napi(void (*fn)(struct napi_struct *n))
{
	struct net_device *dev = alloc_etherdev(sizeof(struct napi_struct));
	struct napi_struct *n = netdev_priv(dev);

	netif_napi_add(dev, n, nothing_polled);
	napi_enable(n);
	fn(n);
	napi_disable(n);
	free_netdev(dev);
}

static void napi_raise_unprepared(struct napi_struct *n)
{
	__napi_schedule(n);
	msleep(20);
}

CASE(napi_scheduled_unprepared, "napi-not-prepared napi-not-scheduled")
{
	with_napi(napi_raise_unprepared);
}

static void napi_completed(struct napi_struct *n)
{
	CHECK(!napi_complete_done(n, 0));
}

CASE(napi_completed_unscheduled, "napi-not-scheduled")
{
	with_napi(napi_completed);
}

CASE(napi_disabled_twice, "napi-disabled-twice")
{
	with_napi(napi_disable);
}

CASE(napi_never_added, "napi-not-added")
{
	static struct napi_struct n;

	napi_enable(&n);
}

static int napi_sleeps(struct napi_struct *n, int budget)
{
	napi_complete_done(n, 0);
	msleep(1);
	return 0;
}

CASE(sleep_in_napi_poll, "sleep-in-atomic")
{
	struct net_device *dev = alloc_etherdev(sizeof(struct napi_struct));
	struct napi_struct *n = netdev_priv(dev);

	netif_napi_add(dev, n, napi_sleeps);
	napi_enable(n);
	napi_schedule(n);
	napi_disable(n);
	free_netdev(dev);
}

CASE(netdev_without_operations, "netdev-no-ops")
{
	struct net_device *dev = alloc_etherdev(4);

	CHECK(register_netdev(dev) == -EINVAL);
	free_netdev(dev);
}

CASE(skb_received_after_free, "rx-freed")
{
	struct sk_buff *skb = alloc_skb(100, GFP_KERNEL);

	kfree_skb(skb);
	netif_receive_skb(skb);
}

CASE(skb_put_behind_fragments, "skb-nonlinear")
{
	struct sk_buff *skb = alloc_skb(100, GFP_KERNEL);

	skb_add_rx_frag(skb, 0, alloc_page(GFP_KERNEL), 0, 50, 4096);
	skb_put(skb, 1);
}

CASE(skb_too_short_for_a_frame, "skb-short")
{
	struct net_device *dev = alloc_etherdev(4);
	struct sk_buff *skb = alloc_skb(100, GFP_KERNEL);

	skb_put(skb, 13);
	eth_type_trans(skb, dev);
}

CASE(removed_what_is_not_there, "bad-remove")
{
	static DEVICE_ATTR(absent, 0444, NULL, NULL);
	static struct device dev = {.name = "dev"};
	struct net_device *net = alloc_etherdev(4);

	device_remove_file(&dev, &dev_attr_absent);
	device_del(&dev);
	unregister_netdev(net);
	free_netdev(net);
	pci_unregister_driver(&left_driver);
	unregister_chrdev_region(MKDEV(77, 7), 1);
	debugfs_remove((struct dentry *)&dev);
}

CASE(device_without_release, "device-no-release")
{
	static struct device dev = {.name = "dev"};

	CHECK(!device_register(&dev));
	device_unregister(&dev);
}

PCI_CASE(memory_freed_while_mapped, "free-mapped")
{
	u8 *p = kmalloc(100, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(&test_pdev->dev, p, 100, DMA_TO_DEVICE);

	CHECK(!dma_mapping_error(&test_pdev->dev, addr));
	kfree(p);
	dma_unmap_single(&test_pdev->dev, addr, 100, DMA_TO_DEVICE);
}
