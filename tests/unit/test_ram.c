/* SPDX-License-Identifier: BSD-2-Clause */
/* RAM: its parts, its file, its users, the device view, and every failure. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fail.h"
#include "mem/page.h"
#include "mem/ram.h"

#include <linux/slab.h>
#include <linux/vmalloc.h>

static const struct mem_config any;

static void no_ram(void)
{
	assert_int_equal(mem.span, 0);
	assert_int_equal(mem.fd, -1);
	assert_int_equal(mem_pages_used(), 0);
	assert_null(mem.device_view);
}

static void get_and_put(void **state)
{
	struct mem_config want = {.ram = 5 * GIB, .swiotlb = MIB};

	no_ram();
	assert_int_equal(mem_get(&want), 0);
	assert_int_equal(mem.low, 3 * GIB);
	assert_int_equal(mem.span, 6 * GIB);
	assert_int_equal(mem.bounce_size, MIB);
	assert_int_equal((uintptr_t)mem.base % GIB, 0);
	assert_int_equal(mem_pages_used(), 0);
	mem_put();
	no_ram();
}

/*
 * Both parts are memory, they map the file at the offsets that mem.h defines, and they are
 * distinct.
 */
static void both_parts(void **state)
{
	struct mem_config want = {.ram = 5 * GIB};
	u64 places[] = {0, 3 * GIB - 8, 4 * GIB, 6 * GIB - 8};
	u64 offsets[] = {0, 3 * GIB - 8, 3 * GIB, 5 * GIB - 8}, word;

	assert_int_equal(mem_get(&want), 0);
	for (u64 i = 0; i < ARRAY_SIZE(places); i++)
		*(u64 *)(mem.base + places[i]) = 0x1234567800000000 + i;
	for (u64 i = 0; i < ARRAY_SIZE(places); i++) {
		assert_int_equal(pread(mem.fd, &word, 8, (off_t)offsets[i]), 8);
		assert_int_equal(word, 0x1234567800000000 + i);
	}
	mem_put();
}

static void sizes_are_fixed(void **state)
{
	struct mem_config first = {.ram = GIB, .swiotlb = 8 * MIB};
	struct mem_config other_ram = {.ram = 2 * GIB}, same = {.ram = GIB, .swiotlb = 8 * MIB};
	struct mem_config other_bounce = {.swiotlb = 4 * MIB}, other_low = {.low_max = 512 * MIB};
	struct mem_config bad = {.ram = 1};

	assert_int_equal(mem_get(&first), 0);
	assert_int_equal(mem_get(&any), 0);
	assert_int_equal(mem_get(&same), 0);
	assert_int_equal(mem_get(&other_ram), -EBUSY);
	assert_int_equal(errno, EBUSY);
	assert_non_null(strstr(error_text(), "1048576 KiB"));
	assert_non_null(strstr(error_text(), "2097152 KiB"));
	assert_int_equal(mem_get(&other_bounce), -EBUSY);
	assert_non_null(strstr(error_text(), "swiotlb"));
	assert_int_equal(mem_get(&other_low), -EBUSY);
	assert_int_equal(mem_get(&bad), -EINVAL);
	mem_put();
	mem_put();
	assert_int_equal(mem.span, GIB);
	mem_put();
	no_ram();
	assert_int_equal(mem_get(&other_ram), 0);
	assert_int_equal(mem.span, 2 * GIB);
	mem_put();
	assert_int_equal(mem_get(&bad), -EINVAL);
	no_ram();
}

/* A page, an object or an area keeps RAM allocated without a device. */
static void memory_keeps_ram(void **state)
{
	struct mem_config want = {.ram = GIB};
	struct page *page = alloc_page(GFP_KERNEL);
	void *object, *area;

	assert_non_null(page);
	assert_int_equal(mem.span, 9 * GIB);
	assert_int_equal(mem_pages_used(), 1);
	assert_int_equal(mem_get(&want), -EBUSY);
	__free_page(page);
	no_ram();

	assert_int_equal(mem_get(&want), 0);
	object = kmalloc(100, GFP_KERNEL);
	mem_put();
	assert_int_equal(mem.span, GIB);
	memset(object, 1, 100);
	area = vmalloc(3 * 4096);
	kfree(object);
	memset(area, 1, 3 * 4096);
	assert_int_equal(mem_pages_used(), 3);
	vfree(area);
	no_ram();
}

/* The library's own pages neither keep RAM allocated nor are counted, and need a device. */
static void internal_pages(void **state)
{
	struct page *page;

	assert_null(page_alloc(__GFP_INTERNAL, 0, ~0ull));
	assert_int_equal(mem_get(&any), 0);
	page = page_alloc(__GFP_INTERNAL | __GFP_ZERO, 0, ~0ull);
	assert_non_null(page);
	assert_int_equal(mem_pages_used(), 0);
	errno = 0;
	__free_page(page);
	assert_int_equal(errno, EINVAL);
	page_free(page, 0);
	mem_put();
	no_ram();
}

static u64 resident(const void *p, u64 size)
{
	u64 pages = size >> PAGE_BITS, n = 0;
	unsigned char *vec = malloc(pages);

	assert_non_null(vec);
	assert_int_equal(mincore((void *)(uintptr_t)p, size, vec), 0);
	for (u64 i = 0; i < pages; i++)
		n += vec[i] & 1;
	free(vec);
	return n << PAGE_BITS;
}

