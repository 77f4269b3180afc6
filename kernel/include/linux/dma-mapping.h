/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef KMOD_LINUX_DMA_MAPPING_H
#define KMOD_LINUX_DMA_MAPPING_H

#include <linux/device.h>
#include <linux/slab.h>

#define dma_zalloc_coherent(d, s, h, g) dma_alloc_coherent(d, s, h, g)

#endif
