/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel module with a seeded mistake, for `dmamap kmod`: a misc device that hashes what is
 * written to it. The data is stored in a block of coherent memory of QEMU's teaching device. When
 * the second allocation of open() fails, the first one leaks.
 *
 *     dmamap kmod run examples/kmod/leaky.c --device sim:edu
 *     dmamap kmod fail examples/kmod/leaky.c --device sim:edu --site kmalloc
 */
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define LEAKY_BYTES 4096

struct leaky {
	struct pci_dev *pdev;
	struct miscdevice misc;
	struct mutex lock; /* guards the fields below */
	u8 *memory;
	dma_addr_t addr;
	size_t used;
};

/* State of one open file. */
struct leaky_file {
	struct leaky *leaky;
	u32 *sums;
	unsigned int reads;
};

static int leaky_open(struct inode *inode, struct file *file)
{
	struct leaky *leaky = container_of(file->private_data, struct leaky, misc);
	struct leaky_file *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (!f)
		return -ENOMEM;
	f->leaky = leaky;
	f->sums = kcalloc(16, sizeof(*f->sums), GFP_KERNEL);
	if (!f->sums)
		return -ENOMEM; /* the mistake: f is not freed */
	file->private_data = f;
	return 0;
}

static int leaky_release(struct inode *inode, struct file *file)
{
	struct leaky_file *f = file->private_data;

	kfree(f->sums);
	kfree(f);
	return 0;
}

static ssize_t leaky_write(struct file *file, const char __user *buf, size_t n, loff_t *pos)
{
	struct leaky_file *f = file->private_data;
	struct leaky *leaky = f->leaky;
	u32 sum = 2166136261u;

	n = min_t(size_t, n, LEAKY_BYTES);
	mutex_lock(&leaky->lock);
	if (copy_from_user(leaky->memory, buf, n)) {
		mutex_unlock(&leaky->lock);
		return -EFAULT;
	}
	leaky->used = n;
	for (size_t i = 0; i < n; i++)
		sum = (sum ^ leaky->memory[i]) * 16777619u;
	f->sums[f->reads % 16] = sum;
	mutex_unlock(&leaky->lock);
	return n;
}

static ssize_t leaky_read(struct file *file, char __user *buf, size_t n, loff_t *pos)
{
	struct leaky_file *f = file->private_data;
	u32 sum = f->sums[f->reads % 16];

	n = min_t(size_t, n, sizeof(sum));
	if (copy_to_user(buf, &sum, n))
		return -EFAULT;
	f->reads++;
	return n;
}

static const struct file_operations leaky_fops = {
	.owner = THIS_MODULE,
	.open = leaky_open,
	.release = leaky_release,
	.read = leaky_read,
	.write = leaky_write,
};

static int leaky_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct leaky *leaky;
	int err = pcim_enable_device(pdev);

	if (err)
		return err;
	err = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(28));
	if (err)
		return err;
	leaky = devm_kzalloc(&pdev->dev, sizeof(*leaky), GFP_KERNEL);
	if (!leaky)
		return -ENOMEM;
	leaky->memory = dmam_alloc_coherent(&pdev->dev, LEAKY_BYTES, &leaky->addr, GFP_KERNEL);
	if (!leaky->memory)
		return -ENOMEM;
	mutex_init(&leaky->lock);
	leaky->pdev = pdev;
	leaky->misc.minor = MISC_DYNAMIC_MINOR;
	leaky->misc.name = "leaky";
	leaky->misc.fops = &leaky_fops;
	pci_set_drvdata(pdev, leaky);
	return misc_register(&leaky->misc);
}

static void leaky_remove(struct pci_dev *pdev)
{
	struct leaky *leaky = pci_get_drvdata(pdev);

	misc_deregister(&leaky->misc);
}

static const struct pci_device_id leaky_ids[] = {{PCI_DEVICE(0x1234, 0x11e8)}, {0}};
MODULE_DEVICE_TABLE(pci, leaky_ids);

static struct pci_driver leaky_driver = {
	.name = "leaky",
	.id_table = leaky_ids,
	.probe = leaky_probe,
	.remove = leaky_remove,
};
module_pci_driver(leaky_driver);

MODULE_DESCRIPTION("A seeded mistake for dmamap kmod");
MODULE_LICENSE("Dual BSD/GPL");
