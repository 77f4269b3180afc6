/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contexts of one device are created and freed concurrently, with regions, accesses and memory that
 * is unmapped. The faults of a live context are resolved, and no region of another context is
 * accessed after it was freed.
 */
#include "stress.h"

#include <rdma/ib_umem_odp.h>
#include <sys/mman.h>

#define PAGE	4096ul
#define THREADS 3
#define LIVES	400
#define ENDS	50000

static struct device *dev;
static u8 *memory;
static u32 stop; /* atomic */

static struct ib_umem *get(struct ib_ucontext *c, u64 page, u64 n)
{
	return ib_umem_get(c, (unsigned long)memory + page * PAGE, n * PAGE, IB_ACCESS_ON_DEMAND);
}

/* A context of its own, one region, one access. */
static void *live(void *arg)
{
	u64 me = (u64)(uintptr_t)arg;

	for (int i = 0; i < ROUNDS(LIVES); i++) {
		struct ib_ucontext *c = ib_alloc_ucontext(dev, NULL);
		struct ib_umem *m = IS_ERR(c) ? ERR_CAST(c) : get(c, me, 1);
		u8 b;

		if (IS_ERR(m)) {
			went_wrong("no context or region: %s", dmamap_strerror());
			return NULL;
		}
		if (dmamap_bus_read(dev, ib_umem_start_dma_addr(m), &b, 1))
			went_wrong("an access to a live region was refused: %s", dmamap_strerror());
		if (i % 3)
			ib_umem_release(m);
		ib_dealloc_ucontext(c);
		if (i % 3 == 0)
			ib_umem_release(m);
	}
	return NULL;
}

/* Many regions of a permanent context. */
static void *come_and_go(void *arg)
{
	struct ib_ucontext *c = arg;
	struct ib_umem *m[8];

	while (!read_acquire(&stop)) {
		for (u64 i = 0; i < 8; i++)
			m[i] = get(c, 8 + i, 1);
		for (u64 i = 0; i < 8; i++) {
			if (IS_ERR(m[i]))
				went_wrong("no region: %s", dmamap_strerror());
			ib_umem_release(m[i]);
		}
	}
	return NULL;
}

static void *discard(void *arg)
{
	while (!read_acquire(&stop))
		madvise(memory, 16 * PAGE, MADV_DONTNEED);
	return NULL;
}

static void lives(const char *spec)
{
	struct ib_ucontext *c;
	pthread_t t[THREADS], others[2];

	dev = dmamap_open(spec);
	assert_non_null(dev);
	memory = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(memory != MAP_FAILED);
	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	c = ib_alloc_ucontext(dev, NULL);
	assert_false(IS_ERR_OR_NULL(c));
	write_release(&stop, 0);
	start_thread(&others[0], come_and_go, c);
	start_thread(&others[1], discard, NULL);
	for (u64 i = 0; i < THREADS; i++)
		start_thread(&t[i], live, (void *)(uintptr_t)i);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	write_release(&stop, 1);
	pthread_join(others[0], NULL);
	pthread_join(others[1], NULL);
	ib_dealloc_ucontext(c);
	drop_faults(dev);
	dmamap_close(dev);
	munmap(memory, 16 * PAGE);
	no_trouble(spec);
}

/* Contexts end one after another while regions of another context are freed. */
static void regions_of_another_context(void **state)
{
	struct ib_ucontext *c, *own;
	pthread_t t[2];

	dev = dmamap_open("sim");
	assert_non_null(dev);
	memory = NULL; /* holes: nothing is accessed */
	c = ib_alloc_ucontext(dev, NULL);
	assert_false(IS_ERR_OR_NULL(c));
	write_release(&stop, 0);
	for (int i = 0; i < 2; i++)
		start_thread(&t[i], come_and_go, c);
	for (int i = 0; i < ROUNDS(ENDS); i++) {
		own = ib_alloc_ucontext(dev, NULL);
		if (IS_ERR(own))
			went_wrong("no context: %s", dmamap_strerror());
		ib_dealloc_ucontext(own);
	}
	write_release(&stop, 1);
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	ib_dealloc_ucontext(c);
	dmamap_close(dev);
	no_trouble("regions of another context");
}

static void contexts_come_and_go(void **state)
{
	lives("sim");
}

static void contexts_of_copies_come_and_go(void **state)
{
	lives("sim,coherent=0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(regions_of_another_context),
		cmocka_unit_test(contexts_come_and_go),
		cmocka_unit_test(contexts_of_copies_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
