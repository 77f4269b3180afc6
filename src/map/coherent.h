/* SPDX-License-Identifier: BSD-2-Clause */
/* Coherent memory, as opening and closing of devices use it. */
#ifndef MAP_COHERENT_H
#define MAP_COHERENT_H

#include "domain/device.h"

/* Frees coherent memory that was not freed; returns the number of blocks and of bytes. */
u64 coherent_release(struct device *dev, u64 *bytes);

#endif
