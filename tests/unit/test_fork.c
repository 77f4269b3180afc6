/* SPDX-License-Identifier: BSD-2-Clause */
/* A child of fork() begins without the parent's devices, memory and descriptors. */
#include "fork_rig.h"

#include "iova/iova.h"
#include "mem/page.h"

#include <net/xdp_sock.h>
#include <net/xdp_sock_drv.h>

#include <sys/mman.h>

/* ---- the parent's things ---- */

static struct {
	struct device *dev;
	void *object, *area, *coherent, *mapped;
	struct page *page;
	dma_addr_t coherent_dma, map_dma;
	struct dma_pool *pool;
	void *block;
	dma_addr_t block_dma;
	struct kmem_cache *cache;
	void *cached;
	struct xdp_sock *xs;
} parent;

static void parent_begin(const char *spec)
{
	parent.dev = rig_open(spec, ~0ull);
	parent.object = kmalloc(3000, GFP_KERNEL);
	parent.area = vmalloc(10000);
	parent.page = alloc_pages(GFP_KERNEL, 2);
	parent.coherent = dma_alloc_coherent(parent.dev, 5000, &parent.coherent_dma, GFP_KERNEL);
	memset(parent.object, 0x11, 3000);
	memset(parent.area, 0x12, 10000);
	memset(parent.coherent, 0x13, 5000);
	parent.map_dma = dma_map_single(parent.dev, parent.object, 3000, DMA_BIDIRECTIONAL);
	parent.pool = dma_pool_create("parent", parent.dev, 64, 0, 0);
	parent.block = dma_pool_alloc(parent.pool, GFP_KERNEL, &parent.block_dma);
	parent.cache = kmem_cache_create("parent", 200, 0, 0, NULL);
	parent.cached = kmem_cache_alloc(parent.cache, GFP_KERNEL);
	parent.xs = xdp_sock_create();
	assert_int_equal(xdp_sock_set_ring(parent.xs, XDP_RX_RING, 8), 0);
	assert_int_equal(dma_mapping_error(parent.dev, parent.map_dma), 0);
	assert_true(parent.object && parent.area && parent.page && parent.coherent &&
		    parent.block && parent.cached && parent.xs);
}

static void parent_end(void)
{
	u8 seen[3000];

	/* whatever a child did, it is as it was */
	assert_true(rig_all(parent.object, 3000, 0x11) && rig_all(parent.area, 10000, 0x12) &&
		    rig_all(parent.coherent, 5000, 0x13));
	assert_int_equal(dmamap_bus_read(parent.dev, parent.map_dma, seen, 3000), 0);
	assert_true(rig_all(seen, 3000, 0x11));
	xdp_sock_destroy(parent.xs);
	kmem_cache_free(parent.cache, parent.cached);
	kmem_cache_destroy(parent.cache);
	dma_pool_free(parent.pool, parent.block, parent.block_dma);
	dma_pool_destroy(parent.pool);
	dma_unmap_single(parent.dev, parent.map_dma, 3000, DMA_BIDIRECTIONAL);
	dma_free_coherent(parent.dev, 5000, parent.coherent, parent.coherent_dma);
	__free_pages(parent.page, 2);
	vfree(parent.area);
	kfree(parent.object);
	rig_close(parent.dev);
}

/* ---- children that use the library ---- */

static int uses_a_device(void *arg)
{
	return uses(arg);
}

static int starts_from_nothing(void *arg)
{
	void *p;

	EXPECT(mem.span == 0 && mem_pages_used() == 0);
	EXPECT(!dmamap_find("parent"));
	EXPECT(!phys_is_ram(phys_of(parent.object)));
	/* what the parent has is not to be freed here, nor does it crash */
	kfree(parent.object);
	vfree(parent.area);
	kmem_cache_free(parent.cache, parent.cached);
	dma_pool_destroy(parent.pool);
	xdp_sock_destroy(parent.xs);
	dmamap_close(parent.dev);
	/* the same name, another size of RAM */
	EXPECT(!uses("sim,name=parent,ram=256M"));
	/* an object cache can be used on, with objects of the child's */
	p = kmem_cache_alloc(parent.cache, GFP_KERNEL);
	EXPECT(p && p != parent.cached);
	kmem_cache_free(parent.cache, p);
	EXPECT(mem_pages_used() == 0);
	dmamap_close(parent.dev);
	return 0;
}

static void test_a_child_starts_from_nothing(void **state)
{
	parent_begin("sim,name=parent");
	in_child(starts_from_nothing, NULL);
	in_child(starts_from_nothing, NULL);
	parent_end();
}

static void test_every_kind_of_device(void **state)
{
	static const char *const specs[] = {
		"sim",
		"sim,policy=lazy",
		"sim,policy=identity",
		"sim,policy=persistent",
		"sim,untrusted=1",
		"sim,iommu=0",
		"sim,coherent=0",
		"sim,group=g",
		"sim,check=1",
	};

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		if (specs[i][0] == 's' && strstr(specs[i], "persistent")) {
#ifdef BUILT_WITH_TSAN
			continue; /* its threads cannot start in such a child */
#endif
		}
		parent_begin(specs[i]);
		in_child(uses_a_device, (void *)(uintptr_t)specs[i]);
		parent_end();
	}
}

