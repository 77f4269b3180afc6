/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The calls that tools/testing/selftests/dma/dma_map_benchmark makes to kernel/dma/map_benchmark.c.
 */
#include "chardev.h"
#include <linux/map_benchmark.h>

int kmod_user_script(void);
int kmod_user_script(void)
{
	struct map_benchmark b = {.threads = 2,
				  .seconds = 1,
				  .node = -1,
				  .dma_bits = 32,
				  .dma_dir = DMA_MAP_BIDIRECTIONAL,
				  .granule = 2};
	struct kmod_open_file f;
	int err = kmod_file_open("dma_map_benchmark", &f);

	if (err)
		return err;
	err = (int)kmod_file_ioctl(&f, DMA_MAP_BENCHMARK, (unsigned long)&b);
	kmod_event("\"map_ns\":%llu,\"unmap_ns\":%llu", b.avg_map_100ns * 100,
		   b.avg_unmap_100ns * 100);
	kmod_file_close(&f);
	return err;
}
