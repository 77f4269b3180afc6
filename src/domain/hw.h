/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices of hardware back ends: one table of functions for each kind (`qemu:`, `vfio:`,
 * `iommufd:`, `vfio-user:`). The device layer calls them in this order: memory, before RAM exists;
 * create; domain, before the address space exists; the back end's irq_vectors; connect, after
 * device->domain and irq_fd are set. On close it calls the back end's stop (no DMA and no interrupt
 * may follow), and free after the address space was freed.
 *
 * If create fails, no other function is called. If it succeeds, stop and free are called once each.
 */
#ifndef DOMAIN_HW_H
#define DOMAIN_HW_H

#include "domain/device.h"

#define HW_ARGS_MAX 32

struct hw_arg {
	const char *key, *value;
};

struct hw_config {
	const char *target; /* the text after the colon of the spec */
	bool iommu;
	enum domain_policy policy;
	u64 ram;			/* 0: not given */
	struct hw_arg arg[HW_ARGS_MAX]; /* keys that only this back end has, in the spec's order */
	int n_args;
};

struct hw_ops {
	const char *name; /* the back end's name in a spec */
	bool any_key;	  /* the target defines the keys; create() checks them; iommu=vtd or off */
	bool ram_only;	  /* see struct device */
	const char *const *keys; /* without any_key: the accepted keys; NULL after the last */
	const struct device_ops *device; /* registers and interrupts; create sets dev->ops_priv */
	/* Limits and defaults of RAM. */
	void (*memory)(const struct hw_config *config, struct mem_config *ram);
	/* Sets dev->ops_priv and the other fields that depend on the back end. Returns 0, or
	 * -errno with an error message. */
	int (*create)(struct device *dev, const struct hw_config *config);
	void (*domain)(void *priv, struct domain_config *config);
	int (*connect)(struct device *dev); /* 0; -errno with an error message */
	void (*free)(void *priv);
};

#endif
