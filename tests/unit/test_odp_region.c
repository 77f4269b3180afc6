/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions: registration, faults, permissions, the device's accesses. */
#include "odp_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/uio.h>

static int setup(void **state)
{
	open_rig("sim");
	return 0;
}

static int teardown(void **state)
{
	close_rig();
	return 0;
}

static void device_reads_and_writes_what_nobody_touched(void **state)
{
	u8 *p = memory(8), buf[64], text[64];
	struct ib_umem *umem = region(p, 8 * PAGE, ALL_ACCESS);
	dma_addr_t base = ib_umem_start_dma_addr(umem);

	assert_true(base != DMA_MAPPING_ERROR);
	assert_int_equal(ib_umem_num_pages(umem), 8);
	assert_false(is_mapped(umem, p));
	memset(text, 0x5a, sizeof(text));
	assert_int_equal(dmamap_bus_read(dev, base + 2 * PAGE, buf, sizeof(buf)), 0);
	assert_int_equal(buf[0], 0);
	assert_int_equal(dmamap_bus_write(dev, base + 3 * PAGE - 32, text, sizeof(text)), 0);
	assert_memory_equal(p + 3 * PAGE - 32, text, sizeof(text));
	assert_int_equal(ib_umem_dma_address(umem, (unsigned long)p + 2 * PAGE + 5),
			 base + 2 * PAGE + 5);
	assert_false(is_mapped(umem, p));
	p[7 * PAGE] = 9;
	assert_int_equal(dmamap_bus_read(dev, base + 7 * PAGE, buf, 1), 0);
	assert_int_equal(buf[0], 9);
	/* complete, over all pages */
	u8 *big = malloc(8 * PAGE);

	memset(big, 0x77, 8 * PAGE);
	assert_int_equal(dmamap_bus_write(dev, base, big, 8 * PAGE), 0);
	assert_memory_equal(p, big, 8 * PAGE);
	memset(big, 0, 8 * PAGE);
	assert_int_equal(dmamap_bus_read(dev, base, big, 8 * PAGE), 0);
	assert_int_equal(big[8 * PAGE - 1], 0x77);
	free(big);
	ib_umem_release(umem);
	assert_int_equal(dmamap_bus_read(dev, base, buf, 1), -EFAULT);
	munmap(p, 8 * PAGE);
}

static void addresses_need_no_alignment(void **state)
{
	u8 *p = memory(3), byte = 3;
	struct ib_umem *umem = region(p + 100, PAGE, ALL_ACCESS);

	assert_int_equal(ib_umem_offset(umem), 100);
	assert_int_equal(ib_umem_num_pages(umem), 2);
	assert_int_equal(ib_umem_start_dma_addr(umem) & (PAGE - 1), 100);
	assert_int_equal(dmamap_bus_write(dev, ib_umem_start_dma_addr(umem) + 7, &byte, 1), 0);
	assert_int_equal(p[107], 3);
	ib_umem_release(umem);
	munmap(p, 3 * PAGE);
}

