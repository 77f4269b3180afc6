/* SPDX-License-Identifier: BSD-2-Clause */
/* A device of a vfio-user server: opening it, mapping, and closing it, with a failure at every
 * place. */
#include "failnth.h"

#include "../unit/vfu_rig.h"

static int map_one(struct device *dev, void *p, size_t size)
{
	dma_addr_t addr = dma_map_single(dev, p, size, DMA_BIDIRECTIONAL);

	if (dma_mapping_error(dev, addr))
		return -ENOMEM;
	dma_unmap_single(dev, addr, size, DMA_BIDIRECTIONAL);
	return 0;
}

static int map_both(struct device *dev, void *arg)
{
	void *ram = kmalloc(8192, GFP_KERNEL), *heap = malloc(8192), *coherent;
	dma_addr_t addr;
	int err = ram ? 0 : -ENOMEM;

	assert_non_null(heap);
	if (!err)
		err = map_one(dev, ram, 8192);
	if (!err)
		err = map_one(dev, heap, 5000);
	coherent = err ? NULL : dma_alloc_coherent(dev, 4096, &addr, GFP_KERNEL);
	if (coherent)
		dma_free_coherent(dev, 4096, coherent, addr);
	else if (!err)
		err = -ENOMEM;
	free(heap);
	kfree(ram);
	return err;
}

static int open_map_close(void *arg)
{
	struct device *dev = dmamap_open(arg);
	int err = -errno;

	if (!dev)
		return err ? err : 1;
	err = map_both(dev, NULL);
	dmamap_close(dev);
	return err;
}

static void test_open_map_close(void **state)
{
	static const char *const keys[] = {"", ",policy=lazy", ",policy=identity", ",untrusted=1",
					   ",dma=message"};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		int fds;

		assert_int_equal(open_map_close((void *)(uintptr_t)rig_spec(keys[i])), 0);
		rig_wait_closed();
		fds = rig_fds();
		failnth_alone(keys[i], open_map_close, (void *)(uintptr_t)rig_spec(keys[i]));
		rig_wait_closed();
		assert_int_equal(rig_fds(), fds);
	}
}

static int start(void **state)
{
	rig_start();
	return failnth_setup(state);
}

static int end(void **state)
{
	failnth_teardown(state);
	rig_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open_map_close, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
