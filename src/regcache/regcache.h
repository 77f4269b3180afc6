/* SPDX-License-Identifier: BSD-2-Clause */
/* The registration cache of policy=persistent: streaming mappings of memory outside RAM. */
#ifndef REGCACHE_REGCACHE_H
#define REGCACHE_REGCACHE_H

#include "domain/device.h"

/*
 * Sets dev->regcache if events are available and the device can use the cache. Returns 0, -ENOMEM
 * or -EAGAIN.
 */
int regcache_open(struct device *dev);

/*
 * Drops mappings that are not in use. regcache_close() drops the others; no thread may be using the
 * device then.
 */
void regcache_drop_idle(struct device *dev);
void regcache_close(struct device *dev);

/* For tests: sets the limits; counts the mappings in the cache. */
void regcache_limit(struct device *dev, u32 count, u64 bytes);
u32 regcache_count(struct device *dev, u64 *bytes);

#endif