static void counts_and_errors_of_faulting_in(void **state)
{
	u8 *p = memory(16);
	struct ib_umem *umem;

	munmap(p + 5 * PAGE, PAGE);
	mprotect(p + 9 * PAGE, PAGE, PROT_NONE);
	mprotect(p + 12 * PAGE, PAGE, PROT_READ);
	umem = region(p, 16 * PAGE, ALL_ACCESS);
	assert_int_equal(fault_in(umem, p, 16, 0), -EINVAL);
	assert_int_equal(fault_in(umem, p, 16, 4), -EINVAL);
	assert_int_equal(fault_in(umem, p, 17, ODP_READ_ALLOWED_BIT), -EFAULT);
	assert_int_equal(fault_in(umem, p - PAGE, 1, ODP_READ_ALLOWED_BIT), -EFAULT);
	assert_int_equal(ib_umem_odp_map_dma_pages(umem, (unsigned long)p, ~0ull, 1,
						   ib_umem_notifiers_seq(umem)),
			 -EFAULT);
	assert_int_equal(fault_in(umem, p, 3, ODP_READ_ALLOWED_BIT), 3);
	assert_int_equal(fault_in(umem, p, 16, ODP_READ_ALLOWED_BIT), 5);
	assert_int_equal(fault_in(umem, p + 5 * PAGE, 1, ODP_READ_ALLOWED_BIT), -EFAULT);
	assert_int_equal(fault_in(umem, p + 6 * PAGE, 10, ODP_READ_ALLOWED_BIT), 3);
	assert_int_equal(fault_in(umem, p + 9 * PAGE, 2, ODP_READ_ALLOWED_BIT), -EFAULT);
	assert_int_equal(fault_in(umem, p + 10 * PAGE, 6, 3), 2);
	assert_int_equal(fault_in(umem, p + 12 * PAGE, 1, ODP_WRITE_ALLOWED_BIT), -EFAULT);
	assert_int_equal(fault_in(umem, p + 12 * PAGE, 4, ODP_READ_ALLOWED_BIT), 4);
	assert_true(is_mapped(umem, p + 15 * PAGE));
	/* beginning and ending inside a page */
	assert_int_equal(ib_umem_odp_map_dma_pages(umem, (unsigned long)p + PAGE - 1, 2, 1,
						   ib_umem_notifiers_seq(umem)),
			 2);
	ib_umem_odp_unmap_dma_pages(umem, (unsigned long)p + PAGE, (unsigned long)p + 2 * PAGE);
	assert_true(is_mapped(umem, p));
	assert_false(is_mapped(umem, p + PAGE));
	assert_true(is_mapped(umem, p + 2 * PAGE));
	ib_umem_odp_unmap_dma_pages(umem, 0, ~0ull);
	assert_false(is_mapped(umem, p));
	assert_false(is_mapped(umem, p + 15 * PAGE));
	ib_umem_release(umem);
	munmap(p, 16 * PAGE);
}

static void reading_first_then_writing(void **state)
{
	u8 *p = memory(4), byte = 1;
	struct ib_umem *umem = region(p, 4 * PAGE, ALL_ACCESS), *ro;
	dma_addr_t base = ib_umem_start_dma_addr(umem);
	struct dmamap_fault f;

	assert_int_equal(fault_in(umem, p, 4, ODP_READ_ALLOWED_BIT), 4);
	assert_int_equal(dmamap_bus_write(dev, base, &byte, 1), 0);
	assert_int_equal(p[0], 1);
	assert_int_equal(dmamap_bus_read(dev, base, &byte, 1), 0);
	assert_false(dmamap_bus_fault_next(dev, &f));
	/* a region that the device may only read */
	ro = region(p, 4 * PAGE, READ_ONLY);
	assert_int_equal(fault_in(ro, p, 4, ODP_WRITE_ALLOWED_BIT), -EFAULT);
	assert_int_equal(dmamap_bus_write(dev, ib_umem_start_dma_addr(ro), &byte, 1), -EFAULT);
	assert_int_equal(dmamap_bus_read(dev, ib_umem_start_dma_addr(ro), &byte, 1), 0);
	assert_int_equal(ib_umem_advise(ro, IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE,
					(unsigned long)p, PAGE),
			 -EPERM);
	ib_umem_release(ro);
	ib_umem_release(umem);
	munmap(p, 4 * PAGE);
}

static void obeys_a_later_mprotect(void **state)
{
	u8 *p = memory(2), buf[2 * PAGE];
	struct ib_umem *umem = region(p, 2 * PAGE, ALL_ACCESS);
	dma_addr_t base = ib_umem_start_dma_addr(umem);

	memset(buf, 7, sizeof(buf));
	assert_int_equal(dmamap_bus_write(dev, base, buf, sizeof(buf)), 0);
	mprotect(p + PAGE, PAGE, PROT_READ);
	buf[0] = 8;
	assert_int_equal(dmamap_bus_write(dev, base + PAGE, buf, 1), -EFAULT);
	/* completely or not at all */
	assert_int_equal(dmamap_bus_write(dev, base, buf, sizeof(buf)), -EFAULT);
	assert_int_equal(p[0], 7);
	assert_int_equal(dmamap_bus_read(dev, base, buf, sizeof(buf)), 0);
	mprotect(p + PAGE, PAGE, PROT_NONE);
	memset(buf, 1, sizeof(buf));
	assert_int_equal(dmamap_bus_read(dev, base, buf, sizeof(buf)), -EFAULT);
	assert_int_equal(buf[0], 1);
	mprotect(p + PAGE, PAGE, PROT_READ | PROT_WRITE);
	assert_int_equal(dmamap_bus_write(dev, base, buf, sizeof(buf)), 0);
	assert_int_equal(p[2 * PAGE - 1], 1);
	ib_umem_release(umem);
	munmap(p, 2 * PAGE);
}

