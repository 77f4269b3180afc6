/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Platform devices: one bus, matched by name. A driver also binds to the opened device if its name
 * matches.
 */
#ifndef KMOD_LINUX_PLATFORM_DEVICE_H
#define KMOD_LINUX_PLATFORM_DEVICE_H

#include <linux/device.h>
#include <linux/io.h>

struct platform_device {
	const char *name;
	int id;
	struct device dev;
	struct list_head list;
};
struct platform_driver {
	int (*probe)(struct platform_device *d);
	void (*remove)(struct platform_device *d);
	void (*remove_new)(struct platform_device *d);
	void (*shutdown)(struct platform_device *d);
	struct device_driver driver;
	struct list_head list;
	const void *id_table;
};
#define to_platform_device(d) container_of(d, struct platform_device, dev)
int platform_driver_register(struct platform_driver *d);
void platform_driver_unregister(struct platform_driver *d);
#define module_platform_driver(d)                                                                  \
	module_driver(d, platform_driver_register, platform_driver_unregister)
#define platform_get_drvdata(d)	   dev_get_drvdata(&(d)->dev)
#define platform_set_drvdata(d, p) dev_set_drvdata(&(d)->dev, p)

#endif
