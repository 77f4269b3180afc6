/* SPDX-License-Identifier: BSD-2-Clause */
/* Misc and character devices, used as a program would use them. */
#include "cases.h"
#include "chardev.h"

static char text[16] = "hello";

static ssize_t case_read(struct file *f, char __user *buf, size_t n, loff_t *pos)
{
	n = min(n, strlen(text) - (size_t)*pos);
	if (copy_to_user(buf, text + *pos, n))
		return -EFAULT;
	*pos += (loff_t)n;
	return (ssize_t)n;
}

static ssize_t case_write(struct file *f, const char __user *buf, size_t n, loff_t *pos)
{
	n = min(n, sizeof(text) - 1);
	if (copy_from_user(text, buf, n))
		return -EFAULT;
	text[n] = 0;
	return (ssize_t)n;
}

static long case_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
	int v;

	if (cmd != 7)
		return -ENOTTY;
	if (get_user(v, (int __user *)arg))
		return -EFAULT;
	return put_user(v + 1, (int __user *)arg);
}

static __poll_t case_poll(struct file *f, poll_table *t)
{
	return EPOLLIN;
}

static const struct file_operations ops = {
	.read = case_read, .write = case_write, .unlocked_ioctl = case_ioctl, .poll = case_poll};
static struct miscdevice misc = {.minor = MISC_DYNAMIC_MINOR, .name = "case", .fops = &ops};

CASE(misc_device_used, "")
{
	struct kmod_open_file f;
	char buf[16] = "";
	int v = 41;

	CHECK(kmod_file_open("case", &f) == -ENODEV);
	CHECK(!misc_register(&misc));
	CHECK(!kmod_file_open("case", &f) && f.file.private_data == &misc);
	CHECK(kmod_file_read(&f, buf, 3) == 3 && kmod_file_read(&f, buf + 3, 9) == 2 &&
	      !strcmp(buf, "hello"));
	CHECK(kmod_file_write(&f, "bye", 3) == 3 && !strcmp(text, "bye"));
	CHECK(kmod_file_ioctl(&f, 7, (unsigned long)&v) == 0 && v == 42 &&
	      kmod_file_ioctl(&f, 8, 0) == -ENOTTY);
	CHECK(kmod_file_poll(&f) == EPOLLIN && kmod_file_mmap(&f, 0, 4096) == -ENODEV);
	kmod_file_close(&f);
	misc_deregister(&misc);
}

CASE(misc_device_left, "leak-chardev")
{
	misc_register(&misc);
}

CASE(misc_device_twice, "registered-twice")
{
	misc_register(&misc);
	misc_register(&misc);
	misc_deregister(&misc);
}

CASE(cdev_used, "")
{
	struct kmod_open_file f;
	struct class *class = class_create("cases");
	struct cdev c;
	dev_t dev;

	CHECK(!alloc_chrdev_region(&dev, 0, 1, "case"));
	cdev_init(&c, &ops);
	CHECK(!cdev_add(&c, dev, 1));
	CHECK(!IS_ERR(device_create(class, NULL, dev, NULL, "case%d", 0)));
	CHECK(!kmod_file_open(NULL, &f) && f.inode.i_cdev == &c);
	kmod_file_close(&f);
	device_destroy(class, dev);
	cdev_del(&c);
	class_destroy(class);
	unregister_chrdev_region(dev, 1);
}

CASE(cdev_left, "leak-chardev")
{
	static struct cdev c;
	dev_t dev;

	alloc_chrdev_region(&dev, 0, 1, "case");
	cdev_init(&c, &ops);
	cdev_add(&c, dev, 1);
}
