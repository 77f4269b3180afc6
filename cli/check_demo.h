/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The smallest program for each kind of misuse, and its nearest legal twin: one function, told
 * which of the two to be. `dmamap check demo` runs them, and so does a test.
 */
#ifndef CLI_CHECK_DEMO_H
#define CLI_CHECK_DEMO_H

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/slab.h>
#include <stdlib.h>
#include <string.h>

struct demo {
	int kind;
	const char *keys; /* of the device's spec, beside check=1 */
	void (*run)(struct device *dev, bool wrong);
	bool no_mask, own, needs_asan;
};

extern const struct demo demos_map[], demos_device[], demos_xsk[];
extern const unsigned int n_demos_map, n_demos_device, n_demos_xsk;

/* NULL: no such kind. */
const struct demo *demo_find(int kind);

/*
 * Runs it on a device of its own. How often the checker reported its kind, and how often another;
 * -1: the device could not be opened.
 */
int demo_run(const struct demo *d, bool wrong, unsigned int *others);

/* The demos' driver maps in one line. */
static inline dma_addr_t demo_map(struct device *dev, void *p, size_t n,
				  enum dma_data_direction dir)
{
	dma_addr_t addr = dma_map_single(dev, p, n, dir);

	return dma_mapping_error(dev, addr) ? 0 : addr;
}

#endif
