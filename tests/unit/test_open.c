/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening and closing of devices: names, groups, failures, and resources that are left. */
#include "core_rig.h"

static int reports[DMAMAP_CHECK_KINDS];
static u64 sizes;

static void on_report(const struct dmamap_report *r, void *arg)
{
	reports[r->kind]++;
	sizes += r->size;
}

static int setup(void **state)
{
	memset(reports, 0, sizeof(reports));
	sizes = 0;
	return 0;
}

static int teardown(void **state)
{
	/* the last device is closed: RAM was freed */
	assert_int_equal(mem.span, 0);
	assert_int_equal(mem_pages_used(), 0);
	return 0;
}

static void not_opened(const char *spec, int err, const char *word)
{
	errno = 0;
	assert_null(dmamap_open(spec));
	if (errno != err)
		fail_msg("%s: errno %d: %s", spec, errno, dmamap_strerror());
	if (!strstr(dmamap_strerror(), word))
		fail_msg("%s: no \"%s\" in \"%s\"", spec, word, dmamap_strerror());
}

static void test_names(void **state)
{
	struct device *a = dmamap_open("sim"), *b = dmamap_open("sim"),
		      *c = dmamap_open("sim,name=disk");
	struct device *d = dmamap_open("sim:edu");

	assert_string_equal(dev_name(a), "sim0");
	assert_string_equal(dev_name(b), "sim1");
	assert_string_equal(dev_name(c), "disk");
	assert_string_equal(dev_name(d), "edu0");
	not_opened("sim,name=disk", EBUSY, "disk");
	not_opened("sim,name=sim1", EBUSY, "sim1");
	dmamap_close(a);
	a = dmamap_open("sim"); /* the lowest number that is free */
	assert_string_equal(dev_name(a), "sim0");
	dmamap_close(c);
	c = dmamap_open("sim,name=disk");
	assert_non_null(c);
	dmamap_close(a);
	dmamap_close(b);
	dmamap_close(c);
	dmamap_close(d);
	dmamap_close(NULL);
	assert_non_null(dev_name(NULL));
}

static void test_one_ram(void **state)
{
	struct device *a = dmamap_open("sim,ram=128M,swiotlb=1M"), *b;
	struct page *page;

	not_opened("sim,ram=256M", EBUSY, "ram");
	not_opened("sim,swiotlb=2M", EBUSY, "swiotlb");
	b = dmamap_open("sim,ram=128M");
	assert_non_null(b);
	dmamap_close(a);
	not_opened("sim,ram=256M", EBUSY, "ram");
	/* memory keeps it, too */
	page = alloc_page(GFP_KERNEL);
	dmamap_close(b);
	not_opened("sim,ram=256M", EBUSY, "ram");
	__free_page(page);
	b = dmamap_open("sim,ram=256M");
	assert_non_null(b);
	dmamap_close(b);
	not_opened("sim,ram=1K", EINVAL, "ram");
	not_opened("sim,ram=64M,swiotlb=1G", EINVAL, "swiotlb");
	not_opened("sim,ram=1000000T", EINVAL, "ram");
}

static void test_what_cannot_be_opened(void **state)
{
	not_opened("sim:nvme", EINVAL, "image");
	not_opened("sim:nvme,image=/nonexistent/file", ENOENT, "/nonexistent/file");
	not_opened("sim:nvme,image=/", EINVAL, "/");
	not_opened("", EINVAL, "spec");
	assert_null(dmamap_open(NULL));
	assert_int_equal(errno, EINVAL);
}

static void test_leaked_mappings_are_reported(void **state)
{
	struct device *dev = rig_open("sim,check=1,ram=64M", ~0ull);
	u8 *p = aligned_alloc(4096, 8 * 4096);

	for (int i = 0; i < 3; i++)
		assert_int_equal(dma_mapping_error(dev, dma_map_single(dev, p + i * 8192, 5000,
								       DMA_TO_DEVICE)),
				 0);
	dmamap_close(dev);
	assert_true(reports[DMAMAP_CHECK_LEAK] >= 1);
	assert_int_equal(sizes, 3 * 5000);
	free(p);
}

