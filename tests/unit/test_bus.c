/* SPDX-License-Identifier: BSD-2-Clause */
/* Accesses of a device: how bytes are copied (copy.h), and how a page is translated (bus.h). */
#include "core_rig.h"

#include "bus/bus.h"
#include "bus/copy.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_copies_of_every_size_and_alignment(void **state)
{
	static u8 from[512] cacheline, to[512] cacheline;

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (u8)(i * 7 + 1);
	for (size_t n = 0; n <= 200; n++)
		for (size_t a = 0; a < 9; a++) {
			memset(to, 0, sizeof(to));
			assert_true(copy_from_memory(to + 16, from + a, n));
			assert_memory_equal(to + 16, from + a, n);
			assert_true(rig_all(to, 16, 0) && rig_all(to + 16 + n, 16, 0));
			memset(to, 0, sizeof(to));
			assert_true(copy_to_memory(to + 16 + a, from, n));
			assert_memory_equal(to + 16 + a, from, n);
			assert_true(rig_all(to, 16 + a, 0) && rig_all(to + 16 + a + n, 16, 0));
		}
}

static u64 word cacheline;
static u32 stop;

static void *store_words(void *arg)
{
	static const u64 values[] = {0, ~0ull, 0x5555555555555555, 0xaaaaaaaaaaaaaaaa};

	for (u32 i = 0; !read_once(&stop); i++)
		copy_to_memory(&word, &values[i % 4], 8);
	return NULL;
}

/* A word is stored and loaded atomically. */
static void test_words_do_not_tear(void **state)
{
	pthread_t t;
	u64 seen;

	stop = 0;
	word = 0;
	assert_int_equal(pthread_create(&t, NULL, store_words, NULL), 0);
	for (int i = 0; i < 200000; i++) {
		copy_from_memory(&seen, &word, 8);
		if (seen && seen != ~0ull && seen != 0x5555555555555555 &&
		    seen != 0xaaaaaaaaaaaaaaaa)
			break;
		seen = 0;
	}
	write_once(&stop, 1);
	pthread_join(t, NULL);
	assert_int_equal(seen, 0);
}

enum { AREA = 4 * 4096 };
static u8 *area;
static u32 rounds; /* atomic */

