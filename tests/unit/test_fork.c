/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A child of fork() starts from nothing: no device, no memory of the parent's, no lock that a
 * thread of the parent holds. In a child no assertion of cmocka's is used: a function that runs
 * there returns 0, or the line that is not as it should be.
 */
#include "core_rig.h"

#include "base/fence.h"
#include "base/fork.h"
#include "iova/iova.h"
#include "mem/page.h"

#include <dmamap/check.h>
#include <linux/dmapool.h>
#include <linux/vmalloc.h>
#include <net/xdp_sock.h>
#include <net/xdp_sock_drv.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXPECT(x)                                                                                  \
	do {                                                                                       \
		if (!(x))                                                                          \
			return __LINE__;                                                           \
	} while (0)

#define CHILD_SECONDS 60

/* How a child ended that ran fn: waitpid()'s status. */
static int child_status(int (*fn)(void *), void *arg, bool by_exit)
{
	pid_t p;
	int status = -1, line;

	fflush(stdout);
	p = fork();
	if (!p) {
		const struct sigaction none = {.sa_handler = SIG_DFL};

		/* cmocka's handlers would go on with the parent's tests */
		sigaction(SIGSEGV, &none, NULL);
		sigaction(SIGALRM, &none, NULL);
		alarm(CHILD_SECONDS);
		line = fn(arg);
		if (line)
			fprintf(stderr, "# in a child, %s:%d: %s\n", __FILE__, line,
				dmamap_strerror());
		if (by_exit)
			exit(line != 0);
		_exit(line != 0);
	}
	assert_true(p > 0);
	assert_int_equal(waitpid(p, &status, 0), p);
	return status;
}

static void in_child(int (*fn)(void *), void *arg)
{
	assert_int_equal(child_status(fn, arg, false), 0);
}

/* A sanitizer may turn the signal into an exit with a status of its own. */
static void dies_in_child(int (*fn)(void *), void *arg)
{
	int status = child_status(fn, arg, false);

	assert_false(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
}

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

/* ---- what a child can do ---- */

static int uses(const char *spec)
{
	struct device *dev = dmamap_open(spec);
	u8 byte = 0x77, *p, *foreign, seen[4096];
	dma_addr_t addr, pool_addr;
	struct dma_pool *pool;
	void *block;

	EXPECT(dev);
	EXPECT(!dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)));
	p = kmalloc(8192, GFP_KERNEL);
	EXPECT(p);
	memset(p, 0xcc, 8192);
	foreign = malloc(4096);
	EXPECT(foreign);
	memset(foreign, 0xdd, 4096);
	for (int i = 0; i < 300; i++) {
		addr = dma_map_single(dev, p, 8192, DMA_BIDIRECTIONAL);
		EXPECT(!dma_mapping_error(dev, addr));
		EXPECT(!dmamap_bus_read(dev, addr + 4096, seen, 4096) && rig_all(seen, 4096, 0xcc));
		EXPECT(!dmamap_bus_write(dev, addr + 100, &byte, 1));
		dma_unmap_single(dev, addr, 8192, DMA_BIDIRECTIONAL);
		EXPECT(p[100] == 0x77);
		p[100] = 0xcc;
		addr = dma_map_single(dev, foreign, 4096, DMA_TO_DEVICE);
		EXPECT(!dma_mapping_error(dev, addr));
		EXPECT(!dmamap_bus_read(dev, addr, seen, 4096) && rig_all(seen, 4096, 0xdd));
		dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	}
	pool = dma_pool_create("child", dev, 64, 0, 0);
	EXPECT(pool);
	block = dma_pool_alloc(pool, GFP_KERNEL, &pool_addr);
	EXPECT(block);
	dma_pool_free(pool, block, pool_addr);
	dma_pool_destroy(pool);
	block = vmalloc(20000);
	EXPECT(block);
	vfree(block);
	kfree(p);
	free(foreign);
	EXPECT(rig_stats(dev).maps == 600 && rig_stats(dev).unmaps == 600);
	dmamap_close(dev);
	return 0;
}

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

static int reads(void *arg)
{
	return *(volatile u8 *)arg & 0;
}

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

