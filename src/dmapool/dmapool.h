/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions that the close of a device calls for its pools. */
#ifndef DMAPOOL_DMAPOOL_H
#define DMAPOOL_DMAPOOL_H

#include "base/compiler.h"

struct dma_pool;

/* With the checker on: reports every pool that was not destroyed, and returns their number. */
u64 dma_pool_report_leaks(const struct device *dev);

#endif
