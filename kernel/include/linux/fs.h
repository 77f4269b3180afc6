/* SPDX-License-Identifier: BSD-2-Clause */
/* Character and misc devices; the script calls their operations. Linux:
 * Documentation/driver-api/basics.rst. */
#ifndef KMOD_LINUX_FS_H
#define KMOD_LINUX_FS_H

#include <linux/device.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/ioctl.h>
#include_next <linux/fs.h>
#include_next <linux/poll.h>

struct inode {
	dev_t i_rdev;
	struct cdev *i_cdev;
	void *i_private;
};
struct poll_table_struct {
	struct wait_queue_head *queue; /* the last queue that was waited on */
};
typedef struct poll_table_struct poll_table;
typedef unsigned int __poll_t_kernel;
struct file {
	const struct file_operations *f_op;
	void *private_data;
	loff_t f_pos;
	unsigned int f_flags;
	fmode_t f_mode;
	struct inode *f_inode;
};
struct file_operations {
	struct module *owner;
	loff_t (*llseek)(struct file *f, loff_t offset, int whence);
	ssize_t (*read)(struct file *f, char __user *buf, size_t n, loff_t *pos);
	ssize_t (*write)(struct file *f, const char __user *buf, size_t n, loff_t *pos);
	__poll_t (*poll)(struct file *f, struct poll_table_struct *t);
	long (*unlocked_ioctl)(struct file *f, unsigned int cmd, unsigned long arg);
	long (*compat_ioctl)(struct file *f, unsigned int cmd, unsigned long arg);
	int (*mmap)(struct file *f, struct vm_area_struct *vma);
	int (*open)(struct inode *i, struct file *f);
	int (*release)(struct inode *i, struct file *f);
};
#define EPOLLIN	    ((__poll_t)0x1)
#define EPOLLOUT    ((__poll_t)0x4)
#define EPOLLERR    ((__poll_t)0x8)
#define EPOLLHUP    ((__poll_t)0x10)
#define EPOLLRDNORM ((__poll_t)0x40)
#define EPOLLWRNORM ((__poll_t)0x100)
static inline void poll_wait(struct file *f, struct wait_queue_head *q, poll_table *t)
{
	if (t)
		t->queue = q;
}
loff_t no_llseek(struct file *f, loff_t offset, int whence);
loff_t noop_llseek(struct file *f, loff_t offset, int whence);
loff_t fixed_size_llseek(struct file *f, loff_t offset, int whence, loff_t size);
int nonseekable_open(struct inode *i, struct file *f);

#define MISC_DYNAMIC_MINOR 255
struct miscdevice {
	int minor;
	const char *name;
	const struct file_operations *fops;
	struct list_head list;
	struct device *parent, *this_device;
	umode_t mode;
};
int misc_register(struct miscdevice *m);
void misc_deregister(struct miscdevice *m);
#define module_misc_device(m) module_driver(m, misc_register, misc_deregister)

/* debugfs: files that the script opens by name. */
struct dentry;
struct dentry *debugfs_create_file(const char *name, umode_t mode, struct dentry *parent,
				   void *data, const struct file_operations *fops);
struct dentry *debugfs_create_dir(const char *name, struct dentry *parent);
void debugfs_remove(struct dentry *d);
#define debugfs_remove_recursive(d) debugfs_remove(d)
int simple_open(struct inode *i, struct file *f);

#define MKDEV(ma, mi) ((dev_t)(((ma) << 20) | (mi)))
#define MAJOR(d)      ((unsigned int)((d) >> 20))
#define MINOR(d)      ((unsigned int)((d)&0xfffff))
struct cdev {
	const struct file_operations *ops;
	struct module *owner;
	dev_t dev;
	unsigned int count;
	struct list_head list;
};
int alloc_chrdev_region(dev_t *dev, unsigned int base, unsigned int count, const char *name);
void unregister_chrdev_region(dev_t from, unsigned int count);
void cdev_init(struct cdev *c, const struct file_operations *fops);
int cdev_add(struct cdev *c, dev_t dev, unsigned int count);
void cdev_del(struct cdev *c);
struct class *class_create(const char *name);
void class_destroy(struct class *c);
struct device *device_create(struct class *c, struct device *parent, dev_t dev, void *data,
			     const char *fmt, ...) __printf(5, 6);
void device_destroy(struct class *c, dev_t dev);

#endif
