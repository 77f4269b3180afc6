/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Character and misc devices, classes, platform devices, and the functions by which a script calls
 * them.
 */
#include "chardev.h"
#include <linux/platform_device.h>

static struct host_mutex lock;
static LIST_HEAD(misc);
static LIST_HEAD(cdevs);
static LIST_HEAD(platform_drivers);
static struct platform_device platform;

int misc_register(struct miscdevice *m)
{
	kmod_might_sleep("misc_register");
	if (kmod_fail("register"))
		return -ENOMEM;
	if (!m->fops)
		return -EINVAL;
	if (kmod_ledger_find(KMOD_CHARDEV, m, NULL, NULL)) {
		kmod_finding("registered-twice", "misc_register() of %s, which is registered",
			     m->name);
		return -EBUSY;
	}
	kmod_ledger_add(KMOD_CHARDEV, m, sizeof(*m));
	host_lock(&lock);
	list_add_tail(&m->list, &misc);
	host_unlock(&lock);
	return 0;
}

void misc_deregister(struct miscdevice *m)
{
	if (!kmod_ledger_del(KMOD_CHARDEV, m)) {
		kmod_finding("bad-remove", "misc_deregister() of a device that is not registered");
		return;
	}
	host_lock(&lock);
	list_del(&m->list);
	host_unlock(&lock);
}

int alloc_chrdev_region(dev_t *dev, unsigned int base, unsigned int count, const char *name)
{
	static atomic_t major = ATOMIC_INIT(240);

	if (kmod_fail("register"))
		return -EBUSY;
	*dev = MKDEV((unsigned int)atomic_inc_return(&major), base);
	kmod_ledger_add(KMOD_CHARDEV, (void *)(unsigned long)*dev, count);
	return 0;
}

void unregister_chrdev_region(dev_t from, unsigned int count)
{
	if (!kmod_ledger_del(KMOD_CHARDEV, (void *)(unsigned long)from))
		kmod_finding("bad-remove",
			     "unregister_chrdev_region() of numbers that are not allocated");
}

void cdev_init(struct cdev *c, const struct file_operations *fops)
{
	memset(c, 0, sizeof(*c));
	c->ops = fops;
}

int cdev_add(struct cdev *c, dev_t dev, unsigned int count)
{
	if (kmod_fail("register"))
		return -ENOMEM;
	c->dev = dev;
	c->count = count;
	kmod_ledger_add(KMOD_CHARDEV, c, sizeof(*c));
	host_lock(&lock);
	list_add_tail(&c->list, &cdevs);
	host_unlock(&lock);
	return 0;
}

void cdev_del(struct cdev *c)
{
	if (!kmod_ledger_del(KMOD_CHARDEV, c)) {
		kmod_finding("bad-remove", "cdev_del() of a device that was not added");
		return;
	}
	host_lock(&lock);
	list_del(&c->list);
	host_unlock(&lock);
}

struct class *class_create(const char *name)
{
	struct class *c = kmod_calloc("register", 1, sizeof(*c));

	if (!c)
		return ERR_PTR(-ENOMEM);
	c->name = name;
	kmod_ledger_add(KMOD_CHARDEV, c, sizeof(*c));
	return c;
}

void class_destroy(struct class *c)
{
	if (IS_ERR_OR_NULL(c))
		return;
	if (!kmod_ledger_del(KMOD_CHARDEV, c))
		kmod_finding("double-free", "class_destroy() of a class that does not exist");
	else
		host_free(c);
}

struct chardev_created {
	struct device dev;
	struct list_head list;
};
static LIST_HEAD(created); /* under lock */