static void *come_and_go(void *arg)
{
	while (!read_once(&stop)) {
		const int prot = read_once(&rounds) & 1 ? PROT_READ | PROT_WRITE : PROT_NONE;
		u8 *at = area + read_once(&rounds) % 4 * PAGE_BYTES;

		if (mmap(at, PAGE_BYTES, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) !=
		    at)
			break;
		__atomic_fetch_add(&rounds, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* The process unmaps pages and maps new ones at any moment of an access. */
static void test_memory_that_comes_and_goes(void **state)
{
	static const size_t sizes[] = {1, 4, 8, 24, 100, 512, 2000, 4096, 8192, AREA};
	struct device *dev = rig_open("sim", ~0ull);
	u32 refused = 0, done = 0;
	static u8 buf[AREA];
	dma_addr_t addr;
	pthread_t t;

	area = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(area, MAP_FAILED);
	addr = dma_map_single(dev, area, AREA, DMA_BIDIRECTIONAL);
	assert_int_equal(dma_mapping_error(dev, addr), 0);
	stop = rounds = 0;
	assert_int_equal(pthread_create(&t, NULL, come_and_go, NULL), 0);
	for (u32 i = 0; i < 20000 || read_once(&rounds) < 2000 || !refused || !done; i++) {
		size_t n = sizes[i % ARRAY_SIZE(sizes)];
		dma_addr_t at = addr + i * 8 % (AREA - n + 1);
		int err = i & 16 ? dmamap_bus_write(dev, at, buf, n)
				 : dmamap_bus_read(dev, at, buf, n);

		assert_true(err == 0 || err == -EFAULT);
		refused += err != 0;
		done += err == 0;
	}
	write_once(&stop, 1);
	pthread_join(t, NULL);
	for (struct dmamap_fault f; dmamap_bus_fault_next(dev, &f) > 0;)
		assert_int_equal(f.reason, DMAMAP_FAULT_GONE);
	dma_unmap_single(dev, addr, AREA, DMA_BIDIRECTIONAL);
	munmap(area, AREA);
	rig_close(dev);
}

/* A wrong pointer of the model's own is not memory that left the process: it ends the process. */
static void test_a_models_own_buffer(void **state)
{
	static u64 memory[1024];
	u8 *nothing = mmap(NULL, 16384, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (size_t n = 1; n <= 8192; n *= 2)
		for (int write = 0; write < 2; write++) {
			const struct sigaction none = {.sa_handler = SIG_DFL};
			pid_t child = fork();
			int status;

			if (!child) {
				sigaction(SIGSEGV, &none, NULL);
				trap_get();
				_exit(write ? copy_to_memory(memory, nothing + 1, n)
					    : copy_from_memory(nothing + 1, memory, n));
			}
			assert_int_equal(waitpid(child, &status, 0), child);
			assert_false(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
		}
	munmap(nothing, 16384);
}

static void test_a_page_of_the_host(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);

	assert_int_equal(bus_host_page(dev, 0x5000, PT_READ),
			 (u64)(uintptr_t)(mem.base + 0x5000) | PT_READ);
	assert_int_equal(bus_host_page(dev, MEM_DMA32_END, PT_WRITE),
			 (u64)(uintptr_t)(mem.base + MEM_DMA32_END) | PT_WRITE);
	assert_int_equal(bus_host_page(dev, mem.low, PT_READ), 0);
	assert_int_equal(bus_host_page(dev, 0xfee00000, PT_READ), 0);
	assert_int_equal(bus_host_page(dev, mem.span, PT_READ), 0);
	assert_int_equal(bus_host_page(dev, PHYS_FOREIGN | 0x7000, PT_READ), 0x7000 | PT_READ);
	rig_close(dev);
}

static void test_hits_and_misses(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);
	u8 *p = (u8 *)__get_free_pages(GFP_KERNEL, 1), byte;
	dma_addr_t addr = dma_map_single(dev, p, 8192, DMA_TO_DEVICE);

	assert_int_equal(dmamap_bus_read(dev, addr, &byte, 1), 0);
	assert_int_equal(rig_stats(dev).iotlb_misses, 1);
	assert_int_equal(dmamap_bus_read(dev, addr + 4095, &byte, 1), 0);
	assert_int_equal(rig_stats(dev).iotlb_hits, 1);
	assert_int_equal(dmamap_bus_read(dev, addr + 4096, &byte, 1), 0);
	assert_int_equal(rig_stats(dev).iotlb_misses, 2);
	dma_unmap_single(dev, addr, 8192, DMA_TO_DEVICE);
	/* a missing page is not cached */
	assert_int_equal(dmamap_bus_read(dev, addr, &byte, 1), -EFAULT);
	assert_int_equal(dmamap_bus_read(dev, addr, &byte, 1), -EFAULT);
	assert_int_equal(rig_stats(dev).iotlb_misses, 4);
	free_pages((unsigned long)p, 1);
	rig_close(dev);
}

static void *read_byte(void *arg)
{
	struct device *dev = ((void **)arg)[0];
	dma_addr_t addr = *(dma_addr_t *)((void **)arg)[1];
	u8 byte;

	return (void *)(intptr_t)dmamap_bus_read(dev, addr, &byte, 1);
}

/* Counters of threads that ended are kept. */
static void test_threads_that_ended_are_counted(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);
	void *p = kmalloc(64, GFP_KERNEL), *err;
	dma_addr_t addr = dma_map_single(dev, p, 64, DMA_TO_DEVICE);
	void *arg[] = {dev, &addr};
	pthread_t t;

	for (int i = 0; i < 5; i++) {
		assert_int_equal(pthread_create(&t, NULL, read_byte, arg), 0);
		pthread_join(t, &err);
		assert_null(err);
	}
	assert_int_equal(rig_stats(dev).iotlb_misses + rig_stats(dev).iotlb_hits, 5);
	dma_unmap_single(dev, addr, 64, DMA_TO_DEVICE);
	kfree(p);
	rig_close(dev);
}

static void *read_without_memory(void *arg)
{
	void *err;

	fail_set(FAIL_MEMORY, &(const struct fail_rule){.every = 1});
	err = read_byte(arg);
	fail_set(FAIL_MEMORY, NULL);
	return (void *)(intptr_t)((intptr_t)err == -ENOMEM && !read_byte(arg));
}

static void test_no_memory_for_a_threads_first_access(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);
	void *p = kmalloc(64, GFP_KERNEL), *ok;
	dma_addr_t addr = dma_map_single(dev, p, 64, DMA_TO_DEVICE);
	void *arg[] = {dev, &addr};
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, read_without_memory, arg), 0);
	pthread_join(t, &ok);
	assert_non_null(ok);
	/* the device had no fault */
	assert_int_equal(rig_stats(dev).faults, 0);
	dma_unmap_single(dev, addr, 64, DMA_TO_DEVICE);
	kfree(p);
	rig_close(dev);
}

