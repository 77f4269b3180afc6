/* SPDX-License-Identifier: BSD-2-Clause */
/* What belongs to a device and is released with it (dmam_*, and what upper layers hang on it). */
#ifndef MAP_DEVICE_H
#define MAP_DEVICE_H

#include "domain/device.h"

/* dmamap_close() calls release(data), newest first, unless it was dropped before. 0, -ENOMEM. */
int device_add_managed(struct device *dev, void (*release)(void *), void *data);

/* Forgets it without calling. False: it is not there. */
bool device_drop_managed(struct device *dev, void *data);
void device_release_managed(struct device *dev);

/* What two-step ranges of the device need, once RAM is there. 0; -ENOMEM, -ENOSPC and a message. */
int twostep_open(struct device *dev);
void twostep_close(struct device *dev);

/* Frees coherent memory that was never freed; how many blocks and bytes that were. */
u64 coherent_release(struct device *dev, u64 *bytes);

#endif
