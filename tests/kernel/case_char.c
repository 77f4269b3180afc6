/* SPDX-License-Identifier: BSD-2-Clause */
/* Misc and character devices: a program opens, reads, writes, polls and maps them. */
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

/* A program may pass an address that is unmapped, or mapped only in part. */
CASE(user_memory_not_mapped, "")
{
	char *area = vmalloc(8192), *end = area + 8192; /* the next page is unmapped */
	char buf[32];
	u32 v = 7;

	memset(area, 5, 8192);
	memset(buf, 9, sizeof(buf));
	CHECK(copy_from_user(buf, NULL, 8) == 8 && !buf[0] && !buf[7] && buf[8] == 9);
	CHECK(copy_from_user(buf, end - 3, 8) == 5 && buf[0] == 5 && buf[2] == 5 && !buf[3]);
	CHECK(copy_from_user(buf, end - 4, 4) == 0 && copy_from_user(buf, NULL, 0) == 0);
	CHECK(copy_to_user(end - 4, "abcdefg", 8) == 4 && !memcmp(end - 4, "abcd", 4));
	CHECK(copy_to_user(NULL, buf, 4) == 4 && copy_to_user((void *)~4095ul, buf, 4096) == 4096);
	CHECK(clear_user(end - 2, 5) == 3 && !end[-1] && end[-3] == 'b' && !clear_user(area, 8192));
	CHECK(get_user(v, (u32 *)NULL) == -EFAULT && v == 7 && put_user(v, (u32 *)NULL) == -EFAULT);
	CHECK(!put_user(v, (u32 *)area) && *area == 7);
	vfree(area);
}

CASE(seek_in_a_fixed_size, "")
{
	struct file f = {.f_pos = 10};

	CHECK(fixed_size_llseek(&f, 5, SEEK_SET, 100) == 5 &&
	      fixed_size_llseek(&f, -5, SEEK_CUR, 100) == 0);
	CHECK(fixed_size_llseek(&f, 0, SEEK_END, 100) == 100 && f.f_pos == 100);
	CHECK(fixed_size_llseek(&f, 1, SEEK_CUR, 100) == -EINVAL && f.f_pos == 100);
	CHECK(fixed_size_llseek(&f, -1, SEEK_SET, 100) == -EINVAL);
	CHECK(fixed_size_llseek(&f, (loff_t)(~0ull >> 1), SEEK_END, 100) == -EINVAL);
	CHECK(fixed_size_llseek(&f, 0, 99, 100) == -EINVAL && f.f_pos == 100);
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