static void segments_are_copies(void **state)
{
	u8 *p = memory(4);
	struct ib_umem *umem = region(p, 4 * PAGE, ALL_ACCESS);
	dma_addr_t base = ib_umem_start_dma_addr(umem);
	struct iovec iov[4];

	memset(p, 1, 4 * PAGE);
	assert_int_equal(dmamap_bus_map(dev, base + 8, 3 * PAGE, true, iov, 4), 1);
	assert_int_equal(iov[0].iov_len, 3 * PAGE);
	memset(iov[0].iov_base, 2, 3 * PAGE);
	munmap(p + 3 * PAGE, PAGE);
	dmamap_bus_unmap(dev, iov, 1, true);
	/* the page that was unmapped made it fail completely */
	assert_int_equal(p[8], 1);
	assert_int_equal(dmamap_bus_map(dev, base + 8, PAGE, true, iov, 4), 1);
	memset(iov[0].iov_base, 3, PAGE);
	dmamap_bus_unmap(dev, iov, 1, true);
	assert_int_equal(p[7], 1);
	assert_int_equal(p[8], 3);
	assert_int_equal(p[PAGE + 7], 3);
	assert_int_equal(p[PAGE + 8], 1);
	assert_int_equal(dmamap_bus_map(dev, base, PAGE, false, iov, 1), 1);
	dmamap_bus_unmap(dev, iov, 1, false);
	/* one is left for close */
	assert_int_equal(dmamap_bus_map(dev, base, PAGE, false, iov, 1), 1);
	ib_umem_release(umem);
	munmap(p, 3 * PAGE);
}

static void bad_registrations(void **state)
{
	assert_int_equal(PTR_ERR(ib_umem_get(ctx, 4096, 0, ALL_ACCESS)), -EINVAL);
	assert_int_equal(PTR_ERR(ib_umem_get(ctx, ~0ul - 10, 4096, ALL_ACCESS)), -EINVAL);
	assert_int_equal(PTR_ERR(ib_umem_get(ctx, 4096, ~0ul, ALL_ACCESS)), -EINVAL);
	assert_int_equal(PTR_ERR(ib_umem_get(ctx, 1ul << 47, 4096, ALL_ACCESS)), -EINVAL);
	assert_int_equal(PTR_ERR(ib_umem_get(ctx, (1ul << 47) - 1, 2, ALL_ACCESS)), -EINVAL);
	assert_int_equal(PTR_ERR(ib_umem_get(NULL, 4096, 4096, ALL_ACCESS)), -EINVAL);
	assert_int_equal(PTR_ERR(ib_umem_get(ctx, 4096, 4096, IB_ACCESS_LOCAL_WRITE)), -EOPNOTSUPP);
	assert_int_equal(PTR_ERR(ib_alloc_ucontext(NULL, NULL)), -EINVAL);
	assert_int_equal(ib_umem_odp_map_dma_pages(NULL, 0, 0, 1, 0), -EINVAL);
	assert_int_equal(ib_umem_invalidate_range(NULL, 0, 1), -EINVAL);
	assert_int_equal(ib_umem_invalidate_range(ctx, 5, 5), -EINVAL);
	ib_umem_release(NULL);
	ib_dealloc_ucontext(NULL);
	/* the end of the address space: a region of length 0 */
	struct ib_umem *umem = region((void *)((1ul << 47) - PAGE), PAGE, ALL_ACCESS);
	u8 byte;

	assert_int_equal(fault_in(umem, (void *)((1ul << 47) - PAGE), 1, 1), -EFAULT);
	assert_int_equal(dmamap_bus_read(dev, ib_umem_start_dma_addr(umem), &byte, 1), -EFAULT);
	ib_umem_release(umem);
}