/* 2 MiB in pieces that are not adjacent: more segments than fit on the stack. */
static void test_many_pieces(void **state)
{
	enum { N = 512 };
	static struct scatterlist sg[N];
	static u8 data[N * 4096], seen[N * 4096];
	struct device *dev = rig_open("sim", ~0ull);
	u8 *p = (u8 *)__get_free_pages(GFP_KERNEL, 9);

	assert_int_equal(dma_set_max_seg_size(dev, N * 4096), 0);
	sg_init_table(sg, N);
	for (unsigned int i = 0; i < N; i++)
		sg_set_buf(&sg[i], p + i * 37 % N * 4096, 4096);
	assert_int_equal(dma_map_sg(dev, sg, N, DMA_BIDIRECTIONAL), 1);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (u8)(i >> 12 ^ i);
	assert_int_equal(dmamap_bus_write(dev, sg_dma_address(sg), data, sizeof(data)), 0);
	for (unsigned int i = 0; i < N; i++)
		assert_memory_equal(p + i * 37 % N * 4096, data + i * 4096, 4096);
	assert_int_equal(dmamap_bus_read(dev, sg_dma_address(sg), seen, sizeof(seen)), 0);
	assert_memory_equal(seen, data, sizeof(seen));
	dma_unmap_sg(dev, sg, N, DMA_BIDIRECTIONAL);
	free_pages((unsigned long)p, 9);
	rig_close(dev);
}

static void test_two_holds_of_one_place(void **state)
{
	struct device *dev = rig_open("sim", ~0ull);
	u8 *p = (u8 *)__get_free_pages(GFP_KERNEL, 0);
	dma_addr_t addr = dma_map_single(dev, p, 4096, DMA_TO_DEVICE);
	struct iovec a, b;

	assert_int_equal(dmamap_bus_map(dev, addr, 4096, false, &a, 1), 1);
	assert_int_equal(dmamap_bus_map(dev, addr, 64, false, &b, 1), 1);
	assert_int_equal(dev->domain->n_holds, 2);
	dmamap_bus_unmap(dev, &a, 1, false);
	assert_int_equal(dev->domain->n_holds, 1);
	dmamap_bus_unmap(dev, &b, 1, false);
	assert_int_equal(dev->domain->n_holds, 0);
	dmamap_bus_unmap(dev, &b, 1, false);
	assert_int_equal(dev->domain->n_holds, 0);
	dma_unmap_single(dev, addr, 4096, DMA_TO_DEVICE);
	free_page((unsigned long)p);
	rig_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_copies_of_every_size_and_alignment),
		cmocka_unit_test(test_words_do_not_tear),
		cmocka_unit_test(test_memory_that_comes_and_goes),
		cmocka_unit_test(test_a_models_own_buffer),
		cmocka_unit_test(test_a_page_of_the_host),
		cmocka_unit_test(test_hits_and_misses),
		cmocka_unit_test(test_threads_that_ended_are_counted),
		cmocka_unit_test(test_no_memory_for_a_threads_first_access),
		cmocka_unit_test(test_many_pieces),
		cmocka_unit_test(test_two_holds_of_one_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
