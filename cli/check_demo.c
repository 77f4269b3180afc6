/* SPDX-License-Identifier: BSD-2-Clause */
/* Runs the demonstrations of the checker's kinds. */
#include "check_demo.h"

#include <stdio.h>

const struct check_demo *demo_find(int kind)
{
	for (unsigned int i = 0; i < n_demos_map; i++)
		if (demos_map[i].kind == kind)
			return &demos_map[i];
	for (unsigned int i = 0; i < n_demos_device; i++)
		if (demos_device[i].kind == kind)
			return &demos_device[i];
	for (unsigned int i = 0; i < n_demos_xsk; i++)
		if (demos_xsk[i].kind == kind)
			return &demos_xsk[i];
	return NULL;
}

int demo_run(const struct check_demo *d, bool wrong, unsigned int *others)
{
	u64 kind = dmamap_check_count(d->kind), all = dmamap_check_count(0);
	struct device *dev;
	char spec[128];

	snprintf(spec, sizeof(spec), "sim,check=1%s%s", d->keys ? "," : "", d->keys ? d->keys : "");
	dev = dmamap_open(spec);
	if (!dev)
		return -1;
	if (!(d->no_mask && wrong))
		dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64));
	if (d->own && dmamap_check_own(dev, true)) {
		dmamap_close(dev);
		return -1;
	}
	d->run(dev, wrong);
	dmamap_close(dev);
	kind = dmamap_check_count(d->kind) - kind;
	*others = (unsigned int)(dmamap_check_count(0) - all - kind);
	return (int)kind;
}