static int forks_again(void *arg)
{
	struct device *dev = dmamap_open("sim,name=middle");
	u8 *p = kmalloc(100, GFP_KERNEL);
	int status;

	EXPECT(dev && p);
	memset(p, 0x31, 100);
	status = child_status(uses_a_device, (void *)(uintptr_t) "sim,name=middle", false);
	EXPECT(!status);
	EXPECT(rig_all(p, 100, 0x31));
	kfree(p);
	dmamap_close(dev);
	dmamap_close(parent.dev);
	return 0;
}

static void test_a_child_of_a_child(void **state)
{
	parent_begin("sim,name=parent");
	in_child(forks_again, NULL);
	parent_end();
}

/* ---- the parent's memory ---- */

static int reads_beside_its_own(void *arg)
{
	struct device *dev = dmamap_open("sim");
	void *p = kmalloc(8192, GFP_KERNEL);

	EXPECT(dev && p);
	EXPECT(!reads(p));
	return reads(arg);
}

static void test_the_parents_memory_is_absent(void **state)
{
	static const char *const specs[] = {"sim", "sim,coherent=0,check=1"};

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		struct vm_area_struct vma = {0};
		void *user;

		parent_begin(specs[i]);
		user = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		vma.vm_start = (unsigned long)user;
		vma.vm_end = vma.vm_start + 8192;
		assert_int_equal(dma_mmap_coherent(parent.dev, &vma, parent.coherent,
						   parent.coherent_dma, 5000),
				 0);
		assert_int_equal(*(u8 *)user, 0x13);
		for (int own = 0; own < 2; own++) {
			int (*fn)(void *) = own ? reads_beside_its_own : reads;

			dies_in_child(fn, parent.object);
			dies_in_child(fn, parent.area);
			dies_in_child(fn, parent.coherent);
			dies_in_child(fn, parent.page);
			dies_in_child(fn, page_address(parent.page));
			dies_in_child(fn, user);
			if (mem.device_view)
				dies_in_child(fn, mem.device_view + phys_of(parent.object).v);
		}
		munmap(user, 8192);
		parent_end();
	}
}

static int counts_absent(void *arg)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "r");
	bool found = false;

	EXPECT(f);
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, "dmamap-ram") != NULL || strstr(line, "memfd:xsk") != NULL;
	fclose(f);
	EXPECT(!found);
	return 0;
}

/* Not a page of RAM's file is mapped, wherever it was: vmalloc's areas, shared and guarded pages.
 */
static void test_no_mapping_of_ram_is_inherited(void **state)
{
	struct device *other;
	void *p;

	parent_begin("sim,coherent=0,check=1");
	other = rig_open("sim,check=1", ~0ull);
	p = kmalloc(4096, GFP_KERNEL);
	assert_int_equal(dmamap_check_own(other, true), 0);
	in_child(counts_absent, NULL);
	kfree(p);
	rig_close(other);
	parent_end();
}

/* ---- descriptors ---- */

static char image[] = "/tmp/dmamap-test-XXXXXX";

/* Writes a byte when it runs, and ends when the other end is closed. */
static int waits_for_the_end(const int fd[2])
{
	char byte = 0;

	EXPECT(write(fd[1], &byte, 1) == 1);
	EXPECT(read(fd[0], &byte, 1) == 0);
	return 0;
}

/* A descriptor that stayed open in a child would keep the image locked. */
static void test_descriptors_are_closed(void **state)
{
	unsigned int before = count_fds();
	char spec[128];
	int ends[2], runs[2], fd = mkstemp(image), status;
	char byte;
	struct device *dev;
	pid_t p;

	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	snprintf(spec, sizeof(spec), "sim:nvme,image=%s", image);
	dev = rig_open(spec, ~0ull);
	assert_true(count_fds() > before);
	in_child(has_as_many, &before);
	assert_int_equal(pipe(ends) | pipe(runs), 0);
	p = fork();
	if (!p) {
		close(ends[1]);
		_exit(waits_for_the_end((int[]){ends[0], runs[1]}));
	}
	assert_int_equal(read(runs[0], &byte, 1), 1);
	dmamap_close(dev);
	dev = rig_open(spec, ~0ull); /* while the child lives */
	dmamap_close(dev);
	close(ends[1]);
	assert_int_equal(waitpid(p, &status, 0), p);
	assert_int_equal(status, 0);
	close(ends[0]);
	close(runs[0]);
	close(runs[1]);
	unlink(image);
	assert_int_equal(count_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_child_starts_from_nothing),
		cmocka_unit_test(test_every_kind_of_device),
		cmocka_unit_test(test_a_child_of_a_child),
		cmocka_unit_test(test_the_parents_memory_is_absent),
		cmocka_unit_test(test_no_mapping_of_ram_is_inherited),
		cmocka_unit_test(test_descriptors_are_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
