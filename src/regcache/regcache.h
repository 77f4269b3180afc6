/* SPDX-License-Identifier: BSD-2-Clause */
/* The cache of streaming mappings of policy=persistent. */
#ifndef REGCACHE_REGCACHE_H
#define REGCACHE_REGCACHE_H

#include "domain/device.h"

/* Sets dev->keep where notices come and the device is one that it helps. 0, -ENOMEM, -EAGAIN. */
int regcache_open(struct device *dev);

/* Drops what nobody has mapped; regcache_close() the rest, when the device's threads are done. */
void regcache_drop_idle(struct device *dev);
void regcache_close(struct device *dev);

/* For tests: the limits, and what is kept now. */
void regcache_limit(struct device *dev, u32 count, u64 bytes);
u32 regcache_count(struct device *dev, u64 *bytes);

#endif
