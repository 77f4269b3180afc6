/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runtime's own failure paths: a driver that makes calls of every kind and tolerates the
 * failure of each. In a plain run no call fails. test_kernel.py --failnth makes each call of each
 * site fail in turn; no run may have a finding.
 */
#include "cases.h"
#include <linux/cdev.h>
#include <linux/debugfs.h>
#include <linux/etherdevice.h>
#include <linux/firmware.h>
#include <linux/idr.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/vmalloc.h>
#include <net/page_pool/types.h>

static void fail_memory(void)
{
	struct kmem_cache *c = kmem_cache_create("fail", 100, 0, 0, NULL);
	u8 *p = kmalloc(100, GFP_KERNEL), *q = krealloc(p, 5000, GFP_KERNEL);
	struct sg_table t;

	kfree(q ? q : p);
	kfree(kstrdup("a string", GFP_KERNEL));
	kvfree(kvcalloc(3, 7000, GFP_KERNEL));
	vfree(vmalloc(9000));
	free_pages(__get_free_pages(GFP_KERNEL, 2), 2);
	if (c) {
		p = kmem_cache_alloc(c, GFP_KERNEL);
		if (p)
			kmem_cache_free(c, p);
	}
	kmem_cache_destroy(c);
	if (!sg_alloc_table(&t, 200, GFP_KERNEL))
		sg_free_table(&t);
}

static void fail_dma(struct device *dev)
{
	struct dma_pool *pool = dma_pool_create("fail", dev, 64, 64, 0);
	void *p = kmalloc(256, GFP_KERNEL), *q;
	dma_addr_t addr;

	if (p) {
		addr = dma_map_single(dev, p, 256, DMA_TO_DEVICE);
		if (!dma_mapping_error(dev, addr))
			dma_unmap_single(dev, addr, 256, DMA_TO_DEVICE);
	}
	kfree(p);
	q = dma_alloc_coherent(dev, 4096, &addr, GFP_KERNEL);
	if (q)
		dma_free_coherent(dev, 4096, q, addr);
	q = pool ? dma_pool_alloc(pool, GFP_KERNEL, &addr) : NULL;
	if (q)
		dma_pool_free(pool, q, addr);
	dma_pool_destroy(pool);
}

static void fail_maps(void)
{
	DEFINE_XARRAY_ALLOC(xa);
	DEFINE_IDA(ida);
	DEFINE_IDR(idr);
	int one = 1, id;
	u32 at;

	xa_store(&xa, 1, &one, GFP_KERNEL);
	xa_insert(&xa, 2, &one, GFP_KERNEL);
	xa_reserve(&xa, 3, GFP_KERNEL);
	xa_alloc(&xa, &at, &one, xa_limit_32b, GFP_KERNEL);
	xa_destroy(&xa);
	id = idr_alloc(&idr, &one, 0, 0, GFP_KERNEL);
	CHECK(id == 0 || id == -ENOMEM);
	idr_destroy(&idr);
	id = ida_alloc(&ida, GFP_KERNEL);
	if (id >= 0)
		ida_free(&ida, (unsigned int)id);
}

static void fail_poll_free(struct sk_buff *skb)
{
	struct sk_buff *clone, *copy;

	if (!skb)
		return;
	skb_put(skb, 60);
	clone = skb_clone(skb, GFP_KERNEL);
	copy = skb_copy(skb, GFP_KERNEL);
	if (!pskb_expand_head(skb, 100, 100, GFP_KERNEL))
		CHECK(skb_headroom(skb) >= 100 && skb->len == 60);
	if (clone && !skb_linearize(clone))
		CHECK(clone->len == 60);
	kfree_skb(copy);
	kfree_skb(clone);
	kfree_skb(skb);
}

static void fail_skb(struct net_device *dev)
{
	void *frag = netdev_alloc_frag(1024);
	struct sk_buff *skb = frag ? build_skb(frag, 1024) : NULL;
	struct page *page = alloc_page(GFP_KERNEL);

	if (skb)
		kfree_skb(skb);
	else if (frag)
		skb_free_frag(frag);
	fail_poll_free(alloc_skb(200, GFP_KERNEL));
	fail_poll_free(netdev_alloc_skb(dev, 200));
	skb = alloc_skb(64, GFP_KERNEL);
	if (skb && page) {
		skb_put(skb, 20);
		skb_add_rx_frag(skb, 0, page, 0, 50, 4096);
		page = NULL;
		if (pskb_may_pull(skb, 40))
			CHECK(skb_headlen(skb) >= 40);
		if (!skb_pad(skb, 30))
			kfree_skb(skb);
	} else {
		kfree_skb(skb);
	}
	if (page)
		put_page(page);
}

static netdev_tx_t fail_xmit(struct sk_buff *skb, struct net_device *dev)
{
	dev_kfree_skb_any(skb);
	return NETDEV_TX_OK;
}