struct device *device_create(struct class *c, struct device *parent, dev_t dev, void *data,
			     const char *fmt, ...)
{
	struct chardev_created *made = kmod_calloc("register", 1, sizeof(*made));
	struct device *d = &made->dev;
	va_list args;

	if (!made)
		return ERR_PTR(-ENOMEM);
	kmod_device_init(d, parent, "");
	va_start(args, fmt);
	vsnprintf(d->name, sizeof(d->name), fmt, args);
	va_end(args);
	d->class = c;
	d->devt = dev;
	d->driver_data = data;
	kmod_ledger_add(KMOD_FILE, d, sizeof(*d));
	host_lock(&lock);
	list_add(&made->list, &created);
	host_unlock(&lock);
	return d;
}

void device_destroy(struct class *c, dev_t dev)
{
	struct chardev_created *made, *found = NULL;

	host_lock(&lock);
	list_for_each_entry(made, &created, list)
	{
		if (made->dev.class == c && made->dev.devt == dev)
			found = made;
	}
	if (found)
		list_del(&found->list);
	host_unlock(&lock);
	if (!found) {
		kmod_finding("bad-remove", "device_destroy() of a device that does not exist");
		return;
	}
	kmod_ledger_del(KMOD_FILE, &found->dev);
	host_free(found);
}

struct dentry {
	char name[32];
	const struct file_operations *fops;
	void *data;
	struct list_head list;
};
static LIST_HEAD(debugfs);

struct dentry *debugfs_create_file(const char *name, umode_t mode, struct dentry *parent,
				   void *data, const struct file_operations *fops)
{
	struct dentry *d = kmod_calloc("register", 1, sizeof(*d));

	if (!d)
		return ERR_PTR(-ENOMEM);
	strscpy(d->name, name, sizeof(d->name));
	d->fops = fops;
	d->data = data;
	kmod_ledger_add(KMOD_FILE, d, sizeof(*d));
	host_lock(&lock);
	list_add_tail(&d->list, &debugfs);
	host_unlock(&lock);
	return d;
}

struct dentry *debugfs_create_dir(const char *name, struct dentry *parent)
{
	return debugfs_create_file(name, 0, parent, NULL, NULL);
}

void debugfs_remove(struct dentry *d)
{
	if (IS_ERR_OR_NULL(d))
		return;
	if (!kmod_ledger_del(KMOD_FILE, d)) {
		kmod_finding("bad-remove", "debugfs_remove() of an entry that does not exist");
		return;
	}
	host_lock(&lock);
	list_del(&d->list);
	host_unlock(&lock);
	host_free(d);
}

int simple_open(struct inode *i, struct file *f)
{
	f->private_data = i->i_private;
	return 0;
}

loff_t no_llseek(struct file *f, loff_t offset, int whence)
{
	return -ESPIPE;
}

loff_t noop_llseek(struct file *f, loff_t offset, int whence)
{
	return f->f_pos;
}

/* Seeks in the range from 0 to `size`, both inclusive. */
loff_t fixed_size_llseek(struct file *f, loff_t offset, int whence, loff_t size)
{
	loff_t from = whence == SEEK_CUR ? f->f_pos : whence == SEEK_END ? size : 0, to;

	if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END)
		return -EINVAL;
	if (__builtin_add_overflow(from, offset, &to) || to < 0 || to > size)
		return -EINVAL;
	f->f_pos = to;
	return to;
}

int nonseekable_open(struct inode *i, struct file *f)
{
	return 0;
}

/* Platform devices: a driver binds to the opened device if that is not a PCI function. */
static void platform_bind(struct platform_driver *d)
{
	int err = 0;

	if (!platform.dev.dma || platform.dev.driver)
		return;
	platform.dev.driver = &d->driver;
	if (d->probe)
		KMOD_CALL("probe", err = d->probe(&platform));
	kmod_event("\"probe\":%d", err);
	if (err) {
		kmod_devres_release(&platform.dev);
		platform.dev.driver = NULL;
	}
}

int platform_driver_register(struct platform_driver *d)
{
	if (kmod_fail("register"))
		return -ENOMEM;
	kmod_ledger_add(KMOD_DRIVER, d, sizeof(*d));
	list_add_tail(&d->list, &platform_drivers);
	platform_bind(d);
	return 0;
}