static unsigned int count_fds(void)
{
	unsigned int n = 0;

	for (int fd = 3; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int has_as_many(void *arg)
{
	EXPECT(count_fds() == *(unsigned int *)arg);
	/* and what it opens itself stays open */
	EXPECT(!uses("sim"));
	EXPECT(count_fds() == *(unsigned int *)arg);
	return 0;
}

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

/* ---- the checker ---- */

static void misuse(struct device *dev)
{
	dma_unmap_single(dev, 0xdead000, 64, DMA_TO_DEVICE);
}

static void drop(const struct dmamap_report *r, void *arg)
{
	__atomic_fetch_add((u32 *)arg, 1, __ATOMIC_RELAXED);
}

static int is_checked_anew(void *arg)
{
	u32 *reports = arg, before = *reports;
	struct device *dev;

	EXPECT(dmamap_check_count(0) == 0);
	dev = dmamap_open("sim,check=1");
	EXPECT(dev);
	misuse(dev);
	EXPECT(dmamap_check_count(DMAMAP_CHECK_UNMAP_NOT_MAPPED) == 1);
	EXPECT(*reports == before + 1);
	dmamap_close(dev); /* nothing of the parent's is a leak here */
	EXPECT(dmamap_check_count(0) == 1);
	return 0;
}

static u32 reports;

static void test_the_checker_starts_anew(void **state)
{
	void *p;
	dma_addr_t addr;
	struct device *dev;

	dmamap_check_on_report(drop, &reports);
	dev = rig_open("sim,check=1", ~0ull);
	p = kmalloc(64, GFP_KERNEL);
	addr = dma_map_single(dev, p, 64, DMA_TO_DEVICE);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	misuse(dev);
	in_child(is_checked_anew, &reports);
	assert_int_equal(child_status(is_checked_anew, &reports, true), 0);
	dma_unmap_single(dev, addr, 64, DMA_TO_DEVICE);
	kfree(p);
	rig_close(dev);
	dmamap_check_on_report(NULL, NULL);
}

/* ---- while threads of the parent are in the library ---- */

static u32 stop; /* atomic */

static void *opens_and_closes(void *arg)
{
	while (!read_once(&stop)) {
		struct device *dev = dmamap_open(arg);

		dmamap_close(dev);
	}
	return NULL;
}

static void *maps_and_allocates(void *arg)
{
	struct device *dev = arg;

	while (!read_once(&stop)) {
		dma_addr_t addr, dma;
		void *p = kmalloc(100, GFP_KERNEL), *c, *v;

		addr = dma_map_single(dev, p, 100, DMA_TO_DEVICE);
		if (!dma_mapping_error(dev, addr))
			dma_unmap_single(dev, addr, 100, DMA_TO_DEVICE);
		c = dma_alloc_coherent(dev, 100, &dma, GFP_KERNEL);
		v = vmalloc(5000);
		misuse(dev);
		vfree(v);
		if (c)
			dma_free_coherent(dev, 100, c, dma);
		kfree(p);
	}
	return NULL;
}

static int does_it_all(void *arg)
{
	EXPECT(!uses("sim"));
	EXPECT(!uses("sim,check=1"));
	EXPECT(!uses("sim,policy=lazy,name=t0"));
	EXPECT(!uses("sim,iommu=0,group=g"));
	return 0;
}

/* Without a lock that hangs, also in exit(), where destructors run. */
static void test_threads_in_the_library(void **state)
{
	struct device *dev;
	pthread_t t[3];

	stop = 0;
	dmamap_check_on_report(drop, &reports);
	dev = rig_open("sim,check=1,policy=lazy", ~0ull);
	assert_int_equal(pthread_create(&t[0], NULL, opens_and_closes,
					(void *)(uintptr_t) "sim,policy=lazy,name=t0,group=g"),
			 0);
	assert_int_equal(pthread_create(&t[1], NULL, maps_and_allocates, dev), 0);
	assert_int_equal(pthread_create(&t[2], NULL, maps_and_allocates, dev), 0);
	for (int i = 0; i < 40; i++) {
#ifdef BUILT_WITH_ASAN
		/* its check for leaks finds what other threads' stacks led to */
		in_child(does_it_all, NULL);
#else
		assert_int_equal(child_status(does_it_all, NULL, i & 1), 0);
#endif
		sched_yield();
	}
	write_once(&stop, 1);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	rig_close(dev);
	dmamap_check_on_report(NULL, NULL);
}

/* ---- lazy ---- */

static int is_flushed(void *arg)
{
	struct device *dev = dmamap_open("sim,policy=lazy");
	void *p = kmalloc(4096, GFP_KERNEL);
	dma_addr_t addr;
	char byte;

	EXPECT(dev && p);
	addr = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);
	EXPECT(!dma_mapping_error(dev, addr));
	EXPECT(!dmamap_bus_read(dev, addr, &byte, 1));
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	/* the child is ended when it takes for ever */
	while (!dmamap_bus_read(dev, addr, &byte, 1))
		sched_yield();
	kfree(p);
	dmamap_close(dev);
	return 0;
}

static void test_lazy_is_flushed(void **state)
{
	struct device *dev = rig_open("sim,policy=lazy", ~0ull);

	in_child(is_flushed, NULL);
	rig_close(dev);
	in_child(is_flushed, NULL);
}

/* ---- base/fork.h and what hangs on it ---- */

static int finds_no_slot(void *arg)
{
	struct tslot_key *key = arg, own;

	EXPECT(!tslot_get(key) && !tslot_peek(key));
	EXPECT(!tslot_key_init(&own, sizeof(struct tslot), NULL, NULL));
	EXPECT(own.id != key->id);
	EXPECT(tslot_get(&own) && !tslot_get(key));
	tslot_key_destroy(key);
	tslot_key_destroy(&own);
	return 0;
}

static void test_an_inherited_key(void **state)
{
	struct tslot_key key;

	assert_int_equal(tslot_key_init(&key, sizeof(struct tslot), NULL, NULL), 0);
	assert_non_null(tslot_get(&key));
	in_child(finds_no_slot, &key);
	assert_non_null(tslot_peek(&key));
	tslot_key_destroy(&key);
}

static int fences(void *arg)
{
	EXPECT(fence_answer == 0);
	EXPECT(fence_everywhere_works() == (bool)(uintptr_t)arg);
	return 0;
}

static void test_fences_are_asked_for_anew(void **state)
{
	in_child(fences, (void *)(uintptr_t)fence_everywhere_works());
}

static int ends_the_same(void *arg)
{
	return 0;
}

static void test_what_is_no_more_the_librarys(void **state)
{
	int fd = memfd_create("test", 0), other;
	u8 *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int n;

	/* a number that the library closed is the program's when it comes again */
	fork_fd_add(fd);
	fork_fd_close(fd);
	other = memfd_create("test", 0);
	assert_int_equal(other, fd);
	n = count_fds();
	in_child(has_as_many, &n);
	close(other);
	fork_fd_add(-1);
	fork_fd_close(FORK_FDS + 1);
	fork_range_add(p, 8192);
	dies_in_child(reads, p);
	fork_range_remove(p);
	munmap(p, 8192);
	p = mmap(p, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	in_child(reads, p);
	munmap(p, 8192);
	in_child(ends_the_same, NULL);
}

/* Another library's handler mapped something in a hole before ours ran: it stays. */
static u8 *hole;
static bool in_hole;

static void map_in_hole(void)
{
	if (!in_hole)
		return;
	if (mmap(hole + 5 * PAGE_BYTES, PAGE_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != MAP_FAILED)
		hole[5 * PAGE_BYTES] = 9;
}

__attribute__((constructor(101))) static void before_the_library(void)
{
	pthread_atfork(NULL, NULL, map_in_hole);
}

static int has_it(void *arg)
{
	EXPECT(hole[5 * PAGE_BYTES] == 9);
	return 0;
}

static void test_what_others_map_in_a_hole(void **state)
{
	hole = mmap(NULL, 16 * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	fork_range_add(hole, 16 * PAGE_BYTES);
	in_hole = true;
	in_child(has_it, NULL);
	dies_in_child(reads, hole + 4 * PAGE_BYTES);
	dies_in_child(reads, hole + 6 * PAGE_BYTES);
	in_hole = false;
	fork_range_remove(hole);
	munmap(hole, 16 * PAGE_BYTES);
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
		cmocka_unit_test(test_the_checker_starts_anew),
		cmocka_unit_test(test_threads_in_the_library),
		cmocka_unit_test(test_lazy_is_flushed),
		cmocka_unit_test(test_an_inherited_key),
		cmocka_unit_test(test_fences_are_asked_for_anew),
		cmocka_unit_test(test_what_is_no_more_the_librarys),
		cmocka_unit_test(test_what_others_map_in_a_hole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
