/* SPDX-License-Identifier: BSD-2-Clause */
/* Resources that belong to a device and are released with it (dmam_*, and those of upper layers).
 */
#ifndef MAP_DEVICE_H
#define MAP_DEVICE_H

#include "domain/device.h"

/* dmamap_close() calls release(data), newest first, unless it was removed before. 0, -ENOMEM. */
int device_add_managed(struct device *dev, void (*release)(void *), void *data);

/* Whether the resource is registered. */
bool device_has_managed(struct device *dev, const void *data);

/* Removes the resource without calling release. False: it is not registered. */
bool device_drop_managed(struct device *dev, void *data);
void device_release_managed(struct device *dev);

/*
 * Prepares the device for two-step ranges. Called after RAM exists. Returns 0, or -ENOMEM or
 * -ENOSPC with an error message.
 */
int twostep_open(struct device *dev);
void twostep_close(struct device *dev);

/* Frees coherent memory that was not freed; returns the number of blocks and of bytes. */
u64 coherent_release(struct device *dev, u64 *bytes);

#endif