static void huge_pages_are_one_leaf_and_split(void **state)
{
	u64 bytes = 8ul << 20;
	u8 *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
	   b = 4;
	struct ib_umem *umem = region(p + 5 * PAGE, bytes - 9 * PAGE, ALL_ACCESS);
	struct dmamap_stats before = {.size = sizeof(before)}, after = before;
	dma_addr_t base = ib_umem_start_dma_addr(umem);

	assert_int_equal((base ^ (u64)(p + 5 * PAGE)) & ((2 << 20) - 1), 0);
	dmamap_stats(dev, &before);
	assert_int_equal(fault_in(umem, p + 5 * PAGE, (bytes >> 12) - 9, 3), (bytes >> 12) - 9);
	dmamap_stats(dev, &after);
	assert_true(after.table_pages - before.table_pages < 10);
	/* indices count pages of 4 KiB, whatever the leaf */
	for (u64 i = 0; i < (bytes >> 12) - 9; i += 97) {
		assert_int_equal(ib_umem_dma_address(umem, (u64)p + (i + 5) * PAGE + 3),
				 base + i * PAGE + 3);
		assert_int_equal(dmamap_bus_write(dev, base + i * PAGE, &b, 1), 0);
		assert_int_equal(p[(i + 5) * PAGE], 4);
	}
	ib_umem_odp_unmap_dma_pages(umem, (u64)p + 1000 * PAGE, (u64)p + 1001 * PAGE);
	assert_false(is_mapped(umem, p + 1000 * PAGE));
	assert_true(is_mapped(umem, p + 999 * PAGE));
	assert_true(is_mapped(umem, p + 1001 * PAGE));
	ib_umem_release(umem);
	munmap(p, bytes);
}

static void sparse_regions_cost_nothing(void **state)
{
	u64 bytes = 64ull << 30;
	u8 *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0),
	   b = 1;
	struct ib_umem *umem;

	if (p == MAP_FAILED) {
		print_message("# passed over: no 64 GiB of addresses here\n");
		return;
	}
	umem = region(p, bytes, ALL_ACCESS);
	assert_int_equal(dmamap_bus_write(dev, ib_umem_start_dma_addr(umem) + bytes - 1, &b, 1), 0);
	assert_int_equal(p[bytes - 1], 1);
	ib_umem_release(umem);
	munmap(p, bytes);
}

static void advice(void **state)
{
	u8 *p = memory(8);
	struct ib_umem *umem = region(p, 8 * PAGE, ALL_ACCESS);

	p[2 * PAGE] = p[3 * PAGE] = p[6 * PAGE] = 1;
	assert_int_equal(ib_umem_advise(umem, 3, (u64)p, PAGE), -EINVAL);
	assert_int_equal(ib_umem_advise(umem, 0, (u64)p, 9 * PAGE), -EFAULT);
	assert_int_equal(ib_umem_advise(umem, IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT, (u64)p,
					8 * PAGE),
			 0);
	for (int i = 0; i < 8; i++)
		assert_int_equal(is_mapped(umem, p + i * PAGE), i == 2 || i == 3 || i == 6);
	assert_int_equal(
		ib_umem_advise(umem, IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH, (u64)p, 4 * PAGE), 0);
	assert_true(is_mapped(umem, p));
	assert_false(is_mapped(umem, p + 4 * PAGE));
	munmap(p + 7 * PAGE, PAGE);
	assert_int_equal(
		ib_umem_advise(umem, IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE, (u64)p, 8 * PAGE),
		-EFAULT);
	assert_true(is_mapped(umem, p + 6 * PAGE));
	ib_umem_release(umem);
	munmap(p, 7 * PAGE);
}

static void implicit_region(void **state)
{
	u8 *p = memory(600), *q = memory(1), b = 6;
	struct ib_umem *umem = region(NULL, SIZE_MAX, ALL_ACCESS);
	dma_addr_t base = ib_umem_start_dma_addr(umem);
	int local = 3;

	assert_int_equal(dmamap_bus_write(dev, base + (u64)p, &b, 1), 0);
	assert_int_equal(dmamap_bus_write(dev, base + (u64)&local, &b, 1), 0);
	assert_int_equal(local, 6);
	assert_int_equal(p[0], 6);
	assert_int_equal(fault_in(umem, p, 600, 3), 600);
	assert_int_equal(dmamap_bus_read(dev, base + (u64)q, &b, 1), 0);
	assert_int_equal(b, 0);
	assert_int_equal(dmamap_bus_read(dev, base, &b, 1), -EFAULT);
	forget();
	munmap(p, 300 * PAGE);
	if (ib_umem_events_enabled(ctx))
		assert_true(was_recorded(umem, p, 300 * PAGE));
	else
		ib_umem_invalidate_range(ctx, (u64)p, (u64)p + 300 * PAGE);
	assert_false(is_mapped(umem, p));
	assert_true(is_mapped(umem, p + 300 * PAGE));
	assert_int_equal(dmamap_bus_read(dev, base + (u64)p, &b, 1), -EFAULT);
	ib_umem_release(umem);
	munmap(p + 300 * PAGE, 300 * PAGE);
	munmap(q, PAGE);
}

