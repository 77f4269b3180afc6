/* SPDX-License-Identifier: BSD-2-Clause */
/* struct device: managed resources, sysfs files, firmware from a directory, platform devices. */
#include "core.h"
#include <linux/slab.h>
#include <linux/platform_device.h>

struct devres {
	struct list_head entry;
	void (*action)(void *data);
	void *data;
};

void kmod_device_init(struct device *dev, struct device *parent, const char *name)
{
	memset(dev, 0, sizeof(*dev));
	dev->parent = parent;
	snprintf(dev->name, sizeof(dev->name), "%s", name);
	INIT_LIST_HEAD(&dev->devres);
	spin_lock_init(&dev->devres_lock);
}

const char *dev_driver_string(const struct device *dev)
{
	return dev->driver ? dev->driver->name : dev->bus ? dev->bus->name : "";
}

int devm_add_action(struct device *dev, void (*action)(void *), void *data)
{
	struct devres *r = kmod_calloc("kmalloc", 1, sizeof(*r));
	unsigned long flags;

	if (!r)
		return -ENOMEM;
	r->action = action;
	r->data = data;
	spin_lock_irqsave(&dev->devres_lock, flags);
	list_add(&r->entry, &dev->devres);
	spin_unlock_irqrestore(&dev->devres_lock, flags);
	return 0;
}

struct dmamap_device *kmod_opened;

void device_initialize(struct device *dev)
{
	dev->refs = 1;
	INIT_LIST_HEAD(&dev->devres);
	spin_lock_init(&dev->devres_lock);
}

int device_add(struct device *dev)
{
	kmod_might_sleep("device_add");
	if (kmod_fail("register"))
		return -ENOMEM;
	if (dev->registered || !dev->name[0])
		return -EINVAL;
	dev->registered = 1;
	kmod_ledger_add(KMOD_FILE, dev, sizeof(*dev));
	return 0;
}

int device_register(struct device *dev)
{
	device_initialize(dev);
	return device_add(dev);
}

void device_del(struct device *dev)
{
	if (!dev->registered || !kmod_ledger_del(KMOD_FILE, dev)) {
		kmod_finding("bad-remove", "device_del() of a device that is not registered");
		return;
	}
	dev->registered = 0;
	kmod_devres_release(dev);
}

void device_unregister(struct device *dev)
{
	device_del(dev);
	put_device(dev);
}

struct device *get_device(struct device *dev)
{
	if (dev && dev->refs)
		dev->refs++;
	return dev;
}

void put_device(struct device *dev)
{
	if (!dev || !dev->refs || --dev->refs)
		return;
	if (dev->release)
		dev->release(dev);
	else
		kmod_finding(
			"device-no-release",
			"the last reference to device %s is dropped, which has no release function",
			dev->name);
}

static void device_kfree(void *p)
{
	kfree(p);
}

void *devm_kmalloc(struct device *dev, size_t size, gfp_t gfp)
{
	void *p = kmod_kmalloc(1, size, gfp);

	if (p && devm_add_action(dev, device_kfree, p)) {
		kfree(p);
		p = NULL;
	}
	return p;
}

void devm_kfree(struct device *dev, const void *p)
{
	struct devres *r, *found = NULL;

	list_for_each_entry(r, &dev->devres, entry)
	{
		if (r->action == device_kfree && r->data == p)
			found = r;
	}
	if (!found) {
		kmod_finding("bad-free", "devm_kfree() of memory that the device does not own");
		return;
	}
	list_del(&found->entry);
	host_free(found);
	kfree(p);
}

char *devm_kasprintf(struct device *dev, gfp_t gfp, const char *fmt, ...)
{
	char text[256], *p;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	p = devm_kmalloc(dev, strlen(text) + 1, gfp);
	return p ? memcpy(p, text, strlen(text) + 1) : NULL;
}

void kmod_devres_release(struct device *dev)
{
	while (!list_empty(&dev->devres)) {
		struct devres *r = list_first_entry(&dev->devres, struct devres, entry);

		list_del(&r->entry);
		r->action(r->data);
		host_free(r);
	}
}

int device_create_file(struct device *dev, const struct device_attribute *attr)
{
	if (kmod_fail("register"))
		return -ENOMEM;
	kmod_ledger_add(KMOD_FILE, attr, sizeof(*attr));
	return 0;
}

void device_remove_file(struct device *dev, const struct device_attribute *attr)
{
	if (!kmod_ledger_del(KMOD_FILE, attr))
		kmod_finding("bad-remove", "a sysfs file is removed that does not exist: %s",
			     attr->attr.name);
}

int request_firmware(const struct firmware **fw, const char *name, struct device *dev)
{
	const char *dir = kmod_option("firmware");
	struct firmware *f;
	char path[512];

	kmod_might_sleep("request_firmware");
	*fw = NULL;
	if (!dir || kmod_fail("register")) {
		dev_err(dev,
			"the driver requests firmware %s: give its directory with --firmware\n",
			name);
		return -ENOENT;
	}
	f = kmod_calloc(NULL, 1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f->data = host_read_file(path, &f->size);
	if (!f->data) {
		host_free(f);
		return -ENOENT;
	}
	kmod_ledger_add(KMOD_FIRMWARE, f, f->size);
	*fw = f;
	return 0;
}

void release_firmware(const struct firmware *fw)
{
	if (!fw)
		return;
	if (!kmod_ledger_del(KMOD_FIRMWARE, fw)) {
		kmod_finding("double-free", "release_firmware() of firmware that was released");
		return;
	}
	host_free((void *)fw->data);
	host_free((void *)fw);
}
