/* SPDX-License-Identifier: BSD-2-Clause */
/* Holds: ranges that models obtained by dmamap_bus_map() and have not released. */
#ifndef DOMAIN_HOLD_H
#define DOMAIN_HOLD_H

#include "domain/device.h"

#include <sys/uio.h>

/*
 * Records that the device holds [iova, iova + size), whose n segments are in `iov`. Called inside
 * an access (port_enter()), so that an unmap waits for the access or finds the hold. 0, -ENOMEM.
 */
int hold_add(struct device *dev, iova_t iova, u64 size, const struct iovec *iov, int n);

/* Drops the hold that the segments belong to. False: there is none. */
bool hold_drop(struct device *dev, const struct iovec *iov, int n);
void hold_drop_all(struct device *dev);

#endif
