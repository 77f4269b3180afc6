/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Functions that the unit tests of the mapping layers share: a device, its counters, one injected
 * failure.
 */
#ifndef TESTS_CORE_RIG_H
#define TESTS_CORE_RIG_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <dmamap/bus.h>
#include <dmamap/check.h>
#include <dmamap/device.h>
#include <dmamap/stats.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "base/error.h"
#include "base/fail.h"
#include "domain/device.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

static inline struct device *rig_open(const char *spec, u64 mask)
{
	struct device *d = dmamap_open(spec);

	if (!d)
		fail_msg("%s: %s", spec, dmamap_strerror());
	assert_int_equal(dma_set_mask_and_coherent(d, mask), 0);
	return d;
}

static inline struct dmamap_stats rig_stats(struct device *d)
{
	struct dmamap_stats s = {.size = sizeof(s)};

	assert_int_equal(dmamap_stats(d, &s), 0);
	return s;
}

static inline void rig_close(struct device *d)
{
	assert_int_equal(rig_stats(d).maps, rig_stats(d).unmaps);
	assert_int_equal(rig_stats(d).coherent_bytes, 0);
	dmamap_close(d);
}

/* The n-th call of the site from now on fails, once. */
static inline void rig_fail(enum fail_site site, u64 n)
{
	const struct fail_rule rule = {.nth = n};

	fail_set(site, &rule);
}

static inline void rig_fail_none(void)
{
	for (int i = 0; i < FAIL_SITES; i++)
		fail_set((enum fail_site)i, NULL);
}

static inline bool rig_all(const void *p, size_t n, u8 value)
{
	for (size_t i = 0; i < n; i++)
		if (((const u8 *)p)[i] != value)
			return false;
	return true;
}

#endif
