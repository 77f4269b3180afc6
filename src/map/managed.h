/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Resources that belong to a device and that dmamap_close() releases: those of dmam_*, and those of
 * upper layers.
 */
#ifndef MAP_MANAGED_H
#define MAP_MANAGED_H

#include "domain/device.h"

/*
 * dmamap_close() calls release(data), newest first, unless the resource was removed before. Returns
 * 0 or -ENOMEM.
 */
int device_add_managed(struct device *dev, void (*release)(void *), void *data);

/* Whether the resource is registered. */
bool device_has_managed(struct device *dev, const void *data);

/* Removes the resource without calling release. False: it is not registered. */
bool device_drop_managed(struct device *dev, void *data);
void device_release_managed(struct device *dev);

#endif