static void test_leaks_without_an_iommu(void **state)
{
	struct device *dev = rig_open("sim,iommu=0,check=1,ram=64M,swiotlb=512K", ~0ull);
	u8 *p = aligned_alloc(64, 65536);
	int n = 0;

	memset(p, 0, 65536);
	/* closing frees the slots */
	for (int round = 0; round < 20; round++) {
		struct device *other = rig_open("sim,iommu=0,check=1", ~0ull);

		for (int i = 0; i < 4; i++)
			n += !dma_mapping_error(other,
						dma_map_single(other, p, 60000, DMA_TO_DEVICE));
		dmamap_close(other);
	}
	assert_int_equal(n, 80);
	assert_true(reports[DMAMAP_CHECK_LEAK] >= 20);
	free(p);
	dmamap_close(dev);
}

static void test_leaked_coherent_memory_is_reported(void **state)
{
	struct device *dev = rig_open("sim,check=1,ram=64M", ~0ull);
	dma_addr_t dma;

	assert_non_null(dma_alloc_coherent(dev, 1000, &dma, GFP_KERNEL));
	assert_non_null(dma_alloc_coherent(dev, 5000, &dma, GFP_KERNEL));
	assert_non_null(dmam_alloc_coherent(dev, 7000, &dma, GFP_KERNEL));
	dmamap_close(dev);
	assert_int_equal(reports[DMAMAP_CHECK_LEAK], 2);
	assert_int_equal(sizes, 6000);
}

