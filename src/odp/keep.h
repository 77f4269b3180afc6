/* SPDX-License-Identifier: BSD-2-Clause */
/* The cache of streaming mappings of policy=persistent. */
#ifndef ODP_KEEP_H
#define ODP_KEEP_H

#include "domain/device.h"

/* Sets dev->keep where notices come and the device is one that it helps. 0, -ENOMEM, -EAGAIN. */
int keep_open(struct device *dev);

/* Drops what nobody has mapped; keep_close() the rest, when the device's threads are done. */
void keep_drop_idle(struct device *dev);
void keep_close(struct device *dev);

/* For tests: the limits, and what is kept now. */
void keep_limit(struct device *dev, u32 count, u64 bytes);
u32 keep_count(struct device *dev, u64 *bytes);

#endif
