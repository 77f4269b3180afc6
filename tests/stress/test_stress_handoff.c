/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Buffers that move between threads and are mapped and unmapped by the thread that owns them, and
 * coherent memory that one thread frees while another maps the same memory. All of it is legal, so
 * the checker must report nothing, however late it removes the record of an unmap. In addition,
 * memory is freed while checked devices open and close.
 */
#include "stress.h"

#define THREADS 3
#define SLOTS	4

struct passer {
	pthread_t thread;
	struct device *dev;
	u64 random;
	unsigned int rounds;
};

static void *slot[SLOTS]; /* atomic: buffers without an owner */

static void use(struct passer *w, u8 *p, enum dma_data_direction dir)
{
	dma_addr_t at = dma_map_single(w->dev, p, 512, dir);

	if (dma_mapping_error(w->dev, at))
		went_wrong("map: %s", dmamap_strerror());
	else
		dma_unmap_single(w->dev, at, 512, dir);
}

/* Memory that was coherent is a buffer a moment later. */
static void use_coherent(struct passer *w)
{
	dma_addr_t at;
	void *p = dma_alloc_coherent(w->dev, PAGE_SIZE, &at, GFP_KERNEL);
	unsigned long page;

	if (!p) {
		went_wrong("coherent: %s", dmamap_strerror());
		return;
	}
	dma_free_coherent(w->dev, PAGE_SIZE, p, at);
	page = __get_free_page(GFP_KERNEL);
	if (!page)
		return;
	use(w, (u8 *)page, DMA_FROM_DEVICE);
	free_page(page);
}

static void *pass_on(void *arg)
{
	struct passer *w = arg;

	for (unsigned int i = 0; i < w->rounds; i++) {
		u32 r = next_random(&w->random);
		void *p = __atomic_exchange_n(&slot[r % SLOTS], NULL, __ATOMIC_ACQ_REL);
		void *none = NULL;

		if (p) {
			use(w, p, r & 256 ? DMA_FROM_DEVICE : DMA_BIDIRECTIONAL);
			while (!__atomic_compare_exchange_n(&slot[r++ % SLOTS], &none, p, false,
							    __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
				none = NULL;
		}
		if (!(r >> 16 & 7))
			use_coherent(w);
	}
	return NULL;
}

static void hand_over(const char *spec)
{
	struct device *dev = dmamap_open(spec);
	struct passer passer[THREADS];

	assert_non_null(dev);
	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	for (int i = 0; i < SLOTS; i++) {
		slot[i] = kmalloc(512, GFP_KERNEL);
		assert_non_null(slot[i]);
	}
	for (u32 i = 0; i < THREADS; i++) {
		passer[i] = (struct passer){.dev = dev, .random = i + 1, .rounds = ROUNDS(40000)};
		start_thread(&passer[i].thread, pass_on, &passer[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(passer[i].thread, NULL);
	no_trouble(spec);
	for (int i = 0; i < SLOTS; i++)
		kfree(slot[i]);
	dmamap_close(dev);
}

static void direct(void **state)
{
	hand_over("sim,iommu=0,check=1");
}

static void strict(void **state)
{
	hand_over("sim,check=1");
}

static void lazy(void **state)
{
	hand_over("sim,policy=lazy,check=1");
}

/* Threads that free memory and do not use the devices that are opened and closed. */
static bool stop; /* atomic */

static void *free_memory(void *arg)
{
	void *p[16] = {NULL};

	for (u64 random = (uintptr_t)arg; !read_once(&stop);) {
		u32 r = next_random(&random), i = r % 16;

		if (p[i])
			kfree(p[i]);
		p[i] = kmalloc(r >> 8 & 1 ? 96 : 5000, GFP_KERNEL);
	}
	for (int i = 0; i < 16; i++)
		kfree(p[i]);
	return NULL;
}

static void come_and_go(void **state)
{
	struct device *stays = dmamap_open("sim"); /* and RAM as well */
	struct passer w = {.random = 1};
	pthread_t thread[THREADS];

	assert_non_null(stays);
	write_once(&stop, false);
	for (uintptr_t i = 0; i < THREADS; i++)
		start_thread(&thread[i], free_memory, (void *)(i + 1));
	for (unsigned int i = 0; i < ROUNDS(400); i++) {
		void *p = kmalloc(512, GFP_KERNEL);

		w.dev = dmamap_open("sim,check=1");
		assert_non_null(w.dev);
		assert_int_equal(dma_set_mask_and_coherent(w.dev, DMA_BIT_MASK(64)), 0);
		for (int k = 0; k < 4; k++)
			use(&w, p, DMA_FROM_DEVICE);
		dmamap_close(w.dev);
		kfree(p);
	}
	write_once(&stop, true);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	no_trouble("devices that come and go");
	dmamap_close(stays);
}

static void report(const struct dmamap_report *r, void *arg)
{
	went_wrong("report: %s", r->text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(direct),
		cmocka_unit_test(strict),
		cmocka_unit_test(lazy),
		cmocka_unit_test(come_and_go),
	};

	setenv("DMAMAP_CHECK", "stacks=0", 1);
	dmamap_check_on_report(report, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
