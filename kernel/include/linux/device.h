/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * struct device, embedded in the device structure of every bus. `dma` is dmamap's opaque device; a
 * device without one uses its parent's. Managed resources (devres) are released in reverse order
 * after remove, or after a failed probe.
 */
#ifndef KMOD_LINUX_DEVICE_H
#define KMOD_LINUX_DEVICE_H

#include <linux/spinlock.h>
#include <linux/module.h>

struct dmamap_device;

struct device;
struct fwnode_handle;
struct device_node;
struct bus_type {
	const char *name;
};
struct class
{
	const char *name;
};
struct attribute {
	const char *name;
	umode_t mode;
};
struct attribute_group {
	const char *name;
	struct attribute **attrs;
};
struct kobject {
	const char *name;
};
struct device_attribute {
	struct attribute attr;
	ssize_t (*show)(struct device *dev, struct device_attribute *attr, char *buf);
	ssize_t (*store)(struct device *dev, struct device_attribute *attr, const char *buf,
			 size_t n);
};
#define __ATTR(n, m, s, st)                                                                        \
	{                                                                                          \
		.attr = {.name = #n, .mode = m}, .show = s, .store = st                            \
	}
#define DEVICE_ATTR(n, m, s, st) struct device_attribute dev_attr_##n = __ATTR(n, m, s, st)
#define DEVICE_ATTR_RO(n)	 DEVICE_ATTR(n, 0444, n##_show, NULL)
#define DEVICE_ATTR_RW(n)	 DEVICE_ATTR(n, 0644, n##_show, n##_store)

struct dev_pm_ops {
	int (*prepare)(struct device *dev);
	void (*complete)(struct device *dev);
	int (*suspend)(struct device *dev);
	int (*resume)(struct device *dev);
	int (*freeze)(struct device *dev);
	int (*thaw)(struct device *dev);
	int (*poweroff)(struct device *dev);
	int (*restore)(struct device *dev);
	int (*runtime_suspend)(struct device *dev);
	int (*runtime_resume)(struct device *dev);
	int (*runtime_idle)(struct device *dev);
};
#define SET_SYSTEM_SLEEP_PM_OPS(s, r) .suspend = s, .resume = r,
#define SYSTEM_SLEEP_PM_OPS(s, r)     .suspend = s, .resume = r,
#define RUNTIME_PM_OPS(s, r, i)	      .runtime_suspend = s, .runtime_resume = r, .runtime_idle = i,
#define SIMPLE_DEV_PM_OPS(n, s, r)                                                                 \
	const struct dev_pm_ops n __maybe_unused = {SYSTEM_SLEEP_PM_OPS(s, r)}
#define DEFINE_SIMPLE_DEV_PM_OPS(n, s, r) SIMPLE_DEV_PM_OPS(n, s, r)
#define pm_ptr(p)			  (p)
#define pm_sleep_ptr(p)			  (p)
typedef struct pm_message {
	int event;
} pm_message_t;

struct device_driver {
	const char *name;
	struct module *owner;
	const struct dev_pm_ops *pm;
	void (*shutdown)(struct device *dev);
};

struct device {
	struct device *parent;
	struct dmamap_device *dma;
	struct device_driver *driver;
	const struct bus_type *bus;
	void *driver_data, *platform_data;
	u64 *dma_mask;
	char name[48];
	struct list_head devres;
	spinlock_t devres_lock;
	int registered, refs; /* 0: references are not counted */
	void (*release)(struct device *dev);
	struct class *class;
	dev_t devt;
};

/*
 * Returns dmamap's device for `dev`: its own, its nearest ancestor's, or else the one that was
 * opened.
 */
extern struct dmamap_device *kmod_opened;
void kmod_stepped(void);
static inline struct dmamap_device *kmod_dma(const struct device *dev)
{
	kmod_stepped();
	while (dev && !dev->dma)
		dev = dev->parent;
	return dev ? dev->dma : kmod_opened;
}

static inline const char *dev_name(const struct device *dev)
{
	return dev->name;
}
#define dev_set_name(dev, fmt, ...)                                                                \
	(kmod_snprintf((dev)->name, sizeof((dev)->name), fmt, ##__VA_ARGS__), 0)
static inline void *dev_get_drvdata(const struct device *dev)
{
	return dev->driver_data;
}
static inline void dev_set_drvdata(struct device *dev, void *data)
{
	dev->driver_data = data;
}
const char *dev_driver_string(const struct device *dev);
/*
 * References are counted for devices that a driver creates; a bus's own devices exist for the whole
 * run.
 */
void device_initialize(struct device *dev);
int device_add(struct device *dev);
int device_register(struct device *dev);
void device_del(struct device *dev);
void device_unregister(struct device *dev);
struct device *get_device(struct device *dev);
void put_device(struct device *dev);
#define set_dma_ops(d, ops) ((void)(d))

void kmod_dev_printk(const char *level, const struct device *dev, const char *fmt, ...)
	__printf(3, 4);
#define dev_err(d, fmt, ...)	kmod_dev_printk(KERN_ERR, d, fmt, ##__VA_ARGS__)
#define dev_warn(d, fmt, ...)	kmod_dev_printk(KERN_WARNING, d, fmt, ##__VA_ARGS__)
#define dev_notice(d, fmt, ...) kmod_dev_printk(KERN_NOTICE, d, fmt, ##__VA_ARGS__)
#define dev_info(d, fmt, ...)	kmod_dev_printk(KERN_INFO, d, fmt, ##__VA_ARGS__)
#define dev_dbg(d, fmt, ...)                                                                       \
	do {                                                                                       \
		if (0)                                                                             \
			kmod_dev_printk(KERN_DEBUG, d, fmt, ##__VA_ARGS__);                        \
	} while (0)
#define dev_err_probe(d, e, fmt, ...) (kmod_dev_printk(KERN_ERR, d, fmt, ##__VA_ARGS__), (int)(e))
#define dev_warn_once(d, fmt, ...)    dev_warn(d, fmt, ##__VA_ARGS__)
#define dev_info_once(d, fmt, ...)    dev_info(d, fmt, ##__VA_ARGS__)
#define dev_err_once(d, fmt, ...)     dev_err(d, fmt, ##__VA_ARGS__)

/* Managed resources. */
int devm_add_action(struct device *dev, void (*action)(void *), void *data);
#define devm_add_action_or_reset(dev, action, data)                                                \
	({                                                                                         \
		void *__data = (data);                                                             \
		int __err = devm_add_action(dev, action, __data);                                  \
		if (__err)                                                                         \
			action(__data);                                                            \
		__err;                                                                             \
	})
void *devm_kmalloc(struct device *dev, size_t size, gfp_t gfp);
#define devm_kzalloc(d, s, g)	       devm_kmalloc(d, s, (g) | __GFP_ZERO)
#define devm_kcalloc(d, n, s, g)       devm_kzalloc(d, array_size(n, s), g)
#define devm_kmalloc_array(d, n, s, g) devm_kmalloc(d, array_size(n, s), g)
char *devm_kasprintf(struct device *dev, gfp_t gfp, const char *fmt, ...) __printf(3, 4);
void devm_kfree(struct device *dev, const void *p);
void kmod_devres_release(struct device *dev);
void kmod_device_init(struct device *dev, struct device *parent, const char *name);

int device_create_file(struct device *dev, const struct device_attribute *attr);
void device_remove_file(struct device *dev, const struct device_attribute *attr);

/* Power management is absent: the device is always awake. These are in the list of inert names. */
#define KMOD_PM(type, name, value, ...)                                                            \
	static inline type name(struct device *dev, ##__VA_ARGS__)                                 \
	{                                                                                          \
		return value;                                                                      \
	}
KMOD_PM(bool, device_may_wakeup, false)
KMOD_PM(bool, device_can_wakeup, true)
KMOD_PM(int, device_set_wakeup_enable, 0, bool enable)
KMOD_PM(int, device_set_wakeup_capable, 0, bool capable)
KMOD_PM(int, device_init_wakeup, 0, bool enable)
KMOD_PM(int, device_wakeup_enable, 0)
KMOD_PM(int, device_wakeup_disable, 0)
KMOD_PM(int, pm_runtime_get_sync, 1)
KMOD_PM(int, pm_runtime_resume_and_get, 0)
KMOD_PM(int, pm_runtime_resume, 0)
KMOD_PM(int, pm_runtime_put, 0)
KMOD_PM(int, pm_runtime_put_sync, 0)
KMOD_PM(void, pm_runtime_get_noresume, )
KMOD_PM(void, pm_runtime_put_noidle, )
KMOD_PM(int, pm_schedule_suspend, 0, unsigned int ms)
KMOD_PM(bool, pm_runtime_suspended, false)
KMOD_PM(bool, pm_runtime_active, true)
KMOD_PM(void, dev_pm_set_driver_flags, , u32 flags)
#undef KMOD_PM
#define DPM_FLAG_SMART_PREPARE 2

struct firmware {
	size_t size;
	const u8 *data;
};
int request_firmware(const struct firmware **fw, const char *name, struct device *dev);
void release_firmware(const struct firmware *fw);

#endif
