/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices that are not simulated: one table for each kind (`qemu:`, `vfio:`, `iommufd:`), of what
 * the device layer asks for, in this order: memory, before there is RAM; create; domain, before
 * there is an address space; the back end's irq_vectors; connect, when device->domain and irq_fd
 * are there. Then the back end's stop (no DMA, no interrupt after it), and free when the address
 * space is gone.
 *
 * After a create that failed nothing is called; after one that did not, stop and free are, once
 * each.
 */
#ifndef DOMAIN_HW_H
#define DOMAIN_HW_H

#include "domain/device.h"

#define HW_ARGS_MAX 32

struct hw_arg {
	const char *key, *value;
};

struct hw_config {
	const char *target; /* behind the colon of the spec */
	bool iommu;
	enum policy policy;
	u64 ram;			/* 0: not named */
	struct hw_arg arg[HW_ARGS_MAX]; /* of the spec, not of every device; in order */
	int n_args;
};

struct hw_ops {
	const char *name; /* of the back end in a spec */
	bool any_key;	  /* keys are the target's own, for create() to judge; iommu=vtd or off */
	bool ram_only;	  /* see struct device */
	const char *const *keys;	   /* what it takes otherwise; NULL after the last */
	const struct backend_ops *backend; /* registers and interrupts; dev->ops_priv is create's */
	/* Limits and defaults of RAM. */
	void (*memory)(const struct hw_config *config, struct mem_config *ram);
	/* Sets dev->ops_priv, and what else of it the back end decides. 0; -errno and a sentence.
	 */
	int (*create)(struct device *dev, const struct hw_config *config);
	void (*domain)(void *priv, struct domain_config *config);
	int (*connect)(struct device *dev); /* 0; -errno and a sentence */
	void (*free)(void *priv);
};

#endif