struct asked {
	int count, maps_after;
	struct ib_umem *umem;
	u8 *p;
	dma_addr_t addr;
	size_t len;
	bool write;
};

static int resolve(struct device *d, dma_addr_t addr, size_t len, bool write, void *arg)
{
	struct asked *a = arg;

	__atomic_add_fetch(&a->count, 1, __ATOMIC_SEQ_CST);
	a->addr = addr;
	a->len = len;
	a->write = write;
	if (a->maps_after < 0)
		return -EPERM;
	usleep(1000);
	if (a->count > a->maps_after)
		return fault_in(a->umem, a->p + (a->count - a->maps_after - 1) * PAGE, 1,
				write ? 3 : 1) == 1
			       ? 0
			       : -EFAULT;
	return 0;
}

static void the_program_resolves(void **state)
{
	u8 *p = memory(8), buf[4 * PAGE];
	struct asked a = {.p = p};
	dma_addr_t base;
	struct dmamap_fault f;

	a.umem = region(p, 8 * PAGE, ALL_ACCESS);
	base = ib_umem_start_dma_addr(a.umem);
	assert_int_equal(dmamap_bus_on_fault(NULL, resolve, &a), -EINVAL);
	assert_int_equal(dmamap_bus_on_fault(dev, resolve, &a), 0);
	assert_int_equal(dmamap_bus_read(dev, base, buf, sizeof(buf)), 0);
	assert_int_equal(a.count, 4);
	assert_int_equal(a.addr, base);
	assert_int_equal(a.len, sizeof(buf));
	assert_false(a.write);
	a.count = 0;
	a.maps_after = -1;
	assert_int_equal(dmamap_bus_read(dev, base + 6 * PAGE, buf, 1), -EFAULT);
	assert_int_equal(a.count, 1);
	assert_int_equal(dmamap_bus_fault_next(dev, &f), 1);
	assert_int_equal(f.addr, base + 6 * PAGE);
	/* a resolver that maps nothing and never refuses is called a bounded number of times */
	a.maps_after = 1 << 30;
	assert_int_equal(dmamap_bus_read(dev, base + 6 * PAGE, buf, 1), -EFAULT);
	assert_true(a.count > 1000 && a.count < 2000);
	assert_int_equal(dmamap_bus_on_fault(dev, NULL, NULL), 0);
	assert_int_equal(dmamap_bus_read(dev, base + 6 * PAGE, buf, 1), 0);
	ib_umem_release(a.umem);
	munmap(p, 8 * PAGE);
}

static void *one_read(void *arg)
{
	u64 word;

	return (void *)(intptr_t)dmamap_bus_read(dev, *(dma_addr_t *)arg, &word, 8);
}

static void many_threads_fault_once(void **state)
{
	u8 *p = memory(1);
	struct asked a = {.p = p};
	pthread_t t[8];
	dma_addr_t base;
	void *err;

	a.umem = region(p, PAGE, ALL_ACCESS);
	base = ib_umem_start_dma_addr(a.umem);
	/*
	 * the first thread calls twice before it maps: the others wait by then, or find it mapped
	 */
	dmamap_bus_on_fault(dev, resolve, &a);
	for (int i = 0; i < 8; i++)
		pthread_create(&t[i], NULL, one_read, &base);
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], &err);
		assert_null(err);
	}
	assert_int_equal(a.count, 1);
	dmamap_bus_on_fault(dev, NULL, NULL);
	ib_umem_release(a.umem);
	munmap(p, PAGE);
}

static int count_regions(struct ib_umem *umem, u64 start, u64 end, void *arg)
{
	struct ib_umem ***next = arg;

	**next = umem;
	(*next)++;
	return umem->length == 5 * PAGE ? 42 : 0;
}

