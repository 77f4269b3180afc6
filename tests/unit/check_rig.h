/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the tests of the checker share: two devices of each configuration, with ownership
 * checks or without, and the recorded reports. A test named "legit" does what correct drivers do,
 * in every configuration, and must cause no report.
 */
#ifndef TESTS_CHECK_RIG_H
#define TESTS_CHECK_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "base/compiler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const check_specs[] = {
	"sim,check=1",
	"sim,check=1,iommu=0",
	"sim,check=1,coherent=0",
	"sim,check=1,coherent=0,iommu=0",
	"sim,check=1,policy=lazy",
	"sim,check=1,policy=identity",
	"sim,check=1,policy=persistent",
	"sim,check=1,untrusted=1",
	"sim,check=1,iommu=0,bus-offset=64K",
};

/* A driver's device and another driver's; the reports; the index of the configuration. */
static struct device *dev, *dev2;
static const char *check_where;
static bool check_owners;
static volatile int check_reports, check_kind; /* also written when the program calls free() */
static char check_text[4096];

static inline void check_on_report(const struct dmamap_report *r, void *arg)
{
	check_reports++;
	check_kind = r->kind;
	snprintf(check_text, sizeof(check_text), "%s: %s", r->name, r->text);
}

static inline void check_begin(const char *spec, bool own)
{
	check_where = spec;
	check_owners = own;
	check_reports = check_kind = 0;
	check_text[0] = 0;
	dmamap_check_on_report(check_on_report, NULL);
	dev = dmamap_open(spec);
	dev2 = dmamap_open(spec);
	if (!dev || !dev2)
		fail_msg("%s: %s", spec, dmamap_strerror());
	assert_int_equal(dma_set_mask_and_coherent(dev, DMA_BIT_MASK(64)), 0);
	assert_int_equal(dma_set_mask_and_coherent(dev2, DMA_BIT_MASK(64)), 0);
	if (own) {
		assert_int_equal(dmamap_check_own(dev, true), 0);
		assert_int_equal(dmamap_check_own(dev2, true), 0);
	}
}

static inline void check_finish(void)
{
	dmamap_close(dev2);
	dmamap_close(dev);
	dmamap_check_on_report(NULL, NULL);
}

/* Runs a correct program in each configuration. */
static inline void check_right(const char *name, void (*run)(void))
{
	for (size_t i = 0; i < ARRAY_SIZE(check_specs); i++)
		for (int own = 0; own < 2; own++) {
			check_begin(check_specs[i], own);
			run();
			check_finish();
			if (check_reports)
				fail_msg("%s with %s%s: %d reports, the last is %s", name,
					 check_where, own ? ", owners watched" : "", check_reports,
					 check_text);
		}
}

/* Runs a wrong program on one device: it raises this kind once, and no other kind. */
static inline void check_wrong(const char *spec, int kind, void (*run)(void))
{
	check_begin(spec, false);
	run();
	check_finish();
	if (check_reports != 1 || check_kind != kind)
		fail_msg("%s: %d reports in place of one %s, the last is %s", spec, check_reports,
			 dmamap_check_name(kind), check_text);
}

/*
 * In configurations where a mapping is a translation of its own, and where it is only an address.
 */
static inline void check_wrong_everywhere(int kind, void (*run)(void))
{
	check_wrong("sim,check=1", kind, run);
	check_wrong("sim,check=1,iommu=0", kind, run);
	check_wrong("sim,check=1,policy=identity", kind, run);
	check_wrong("sim,check=1,coherent=0", kind, run);
}

#define LEGIT(f)                                                                                   \
	static void test_##f(void **state)                                                         \
	{                                                                                          \
		check_right(#f, f);                                                                \
	}

static inline dma_addr_t check_mapped(struct device *d, dma_addr_t addr)
{
	if (dma_mapping_error(d, addr))
		fail_msg("%s: %s", check_where, dmamap_strerror());
	return addr;
}

static inline dma_addr_t map_page(struct device *d, struct page *page, size_t offset, size_t size,
				  enum dma_data_direction dir, unsigned long attrs)
{
	return check_mapped(d, dma_map_page_attrs(d, page, offset, size, dir, attrs));
}

static inline dma_addr_t map_single(struct device *d, void *p, size_t size,
				    enum dma_data_direction dir)
{
	return check_mapped(d, dma_map_single(d, p, size, dir));
}

/* The device writes, and reads, the whole range; the bytes that it writes are 0x5a. */
static inline void device_writes(struct device *d, dma_addr_t addr, size_t size)
{
	char bytes[16384];

	memset(bytes, 0x5a, size);
	if (dmamap_bus_write(d, addr, bytes, size))
		fail_msg("%s: %s", check_where, dmamap_strerror());
}

static inline void device_reads(struct device *d, dma_addr_t addr, size_t size)
{
	char bytes[16384];

	if (dmamap_bus_read(d, addr, bytes, size))
		fail_msg("%s: %s", check_where, dmamap_strerror());
}

static inline void cpu_reads(const void *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		(void)((const volatile char *)p)[i];
}

#endif
