/* SPDX-License-Identifier: BSD-2-Clause */
/* What a closing device asks of its pools. */
#ifndef DMAPOOL_DMAPOOL_H
#define DMAPOOL_DMAPOOL_H

#include "base/compiler.h"

struct dma_pool;

/* Where the checker is on: reports each pool that was never destroyed; how many. */
u64 dma_pool_report_leaks(const struct device *dev);

#endif
