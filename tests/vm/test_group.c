/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_group KIND EDU DISK: two functions of one IOMMU group, an edu and an NVMe controller, in one
 * process. They share an address space, as devices of one `group=` do on sim.
 */
#include "rig.h"
#include "drivers/nvme.h"

#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SIZE   256u
#define BLOCKS 8

static const char *kind, *address[2];

enum { EDU, DISK };

static struct device *try_open(const char *of, int which, const char *keys)
{
	char spec[128];

	snprintf(spec, sizeof(spec), "%s:%s,ram=16M%s", of, address[which], keys);
	return dmamap_open(spec);
}

static struct device *open_one(int which, const char *keys)
{
	struct device *dev = try_open(kind, which, keys);

	if (!dev)
		fail_msg("%s", dmamap_strerror());
	return dev;
}

static void said(const char *text)
{
	if (!strstr(dmamap_strerror(), text))
		fail_msg("no '%s' in: %s", text, dmamap_strerror());
}

static void disk_works(struct device *dev, u8 value)
{
	struct nvme_request req = {.op = NVME_WRITE, .blocks = BLOCKS};
	struct nvme *nvme = nvme_probe(dev, NULL);

	if (!nvme)
		fail_msg("%s", driver_strerror());
	req.buf = kmalloc(BLOCKS * 512, GFP_KERNEL);
	assert_non_null(req.buf);
	memset(req.buf, value, BLOCKS * 512);
	assert_int_equal(nvme_run(nvme, 1, &req), 0);
	memset(req.buf, 0, BLOCKS * 512);
	req.op = NVME_READ;
	assert_int_equal(nvme_run(nvme, 1, &req), 0);
	assert_true(all_are(req.buf, BLOCKS * 512, value));
	kfree(req.buf);
	nvme_remove(nvme);
}

static void edu_holds(struct edu *edu, u8 value)
{
	u8 *back = kmalloc(SIZE, GFP_KERNEL);

	assert_non_null(back);
	memset(back, ~value, SIZE);
	assert_int_equal(edu_read(edu, back, 0, SIZE), 0);
	assert_true(all_are(back, SIZE, value));
	kfree(back);
}

static void edu_works(struct device *dev, u8 value)
{
	struct edu *edu = edu_probe(dev);
	u8 *p = kmalloc(SIZE, GFP_KERNEL);

	if (!edu)
		fail_msg("%s", driver_strerror());
	assert_non_null(p);
	memset(p, value, SIZE);
	assert_int_equal(edu_write(edu, p, 0, SIZE), 0);
	edu_holds(edu, value);
	kfree(p);
	edu_remove(edu);
}

/*
 * What is mapped for one device is accessible to the other at the same address, until it is
 * unmapped.
 */
static void one_space(struct device *dev[2])
{
	struct edu *edu = edu_probe(dev[EDU]);
	u8 *p = kmalloc(PAGE_SIZE, GFP_KERNEL);
	dma_addr_t addr, own;

	assert_non_null(edu);
	assert_non_null(p);
	memset(p, 0x61, PAGE_SIZE);
	assert_int_equal(dma_set_mask_and_coherent(dev[DISK], DMA_BIT_MASK(EDU_ADDRESS_BITS)), 0);
	addr = dma_map_single(dev[DISK], p, SIZE, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(dev[DISK], addr));
	own = dma_map_single(dev[EDU], p, SIZE, DMA_TO_DEVICE);
	assert_false(dma_mapping_error(dev[EDU], own));
	assert_int_not_equal(addr, own);
	assert_int_equal(edu_dma_to_device(edu, addr, 0, SIZE), 0);
	edu_holds(edu, 0x61);
	dma_unmap_single(dev[DISK], addr, SIZE, DMA_TO_DEVICE);
	assert_int_equal(edu_dma_to_device(edu, addr, 0, SIZE), 0);
	edu_holds(edu, 0); /* the IOMMU refused the access */
	dma_unmap_single(dev[EDU], own, SIZE, DMA_TO_DEVICE);
	kfree(p);
	edu_remove(edu);
}

static void test_both_work_in_one_address_space(void **state)
{
	struct device *dev[2] = {open_one(EDU, ""), open_one(DISK, "")};

	edu_works(dev[EDU], 0x12);
	disk_works(dev[DISK], 0x13);
	one_space(dev);
	dmamap_close(dev[DISK]);
	dmamap_close(dev[EDU]);
}

/* Under policy=identity RAM is already mapped when the second device is opened. */
static void test_pool_is_mapped_once(void **state)
{
	struct device *dev[2] = {open_one(EDU, ",policy=identity"), NULL};
	struct dmamap_stats before = {.size = sizeof(before)}, after = {.size = sizeof(after)};

	dmamap_stats(dev[EDU], &before);
	dev[DISK] = open_one(DISK, ",policy=identity");
	edu_works(dev[EDU], 0x22);
	disk_works(dev[DISK], 0x23);
	dmamap_stats(dev[DISK], &after);
	assert_true(before.kernel_maps > 0);
	assert_int_equal(after.kernel_maps, before.kernel_maps);
	dmamap_close(dev[EDU]);
	disk_works(dev[DISK], 0x24);
	dmamap_close(dev[DISK]);
}

/* One device is closed and opened again while the other continues to work. */
static void test_each_has_a_life_of_its_own(void **state)
{
	struct device *dev[2] = {open_one(EDU, ",policy=lazy"), open_one(DISK, ",policy=lazy")};

	dmamap_close(dev[EDU]);
	disk_works(dev[DISK], 0x31);
	dev[EDU] = open_one(EDU, ",policy=lazy");
	edu_works(dev[EDU], 0x32);
	dmamap_close(dev[DISK]);
	edu_works(dev[EDU], 0x33);
	dev[DISK] = open_one(DISK, ",policy=lazy");
	disk_works(dev[DISK], 0x34);
	dmamap_close(dev[EDU]);
	dmamap_close(dev[DISK]);
}

static void test_refusals(void **state)
{
	const char *other = strcmp(kind, "vfio") ? "vfio" : "iommufd";
	struct device *dev = open_one(EDU, "");

	assert_null(try_open(kind, DISK, ",policy=identity"));
	assert_int_equal(errno, EINVAL);
	said("open them alike");
	assert_null(try_open(kind, EDU, ""));
	assert_int_equal(errno, EBUSY);
	said("already open in this process");
	assert_null(try_open(other, DISK, ""));
	assert_int_equal(errno, EBUSY);
	said("in use by another process");
	/* which unmapped nothing */
	edu_works(dev, 0x41);
	dmamap_close(dev);
	dev = open_one(DISK, ",policy=identity");
	disk_works(dev, 0x42);
	dmamap_close(dev);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_work_in_one_address_space),
		cmocka_unit_test(test_pool_is_mapped_once),
		cmocka_unit_test(test_each_has_a_life_of_its_own),
		cmocka_unit_test(test_refusals),
	};

	if (argc != 4)
		return 2;
	kind = argv[1];
	address[EDU] = argv[2];
	address[DISK] = argv[3];
	return cmocka_run_group_tests_name("group", tests, NULL, NULL);
}