static void costs_what_is_touched(void **state)
{
	u64 map_bytes;
	struct page *page;

	assert_int_equal(mem_get(&any), 0);
	assert_int_equal(mem_need_device_view(), 0);
	map_bytes = (mem.span >> PAGE_BITS) * sizeof(struct page);
	assert_true(resident(mem.map, map_bytes) < MIB);
	assert_int_equal(resident(mem.base, mem.span), 0);
	assert_int_equal(resident(mem.device_view, mem.span), 0);
	/* nor does zeroed memory of a large order */
	page = alloc_pages(GFP_KERNEL | __GFP_ZERO, MAX_PAGE_ORDER);
	assert_non_null(page);
	assert_int_equal(resident(page_ptr(page), GIB), 0);
	__free_pages(page, MAX_PAGE_ORDER);
	assert_true(resident(mem.map, map_bytes) < MIB);
	mem_put();
}

static void device_view(void **state)
{
	struct mem_config want = {.ram = 5 * GIB};
	u8 *p;

	assert_int_equal(mem_get(&want), 0);
	assert_int_equal(mem_need_device_view(), 0);
	p = mem.device_view;
	assert_int_equal(mem_need_device_view(), 0);
	assert_ptr_equal(mem.device_view, p);
	p[6 * GIB - 1] = 1;
	p[3 * GIB - 1] = 1;
	assert_int_equal(mem.base[6 * GIB - 1], 0);
	assert_int_equal(mem.base[3 * GIB - 1], 0);
	mem_put();
	no_ram();
}

static void map_at(void **state)
{
	struct mem_config want = {.ram = 5 * GIB};
	u8 *va = mmap(NULL, 0x4000, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(va, MAP_FAILED);
	assert_int_equal(mem_get(&want), 0);
	assert_int_equal(mem_map_at(va, PHYS(4 * GIB), 0x2000, PROT_READ | PROT_WRITE), 0);
	assert_int_equal(mem_map_at(va + 0x2000, PHYS(0x5000), 0x1000, PROT_READ), 0);
	va[0x1008] = 7;
	mem.base[0x5003] = 9;
	assert_int_equal(mem.base[4 * GIB + 0x1008], 7);
	assert_int_equal(va[0x2003], 9);
	assert_int_equal(mem_map_at(va, PHYS(0x800), 0x1000, PROT_READ), -EINVAL);
	assert_int_equal(mem_map_at(va, PHYS(0), 0, PROT_READ), -EINVAL);
	assert_int_equal(mem_map_at(va, PHYS(3 * GIB - 0x1000), 0x2000, PROT_READ), -EINVAL);
	assert_int_equal(mem_map_at(va, PHYS(3 * GIB), 0x1000, PROT_READ), -EINVAL);
	assert_int_equal(mem_map_at(va, PHYS(6 * GIB - 0x1000), 0x2000, PROT_READ), -EINVAL);
	assert_int_equal(mem_map_at(va, PHYS(0x1000), ~0xfffull, PROT_READ), -EINVAL);
	mem_put();
	munmap(va, 0x4000);
}

/* Each allocation and system call fails once; nothing is left. */
static void every_failure(void **state)
{
	struct mem_config want = {.ram = 5 * GIB};
	struct fail_rule rule = {.times = 1};
	int first, err = -1;

	first = dup(0);
	close(first);
	for (rule.nth = 1; err && rule.nth < 50; rule.nth++) {
		fail_set(FAIL_MEMORY, &rule);
		err = mem_get(&want);
		if (!err) {
			err = mem_need_device_view();
			mem_put();
		}
		if (err) {
			assert_int_equal(err, -ENOMEM);
			assert_int_equal(errno, ENOMEM);
			assert_true(strlen(error_text()) > 20);
		}
		no_ram();
	}
	fail_set(FAIL_MEMORY, NULL);
	assert_int_equal(err, 0);
	assert_true(rule.nth > 7);
	assert_int_equal(dup(0), first); /* no descriptor was left open */
	close(first);
}

static void file_limit(void **state)
{
	struct rlimit was, small;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small = (struct rlimit){.rlim_cur = GIB, .rlim_max = was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	assert_int_equal(mem_get(&any), -ENOMEM);
	assert_non_null(strstr(error_text(), "ulimit -f"));
	setrlimit(RLIMIT_FSIZE, &was);
	no_ram();
}

static void *fault(const char *what)
{
	return (void *)(uintptr_t)what;
}

/*
 * RAM is created and freed all the time by four threads, each of which finds its bytes unchanged.
 */
static void *come_and_go(void *arg)
{
	u64 id = (u64)(uintptr_t)arg, local = id;

	for (u64 i = 0; i < 200; i++) {
		u64 *p = (i + id) % 3 ? kmalloc(64, GFP_KERNEL) : vmalloc(4096);

		/* no pointer of this thread becomes RAM, whatever the others do meanwhile */
		if (!p || phys_is_ram(phys_of(&local)) || vmalloc_range_contains(&local))
			return fault("failed");
		*p = i ^ id << 32;
		if ((i + id) % 5 == 0) {
			if (mem_get(&any))
				return fault("no get");
			mem_put();
		}
		if (*p != (i ^ id << 32))
			return fault("damaged");
		if ((i + id) % 3)
			kfree(p);
		else
			vfree(p);
	}
	return NULL;
}

static void threads(void **state)
{
	pthread_t t[4];
	void *what;

	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, come_and_go, (void *)i), 0);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &what);
		assert_null(what);
	}
	no_ram();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get_and_put),	   cmocka_unit_test(both_parts),
		cmocka_unit_test(sizes_are_fixed), cmocka_unit_test(memory_keeps_ram),
		cmocka_unit_test(internal_pages),  cmocka_unit_test(costs_what_is_touched),
		cmocka_unit_test(device_view),	   cmocka_unit_test(map_at),
		cmocka_unit_test(every_failure),   cmocka_unit_test(file_limit),
		cmocka_unit_test(threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