static int fail_poll(struct napi_struct *n, int budget)
{
	napi_complete_done(n, 0);
	return 0;
}

static const struct net_device_ops fail_ops = {.ndo_start_xmit = fail_xmit};

static void fail_net(struct device *parent)
{
	struct page_pool_params params = {.pool_size = 4,
					  .flags = PP_FLAG_DMA_MAP,
					  .dev = parent,
					  .dma_dir = DMA_FROM_DEVICE};
	struct page_pool *pool = page_pool_create(&params);
	struct net_device *dev = alloc_etherdev_mqs(sizeof(struct napi_struct), 2, 2);
	struct page *page;

	if (!IS_ERR(pool)) {
		page = page_pool_dev_alloc_pages(pool);
		if (page)
			page_pool_put_full_page(pool, page, false);
		page_pool_destroy(pool);
	}
	if (!dev)
		return;
	dev->netdev_ops = &fail_ops;
	eth_hw_addr_random(dev);
	netif_napi_add(dev, netdev_priv(dev), fail_poll);
	fail_skb(dev);
	if (!register_netdev(dev))
		unregister_netdev(dev);
	free_netdev(dev);
}

static int fail_thread(void *data)
{
	return 0;
}

static void fail_work_fn(struct work_struct *w)
{
}

static void fail_work(void)
{
	struct workqueue_struct *wq = alloc_workqueue("fail", 0, 0);
	struct task_struct *t = kthread_run(fail_thread, NULL, "fail");
	struct work_struct w;

	INIT_WORK(&w, fail_work_fn);
	if (wq) {
		queue_work(wq, &w);
		destroy_workqueue(wq);
	}
	if (!IS_ERR(t))
		kthread_stop(t);
}

static const struct file_operations fail_fops;
static struct miscdevice fail_misc = {
	.minor = MISC_DYNAMIC_MINOR, .name = "fail", .fops = &fail_fops};
static void fail_char(struct device *parent)
{
	static DEVICE_ATTR(fail, 0444, NULL, NULL);
	struct class *class = class_create("fail");
	struct dentry *d = debugfs_create_file("fail", 0444, NULL, NULL, &fail_fops);
	struct device *made;
	struct cdev c;
	dev_t dev;

	if (!IS_ERR(d))
		debugfs_remove(d);
	if (!misc_register(&fail_misc))
		misc_deregister(&fail_misc);
	if (!device_create_file(parent, &dev_attr_fail))
		device_remove_file(parent, &dev_attr_fail);
	if (!alloc_chrdev_region(&dev, 0, 1, "fail")) {
		cdev_init(&c, &fail_fops);
		if (!cdev_add(&c, dev, 1))
			cdev_del(&c);
		made = IS_ERR(class) ? ERR_PTR(-ENODEV)
				     : device_create(class, NULL, dev, NULL, "f");
		if (!IS_ERR(made))
			device_destroy(class, dev);
		unregister_chrdev_region(dev, 1);
	}
	class_destroy(class);
}

static irqreturn_t fail_irq(int irq, void *id)
{
	return IRQ_HANDLED;
}

static void fail_pci(struct pci_dev *pdev)
{
	const struct firmware *fw;
	void __iomem *regs;

	if (!request_firmware(&fw, "plain.c", &pdev->dev))
		release_firmware(fw);
	if (!pci_enable_device(pdev)) {
		if (!pci_request_regions(pdev, "fail")) {
			regs = pci_iomap(pdev, 0, 0);
			if (regs)
				pci_iounmap(pdev, regs);
			pci_release_regions(pdev);
		}
		if (pci_alloc_irq_vectors(pdev, 1, 1, PCI_IRQ_ALL_TYPES) == 1) {
			if (!request_irq((unsigned int)pci_irq_vector(pdev, 0), fail_irq, 0, "fail",
					 pdev))
				free_irq((unsigned int)pci_irq_vector(pdev, 0), pdev);
			pci_free_irq_vectors(pdev);
		}
		pci_disable_device(pdev);
	}
	if (!pcim_enable_device(pdev) && !pcim_iomap_regions(pdev, 1, "fail") &&
	    devm_kzalloc(&pdev->dev, 100, GFP_KERNEL))
		CHECK(pcim_iomap_table(pdev)[0]);
	if (devm_request_irq(&pdev->dev, pdev->irq, fail_irq, IRQF_SHARED, "fail", pdev))
		CHECK(!pdev->dev.driver_data);
	devm_kasprintf(&pdev->dev, GFP_KERNEL, "fail%d", 1);
	kmod_devres_release(&pdev->dev);
}

PCI_CASE(every_call_may_fail, "")
{
	fail_memory();
	fail_dma(&test_pdev->dev);
	fail_maps();
	fail_net(&test_pdev->dev);
	fail_work();
	fail_char(&test_pdev->dev);
	fail_pci(test_pdev);
}
