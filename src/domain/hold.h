/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DOMAIN_HOLD_H
#define DOMAIN_HOLD_H

#include "domain/device.h"

/* Call inside of an access (port_enter): an unmap then sees the access or the hold. 0, -ENOMEM. */
int hold_add(struct device *dev, iova_t iova, u64 size, const void *base);

/* False: it is not held (any more: the device was declared stuck). */
bool hold_drop(struct device *dev, const void *base);
void hold_drop_all(struct device *dev);

#endif
