/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Devices of every kind open and close in several threads, in groups and alone. Shared resources
 * (RAM, bounce memory, the flusher's thread) are created with the first device and freed with the
 * last. A thread that uses a device may end after another has closed other devices.
 */
#include "stress.h"

enum { THREADS = 3 };

struct opener {
	pthread_t thread;
	u64 random;
	unsigned int rounds;
	const char *const *specs;
	unsigned int n_specs;
};

/* Some of each resource that a device may own when it is closed. */
static void use_it(struct device *dev, u64 *random)
{
	u32 r = next_random(random);
	u8 *heap = aligned_alloc(64, 8192), byte = 1;
	dma_addr_t addr, dma;
	void *cpu;

	if (!heap)
		return;
	memset(heap, 2, 8192);
	addr = dma_map_single(dev, heap + 64, 1 + r % 5000, DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, addr)) {
		if (!strstr(dmamap_strerror(), "swiotlb is full"))
			went_wrong("map: %s", dmamap_strerror());
	} else {
		if (dmamap_bus_write(dev, addr, &byte, 1))
			went_wrong("write: %s", dmamap_strerror());
		dma_unmap_single(dev, addr, 1 + r % 5000, DMA_BIDIRECTIONAL);
		if (heap[64] != 1)
			went_wrong("the device's byte is not there");
	}
	cpu = dmam_alloc_coherent(dev, 1 + r % 9000, &dma, GFP_KERNEL);
	if (!cpu)
		went_wrong("coherent: %s", dmamap_strerror());
	else if (dmamap_bus_write(dev, dma, &byte, 1) || *(u8 *)cpu != 1)
		went_wrong("coherent: %s", dmamap_strerror());
	free(heap);
}

struct visit {
	struct device *dev;
	u64 random;
};

static void *visit_main(void *arg)
{
	struct visit *v = arg;

	use_it(v->dev, &v->random);
	return NULL;
}

static void *open_main(void *arg)
{
	struct opener *o = arg;

	for (unsigned int round = 0; round < o->rounds; round++) {
		u32 r = next_random(&o->random);
		struct device *dev = dmamap_open(o->specs[r % o->n_specs]);
		struct visit v = {dev, r};
		pthread_t t;

		if (!dev) {
			went_wrong("open: %s", dmamap_strerror());
			continue;
		}
		use_it(dev, &o->random);
		if (!(r >> 8 & 3) && !pthread_create(&t, NULL, visit_main, &v))
			pthread_join(t, NULL);
		dmamap_close(dev);
	}
	return NULL;
}

static void open_and_close(const char *const *specs, unsigned int n, unsigned int rounds)
{
	struct opener o[THREADS];

	for (u32 i = 0; i < THREADS; i++) {
		o[i] = (struct opener){.random = i, .rounds = rounds, .specs = specs, .n_specs = n};
		start_thread(&o[i].thread, open_main, &o[i]);
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(o[i].thread, NULL);
	no_trouble("open and close");
}

static const char *const all[] = {
	"sim,ram=256M",		"sim,policy=lazy,ram=256M", "sim,policy=identity,ram=256M",
	"sim,iommu=0,ram=256M", "sim,untrusted=1,ram=256M", "sim,coherent=0,ram=256M",
	"sim:edu,ram=256M",	"sim,group=g,ram=256M",	    "sim,group=l,policy=lazy,ram=256M",
};

static void test_while_another_is_open(void **state)
{
	struct device *dev = dmamap_open("sim,ram=256M");

	assert_non_null(dev);
	open_and_close(all, ARRAY_SIZE(all), ROUNDS(1000));
	dmamap_close(dev);
}

static void test_all_of_them_go(void **state)
{
	open_and_close(all, ARRAY_SIZE(all), ROUNDS(300));
}

/* The last lazy device ends the flusher's thread while another thread's first one starts it. */
static void test_lazy_ones(void **state)
{
	static const char *const lazy[] = {"sim,policy=lazy,ram=256M"};
	struct device *dev = dmamap_open("sim,ram=256M");

	assert_non_null(dev);
	open_and_close(lazy, 1, ROUNDS(1500));
	dmamap_close(dev);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_while_another_is_open),
		cmocka_unit_test(test_all_of_them_go),
		cmocka_unit_test(test_lazy_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
