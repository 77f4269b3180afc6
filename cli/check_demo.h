/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The smallest program for each kind of misuse, and the most similar legal program: one function
 * with a parameter that chooses between them. `dmamap check demo` and a test run them.
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

struct check_demo {
	int kind;
	const char *keys; /* keys of the device's spec, in addition to check=1 */
	void (*run)(struct device *dev, bool wrong);
	bool no_mask, own, needs_asan;
};

extern const struct check_demo demos_map[], demos_device[], demos_xsk[];
extern const unsigned int n_demos_map, n_demos_device, n_demos_xsk;

/* NULL: there is no such kind. */
const struct check_demo *demo_find(int kind);

/*
 * Runs the demo on a device of its own. Returns the number of reports of its kind; *others is the
 * number of other reports. -1: the device could not be opened.
 */
int demo_run(const struct check_demo *d, bool wrong, unsigned int *others);

/* Maps memory in one line, for the demos. */
static inline dma_addr_t demo_map(struct device *dev, void *p, size_t n,
				  enum dma_data_direction dir)
{
	dma_addr_t addr = dma_map_single(dev, p, n, dir);

	return dma_mapping_error(dev, addr) ? 0 : addr;
}

#endif