static void test_nothing_leaked_says_nothing(void **state)
{
	struct device *dev = rig_open("sim,check=1,ram=64M", ~0ull);
	void *p = kmalloc(100, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(dev, p, 100, DMA_TO_DEVICE);

	assert_int_equal(dma_mapping_error(dev, addr), 0);
	dma_unmap_single(dev, addr, 100, DMA_TO_DEVICE);
	kfree(p);
	dmamap_close(dev);
	for (int i = 0; i < DMAMAP_CHECK_KINDS; i++)
		assert_int_equal(reports[i], 0);
}

static void test_segments_still_held(void **state)
{
	struct device *dev = rig_open("sim,ram=64M", ~0ull);
	void *p = kmalloc(100, GFP_KERNEL);
	dma_addr_t addr = dma_map_single(dev, p, 100, DMA_TO_DEVICE);
	struct iovec iov;

	assert_int_equal(dmamap_bus_map(dev, addr, 100, false, &iov, 1), 1);
	dmamap_close(dev); /* the device is closed: no thread waits for it */
	kfree(p);
}

static bool reaches(struct device *d, dma_addr_t addr)
{
	struct dmamap_fault f;
	u8 byte;
	int err = dmamap_bus_read(d, addr, &byte, 1);

	while (dmamap_bus_fault_next(d, &f) == 1)
		;
	return !err;
}

/* Each leaves bounced mappings; at[]: an address of each. Returns their number. */
static int leave_part_of_a_page(struct device *d, u8 *p, dma_addr_t *at)
{
	at[0] = dma_map_single(d, p + 300, 100, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(d, at[0]), 0);
	return 1;
}

static int leave_pages(struct device *d, u8 *p, dma_addr_t *at)
{
	at[0] = dma_map_single(d, p + 300, 10000, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(d, at[0]), 0);
	at[1] = at[0] + 9999;
	return 2;
}

static int leave_list(struct device *d, u8 *p, dma_addr_t *at)
{
	static struct scatterlist sgl[3];

	sg_init_table(sgl, 3);
	for (int i = 0; i < 3; i++)
		sg_set_buf(&sgl[i], p + i * 6000, 500);
	assert_int_equal(dma_map_sg(d, sgl, 3, DMA_TO_DEVICE), 3);
	for (int i = 0; i < 3; i++)
		at[i] = sg_dma_address(&sgl[i]);
	return 3;
}

/* A whole granule, which stays linked, and a bounced tail. */
static int leave_link(struct device *d, u8 *p, dma_addr_t *at)
{
	static struct dma_iova_state st;

	assert_true(dma_iova_try_alloc(d, &st, 0, 8192));
	assert_int_equal(
		dma_iova_link(d, &st, virt_to_phys(p), 0, 4096 + 100, DMA_BIDIRECTIONAL, 0), 0);
	assert_int_equal(dma_iova_sync(d, &st, 0, 4096 + 100), 0);
	at[0] = st.addr + 4096;
	return 1;
}

/* The slots of a closed device are unmapped from its group before other mappings use them. */
static void leave_in_a_group(const char *keys, bool foreign,
			     int (*leave)(struct device *, u8 *, dma_addr_t *))
{
	struct device *a, *b;
	char spec[100];
	dma_addr_t at[3];
	void *memory;
	u64 pages;
	int n;

	snprintf(spec, sizeof(spec), "sim,group=g,name=a%s", keys);
	a = rig_open(spec, ~0ull);
	spec[strlen("sim,group=g,name=")] = 'b';
	b = rig_open(spec, ~0ull);
	memory = foreign ? calloc(8, 4096) : page_address(alloc_pages(GFP_KERNEL, 3));
	pages = rig_stats(b).table_pages;
	for (int round = 0; round < 3; round++) {
		n = leave(a, memory, at);
		for (int i = 0; i < n; i++)
			assert_true(reaches(b, at[i]));
		dmamap_close(a);
		for (int i = 0; i < n; i++)
			assert_false(reaches(b, at[i]));
		spec[strlen("sim,group=g,name=")] = 'a';
		a = rig_open(spec, ~0ull);
	}
	assert_true(rig_stats(b).table_pages <= pages + 8);
	if (foreign)
		free(memory);
	else
		free_pages((unsigned long)memory, 3);
	dmamap_close(a);
	dmamap_close(b);
}

static void test_a_group_reaches_no_left_slots(void **state)
{
	int (*const leave[])(struct device *, u8 *, dma_addr_t *) = {
		leave_part_of_a_page, leave_pages, leave_list, leave_link};

	for (size_t i = 0; i < ARRAY_SIZE(leave); i++)
		leave_in_a_group(",untrusted=1", false, leave[i]);
	/* memory outside RAM bounces on a machine that is not coherent */
	for (size_t i = 0; i < 3; i++) {
		leave_in_a_group(",coherent=0", true, leave[i]);
		leave_in_a_group(",coherent=0,policy=lazy", true, leave[i]);
	}
}

/* Mappings of other devices of the group are unchanged. */
static void test_a_group_keeps_what_others_mapped(void **state)
{
	struct device *a = rig_open("sim,group=g,name=a,untrusted=1", ~0ull);
	struct device *b = rig_open("sim,group=g,name=b,untrusted=1", ~0ull);
	u8 *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t left = dma_map_single(a, p, 100, DMA_TO_DEVICE);
	dma_addr_t kept = dma_map_single(b, p, 100, DMA_TO_DEVICE), again;

	assert_int_equal(dma_mapping_error(a, left) | dma_mapping_error(b, kept), 0);
	dmamap_close(a);
	assert_true(reaches(b, kept));
	assert_false(reaches(b, left));
	/* the address space and the slot are available again */
	again = dma_map_single(b, p, 100, DMA_TO_DEVICE);
	assert_true(reaches(b, again) && reaches(b, kept));
	dma_unmap_single(b, again, 100, DMA_TO_DEVICE);
	dma_unmap_single(b, kept, 100, DMA_TO_DEVICE);
	kfree(p);
	rig_close(b);
}

static void test_a_group_is_trusted_or_not(void **state)
{
	struct device *a = dmamap_open("sim,group=g");

	assert_non_null(a);
	not_opened("sim,group=g,untrusted=1", EINVAL, "untrusted=1");
	not_opened("sim,group=g,untrusted=1", EINVAL, "group g ");
	dmamap_close(a);
	a = dmamap_open("sim,group=g,untrusted=1");
	assert_non_null(a);
	not_opened("sim,group=g", EINVAL, "trusted");
	/* the policy in the spec has no effect: untrusted devices are strict */
	dmamap_close(dmamap_open("sim,group=g,untrusted=1,policy=lazy"));
	dmamap_close(a);
}

static void test_the_environment_turns_checking_on(void **state)
{
	struct device *dev;

	setenv("DMAMAP_CHECK", "1", 1);
	dev = dmamap_open("sim,ram=64M");
	unsetenv("DMAMAP_CHECK");
	assert_non_null(dev);
	dma_unmap_single(dev, DMA_MAPPING_ERROR, 1, DMA_TO_DEVICE);
	assert_int_equal(reports[DMAMAP_CHECK_UNMAP_NOT_MAPPED], 1);
	dmamap_close(dev);
}

#define alone(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		alone(test_names),
		alone(test_one_ram),
		alone(test_what_cannot_be_opened),
		alone(test_leaked_mappings_are_reported),
		alone(test_leaks_without_an_iommu),
		alone(test_leaked_coherent_memory_is_reported),
		alone(test_nothing_leaked_says_nothing),
		alone(test_a_group_reaches_no_left_slots),
		alone(test_a_group_keeps_what_others_mapped),
		alone(test_a_group_is_trusted_or_not),
		alone(test_segments_still_held),
		alone(test_the_environment_turns_checking_on),
	};

	dmamap_check_on_report(on_report, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