void platform_driver_unregister(struct platform_driver *d)
{
	if (!kmod_ledger_del(KMOD_DRIVER, d)) {
		kmod_finding("bad-remove",
			     "platform_driver_unregister() of a driver that is not registered");
		return;
	}
	list_del(&d->list);
	if (platform.dev.driver != &d->driver)
		return;
	if (d->remove_new)
		KMOD_CALL("remove", d->remove_new(&platform));
	else if (d->remove)
		KMOD_CALL("remove", d->remove(&platform));
	kmod_devres_release(&platform.dev);
	platform.dev.driver = NULL;
}

void kmod_platform_opened(struct dmamap_device *dma)
{
	kmod_device_init(&platform.dev, NULL, "platform.0");
	platform.name = "platform";
	platform.dev.dma = dma;
}

/* Called by the script. */
int kmod_file_open(const char *name, struct kmod_open_file *f)
{
	const struct file_operations *ops = NULL;
	struct miscdevice *m;
	struct dentry *d;
	struct cdev *c;
	int err = 0;

	memset(f, 0, sizeof(*f));
	host_lock(&lock);
	list_for_each_entry(m, &misc, list)
	{
		if (!ops && (!name || !strcmp(m->name, name))) {
			ops = m->fops;
			f->file.private_data = m; /* as the kernel's misc_open() does */
		}
	}
	list_for_each_entry(c, &cdevs, list)
	{
		if (!ops && !name) {
			ops = c->ops;
			f->inode.i_cdev = c;
			f->inode.i_rdev = c->dev;
		}
	}
	list_for_each_entry(d, &debugfs, list)
	{
		if (!ops && d->fops && name && !strcmp(d->name, name)) {
			ops = d->fops;
			f->inode.i_private = d->data;
		}
	}
	host_unlock(&lock);
	if (!ops)
		return -ENODEV;
	f->file.f_op = ops;
	f->file.f_inode = &f->inode;
	f->file.f_mode = 3;
	if (ops->open)
		KMOD_CALL("open", err = ops->open(&f->inode, &f->file));
	return err;
}

void kmod_file_close(struct kmod_open_file *f)
{
	if (f->file.f_op->release)
		KMOD_CALL("release", f->file.f_op->release(&f->inode, &f->file));
}

ssize_t kmod_file_read(struct kmod_open_file *f, void *buf, size_t n)
{
	ssize_t did = -EINVAL;

	if (f->file.f_op->read)
		KMOD_CALL("read", did = f->file.f_op->read(&f->file, buf, n, &f->file.f_pos));
	return did;
}

ssize_t kmod_file_write(struct kmod_open_file *f, const void *buf, size_t n)
{
	ssize_t did = -EINVAL;

	if (f->file.f_op->write)
		KMOD_CALL("write", did = f->file.f_op->write(&f->file, buf, n, &f->file.f_pos));
	return did;
}

long kmod_file_ioctl(struct kmod_open_file *f, unsigned int cmd, unsigned long arg)
{
	long did = -ENOTTY;

	if (f->file.f_op->unlocked_ioctl)
		KMOD_CALL("ioctl", did = f->file.f_op->unlocked_ioctl(&f->file, cmd, arg));
	return did;
}

__poll_t kmod_file_poll(struct kmod_open_file *f)
{
	poll_table t = {NULL};
	__poll_t events = EPOLLIN | EPOLLOUT;

	if (f->file.f_op->poll)
		KMOD_CALL("poll", events = f->file.f_op->poll(&f->file, &t));
	return events;
}

int kmod_file_mmap(struct kmod_open_file *f, unsigned long start, size_t n)
{
	struct vm_area_struct vma = {.vm_start = start, .vm_end = start + n};
	int err = -ENODEV;

	if (f->file.f_op->mmap)
		KMOD_CALL("mmap", err = f->file.f_op->mmap(&f->file, &vma));
	return err;
}