static void walking_regions(void **state)
{
	u8 *p = memory(10);
	struct ib_umem *seen[8], **next = seen;
	struct ib_umem *a = region(p, 2 * PAGE, READ_ONLY),
		       *b = region(p + PAGE, 3 * PAGE, READ_ONLY),
		       *c = region(p + 6 * PAGE, PAGE, READ_ONLY), *d;
	struct ib_ucontext *other = ib_alloc_ucontext(dev, NULL);
	struct ib_umem *theirs = ib_umem_get(other, (u64)p, 10 * PAGE, READ_ONLY);

	assert_int_equal(rbt_ib_umem_for_each_in_range(ctx, (u64)p, (u64)p + 10 * PAGE,
						       count_regions, &next),
			 0);
	assert_int_equal(next - seen, 3);
	assert_ptr_equal(seen[0], a);
	assert_ptr_equal(seen[1], b);
	assert_ptr_equal(seen[2], c);
	next = seen;
	rbt_ib_umem_for_each_in_range(ctx, (u64)p + 4 * PAGE, (u64)p + 6 * PAGE, count_regions,
				      &next);
	assert_int_equal(next - seen, 0);
	d = region(p, 5 * PAGE, READ_ONLY);
	next = seen;
	assert_int_equal(rbt_ib_umem_for_each_in_range(ctx, 0, ~0ull, count_regions, &next), 42);
	assert_int_equal(rbt_ib_umem_for_each_in_range(NULL, 0, 1, count_regions, &next), -EINVAL);
	ib_umem_release(theirs);
	ib_dealloc_ucontext(other);
	ib_umem_release(a);
	ib_umem_release(b);
	ib_umem_release(c);
	ib_umem_release(d);
	munmap(p, 10 * PAGE);
}

static void read_only_files(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY);
	u8 *p = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0), b = 1;
	struct ib_umem *umem = region(p, PAGE, ALL_ACCESS);

	assert_int_equal(dmamap_bus_read(dev, ib_umem_start_dma_addr(umem), &b, 1), 0);
	assert_int_equal(b, 0x7f);
	assert_int_equal(dmamap_bus_write(dev, ib_umem_start_dma_addr(umem), &b, 1), -EFAULT);
	assert_int_equal(fault_in(umem, p, 1, 3), -EFAULT);
	munmap(p, PAGE);
	/* there are no events for files: the access itself detects the change */
	assert_int_equal(dmamap_bus_read(dev, ib_umem_start_dma_addr(umem), &b, 1), -EFAULT);
	ib_umem_release(umem);
	close(fd);
}

static char tracked[16384];

static void tell(const struct dmamap_report *r, void *arg)
{
	snprintf(tracked + strlen(tracked), sizeof(tracked) - strlen(tracked), "%s: %s\n", r->name,
		 r->text);
}

/* The report of a region that was left has the stack that created it. */
static void left_behind(void **state)
{
	struct device *d = dmamap_open("sim,check=1");
	struct ib_ucontext *c = ib_alloc_ucontext(d, NULL);
	u8 *p = memory(1);
	struct ib_umem *umem = ib_umem_get(c, (u64)p, PAGE, ALL_ACCESS);

	assert_false(IS_ERR_OR_NULL(umem));
	dmamap_check_on_report(tell, NULL);
	tracked[0] = 0;
	dmamap_close(d);
	dmamap_check_on_report(NULL, NULL);
	assert_non_null(strstr(tracked, "leak: a region at"));
	assert_non_null(strstr(tracked, "\n  made:\n"));
	assert_null(strstr(tracked, "\n  here:\n"));
	ib_umem_release(umem);
	munmap(p, PAGE);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(device_reads_and_writes_what_nobody_touched),
		T(addresses_need_no_alignment),
		T(counts_and_errors_of_faulting_in),
		T(reading_first_then_writing),
		T(obeys_a_later_mprotect),
		T(segments_are_copies),
		T(bad_registrations),
		T(huge_pages_are_one_leaf_and_split),
		T(sparse_regions_cost_nothing),
		T(advice),
		T(implicit_region),
		T(the_program_resolves),
		T(many_threads_fault_once),
		T(walking_regions),
		T(read_only_files),
		T(left_behind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
