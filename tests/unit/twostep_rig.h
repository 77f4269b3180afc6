/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the tests of two-step mappings and of pages share: a device, its reports, its
 * accesses.
 */
#ifndef TESTS_TWOSTEP_RIG_H
#define TESTS_TWOSTEP_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/fail.h"
#include "map/map.h"

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <stdlib.h>
#include <string.h>

#define K4 4096ull
#define M2 (2ull << 20)

static struct device *dev;
static int reports[DMAMAP_CHECK_KINDS];

static inline void on_report(const struct dmamap_report *r, void *arg)
{
	reports[r->kind]++;
	assert_true(*r->text);
}

static inline void open_device(const char *spec)
{
	memset(reports, 0, sizeof(reports));
	dmamap_check_on_report(on_report, NULL);
	dev = dmamap_open(spec);
	if (!dev)
		fail_msg("%s: %s", spec, dmamap_strerror());
	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
}

static inline struct dmamap_stats stats_now(void)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	assert_int_equal(dmamap_stats(dev, &s), 0);
	return s;
}

/* Asserts that nothing was left. */
static inline void close_device(void)
{
	struct dmamap_stats s = stats_now();

	assert_int_equal(s.iova_ranges, 0);
	assert_int_equal(s.maps - s.unmaps, 0);
	dmamap_close(dev);
	dev = NULL;
	dmamap_check_on_report(NULL, NULL);
	assert_int_equal(mem_pages_used(), 0);
}

/* Contiguous pages, in which each byte differs from its neighbours. */
static inline u8 *pages_get(unsigned int order)
{
	struct page *page = alloc_pages(GFP_KERNEL, order);
	u8 *p;

	assert_non_null(page);
	p = page_address(page);
	for (u64 i = 0; i < K4 << order; i++)
		p[i] = (u8)(i % 251 + 1);
	return p;
}

static inline void pages_put(u8 *p, unsigned int order)
{
	__free_pages(virt_to_page(p), order);
}

static inline bool device_sees(dma_addr_t addr, const void *want, size_t n)
{
	u8 *buf = malloc(n);
	bool same;

	assert_non_null(buf);
	if (dmamap_bus_read(dev, addr, buf, n))
		fail_msg("read of %zu bytes at %#llx: %s", n, (unsigned long long)addr,
			 dmamap_strerror());
	same = !memcmp(buf, want, n);
	free(buf);
	return same;
}

static inline void device_writes(dma_addr_t addr, u8 value, size_t n)
{
	u8 *buf = malloc(n);

	assert_non_null(buf);
	memset(buf, value, n);
	assert_int_equal(dmamap_bus_write(dev, addr, buf, n), 0);
	free(buf);
}

static inline bool refused(dma_addr_t addr, size_t n, bool write)
{
	static u8 buf[4 * K4];
	struct dmamap_fault f;
	int err;

	err = write ? dmamap_bus_write(dev, addr, buf, n) : dmamap_bus_read(dev, addr, buf, n);
	while (dmamap_bus_fault_next(dev, &f))
		;
	return err == -EFAULT;
}

static inline bool all_are(const u8 *p, size_t n, u8 value)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != value)
			return false;
	return true;
}

/* The thread's error message is a new one and names the device. */
static inline void said_why(void)
{
	assert_non_null(strstr(dmamap_strerror(), dev_name(dev)));
	error_set(EINVAL, "nothing");
}

#endif
